"""How a person is reached: each channel takes one message and says that it was taken, or raises ChannelFailed.

``portal`` is the live stream: the loop is asked of whoever is logged in there.  ``email`` is SMTP (FENGSUI_SMTP_URL).
``sms`` and ``voice`` are a gateway's HTTP webhook (FENGSUI_CALL_WEBHOOK): we post JSON with a signature and a key that
makes a second post of the same message harmless.  A channel that is not set up, or lacks an address, is not used.
"""

import hashlib
import hmac
import http.client
import json
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext_lazy as _

from fengsui.stores.mail import MailServerUntrusted
from fengsui.warn.calls.errors import ChannelFailed

TIMEOUT_S = 10
MOST_ANSWER = 4096  # bytes of a gateway's answer that are read
LABELS = {"portal": _("Portal"), "email": _("E-mail"), "sms": _("Text message"), "voice": _("Voice call")}


@dataclass(frozen=True, slots=True)
class Said:
    """What is to reach one person.  ``key`` is the same for the same message, however often it is tried."""

    key: str
    name: str
    phone: str
    email: str
    title: str
    text: str
    level: int
    code: str
    link: str
    expires: str  # ISO 8601


class _Stays(urllib.request.HTTPRedirectHandler):
    """A redirected post would become a get without its body: it counts as refused."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Stays)


def usable(*, phone: str, email: str, has_accounts: bool) -> list[str]:
    """Channels by which somebody with these addresses can be reached as the platform is set up."""
    found = ["portal"] if has_accounts else []
    if email and settings.EMAIL_HOST:
        found.append("email")
    if phone and settings.CALL_WEBHOOK:
        found += [kind for kind in settings.CALL_WEBHOOK_KINDS if kind in ("sms", "voice")]
    return found


def send(channel: str, said: Said) -> str:
    """Hand ``said`` to the channel; returns its receipt, "" where it gives none.  Raises ChannelFailed."""
    return CHANNELS[channel](channel, said)


def _portal(_channel: str, _said: Said) -> str:
    return "live.loop"  # the loop went out on the live stream in the transaction that made the call


def _email(_channel: str, said: Said) -> str:
    sender = settings.DEFAULT_FROM_EMAIL
    number = f"<{said.key}@{parseaddr(sender)[1].rpartition('@')[2] or 'fengsui'}>"
    connection = get_connection(timeout=TIMEOUT_S)
    headers = {"Message-ID": number}
    message = EmailMessage(
        said.title, said.text, sender, [said.email], connection=connection, headers=headers
    )
    try:
        message.send()
    except (OSError, smtplib.SMTPException, ValueError, MailServerUntrusted) as error:
        raise ChannelFailed(f"email: {error}") from error
    return number


def _webhook(channel: str, said: Said) -> str:
    body = json.dumps({"kind": channel, **asdict(said)}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"{said.key}-{channel}"}
    if settings.CALL_WEBHOOK_SECRET:
        digest = hmac.new(settings.CALL_WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Fengsui-Signature"] = f"sha256={digest}"
    request = urllib.request.Request(settings.CALL_WEBHOOK, data=body, headers=headers, method="POST")
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            raw = answer.read(MOST_ANSWER)
    except urllib.error.HTTPError as error:
        raise ChannelFailed(f"{channel}: the gateway answered {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ChannelFailed(f"{channel}: {error}") from error
    try:
        receipt = json.loads(raw).get("receipt", "")
    except (ValueError, AttributeError):
        receipt = ""
    return str(receipt)[:120]


CHANNELS: dict[str, Callable[[str, Said], str]] = {
    "portal": _portal,
    "email": _email,
    "sms": _webhook,
    "voice": _webhook,
}
