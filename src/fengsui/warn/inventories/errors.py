"""What can be wrong with an inventory."""

from fengsui.base.errors import BadInput


class BadInventory(BadInput):
    """An inventory cannot be kept as it is."""

    code = "warn.bad_inventory"
