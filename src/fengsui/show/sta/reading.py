"""GET: from an address and its options to JSON.  OGC 18-088, 9.2 and 9.3.

Lists are paged by key: ``$skiptoken`` in ``@iot.nextLink`` names the last row seen, so page 1,000 costs what page 1
does.  What one request may cost is bounded: rows a page, depth and rows of expansions, time in the database.
"""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from django.db import DataError, OperationalError, connection, transaction
from django.db.models import BooleanField, F, JSONField, Q, QuerySet, Value, Window, lookups
from django.db.models.functions import DenseRank, RowNumber

from fengsui.sense.devices.models import Datastream
from fengsui.show.api.errors import NotFound
from fengsui.show.sta import filters, gathered, observations, times
from fengsui.show.sta.gathered import Gathered, MultiScope
from fengsui.show.sta.model import COMPLEX, ENTITIES, OBSERVATION_TYPE, SETS, UNIT, Entity
from fengsui.show.sta.observations import Observed, Scope
from fengsui.show.sta.odata.address import Segment, quoted
from fengsui.show.sta.odata.errors import BadQuery, NotAnswered
from fengsui.show.sta.odata.expression import Path, text_of
from fengsui.show.sta.odata.options import NONE, Expansion, Options
from fengsui.show.sta.sets import Viewer, visible

TOP, TOP_MOST = 100, 1_000
OBSERVATIONS_MOST = 10_000
SKIP_MOST = 1_000_000
EXPANDED_MOST = 20_000
SECONDS = 15  # of one statement in the database
DATA_ARRAY = ("@iot.id", "phenomenonTime", "resultTime", "result")
GEOJSON = "application/geo+json"


@dataclass(frozen=True, slots=True)
class Raw:
    """The bare text of a property: ``…/name/$value``."""

    text: str


@dataclass(slots=True)
class Found:
    """Where an address leads: a list (``rows``), one row, or observations (``scope``, ``one``)."""

    entity: Entity
    rows: QuerySet[Any] | None = None
    row: Any = None
    scope: Scope | MultiScope | None = None
    one: Observed | Gathered | None = None
    multis: MultiScope | None = None  # with a Scope of all observations: those of MultiDatastreams

    @property
    def is_list(self) -> bool:
        return self.row is None and self.one is None


class Reader:
    """Answers one request of ``viewer``; ``root`` is the absolute address of the service, without a slash."""

    def __init__(self, viewer: Viewer, root: str) -> None:
        self.viewer, self.root = viewer, root
        self.left = EXPANDED_MOST

    # ---- addresses

    def find(self, segments: Sequence[Segment]) -> tuple[Found, tuple[Segment, ...]]:
        """What the address names, and the rest behind it ($ref, a property).  Raises NotFound, BadQuery."""
        first, rest = segments[0], tuple(segments[1:])
        if first.name not in SETS:
            raise NotFound
        found = self._keyed(self._all(SETS[first.name]), first)
        while rest and rest[0].name in found.entity.navs:
            if found.is_list:
                raise BadQuery(f"{first.name} is a list: name one of them, {first.name}(…)/{rest[0].name}")
            found = self._keyed(self._follow(found, rest[0].name), rest[0])
            rest = rest[1:]
        return found, rest

    def _all(self, entity: Entity) -> Found:
        if entity.model is None:
            scope = Scope(self.viewer, visible("Datastream", self.viewer))
            return Found(entity, scope=scope, multis=gathered.visible_multis(self.viewer))
        return Found(entity, rows=visible(entity.name, self.viewer))

    def _keyed(self, found: Found, segment: Segment) -> Found:
        key = segment.key
        if key is None:
            return found
        if not found.is_list:
            raise BadQuery(f"{segment.name} is one entity and takes no key")
        if found.scope is not None:
            is_multi, pk, at = observations.key_of(key)
            scope = found.multis if is_multi and found.multis is not None else found.scope
            one = scope.one(pk, at) if isinstance(scope, MultiScope) == is_multi else None
            if one is None:
                raise NotFound
            return Found(found.entity, scope=found.scope, one=one)
        if not (isinstance(key, int) or key.isdigit()) or int(key) >= 1 << 31:
            raise NotFound
        assert found.rows is not None
        row = found.rows.filter(pk=int(key)).first()
        if row is None:
            raise NotFound
        return Found(found.entity, row=row)

    def _follow(self, found: Found, name: str) -> Found:
        nav = found.entity.nav(name)
        target = ENTITIES[nav.target]
        if found.one is not None:
            return self._of_observation(found.one, target)
        if target.model is None:
            return Found(target, scope=self._scope_of(found.entity, found.row))
        rows = visible(nav.target, self.viewer)
        if nav.many and nav.order:
            placed = rows.annotate(sta_of=F(f"{nav.back}__pk"), sta_position=F(nav.order))
            return Found(target, rows=placed.filter(sta_of=found.row.pk))
        if nav.many:
            related = rows.filter(**{nav.back: found.row.pk})
            return Found(target, rows=related.distinct() if "__" in nav.back else related)
        row = rows.filter(pk=getattr(found.row, f"{nav.path}_id")).first()
        if row is None:
            raise NotFound
        return Found(target, row=row)

    def _of_observation(self, one: Observed | Gathered, target: Entity) -> Found:
        if target.name == "FeatureOfInterest":
            parts = one.there[:1] if isinstance(one, Gathered) else [one]
            key = next(iter(observations.features(parts).values()), 0)
        elif isinstance(one, Gathered) != (target.name == gathered.HEAD):
            raise NotFound
        else:
            key = one.multi if isinstance(one, Gathered) else one.datastream
        row = visible(target.name, self.viewer).filter(pk=key).first()
        if row is None:
            raise NotFound
        return Found(target, row=row)

    # ---- answers

    def get(self, segments: Sequence[Segment], options: Options) -> Any:
        """The JSON of an address, or Raw.  Raises NotFound, BadQuery, NotAnswered."""
        found, rest = self.find(segments)
        names = [segment.name for segment in rest]
        where = f"{self.root}/{'/'.join(map(str, segments[: len(segments) - len(rest)]))}"
        if names == ["$ref"]:
            return self.refs(found, options, where)
        with bounded():
            if found.is_list:
                if names:
                    raise NotFound
                return (
                    self.array(found, options, where)
                    if options.data_array
                    else self.page(found, options, where)
                )
            if options.data_array:
                raise BadQuery("$resultFormat=dataArray is for lists of Observations")
            if names:
                return self.property(found, names)
            return self.shaped(found, replace(options, expand=merged(options.expand)))

    def shaped(self, found: Found, options: Options) -> dict[str, Any]:
        """One entity."""
        self._checked(found.entity, options)
        if found.one is not None:
            return self.observations_shaped([found.one], options)[0]
        return self.rows_shaped(found.entity, [found.row], options)[0]

    def property(self, found: Found, names: list[str]) -> Any:
        """One property, or something inside it, or its bare value."""
        bare = names[-1] == "$value"
        path = names[:-1] if bare else names
        if not path or path[0] not in found.entity.props:
            raise NotFound
        whole = self.shaped(found, Options(select=(path[0],)))
        value = whole.get(path[0])
        for name in path[1:]:
            if not (isinstance(value, dict) and name in value):
                raise NotFound
            value = value[name]
        if not bare:
            return {path[-1]: value}
        return Raw(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def refs(self, found: Found, options: Options, where: str) -> dict[str, Any]:
        """``$ref``: addresses only."""
        short = replace(options, select=("@iot.selfLink",), expand=())
        with bounded():
            return (
                self.page(found, short, where, "/$ref", options)
                if found.is_list
                else self.shaped(found, short)
            )

    def page(
        self, found: Found, options: Options, where: str, behind: str = "", asked: Options | None = None
    ) -> dict[str, Any]:
        """A list with its count and the way on; ``asked`` is what the address said, where that differs."""
        asked = asked or options
        options = replace(options, expand=merged(options.expand))
        self._checked(found.entity, options)
        out: dict[str, Any] = {}
        if found.scope is not None:
            top = _top(options, OBSERVATIONS_MOST)
            scope = found.scope
            if found.multis is not None and gathered.speaks_of(options.filter):
                scope = found.multis
            if options.count:
                out["@iot.count"] = scope.count(options.filter)
            seen, token = scope.page(options.filter, options.order, top, _skip(options), options.token)
            items = self.observations_shaped(seen, options)
        else:
            assert found.rows is not None
            top = _top(options, TOP_MOST)
            rows = self.filtered(found.entity, found.rows, options)
            if options.count:
                out["@iot.count"] = rows.count()
            paged, token = self.keyset(found.entity, rows, options, top)
            items = self.rows_shaped(found.entity, paged, options)
        if token is not None:
            out["@iot.nextLink"] = f"{where}{behind}?{query_of(replace(asked, token=token, skip=0))}"
        out["value"] = items
        return out

    def array(self, found: Found, options: Options, where: str) -> dict[str, Any]:
        """``$resultFormat=dataArray``: observations as columns, by Datastream.  OGC 18-088, 12."""
        if found.scope is None:
            raise BadQuery("$resultFormat=dataArray is for lists of Observations")
        if options.expand:
            raise BadQuery("$expand and $resultFormat=dataArray do not go together")
        names = options.select or DATA_ARRAY
        page = self.page(found, replace(options, select=("@iot.id", *names)), where, "", options)
        groups: dict[str, list[list[Any]]] = {}
        for item in page["value"]:
            stream = str(item["@iot.id"]).partition(":")[0]
            groups.setdefault(stream, []).append([item.get(_full(name)) for name in names])
        page["value"] = [
            {
                **self._stream_link(stream),
                "components": [name.removeprefix("@iot.") for name in names],
                "dataArray@iot.count": len(rows),
                "dataArray": rows,
            }
            for stream, rows in groups.items()
        ]
        return page

    def _stream_link(self, stream: str) -> dict[str, str]:
        if stream.startswith("m"):
            return {"MultiDatastream@iot.navigationLink": f"{self.root}/MultiDatastreams({stream[1:]})"}
        return {"Datastream@iot.navigationLink": f"{self.root}/Datastreams({stream})"}

    # ---- rows

    def filtered(self, entity: Entity, rows: QuerySet[Any], options: Options) -> QuerySet[Any]:
        if options.filter is None:
            return rows
        return rows.filter(filters.condition(entity, options.filter, self.viewer))

    def keyset(
        self, entity: Entity, rows: QuerySet[Any], options: Options, top: int
    ) -> tuple[list[Any], str | None]:
        """One page in order, and the token of the next."""
        rows, order = self.ordered(entity, rows, options)
        if options.token:
            rows = rows.filter(_behind(order, options.token))
        skip = _skip(options)
        found = list(rows[skip : skip + top + 1]) if top else []
        if len(found) <= top:
            return found, None
        last = found[top - 1]
        return found[:top], _token(_place(last, order))

    def ordered(
        self, entity: Entity, rows: QuerySet[Any], options: Options
    ) -> tuple[QuerySet[Any], list[tuple[str, bool]]]:
        """Rows with the columns they are sorted by, nulls last, the key behind them."""
        order = (
            [("sta_position", False)]
            if not options.order and "sta_position" in rows.query.annotations
            else []
        )
        for i, (node, falls) in enumerate(options.order):
            if isinstance(node, Path) and node.parts in (("@iot.id",), ("id",)):
                rows = rows.annotate(**{f"sta_{i}": F("pk")})
            else:
                of, kind = filters.order(entity, node, self.viewer)
                rows = rows.annotate(**{f"{kind}_{i}": of})
                order.append((f"{kind}_{i}", falls))
                continue
            order.append((f"sta_{i}", falls))
        by = [
            F(name).desc(nulls_last=True) if falls else F(name).asc(nulls_last=True) for name, falls in order
        ]
        return rows.order_by(*by, "pk"), order

    # ---- shapes

    def rows_shaped(self, entity: Entity, rows: list[Any], options: Options) -> list[dict[str, Any]]:
        """Entities as JSON with what is expanded."""
        names = self._selected(entity, options)
        spans: dict[int, tuple[int, int]] = {}
        if entity.name == "Datastream" and {"phenomenonTime", "resultTime"} & set(names):
            ids = [row.pk for row in rows]
            spans = Scope(self.viewer, visible("Datastream", self.viewer)).spans(ids)
        if entity.name == gathered.HEAD:
            spans = self._with_members(rows, names)
        out = []
        for row in rows:
            said: dict[str, Any] = {}
            for name in names:
                value = _VALUES[entity.name][name](row, spans)
                if value is not None or name not in _OPTIONAL:
                    said[name] = value
            out.append(self._linked(entity, row.pk, said, options))
        for expansion in options.expand:
            self._expand(entity, rows, out, expansion)
        return out

    def _with_members(self, rows: list[Any], names: list[str]) -> dict[int, tuple[int, int]]:
        """Each MultiDatastream with its datastreams at hand; their spans, where they are shown."""
        groups = gathered.members_of([row.pk for row in rows])
        streams = Datastream.objects.in_bulk({one for members in groups.values() for one in members})
        for row in rows:
            row.sta_members = [streams[one] for one in groups.get(row.pk, ())]
        if not {"phenomenonTime", "resultTime"} & set(names):
            return {}
        return gathered.visible_multis(self.viewer).spans(groups)

    def observations_shaped(
        self, found: Sequence[Observed | Gathered], options: Options
    ) -> list[dict[str, Any]]:
        """Observations as JSON with what is expanded."""
        entity = ENTITIES["Observation"]
        names = self._selected(entity, options)
        kinds = {}
        if "result" in names:
            keys = {
                part.datastream for one in found
                for part in (one.there if isinstance(one, Gathered) else [one])
            }  # fmt: skip
            kinds = dict(Datastream.objects.filter(pk__in=keys).values_list("pk", "observation_type"))
        out = []
        for one in found:
            said: dict[str, Any] = {}
            for name in names:
                if isinstance(one, Gathered) and name in _GATHERED:
                    value = _GATHERED[name](one, kinds)
                else:
                    value = _OBSERVED[name](one, kinds.get(getattr(one, "datastream", 0), ""))
                if value is not None or name not in _OPTIONAL:
                    said[name] = value
            other = "Datastream" if isinstance(one, Gathered) else gathered.HEAD
            out.append(self._linked(entity, one.key, said, options, other))
        for expansion in options.expand:
            self._expand_observed(found, out, expansion)
        return out

    def _selected(self, entity: Entity, options: Options) -> list[str]:
        if not options.select:
            return [name for name in entity.props if name != "@iot.id"]
        return [
            full for name in options.select if (full := _full(name)) in entity.props and full != "@iot.id"
        ]

    def _linked(
        self, entity: Entity, key: int | str, said: dict[str, Any], options: Options, other: str = ""
    ) -> dict[str, Any]:
        """``said`` with the control information: id, address, addresses of what is related."""
        here = f"{self.root}/{entity.plural}({quoted(key)})"
        wanted = {_full(name) for name in options.select}
        out: dict[str, Any] = {}
        if not wanted or "@iot.id" in wanted:
            out["@iot.id"] = key
        if not wanted or "@iot.selfLink" in wanted:
            out["@iot.selfLink"] = here
        out |= said
        expanded = {expansion.path[0] for expansion in options.expand}
        for name in entity.navs:
            if name != other and ((not wanted and name not in expanded) or name in wanted):
                out[f"{name}@iot.navigationLink"] = f"{here}/{name}"
        return out

    def _checked(self, entity: Entity, options: Options) -> None:
        """Names in $select and $expand that the entity does not have are refused."""
        for name in options.select:
            if _full(name) not in entity.props and name not in entity.navs and name != "@iot.selfLink":
                known = ", ".join((*entity.props, *entity.navs))
                raise BadQuery(f"$select: a {entity.name} has no {name[:60]}; it has {known}")
        for expansion in options.expand:
            nav = entity.nav(expansion.path[0])
            self._checked(ENTITIES[nav.target], expansion.options)

    # ---- expansions

    def _spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise BadQuery(
                f"$expand would bring more than {EXPANDED_MOST} entities: lower $top, here or inside $expand"
            )

    def _expand(
        self, entity: Entity, rows: list[Any], out: list[dict[str, Any]], expansion: Expansion
    ) -> None:
        name, options = expansion.path[0], expansion.options
        nav = entity.nav(name)
        target = ENTITIES[nav.target]
        if target.model is None:
            self._expand_observations(entity, rows, out, name, options)
        elif nav.many:
            self._expand_many(entity, rows, out, name, options)
        else:
            keys = [getattr(row, f"{nav.path}_id") for row in rows]
            shaped = self._by_key(target, {key for key in keys if key is not None}, options)
            for item, key in zip(out, keys, strict=True):
                item[name] = shaped.get(key)

    def _by_key(self, target: Entity, keys: Iterable[int], options: Options) -> dict[int, dict[str, Any]]:
        rows = list(
            self.filtered(target, visible(target.name, self.viewer), options).filter(pk__in=set(keys))
        )
        self._spend(len(rows))
        return dict(zip([row.pk for row in rows], self.rows_shaped(target, rows, options), strict=True))

    def _expand_many(
        self, entity: Entity, rows: list[Any], out: list[dict[str, Any]], name: str, options: Options
    ) -> None:
        nav = entity.nav(name)
        target = ENTITIES[nav.target]
        top, skip = _top(options, TOP_MOST), _skip(options)
        related = visible(nav.target, self.viewer).annotate(sta_of=F(f"{nav.back}__pk"))
        if nav.order:
            related = related.annotate(sta_position=F(nav.order))
        related = self.filtered(target, related.filter(sta_of__in=[row.pk for row in rows]), options)
        counts: dict[int, int] = {}
        if options.count:
            from django.db.models import Count

            counts = dict(
                related.order_by()
                .values("sta_of")
                .annotate(n=Count("pk", distinct=not nav.order))
                .values_list("sta_of", "n")
            )
        related, order = self.ordered(target, related, options)
        by = list(related.query.order_by)
        ranked = related.order_by().annotate(
            sta_row=Window(
                RowNumber() if nav.order else DenseRank(),
                partition_by=[F("sta_of")],
                order_by=[*by[:-1], F("pk").asc()],
            )
        )
        found = list(
            ranked.filter(sta_row__gt=skip, sta_row__lte=skip + top + 1).order_by("sta_of", "sta_row")[
                : self.left + 1
            ]
        )
        self._spend(len(found))
        groups: dict[int, list[Any]] = {row.pk: [] for row in rows}
        for one in found:  # a row that is related in two ways has one rank, and is there once
            if nav.order or not groups[one.sta_of] or groups[one.sta_of][-1].pk != one.pk:
                groups[one.sta_of].append(one)
        shown = [one for group in groups.values() for one in group[:top]]
        shaped = iter(self.rows_shaped(target, shown, options))
        for item, row in zip(out, rows, strict=True):
            group = groups[row.pk]
            if options.count:
                item[f"{name}@iot.count"] = counts.get(row.pk, 0)
            item[name] = [next(shaped) for _ in group[:top]]
            if len(group) > top and top:
                last = group[top - 1]
                token = _token(_place(last, order))
                item[f"{name}@iot.nextLink"] = self._further(entity, row.pk, name, options, token)

    def _expand_observations(
        self, entity: Entity, rows: list[Any], out: list[dict[str, Any]], name: str, options: Options
    ) -> None:
        top = _top(options, OBSERVATIONS_MOST)
        self._spend(min(top, 100) * len(rows))  # before they are read
        at_once = entity.name in ("Datastream", gathered.HEAD) and not options.skip
        groups: dict[int, tuple[Sequence[Observed | Gathered], str | None]] = {}
        if at_once:
            kind = MultiScope if entity.name == gathered.HEAD else Scope
            shown = visible(entity.name, self.viewer).filter(pk__in=[row.pk for row in rows])
            each: dict[int, Any] = kind(self.viewer, shown).each(options.filter, options.order, top + 1)
            for row in rows:
                group = each.get(row.pk, [])
                last = group[top - 1] if len(group) > top and top else None
                groups[row.pk] = group[:top], f"t.{last.time_ms}.{row.pk}" if last else None
        else:
            if len(rows) > 50:
                raise NotAnswered("Observations of more than 50 entities at once: lower $top")
            for row in rows:
                scope = self._scope_of(entity, row)
                groups[row.pk] = scope.page(options.filter, options.order, top, _skip(options), "")
        self._spend(max(0, sum(len(group) for group, _ in groups.values()) - min(top, 100) * len(rows)))
        for item, row in zip(out, rows, strict=True):
            group, token = groups[row.pk]
            if options.count:
                item[f"{name}@iot.count"] = self._scope_of(entity, row).count(options.filter)
            item[name] = self.observations_shaped(group, options)
            if token is not None:
                item[f"{name}@iot.nextLink"] = self._further(entity, row.pk, name, options, token)

    def _scope_of(self, entity: Entity, row: Any) -> Scope | MultiScope:
        if entity.name == gathered.HEAD:
            return MultiScope(self.viewer, visible(gathered.HEAD, self.viewer).filter(pk=row.pk))
        streams = visible("Datastream", self.viewer)
        if entity.name == "Datastream":
            return Scope(self.viewer, streams.filter(pk=row.pk))
        return Scope(self.viewer, streams, row)

    def _further(self, entity: Entity, key: int, name: str, options: Options, token: str) -> str:
        query = query_of(replace(options, token=token, skip=0))
        return f"{self.root}/{entity.plural}({quoted(key)})/{name}?{query}"

    def _expand_observed(
        self, found: Sequence[Observed | Gathered], out: list[dict[str, Any]], expansion: Expansion
    ) -> None:
        name, options = expansion.path[0], expansion.options
        target = ENTITIES[ENTITIES["Observation"].nav(name).target]
        keys: list[int | None]
        if name == "Datastream":
            keys = [one.datastream if isinstance(one, Observed) else None for one in found]
        elif name == gathered.HEAD:
            keys = [one.multi if isinstance(one, Gathered) else None for one in found]
        else:
            parts = [one.there[0] if isinstance(one, Gathered) else one for one in found]
            known = observations.features(parts)
            keys = [known.get(one.key) for one in parts]
        shaped = self._by_key(target, {key for key in keys if key is not None}, options)
        for item, key in zip(out, keys, strict=True):
            if key is not None or name == "FeatureOfInterest":
                item[name] = shaped.get(key) if key is not None else None


# ---- properties -----------------------------------------------------------------------------------------------

_OPTIONAL = frozenset(("observedArea", "phenomenonTime", "resultQuality", "validTime", "parameters"))


def _area(row: Any) -> Any:
    return row.observed_area


def unit_of(row: Any) -> dict[str, Any]:
    """unitOfMeasurement as a client said it, or from our own code of the unit."""
    if row.unit_as_said is not None:
        return dict(row.unit_as_said)
    if not row.unit:
        return {"name": None, "symbol": None, "definition": None}
    return {"name": row.unit, "symbol": row.unit, "definition": UNIT + row.unit}


_PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "name": lambda row, _: row.name,
    "description": lambda row, _: row.description or row.name,
    "properties": lambda row, _: row.properties or {},
    "encodingType": lambda row, _: row.encoding_type,
}


def _span(row: Any, spans: dict[int, tuple[int, int]]) -> str | None:
    return times.interval(*spans[row.pk]) if row.pk in spans else None


_VALUES: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "Thing": _PLAIN,
    "Location": _PLAIN | {"location": lambda row, _: row.location},
    "HistoricalLocation": {"time": lambda row, _: times.of_datetime(row.time)},
    "Datastream": _PLAIN
    | {
        "observationType": lambda row, _: OBSERVATION_TYPE + row.observation_type,
        "unitOfMeasurement": lambda row, _: unit_of(row),
        "observedArea": lambda row, _: _area(row),
        "phenomenonTime": _span,
        "resultTime": _span,
    },
    "MultiDatastream": _PLAIN
    | {
        "observationType": lambda row, _: COMPLEX,
        "multiObservationDataTypes": lambda row, _: [
            OBSERVATION_TYPE + one.observation_type for one in row.sta_members
        ],
        "unitOfMeasurements": lambda row, _: [unit_of(one) for one in row.sta_members],
        "observedArea": lambda row, _: _area(row),
        "phenomenonTime": _span,
        "resultTime": _span,
    },
    "Sensor": _PLAIN | {"metadata": lambda row, _: row.metadata if row.document is None else row.document},
    "ObservedProperty": _PLAIN
    | {"definition": lambda row, _: row.definition or f"urn:fengsui:property:{row.code}"},
    "FeatureOfInterest": _PLAIN | {"feature": lambda row, _: row.feature},
}


def _phenomenon_time(one: Any, _: str) -> str:
    if one.remark is not None and one.remark.until_ms is not None:
        return times.interval(one.time_ms, one.remark.until_ms)
    return times.text(one.time_ms)


def _result_time(one: Any, _: str) -> str:
    said = one.remark.result_time_ms if one.remark is not None else None
    return times.text(one.time_ms if said is None else said)


def _valid_time(one: Any, _: str) -> str | None:
    remark = one.remark
    if remark is None or remark.valid_from_ms is None or remark.valid_until_ms is None:
        return None
    return times.interval(remark.valid_from_ms, remark.valid_until_ms)


_OBSERVED: dict[str, Callable[[Any, str], Any]] = {
    "phenomenonTime": _phenomenon_time,
    "resultTime": _result_time,
    "result": observations.result,
    "resultQuality": lambda one, _: observations.quality(one),
    "validTime": _valid_time,
    "parameters": lambda one, _: one.remark.parameters if one.remark is not None else None,
}


_GATHERED: dict[str, Callable[[Gathered, dict[int, str]], Any]] = {
    "result": gathered.result,
    "resultQuality": lambda one, _: gathered.quality(one),
}


def _full(name: str) -> str:
    return "@iot.id" if name == "id" else name


# ---- pages ----------------------------------------------------------------------------------------------------


def _top(options: Options, most: int) -> int:
    return TOP if options.top is None else min(options.top, most)


def _skip(options: Options) -> int:
    if options.skip > SKIP_MOST:
        raise BadQuery(f"$skip may be {SKIP_MOST} at most: follow @iot.nextLink instead")
    return options.skip


def merged(expand: tuple[Expansion, ...]) -> tuple[Expansion, ...]:
    """``A/B,A/C`` as A with both inside; options of a path are those of its last name.  Raises BadQuery."""
    heads: dict[str, Options] = {}
    for expansion in expand:
        head, rest = expansion.path[0], expansion.path[1:]
        inner = Options(expand=(Expansion(rest, expansion.options),)) if rest else expansion.options
        known = heads.get(head)
        if known is None:
            heads[head] = inner
        elif replace(known, expand=()) == NONE or replace(inner, expand=()) == NONE:
            base = inner if replace(known, expand=()) == NONE else known
            heads[head] = replace(base, expand=known.expand + inner.expand)
        else:
            raise BadQuery(f"$expand says {head} twice with different options")
    return tuple(
        Expansion((head,), replace(inner, expand=merged(inner.expand))) for head, inner in heads.items()
    )


def query_of(options: Options) -> str:
    """Options as the query of an address."""
    return "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in _pairs(options))


_SAFE = "()',:;/$=*@!"


def _pairs(options: Options) -> list[tuple[str, str]]:
    out = []
    if options.filter is not None:
        out.append(("$filter", text_of(options.filter)))
    if options.select:
        out.append(("$select", ",".join(options.select)))
    if options.expand:
        out.append(("$expand", ",".join(_expansion(e) for e in options.expand)))
    if options.order:
        out.append(
            (
                "$orderby",
                ",".join(text_of(node) + (" desc" if falls else " asc") for node, falls in options.order),
            )
        )
    if options.top is not None:
        out.append(("$top", str(options.top)))
    if options.skip:
        out.append(("$skip", str(options.skip)))
    if options.count:
        out.append(("$count", "true"))
    if options.data_array:
        out.append(("$resultFormat", "dataArray"))
    if options.token:
        out.append(("$skiptoken", options.token))
    return out


def _expansion(expansion: Expansion) -> str:
    inner = ";".join(f"{name}={value}" for name, value in _pairs(expansion.options))
    return "/".join(expansion.path) + (f"({inner})" if inner else "")


def _token(values: list[Any]) -> str:
    said = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")


def _place(row: Any, order: list[tuple[str, bool]]) -> list[Any]:
    """The columns by which a row has its place in a list."""
    values = []
    for name, _falls in order:
        value = getattr(row, name)
        values.append({"json": value} if name.startswith("json_") and value is not None else _said(value))
    return [*values, row.pk]


def _said(value: Any) -> Any:
    """A column's value as a token says it."""
    match value:
        case dt.datetime():
            return {"at": value.isoformat()}
        case dt.date():
            return {"on": value.isoformat()}
        case dt.time():
            return {"of": value.isoformat()}
        case dt.timedelta():
            return {"for": value.total_seconds()}
        case None | bool() | int() | float() | str():
            return value
    return {"json": value}


def _meant(said: Any) -> Any:
    match said:
        case {"at": str(text)}:
            return Value(dt.datetime.fromisoformat(text))
        case {"on": str(text)}:
            return Value(dt.date.fromisoformat(text))
        case {"of": str(text)}:
            return Value(dt.time.fromisoformat(text))
        case {"for": int() | float() as seconds}:
            return Value(dt.timedelta(seconds=seconds))
        case {"json": value}:
            return Value(value, output_field=JSONField())
        case None:
            return None
        case bool():
            return Value(said, output_field=BooleanField())
        case str() if "\0" not in said:
            return Value(said)
        case int() if -(1 << 63) <= said < 1 << 63:
            return Value(said)
        case float():
            return Value(said)
    raise ValueError


def _behind(order: list[tuple[str, bool]], token: str) -> Q:
    """The rows behind the one that a token names.  Raises BadQuery."""
    try:
        said = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(said, list) or len(said) != len(order) + 1:
            raise ValueError
        values = [_meant(one) for one in said]
        if not isinstance(said[-1], int) or isinstance(said[-1], bool):
            raise ValueError
    except (ValueError, TypeError, binascii.Error, UnicodeDecodeError):
        raise BadQuery("$skiptoken was not given out by this list; start from its first page") from None
    behind, same = Q(pk__in=[]), Q()
    for (name, falls), value in zip(order, values, strict=False):
        if value is None:
            same &= Q(lookups.IsNull(F(name), True))
            continue
        beyond = lookups.LessThan(F(name), value) if falls else lookups.GreaterThan(F(name), value)
        behind |= same & (Q(beyond) | Q(lookups.IsNull(F(name), True)))
        same &= Q(lookups.Exact(F(name), value))
    return behind | (same & Q(pk__gt=said[-1]))


class bounded:
    """A read of the database that may take so long and no longer.  Raises BadQuery, NotAnswered."""

    def __enter__(self) -> None:
        self._atomic = transaction.atomic()
        self._atomic.__enter__()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            self._before = cursor.fetchone()[0]
            cursor.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [self._before])
        self._atomic.__exit__(kind, error, trace)
        if isinstance(error, DataError):
            raise BadQuery(
                f"the expression cannot be computed: {str(error).splitlines()[0][:120]}"
            ) from error
        if isinstance(error, OperationalError) and "statement timeout" in str(error):
            raise NotAnswered(f"the answer takes longer than {SECONDS} s: ask for less") from error


__all__ = ["GEOJSON", "Found", "Raw", "Reader", "bounded", "merged", "query_of"]
