"""National statistics: for each division, level and observed property, what is watched and how well it reports."""

from typing import Any

import numpy as np
import pyarrow as pa

from fengsui.stores.history.batch.whole import columns, usable

COUNTS = pa.schema(
    [pa.field("datastream", pa.int32()), pa.field("readings", pa.int64()), pa.field("usable", pa.int64())]
)
LEVELS = (1, 2, 3, 4)  # priorities of alarms, the first is the most urgent
STATISTICS = pa.schema(
    [
        pa.field("division_code", pa.string()),  # GB/T 2260
        pa.field("level", pa.string()),  # province, city, county, township
        pa.field("observed_property", pa.string()),
        pa.field("sites", pa.int64()),
        pa.field("datastreams", pa.int64()),
        pa.field("readings", pa.int64()),
        pa.field("availability", pa.float64()),  # percent of the expected readings that came and are usable
        *(pa.field(f"alarms_{level}", pa.int64()) for level in LEVELS),
    ]
)


def count(table: pa.Table) -> pa.Table:
    """COUNTS of a table of ``whole.BATCH`` with whole datastreams, sorted by datastream."""
    if not len(table):
        return COUNTS.empty_table()
    datastream, _time_ms, value, quality = columns(table)
    starts = np.flatnonzero(np.r_[True, datastream[1:] != datastream[:-1]])
    return pa.Table.from_arrays(
        [
            pa.array(datastream[starts]),
            pa.array(np.diff(np.r_[starts, len(datastream)])),
            pa.array(np.add.reduceat(usable(value, quality).astype(np.int64), starts)),
        ],
        schema=COUNTS,
    )


def statistics(
    counts: pa.Table, streams: pa.Table, places: pa.Table, alarms: pa.Table, span_ms: int
) -> pa.Table:
    """STATISTICS over a span of ``span_ms``, sorted by division, level and property.

    ``counts`` COUNTS · ``streams`` datastream, site (int64), observed_property, period_ms: every datastream that is
    watched · ``places`` site, division_code, level: a site stands once for each division it lies in · ``alarms``
    datastream, priority: one row an episode.  A datastream's availability is usable ÷ expected readings, at most
    100 %; that of a line is the mean over its datastreams, so that a fast one does not hide a dead slow one.
    """
    known = dict(zip(*(counts[name].to_pylist() for name in ("datastream", "usable")), strict=True))
    readings = dict(zip(*(counts[name].to_pylist() for name in ("datastream", "readings")), strict=True))
    raised: dict[int, list[int]] = {}
    for stream, priority in zip(
        *(alarms[name].to_pylist() for name in ("datastream", "priority")), strict=True
    ):
        if priority in LEVELS:
            raised.setdefault(stream, [0] * len(LEVELS))[LEVELS.index(priority)] += 1
    divisions: dict[int, list[tuple[str, str]]] = {}
    for site, code, level in zip(
        *(places[name].to_pylist() for name in ("site", "division_code", "level")), strict=True
    ):
        divisions.setdefault(site, []).append((code, level))
    lines: dict[tuple[str, str, str], _Line] = {}
    names = ("datastream", "site", "observed_property", "period_ms")
    for stream, site, observed, period_ms in sorted(
        zip(*(streams[name].to_pylist() for name in names), strict=True)
    ):
        expected = max(span_ms / max(period_ms, 1), 1.0)
        share = min(known.get(stream, 0) / expected, 1.0)
        for code, level in divisions.get(site, ()):
            line = lines.setdefault((code, level, observed), _Line())
            line.add(site, readings.get(stream, 0), share, raised.get(stream, _NONE))
    return pa.Table.from_pylist([line.row(key) for key, line in sorted(lines.items())], schema=STATISTICS)


_NONE = [0] * len(LEVELS)


class _Line:
    def __init__(self) -> None:
        self.sites: set[int] = set()
        self.datastreams = self.readings = 0
        self.share = 0.0
        self.alarms = np.zeros(len(LEVELS), np.int64)

    def add(self, site: int, readings: int, share: float, alarms: list[int]) -> None:
        self.sites.add(site)
        self.datastreams += 1
        self.readings += readings
        self.share += share
        self.alarms += alarms

    def row(self, key: tuple[str, str, str]) -> dict[str, Any]:
        return {
            **dict(zip(STATISTICS.names[:3], key, strict=True)),
            "sites": len(self.sites),
            "datastreams": self.datastreams,
            "readings": self.readings,
            "availability": 100 * self.share / self.datastreams,
            **{f"alarms_{level}": int(n) for level, n in zip(LEVELS, self.alarms, strict=True)},
        }
