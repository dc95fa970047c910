"""Who looks whether the disks of a role have room (``stores/bus/room``)."""

from pathlib import Path

from fengsui.run import settings
from fengsui.stores.bus import Looker


def looker(*folders: Path) -> Looker:
    """For the disks of ``folders``, with FENGSUI_MIN_FREE_BYTES as the least."""
    return Looker(folders, settings.number("FENGSUI_MIN_FREE_BYTES"))
