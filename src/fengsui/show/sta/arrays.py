"""DataArray: ``POST /CreateObservations``, many observations of several Datastreams as columns.  OGC 18-088, 12.2.

The way of everything: a group becomes columns, its site's batch, one synced write on the bus.  Each observation is
answered by its address or by "error"; what is refused is in quarantine with its reason.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fengsui.sense.devices.models import Datastream, FeatureOfInterest, MultiDatastream, Remark
from fengsui.show.sta import posting, times
from fengsui.show.sta.gathered import HEAD
from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.sets import visible
from fengsui.show.sta.writing import Writer, _now, _remark, is_needed, keep_remarks, value_of

MOST = 1_000_000
COMPONENTS = frozenset(
    ("phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters", "FeatureOfInterest/id",
     "FeatureOfInterest/@iot.id")
)  # fmt: skip
ERROR = "error"
# Reading columns holds the interpreter: several at a time are no faster, and whoever reads a page meanwhile would have
# to wait for each of them in turn.
_turn = threading.Lock()


class Group(msgspec.Struct):
    """Observations of one Datastream."""

    components: list[str]
    rows: list[list[Any]] = msgspec.field(name="dataArray")
    count: Any = msgspec.field(name="dataArray@iot.count", default=None)
    stream: Any = msgspec.field(name="Datastream", default=None)
    multi: Any = msgspec.field(name="MultiDatastream", default=None)


@dataclass(slots=True)
class Column:
    """Readings of one datastream that a group says: all arrays of equal length, one for each row of the group."""

    stream: Datastream
    time_ms: np.ndarray
    value: np.ndarray
    good: np.ndarray
    remarks: dict[int, Remark]


_decoder = msgspec.json.Decoder(list[Group])


def create(writer: Writer, data: bytes) -> list[str]:
    """For each observation, in order, its address or "error".  Raises BadQuery, NotAllowed, Busy, NoBus."""
    with _turn:
        groups = read(data)
    total = sum(len(group.rows) for group in groups)
    if total > MOST:
        raise BadQuery(f"{total} observations: one request takes {MOST} at most")
    targets = _targets(writer, groups)
    now = _now()
    columns: list[Column] = []
    of_group: list[list[Column]] = []
    for group, target in zip(groups, targets, strict=True):
        with _turn:
            of_group.append(_columns_of(writer, group, target, now))
        columns += of_group[-1]
    kept = _posted(writer, columns, now)
    keep_remarks([remark for column, yes in zip(columns, kept, strict=True)
                  for row, remark in column.remarks.items() if yes[row]])  # fmt: skip
    root, out, at = f"{writer.reader.root}/Observations('", [], 0
    for group, target, mine in zip(groups, targets, of_group, strict=True):
        yes = np.ones(len(group.rows), bool)
        for one in kept[at : at + len(mine)]:
            yes &= one
        at += len(mine)
        head = f"{root}m{target.pk}" if isinstance(target, MultiDatastream) else f"{root}{target.pk}"
        times_ms = mine[0].time_ms.tolist()
        out += [f"{head}:{t}')" if good else ERROR for t, good in zip(times_ms, yes.tolist(), strict=True)]
    return out


def _posted(writer: Writer, columns: Sequence[Column], now: int) -> list[np.ndarray]:
    """Which readings of each column are durable now."""
    if not columns:
        return []
    good = np.concatenate([column.good for column in columns])
    kept = good.copy()
    if good.any():
        lengths = [len(column.good) for column in columns]
        site = np.repeat(np.array([column.stream.site_id for column in columns], np.int64), lengths)
        stream = np.repeat(np.array([column.stream.pk for column in columns], np.int32), lengths)
        time_ms = np.concatenate([column.time_ms for column in columns])
        value = np.concatenate([column.value for column in columns])
        kept[good] = (
            posting.post(writer.viewer.source, now, site[good], stream[good], time_ms[good], value[good]) == 0
        )
    return np.split(kept, np.cumsum([len(column.good) for column in columns])[:-1])


def _columns_of(writer: Writer, group: Group, target: Datastream | MultiDatastream, now: int) -> list[Column]:
    """A column for a Datastream, or one for each of a MultiDatastream: a row that does not fit is good in none."""
    if isinstance(target, Datastream):
        return [Column(target, *_columns(writer, group, target, now))]
    members = [one.datastream for one in target.members.select_related("datastream", "datastream__thing")]
    place, width, n = group.components.index("result"), len(members), len(group.rows)
    fits = np.array([
        len(row) == len(group.components) and isinstance(row[place], list) and len(row[place]) == width
        for row in group.rows
    ], bool)  # fmt: skip
    none = [None] * width
    out = []
    for i, member in enumerate(members):
        rows = [
            [*row[:place], row[place][i], *row[place + 1 :]]
            if yes
            else [*row[:place], none, *row[place + 1 :]]
            for row, yes in zip(group.rows, fits.tolist(), strict=True)
        ]
        alone = Group(components=group.components, rows=rows)
        at, values, good, said = _columns(writer, alone, member, now)
        out.append(Column(member, at, values, good & fits, said))
    whole = np.ones(n, bool)
    for column in out:
        whole &= column.good
    for column in out:
        column.good &= whole
    return out


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


def _targets(writer: Writer, groups: Sequence[Group]) -> list[Datastream | MultiDatastream]:
    """The Datastream or MultiDatastream of each group, once it is sure that all may be posted to."""
    keys: list[tuple[str, int]] = []
    for group in groups:
        name, said = ("Datastream", group.stream) if group.multi is None else (HEAD, group.multi)
        key = said.get("@iot.id", said.get("id")) if isinstance(said, dict) else None
        if (
            not isinstance(key, int | str)
            or isinstance(key, bool)
            or not str(key).isdigit()
            or int(key) >= 1 << 31
            or (group.stream is not None and group.multi is not None)
        ):
            raise BadQuery('each DataArray names its Datastream, {"@iot.id": 7}, or its MultiDatastream')
        unknown = set(group.components) - COMPONENTS
        if unknown or len(set(group.components)) != len(group.components) or "result" not in group.components:
            raise BadQuery(
                f"components are result and perhaps {', '.join(sorted(COMPONENTS - {'result'}))}, each once; not "
                f"{', '.join(sorted(unknown))[:100] or 'those'}"
            )
        if group.count is not None and group.count != len(group.rows):
            raise BadQuery(
                f"{name} {key}: dataArray@iot.count is {group.count}, there are {len(group.rows)} rows"
            )
        keys.append((name, int(key)))
    found: dict[tuple[str, int], Any] = {}
    for name in {name for name, _ in keys}:
        wanted = {key for of, key in keys if of == name}
        rows = visible(name, writer.viewer).filter(pk__in=wanted).select_related("site")
        found |= {(name, row.pk): row for row in rows}
    for name, key in keys:
        if (name, key) not in found:
            raise BadQuery(f"there is no {name} with @iot.id {key}")
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
        micro = text.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        return np.rint(micro / 1000).astype(np.int64)  # half to even, as ``times.ms``
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
