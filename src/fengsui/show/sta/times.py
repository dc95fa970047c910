"""Instants and intervals as SensorThings writes them: ISO 8601, in UTC here.  OGC 18-088, 8.1."""

import datetime as dt
from typing import Any

from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.odata.expression import instant

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def text(ms: int) -> str:
    """An instant in ms as text."""
    at = _EPOCH + dt.timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def of_datetime(at: dt.datetime) -> str:
    """A database's instant as text."""
    return text(round((at - _EPOCH) / dt.timedelta(milliseconds=1)))


def interval(from_ms: int, to_ms: int) -> str:
    return f"{text(from_ms)}/{text(to_ms)}"


def ms(value: Any, name: str) -> int:
    """The ms of an instant in a body.  Raises BadQuery."""
    try:
        at = instant(value)
        return round((at - _EPOCH) / dt.timedelta(milliseconds=1))
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise BadQuery(f"{name} is an ISO 8601 instant with its offset, not {str(value)[:60]}") from None


def span(value: Any, name: str) -> tuple[int, int]:
    """First and last ms of an instant or interval in a body.  Raises BadQuery."""
    first, slash, last = str(value).partition("/")
    low = ms(first, name)
    high = ms(last, name) if slash else low
    if high < low:
        raise BadQuery(f"{name} ends before it begins: {str(value)[:60]}")
    return low, high
