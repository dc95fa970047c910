"""What can be wrong with a gauge or a file of natural hazards."""

from fengsui.base.errors import BadInput


class BadGauge(BadInput):
    """A gauge cannot be used as it is written."""

    code = "warn.bad_gauge"
