"""Mail as Django sends it, to a server whose certificate is always checked: by the system's authorities and your own.

``smtps`` speaks TLS from the first byte, ``smtp+starttls`` and ``smtp`` with a user turn to TLS before anything is
said (RFC 3207), ``smtp`` without a user stays open.  There is no way to switch the check off.
"""

import ssl

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from fengsui.base.errors import FengsuiError


class MailServerUntrusted(FengsuiError):
    """Nothing was sent, for it is not certain who the mail server is; the message says what to do."""

    code = "stores.mail_untrusted"


class Backend(EmailBackend):
    """Raises MailServerUntrusted beside what Django's own raises."""

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if settings.SMTP_CA:
            try:
                context.load_verify_locations(cafile=settings.SMTP_CA)
            except (OSError, ssl.SSLError) as error:
                said = _("FENGSUI_SMTP_CA (%(path)s) is no readable PEM file of certificates: %(why)s.")
                raise MailServerUntrusted(said % {"path": settings.SMTP_CA, "why": error}) from error
        return context

    def open(self) -> bool | None:
        try:
            return super().open()
        except ssl.SSLCertVerificationError as error:
            said = _(
                "The certificate of the mail server %(host)s:%(port)s is not accepted (%(why)s): nothing was sent."
                " If it is your own, give the PEM file of its authority in FENGSUI_SMTP_CA; name the server as its"
                " certificate does."
            )
            more = {"host": self.host, "port": self.port, "why": error.verify_message}
            raise MailServerUntrusted(said % more) from error
