"""The way of a unit: its positions out of the history, fewer of them for eyes, and as files that others read."""

import csv
import datetime
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa

from fengsui.base import track
from fengsui.base import units as measures
from fengsui.base.errors import UnknownUnit
from fengsui.base.quality import Quality
from fengsui.sense.moving.models import Unit
from fengsui.show.lists import readings
from fengsui.stores import history

POINTS, POINTS_MAX = 1_000, 20_000
SPAN_MAX_MS = 8 * 86_400_000
GAP_PERIODS = 5  # of a unit that speaks seldom


@dataclass(frozen=True, slots=True)
class Track:
    """Columns [n] by time; ``kmh`` and ``deg`` NaN where the unit did not say.  ``of`` positions, ``length_m`` long."""

    time_ms: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    kmh: np.ndarray
    deg: np.ndarray
    part: np.ndarray  # which stretch without a gap it is of, from 0 on
    of: int
    length_m: float
    stops: list[track.Stop]
    is_fresh: bool
    as_of_ms: int | None

    def parts(self) -> Iterator[slice]:
        """Stretches without a gap."""
        for number in np.unique(self.part).tolist():
            first, behind = np.searchsorted(self.part, [number, number + 1])
            yield slice(int(first), int(behind))


def of_unit(unit: Unit, from_ms: int, to_ms: int, points: int | None) -> Track:
    """The way of ``unit`` in [from_ms, to_ms), as at most ``points`` positions; None: all of them."""
    names = ("longitude", "latitude", "speed", "course")
    ids = {name: getattr(unit, f"{name}_id") for name in names}
    asked = [pk for pk in ids.values() if pk is not None]
    recent = readings.uncommitted(unit.site_id, asked, from_ms, to_ms)
    table = history.query(asked, from_ms, to_ms, recent=recent.table)
    columns = {name: _column(table, pk) for name, pk in ids.items()}
    time_ms, at_lon, at_lat = np.intersect1d(
        columns["longitude"][0], columns["latitude"][0], assume_unique=True, return_indices=True
    )
    lon, lat = columns["longitude"][1][at_lon], columns["latitude"][1][at_lat]
    good = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    time_ms, lon, lat = time_ms[good], lon[good], lat[good]
    kmh = _beside(time_ms, *columns["speed"]) * _factor(unit)
    deg = _beside(time_ms, *columns["course"])
    gap_ms = max(track.GAP_MS, GAP_PERIODS * unit.longitude.period_ms)
    length = track.length_m(lon, lat, time_ms, gap_ms)
    stays = track.stops(lon, lat, time_ms, gap_ms=gap_ms)
    of = len(time_ms)
    gaps = np.diff(time_ms) > gap_ms
    part = np.concatenate([[0], np.cumsum(gaps)])[:of]
    if points is not None and of > points:
        keep = np.zeros(of, bool)
        keep[:-1] |= gaps
        keep[1:] |= gaps
        which = track.simplify(lon, lat, points, keep)
        time_ms, lon, lat, kmh, deg, part = (c[which] for c in (time_ms, lon, lat, kmh, deg, part))
    fresh = readings.is_fresh(recent)
    return Track(time_ms, lon, lat, kmh, deg, part, of, length, stays, fresh, recent.as_of_ms)


def geojson(found: Track, unit: Unit) -> dict[str, Any]:
    """The way as a FeatureCollection: one line with the times and speeds of its places, and a point for each stop."""
    parts = list(found.parts())
    lines = [np.column_stack((found.lon[p], found.lat[p])).round(6).tolist() for p in parts]
    lines = [line if len(line) > 1 else line * 2 for line in lines]
    way = {
        "type": "Feature",
        "geometry": {"type": "MultiLineString", "coordinates": lines},
        "properties": {
            "kind": "track",
            "unit": unit.pk,
            "times": [found.time_ms[p].tolist() for p in parts],
            "kmh": [_numbers(found.kmh[p]) for p in parts],
            "deg": [_numbers(found.deg[p]) for p in parts],
        },
    }
    stops = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [round(stop.lon, 6), round(stop.lat, 6)]},
            "properties": {"kind": "stop", "from_ms": stop.from_ms, "to_ms": stop.to_ms},
        }
        for stop in found.stops
    ]
    return {
        "type": "FeatureCollection", "positions": found.of, "points": len(found.time_ms),
        "length_m": round(found.length_m), "fresh": found.is_fresh, "as_of_ms": found.as_of_ms,
        "features": [way, *stops],
    }  # fmt: skip


def as_csv(found: Track) -> bytes:
    """time, lon, lat, speed in km/h, course in degrees; empty where nothing was said."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["time", "lon", "lat", "speed", "course"])
    columns = (found.lon.tolist(), found.lat.tolist(), _numbers(found.kmh), _numbers(found.deg))
    for at, lon, lat, kmh, deg in zip(found.time_ms.tolist(), *columns, strict=True):
        said = ["" if v is None else v for v in (kmh, deg)]
        writer.writerow([_instant(at), f"{lon:.6f}", f"{lat:.6f}", *said])
    return out.getvalue().encode()


def as_gpx(found: Track, unit: Unit) -> bytes:
    """GPX 1.1: a track with a segment for each stretch without a gap."""
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx version="1.1" creator="Fengsui" xmlns="http://www.topografix.com/GPX/1/1">\n'
        f"<trk><name>{escape(unit.thing.name)}</name>\n"
    ]
    for part in found.parts():
        out.append("<trkseg>\n")
        places = zip(
            found.time_ms[part].tolist(), found.lon[part].tolist(), found.lat[part].tolist(), strict=True
        )
        out += [
            f'<trkpt lat="{lat:.6f}" lon="{lon:.6f}"><time>{_instant(at)}</time></trkpt>\n'
            for at, lon, lat in places
        ]
        out.append("</trkseg>\n")
    out.append("</trk></gpx>\n")
    return "".join(out).encode()


def _column(table: pa.Table, pk: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of one datastream, good ones only; times rise."""
    stream = table["datastream"].to_numpy()
    first, behind = np.searchsorted(stream, [-1 if pk is None else pk, 0 if pk is None else pk + 1])
    part = table.slice(first, behind - first)
    value = part["value"].to_numpy(zero_copy_only=False).astype(float)
    good = (part["quality"].to_numpy() != Quality.BAD) & np.isfinite(value)
    time_ms = part["time"].cast("int64").to_numpy()
    return time_ms[good], value[good]


def _beside(time_ms: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of another datastream at each time, NaN where it has none at that very time."""
    out = np.full(len(time_ms), np.nan)
    if len(times):
        at = np.minimum(np.searchsorted(times, time_ms), len(times) - 1)
        same = times[at] == time_ms
        out[same] = values[at[same]]
    return out


def _factor(unit: Unit) -> float:
    if unit.speed is None or not unit.speed.unit:
        return 1.0
    try:
        return measures.factor_offset(unit.speed.unit, "km/h")[0]
    except UnknownUnit:
        return float("nan")


def _numbers(column: np.ndarray) -> list[float | None]:
    return [round(v, 1) if np.isfinite(v) else None for v in column.tolist()]


def _instant(at_ms: int) -> str:
    at = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
