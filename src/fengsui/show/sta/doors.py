"""Who asks: a session with its CSRF token, a person by name and password, or a device by code and secret.

A password is checked as at the log-in page (lock-out, audit trail), and then remembered for some minutes.  Somebody
with a second factor cannot come in by password alone.
"""

import base64
import binascii
import hashlib
import hmac
import time
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.http import HttpRequest
from ninja.utils import check_csrf

from fengsui.base.errors import NotAllowed
from fengsui.people.accounts import passwords
from fengsui.sense.devices.models import Device
from fengsui.show.api.errors import CsrfFailed, NotLoggedIn
from fengsui.show.sta.sets import Viewer

REMEMBERED_S = 300
REMEMBERED_MOST = 1000
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_known: dict[str, tuple[float, int, str]] = {}  # of a header: until when, whose, under which password hash


class PasswordDue(NotAllowed):
    """A new password has to be chosen first."""

    code = "people.password_due"


def viewer_of(request: HttpRequest) -> Viewer:
    """Who sends this request.  Raises NotLoggedIn, CsrfFailed, PasswordDue."""
    header = request.headers.get("Authorization", "")
    if not header:
        user: Any = request.user
        if not user.is_authenticated:
            raise NotLoggedIn
        if request.method not in SAFE and check_csrf(request) is not None:
            raise CsrfFailed
        return Viewer(user)
    name, secret = credentials(header)
    if not name or not secret or "\0" in name + secret:
        raise NotLoggedIn
    device = _device(name, secret)
    if device is not None:
        return Viewer(device=device)
    user = _person(request, header, name, secret)
    request.user = user
    return Viewer(user)


def credentials(header: str) -> tuple[str, str]:
    """Name and secret of Basic or, for devices, Bearer code.secret; empty when there are none."""
    kind, _, rest = header.partition(" ")
    if kind.lower() == "bearer":
        code, _, secret = rest.strip().partition(".")
        return code, secret
    if kind.lower() != "basic":
        return "", ""
    try:
        said = base64.b64decode(rest.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return "", ""
    name, _, secret = said.partition(":")
    return name, secret


def _device(code: str, secret: str) -> Device | None:
    device = (
        Device.objects.select_related("site").filter(code=code, is_active=True, site__is_active=True).first()
    )
    given = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    same = hmac.compare_digest(given, device.secret_sha256 if device else "0" * 64)
    return device if device is not None and same and device.secret_sha256 else None


def _person(request: HttpRequest, header: str, name: str, password: str) -> Any:
    key = hmac.new(settings.SECRET_KEY.encode(), header.encode(), hashlib.sha256).hexdigest()
    until, pk, of = _known.get(key, (0.0, 0, ""))
    user: Any = None
    if until > time.monotonic():
        user = get_user_model().objects.filter(pk=pk, is_active=True, password=of).first()
    if user is None:
        _known.pop(key, None)
        user = authenticate(request=request, username=name, password=password)
        if user is None:
            raise NotLoggedIn
        if len(_known) >= REMEMBERED_MOST:
            _known.pop(next(iter(_known)), None)
        _known[key] = (time.monotonic() + REMEMBERED_S, user.pk, user.password)
    if is_mfa_enabled(user):
        raise NotLoggedIn("an account with a second factor comes in by a session, not by password alone")
    if passwords.why_due(user):
        raise PasswordDue
    return user
