"""Spans of time as people write them, ``90s``, ``1h30m``, ``250ms``, to milliseconds and back."""

import re

from fengsui.base.errors import BadInput

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")


class BadDuration(BadInput):
    """Text that is not a span of time."""

    code = "warn.bad_duration"


def parse_ms(text: object) -> int:
    """``"1m30s"`` → 90000.  A bare number is refused except 0: seconds or milliseconds?  Raises BadDuration."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise BadDuration(f"{text!r} is not a duration such as 10s, 1m30s or 250ms")
    said = str(text).strip()
    if said in ("0", "0.0"):
        return 0
    parts = _PART.findall(said)
    if not parts or "".join(number + unit for number, unit in parts) != said:
        hint = "; write the unit" if said.replace(".", "", 1).isdigit() else ""
        raise BadDuration(f"{said!r} is not a duration such as 10s, 1m30s or 250ms{hint}")
    return round(sum(float(number) * UNITS_MS[unit] for number, unit in parts))


def words(ms: int) -> str:
    """90000 → ``"1m30s"``; ``parse_ms`` reads it back."""
    if ms == 0:
        return "0s"
    said, rest = "-" if ms < 0 else "", abs(ms)
    for unit, size in UNITS_MS.items():
        if rest >= size:
            said += f"{rest // size}{unit}"
            rest %= size
    return said
