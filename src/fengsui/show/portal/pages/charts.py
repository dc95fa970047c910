"""Small bar charts drawn on the server: one path, no script, no inline style."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 48


@dataclass(frozen=True, slots=True)
class Bars:
    """``path`` fills WIDTH × HEIGHT; the largest bar is as high as the chart.  ``last`` is the newest value."""

    path: str
    least: float
    most: float
    last: float
    width: int = WIDTH
    height: int = HEIGHT


def bars(values: Sequence[float]) -> Bars:
    """Bars of ``values`` (none below 0), oldest first; a value above 0 is never drawn as nothing."""
    if not values:
        return Bars("", 0.0, 0.0, 0.0)
    most, step = max(values), WIDTH / len(values)
    parts = []
    for n, value in enumerate(values):
        if value > 0:
            high = max(1.0, value / most * HEIGHT)
            parts.append(f"M{n * step:.2f} {HEIGHT}v{-high:.2f}h{step * 0.8:.2f}v{high:.2f}z")
    return Bars("".join(parts), min(values), most, values[-1])
