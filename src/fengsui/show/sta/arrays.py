"""DataArray: ``POST /CreateObservations``, many observations of several Datastreams as columns.  OGC 18-088, 12.2.

The way of everything: a group becomes columns, its site's batch, one synced write on the bus.  Each observation is
answered by its address or by "error"; what is refused is in quarantine with its reason.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fengsui.sense.devices.models import Datastream, FeatureOfInterest, Remark
from fengsui.show.sta import posting, times
from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.sets import visible
from fengsui.show.sta.writing import Writer, _now, _remark, is_needed, keep_remarks, value_of

MOST = 1_000_000
COMPONENTS = frozenset(
    ("phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters", "FeatureOfInterest/id",
     "FeatureOfInterest/@iot.id")
)  # fmt: skip
ERROR = "error"


class Group(msgspec.Struct):
    """Observations of one Datastream."""

    stream: Any = msgspec.field(name="Datastream")
    components: list[str]
    rows: list[list[Any]] = msgspec.field(name="dataArray")
    count: Any = msgspec.field(name="dataArray@iot.count", default=None)


_decoder = msgspec.json.Decoder(list[Group])


def create(writer: Writer, data: bytes) -> list[str]:
    """For each observation, in order, its address or "error".  Raises BadQuery, NotAllowed, Busy, NoBus."""
    groups = read(data)
    total = sum(len(group.rows) for group in groups)
    if total > MOST:
        raise BadQuery(f"{total} observations: one request takes {MOST} at most")
    streams = _streams(writer, groups)
    now = _now()
    site, datastream = np.zeros(total, np.int64), np.full(total, -1, np.int32)
    time_ms, value, good = np.zeros(total, np.int64), np.full(total, np.nan), np.zeros(total, bool)
    remarks: dict[int, Remark] = {}
    start = 0
    for group, stream in zip(groups, streams, strict=True):
        part = slice(start, start + len(group.rows))
        site[part], datastream[part] = stream.site_id, stream.pk
        at, values, fits, said = _columns(writer, group, stream, now)
        time_ms[part], value[part], good[part] = at, values, fits
        remarks |= {start + row: remark for row, remark in said.items()}
        start += len(group.rows)
    reason = np.zeros(total, np.uint8)
    if good.any():
        reason[good] = posting.post(
            writer.source, now, site[good], datastream[good], time_ms[good], value[good]
        )
    kept = good & (reason == 0)
    keep_remarks([remark for row, remark in remarks.items() if kept[row]])
    root = f"{writer.reader.root}/Observations('"
    return [
        f"{root}{d}:{t}')" if yes else ERROR
        for d, t, yes in zip(datastream.tolist(), time_ms.tolist(), kept.tolist(), strict=True)
    ]


def read(data: bytes) -> list[Group]:
    """The groups of a request.  Raises BadQuery."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadQuery(f"the body is no list of DataArrays: {error}") from None


def plain(group: Group, now: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Times (ms) and values of a group of instants and numbers alone; None when it has anything else in it."""
    n, width, names = len(group.rows), len(group.components), group.components
    if not set(names) <= {"phenomenonTime", "result"} or not all(len(row) == width for row in group.rows):
        return None
    columns = dict(zip(names, zip(*group.rows, strict=True), strict=True))
    at = instants(columns["phenomenonTime"]) if "phenomenonTime" in columns else np.full(n, now, np.int64)
    values = numbers(columns["result"])
    return None if at is None or values is None else (at, values)


def _streams(writer: Writer, groups: Sequence[Group]) -> list[Datastream]:
    """The Datastream of each group, once it is sure that all may be posted to."""
    keys = []
    for group in groups:
        key = group.stream.get("@iot.id", group.stream.get("id")) if isinstance(group.stream, dict) else None
        if (
            not isinstance(key, int | str)
            or isinstance(key, bool)
            or not str(key).isdigit()
            or int(key) >= 1 << 31
        ):
            raise BadQuery('each DataArray names its Datastream, {"@iot.id": 7}')
        unknown = set(group.components) - COMPONENTS
        if unknown or len(set(group.components)) != len(group.components) or "result" not in group.components:
            raise BadQuery(
                f"components are result and perhaps {', '.join(sorted(COMPONENTS - {'result'}))}, each once; not "
                f"{', '.join(sorted(unknown))[:100] or 'those'}"
            )
        if group.count is not None and group.count != len(group.rows):
            raise BadQuery(
                f"Datastream {key}: dataArray@iot.count is {group.count}, there are {len(group.rows)} rows"
            )
        keys.append(int(key))
    found = {
        row.pk: row
        for row in visible("Datastream", writer.viewer).filter(pk__in=set(keys)).select_related("site")
    }
    for key in keys:
        if key not in found:
            raise BadQuery(f"there is no Datastream with @iot.id {key}")
    for row in found.values():
        writer.may_post(row)
    return [found[key] for key in keys]


def _columns(
    writer: Writer, group: Group, stream: Datastream, now: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, Remark]]:
    """Times, values, which rows can be read, and what is said beside them."""
    n = len(group.rows)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), {}
    read_at_once = plain(group, now)
    if read_at_once is not None:
        return *read_at_once, np.ones(n, bool), {}
    return _rows(writer, group, stream, now)


def instants(said: Sequence[Any]) -> np.ndarray | None:
    """A column of instants as int64 ms; None when one of them is not a plain instant with its offset."""
    try:
        text = pa.array(said, pa.string())
        if text.null_count or not pc.all(pc.match_substring_regex(text, r"T.*(Z|[+-]\d\d:\d\d)$")).as_py():
            return None
        return text.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // 1000
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeError):
        return None


def numbers(said: Sequence[Any]) -> np.ndarray | None:
    """A column of numbers as float64; None when one of them is none."""
    kinds = set(map(type, said))
    if not kinds <= {int, float}:
        return None
    try:
        return np.array(said, np.float64)
    except OverflowError:
        return None


def _rows(
    writer: Writer, group: Group, stream: Datastream, now: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, Remark]]:
    """The same row by row, for what has more to say or cannot be read throughout."""
    n = len(group.rows)
    at, value, good = np.full(n, now, np.int64), np.full(n, np.nan), np.zeros(n, bool)
    remarks: dict[int, Remark] = {}
    features = _features(writer, group, stream)
    for i, row in enumerate(group.rows):
        if len(row) != len(group.components):
            continue
        body = dict(zip(group.components, row, strict=True))
        try:
            low = high = now
            if body.get("phenomenonTime") is not None:
                low, high = times.span(body["phenomenonTime"], "phenomenonTime")
            number, other = value_of(body["result"])
            key = body.get("FeatureOfInterest/id", body.get("FeatureOfInterest/@iot.id"))
            feature = features[str(key)] if key is not None else None
            remark = Remark(datastream=stream, time_ms=low, result=other)
            _remark(remark, body, feature, high)
        except (BadQuery, KeyError):
            continue
        if not (math.isnan(number) or math.isfinite(number)):
            continue
        at[i], value[i], good[i] = low, number, True
        if is_needed(remark):
            remarks[i] = remark
    return at, value, good, remarks


def _features(writer: Writer, group: Group, stream: Datastream) -> dict[str, FeatureOfInterest | None]:
    """The features that rows name; None for that of a Location, which an observation has without saying so."""
    keys = set()
    for name in ("FeatureOfInterest/id", "FeatureOfInterest/@iot.id"):
        if name in group.components:
            place = group.components.index(name)
            keys |= {str(row[place]) for row in group.rows if len(row) > place and row[place] is not None}
    wanted = [int(key) for key in keys if key.isdigit() and int(key) < 1 << 31]
    found: dict[str, FeatureOfInterest | None] = {
        str(row.pk): row for row in visible("FeatureOfInterest", writer.viewer).filter(pk__in=wanted)
    }
    if found and stream.thing.historical_locations.count() == 1:
        own = FeatureOfInterest.objects.filter(location__things=stream.thing_id).values_list("pk", flat=True)
        found |= {str(pk): None for pk in own if str(pk) in found}
    return found
