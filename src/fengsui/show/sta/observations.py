"""Observations: the readings of the history and of the pipeline's memory, in the words of SensorThings.

An Observation is known by its datastream and time: ``7:1700000000000``.  What a client said beside time and result
is a Remark of ``sense.devices``.  Its FeatureOfInterest is that of the remark, or that of the Location where the thing
was.
"""

import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from django.conf import settings
from django.db.models import QuerySet

from fengsui.base.quality import Quality, Reason
from fengsui.sense.devices.models import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    ObservationType,
    Remark,
)
from fengsui.show.lists.readings import ASK_S
from fengsui.show.live.hub import NotConnected, hub
from fengsui.show.sta import filters
from fengsui.show.sta.model import ENTITIES
from fengsui.show.sta.odata.errors import BadQuery, NotAnswered
from fengsui.show.sta.odata.expression import Binary, Call, Node, Path, Unary, paths, terms, text_of
from fengsui.show.sta.sets import Viewer, visible
from fengsui.show.sta.sql import FOREVER, Sql, bounds
from fengsui.stores import clock, history
from fengsui.stores.history import search
from fengsui.stores.history.recent import NOT_ASKED, SUBJECT, Recent, question
from fengsui.stores.history.rows import MS
from fengsui.stores.history.search import Asked

KEY = re.compile(r"(m?)(\d{1,9}):(-?\d{1,15})")
REMARKS_MOST = 10_000
ASKED_MOST = 100_000  # datastreams of which the pipeline is asked for the newest readings
SETTLE_S = 5.0  # how long a reader waits for the pipeline to take what this process has just written
WRITERS_MOST = 1_000
_written: dict[tuple[int, str], int] = {}  # partition and who → when their newest write here was durable, ms


@dataclass(frozen=True, slots=True)
class Observed:
    """One observation; ``value`` is None where there is none."""

    datastream: int
    time_ms: int
    value: float | None
    quality: int
    reason: int
    remark: Remark | None = None

    @property
    def key(self) -> str:
        return f"{self.datastream}:{self.time_ms}"


def key_of(text: Any) -> tuple[bool, int, int]:
    """Whether an observation's id is one of a MultiDatastream (m7:…), the datastream, the time.  Raises BadQuery."""
    found = KEY.fullmatch(str(text))
    if found is None or int(found[2]) >= 1 << 31:
        raise BadQuery(
            "the id of an Observation is <datastream>:<ms since 1970>, or m<MultiDatastream>:<ms>, not "
            f"{str(text)[:60]}"
        )
    return bool(found[1]), int(found[2]), int(found[3])


def wrote(sites: Sequence[int], source: str) -> None:
    """``source`` made readings of these sites durable in this process: it waits until they show when it reads."""
    now = clock.now_ms()
    for site in sites:
        _written.pop((site % settings.PARTITIONS, source), None)
        _written[site % settings.PARTITIONS, source] = now
    while len(_written) > WRITERS_MOST:
        _written.pop(next(iter(_written)), None)


def settled(stream: Datastream, time_ms: int) -> None:
    """Wait until the reading of a datastream at a time is at rest, if it is only just written."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline and not len(history.measured([stream.pk], time_ms, time_ms + 1)):
        time.sleep(0.1)


class Scope:
    """The observations of datastreams (rows in sight), perhaps only those of one FeatureOfInterest."""

    def __init__(
        self, viewer: Viewer, streams: QuerySet[Datastream], feature: FeatureOfInterest | None = None
    ) -> None:
        self.viewer, self.streams, self.feature = viewer, streams, feature
        self.now = clock.now()

    # ---- what is asked

    def narrowed(self, node: Node | None) -> tuple["Scope", list[Node], list[int] | None]:
        """A scope within what a filter says of Datastream, what it says of readings, and of which features."""
        if node is None:
            return self, [], None
        streams, own, features = self.streams, [], None
        for term in terms(node):
            heads = {path.parts[0] for path in paths(term)}
            if heads == {"Datastream"}:
                inner = without(term, "Datastream")
                streams = streams.filter(filters.condition(ENTITIES["Datastream"], inner, self.viewer))
            elif heads == {"FeatureOfInterest"}:
                features = self.features_of(term, features)
            elif heads & {"Datastream", "FeatureOfInterest"}:
                raise NotAnswered(
                    f"one comparison, or one or, speaks of observations and of their entities: {text_of(term)[:80]}; "
                    "join such conditions by and"
                )
            else:
                own.append(term)
        narrowed = Scope(self.viewer, streams, self.feature)
        narrowed.now = self.now
        return narrowed, own, features

    def features_of(self, term: Node, known: list[int] | None) -> list[int]:
        """The features of which a condition holds, among the ``known`` ones.  Raises BadQuery, NotAnswered."""
        inner = without(term, "FeatureOfInterest")
        rows = visible("FeatureOfInterest", self.viewer).filter(
            filters.condition(ENTITIES["FeatureOfInterest"], inner, self.viewer)
        )
        found = list(rows.values_list("pk", flat=True)[: REMARKS_MOST + 1])
        if len(found) > REMARKS_MOST:
            raise NotAnswered("more FeaturesOfInterest fit than can be looked up: ask for fewer")
        return found if known is None else [pk for pk in found if pk in set(known)]

    def asked(self, node: Node | None, order: tuple[tuple[Node, bool], ...]) -> Asked:
        """The question to the history.  Raises BadQuery, NotAnswered."""
        scope, own, features = self.narrowed(node)
        low, high = FOREVER
        sql = Sql(self.now, {})
        conditions = []
        for term in own:
            self.said_beside(term)
            a, b = bounds(term, self.now)
            low, high = max(low, a), min(high, b)
            conditions.append(sql.holds(term))
        by, falls = ordered_by(order, sql, "datastream")
        ids = np.array(sorted(scope.streams.order_by().values_list("pk", flat=True)), np.int32)
        asked = Asked(ids, low, max(low, high), " AND ".join(conditions), sql.given, by, falls)
        wanted = [self.feature.pk] if self.feature is not None else None
        if features is not None:
            wanted = features if wanted is None else [pk for pk in wanted if pk in set(features)]
        return self.of_features(without_removed(asked), wanted)

    def said_beside(self, term: Node) -> None:
        """resultTime is phenomenonTime unless somebody said otherwise; then it cannot be filtered by."""
        if any(path.parts == ("resultTime",) for path in paths(term)):
            said = Remark.objects.filter(datastream__in=self.streams, result_time_ms__isnull=False)
            if said.exists():
                raise NotAnswered(
                    "some of these observations have a resultTime of their own, which cannot be filtered by; "
                    "filter by phenomenonTime"
                )

    def of_features(self, asked: Asked, features: list[int] | None) -> Asked:
        """Only the observations of these features: where the things were, and what remarks say."""
        if features is None:
            return asked
        said = Remark.objects.filter(datastream__in=asked.ids.tolist(), feature__isnull=False)
        mine = list(
            said.filter(feature__in=features).values_list("datastream_id", "time_ms")[: REMARKS_MOST + 1]
        )
        others = list(
            said.exclude(feature__in=features).values_list("datastream_id", "time_ms")[: REMARKS_MOST + 1]
        )
        if max(len(mine), len(others)) > REMARKS_MOST:
            raise NotAnswered("more observations have a FeatureOfInterest of their own than can be looked up")
        places = list(
            FeatureOfInterest.objects.filter(pk__in=features, location__isnull=False).values_list(
                "location", flat=True
            )
        )
        pieces = []
        for ids, low, high in stays(asked.ids, places):
            name_low, name_high = low, high
            listed = ", ".join(map(str, ids))
            pieces.append(f"(datastream IN ({listed}) AND time_ms >= {name_low} AND time_ms < {name_high})")
        if others:
            pairs = ", ".join(f"({int(d)}, {int(t)})" for d, t in others)
            pieces = (
                [f"(({' OR '.join(pieces)}) AND (datastream, time_ms) NOT IN ({pairs}))"] if pieces else []
            )
        if mine:
            pieces.append(
                f"((datastream, time_ms) IN ({', '.join(f'({int(d)}, {int(t)})' for d, t in mine)}))"
            )
        condition = " OR ".join(pieces) or "false"
        where = f"({asked.where}) AND ({condition})" if asked.where else f"({condition})"
        return replace(asked, where=where)

    # ---- answers

    def recent(self, asked: Asked) -> pa.Table | None:
        """What the pipelines hold of what is asked; None where they need not, or cannot, be asked."""
        if not len(asked.ids) or len(asked.ids) > ASKED_MOST or asked.from_ms >= asked.to_ms:
            return None
        by_partition: dict[int, list[int]] = defaultdict(list)
        pairs = (
            Datastream.objects.filter(pk__in=asked.ids.tolist()) if len(asked.ids) < 1000 else self.streams
        )
        wanted = set(asked.ids.tolist())
        for pk, site in pairs.order_by().values_list("pk", "site_id"):
            if pk in wanted:
                by_partition[site % settings.PARTITIONS].append(pk)
        low, high = max(asked.from_ms, -(1 << 53)), min(asked.to_ms, 1 << 53)
        who = self.viewer.source
        tables = [_recent(partition, ids, low, high, who).table for partition, ids in by_partition.items()]
        return pa.concat_tables(tables).unify_dictionaries().combine_chunks() if tables else None

    def page(
        self, node: Node | None, order: tuple[tuple[Node, bool], ...], top: int, skip: int, token: str
    ) -> tuple[list[Observed], str | None]:
        """Observations in order, and the token of the next page."""
        asked, skip = place_of(token, self.asked(node, order), skip)
        recent = self.recent(asked)
        found = observed(search.page(asked, top + 1, skip, recent)) if top else []
        if len(found) <= top or not top:
            return found, None
        last = found[top - 1]
        return found[:top], f"s.{skip + top}" if asked.order else f"t.{last.time_ms}.{last.datastream}"

    def count(self, node: Node | None) -> int:
        asked = self.asked(node, ())
        return search.count(asked, self.recent(asked))

    def one(self, datastream: int, time_ms: int) -> Observed | None:
        """The observation of a datastream of the scope at a time."""
        if not self.streams.filter(pk=datastream).exists():
            return None
        asked = without_removed(Asked(np.array([datastream], np.int32), time_ms, time_ms + 1))
        found = observed(search.page(asked, 1, 0, self.recent(asked)))
        return found[0] if found else None

    def each(
        self, node: Node | None, order: tuple[tuple[Node, bool], ...], top: int
    ) -> dict[int, list[Observed]]:
        """The first ``top`` of every datastream, for an expansion."""
        asked = self.asked(node, order)
        if asked.order:
            raise NotAnswered("expanded Observations are sorted by phenomenonTime only")
        out: dict[int, list[Observed]] = defaultdict(list)
        for one in observed(search.each(asked, top, self.recent(asked))):
            out[one.datastream].append(one)
        return out

    def spans(self, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """First and last time of the observations of datastreams."""
        asked = Asked(np.array(sorted(ids), np.int32), *FOREVER)
        return search.spans(asked.ids, self.recent(asked)) if len(ids) else {}


def ordered_by(
    order: tuple[tuple[Node, bool], ...], sql: Sql, key: str
) -> tuple[tuple[tuple[str, bool], ...], bool]:
    """What observations are sorted by before their time (``key``: the column of their id), and whether time falls."""
    by: list[tuple[str, bool]] = []
    falls = False
    for i, (of, down) in enumerate(order):
        if isinstance(of, Path) and of.parts in (("phenomenonTime",), ("resultTime",), ("@iot.id",), ("id",)):
            falls = down
            if of.parts[0] in ("@iot.id", "id"):
                by.append((key, down))
            break  # nothing is equal behind it but other datastreams
        if any(path.parts[0] in ("Datastream", "MultiDatastream", "FeatureOfInterest") for path in paths(of)):
            raise NotAnswered(f"observations are not sorted by {text_of(of)[:60]}")
        by.append((sql.of(of)[0], down))
        falls = falls if i else False
    return tuple(by), falls


def place_of(token: str, asked: Asked, skip: int) -> tuple[Asked, int]:
    """The question and what is skipped, going on behind a token.  Raises BadQuery."""
    if not token:
        return asked, skip
    kind, _, rest = token.partition(".")
    try:
        if kind == "t" and not asked.order:
            at, key = rest.split(".")
            return replace(asked, after=(int(at), int(key))), skip
        if kind == "s":
            return asked, skip + int(rest)
    except ValueError:
        pass
    raise BadQuery("$skiptoken was not given out by this list; start from its first page")


def observed(table: pa.Table) -> list[Observed]:
    """Rows of the history with their remarks."""
    if not len(table):
        return []
    columns = [
        table["datastream"].to_pylist(), table["time"].combine_chunks().cast(MS).view(pa.int64()).to_pylist(),
        table["value"].to_pylist(), table["quality"].to_pylist(), table["reason"].to_pylist(),
    ]  # fmt: skip
    low, high = min(columns[1]), max(columns[1])
    said = Remark.objects.filter(datastream__in=set(columns[0]), time_ms__gte=low, time_ms__lte=high)
    times = set(columns[1])
    if len(times) <= 2000:
        said = said.filter(time_ms__in=times)
    remarks = {(row.datastream_id, row.time_ms): row for row in said}
    return [
        Observed(d, t, None if v != v else v, q, r, remarks.get((d, t)))
        for d, t, v, q, r in zip(*columns, strict=True)
    ]


def result(one: Observed, kind: str) -> Any:
    """The result as its Datastream's observationType has it."""
    if one.remark is not None and one.remark.result is not None:
        return one.remark.result
    if one.value is None:
        return None
    if kind == str(ObservationType.TRUTH) and one.value in (0.0, 1.0):
        return bool(one.value)
    return int(one.value) if one.value.is_integer() and abs(one.value) < 1 << 53 else one.value


def quality(one: Observed) -> Any:
    """resultQuality: what the client said, or what our checks say when it is not plainly good."""
    if one.remark is not None and one.remark.result_quality is not None:
        return one.remark.result_quality
    reason = one.reason
    if one.remark is not None and one.remark.result is not None and reason == Reason.NO_VALUE:
        reason = 0
    if not one.quality and not reason:
        return None
    out = {"quality": Quality(one.quality).name.lower()}
    if reason:
        known = {int(r): r.name.lower() for r in Reason}
        out["reason"] = known.get(reason, str(reason))
    return out


def features(found: Sequence[Observed]) -> dict[str, int]:
    """The FeatureOfInterest of observations, by their keys."""
    out = {
        one.key: one.remark.feature_id for one in found if one.remark is not None and one.remark.feature_id
    }
    plain = [one for one in found if one.key not in out]
    things = dict(
        Datastream.objects.filter(pk__in={one.datastream for one in plain}).values_list("pk", "thing_id")
    )
    lives = _lives(set(things.values()))
    for one in plain:
        stay = lives.get(things.get(one.datastream, 0), [])
        at = None
        for since, feature in stay:
            if at is None or since <= one.time_ms:
                at = feature
        if at is not None:
            out[one.key] = at
    return out


def stays(ids: np.ndarray, locations: Sequence[int]) -> list[tuple[list[int], int, int]]:
    """When the things of datastreams were at ``locations``: datastreams, from, to (ms); the first stay began always."""
    if not locations:
        return []
    there = HistoricalLocation.objects.filter(locations__in=locations).values("thing_id")
    streams: dict[int, list[int]] = defaultdict(list)
    wanted = set(ids.tolist())
    for pk, thing in Datastream.objects.filter(thing__in=there).values_list("pk", "thing_id"):
        if pk in wanted:
            streams[thing].append(pk)
    features = set(FeatureOfInterest.objects.filter(location__in=locations).values_list("pk", flat=True))
    out: dict[tuple[int, int], list[int]] = defaultdict(list)
    for thing, moves in _lives(set(streams)).items():
        for i, (since, feature) in enumerate(moves):
            if feature in features:
                low = FOREVER[0] if i == 0 else since
                high = moves[i + 1][0] if i + 1 < len(moves) else FOREVER[1]
                out[low, high] += streams[thing]
    return [(pks, low, high) for (low, high), pks in out.items()]


def _lives(things: set[int]) -> dict[int, list[tuple[int, int]]]:
    """For each thing since when (ms) which feature was its own, oldest first."""
    rows = (
        HistoricalLocation.objects.filter(thing__in=things, locations__feature__isnull=False)
        .order_by("thing_id", "time", "pk", "locations__pk")
        .values_list("thing_id", "time", "pk", "locations__feature")
    )
    out: dict[int, list[tuple[int, int]]] = defaultdict(list)
    last = None
    for thing, at, pk, feature in rows:
        if pk == last:
            continue  # the same place in another encoding
        last = pk
        out[thing].append((int(at.timestamp() * 1000), feature))
    return out


def _recent(partition: int, ids: list[int], from_ms: int, to_ms: int, who: str) -> Recent:
    """What a pipeline holds; asked again until it has what ``who`` wrote before the question, not meanwhile."""
    written = _written.get((partition, who), 0)
    while True:
        waits = clock.now_ms() - written < SETTLE_S * 1000
        try:
            found = Recent.of(hub().ask(SUBJECT.format(partition), question(ids, from_ms, to_ms), ASK_S))
        except (NotConnected, ValueError):
            found = NOT_ASKED
        if not waits or (found.as_of_ms or 0) >= written:
            return found
        time.sleep(0.01)


def without_removed(asked: Asked) -> Asked:
    """Observations that were deleted are kept, and not shown."""
    said = Remark.objects.filter(is_removed=True)
    if len(asked.ids) <= 1000:
        said = said.filter(datastream__in=asked.ids.tolist())
    gone = list(said.values_list("datastream_id", "time_ms")[: REMARKS_MOST + 1])
    if len(gone) > REMARKS_MOST:
        raise NotAnswered(
            "more observations were deleted here than can be looked up: ask for fewer Datastreams"
        )
    return replace(asked, without=gone)


def without(node: Node, head: str) -> Node:
    """``node`` as it is seen from the entity that ``head`` leads to."""
    match node:
        case Path(parts):
            return Path(parts[1:] if len(parts) > 1 else ("@iot.id",))
        case Call(name, args):
            return Call(name, tuple(without(arg, head) for arg in args))
        case Unary(op, of):
            return Unary(op, without(of, head))
        case Binary(op, left, right):
            return Binary(op, without(left, head), without(right, head))
    return node
