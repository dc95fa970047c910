"""An inventory as rows of text → units to be assessed, and every row that cannot be used, with what to do.

One row a substance in a unit; a row with a process and no substance is a process of its unit.  Quantities are design
maxima in tonnes, or a volume with its fill and density.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from fengsui.sense.codecs.frame import Term
from fengsui.warn.hazards.grading import (
    AS_PURE,
    EXACT,
    KINDS,
    OWN_CLASS,
    PRODUCTION,
    STORAGE,
    Entry,
    Problem,
    Unit,
)
from fengsui.warn.hazards.tables import is_cas

MAX_ROWS = 20_000
COLUMNS = {
    "unit": ("单元", "单元编号", "单元名称"),
    "unit_type": ("单元类型",),
    "name": ("名称", "危险化学品", "品名", "物质名称", "substance"),
    "cas": ("cas号", "cas no", "cas number"),
    "q_t": ("设计最大量", "设计最大量(t)", "设计最大量(吨)", "quantity_t"),
    "volume_m3": ("容积", "容积(m3)", "容积(m³)"),
    "fill": ("最大充装系数", "充装系数"),
    "density_t_m3": ("密度", "密度(t/m3)", "密度(t/m³)"),
    "table1_row": ("表1行", "表1序号"),
    "percent": ("含量", "含量(%)"),
    "mixture": ("混合物",),
    "classes": ("危险性类别", "类别"),
    "working_c": ("工作温度", "工作温度(℃)"),
    "boiling_c": ("沸点", "沸点(℃)"),
    "pressure_mpa": ("压力", "压力(mpa)"),
    "special": ("特殊工艺条件",),
    "residents_500m": ("常住人口", "500m内常住人口"),
    "process": ("危险化工工艺", "工艺"),
}
UNIT_TYPES = {
    **dict.fromkeys((PRODUCTION, "生产", "生产单元", "prod"), PRODUCTION),
    **dict.fromkeys((STORAGE, "储存", "储存单元", "store"), STORAGE),
}
MIXTURES = {AS_PURE: AS_PURE, "按纯物质": AS_PURE, OWN_CLASS: OWN_CLASS, "按混合物": OWN_CLASS}
YES_NO = {
    "yes": True,
    "是": True,
    "true": True,
    "1": True,
    "no": False,
    "否": False,
    "false": False,
    "0": False,
}
NONE_WORDS = ("none", "无", "不属于")
_T = TypeVar("_T")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,12})?", re.ASCII)
_SIGNED = re.compile(r"-?\d{1,4}(?:\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the rows say: units in the order they appear, processes as (row, unit, name), and what is wrong."""

    units: tuple[Unit, ...]
    processes: tuple[tuple[int, str, str], ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Unit:
    code: str
    kind: str = ""
    residents: int | None = None
    entries: list[Entry] = field(default_factory=list)


class _Bad(Exception):
    def __init__(self, what: tuple[str, str], todo: tuple[str, str]) -> None:
        super().__init__(what[1])
        self.what, self.todo = Term(*what), Term(*todo)


def read(rows: Iterable[tuple[int, Sequence[str]]]) -> Inventory:
    """Units and problems of (row number, cells); the first row names the columns.  Raises nothing."""
    columns: list[str] | None = None
    units: dict[str, _Unit] = {}
    processes: list[tuple[int, str, str]] = []
    problems: list[Problem] = []
    read_rows = 0
    for number, cells in rows:
        if columns is None:
            columns = _columns(number, cells, problems)
            if problems:
                break
            continue
        read_rows += 1
        if read_rows > MAX_ROWS:
            problems.append(
                Problem(
                    number,
                    Term(f"超过 {MAX_ROWS} 行", f"more than {MAX_ROWS} rows"),
                    Term("分成几个文件", "split the file"),
                )
            )
            break
        row = {name: text.strip() for name, text in zip(columns, cells, strict=False) if name}
        wrong: list[_Bad] = []
        _row(number, row, units, processes, wrong)
        problems += [Problem(number, bad.what, bad.todo) for bad in wrong]
    if columns is None or (not read_rows and not problems):
        problems.append(
            Problem(0, Term("文件中没有数据行", "the file holds no rows"), Term("填写清单", "fill it in"))
        )
    found = tuple(Unit(one.code, one.kind, tuple(one.entries), one.residents) for one in units.values())
    return Inventory(found, tuple(processes), tuple(problems))


def _columns(number: int, cells: Sequence[str], problems: list[Problem]) -> list[str]:
    known = {alias: name for name, aliases in COLUMNS.items() for alias in (name, *aliases)}
    names = []
    for cell in cells:
        text = cell.strip().casefold().replace("（", "(").replace("）", ")")
        name = known.get(text, "")
        if text and not name:
            problems.append(
                Problem(
                    number,
                    Term(f"未知的列“{cell}”", f"the column {cell!r} is unknown"),
                    Term(f"可用的列:{', '.join(COLUMNS)}", f"columns are {', '.join(COLUMNS)}"),
                )
            )
        elif name and name in names:
            problems.append(
                Problem(
                    number,
                    Term(f"列 {name} 出现两次", f"the column {name} is there twice"),
                    Term("删去一列", "remove one of them"),
                )
            )
        names.append(name)
    for needed in ("unit", "name"):
        if needed not in names:
            problems.append(
                Problem(
                    number,
                    Term(f"缺少列 {needed}", f"the column {needed} is missing"),
                    Term("补上该列", "add it"),
                )
            )
    return names


def _row(
    number: int,
    row: dict[str, str],
    units: dict[str, _Unit],
    processes: list[tuple[int, str, str]],
    wrong: list[_Bad],
) -> None:
    code = row.get("unit", "")
    if not code:
        wrong.append(_Bad(("没有单元", "no unit is named"), ("填写单元", "fill in unit")))
        return
    unit = units.setdefault(code, _Unit(code))
    for step in (_unit_facts, _entry):
        try:
            step(number, row, unit, wrong)
        except _Bad as bad:
            wrong.append(bad)
    if process := row.get("process"):
        names = [one for one in re.split(r"[;；、]", process) if one.strip()]
        processes += [(number, code, one.strip()) for one in names]
    elif not row.get("name"):
        wrong.append(
            _Bad(("没有名称", "no substance is named"), ("填写名称或工艺", "name a substance or a process"))
        )


def _unit_facts(number: int, row: dict[str, str], unit: _Unit, wrong: list[_Bad]) -> None:
    if text := row.get("unit_type"):
        kind = UNIT_TYPES.get(text.casefold())
        if kind is None:
            raise _Bad(
                (f"单元类型“{text}”未知", f"the kind of unit {text!r} is unknown"),
                (
                    f"写 {' 或 '.join(KINDS)},或生产单元、储存单元",
                    f"write {' or '.join(KINDS)}",
                ),
            )
        if unit.kind and unit.kind != kind:
            raise _Bad(
                (f"单元 {unit.code} 的类型前后不一", f"unit {unit.code} has two kinds"),
                ("改正其中之一", "correct one of them"),
            )
        unit.kind = kind
    if text := row.get("residents_500m"):
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
            raise _Bad(
                (f"常住人口“{text}”不是整数", f"residents_500m {text!r} is no whole number"),
                ("填写人数", "give a number of people"),
            )
        if unit.residents is not None and unit.residents != int(text):
            raise _Bad(
                (f"单元 {unit.code} 的常住人口前后不一", f"unit {unit.code} has two numbers of residents"),
                ("改正其中之一", "correct one of them"),
            )
        unit.residents = int(text)


def _entry(number: int, row: dict[str, str], unit: _Unit, wrong: list[_Bad]) -> None:
    if not row.get("name"):
        return
    before = len(wrong)

    def tried(key: str, signed: bool = False) -> Decimal | None:
        try:
            return _number(row, key, signed)
        except _Bad as bad:
            wrong.append(bad)
            return None

    numbers = {
        key: tried(key) for key in ("q_t", "volume_m3", "fill", "density_t_m3", "percent", "pressure_mpa")
    }
    working, boiling = tried("working_c", True), tried("boiling_c", True)
    cas = row.get("cas", "").replace(" ", "")
    if cas in ("-", "–", "/", "无"):
        cas = ""
    if cas and not is_cas(cas):
        wrong.append(
            _Bad(
                (
                    f"“{cas}”不是 CAS 号,或校验位不对",
                    f"{cas!r} is no CAS number, or its check digit is wrong",
                ),
                ("核对后改正", "look it up and correct it"),
            )
        )
    if (percent := numbers["percent"]) is not None and not 0 < percent <= 100:
        wrong.append(_Bad((f"含量 {percent}%", f"a content of {percent} %"), ("写 0 到 100", "0 to 100")))
    if (fill := numbers["fill"]) is not None and not 0 < fill <= 1:
        wrong.append(_Bad((f"充装系数 {fill}", f"a fill of {fill}"), ("写 0 到 1", "0 to 1")))
    named_row = row.get("table1_row", "")
    if named_row and not re.fullmatch(r"\d{1,3}", named_row, re.ASCII):
        wrong.append(
            _Bad(
                (f"表1行“{named_row}”不是整数", f"table1_row {named_row!r} is no whole number"),
                ("写表1的序号,不适用写 0", "the number of the row, or 0 where none applies"),
            )
        )
    mixture = _word(row, "mixture", MIXTURES, wrong)
    special = _word(row, "special", YES_NO, wrong)
    quantity: tuple[Decimal, str] | None = None
    if len(wrong) == before:
        try:
            quantity = _quantity(row, numbers)
        except _Bad as bad:
            wrong.append(bad)
    if quantity is None:
        return
    classes = tuple(
        "none" if one.casefold() in NONE_WORDS else one.upper()
        for one in re.split(r"[;；,，、\s]+", row.get("classes", ""))
        if one
    )
    unit.entries.append(
        Entry(
            name=row["name"],
            q_t=quantity[0],
            cas=cas,
            row=number,
            named_row=int(named_row) if named_row else None,
            percent=percent,
            mixture=mixture or "",
            classes=classes,
            working_c=working,
            boiling_c=boiling,
            pressure_mpa=numbers["pressure_mpa"],
            is_special=special,
            quantity_from=quantity[1],
        )
    )


def _quantity(row: dict[str, str], numbers: dict[str, Decimal | None]) -> tuple[Decimal, str]:
    q_t, volume, fill, density = (numbers[key] for key in ("q_t", "volume_m3", "fill", "density_t_m3"))
    if q_t is not None and volume is not None:
        raise _Bad(
            ("同时给出了吨数和容积", "tonnes and a volume are both given"),
            ("只留一个", "keep one of them"),
        )
    if q_t is None:
        if volume is None or fill is None or density is None:
            raise _Bad(
                ("缺少设计最大量", "the design maximum is missing"),
                (
                    "填写 q_t,或 volume_m3、fill 和 density_t_m3 三项",
                    "give q_t, or volume_m3 with fill and density_t_m3",
                ),
            )
        q_t, how = (
            EXACT.multiply(EXACT.multiply(volume, fill), density),
            f"{volume} m³ × {fill} × {density} t/m³",
        )
    else:
        how = ""
    if q_t <= 0:
        raise _Bad(
            ("设计最大量必须大于 0", "the design maximum must be above 0"), ("填写吨数", "give tonnes")
        )
    return q_t, how


def _number(row: dict[str, str], key: str, signed: bool) -> Decimal | None:
    text = row.get(key, "")
    if not text:
        return None
    if not (_SIGNED if signed else _NUMBER).fullmatch(text):
        raise _Bad(
            (f"{key}“{text}”不是数", f"{key} {text!r} is no number"),
            (
                "只写数字和小数点,小数点后最多 12 位,不写单位和千位分隔",
                "digits and a point, at most twelve after it, without unit or thousands separators",
            ),
        )
    return Decimal(text)


def _word(row: dict[str, str], key: str, words: dict[str, _T], wrong: list[_Bad]) -> _T | None:
    text = row.get(key, "").casefold()
    if text and text not in words:
        wrong.append(
            _Bad(
                (f"{key}“{text}”未知", f"{key} {text!r} is unknown"),
                (f"写 {', '.join(words)}", f"write {', '.join(words)}"),
            )
        )
    return words.get(text)
