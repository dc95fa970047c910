"""Observations of MultiDatastreams: what their datastreams have at one instant, as one result with an element each.

They are known by the MultiDatastream and the time: ``m7:1700000000000``.  What a client said beside time and result is
kept with each of the readings, so that each says it when it is asked for alone.  OGC 18-088, 9; decision 0039.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from django.db.models import QuerySet

from fengsui.sense.devices.models import Datastream, MultiDatastream, MultiDatastreamMember, Remark
from fengsui.show.sta import filters, observations
from fengsui.show.sta.model import ENTITIES
from fengsui.show.sta.observations import Observed, Scope
from fengsui.show.sta.odata.errors import NotAnswered
from fengsui.show.sta.odata.expression import Node, paths, terms, text_of
from fengsui.show.sta.sets import Viewer, visible
from fengsui.show.sta.sql import COLUMNS, FOREVER, Sql, bounds
from fengsui.stores.history import together
from fengsui.stores.history.search import Asked
from fengsui.stores.history.together import Together

HEAD = "MultiDatastream"


@dataclass(frozen=True, slots=True)
class Gathered:
    """One observation of a MultiDatastream; a part is None where that datastream has no reading then."""

    multi: int
    time_ms: int
    parts: tuple[Observed | None, ...]

    @property
    def key(self) -> str:
        return f"m{self.multi}:{self.time_ms}"

    @property
    def there(self) -> list[Observed]:
        return [part for part in self.parts if part is not None]

    @property
    def remark(self) -> Remark | None:
        return next((part.remark for part in self.there if part.remark is not None), None)


def speaks_of(node: Node | None) -> bool:
    """Whether a filter of Observations asks for those of MultiDatastreams."""
    return node is not None and any(path.parts[0] == HEAD for path in paths(node))


def members_of(multis: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """The datastreams of MultiDatastreams, in order."""
    out: dict[int, list[int]] = defaultdict(list)
    rows = MultiDatastreamMember.objects.filter(multi_datastream__in=multis).order_by(
        "multi_datastream", "position"
    )
    for pk, stream in rows.values_list("multi_datastream_id", "datastream_id"):
        out[pk].append(stream)
    return {pk: tuple(members) for pk, members in out.items()}


class MultiScope:
    """The observations of MultiDatastreams (rows in sight)."""

    def __init__(self, viewer: Viewer, multis: QuerySet[MultiDatastream]) -> None:
        self.viewer, self.multis = viewer, multis
        streams = Datastream.objects.filter(memberships__multi_datastream__in=multis.order_by().values("pk"))
        self.plain = Scope(viewer, streams.distinct())
        self.now = self.plain.now

    def asked(self, node: Node | None, order: tuple[tuple[Node, bool], ...]) -> Together:
        """The question to the history.  Raises BadQuery, NotAnswered."""
        multis, own, features = self.multis, [], None
        for term in terms(node) if node is not None else ():
            heads = {path.parts[0] for path in paths(term)}
            if heads == {HEAD}:
                inner = observations.without(term, HEAD)
                multis = multis.filter(filters.condition(ENTITIES[HEAD], inner, self.viewer))
            elif heads == {"FeatureOfInterest"}:
                features = self.plain.features_of(term, features)
            elif heads & {HEAD, "Datastream", "FeatureOfInterest"}:
                raise NotAnswered(
                    f"one comparison, or one or, speaks of observations and of their entities: {text_of(term)[:80]}; "
                    "join such conditions by and"
                )
            else:
                own.append(term)
        groups = members_of(multis.order_by().values_list("pk", flat=True))
        width = max(map(len, groups.values()), default=0)
        key = "('m' || gathered::VARCHAR || ':' || time_ms::VARCHAR)"
        columns = {**COLUMNS, ("@iot.id",): (key, "string"), ("id",): (key, "string")}
        del columns[("result",)]
        columns |= {("result", str(i)): (f"v{i}", "number") for i in range(width)}
        sql = Sql(
            self.now, {}, columns, "result is an array here: ask for result/0, result/1 … of its elements"
        )
        low, high = FOREVER
        conditions = []
        for term in own:
            self.plain.said_beside(term)
            a, b = bounds(term, self.now)
            low, high = max(low, a), min(high, b)
            conditions.append(sql.holds(term))
        by, falls = observations.ordered_by(order, sql, "gathered")
        ids = np.unique(np.array([one for members in groups.values() for one in members], np.int32))
        plain = observations.without_removed(Asked(ids, low, max(low, high), falls=falls))
        of_readings = self.plain.of_features(plain, features).where
        asked = Asked(
            ids, low, max(low, high), " AND ".join(conditions), sql.given, by, falls, without=plain.without
        )
        return Together(asked, groups, of_readings)

    def page(
        self, node: Node | None, order: tuple[tuple[Node, bool], ...], top: int, skip: int, token: str
    ) -> tuple[list[Gathered], str | None]:
        """Observations in order, and the token of the next page."""
        wanted = self.asked(node, order)
        asked, skip = observations.place_of(token, wanted.asked, skip)
        wanted = Together(asked, wanted.groups, wanted.of_readings)
        recent = self.plain.recent(asked)
        found = self._of(wanted, together.page(wanted, top + 1, skip, recent)) if top else []
        if len(found) <= top or not top:
            return found, None
        last = found[top - 1]
        return found[:top], f"s.{skip + top}" if asked.order else f"t.{last.time_ms}.{last.multi}"

    def count(self, node: Node | None) -> int:
        wanted = self.asked(node, ())
        return together.count(wanted, self.plain.recent(wanted.asked))

    def one(self, multi: int, time_ms: int) -> Gathered | None:
        """The observation of a MultiDatastream of the scope at a time."""
        groups = members_of(self.multis.filter(pk=multi).values_list("pk", flat=True))
        if not groups:
            return None
        ids = np.unique(np.array(groups[multi], np.int32))
        asked = observations.without_removed(Asked(ids, time_ms, time_ms + 1))
        wanted = Together(asked, groups)
        found = self._of(wanted, together.page(wanted, 1, 0, self.plain.recent(asked)))
        return found[0] if found else None

    def each(
        self, node: Node | None, order: tuple[tuple[Node, bool], ...], top: int
    ) -> dict[int, list[Gathered]]:
        """The first ``top`` of every MultiDatastream, for an expansion."""
        wanted = self.asked(node, order)
        if wanted.asked.order:
            raise NotAnswered("expanded Observations are sorted by phenomenonTime only")
        out: dict[int, list[Gathered]] = defaultdict(list)
        for one in self._of(wanted, together.each(wanted, top, self.plain.recent(wanted.asked))):
            out[one.multi].append(one)
        return out

    def spans(self, groups: together.Groups) -> dict[int, tuple[int, int]]:
        """First and last time of the observations of MultiDatastreams."""
        ids = sorted({one for members in groups.values() for one in members})
        known = self.plain.spans(ids)
        out = {}
        for pk, members in groups.items():
            spans = [known[one] for one in members if one in known]
            if spans:
                out[pk] = min(low for low, _ in spans), max(high for _, high in spans)
        return out

    def _of(self, wanted: Together, table: pa.Table) -> list[Gathered]:
        """Rows of the history with their remarks."""
        if not len(table):
            return []
        rows = table.to_pylist()
        times = [row["time_ms"] for row in rows]
        said = Remark.objects.filter(
            datastream__in=wanted.asked.ids.tolist(), time_ms__gte=min(times), time_ms__lte=max(times)
        )
        if len(times) <= 2000:
            said = said.filter(time_ms__in=set(times))
        remarks = {(row.datastream_id, row.time_ms): row for row in said}
        out = []
        for row in rows:
            at = row["time_ms"]
            parts = tuple(
                None if row[f"q{i}"] is None
                else Observed(one, at, row[f"v{i}"], row[f"q{i}"], row[f"r{i}"], remarks.get((one, at)))
                for i, one in enumerate(wanted.groups[row["gathered"]])
            )  # fmt: skip
            out.append(Gathered(row["gathered"], at, parts))
        return out


def result(one: Gathered, kinds: dict[int, str]) -> list[Any]:
    """The result: an element for each datastream, as its type has it; null where it has none."""
    return [
        None if part is None else observations.result(part, kinds.get(part.datastream, ""))
        for part in one.parts
    ]


def quality(one: Gathered) -> Any:
    """resultQuality: what the client said, or a list of what our checks say of each element, null when plainly good."""
    remark = one.remark
    if remark is not None and remark.result_quality is not None:
        return remark.result_quality
    said = [None if part is None else observations.quality(part) for part in one.parts]
    return said if any(said) else None


def visible_multis(viewer: Viewer) -> MultiScope:
    """All of them that ``viewer`` sees."""
    return MultiScope(viewer, visible(HEAD, viewer))
