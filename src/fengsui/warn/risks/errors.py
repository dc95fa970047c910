"""What can be wrong with a declared fact."""

from fengsui.base.errors import BadInput


class BadFact(BadInput):
    """A fact cannot be declared as it is written."""

    code = "warn.bad_fact"
