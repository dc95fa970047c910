"""When a site is in a storm of alarms: the flood of ISA-18.2 / EEMUA 191 over a sliding window (numbers from memory).

A storm changes how alarms are shown and when people are told of those that wait for a cause.  It hides nothing.
"""

from fengsui.warn.engine.burden import FLOOD_FROM, FLOOD_UNTIL, WINDOW_MS

__all__ = ["FLOOD_FROM", "FLOOD_UNTIL", "WINDOW_MS", "is_storm"]


def is_storm(raised: int, was_storm: bool) -> bool:
    """Whether a site with ``raised`` new alarms in the last WINDOW_MS is in a storm now."""
    return raised >= (FLOOD_UNTIL if was_storm else FLOOD_FROM)
