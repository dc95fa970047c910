"""What is wrong with an address or a query."""

from fengsui.base.errors import BadInput, FengsuiError


class BadQuery(BadInput):
    """An address, query option or body that SensorThings does not allow; the message says what and where."""

    code = "show.sta_bad_query"


class NotAnswered(FengsuiError):
    """A question that the standard allows and that is not answered here; the message says which part."""

    code = "show.sta_not_answered"
