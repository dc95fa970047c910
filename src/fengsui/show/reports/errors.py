"""What can be wrong with a trend report."""

from fengsui.base.errors import BadInput, FengsuiError


class BadReport(BadInput):
    """A report cannot be made or ordered like this."""

    code = "show.bad_report"


class NoMail(FengsuiError):
    """Nothing can be sent: no mail server is set."""

    code = "show.no_mail"


class BadTemplate(BadInput):
    """A Word template cannot be used: the message names the fault."""

    code = "show.bad_template"
