"""A measured figure: its name, unit, median and spread."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` is the median of ``runs`` runs, ``low`` and ``high`` the extremes."""

    name: str
    unit: str
    value: float
    low: float
    high: float
    runs: int = 1
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def figure(name: str, unit: str, values: Sequence[float] | float, note: str = "") -> Figure:
    """The figure of one or several runs."""
    all_values = list(values) if isinstance(values, Sequence) else [values]
    return Figure(
        name, unit, statistics.median(all_values), min(all_values), max(all_values), len(all_values), note
    )
