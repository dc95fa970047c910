"""Units as data: code, dimension, factor and offset to the dimension's base unit, and conversion of columns.

``base = value × factor + offset``.  The codes are those seen on instruments and data sheets; where UCUM
(ucum.org, version 2.1) writes a unit otherwise, its code is an alias.  Factors: SI Brochure (9th edition, 2019),
tables 2, 4 and 8; the non-SI ones name their source at the row.  Gauge and absolute pressure are one dimension:
which of the two a value is belongs to the observed property.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fengsui.base.errors import UnknownUnit


@dataclass(frozen=True, slots=True)
class Unit:
    """``code`` as stored and shown, ``dimension`` it measures, ``base = value × factor + offset``."""

    code: str
    dimension: str
    factor: float = 1.0
    offset: float = 0.0
    aliases: tuple[str, ...] = ()


ATM = 101325.0  # Pa, SI Brochure 8th edition, table 8
LB = 0.45359237  # kg, international pound (1959), exact
FT = 0.3048  # m, international foot (1959), exact
MIN, H, DAY = 60.0, 3600.0, 86400.0

TABLE = (
    # pressure, base Pa
    Unit("Pa", "pressure"),
    Unit("hPa", "pressure", 1e2),
    Unit("kPa", "pressure", 1e3, aliases=("kPag", "kPa(g)", "kPaG")),
    Unit("MPa", "pressure", 1e6, aliases=("MPag", "MPa(g)", "MPaG")),
    Unit("bar", "pressure", 1e5),
    Unit("mbar", "pressure", 1e2),
    Unit("atm", "pressure", ATM),
    Unit("mmHg", "pressure", 133.322387415, aliases=("mm[Hg]",)),  # BS 350-1:2004
    Unit("mmH2O", "pressure", 9.80665, aliases=("mm[H2O]",)),
    Unit("mH2O", "pressure", 9806.65, aliases=("m[H2O]", "mCE")),
    Unit("kgf/cm2", "pressure", 98066.5, aliases=("kgf/cm²",)),
    Unit("psi", "pressure", LB * 9.80665 / 0.0254**2, aliases=("[psi]", "psig")),
    # temperature, base K
    Unit("K", "temperature"),
    Unit("°C", "temperature", 1.0, 273.15, ("℃", "degC", "Cel", "C")),
    Unit("°F", "temperature", 5 / 9, 459.67 * 5 / 9, ("℉", "degF", "[degF]", "F")),
    # length, base m
    Unit("m", "length"),
    Unit("mm", "length", 1e-3),
    Unit("cm", "length", 1e-2),
    Unit("km", "length", 1e3),
    Unit("um", "length", 1e-6, aliases=("µm", "μm")),
    Unit("ft", "length", FT, aliases=("[ft_i]",)),
    # area and volume, base m2 and m3
    Unit("m2", "area", aliases=("m²",)),
    Unit("ha", "area", 1e4, aliases=("har",)),
    Unit("km2", "area", 1e6, aliases=("km²",)),
    Unit("m3", "volume", aliases=("m³",)),
    Unit("L", "volume", 1e-3, aliases=("l",)),
    Unit("mL", "volume", 1e-6, aliases=("ml",)),
    # mass, base kg
    Unit("kg", "mass"),
    Unit("g", "mass", 1e-3),
    Unit("mg", "mass", 1e-6),
    Unit("t", "mass", 1e3),
    Unit("lb", "mass", LB, aliases=("[lb_av]",)),
    # time, base s
    Unit("s", "time"),
    Unit("ms", "time", 1e-3),
    Unit("min", "time", MIN),
    Unit("h", "time", H),
    Unit("d", "time", DAY),
    # ratio, base 1
    Unit("1", "ratio"),
    Unit("%", "ratio", 1e-2, aliases=("mol%", "vol%", "%VOL", "%vol", "%RH")),
    Unit("‰", "ratio", 1e-3, aliases=("[ppth]",)),
    Unit("ppm", "ratio", 1e-6, aliases=("[ppm]", "umol/mol", "µmol/mol", "μmol/mol")),
    Unit("ppb", "ratio", 1e-9, aliases=("[ppb]", "nmol/mol")),
    # share of the lower explosive limit: what a litre of gas it is depends on the gas, so it is its own dimension
    Unit("%LEL", "explosive_limit", 1e-2, aliases=("LEL%", "%lel")),
    # mass concentration, base kg/m3 (also density)
    Unit("kg/m3", "mass_concentration", aliases=("kg/m³", "g/L")),
    Unit("g/m3", "mass_concentration", 1e-3, aliases=("g/m³",)),
    Unit("mg/m3", "mass_concentration", 1e-6, aliases=("mg/m³",)),
    Unit("ug/m3", "mass_concentration", 1e-9, aliases=("µg/m³", "μg/m³", "μg/m3", "µg/m3", "ug/m³")),
    Unit("mg/L", "mass_concentration", 1e-3, aliases=("mg/l",)),
    Unit("ug/L", "mass_concentration", 1e-6, aliases=("µg/L", "μg/L")),
    Unit("g/cm3", "mass_concentration", 1e3, aliases=("g/cm³", "t/m3", "t/m³", "kg/L")),
    # volume flow, base m3/s
    Unit("m3/s", "volume_flow", aliases=("m³/s",)),
    Unit("m3/h", "volume_flow", 1 / H, aliases=("m³/h",)),
    Unit("m3/min", "volume_flow", 1 / MIN, aliases=("m³/min",)),
    Unit("m3/d", "volume_flow", 1 / DAY, aliases=("m³/d",)),
    Unit("L/s", "volume_flow", 1e-3, aliases=("l/s", "LPS")),
    Unit("L/min", "volume_flow", 1e-3 / MIN, aliases=("l/min", "LPM")),
    Unit("L/h", "volume_flow", 1e-3 / H, aliases=("l/h",)),
    # flow of gas at standard conditions: not a flow of this temperature and pressure, so its own dimension
    Unit("Sm3/h", "standard_volume_flow", 1 / H, aliases=("Sm³/h", "scmh")),
    Unit("kscmh", "standard_volume_flow", 1e3 / H),  # thousand standard cubic metres an hour
    Unit("Nm3/h", "normal_volume_flow", 1 / H, aliases=("Nm³/h",)),
    # mass flow, base kg/s
    Unit("kg/s", "mass_flow"),
    Unit("kg/h", "mass_flow", 1 / H, aliases=("kg/hr",)),
    Unit("t/h", "mass_flow", 1e3 / H),
    # molar flow, base mol/s
    Unit("mol/s", "molar_flow"),
    Unit("kmol/h", "molar_flow", 1e3 / H, aliases=("kmol/hr",)),
    # speed, acceleration
    Unit("m/s", "speed"),
    Unit("mm/s", "speed", 1e-3),
    Unit("km/h", "speed", 1e3 / H),
    Unit("kn", "speed", 1852 / H, aliases=("[kn_i]",)),
    Unit("mm/h", "precipitation_rate", 1e-3 / H),
    Unit("mm/d", "precipitation_rate", 1e-3 / DAY),
    Unit("m/s2", "acceleration", aliases=("m/s²",)),
    Unit("cm/s2", "acceleration", 1e-2, aliases=("cm/s²", "Gal")),
    Unit("gn", "acceleration", 9.80665, aliases=("[g]", "g0")),
    # rotation, frequency, angle
    Unit("Hz", "frequency"),
    Unit("kHz", "frequency", 1e3),
    Unit("rpm", "rotation", 1 / MIN, aliases=("r/min", "1/min")),
    Unit("r/s", "rotation", 1.0, aliases=("rps",)),
    Unit("rad", "angle"),
    Unit("°", "angle", np.pi / 180, aliases=("deg",)),
    # electricity
    Unit("A", "electric_current"),
    Unit("mA", "electric_current", 1e-3),
    Unit("V", "voltage"),
    Unit("mV", "voltage", 1e-3),
    Unit("kV", "voltage", 1e3),
    Unit("Ohm", "resistance", aliases=("\u03a9", "\u2126")),
    Unit("S/m", "conductivity"),
    Unit("uS/cm", "conductivity", 1e-4, aliases=("µS/cm", "μS/cm")),
    Unit("mS/cm", "conductivity", 1e-1),
    # power, energy
    Unit("W", "power"),
    Unit("kW", "power", 1e3),
    Unit("MW", "power", 1e6),
    Unit("J", "energy"),
    Unit("kJ", "energy", 1e3),
    Unit("MJ", "energy", 1e6),
    Unit("kWh", "energy", 3.6e6, aliases=("kW.h", "kW·h")),
    Unit("W/m2", "irradiance", aliases=("W/m²",)),
    Unit("kW/m2", "irradiance", 1e3, aliases=("kW/m²",)),
    # viscosity, force
    Unit("Pa.s", "dynamic_viscosity", aliases=("Pa·s",)),
    Unit("mPa.s", "dynamic_viscosity", 1e-3, aliases=("mPa·s", "cP")),
    Unit("N", "force"),
    Unit("kN", "force", 1e3),
    # each of these is its own scale
    Unit("pH", "acidity", aliases=("[pH]",)),
    Unit("NTU", "turbidity", aliases=("[NTU]",)),
    Unit("dB", "level_of_sound", aliases=("dB(A)", "dBA")),
    Unit("Bq/m3", "activity_concentration", aliases=("Bq/m³",)),
    Unit("Sv/h", "dose_rate", 1 / H),
    Unit("uSv/h", "dose_rate", 1e-6 / H, aliases=("µSv/h", "μSv/h")),
    Unit("veh/h", "traffic", 1 / H),
    # computers and links
    Unit("B", "data", aliases=("By",)),
    Unit("kB", "data", 1e3),
    Unit("MB", "data", 1e6),
    Unit("GB", "data", 1e9),
    Unit("bit/s", "data_rate", aliases=("bps",)),
    Unit("kbit/s", "data_rate", 1e3, aliases=("kbps",)),
    Unit("Mbit/s", "data_rate", 1e6, aliases=("Mbps",)),
)

UNITS = MappingProxyType({name: unit for unit in TABLE for name in (unit.code, *unit.aliases)})
DIMENSIONLESS = UNITS["1"]


def unit(code: str) -> Unit:
    """The unit with this code or alias; "" is the plain number 1.  Raises UnknownUnit."""
    if not code:
        return DIMENSIONLESS
    found = UNITS.get(code)
    if found is None:
        raise UnknownUnit(f"unit {code[:40]!r} is not known; docs/protocols/units.md lists those that are")
    return found


def same(a: str, b: str) -> bool:
    """Whether two codes name one unit ("°C" and "Cel" do).  Raises UnknownUnit."""
    return a == b or unit(a) is unit(b)


def factor_offset(from_unit: str, to_unit: str) -> tuple[float, float]:
    """``(factor, offset)`` with ``to = from × factor + offset``.  Raises UnknownUnit, also across dimensions."""
    source, target = unit(from_unit), unit(to_unit)
    if source is target:
        return 1.0, 0.0
    if source.dimension != target.dimension:
        raise UnknownUnit(
            f"{source.code} measures {source.dimension}, the datastream is in {target.code} ({target.dimension})"
        )
    return source.factor / target.factor, (source.offset - target.offset) / target.factor


def convert(value: np.ndarray | float, from_unit: str, to_unit: str) -> np.ndarray | float:
    """``value`` (scalar or float64 array, NaN stays NaN) in another unit.  Raises UnknownUnit.

    The same unit gives the same numbers back, bit for bit.
    """
    factor, offset = factor_offset(from_unit, to_unit)
    if factor == 1.0 and offset == 0.0:
        return value
    return value * factor + offset
