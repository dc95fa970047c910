"""Runs of stored readings that carry a flag (late, frozen …): one row a run instead of one a reading.

A run is open until its datastream says something newer without that flag.
"""

from dataclasses import dataclass, field

import numpy as np
from django.db import connection

EXTEND = """
INSERT INTO quarantine_flagspan (datastream_id, org_path, reason, first_at, last_at, count, is_open)
SELECT d.id, s.org_path, r, to_timestamp(f / 1000.0), to_timestamp(l / 1000.0), n, true
FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[]) AS t (id, r, f, l, n)
JOIN devices_datastream d USING (id) JOIN devices_site s ON s.id = d.site_id
ON CONFLICT (datastream_id, reason) WHERE is_open DO UPDATE SET
    first_at = least(quarantine_flagspan.first_at, excluded.first_at),
    last_at = greatest(quarantine_flagspan.last_at, excluded.last_at),
    count = quarantine_flagspan.count + excluded.count
"""
CLOSE = """
UPDATE quarantine_flagspan SET is_open = false
FROM unnest(%s::int[], %s::int[]) AS t (id, r)
WHERE is_open AND datastream_id = t.id AND reason = t.r
"""


Open = dict[int, np.ndarray]  # reason → the datastreams (int32, rising) that have an open span of it
NEVER = np.iinfo(np.int64).min


@dataclass(slots=True)
class Turn:
    """What an epoch does to the spans: (datastream, reason, first_ms, last_ms, count) and (datastream, reason)."""

    extended: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    closed: list[tuple[int, int]] = field(default_factory=list)


def fold(
    is_open: Open, datastream: np.ndarray, time_ms: np.ndarray, reason: np.ndarray, is_new: np.ndarray
) -> tuple[Turn, Open]:
    """What the stored rows of an epoch do to the spans, and which are open after it.

    ``datastream`` int32 [n], ``time_ms`` int64 [n], ``reason`` uint8 [n], ``is_new`` bool [n]: in order, not behind.
    """
    turn, after = Turn(), dict(is_open)
    for r in sorted({*is_open, *np.unique(reason[reason > 0]).tolist()}):
        flagged = reason == r
        found, place, counts = np.unique(datastream[flagged], return_inverse=True, return_counts=True)
        first, last = np.full(len(found), np.iinfo(np.int64).max), np.full(len(found), NEVER)
        np.minimum.at(first, place, time_ms[flagged])
        np.maximum.at(last, place, time_ms[flagged])
        turn.extended += [
            (d, r, f, to, n)
            for d, f, to, n in zip(
                found.tolist(), first.tolist(), last.tolist(), counts.tolist(), strict=True
            )
        ]
        standing = np.union1d(is_open.get(r, found[:0]), found)
        last_flagged = np.full(len(standing), NEVER)
        last_flagged[np.searchsorted(standing, found)] = last
        over = _newest(standing, datastream, time_ms, is_new & ~flagged) > last_flagged
        turn.closed += [(d, r) for d in standing[over].tolist()]
        after[r] = standing[~over]
    return turn, {r: standing for r, standing in after.items() if len(standing)}


def _newest(
    standing: np.ndarray, datastream: np.ndarray, time_ms: np.ndarray, which: np.ndarray
) -> np.ndarray:
    """The newest time among the rows of ``which`` for each datastream of ``standing``, NEVER where there is none."""
    out = np.full(len(standing), NEVER)
    rows = np.flatnonzero(which)
    place = np.minimum(np.searchsorted(standing, datastream[rows]), max(len(standing) - 1, 0))
    if len(standing):
        mine = standing[place] == datastream[rows]
        np.maximum.at(out, place[mine], time_ms[rows[mine]])
    return out


def read_open(partition: int, partitions: int) -> Open:
    """The open spans of a partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT f.reason, array_agg(f.datastream_id ORDER BY f.datastream_id)
               FROM quarantine_flagspan f JOIN devices_datastream d ON d.id = f.datastream_id
               WHERE f.is_open AND d.site_id %% %s = %s GROUP BY f.reason""",
            [partitions, partition],
        )
        return {reason: np.array(found, np.int32) for reason, found in cursor.fetchall()}


def write(turn: Turn) -> None:
    """Keep a turn; belongs into the transaction of its epoch."""
    with connection.cursor() as cursor:
        if turn.extended:
            cursor.execute(EXTEND, [list(column) for column in zip(*turn.extended, strict=True)])
        if turn.closed:
            cursor.execute(CLOSE, [list(column) for column in zip(*turn.closed, strict=True)])
