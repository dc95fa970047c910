"""What can be wrong with a patrol."""

from fengsui.base.errors import BadInput


class BadPatrol(BadInput):
    """A patrol cannot be drawn, sent or ended like this."""

    code = "warn.bad_patrol"
