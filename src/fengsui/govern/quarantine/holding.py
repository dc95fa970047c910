"""Refused readings on their way into quarantine: in columns until they are written, all with one COPY."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc
from django.db import connection

from fengsui.base.batch import Refused

MS = pa.timestamp("ms", "UTC")
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999: what a datetime can hold
MAX_TEXT = 500  # of what was sent; more is cut, and the cut is marked
COPY = """COPY quarantine_held (reason, site_id, org_path, source, received_at, observed_at, datastream_id,
    sent_code, sent_time, sent_value, sent_unit, value, status, resolution) FROM STDIN (FORMAT csv)"""


@dataclass(slots=True)
class HeldRows:
    """Columns of equal length; ``source`` is an index into names that the holder keeps, ``sent`` is by row."""

    reason: np.ndarray  # uint8
    site: np.ndarray  # int32
    source: np.ndarray  # int32
    received_ms: np.ndarray  # int64
    time_ms: np.ndarray  # int64, any value
    datastream: np.ndarray  # int32, -1 where unknown
    value: np.ndarray  # float64
    sent: dict[int, Refused] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.reason)


def hold(parts: Sequence[HeldRows], names: Sequence[str], path_of: Callable[[int], str]) -> int:
    """Write the rows of ``parts``; belongs into the transaction of their epoch.  Returns how many there were.

    ``names`` are the sources, ``path_of`` gives the organisation path of a site.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return 0
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for part in parts:
            copy.write(_csv(part, names, path_of))
    return sum(len(part) for part in parts)


def _csv(rows: HeldRows, names: Sequence[str], path_of: Callable[[int], str]) -> bytes:
    n = len(rows)
    sites, place = np.unique(rows.site, return_inverse=True)
    inside = (rows.time_ms >= FIRST_MS) & (rows.time_ms <= LAST_MS)
    finite = np.isfinite(rows.value)
    table = pa.table(
        {
            "reason": rows.reason,
            "site": rows.site,
            "org_path": _pick(place, [path_of(int(site)) for site in sites]),
            "source": _pick(rows.source, names),
            "received_at": _instants(rows.received_ms, np.ones(n, bool)),
            "observed_at": _instants(rows.time_ms, inside & _told(rows)),
            "datastream": pa.array(rows.datastream, mask=rows.datastream < 0),
            **_sent(rows, inside, finite),
            "value": pa.array(rows.value, mask=~finite),
            "status": pa.array(["held"] * n),
            "resolution": pa.array(["{}"] * n),
        }
    )
    sink = io.BytesIO()
    pc.write_csv(table, sink, pc.WriteOptions(include_header=False, quoting_style="all_valid"))
    return sink.getvalue()


def _told(rows: HeldRows) -> np.ndarray:
    """False where the time is only a stand-in, because what was sent could not be read as one."""
    told = np.ones(len(rows), bool)
    for row, sent in rows.sent.items():
        told[row] = rows.time_ms[row] != 0 or not sent.time
    return told


def _sent(rows: HeldRows, inside: np.ndarray, finite: np.ndarray) -> dict[str, pa.Array]:
    """The four texts.  What does not fit its own column is kept here as text."""
    code, time, value, unit = ([""] * len(rows) for _ in range(4))
    for row in np.flatnonzero(~inside).tolist():
        time[row] = str(rows.time_ms[row])
    for row in np.flatnonzero(~finite & ~np.isnan(rows.value)).tolist():
        value[row] = str(rows.value[row])
    for row, sent in rows.sent.items():
        code[row], unit[row] = _text(sent.code), _text(sent.unit)
        time[row], value[row] = _text(sent.time) or time[row], _text(sent.value) or value[row]
    return {
        "sent_code": pa.array(code, pa.string()),
        "sent_time": pa.array(time, pa.string()),
        "sent_value": pa.array(value, pa.string()),
        "sent_unit": pa.array(unit, pa.string()),
    }


def _text(sent: str) -> str:
    """As PostgreSQL can hold it and a page can show it."""
    cut = sent if len(sent) <= MAX_TEXT else sent[:MAX_TEXT] + "…"
    return cut.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _pick(place: np.ndarray, texts: Sequence[str]) -> pa.Array:
    return pac.take(pa.array(texts, pa.string()), pa.array(place))


def _instants(ms: np.ndarray, valid: np.ndarray) -> pa.Array:
    return pa.array(np.where(valid, ms, 0), mask=~valid).view(MS)
