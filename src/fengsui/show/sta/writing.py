"""POST, PATCH, PUT and DELETE: from a body to the services of ``sense.devices``, observations to the bus.

Deep insert: related entities may stand inside a body, new ones whole and those that exist by their ``@iot.id``.
Entities of one request are added in one transaction; observations are posted after it, since the bus knows no going
back.  OGC 18-088, clause 10.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonpatch
import numpy as np
from django.db import transaction

from fengsui.base import units
from fengsui.base.errors import BadInput, NotAllowed, UnknownUnit
from fengsui.base.quality import Quality
from fengsui.govern.corrections import services as corrections
from fengsui.people.orgs import access
from fengsui.sense.devices import entities
from fengsui.sense.devices.models import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    ObservationType,
    ObservedProperty,
    Remark,
    Sensor,
    Site,
    Thing,
)
from fengsui.show.sta import geometry, observations, posting, times
from fengsui.show.sta.gathered import HEAD, Gathered
from fengsui.show.sta.model import COMPLEX, ENTITIES, OBSERVATION_TYPE, UNIT, Entity
from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.odata.options import Options
from fengsui.show.sta.reading import GEOJSON, Found, Reader
from fengsui.show.sta.sets import Viewer, visible
from fengsui.show.words import reason as reason_in_words
from fengsui.stores import clock

JSON_PATCH = "application/json-patch+json"
GEO = frozenset(
    (GEOJSON, "application/vnd.geo+json", "application/json", "application/geo+json; charset=utf-8")
)
MOST_INSIDE = 1_000  # entities of one deep insert
DEPTH = 8
Body = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(BadInput):
    """An observation that the checks refuse; it is kept in quarantine, with the reason."""

    code = "show.sta_observation_refused"


@dataclass(slots=True)
class Posted:
    """A reading of a body, ready for the bus; its remark is kept when it is durable.

    ``key``: of the observation that it is, or is an element of; ``of``: which one that is, in words.
    """

    stream: Datastream
    time_ms: int
    value: float
    remark: Remark | None
    key: str
    of: str


@dataclass(slots=True)
class Writer:
    """Writes for one request."""

    viewer: Viewer
    reader: Reader
    later: list[Callable[[], None]] | None = None  # who wants to post observations when all is kept
    posted: list[Posted] = field(default_factory=list)
    made: int = 0

    @property
    def actor(self) -> Any:
        """The person that writes entities.  Raises NotAllowed for a device: it adds observations only."""
        if self.viewer.user is None:
            raise NotAllowed("a device adds observations only")
        return self.viewer.user

    # ---- POST

    def add(self, found: Found, within: Found | None, body: Body) -> tuple[Entity, int | str]:
        """An entity for the list ``found``, which is one of ``within`` or of all.  Raises BadInput, NotAllowed."""
        entity = found.entity
        parent: dict[str, Any] = {}
        if within is not None:
            if within.one is not None:
                raise BadQuery("an Observation has no lists to add to")
            for name, nav in entity.navs.items():
                if nav.target == within.entity.name:
                    parent[name] = [within.row] if nav.many else within.row
        if entity.model is None:
            self.observation(body, parent)
            (key,) = self.send()
            return entity, key
        with transaction.atomic():
            row = self.make(entity, body, parent)
        self.send()
        return entity, row.pk

    def make(self, entity: Entity, body: Any, parent: dict[str, Any], depth: int = 0) -> Any:
        """A new row from a body, and what stands inside it."""
        self.made += 1
        if self.made > MOST_INSIDE or depth > DEPTH:
            raise BadQuery(f"one request may add {MOST_INSIDE} entities at most, {DEPTH} deep")
        body = _checked(entity, body)
        for name in _needed(entity, body):
            if name not in body and not (entity.name == "HistoricalLocation" and name == "time"):
                raise BadQuery(f"a {entity.name} needs {', '.join(_needed(entity, body))}; {name} is missing")
        makers: dict[str, Callable[[Body, dict[str, Any], int], Any]] = {
            "Thing": self._thing, "Location": self._location, "HistoricalLocation": self._former,
            "Datastream": self._datastream, "Sensor": self._sensor, "ObservedProperty": self._property,
            "FeatureOfInterest": self._feature, HEAD: self._multi,
        }  # fmt: skip
        return makers[entity.name](body, parent, depth)

    def linked(self, entity: Entity, said: Any, depth: int, parent: dict[str, Any] | None = None) -> Any:
        """What stands at a relation: an entity that is there (``@iot.id``), or a new one."""
        if not isinstance(said, dict):
            raise BadQuery(f"a {entity.name} is written as an object, with its @iot.id or whole")
        key = said.get("@iot.id", said.get("id"))
        if key is not None:
            row = None
            if isinstance(key, int | str) and str(key).isdigit() and int(key) < 1 << 31:
                row = visible(entity.name, self.viewer).filter(pk=int(key)).first()
            if row is None:
                raise BadQuery(f"there is no {entity.name} with @iot.id {str(key)[:40]}")
            return row
        return self.make(entity, said, parent or {}, depth + 1)

    def many(self, entity: Entity, said: Any, depth: int, parent: dict[str, Any] | None = None) -> list[Any]:
        if not isinstance(said, list):
            raise BadQuery(f"{entity.plural} are written as a list")
        return [self.linked(entity, one, depth, parent) for one in said]

    def needed(self, entity: str, body: Body, parent: dict[str, Any], name: str, depth: int) -> Any:
        """The one entity at a relation that must not be missing."""
        if name in parent:
            return parent[name]
        if name not in body:
            raise BadQuery(f"a {entity} needs its {name}: {{'@iot.id': …}} or a new one")
        return self.linked(ENTITIES[ENTITIES[entity].nav(name).target], body[name], depth)

    def _thing(self, body: Body, parent: dict[str, Any], depth: int) -> Thing:
        places = parent.get("Locations")
        inside = body.get("Locations", [])
        if not isinstance(inside, list):
            raise BadQuery("Locations are written as a list")
        site = places[0].site if places else self._site_of(body)
        if site is None:
            there = next(
                (one for one in inside if isinstance(one, dict) and ("@iot.id" in one or "id" in one)), None
            )
            if there is not None:
                site = self.linked(ENTITIES["Location"], there, depth).site
        if site is None and inside:
            first = self.make(ENTITIES["Location"], inside[0], {}, depth + 1)
            site, places, inside = first.site, [first], inside[1:]
        if site is None:
            site = entities.gathering_site(self.actor, entities.org_for(self.actor, _org(body)))
        values = _columns("Thing", body)
        code = entities.code_from(values["name"], site.things.values_list("code", flat=True))
        thing = entities.add(self.actor, Thing(site=site, code=code, **values))
        places = [*(places or []), *self.many(ENTITIES["Location"], inside, depth, {"site": site})]
        if places:
            entities.begin_at(self.actor, thing, places)
        self._inside("Datastreams", "Datastream", body, {"Thing": thing}, depth)
        self._inside("MultiDatastreams", HEAD, body, {"Thing": thing}, depth)
        self._inside("HistoricalLocations", "HistoricalLocation", body, {"Thing": thing}, depth)
        return thing

    def _location(self, body: Body, parent: dict[str, Any], depth: int) -> Location:
        values = _columns("Location", body)
        things = parent.get("Things") or self.many(ENTITIES["Thing"], body.get("Things", []), depth)
        site = parent.get("site") or (things[0].site if things else self._site_of(body))
        if site is None:
            bounds = geometry.bounds(values["location"])
            org = entities.org_for(self.actor, _org(body))
            if bounds is None:
                site = entities.gathering_site(self.actor, org)
            else:
                west, south, east, north = bounds
                site = entities.add_site(
                    self.actor,
                    org,
                    name=values["name"],
                    longitude=(west + east) / 2,
                    latitude=(south + north) / 2,
                )
                return entities.change(self.actor, site.locations.get(is_site=True), values)
        row = entities.add(self.actor, Location(site=site, **values))
        for thing in things:
            entities.move(self.actor, thing, [row])
        return row

    def _former(self, body: Body, parent: dict[str, Any], depth: int) -> HistoricalLocation:
        thing = self.needed("HistoricalLocation", body, parent, "Thing", depth)
        places = parent.get("Locations") or self.many(
            ENTITIES["Location"], body.get("Locations", []), depth, {"site": thing.site}
        )
        if not places:
            raise BadQuery("a HistoricalLocation needs Locations")
        return entities.add_former_location(self.actor, thing, _at(body.get("time")), places)

    def _sensor(self, body: Body, parent: dict[str, Any], depth: int) -> Sensor:
        row = entities.add(self.actor, Sensor(code=f"sta-{secrets.token_hex(5)}", **_columns("Sensor", body)))
        self._inside("Datastreams", "Datastream", body, {"Sensor": row}, depth)
        self._inside("MultiDatastreams", HEAD, body, {"Sensor": row}, depth)
        return row

    def _property(self, body: Body, parent: dict[str, Any], depth: int) -> ObservedProperty:
        values = _columns("ObservedProperty", body)
        row = entities.add(self.actor, ObservedProperty(code=f"sta-{secrets.token_hex(5)}", **values))
        self._inside("Datastreams", "Datastream", body, {"ObservedProperty": row}, depth)
        if body.get("MultiDatastreams"):
            raise BadQuery("a MultiDatastream names all of its ObservedProperties: write it by itself")
        return row

    def _datastream(self, body: Body, parent: dict[str, Any], depth: int) -> Datastream:
        thing = self.needed("Datastream", body, parent, "Thing", depth)
        sensor = self.needed("Datastream", body, parent, "Sensor", depth)
        observed = self.needed("Datastream", body, parent, "ObservedProperty", depth)
        values = _columns("Datastream", body)
        code = entities.code_from(values["name"], thing.site.datastreams.values_list("code", flat=True))
        row = entities.add(
            self.actor,
            Datastream(
                site=thing.site, thing=thing, sensor=sensor, observed_property=observed, code=code,
                period_ms=entities.PERIOD_MS, **values,
            ),
        )  # fmt: skip
        for one in _list(body, "Observations"):
            self.observation(one, {"Datastream": row}, depth + 1)
        return row

    def _multi(self, body: Body, parent: dict[str, Any], depth: int) -> MultiDatastream:
        """A MultiDatastream of new datastreams, or (``Datastreams``) of such as are there."""
        thing = self.needed(HEAD, body, parent, "Thing", depth)
        there = self.many(ENTITIES["Datastream"], body.get("Datastreams", []), depth, {"Thing": thing})
        if there and "Sensor" not in body and "Sensor" not in parent:
            parent = {**parent, "Sensor": there[0].sensor}
        sensor = self.needed(HEAD, body, parent, "Sensor", depth)
        if sensor is None:
            raise BadQuery("a MultiDatastream is of one Sensor, and its Datastreams have none")
        values = _columns(HEAD, body)
        row = MultiDatastream(site=thing.site, thing=thing, sensor=sensor, **values)
        if there:
            for name in ("ObservedProperties", "unitOfMeasurements", "multiObservationDataTypes"):
                if body.get(name):
                    raise BadQuery(
                        f"{name} of a MultiDatastream of existing Datastreams are those of its Datastreams"
                    )
            entities.group(self.actor, row, there)
        else:
            entities.group(self.actor, row, self._members(row, body, parent, depth), own=True)
        for one in _list(body, "Observations"):
            self.observation(one, {HEAD: row}, depth + 1)
        return row

    def _members(
        self, row: MultiDatastream, body: Body, parent: dict[str, Any], depth: int
    ) -> list[Datastream]:
        """New datastreams, one for each element of the results."""
        columns = elements(body)
        said = parent.get("ObservedProperties") or _list(body, "ObservedProperties")
        if not len(columns) == len(said) <= entities.GROUP_MOST:
            raise BadQuery(
                f"multiObservationDataTypes, unitOfMeasurements and ObservedProperties are equally many, at most "
                f"{entities.GROUP_MOST}, in the same order; there are {len(columns)}, {len(columns)} and {len(said)}"
            )
        observed = (
            said if "ObservedProperties" in parent else self.many(ENTITIES["ObservedProperty"], said, depth)
        )
        out = []
        for of, values in zip(observed, columns, strict=True):
            name = f"{row.name} · {of.name}"[:120]
            taken = row.site.datastreams.values_list("code", flat=True)
            out.append(
                entities.add(
                    self.actor,
                    Datastream(
                        site=row.site, thing=row.thing, sensor=row.sensor, observed_property=of, name=name,
                        code=entities.code_from(name, taken), description=row.description,
                        period_ms=entities.PERIOD_MS, **values,
                    ),
                )
            )  # fmt: skip
        return out

    def _feature(self, body: Body, parent: dict[str, Any], depth: int) -> FeatureOfInterest:
        values = _columns("FeatureOfInterest", body)
        site = parent.get("site") or self._site_of(body)
        if site is None:
            site = entities.gathering_site(self.actor, entities.org_for(self.actor, _org(body)))
        row = entities.add(self.actor, FeatureOfInterest(site=site, **values))
        for one in _list(body, "Observations"):
            self.observation(one, {"FeatureOfInterest": row}, depth + 1)
        return row

    def _inside(self, name: str, entity: str, body: Body, parent: dict[str, Any], depth: int) -> None:
        for one in _list(body, name):
            self.linked(ENTITIES[entity], one, depth, parent)

    def _site_of(self, body: Body) -> Site | None:
        """The site that a body names by its code."""
        said = body.get("properties")
        code = said.get("site") if isinstance(said, dict) else None
        if isinstance(code, str) and Site.objects.filter(code=code[:64].replace("\0", "")).exists():
            return entities.site_for(self.actor, code)
        return None

    # ---- observations

    def observation(self, body: Any, parent: dict[str, Any], depth: int = 0) -> None:
        """Note an observation of a body; ``send`` makes them durable."""
        if len(self.posted) >= MOST_INSIDE:
            raise BadQuery(
                f"one request may add {MOST_INSIDE} observations at most; CreateObservations takes more"
            )
        body = _checked(ENTITIES["Observation"], body)
        if "result" not in body:
            raise BadQuery("an Observation needs its result")
        if "Datastream" in body and HEAD in body:
            raise BadQuery("an Observation is of a Datastream or of a MultiDatastream, not of both")
        name = HEAD if HEAD in parent or HEAD in body else "Datastream"
        stream = self.needed("Observation", body, parent, name, depth)
        self.may_post(stream)
        low, high = (
            times.span(body["phenomenonTime"], "phenomenonTime")
            if body.get("phenomenonTime") is not None
            else (now := _now(), now)
        )
        feature = parent.get("FeatureOfInterest")
        if feature is None and body.get("FeatureOfInterest") is not None:
            feature = self.linked(
                ENTITIES["FeatureOfInterest"], body["FeatureOfInterest"], depth, {"site": stream.site}
            )
        if name == HEAD:
            members = [one.datastream for one in stream.members.select_related("datastream")]
            results, key = fitting(stream.pk, len(members), body["result"]), f"m{stream.pk}:{low}"
        else:
            members, results, key = [stream], [body["result"]], f"{stream.pk}:{low}"
        for i, (member, result) in enumerate(zip(members, results, strict=True)):
            value, other = value_of(result)
            remark = Remark(datastream=member, time_ms=low, result=other)
            _remark(remark, body, feature, high)
            of = (
                f"Datastream {member.pk}"
                if name != HEAD
                else f"MultiDatastream {stream.pk} (element {i} of its result)"
            )
            self.posted.append(Posted(member, low, value, remark if is_needed(remark) else None, key, of))

    def may_post(self, stream: Datastream | MultiDatastream) -> None:
        """Raise NotAllowed unless the viewer may add observations to ``stream``."""
        if self.viewer.device is None:
            access.require(self.viewer.user, "device.edit", stream.site.org_path, stream)
        elif stream.site_id != self.viewer.device.site_id:
            raise NotAllowed("a device adds observations to its own site only")

    def send(self) -> list[str]:
        """The keys of what was noted, when all of it is durable.  Raises Refused, Busy, NoBus."""
        if not self.posted:
            return []
        noted, self.posted = self.posted, []
        if self.later is None:
            self._post(noted)
        else:
            self.later.append(lambda: self._post(noted))
        return list(dict.fromkeys(one.key for one in noted))

    def _post(self, noted: list[Posted]) -> None:
        reason = posting.post(
            self.viewer.source, _now(), np.array([one.stream.site_id for one in noted]),
            np.array([one.stream.pk for one in noted], np.int32), np.array([one.time_ms for one in noted], np.int64),
            np.array([one.value for one in noted], np.float64),
        )  # fmt: skip
        keep_remarks(
            [one.remark for one, why in zip(noted, reason, strict=True) if one.remark is not None and not why]
        )
        for one, why in zip(noted, reason.tolist(), strict=True):
            if why:
                raise Refused(
                    f"the observation of {one.of} at {times.text(one.time_ms)} is kept in "
                    f"quarantine: {reason_in_words(why)}"
                )

    # ---- PATCH, PUT, DELETE

    def change(self, found: Found, body: Any, *, whole: bool, patch: bool = False) -> None:
        """PATCH (what is said), PUT (``whole``: what is not said becomes as if it was new) and JSON Patch."""
        entity = found.entity
        if patch:
            body, whole = self._patched(found, body), False
        body = _checked(entity, body)
        if whole:
            for name in _needed(entity, body):
                if name not in body:
                    raise BadQuery(f"PUT replaces a {entity.name}: {name} is missing")
        if isinstance(found.one, Gathered):
            self._change_gathered(found.one, body)
            return
        if found.one is not None:
            self._change_observation(found.one, body)
            return
        with transaction.atomic():
            self._change_row(entity, found.row, body, whole)

    def _patched(self, found: Found, operations: Any) -> Body:
        """The properties that a JSON Patch (RFC 6902) changes."""
        names = tuple(name for name in found.entity.props if name != "@iot.id")
        before = self.reader.shaped(found, Options(select=names))
        try:
            after = jsonpatch.apply_patch(before, operations, in_place=False)
        except (
            jsonpatch.JsonPatchException,
            jsonpatch.JsonPointerException,
            TypeError,
            AttributeError,
        ) as error:
            raise BadQuery(f"this JSON Patch cannot be applied: {str(error)[:200]}") from None
        if not isinstance(after, dict):
            raise BadQuery("a JSON Patch leaves an object")
        for name in before:
            if name not in after:
                after[name] = _DEFAULTS.get(name)
        return {name: value for name, value in after.items() if name not in before or before[name] != value}

    def _change_row(self, entity: Entity, row: Any, body: Body, whole: bool) -> None:
        values = _columns(entity.name, body, whole=whole, partly=not whole)
        for name, nav in entity.navs.items():
            if name not in body:
                continue
            target = ENTITIES[nav.target]
            if not nav.many:
                values[nav.path] = self.linked(target, body[name], 0)
            elif (entity.name, name) == ("Thing", "Locations"):
                entities.move(self.actor, row, self.many(target, body[name], 0, {"site": row.site}))
            elif (entity.name, name) == ("Location", "Things"):
                for thing in self.many(target, body[name], 0):
                    entities.move(self.actor, thing, [row])
            elif (entity.name, name) == ("HistoricalLocation", "Locations"):
                entities.require(self.actor, row)
                row.locations.set(self.many(target, body[name], 0, {"site": row.thing.site}))
            else:
                raise BadQuery(f"{name} of a {entity.name} are changed where they are: {target.plural}(…)")
        if "thing" in values and entity.name == "Datastream" and values["thing"].site_id != row.site_id:
            raise BadQuery("a Datastream stays at its site: its readings are kept there")
        if "time" in body and entity.name == "HistoricalLocation":
            values["time"] = _at(body["time"])
        if isinstance(row, Location) and row.is_site and values.get("west") is not None:
            middle = {
                "longitude": (values["west"] + values["east"]) / 2,
                "latitude": (values["south"] + values["north"]) / 2,
            }
            entities.change(self.actor, row.site, middle)  # where the site is, on the map too
        if entity.name == HEAD:
            self._change_members(row, body)
            entities.change_group(self.actor, row, values)
        elif values:
            entities.change(self.actor, row, values)

    def _change_members(self, row: MultiDatastream, body: Body) -> None:
        """Types and units of a MultiDatastream are those of its datastreams; how many they are stays."""
        if not {"multiObservationDataTypes", "unitOfMeasurements"} & set(body):
            return
        members = [one.datastream for one in row.members.select_related("datastream")]
        columns = elements(body, len(members))
        if len(columns) != len(members):
            raise BadQuery(
                f"this MultiDatastream has {len(members)} elements, and keeps them; not {len(columns)}"
            )
        for member, values in zip(members, columns, strict=True):
            entities.change(self.actor, member, values)

    def _change_gathered(self, one: Gathered, body: Body) -> None:
        """The same for an observation of a MultiDatastream, element by element."""
        if HEAD in body and self.linked(ENTITIES[HEAD], body[HEAD], 0).pk != one.multi:
            raise BadQuery("an Observation stays in its MultiDatastream")
        results: list[Any] = [None] * len(one.parts)
        if "result" in body:
            results = fitting(one.multi, len(one.parts), body["result"])
        rest = {name: value for name, value in body.items() if name not in ("result", HEAD)}
        if isinstance(rest.get("FeatureOfInterest"), dict) and "@iot.id" not in rest["FeatureOfInterest"]:
            site = visible(HEAD, self.viewer).select_related("site").get(pk=one.multi).site
            made = self.linked(ENTITIES["FeatureOfInterest"], rest["FeatureOfInterest"], 0, {"site": site})
            rest["FeatureOfInterest"] = {"@iot.id": made.pk}
        for part, result in zip(one.parts, results, strict=True):
            if part is None:
                if result is not None:
                    raise BadQuery("an element without a reading cannot be given one by PATCH: POST it")
                continue
            same = observations.result(part, "") == result
            self._change_observation(
                part, {**rest, "result": result} if "result" in body and not same else dict(rest)
            )

    def _change_observation(self, one: observations.Observed, body: Body) -> None:
        """A result is corrected, with what was measured kept; the rest is said beside it."""
        stream = Datastream.objects.select_related("site").get(pk=one.datastream)
        if (
            "Datastream" in body
            and self.linked(ENTITIES["Datastream"], body["Datastream"], 0).pk != stream.pk
        ):
            raise BadQuery("an Observation stays in its Datastream")
        if body.get("phenomenonTime") is not None:
            low, high = times.span(body["phenomenonTime"], "phenomenonTime")
            if low != one.time_ms:
                raise BadQuery("an Observation keeps the beginning of its phenomenonTime: it is known by it")
            body["phenomenonTime"] = (low, high)
        self.may_post(stream)
        remark = one.remark or Remark(datastream=stream, time_ms=one.time_ms)
        if "result" in body:
            value, other = value_of(body["result"])
            now = one.value if one.value is not None else np.nan
            if other is not None or remark.result is not None:
                if not np.isnan(value):
                    raise BadQuery("a result that was no number stays one that is none")
                remark.result = other
            elif not (value == now or (np.isnan(value) and np.isnan(now))):
                if np.isnan(value):
                    raise BadQuery("a result cannot be taken away: delete the Observation")
                self._correct(stream, one.time_ms, value=value)
        feature = None
        if body.get("FeatureOfInterest") is not None:
            feature = self.linked(
                ENTITIES["FeatureOfInterest"], body["FeatureOfInterest"], 0, {"site": stream.site}
            )
        high = body["phenomenonTime"][1] if isinstance(body.get("phenomenonTime"), tuple) else remark.until_ms
        _remark(remark, body, feature or remark.feature, one.time_ms if high is None else high)
        if remark.pk or is_needed(remark):
            keep_remarks([remark])

    def _correct(self, stream: Datastream, time_ms: int, **how: Any) -> None:
        start = _EPOCH + timedelta(milliseconds=time_ms)
        observations.settled(stream, time_ms)
        corrections.correct(
            self.actor, stream, from_at=start, to_at=start + timedelta(milliseconds=1),
            reason="SensorThings", **how,
        )  # fmt: skip

    def remove(self, found: Found) -> None:
        """DELETE.  Raises NotAllowed, StillUsed."""
        if found.one is None:
            entities.take_out(self.actor, found.row)
            return
        parts = found.one.there if isinstance(found.one, Gathered) else [found.one]
        for one in parts:
            stream = Datastream.objects.select_related("site").get(pk=one.datastream)
            access.require(self.actor, "quarantine.resolve", stream.site.org_path, stream)
            if one.quality != Quality.BAD:
                self._correct(stream, one.time_ms, quality=int(Quality.BAD))
            remark = one.remark or Remark(datastream=stream, time_ms=one.time_ms)
            remark.is_removed = True
            keep_remarks([remark])


# ---- bodies ---------------------------------------------------------------------------------------------------


def _checked(entity: Entity, body: Any) -> Body:
    """A body with names that the entity has; control information is passed over.  Raises BadQuery."""
    if not isinstance(body, dict):
        raise BadQuery(f"a {entity.name} is written as an object")
    out = {}
    for name, value in body.items():
        if "@iot." in name or name == "id":
            continue
        if name not in entity.props and name not in entity.navs:
            known = ", ".join((*(n for n in entity.props if n != "@iot.id"), *entity.navs))
            raise BadQuery(f"a {entity.name} has no {name[:60]}; it has {known}")
        out[name] = value
    return out


def _needed(entity: Entity, body: Body) -> tuple[str, ...]:
    """The properties that a body must have: a MultiDatastream of existing Datastreams takes theirs."""
    return entity.required[:2] if entity.name == HEAD and body.get("Datastreams") else entity.required


def fitting(multi: int, width: int, result: Any) -> list[Any]:
    """The elements of a result of a MultiDatastream.  OGC 18-088, 9.2: as many as it has.  Raises BadQuery."""
    if not isinstance(result, list) or len(result) != width:
        said = f"a list of {len(result)}" if isinstance(result, list) else "no list"
        raise BadQuery(
            f"the result of an Observation of MultiDatastream {multi} is a list of {width}, one for each of its "
            f"multiObservationDataTypes, in their order; this is {said}"
        )
    return result


def elements(body: Body, width: int = 0) -> list[dict[str, Any]]:
    """The columns of each datastream of a MultiDatastream; of ``width`` where only one of the two is said."""
    kinds, named = body.get("multiObservationDataTypes"), body.get("unitOfMeasurements")
    for name, said in (("multiObservationDataTypes", kinds), ("unitOfMeasurements", named)):
        if not isinstance(said, list) and (name in body or not width):
            raise BadQuery(f"{name} are written as a list")
    if kinds is not None and named is not None and len(kinds) != len(named):
        raise BadQuery(
            f"there are {len(kinds)} multiObservationDataTypes and {len(named)} unitOfMeasurements: a "
            "MultiDatastream has one of each for every ObservedProperty, in the same order"
        )
    out: list[dict[str, Any]] = []
    for i in range(len(kinds if kinds is not None else named or ())):
        one = {}
        if kinds is not None:
            one["observationType"] = kinds[i]
        if named is not None:
            one["unitOfMeasurement"] = named[i]
        out.append(_of_datastream(one, False))
    return out


_DEFAULTS: dict[str, Any] = {"properties": {}}
_PLAIN = {
    "name": "name", "description": "description", "properties": "properties", "encodingType": "encoding_type",
    "definition": "definition",
}  # fmt: skip


def _columns(entity: str, body: Body, *, whole: bool = False, partly: bool = False) -> dict[str, Any]:
    """The columns that a body says; ``whole``: also those it leaves out, ``partly``: only what it says."""
    props = ENTITIES[entity].props
    out: dict[str, Any] = {}
    for name, column in _PLAIN.items():
        if name not in props:
            continue
        if name in body:
            out[column] = _plain(name, body[name])
        elif whole and name == "properties":
            out[column] = {}
    if entity == "Location" and "location" in body:
        out |= _placed("location", body["location"], body.get("encodingType"))
    if entity == "FeatureOfInterest" and "feature" in body:
        out |= _placed("feature", body["feature"], body.get("encodingType"))
    if entity == "Sensor" and "metadata" in body:
        said = body["metadata"]
        out |= (
            {"metadata": said, "document": None}
            if isinstance(said, str)
            else {"metadata": "", "document": said}
        )
    if entity == "Datastream":
        out |= _of_datastream(body, whole)
    if entity == HEAD:
        if body.get("observationType", COMPLEX) not in (COMPLEX, "", None):
            raise BadQuery(f"observationType of a MultiDatastream is {COMPLEX}")
        out |= _of_datastream({k: v for k, v in body.items() if k == "observedArea"}, whole)
    return out


def _plain(name: str, value: Any) -> Any:
    if name == "properties":
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise BadQuery("properties are an object")
        return value
    if not isinstance(value, str):
        raise BadQuery(f"{name} is a text")
    return value


def _placed(name: str, value: Any, encoding: Any) -> dict[str, Any]:
    """A place with its bounds.  Raises BadQuery for GeoJSON that is none."""
    bounds = geometry.bounds(value)
    if bounds is None and (
        encoding in GEO or (encoding is None and isinstance(value, dict) and "type" in value)
    ):
        raise BadQuery(f"{name} is no GeoJSON geometry within WGS 84 (longitude, latitude in degrees)")
    west, south, east, north = bounds or (None, None, None, None)
    return {name: value, "west": west, "south": south, "east": east, "north": north}


def _of_datastream(body: Body, whole: bool) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if "observationType" in body:
        kind = str(body["observationType"]).removeprefix(OBSERVATION_TYPE)
        if kind not in ObservationType.values:
            known = ", ".join(OBSERVATION_TYPE + value for value in ObservationType.values)
            raise BadQuery(f"observationType is one of {known}")
        out["observation_type"] = kind
    if "unitOfMeasurement" in body:
        said = body["unitOfMeasurement"]
        if not isinstance(said, dict) or not all(v is None or isinstance(v, str) for v in said.values()):
            raise BadQuery("unitOfMeasurement has name, symbol and definition, texts or null")
        out["unit"] = _unit(said)
        out["unit_as_said"] = {name: said.get(name) for name in ("name", "symbol", "definition")}
    if "observedArea" in body or whole:
        area = body.get("observedArea")
        if area is not None and geometry.bounds(area) is None:
            raise BadQuery("observedArea is no GeoJSON geometry within WGS 84")
        out["observed_area"] = area
    return out


def _unit(said: Body) -> str:
    """Our code of a unit, "" for one that our table does not have: such values are kept as they come."""
    for word in (
        said.get("symbol"),
        str(said.get("definition") or "").removeprefix(UNIT).removeprefix("ucum:"),
    ):
        if word:
            try:
                return units.unit(word).code
            except UnknownUnit:
                continue
    return ""


def value_of(result: Any) -> tuple[float, Any]:
    """The number of a result, and what it is when it is none.  Raises BadQuery."""
    if isinstance(result, bool):
        return float(result), None
    if isinstance(result, int | float):
        try:
            return float(result), None
        except OverflowError:
            raise BadQuery("the result is too large a number") from None
    return np.nan, result


def _remark(remark: Remark, body: Body, feature: FeatureOfInterest | None, until_ms: int) -> None:
    """What a body says beside time and result."""
    remark.feature = feature
    remark.until_ms = until_ms if until_ms != remark.time_ms else None
    if body.get("resultTime") is not None:
        at = times.ms(body["resultTime"], "resultTime")
        remark.result_time_ms = at if at != remark.time_ms else None
    if body.get("validTime") is not None:
        remark.valid_from_ms, remark.valid_until_ms = times.span(body["validTime"], "validTime")
    if "resultQuality" in body:
        remark.result_quality = body["resultQuality"]
    if "parameters" in body:
        if body["parameters"] is not None and not isinstance(body["parameters"], dict):
            raise BadQuery("parameters are an object")
        remark.parameters = body["parameters"] or None


SAID = (
    "until_ms", "result_time_ms", "valid_from_ms", "valid_until_ms", "feature_id", "result", "result_quality",
    "parameters",
)  # fmt: skip


def is_needed(remark: Remark) -> bool:
    """Whether it says anything that the history does not."""
    return remark.is_removed or any(getattr(remark, name) is not None for name in SAID)


def keep_remarks(remarks: Sequence[Remark | None]) -> None:
    """Keep remarks; the newest for a reading replaces the one before."""
    rows = {(row.datastream_id, row.time_ms): row for row in remarks if row is not None}
    for row in rows.values():
        row.pk = None
    Remark.objects.bulk_create(
        rows.values(), batch_size=2000, update_conflicts=True, unique_fields=["datastream", "time_ms"],
        update_fields=[name.removesuffix("_id") for name in SAID] + ["is_removed"],
    )  # fmt: skip


def _list(body: Body, name: str) -> list[Any]:
    said = body.get(name, [])
    if not isinstance(said, list):
        raise BadQuery(f"{name} are written as a list")
    return said


def _org(body: Body) -> str:
    said = body.get("properties")
    code = said.get("org") if isinstance(said, dict) else None
    return code if isinstance(code, str) and "\0" not in code else ""


def _at(value: Any) -> datetime:
    if value is None:
        return clock.now()
    return _EPOCH + timedelta(milliseconds=times.ms(value, "time"))


def _now() -> int:
    return clock.now_ms()
