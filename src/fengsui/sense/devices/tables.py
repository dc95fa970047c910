"""The tables that can be imported, as data: their columns, how a cell is read, and how rows find what they refer to.

A cell is text; reading it gives a value for the database or a BadCell that says what is wrong and what to do.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.sense.devices.models import SiteKind

CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
TRUE = frozenset(("1", "true", "yes", "y", "是"))
FALSE = frozenset(("0", "false", "no", "n", "否"))


class BadCell(Exception):
    """What is wrong with a cell, and what to do about it, in the language of the reader."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem, self.advice = problem, advice


def code(text: str) -> str:
    """A short stable name: letters, digits, _ and -, at most 64."""
    if not CODE.fullmatch(text):
        raise BadCell(
            _("is not a code"),
            _("Use letters, digits, _ and - only, at most %(most)s characters.") % {"most": 64},
        )
    return text


def words(most: int) -> Callable[[str], str]:
    """Any text that a person can read, at most ``most`` characters.  Markup stays plain text."""

    def read(text: str) -> str:
        if len(text) > most:
            raise BadCell(
                _("is %(length)s characters long") % {"length": len(text)},
                _("Shorten it to at most %(most)s.") % {"most": most},
            )
        if CONTROL.search(text):
            raise BadCell(
                _("has a character that cannot be shown"), _("Remove line breaks and control characters.")
            )
        return text

    return read


def number(text: str) -> float | None:
    """A finite number; empty is none."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadCell(_("is not a number"), _("Write digits with a point, such as 12.5, or leave it empty."))
    return value


def between(low: float, high: float) -> Callable[[str], float | None]:
    """A number from ``low`` to ``high``."""

    def read(text: str) -> float | None:
        value = number(text)
        if value is not None and not low <= value <= high:
            raise BadCell(
                _("is not between %(low)s and %(high)s") % {"low": low, "high": high},
                _("Correct it; longitude and latitude are WGS 84 degrees.")
                if high <= 180
                else _("Correct it."),
            )
        return value

    return read


def whole(low: int, high: int, default: int | None) -> Callable[[str], int | None]:
    """A whole number from ``low`` to ``high``; empty is ``default``."""

    def read(text: str) -> int | None:
        if not text:
            return default
        value = number(text)
        if value is None or value != int(value) or not low <= value <= high:
            raise BadCell(
                _("is not a whole number from %(low)s to %(high)s") % {"low": low, "high": high},
                _("Correct it."),
            )
        return int(value)

    return read


def yes(text: str) -> bool:
    """Yes or no; empty is yes."""
    low = text.lower()
    if not low or low in TRUE:
        return True
    if low in FALSE:
        return False
    raise BadCell(_("is neither yes nor no"), _("Write yes or no."))


def unit(text: str) -> str:
    """A unit code of base/units.py, turned into the usual way to write it."""
    if not text:
        return ""
    try:
        return units.unit(text).code
    except UnknownUnit:
        raise BadCell(
            _("is not a known unit"), _("Choose one of the units in docs/protocols/units.md.")
        ) from None


def site_kind(text: str) -> str:
    """A kind of site, by its code or its name in either language; empty is other."""
    if not text:
        return "other"
    if text in SiteKind.values:
        return text
    for value, label in SiteKind.choices:
        if text == str(label):
            return str(value)
    raise BadCell(
        _("is not a kind of site"), _("Choose one of: %(kinds)s.") % {"kinds": ", ".join(SiteKind.values)}
    )


@dataclass(frozen=True, slots=True)
class Column:
    """``name`` in the file and the staging table, ``label`` for people, ``read`` of its cells, ``sql`` type."""

    name: str
    label: Any
    read: Callable[[str], Any]
    sql: str = "text"
    required: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Rows of the staging table ``t`` that refer to nothing: SQL condition with ``%(scope)s``, and the words."""

    column: str
    bad: str
    problem: Any
    advice: Any


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of row.  ``key`` makes a row unique in the file; ``values`` maps table columns to SQL over ``t`` and
    ``joins``; ``target`` is the unique constraint; ``existing`` joins what is there already as ``x``."""

    kind: str
    label: Any
    action: str
    shared: bool  # one table for the whole platform, kept by whoever keeps its codes
    into: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    target: tuple[str, ...]
    joins: str
    existing: str
    values: dict[str, str]
    checks: tuple[Check, ...] = ()
    fixed: dict[str, str] = field(default_factory=dict)  # set when a row is new, never changed by an import
    after: Callable[[Any, Callable[..., None]], None] | None = (
        None  # once all rows are good: (cursor, refuse)
    )

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


_CODE = Column("code", gettext_lazy("Code"), code, required=True, example="PT-101")
_NAME = Column("name", gettext_lazy("Name"), words(120), required=True, example="反应器压力")
_NAME_EN = Column("name_en", gettext_lazy("Name in English"), words(160), example="Reactor pressure")
_SITE = Column("site", gettext_lazy("Site"), code, required=True, example="plant-1")
_ACTIVE = Column("is_active", gettext_lazy("In use"), yes, "boolean", example="yes")
_DESCRIPTION = Column("description", gettext_lazy("Description"), words(2000))

_NO_SITE = Check(
    "site",
    "NOT EXISTS (SELECT FROM devices_site s WHERE s.code = t.site AND starts_with(s.org_path, %(scope)s))",
    gettext_lazy("is not a site that you may edit"),
    gettext_lazy("Correct the code, or import the site first."),
)
_SITE_JOIN = "JOIN devices_site s ON s.code = t.site"

SITES = Table(
    "site",
    gettext_lazy("Sites"),
    "site.edit",
    False,
    "devices_site",
    (
        Column("code", gettext_lazy("Code"), code, required=True, example="plant-1"),
        Column("name", gettext_lazy("Name"), words(120), required=True, example="某化工厂"),
        Column("name_en", gettext_lazy("Name in English"), words(160), example="A chemical plant"),
        Column("org", gettext_lazy("Organisation"), words(64), required=True, example="yichang"),
        Column("kind", gettext_lazy("Kind of site"), site_kind, example="chemical_plant"),
        Column("longitude", gettext_lazy("Longitude"), between(-180, 180), "float8", True, "111.286"),
        Column("latitude", gettext_lazy("Latitude"), between(-90, 90), "float8", True, "30.692"),
        Column("address", gettext_lazy("Address"), words(200)),
        _ACTIVE,
    ),
    ("code",),
    ("code",),
    "JOIN orgs_org o ON o.code = t.org",
    "JOIN devices_site x ON x.code = t.code",
    {
        "code": "t.code", "name": "t.name", "name_en": "t.name_en", "org_id": "o.id", "kind": "t.kind",
        "longitude": "t.longitude", "latitude": "t.latitude", "address": "t.address", "is_active": "t.is_active",
    },
    (
        Check(
            "org",
            "NOT EXISTS (SELECT FROM orgs_org o WHERE o.code = t.org AND starts_with(o.path, %(scope)s))",
            gettext_lazy("is not an organisation that you may edit"),
            gettext_lazy("Write the code of an organisation at or below the one you import for."),
        ),
        Check(
            "code",
            "EXISTS (SELECT FROM devices_site s WHERE s.code = t.code AND NOT starts_with(s.org_path, %(scope)s))",
            gettext_lazy("is taken"),
            gettext_lazy("Choose another code: this one belongs to a site elsewhere."),
        ),
    ),
    {"org_path": "o.path", "is_demo": "false"},
)  # fmt: skip

THINGS = Table(
    "thing",
    gettext_lazy("Things"),
    "device.edit",
    False,
    "devices_thing",
    (_SITE, Column("code", gettext_lazy("Code"), code, required=True, example="R-101"), _NAME, _NAME_EN, _DESCRIPTION),
    ("site", "code"),
    ("site_id", "code"),
    _SITE_JOIN,
    f"{_SITE_JOIN} JOIN devices_thing x ON x.site_id = s.id AND x.code = t.code",
    {
        "site_id": "s.id", "code": "t.code", "name": "t.name", "name_en": "t.name_en",
        "description": "t.description",
    },
    (_NO_SITE,),
    {"properties": "'{}'::jsonb"},
)  # fmt: skip

SENSORS = Table(
    "sensor",
    gettext_lazy("Sensors"),
    "code.edit",
    True,
    "devices_sensor",
    (
        _CODE,
        _NAME,
        _DESCRIPTION,
        Column("encoding_type", gettext_lazy("Encoding of the metadata"), words(80), example="text/plain"),
        Column("metadata", gettext_lazy("Metadata"), words(2000)),
    ),
    ("code",),
    ("code",),
    "",
    "JOIN devices_sensor x ON x.code = t.code",
    {
        "code": "t.code", "name": "t.name", "description": "t.description",
        "encoding_type": "coalesce(nullif(t.encoding_type, ''), 'text/plain')", "metadata": "t.metadata",
    },
)  # fmt: skip

PROPERTIES = Table(
    "property",
    gettext_lazy("Observed properties"),
    "code.edit",
    True,
    "devices_observedproperty",
    (
        Column("code", gettext_lazy("Code"), code, required=True, example="pressure"),
        Column("name", gettext_lazy("Name"), words(120), required=True, example="压力"),
        Column("name_en", gettext_lazy("Name in English"), words(160), example="Pressure"),
        Column("definition", gettext_lazy("Definition"), words(200)),
        _DESCRIPTION,
    ),
    ("code",),
    ("code",),
    "",
    "JOIN devices_observedproperty x ON x.code = t.code",
    {
        "code": "t.code", "name": "t.name", "name_en": "t.name_en", "definition": "t.definition",
        "description": "t.description",
    },
)  # fmt: skip

DATASTREAMS = Table(
    "datastream",
    gettext_lazy("Datastreams"),
    "device.edit",
    False,
    "devices_datastream",
    (
        _SITE,
        Column("thing", gettext_lazy("Thing"), code, required=True, example="R-101"),
        Column("code", gettext_lazy("Code"), words(64), required=True, example="PT-101"),
        _NAME,
        _NAME_EN,
        Column("observed_property", gettext_lazy("Observed property"), code, required=True, example="pressure"),
        Column("sensor", gettext_lazy("Sensor"), lambda text: code(text) if text else ""),
        Column("unit", gettext_lazy("Unit"), unit, example="kPa"),
        Column("range_min", gettext_lazy("Lower end of the range"), number, "float8", example="0"),
        Column("range_max", gettext_lazy("Upper end of the range"), number, "float8", example="4000"),
        Column("period_ms", gettext_lazy("Period, ms"), whole(1, 2**31 - 1, 1000), "integer", example="1000"),
        Column("frozen_after_ms", gettext_lazy("Frozen after, ms"), whole(1, 2**31 - 1, None), "integer"),
        Column("decimals", gettext_lazy("Decimals"), whole(0, 12, 2), "smallint", example="1"),
        _ACTIVE,
    ),
    ("site", "code"),
    ("site_id", "code"),
    f"""{_SITE_JOIN} JOIN devices_thing g ON g.site_id = s.id AND g.code = t.thing
        JOIN devices_observedproperty p ON p.code = t.observed_property
        LEFT JOIN devices_sensor n ON n.code = t.sensor""",
    f"{_SITE_JOIN} JOIN devices_datastream x ON x.site_id = s.id AND x.code = t.code",
    {
        "site_id": "s.id", "thing_id": "g.id", "code": "t.code", "name": "t.name", "name_en": "t.name_en",
        "observed_property_id": "p.id", "sensor_id": "n.id", "unit": "t.unit", "range_min": "t.range_min",
        "range_max": "t.range_max", "period_ms": "t.period_ms", "frozen_after_ms": "t.frozen_after_ms",
        "decimals": "t.decimals", "is_active": "t.is_active",
    },
    (
        _NO_SITE,
        Check(
            "thing",
            "EXISTS (SELECT FROM devices_site s WHERE s.code = t.site AND starts_with(s.org_path, %(scope)s)) AND NOT "
            "EXISTS (SELECT FROM devices_site s JOIN devices_thing g ON g.site_id = s.id "
            "WHERE s.code = t.site AND g.code = t.thing)",
            gettext_lazy("is not a thing of this site"),
            gettext_lazy("Correct the code, or import the thing first."),
        ),
        Check(
            "observed_property",
            "NOT EXISTS (SELECT FROM devices_observedproperty p WHERE p.code = t.observed_property)",
            gettext_lazy("is not an observed property"),
            gettext_lazy("Correct the code, or import the property first."),
        ),
        Check(
            "sensor",
            "t.sensor <> '' AND NOT EXISTS (SELECT FROM devices_sensor n WHERE n.code = t.sensor)",
            gettext_lazy("is not a sensor"),
            gettext_lazy("Correct the code, leave it empty, or import the sensor first."),
        ),
        Check(
            "range_max",
            "t.range_min >= t.range_max",
            gettext_lazy("is not above the lower end"),
            gettext_lazy("Correct one of the two."),
        ),
    ),
    {"stopped_reason": "''"},
)  # fmt: skip

DEVICES = Table(
    "device",
    gettext_lazy("Devices"),
    "device.edit",
    False,
    "devices_device",
    (
        _SITE,
        Column("code", gettext_lazy("Code"), code, required=True, example="plant-1-gw"),
        Column("name", gettext_lazy("Name"), words(120), example="网关"),
        _ACTIVE,
    ),
    ("code",),
    ("code",),
    _SITE_JOIN,
    "JOIN devices_device x ON x.code = t.code",
    {"site_id": "s.id", "code": "t.code", "name": "t.name", "is_active": "t.is_active"},
    (
        _NO_SITE,
        Check(
            "code",
            "EXISTS (SELECT FROM devices_device d JOIN devices_site s ON s.id = d.site_id "
            "WHERE d.code = t.code AND NOT starts_with(s.org_path, %(scope)s))",
            gettext_lazy("is taken"),
            gettext_lazy("Choose another code: this one belongs to a device elsewhere."),
        ),
    ),
    {"secret_sha256": "''", "created_at": "now()"},
)

BASIC = {t.kind: t for t in (SITES, THINGS, SENSORS, PROPERTIES, DATASTREAMS, DEVICES)}
