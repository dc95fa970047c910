"""The sensing entities of OGC 18-088, clause 8, as data: their properties, their relations, and where each lives.

A property says which kind of value it is and how the database says it; a relation says whose it is and the way there
and back in names of the models.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, F, Func, JSONField, Model, TextField, Value
from django.db.models.functions import Coalesce, Concat, NullIf

from fengsui.sense.devices.models import (
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    ObservedProperty,
    Sensor,
    Thing,
)
from fengsui.show.sta.odata.errors import BadQuery

OBSERVATION_TYPE = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
COMPLEX = OBSERVATION_TYPE + "OM_ComplexObservation"
UNIT = "urn:fengsui:unit:"
Ref = Callable[[str], Any]  # a name of the model → an expression: F, or OuterRef inside a subquery


@dataclass(frozen=True, slots=True)
class Prop:
    """``kind``: id, string, json, geometry, instant or span.  ``of`` makes the expression; None: the history knows."""

    kind: str
    of: Callable[[Ref], Any] | None = None
    inner: dict[str, "Prop"] = field(default_factory=dict)  # of a json that is made of columns


@dataclass(frozen=True, slots=True)
class Nav:
    """A relation: to ``target``, one or ``many``; ``path`` leads there, ``back`` from there, in names of the models."""

    target: str
    many: bool
    path: str
    back: str
    order: str = ""  # from the target: the place in a relation that has an order of its own


@dataclass(frozen=True, slots=True)
class Entity:
    """``model`` is None for Observation: its rows are in the history."""

    name: str
    plural: str
    model: type[Model] | None
    props: dict[str, Prop]
    navs: dict[str, Nav]
    required: tuple[str, ...] = ()

    def nav(self, name: str) -> Nav:
        """Raises BadQuery."""
        if name not in self.navs:
            raise BadQuery(f"a {self.name} has no relation {name[:60]}; it has {', '.join(self.navs)}")
        return self.navs[name]


class JsonAt(Func):
    """What stands at a path (a list of names) in a json value."""

    arg_joiner = " #> "
    template = "(%(expressions)s)"
    output_field = JSONField()


class TextAt(JsonAt):
    arg_joiner = " #>> "
    output_field = TextField()


class _OfMembers(Func):
    """A json list of something of the datastreams of a MultiDatastream, in their order."""

    output_field = JSONField()

    def __init__(self, of: Any, what: str) -> None:
        template = (
            f"(SELECT jsonb_agg({what} ORDER BY m.position) FROM devices_multidatastreammember m "  # noqa: S608
            "JOIN devices_datastream d ON d.id = m.datastream_id WHERE m.multi_datastream_id = %(expressions)s)"
        )
        super().__init__(of, template=template)


def names(parts: tuple[str, ...]) -> Value:
    """A path for JsonAt."""
    return Value(list(parts), output_field=ArrayField(TextField()))


def _column(kind: str, name: str) -> Prop:
    return Prop(kind, lambda ref: ref(name))


def _unit(part: str, otherwise: Callable[[Ref], Any]) -> Prop:
    def of(ref: Ref) -> Any:
        return Coalesce(TextAt(ref("unit_as_said"), names((part,))), otherwise(ref), output_field=TextField())

    return Prop("string", of)


_ID = _column("id", "pk")
_NAMED = {"name": _column("string", "name"), "description": _column("string", "description")}
_PROPERTIES = {"properties": _column("json", "properties")}
_ENCODING = {"encodingType": _column("string", "encoding_type")}
_UNIT_SQL = f"""coalesce(d.unit_as_said, jsonb_build_object('name', nullif(d.unit, ''), 'symbol', nullif(d.unit, ''),
    'definition', '{UNIT}' || nullif(d.unit, '')))"""
_MEMBERS = "memberships__multi_datastream"
_PLACE = "memberships__position"
_UNIT = {
    "name": _unit("name", lambda ref: NullIf(ref("unit"), Value(""))),
    "symbol": _unit("symbol", lambda ref: NullIf(ref("unit"), Value(""))),
    "definition": _unit("definition", lambda ref: Concat(Value(UNIT), ref("unit"), output_field=CharField())),
}

ENTITIES = {
    e.name: e
    for e in (
        Entity(
            "Thing", "Things", Thing, {"@iot.id": _ID, **_NAMED, **_PROPERTIES},
            {
                "Locations": Nav("Location", True, "locations", "things"),
                "HistoricalLocations": Nav("HistoricalLocation", True, "historical_locations", "thing"),
                "Datastreams": Nav("Datastream", True, "datastreams", "thing"),
                "MultiDatastreams": Nav("MultiDatastream", True, "multi_datastreams", "thing"),
            },
            ("name", "description"),
        ),
        Entity(
            "Location", "Locations", Location,
            {"@iot.id": _ID, **_NAMED, **_ENCODING, "location": _column("geometry", "location"), **_PROPERTIES},
            {
                "Things": Nav("Thing", True, "things", "locations"),
                "HistoricalLocations": Nav("HistoricalLocation", True, "historical_locations", "locations"),
            },
            ("name", "description", "encodingType", "location"),
        ),
        Entity(
            "HistoricalLocation", "HistoricalLocations", HistoricalLocation,
            {"@iot.id": _ID, "time": _column("instant", "time")},
            {
                "Thing": Nav("Thing", False, "thing", "historical_locations"),
                "Locations": Nav("Location", True, "locations", "historical_locations"),
            },
            ("time",),
        ),
        Entity(
            "Datastream", "Datastreams", Datastream,
            {
                "@iot.id": _ID, **_NAMED,
                "observationType": Prop("string", lambda ref: Concat(Value(OBSERVATION_TYPE), ref("observation_type"))),
                "unitOfMeasurement": Prop("json", None, _UNIT),
                "observedArea": _column("geometry", "observed_area"),
                "phenomenonTime": Prop("span"), "resultTime": Prop("span"), **_PROPERTIES,
            },
            {
                "Thing": Nav("Thing", False, "thing", "datastreams"),
                "Sensor": Nav("Sensor", False, "sensor", "datastream"),
                "ObservedProperty": Nav("ObservedProperty", False, "observed_property", "datastream"),
                "Observations": Nav("Observation", True, "", "Datastream"),
            },
            ("name", "description", "observationType", "unitOfMeasurement"),
        ),
        Entity(
            "MultiDatastream", "MultiDatastreams", MultiDatastream,
            {
                "@iot.id": _ID, **_NAMED,
                "observationType": Prop("string", lambda _ref: Value(COMPLEX, output_field=CharField())),
                "multiObservationDataTypes": Prop(
                    "json", lambda ref: _OfMembers(ref("pk"), f"to_jsonb('{OBSERVATION_TYPE}' || d.observation_type)")
                ),
                "unitOfMeasurements": Prop("json", lambda ref: _OfMembers(ref("pk"), _UNIT_SQL)),
                "observedArea": _column("geometry", "observed_area"),
                "phenomenonTime": Prop("span"), "resultTime": Prop("span"), **_PROPERTIES,
            },
            {
                "Thing": Nav("Thing", False, "thing", "multi_datastreams"),
                "Sensor": Nav("Sensor", False, "sensor", "multi_datastreams"),
                "ObservedProperties": Nav(
                    "ObservedProperty", True, "members__datastream__observed_property", f"datastream__{_MEMBERS}",
                    f"datastream__{_PLACE}",
                ),
                "Datastreams": Nav("Datastream", True, "members__datastream", _MEMBERS, _PLACE),
                "Observations": Nav("Observation", True, "", "MultiDatastream"),
            },
            ("name", "description", "multiObservationDataTypes", "unitOfMeasurements"),
        ),
        Entity(
            "Sensor", "Sensors", Sensor,
            {"@iot.id": _ID, **_NAMED, **_ENCODING, "metadata": _column("string", "metadata"), **_PROPERTIES},
            {
                "Datastreams": Nav("Datastream", True, "datastream", "sensor"),
                "MultiDatastreams": Nav("MultiDatastream", True, "multi_datastreams", "sensor"),
            },
            ("name", "description", "encodingType", "metadata"),
        ),
        Entity(
            "ObservedProperty", "ObservedProperties", ObservedProperty,
            {
                "@iot.id": _ID, "name": _NAMED["name"], "definition": _column("string", "definition"),
                "description": _NAMED["description"], **_PROPERTIES,
            },
            {
                "Datastreams": Nav("Datastream", True, "datastream", "observed_property"),
                "MultiDatastreams": Nav(
                    "MultiDatastream", True, f"datastream__{_MEMBERS}", "members__datastream__observed_property"
                ),
            },
            ("name", "definition", "description"),
        ),
        Entity(
            "Observation", "Observations", None,
            {
                "@iot.id": Prop("id"), "phenomenonTime": Prop("instant"), "resultTime": Prop("instant"),
                "result": Prop("number"), "resultQuality": Prop("json"), "validTime": Prop("span"),
                "parameters": Prop("json"),
            },
            {
                "Datastream": Nav("Datastream", False, "datastream", "Observations"),
                "MultiDatastream": Nav("MultiDatastream", False, "multi_datastream", "Observations"),
                "FeatureOfInterest": Nav("FeatureOfInterest", False, "feature", "Observations"),
            },
            ("result",),
        ),
        Entity(
            "FeatureOfInterest", "FeaturesOfInterest", FeatureOfInterest,
            {"@iot.id": _ID, **_NAMED, **_ENCODING, "feature": _column("geometry", "feature"), **_PROPERTIES},
            {"Observations": Nav("Observation", True, "", "FeatureOfInterest")},
            ("name", "description", "encodingType", "feature"),
        ),
    )
}  # fmt: skip
SETS = {e.plural: e for e in ENTITIES.values()}
OWN = F  # the Ref of a query that is no subquery
