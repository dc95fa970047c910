"""A level over time: up at once, down only after what speaks for it has been gone for a while."""

from dataclasses import dataclass

from fengsui.warn.natural.thresholds import CALM


@dataclass(frozen=True, slots=True)
class Held:
    """The level that holds; since when (ms UTC) what is measured has been milder, and the worst measured since then."""

    level: int = CALM
    below_ms: int | None = None
    floor: int = CALM


def step(held: Held, up: int, down: int, at_ms: int, after_s: int) -> Held:
    """The level after a measurement at ``at_ms``.

    ``up`` is the level by the thresholds themselves, ``down`` by thresholds lowered by their deadband (so never milder
    than ``up``).  Worse than held: taken at once.  Milder than held by ``down`` too, and so for ``after_s`` seconds:
    the worst that was measured meanwhile.
    """
    if up < held.level:
        return Held(up)
    if down <= held.level:
        return Held(held.level)
    since = at_ms if held.below_ms is None else held.below_ms
    floor = down if held.below_ms is None else min(held.floor, down)
    if at_ms - since >= after_s * 1000:
        return Held(floor)
    return Held(held.level, since, floor)
