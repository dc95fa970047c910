"""The tables of field protocols that can be imported, beside those of ``tables``: identities, mappings, Modbus."""

from collections.abc import Callable, Collection

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.people.accounts.sealing import seal
from fengsui.sense.devices.models import SECRET_PURPOSE
from fengsui.sense.devices.relations import RELATIONS
from fengsui.sense.devices.tables import (
    BASIC,
    BadCell,
    Check,
    Column,
    Table,
    code,
    number,
    unit,
    whole,
    words,
    yes,
)

LISTENED = ("hj212", "sl651", "gb26875", "jt808", "chem-json", "fire-water-pressure")
POLLED = "modbus"
AREAS = ("coil", "discrete", "input", "holding")
KINDS = (
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bcd16", "bcd32",
)  # fmt: skip
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
FRAMINGS = ("tcp", "rtu", "ascii")


def one_of(values: Collection[str], default: str | None = None) -> Callable[[str], str]:
    """One of a few words; empty is ``default``."""

    def read(text: str) -> str:
        if not text and default is not None:
            return default
        if text not in values:
            raise BadCell(
                _("is none of the words that are possible here"),
                _("Choose one of: %(kinds)s.") % {"kinds": ", ".join(values)},
            )
        return text

    return read


def sealed(text: str) -> str:
    """A password as it is kept: sealed, so that only this platform reads it."""
    if len(text) > 120:
        raise BadCell(_("is too long for a password"), _("Shorten it to at most %(most)s.") % {"most": 120})
    return seal(text, SECRET_PURPOSE) if text else ""


def real(default: float) -> Callable[[str], float | None]:
    """A number; empty is ``default``."""
    return lambda text: default if not text else number(text)


def optional_code(text: str) -> str:
    return code(text) if text else ""


_DEVICE = Column("device", gettext_lazy("Device"), code, required=True, example="plant-1-gw")
_ACTIVE = Column("is_active", gettext_lazy("In use"), yes, "boolean", example="yes")
_MODEL = Column("model", gettext_lazy("Type of device"), words(64))
_UNIT = Column("unit", gettext_lazy("Unit"), unit, example="mg/m3")
_SHIFT = Column("shift", gettext_lazy("Added to it"), real(0.0), "float8", example="0")
_DEVICE_JOIN = "JOIN devices_device d ON d.code = t.device JOIN devices_site s ON s.id = d.site_id"
_NO_DEVICE = Check(
    "device",
    "t.device <> '' AND NOT EXISTS (SELECT FROM devices_device d JOIN devices_site s ON s.id = d.site_id "
    "WHERE d.code = t.device AND starts_with(s.org_path, %(scope)s))",
    gettext_lazy("is not a device that you may edit"),
    gettext_lazy("Correct the code, or import the device first."),
)


# protocol → how it names a device, and what to write
IDENTITY_FORMS = {
    "sl651": ("^[0-9A-F]{10}$", gettext_lazy("Write ten hex digits, letters in upper case.")),
    "gb26875": ("^(0|[1-9][0-9]*)$", gettext_lazy("Write the source address as a number.")),
    "jt808": ("^[1-9][0-9]*$", gettext_lazy("Write the phone number without leading zeros.")),
}


def _not_like(protocol: str, form: str, advice: str) -> Check:
    return Check(
        "identity",
        f"t.protocol = '{protocol}' AND t.identity !~ '{form}'",
        gettext_lazy("is not how this protocol names a device"),
        advice,
    )


IDENTITIES = Table(
    "identity",
    gettext_lazy("Protocol identities"),
    "device.edit",
    False,
    "devices_protocolidentity",
    (
        _DEVICE,
        Column("protocol", gettext_lazy("Protocol"), one_of(LISTENED), required=True, example="hj212"),
        Column("identity", gettext_lazy("Name in the protocol"), words(64), required=True, example="A110000_0001"),
        Column("password", gettext_lazy("Password"), sealed, example="123456"),
        _MODEL,
        Column("thing", gettext_lazy("Thing"), optional_code),
        _ACTIVE,
    ),
    ("protocol", "identity"),
    ("protocol", "identity"),
    f"{_DEVICE_JOIN} LEFT JOIN devices_thing g ON g.site_id = d.site_id AND g.code = t.thing",
    "JOIN devices_protocolidentity x ON x.protocol = t.protocol AND x.identity = t.identity",
    {
        "device_id": "d.id", "protocol": "t.protocol", "identity": "t.identity", "secret": "t.password",
        "model": "t.model", "thing_id": "g.id", "is_active": "t.is_active",
    },
    (
        _NO_DEVICE,
        Check(
            "identity",
            "EXISTS (SELECT FROM devices_protocolidentity p JOIN devices_device d ON d.id = p.device_id "
            "JOIN devices_site s ON s.id = d.site_id WHERE p.protocol = t.protocol AND p.identity = t.identity "
            "AND NOT starts_with(s.org_path, %(scope)s))",
            gettext_lazy("is taken"),
            gettext_lazy("This name belongs to a device elsewhere."),
        ),
        *(_not_like(protocol, *form) for protocol, form in IDENTITY_FORMS.items()),
        Check(
            "thing",
            "t.thing <> '' AND NOT EXISTS (SELECT FROM devices_device d JOIN devices_thing g "
            "ON g.site_id = d.site_id WHERE d.code = t.device AND g.code = t.thing)",
            gettext_lazy("is not a thing of this site"),
            gettext_lazy("Correct the code, or import the thing first."),
        ),
    ),
)  # fmt: skip

_MAPPED = (
    Column("protocol", gettext_lazy("Protocol"), one_of((*LISTENED, POLLED)), required=True, example="hj212"),
    Column("code", gettext_lazy("Code in the protocol"), words(96), required=True, example="a34004-Rtd"),
)
_TARGET = (
    Column("datastream", gettext_lazy("Datastream"), words(64), example="PM25"),
    Column("observed_property", gettext_lazy("Observed property"), optional_code),
    _UNIT,
    Column("factor", gettext_lazy("Multiplied by"), real(1.0), "float8", example="1"),
    _SHIFT,
)
_TARGET_VALUES = {
    "datastream": "t.datastream", "observed_property": "t.observed_property", "unit": "t.unit", "factor": "t.factor",
    "shift": "t.shift",
}  # fmt: skip
_ONE_TARGET = Check(
    "observed_property",
    "t.datastream <> '' AND t.observed_property <> ''",
    gettext_lazy("stands beside a datastream"),
    gettext_lazy("Name one of the two."),
)
_NO_PROPERTY = Check(
    "observed_property",
    "t.observed_property <> '' AND NOT EXISTS (SELECT FROM devices_observedproperty p "
    "WHERE p.code = t.observed_property)",
    gettext_lazy("is not an observed property"),
    gettext_lazy("Correct the code, or import the property first."),
)

MAPPINGS = Table(
    "mapping",
    gettext_lazy("Code mappings"),
    "device.edit",
    False,
    "devices_codemapping",
    (
        *_MAPPED,
        Column("site", gettext_lazy("Site"), code, required=True, example="plant-1"),
        Column("device", gettext_lazy("Device"), optional_code),
        _MODEL,
        *_TARGET,
    ),
    ("protocol", "site", "device", "model", "code"),
    ("protocol", "code", "site_id", "device_id", "model"),
    "JOIN devices_site s ON s.code = t.site LEFT JOIN devices_device d ON d.site_id = s.id AND d.code = t.device",
    "JOIN devices_site s ON s.code = t.site LEFT JOIN devices_device d ON d.site_id = s.id AND d.code = t.device "
    "JOIN devices_codemapping x ON x.protocol = t.protocol AND x.code = t.code AND x.site_id = s.id "
    "AND x.device_id IS NOT DISTINCT FROM d.id AND x.model = coalesce(t.model, '')",
    {
        "protocol": "t.protocol", "code": "t.code", "site_id": "s.id", "device_id": "d.id", "model": "t.model",
        **_TARGET_VALUES,
    },
    (
        BASIC["device"].checks[0],
        Check(
            "device",
            "t.device <> '' AND NOT EXISTS (SELECT FROM devices_device d JOIN devices_site s ON s.id = d.site_id "
            "WHERE d.code = t.device AND s.code = t.site)",
            gettext_lazy("is not a device of this site"),
            gettext_lazy("Correct the code, leave it empty, or import the device first."),
        ),
        Check(
            "datastream",
            "t.datastream <> '' AND NOT EXISTS (SELECT FROM devices_datastream x JOIN devices_site s "
            "ON s.id = x.site_id WHERE s.code = t.site AND x.code = t.datastream)",
            gettext_lazy("is not a datastream of this site"),
            gettext_lazy("Correct the code, or import the datastream first."),
        ),
        _ONE_TARGET,
        _NO_PROPERTY,
    ),
)  # fmt: skip

DEFAULT_MAPPINGS = Table(
    "default-mapping",
    gettext_lazy("Code mappings for all sites"),
    "code.edit",
    True,
    "devices_codemapping",
    (*_MAPPED, _MODEL, *_TARGET),
    ("protocol", "model", "code"),
    ("protocol", "code", "site_id", "device_id", "model"),
    "",
    "JOIN devices_codemapping x ON x.protocol = t.protocol AND x.code = t.code AND x.site_id IS NULL "
    "AND x.device_id IS NULL AND x.model = coalesce(t.model, '')",
    {"protocol": "t.protocol", "code": "t.code", "model": "t.model", **_TARGET_VALUES},
    (_ONE_TARGET, _NO_PROPERTY),
    {"site_id": "NULL", "device_id": "NULL"},
)

MODBUS = Table(
    "modbus",
    gettext_lazy("Modbus links"),
    "device.edit",
    False,
    "devices_modbuslink",
    (
        _DEVICE,
        Column("host", gettext_lazy("Host"), words(255), required=True, example="10.0.0.5"),
        Column("port", gettext_lazy("Port"), whole(1, 65535, 502), "integer", example="502"),
        Column("unit", gettext_lazy("Unit number"), whole(0, 255, 1), "integer", example="1"),
        Column("framing", gettext_lazy("Framing"), one_of(FRAMINGS, "tcp"), example="tcp"),
        Column("period_ms", gettext_lazy("Period, ms"), whole(100, 86_400_000, 1000), "integer", example="1000"),
        Column("timeout_ms", gettext_lazy("Time-out, ms"), whole(10, 60_000, 1000), "integer", example="1000"),
        _ACTIVE,
    ),
    ("device",),
    ("device_id",),
    _DEVICE_JOIN,
    f"{_DEVICE_JOIN} JOIN devices_modbuslink x ON x.device_id = d.id",
    {
        "device_id": "d.id", "host": "t.host", "port": "t.port", "unit": "t.unit", "framing": "t.framing",
        "period_ms": "t.period_ms", "timeout_ms": "t.timeout_ms", "is_active": "t.is_active",
    },
    (_NO_DEVICE,),
)  # fmt: skip

POINTS = Table(
    "point",
    gettext_lazy("Modbus points"),
    "device.edit",
    False,
    "devices_modbuspoint",
    (
        _DEVICE,
        Column("code", gettext_lazy("Code"), words(64), required=True, example="PT-101"),
        Column("area", gettext_lazy("Area"), one_of(AREAS), required=True, example="holding"),
        Column("address", gettext_lazy("Address, from 0"), whole(0, 65535, None), "integer", True, "0"),
        Column("kind", gettext_lazy("Kind of number"), one_of(KINDS, "uint16"), example="float32"),
        Column("byte_order", gettext_lazy("Byte order"), one_of(ORDERS, "ABCD"), example="ABCD"),
        Column("bit", gettext_lazy("Bit"), whole(0, 15, 0), "smallint"),
        Column("scale", gettext_lazy("Multiplied by"), real(1.0), "float8", example="0.1"),
        _SHIFT,
        _UNIT,
    ),
    ("device", "code"),
    ("device_id", "code"),
    _DEVICE_JOIN,
    f"{_DEVICE_JOIN} JOIN devices_modbuspoint x ON x.device_id = d.id AND x.code = t.code",
    {
        "device_id": "d.id", "code": "t.code", "area": "t.area", "address": "t.address", "kind": "t.kind",
        "byte_order": "t.byte_order", "bit": "t.bit", "scale": "t.scale", "shift": "t.shift", "unit": "t.unit",
    },
    (
        _NO_DEVICE,
        Check(
            "kind",
            "t.area IN ('coil', 'discrete') AND t.kind <> 'bool'",
            gettext_lazy("does not go with an area of single bits"),
            gettext_lazy("Write bool, or choose input or holding."),
        ),
    ),
)  # fmt: skip

TABLES = BASIC | {t.kind: t for t in (RELATIONS, IDENTITIES, MAPPINGS, DEFAULT_MAPPINGS, MODBUS, POINTS)}
