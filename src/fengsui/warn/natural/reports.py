"""What feeds of earthquakes and storms hand out, read into one shape; what cannot be read is kept with its reason.

Shapes: USGS GeoJSON; the push messages of Chinese and Japanese relays (``cenc_eqlist``, ``cenc_eew``, ``sc_eew``,
``jma_eqlist``, ``heartbeat``), one object, a list or a line each; CMA best-track text; the JSON of typhoon web pages
(``points`` with ``radius7`` or ``radius7_quad``), whose names are from memory.  Nothing is made up.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from fengsui.base.place import is_on_earth
from fengsui.warn.natural.storm import Fix, Quadrants

BEIJING, TOKYO = timezone(timedelta(hours=8)), timezone(timedelta(hours=9))
MOST_BYTES = 16 << 20
MOST_RAW = 2_000
REASONS: Mapping[str, Mapping[str, str]] = {
    "form": {"zh": "不是可识别的格式", "en": "not of a form that is read"},
    "json": {"zh": "不是 JSON", "en": "no JSON"},
    "time": {"zh": "时间缺失或读不出", "en": "time missing or unreadable"},
    "place": {"zh": "经纬度缺失或超出范围", "en": "longitude or latitude missing or out of range"},
    "magnitude": {"zh": "震级缺失或不合理", "en": "magnitude missing or implausible"},
    "depth": {"zh": "深度不合理", "en": "depth implausible"},
    "header": {"zh": "路径首行读不出", "en": "header of the track unreadable"},
    "count": {"zh": "行数与首行所说不符", "en": "number of lines is not what the header says"},
    "wind": {"zh": "风速不合理", "en": "wind implausible"},
    "order": {"zh": "时间不是递增", "en": "times do not rise"},
    "empty": {"zh": "没有任何定位", "en": "no position at all"},
}


@dataclass(frozen=True, slots=True)
class Quake:
    """One report of an earthquake.  Times in ms UTC; ``key`` names the earthquake within its feed, ``revision`` the
    report: of two, the greater is the later.  ``status``: automatic, reviewed, eew (early warning) or deleted."""

    key: str
    revision: int
    origin_ms: int
    lon: float
    lat: float
    depth_km: float | None
    magnitude: float
    magnitude_type: str
    place: str
    status: str
    max_intensity: float | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One storm: international number or serial of the season, names, fixes and the newest forecast."""

    key: str
    name: str
    name_en: str
    observed: tuple[Fix, ...]
    forecast: tuple[Fix, ...] = ()
    forecast_by: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Entry ``number`` (from 1) could not be taken: ``reason`` of REASONS, what it said, and its beginning."""

    number: int
    reason: str
    said: str
    raw: str


@dataclass(slots=True)
class Read:
    """What a file held: ``entries`` = taken + refused + beats (messages that say only "I am here")."""

    quakes: list[Quake] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    beats: int = 0

    @property
    def entries(self) -> int:
        return len(self.quakes) + len(self.tracks) + len(self.refused) + self.beats


class _Bad(Exception):
    def __init__(self, reason: str, said: Any = "") -> None:
        self.reason, self.said = reason, str(said)[:200]


def moved(read: Read, by_ms: int, by_lon: float, by_lat: float, only: str = "") -> Read:
    """The same at another time and place, for demonstrations; ``only`` names the one storm or earthquake to keep."""

    def fix(one: Fix) -> Fix:
        return replace(one, at_ms=one.at_ms + by_ms, lon=one.lon + by_lon, lat=one.lat + by_lat)

    return Read(
        [
            replace(one, origin_ms=one.origin_ms + by_ms, lon=one.lon + by_lon, lat=one.lat + by_lat)
            for one in read.quakes
            if only in ("", one.key)
        ],
        [
            replace(one, observed=tuple(map(fix, one.observed)), forecast=tuple(map(fix, one.forecast)))
            for one in read.tracks
            if only in ("", one.key)
        ],
        read.refused,
        read.beats,
    )


# ---- earthquakes -------------------------------------------------------------------------------------------------


def quakes(data: bytes) -> Read:
    """Every report of a file of earthquakes.  Never raises."""
    found = Read()
    for number, one in enumerate(_objects(data), 1):
        try:
            if isinstance(one, _Bad):
                raise one
            made = _quake(one)
            if made is None:
                found.beats += 1
            else:
                found.quakes.append(made)
        except _Bad as bad:
            raw = json.dumps(one, ensure_ascii=False) if not isinstance(one, _Bad) else bad.said
            found.refused.append(Refused(number, bad.reason, bad.said, raw[:MOST_RAW]))
    return found


def _objects(data: bytes) -> Iterator[Any]:
    """Features of a GeoJSON, entries of a list message, or objects line by line."""
    text = data[:MOST_BYTES].decode("utf-8-sig", "replace").strip()
    try:
        whole = [json.loads(text)]
    except (ValueError, RecursionError):
        whole = []
        for line in text.splitlines():
            if line.strip():
                try:
                    whole.append(json.loads(line))
                except (ValueError, RecursionError):
                    whole.append(_Bad("json", line))
    for one in whole:
        yield from _parts(one)


def _parts(one: Any) -> Iterator[Any]:
    if isinstance(one, list):
        for inner in one:
            yield from _parts(inner)
    elif isinstance(one, dict) and one.get("type") == "FeatureCollection":
        features = one.get("features")
        yield from features if isinstance(features, list) else [_Bad("form", "features")]
    elif isinstance(one, dict) and str(one.get("type", "")).endswith("_eqlist"):
        for key, entry in one.items():
            if re.fullmatch(r"No\d+", str(key)):
                yield {"list": one["type"], **entry} if isinstance(entry, dict) else _Bad("form", key)
    else:
        yield one


def _quake(one: Any) -> Quake | None:
    if not isinstance(one, dict):
        raise _Bad("form", type(one).__name__)
    if one.get("type") == "heartbeat":
        return None
    if one.get("type") == "Feature":
        return _usgs(one)
    if one.get("list"):
        return _listed(one)
    if str(one.get("type", "")).endswith("_eew"):
        return _early(one)
    raise _Bad("form", one.get("type", ""))


def _usgs(one: Mapping[str, Any]) -> Quake:
    properties = one.get("properties")
    geometry = one.get("geometry")
    if not isinstance(properties, dict) or not isinstance(geometry, dict):
        raise _Bad("form", "properties, geometry")
    at = geometry.get("coordinates")
    if not isinstance(at, list) or len(at) < 2:
        raise _Bad("place", at)
    lon, lat = _place(at[0], at[1])
    origin = _ms(properties.get("time"))
    updated = properties.get("updated")
    return Quake(
        key=str(one.get("id") or f"usgs-{origin}")[:80],
        revision=_ms(updated) if updated is not None else origin,
        origin_ms=origin,
        lon=lon,
        lat=lat,
        depth_km=_depth(at[2] if len(at) > 2 else None),
        magnitude=_magnitude(properties.get("mag")),
        magnitude_type=str(properties.get("magType") or "")[:10],
        place=str(properties.get("place") or "")[:200],
        status=str(properties.get("status") or "automatic")[:10],
        max_intensity=_maybe(properties.get("mmi")),
    )


def _listed(one: Mapping[str, Any]) -> Quake:
    is_japan = str(one["list"]).startswith("jma")
    lon, lat = _place(one.get("longitude"), one.get("latitude"))
    origin = _stamp(one.get("time_full") or one.get("time"), TOKYO if is_japan else BEIJING)
    status = str(one.get("type") or "reviewed")
    return Quake(
        key=f"{str(one['list']).removesuffix('_eqlist')}-{origin // 1000}",
        revision=1 if status == "reviewed" else 0,
        origin_ms=origin,
        lon=lon,
        lat=lat,
        depth_km=_depth(one.get("depth")),
        magnitude=_magnitude(one.get("magnitude")),
        magnitude_type="Mj" if is_japan else "M",
        place=str(one.get("location") or "")[:200],
        status=status[:10],
        max_intensity=None if is_japan else _maybe(one.get("intensity")),  # shindo is another scale
    )


def _early(one: Mapping[str, Any]) -> Quake:
    zone = TOKYO if str(one["type"]).startswith("jma") else BEIJING
    lon, lat = _place(one.get("Longitude"), one.get("Latitude"))
    origin = _stamp(one.get("OriginTime"), zone)
    said = one.get("Magnitude", one.get("Magunitude"))  # misspelt so on the wire
    return Quake(
        key=f"{one['type']}-{origin // 1000}",
        revision=int(_maybe(one.get("ReportNum")) or 0),
        origin_ms=origin,
        lon=lon,
        lat=lat,
        depth_km=_depth(one.get("Depth")),
        magnitude=_magnitude(said),
        magnitude_type="M",
        place=str(one.get("HypoCenter") or one.get("Hypocenter") or "")[:200],
        status="eew",
        max_intensity=_maybe(one.get("MaxIntensity")),
    )


# ---- storms ------------------------------------------------------------------------------------------------------


def tracks(data: bytes) -> Read:
    """Every storm of a file: CMA best track as text, or the JSON of a typhoon page.  Never raises."""
    text = data[:MOST_BYTES].decode("utf-8-sig", "replace")
    found = Read()
    if text.lstrip()[:1] in ("{", "["):
        try:
            whole = json.loads(text)
        except (ValueError, RecursionError):
            found.refused.append(Refused(1, "json", "", text[:MOST_RAW]))
            return found
        for number, one in enumerate(whole if isinstance(whole, list) else [whole], 1):
            _try(found, number, lambda one=one: _page(one), json.dumps(one, ensure_ascii=False))
        return found
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("66666"):
            blocks.append([line])
        elif line.strip():
            if blocks:
                blocks[-1].append(line)
            else:
                blocks.append(["", line])
    for number, block in enumerate(blocks, 1):
        _try(found, number, lambda block=block: _best_track(block), "\n".join(block))
    return found


def _try(found: Read, number: int, read: Any, raw: str) -> None:
    try:
        found.tracks.append(read())
    except _Bad as bad:
        found.refused.append(Refused(number, bad.reason, bad.said, raw[:MOST_RAW]))


_HEADER = re.compile(
    r"66666 +(?P<number>\d{4}) +(?P<lines>\d+) +(?P<serial>\d{4}) +\d{4} +\d +\d+ +(?P<name>.+?) +\d{8}\s*$"
)


def _best_track(block: list[str]) -> Track:
    """CMA best track: 66666 number lines serial number end hours name date; then YYYYMMDDHH grade lat lon hPa m/s."""
    header = _HEADER.match(block[0])
    if header is None:
        raise _Bad("header", block[0])
    if int(header["lines"]) != len(block) - 1:
        raise _Bad("count", f"{header['lines']} ≠ {len(block) - 1}")
    fixes = []
    for line in block[1:]:
        parts = line.split()
        if len(parts) < 6 or not re.fullmatch(r"\d{10}", parts[0]):
            raise _Bad("time", line)
        try:
            at = datetime.strptime(parts[0], "%Y%m%d%H").replace(tzinfo=UTC)
            lat, lon, pressure, wind = (float(one) for one in parts[2:6])
        except ValueError:
            raise _Bad("time", line) from None
        lon, lat = _place(lon / 10 if lon <= 1800 else lon / 10 - 360, lat / 10)
        if not 0 <= wind <= 120:
            raise _Bad("wind", line)
        fixes.append(Fix(round(at.timestamp() * 1000), lon, lat, wind, pressure or None))
    _rising(fixes)
    year = block[1][:4]
    number = header["number"]
    name = header["name"].strip()
    name = "" if name.startswith("(") else name
    return Track(
        f"{year}{number[2:]}" if number != "0000" else f"{year}-s{header['serial']}", "", name, tuple(fixes)
    )


def _page(one: Any) -> Track:
    if not isinstance(one, dict) or not isinstance(one.get("points"), list):
        raise _Bad("form", "points")
    points = [point for point in one["points"] if isinstance(point, dict)]
    if not points:
        raise _Bad("empty")
    fixes = [_point(point) for point in points]
    _rising(fixes)
    said = points[-1].get("forecast") or []
    chosen: Mapping[str, Any] = {}
    for issuer in said if isinstance(said, list) else []:
        if isinstance(issuer, dict):
            is_china = str(issuer.get("sets") or issuer.get("tm") or "") in (
                "中国",
                "中国气象台",
                "BABJ",
                "China",
            )
            if is_china or not chosen:
                chosen = issuer
            if is_china:
                break
    ahead = chosen.get("points") or chosen.get("forecastpoints") or []
    forecast = [
        one for one in (_point(p) for p in ahead if isinstance(p, dict)) if one.at_ms > fixes[-1].at_ms
    ]
    _rising(forecast)
    key = str(one.get("tfid") or one.get("tfbh") or one.get("ident") or "")
    if not key:
        raise _Bad("header", "tfid")
    english = str(one.get("enname") or one.get("ename") or "")
    return Track(
        key[:40], str(one.get("name") or "")[:60], english[:60].upper(), tuple(fixes), tuple(forecast),
        str(chosen.get("sets") or chosen.get("tm") or "")[:40],
    )  # fmt: skip


def _point(point: Mapping[str, Any]) -> Fix:
    lon, lat = _place(
        point.get("lng", point.get("lon", point.get("longitude"))), point.get("lat", point.get("latitude"))
    )
    wind = _maybe(point.get("speed"))
    if wind is not None and not 0 <= wind <= 120:
        raise _Bad("wind", wind)
    circles = [_circle(point, grade) for grade in (7, 10, 12)]
    if not any(circles):  # none is reported: they are estimated; some are: the others are not there
        made: tuple[Quadrants | None, Quadrants | None, Quadrants | None] = (None, None, None)
    else:
        made = tuple(one or (0.0, 0.0, 0.0, 0.0) for one in circles)  # type: ignore[assignment]
    at = _stamp(point.get("time") or point.get("ybsj"), BEIJING)
    return Fix(at, lon, lat, wind, _maybe(point.get("pressure")), made)


def _circle(point: Mapping[str, Any], grade: int) -> Quadrants | None:
    quad = point.get(f"radius{grade}_quad")
    if isinstance(quad, dict):
        four = [_maybe(quad.get(name)) or 0.0 for name in ("ne", "se", "sw", "nw")]
    else:
        said = str(point.get(f"radius{grade}") or "").split("|")
        four = [_maybe(one) or 0.0 for one in said if one.strip()]
        if len(four) == 1:
            four *= 4
    if len(four) != 4 or max(four) <= 0 or min(four) < 0:
        return None
    return four[0], four[1], four[2], four[3]


def _rising(fixes: list[Fix]) -> None:
    if any(a.at_ms >= b.at_ms for a, b in itertools.pairwise(fixes)):
        raise _Bad("order")


# ---- values ------------------------------------------------------------------------------------------------------


def _maybe(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(str(value).removesuffix("km").strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _place(lon: Any, lat: Any) -> tuple[float, float]:
    x, y = _maybe(lon), _maybe(lat)
    if x is None or y is None or not is_on_earth(x, y):
        raise _Bad("place", f"{lon}, {lat}")
    return x, y


def _magnitude(value: Any) -> float:
    number = _maybe(value)
    if number is None or not -3 <= number <= 10:
        raise _Bad("magnitude", value)
    return number


def _depth(value: Any) -> float | None:
    number = _maybe(value)
    if number is not None and not -10 <= number <= 800:
        raise _Bad("depth", value)
    return number


def _ms(value: Any) -> int:
    number = _maybe(value)
    if number is None or not 0 <= number < 4e12:
        raise _Bad("time", value)
    return int(number)


def _stamp(value: Any, zone: timezone) -> int:
    """A time as feeds write it, without a zone: of the feed's own country."""
    found = re.match(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?", str(value or ""))
    if not found:
        raise _Bad("time", value)
    try:
        at = datetime(*(int(part or 0) for part in found.groups()), tzinfo=zone)  # type: ignore[arg-type, misc]
    except ValueError:
        raise _Bad("time", value) from None
    return round(at.timestamp() * 1000)
