# ruff: noqa: S608 — statements are put together from constants; values are parameters
"""Sites on the map: single markers when few are in view, cells of a grid when many.

The grid is fixed to the earth (a cell of zoom z is 360° / 2^z / 6 wide), so that cells do not jump while one pans.
"""

import math
from dataclasses import dataclass
from typing import Any

from django.db import connection

from fengsui.people.orgs import access
from fengsui.show.lists.freshness import LATE_PERIODS, LEAST_PERIOD_MS, LIVE_PERIODS, UNKNOWN_PERIOD_MS
from fengsui.show.lists.visible import path_where

SINGLE_MAX = 1_500  # markers in view that are still sent one by one
CELLS_PER_TILE = 6
WORLD = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: west, south, east, north in degrees (WGS 84) and the zoom of the map."""

    west: float
    south: float
    east: float
    north: float
    zoom: float


# ``now`` is a parameter so that one answer has one clock.  float8 throughout: numeric is several times slower.
FRESH = f"""
CASE WHEN coalesce(t.last_observed_at, t.last_received_at) IS NULL THEN 'never'
     WHEN %(now)s::float8 - {{last}} <= {LIVE_PERIODS}::float8 * {{period}} THEN 'live'
     WHEN %(now)s::float8 - {{last}} <= {LATE_PERIODS}::float8 * {{period}} THEN 'late'
     ELSE 'stale' END
"""
PERIOD = f"greatest(coalesce(d.period_ms, {UNKNOWN_PERIOD_MS}), {LEAST_PERIOD_MS})"
LAST = "date_part('epoch', coalesce(t.last_observed_at, t.last_received_at)) * 1000"
FRESH = FRESH.format(last=LAST, period=PERIOD)

DATA = """
FROM devices_site s
LEFT JOIN devices_sitestatus t ON t.site_id = s.id
LEFT JOIN portal_siteperiod d ON d.site_id = s.id
"""

STANDING = """
(
    SELECT site_id, min(priority) AS priority, count(*) FILTER (WHERE parent_id IS NULL) AS standing,
        count(parent_id) AS folded
    FROM alarms_alarm
    WHERE (cleared_at IS NULL OR acked_at IS NULL) AND NOT is_suppressed
      AND (shelved_until IS NULL OR shelved_until <= to_timestamp(%(now)s / 1000.0))
    GROUP BY site_id
) a
"""


def features(user: Any, view: View, now_ms: int) -> list[dict[str, Any]]:
    """GeoJSON features of what ``user`` sees in ``view``: sites, or cells where they are too many to send."""
    where, values = _where(user, view)
    values |= {"now": now_ms, "most": SINGLE_MAX + 1}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM devices_site s WHERE {where} LIMIT %(most)s) x", values
        )
        (count,) = cursor.fetchone()
        if count <= SINGLE_MAX:
            cursor.execute(_SINGLE.format(where=where), values)
            return [_site(row) for row in cursor.fetchall()]
        values["cell"] = 360 / 2 ** min(max(math.floor(view.zoom), 0), 18) / CELLS_PER_TILE
        cursor.execute(_CELLS.format(where=where), values)
        data = cursor.fetchall()
        cursor.execute(_ALARMED.format(where=where), values)
        return _cells(data, cursor.fetchall())


def bounds(user: Any) -> list[float] | None:
    """West, south, east, north of every site that ``user`` sees; None when there is none."""
    where, values = path_where(access.paths_where(user, "site.view"), "org_path")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(longitude), min(latitude), max(longitude), max(latitude)"
            f" FROM devices_site WHERE is_active AND {where}",
            values,
        )
        row = cursor.fetchone()
    return None if row[0] is None else list(row)


_SINGLE = f"""
SELECT s.code, s.name, s.name_en, s.kind, s.longitude, s.latitude, s.is_demo, ({LAST})::bigint, {PERIOD},
       a.priority, coalesce(a.standing, 0), coalesce(a.folded, 0), {FRESH}
{DATA} LEFT JOIN {STANDING} ON a.site_id = s.id
WHERE {{where}}
ORDER BY a.priority DESC NULLS FIRST, s.code
"""

# Two statements instead of one: most sites have no alarm, and the few that have need no clock.
_CELLS = f"""
SELECT floor(s.longitude / %(cell)s)::int, floor(s.latitude / %(cell)s)::int, {FRESH}, count(*),
       sum(s.longitude), sum(s.latitude), min(s.longitude), min(s.latitude), max(s.longitude), max(s.latitude)
{DATA}
WHERE {{where}} GROUP BY 1, 2, 3
"""
_ALARMED = f"""
SELECT floor(s.longitude / %(cell)s)::int, floor(s.latitude / %(cell)s)::int, a.priority, count(*),
       sum(a.standing)::int, sum(a.folded)::int
FROM {STANDING} JOIN devices_site s ON s.id = a.site_id
WHERE {{where}} GROUP BY 1, 2, 3
"""


def _where(user: Any, view: View) -> tuple[str, dict[str, Any]]:
    """The condition on ``devices_site s`` with named parameters."""
    sees, prefixes = path_where(access.paths_where(user, "site.view"), "s.org_path")
    for i in range(len(prefixes)):
        sees = sees.replace("%s", f"%(path{i})s", 1)
    values: dict[str, Any] = {f"path{i}": prefix for i, prefix in enumerate(prefixes)}
    values |= {"west": view.west, "south": view.south, "east": view.east, "north": view.north}
    return (
        f"s.is_active AND {sees} AND s.longitude BETWEEN %(west)s AND %(east)s"
        " AND s.latitude BETWEEN %(south)s AND %(north)s",
        values,
    )


def _site(row: tuple[Any, ...]) -> dict[str, Any]:
    code, name, name_en, kind, lon, lat, demo, last_ms, period, priority, standing, folded, fresh = row
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {
            "cluster": False,
            "code": code,
            "name": name,
            "name_en": name_en,
            "kind": kind,
            "demo": demo,
            "last_ms": last_ms,
            "period_ms": period,
            "freshness": fresh,
            "priority": priority,
            "standing": standing,
            "folded": folded,
        },
    }


def _cells(data: list[tuple[Any, ...]], alarmed: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """One feature a cell out of its parts by freshness and by level; the worst last, so that it is drawn on top."""
    cells: dict[tuple[int, int], _Cell] = {}
    for x, y, fresh, count, lon, lat, *bounds in data:
        cells.setdefault((x, y), _Cell()).add(fresh, count, lon, lat, bounds)
    for x, y, priority, count, standing, folded in alarmed:
        if (cell := cells.get((x, y))) is not None:  # raised between the two statements: next time
            cell.levels[priority - 1] += count
            cell.standing += standing
            cell.folded += folded
    return [cell.feature() for cell in sorted(cells.values(), key=lambda c: -(c.priority or 9))]


class _Cell:
    def __init__(self) -> None:
        self.count, self.lon, self.lat, self.standing, self.folded = 0, 0.0, 0.0, 0, 0
        self.fresh = dict.fromkeys(("live", "late", "stale", "never"), 0)
        self.levels = [0, 0, 0, 0]
        self.bounds = [math.inf, math.inf, -math.inf, -math.inf]

    def add(self, fresh: str, count: int, lon: float, lat: float, bounds: list[float]) -> None:
        self.count += count
        self.fresh[fresh] += count
        self.lon += lon
        self.lat += lat
        kept = self.bounds
        self.bounds = [*map(min, kept[:2], bounds[:2]), *map(max, kept[2:], bounds[2:])]

    @property
    def priority(self) -> int | None:
        return next((level for level, sites in enumerate(self.levels, 1) if sites), None)

    def feature(self) -> dict[str, Any]:
        return {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [self.lon / self.count, self.lat / self.count]},
            "properties": {
                "cluster": True,
                "count": self.count,
                "priority": self.priority,
                "standing": self.standing,
                "folded": self.folded,
                **self.fresh,
                "levels": self.levels,  # sites whose worst alarm is of that level
                "bounds": self.bounds,
            },
        }
