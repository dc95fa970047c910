"""The one form of date and time that CAP allows, and the forms that are met instead of it.

CAP 1.2, 3.3.2 and the type of its schema: ``YYYY-MM-DDThh:mm:ss±hh:mm``; no fractions, no letters for zones, UTC is
written ``-00:00``.  What is met in the field is read where it is certain, and named.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))

_STRICT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-,+]\d\d:\d\d\Z", re.ASCII)
_LOOSE = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d)(?::?(\d\d))?(?:[.,](\d+)(?![:\d]))?"
    r"\s*(?:([Zz])|([-,+])(\d\d):?(\d\d)?)?\Z",
    re.ASCII,
)


def read(text: str) -> tuple[datetime | None, list[str]]:
    """The instant, and the rules that the text breaks; None where it cannot be said.

    A time without zone is an instant nobody can know: it is read as UTC and named ``time.no_zone``.
    """
    found = _LOOSE.match(text)
    if not found:
        return None, ["time.form"]
    year, month, day, hour, minute, second, fraction, zulu, sign, off_hours, off_minutes = found.groups()
    broken = []
    if fraction:
        broken.append("time.fraction")
    zone = UTC
    if zulu:
        broken.append("time.zulu")
    elif sign is None:
        broken.append("time.no_zone")
    else:
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes or 0))
        if offset > timedelta(hours=14) or int(off_minutes or 0) > 59:
            return None, [*broken, "time.impossible"]
        if sign == ",":
            broken.append("time.comma")
        if not offset and sign != "-":
            broken.append("time.utc")
        if offset:
            zone = timezone(-offset if sign == "-" else offset)
    try:
        day_end = (hour, minute, second or "00") == (
            "24",
            "00",
            "00",
        )  # XML Schema lets a midnight be written so
        at = datetime(
            int(year),
            int(month),
            int(day),
            0 if day_end else int(hour),
            int(minute),
            int(second or 0),
            tzinfo=zone,
        ) + timedelta(days=day_end)
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None, [*broken, "time.impossible"]
    if not broken and not _STRICT.match(text):
        broken.append("time.form")
    return at, broken


def write(at: datetime) -> str:
    """As CAP wants it, in the offset that ``at`` has; UTC as ``-00:00``.  Raises ValueError without a zone."""
    offset = at.utcoffset()
    if offset is None:
        raise ValueError("a time without zone")
    if offset.total_seconds() % 60:
        at = at.astimezone(UTC)
        offset = timedelta()
    minutes = round(offset.total_seconds() / 60)
    sign = "+" if minutes > 0 else "-"
    hours, rest = divmod(abs(minutes), 60)
    return f"{at:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{sign}{hours:02}:{rest:02}"
