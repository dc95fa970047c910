"""Rows of positions, as satellite services and phones give them, to columns for the bus.

A row is ``terminal``, ``time``, ``lon``, ``lat`` and, where they are known, ``speed`` (km/h), ``course`` (degrees) and
``accuracy`` (metres; a position worse than ``LEAST_ACCURATE_M`` is refused).  Times are ISO 8601 with an offset, or
ms UTC.  Every bad row is named with what is wrong; the good ones are taken.
"""

import csv
import datetime
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from django.utils.translation import gettext as _

from fengsui.base import units as measures
from fengsui.base.errors import BadInput
from fengsui.base.place import is_on_earth
from fengsui.sense.moving.models import Unit

MOST_ROWS = 100_000
MOST_NAMED = 100
LEAST_ACCURATE_M = 1_000.0
MAX_TIME_MS = 253_402_300_799_999
HERE = "here"
FIELDS = ("longitude", "latitude", "speed", "course")


class BadPositions(BadInput):
    """Rows of positions that cannot be read as a whole."""

    code = "sense.bad_positions"


class BadRow(NamedTuple):
    """``row`` from 1, and what is wrong with it."""

    row: int
    why: str


@dataclass(slots=True)
class Positions:
    """Readings as columns of equal length, values in the datastreams' own units, and the rows that gave none."""

    site: np.ndarray  # int32
    datastream: np.ndarray  # int32
    time_ms: np.ndarray  # int64
    value: np.ndarray  # float64
    row: np.ndarray  # int64: the row each reading comes from
    rows: int = 0
    bad_count: int = 0
    bad: list[BadRow] = field(default_factory=list)


def rows_of_csv(data: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file with a heading.  Raises BadPositions."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")
    reader = csv.DictReader(io.StringIO(text))
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in ("terminal", "time", "lon", "lat") if name not in names]
    if missing:
        raise BadPositions(_("The heading lacks %(names)s.") % {"names": ", ".join(missing)})
    reader.fieldnames = names
    try:
        return [
            {name: (cell or "").strip() for name, cell in row.items() if isinstance(name, str)}
            for row in reader
        ]
    except csv.Error as error:
        raise BadPositions(str(error)) from error


def read(rows: Sequence[Mapping[str, Any]], units: Mapping[str, Unit]) -> Positions:
    """Readings of ``units``, by terminal (select their ``speed``), out of rows.  Raises BadPositions for too many."""
    if len(rows) > MOST_ROWS:
        raise BadPositions(_("More than %(most)s rows: split them.") % {"most": f"{MOST_ROWS:,}"})
    known = {terminal: _Streams.of(unit) for terminal, unit in units.items()}
    sites: list[int] = []
    streams_of: list[int] = []
    times: list[int] = []
    values: list[float] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    bad_count = 0
    for number, row in enumerate(rows, 1):
        streams = known.get(str(row.get("terminal", "")).strip())
        try:
            if streams is None:
                raise ValueError(_("no unit here has this terminal number"))
            time_ms, found = _reading(row)
        except ValueError as error:
            bad_count += 1
            if len(bad) < MOST_NAMED:
                bad.append(BadRow(number, str(error)))
            continue
        for name, value in zip(FIELDS, found, strict=True):
            stream = streams.ids[name]
            if value is None or stream is None:
                continue
            sites.append(streams.site)
            streams_of.append(stream)
            times.append(time_ms)
            values.append(value * streams.factor.get(name, 1.0))
            numbers.append(number)
    return Positions(
        np.array(sites, np.int32),
        np.array(streams_of, np.int32),
        np.array(times, np.int64),
        np.array(values, np.float64),
        np.array(numbers, np.int64),
        len(rows),
        bad_count,
        bad,
    )


def of_unit(unit: Unit, columns: Mapping[str, Sequence[float | None]], time_ms: Sequence[int]) -> Positions:
    """The same out of columns of one unit, as a phone sends them: ``lon``, ``lat`` and perhaps the others."""
    rows = [
        {
            "terminal": HERE,
            "time": at,
            **{name: column[i] for name, column in columns.items() if i < len(column)},
        }
        for i, at in enumerate(time_ms)
    ]
    return read(rows, {HERE: unit})


class _Streams(NamedTuple):
    site: int
    ids: dict[str, int | None]
    factor: dict[str, float]

    @classmethod
    def of(cls, unit: Unit) -> "_Streams":
        ids = {name: getattr(unit, f"{name}_id") for name in FIELDS}
        speed = unit.speed
        factor = measures.factor_offset("km/h", speed.unit)[0] if speed is not None and speed.unit else 1.0
        return cls(unit.site_id, ids, {"speed": factor})


def _reading(row: Mapping[str, Any]) -> tuple[int, tuple[float | None, ...]]:
    """Time and longitude, latitude, speed (km/h), course.  Raises ValueError that says what is wrong."""
    time_ms = _time(row.get("time", ""))
    lon, lat = _number(row, "lon"), _number(row, "lat")
    if lon is None or lat is None or not is_on_earth(lon, lat):
        raise ValueError(_("lon and lat are not a place in degrees (WGS 84)"))
    accuracy = _number(row, "accuracy")
    if accuracy is not None and accuracy > LEAST_ACCURATE_M:
        raise ValueError(_("the position is only known to %(metres)s m") % {"metres": round(accuracy)})
    speed, course = _number(row, "speed"), _number(row, "course")
    if speed is not None and speed < 0:
        raise ValueError(_("the speed is negative"))
    if course is not None and not 0 <= course <= 360:
        raise ValueError(_("the course is not 0 to 360 degrees"))
    return time_ms, (lon, lat, speed, course)


def _number(row: Mapping[str, Any], name: str) -> float | None:
    text = row.get(name)
    if text is None or text == "":
        return None
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(text, bool) or not math.isfinite(value):
        raise ValueError(_("%(name)s is not a number") % {"name": name})
    return value


def _time(given: Any) -> int:
    try:
        if isinstance(given, int | float) and not isinstance(given, bool):
            value = int(given)
        elif str(given).isdigit():
            value = int(str(given))
        else:
            at = datetime.datetime.fromisoformat(str(given))
            if at.tzinfo is None:
                raise ValueError
            value = round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(_("time is neither ISO 8601 with its offset nor ms UTC")) from None
    if not 0 <= value <= MAX_TIME_MS:
        raise ValueError(_("time is outside the calendar"))
    return value
