"""What a frame measured, by the names of its protocol; and a decoding as plain JSON values.

A codec knows no site and no datastream: it says which device, which code of the protocol, when, and how much.  What
that is called at home is data (a mapping), and its unit is turned there.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fengsui.base.quality import Quality


class Measured(NamedTuple):
    """``device`` as it names itself · ``code`` the protocol's · ``time_ms`` UTC, None where the frame has no time."""

    device: str
    code: str
    time_ms: int | None
    value: float  # NaN: the device says that it has no value
    unit: str = ""  # a code of base/units.py, empty where the protocol does not say
    quality: Quality = Quality.GOOD  # what the device says of it


def milliseconds(at: object) -> int | None:
    """UTC milliseconds of an aware time; None of anything else."""
    return round(at.timestamp() * 1000) if isinstance(at, datetime) else None


def plain(value: Any) -> Any:
    """``value`` as JSON knows it: bytes as hex, times as ISO 8601 in UTC, NaN and infinities as text."""
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [plain(inner) for inner in value]
    return str(value)
