"""What can go wrong with call-and-confirm.  Codes are stable; ``show`` turns them into words."""

from fengsui.base.errors import BadInput, FengsuiError


class BadContact(BadInput):
    """A responsible person, or a file of them, cannot be kept as it is written."""

    code = "warn.bad_contact"


class BadCall(BadInput):
    """What is to be recorded of a call cannot be so: nobody named, a time that cannot be."""

    code = "warn.bad_call"


class CallOver(FengsuiError):
    """The warning is over, or the place is no longer called."""

    code = "warn.call_over"


class NoSuchCode(FengsuiError):
    """No open call has this one-time code."""

    code = "warn.no_such_code"


class ChannelFailed(FengsuiError):
    """A channel did not take a message; it is tried again and kept with the reason."""

    code = "warn.channel_failed"
