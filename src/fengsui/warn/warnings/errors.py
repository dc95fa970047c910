"""What can go wrong with public warnings.  Codes are stable; ``show`` turns them into words."""

from fengsui.base.errors import BadInput, FengsuiError, NotAllowed


class BadWarning(BadInput):
    """A field of a draft cannot be used as it is."""

    code = "warn.bad_warning"


class NotFit(BadInput):
    """A draft that the linter stops."""

    code = "warn.warning_not_fit"


class WrongState(FengsuiError):
    """The warning is somewhere else in its life by now, or was changed meanwhile."""

    code = "warn.warning_state"


class SameEyes(NotAllowed):
    """Four eyes: whoever wrote a warning does not review it, whoever did either does not approve it."""

    code = "warn.same_eyes"


class CannotFetch(FengsuiError):
    """A feed of somebody else cannot be read now."""

    code = "warn.cannot_fetch"
