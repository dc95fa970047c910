"""What can be wrong with a fence or its rule."""

from fengsui.base.errors import BadInput


class BadFence(BadInput):
    """A fence, or a rule of one, cannot be kept as it is written."""

    code = "warn.bad_fence"
