"""What can be wrong with a detector, and with what is asked of it."""

from fengsui.base.errors import BadInput, FengsuiError


class BadModel(BadInput):
    """A detector that cannot be trained, read or applied: the message says what and what to do."""

    code = "warn.bad_detector"


class DetectorState(FengsuiError):
    """Not possible as the detector is now: nothing in shadow, or already in force."""

    code = "warn.detector_state"
