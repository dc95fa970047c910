"""Factor codes of HJ 212-2017 (annex B): code → name, unit and number format, as data.

``factors.csv`` is another project's table of the annex under its own licence, unaltered: NOTICE.md says whose.  It
holds the codes of HJ/T 212-2005 beside the new ones, and codes with ``x`` for the digits of a device number.
Two codes stand in it twice with two meanings (e701xx, g119xx): they answer with both names and with a unit only if
both agree.  Read once, at first use.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

# the Chinese unit words of the table → codes of base.units where that has them, else the usual sign
UNITS = {
    "": "",
    "无量纲": "1",
    "%": "%",
    "毫克/升": "mg/L",
    "微克/升": "ug/L",
    "纳克/升": "ng/L",
    "毫克/立方米": "mg/m3",
    "纳克/立方米": "ng/m3",
    "千克/立方米": "kg/m3",
    "升/秒": "L/s",
    "立方米/秒": "m3/s",
    "立方米/小时": "m3/h",
    "摄氏度": "°C",
    "千帕": "kPa",
    "帕": "Pa",
    "米/秒": "m/s",
    "米": "m",
    "平方米": "m2",
    "[角]度": "deg",
    "[色]度": "[色]度",
    "分贝": "dB",
    "安[培]": "A",
    "伏[特]": "V",
    "毫伏[特]": "mV",
    "千瓦[特][小]时": "kWh",
    "微西[门子]/厘米": "uS/cm",
    "转/分钟": "rpm",
    "分钟": "min",
    "秒": "s",
    "千克": "kg",
    "个/升": "1/L",
    "贝可[勒尔]/升": "Bq/L",
    "吨/平方千米x月": "t/(km2·month)",
    "年月日时分秒": "",
}


_OPEN_ENDED = re.compile(r"[egi]\d+x+\Z")
TOTALS = {"千克": "kg", "克": "g", "毫克": "mg", "立方米": "m3"}


@dataclass(frozen=True, slots=True)
class Factor:
    """``format`` as the standard writes it: N5.2 is up to five digits before the point and two behind."""

    code: str
    name: str
    old_code: str  # of HJ/T 212-2005, "" where there was none
    unit: str
    total_unit: str  # of -Cou
    format: str
    note: str


@cache
def table() -> tuple[Factor, ...]:
    """All rows, in the order of the annex."""
    text = (resources.files(__name__) / "factors.csv").read_text("utf-8-sig")
    rows = csv.reader(text.splitlines())
    next(rows)
    return tuple(
        Factor(code, name, old, UNITS.get(unit, unit), TOTALS.get(total, total), form, note)
        for code, name, old, unit, total, form, note in rows
    )


@cache
def _index() -> tuple[dict[str, Factor], tuple[tuple[re.Pattern[str], Factor], ...], dict[str, Factor]]:
    """Codes without ``x``, patterns of those with, and codes of 2005."""
    by_code: dict[str, Factor] = {}
    for one in table():
        other = by_code.get(one.code)
        by_code[one.code] = one if other is None else _either(other, one)
    plain = {code: one for code, one in by_code.items() if not _OPEN_ENDED.match(code)}
    open_ended = tuple(
        (re.compile(code.replace("x", "[0-9]") + r"\Z"), one)
        for code, one in by_code.items()
        if _OPEN_ENDED.match(code)
    )
    old = {one.old_code: one for one in reversed(table()) if one.old_code}
    return plain, open_ended, old


def _either(one: Factor, other: Factor) -> Factor:
    return Factor(
        one.code,
        f"{one.name} / {other.name}",
        one.old_code,
        one.unit if one.unit == other.unit else "",
        one.total_unit if one.total_unit == other.total_unit else "",
        one.format if one.format == other.format else "",
        one.note or other.note,
    )


@lru_cache(maxsize=4096)  # what a site sends again and again; bounded, because a stranger may send anything
def factor(code: str) -> Factor | None:
    """The factor of a code, of 2017 or else of 2005; None for one that the table does not have."""
    plain, open_ended, old = _index()
    found = plain.get(code) or old.get(code)
    if found is None and code[:1] in ("e", "g", "i"):
        found = next((one for pattern, one in open_ended if pattern.match(code)), None)
    return found
