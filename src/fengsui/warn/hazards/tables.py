"""The tables of GB 18218-2018 and the lists beside them: versioned data, read whole or not at all.

One file a table under ``shipped/``: standard, edition, clause, source, tag (``verified`` or ``from memory``), rows, and
a SHA-256 over all of that.  Files of the same name given by the bureau replace the shipped ones; ``list_….json`` may be
added.  A bureau's own file may leave the checksum out; one that is there must be right.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from fengsui.base.errors import BadInput

NAMED, CATEGORIES, BETA_NAMED, BETA_CATEGORIES = (
    "table1_named",
    "table2_categories",
    "table3_beta_named",
    "table4_beta_categories",
)
ALPHA, GRADES, CLASSES, CLAUSES, PROCESSES = (
    "table5_alpha",
    "table6_grades",
    "classes_of_named",
    "clauses",
    "processes",
)
NEEDED = (NAMED, CATEGORIES, BETA_NAMED, BETA_CATEGORIES, ALPHA, GRADES, CLASSES, CLAUSES, PROCESSES)
CLAUSE_KEYS = frozenset(
    ("unit", "quantity", "named", "category", "mixture", "index", "beta", "alpha", "grading", "grade")
)
VERIFIED, FROM_MEMORY = "verified", "from memory"
SHIPPED, OWN = "shipped", "own"
LIQUIDS = ("FL1", "FL2", "FL3")  # flammable liquids by GHS category; working conditions say which W5 they are


class BadHazardTable(BadInput):
    """A table of the major-hazard standard is damaged, missing or does not fit the others."""

    code = "warn.bad_hazard_table"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a table is from, as shown beside every number that comes from it."""

    table: str
    standard: str
    edition: str
    clause: str
    tag: str
    source: str
    by: str = SHIPPED

    @property
    def cited(self) -> str:
        """``GB 18218-2018 表1``, with a mark where it is from memory."""
        return f"{self.standard} {self.clause}" + (" [from memory]" if self.tag == FROM_MEMORY else "")


@dataclass(frozen=True, slots=True)
class Named:
    """A row of table 1.  ``above_percent``: the row does not apply below; ``stated``: who asks must say it applies."""

    no: int
    zh: str
    en: str
    names: tuple[str, ...]  # normal forms, without the condition in brackets
    full: str  # normal form with the condition
    cas: tuple[str, ...]
    q_t: Decimal
    above_percent: Decimal | None
    stated: bool


@dataclass(frozen=True, slots=True)
class Category:
    """A row of table 2 with its β of table 4."""

    symbol: str
    zh: str
    what: str
    q_t: Decimal
    beta: Decimal


@dataclass(frozen=True, slots=True)
class Band:
    """Residents from … to (None: no end) and their α."""

    low: int
    high: int | None
    alpha: Decimal


@dataclass(frozen=True, slots=True)
class Clause:
    """What a clause says, in both languages."""

    clause: str
    zh: str
    what_zh: str
    what_en: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a list: a supervised chemical or process."""

    no: int
    zh: str
    en: str
    names: tuple[str, ...]
    cas: tuple[str, ...]
    tag: str


@dataclass(frozen=True, slots=True)
class List:
    """A list of the state, by which substances or processes are special."""

    code: str
    zh: str
    en: str
    origin: Origin
    entries: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables of one edition, checked against each other."""

    named: tuple[Named, ...]
    categories: Mapping[str, Category]
    beta_named: Mapping[str, Decimal]  # by CAS number and by normal name
    alpha: tuple[Band, ...]
    grades: tuple[tuple[int, Decimal], ...]  # the highest limit first
    classes: Mapping[int, tuple[str, ...]]
    classes_from: Mapping[int, str]
    clauses: Mapping[str, Clause]
    processes: List
    lists: tuple[List, ...]
    origins: Mapping[str, Origin]
    by_no: Mapping[int, Named] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_no", {row.no: row for row in self.named})


def normal(text: str) -> str:
    """A name as it is compared: no blanks, no wide forms, no case."""
    wide = str.maketrans("（），：［］〔〕；－—", "(),:[][];--")
    return re.sub(r"\s+", "", text.translate(wide)).casefold()


def is_cas(text: str) -> bool:
    """Whether ``text`` is a CAS registry number with a right check digit."""
    if not re.fullmatch(r"[1-9]\d{1,6}-\d\d-\d", text, re.ASCII):
        return False
    digits = text.replace("-", "")
    return sum(int(d) * weight for weight, d in enumerate(digits[-2::-1], 1)) % 10 == int(digits[-1])


@cache
def shipped() -> Tables:
    """The tables that come with the platform."""
    return read({})


def read(own: Mapping[str, bytes]) -> Tables:
    """The shipped tables with ``own`` files (name without ``.json`` → bytes) in their place.  Raises BadHazardTable."""
    files = {
        entry.name.removesuffix(".json"): (entry.read_bytes(), SHIPPED)
        for entry in resources.files(__package__).joinpath("shipped").iterdir()
        if entry.name.endswith(".json")
    }
    for name in own:
        if name not in NEEDED and not name.startswith("list_"):
            raise BadHazardTable(
                f"{name}.json: no table has this name; write {', '.join(NEEDED)} or list_NAME"
            )
    return parse(files | {name: (raw, OWN) for name, raw in own.items()})


def parse(files: Mapping[str, tuple[bytes, str]]) -> Tables:
    """Tables from the bytes of their files.  Raises BadHazardTable that names file and row."""
    if missing := [name for name in NEEDED if name not in files]:
        raise BadHazardTable(f"missing: {', '.join(missing)}")
    docs = {name: _document(name, raw, by) for name, (raw, by) in files.items()}
    origins = {name: origin for name, (origin, _) in docs.items()}
    rows = {name: doc["rows"] for name, (_, doc) in docs.items()}

    named = tuple(_each(NAMED, rows, _named))
    _unique(NAMED, [row.no for row in named])
    betas = dict(_each(BETA_CATEGORIES, rows, lambda r: (_text(r, "symbol"), _positive(r, "beta"))))
    categories: dict[str, Category] = {}
    for row in _each(CATEGORIES, rows, lambda r: r):
        symbol = _text(row, "symbol")
        if symbol not in betas:
            raise BadHazardTable(f"{BETA_CATEGORIES}: no β for {symbol} of {CATEGORIES}")
        if symbol in categories:
            raise BadHazardTable(f"{CATEGORIES}: {symbol} stands there twice")
        q_t = _positive(row, "q_t")
        categories[symbol] = Category(symbol, _text(row, "zh"), _text(row, "what"), q_t, betas[symbol])
    if left := set(betas) - set(categories):
        raise BadHazardTable(f"{BETA_CATEGORIES}: {', '.join(sorted(left))} not in {CATEGORIES}")

    beta_named: dict[str, Decimal] = {}
    for row in _each(BETA_NAMED, rows, lambda r: r):
        for key in (normal(_text(row, "zh")), *_cas(row)):
            if key in beta_named:
                raise BadHazardTable(f"{BETA_NAMED}: {key} stands there twice")
            beta_named[key] = _positive(row, "beta")

    classes: dict[int, tuple[str, ...]] = {}
    told: dict[int, str] = {}
    numbers = {row.no for row in named}
    for row in _each(CLASSES, rows, lambda r: r):
        no, symbols = _whole(row, "no"), tuple(row.get("classes") or ())
        if no not in numbers or not symbols or any(s not in categories and s not in LIQUIDS for s in symbols):
            raise BadHazardTable(
                f"{CLASSES}: row {no}: names a row of table 1 or a class that does not exist"
            )
        classes[no], told[no] = symbols, f"{row.get('source', '')} [{_tag(row.get('tag'))}]"

    clauses = {
        row["key"]: Clause(
            _text(row, "clause"), _text(row, "zh"), _text(row, "what_zh"), _text(row, "what_en")
        )
        for row in _each(CLAUSES, rows, lambda r: r | {"key": _text(r, "key")})
    }
    if set(clauses) != CLAUSE_KEYS:
        raise BadHazardTable(f"{CLAUSES}: these keys and no others: {', '.join(sorted(CLAUSE_KEYS))}")
    processes = _list(PROCESSES, docs[PROCESSES], "process", "重点监管的危险化工工艺", "supervised processes")
    lists = tuple(
        _list(name, docs[name], doc.get("code", name[5:]), doc.get("zh", name), doc.get("en", name))
        for name, (_, doc) in sorted(docs.items())
        if name.startswith("list_")
    )
    return Tables(
        named,
        categories,
        beta_named,
        _bands(rows),
        _grades(rows),
        classes,
        told,
        clauses,
        processes,
        lists,
        origins,
    )


# ---- one file -----------------------------------------------------------------------------------------------


def _document(name: str, raw: bytes, by: str) -> tuple[Origin, dict[str, Any]]:
    try:
        doc = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise BadHazardTable(f"{name}.json: not JSON ({error})") from None
    if not isinstance(doc, dict) or not isinstance(doc.get("rows"), list) or not doc["rows"]:
        raise BadHazardTable(f"{name}.json: an object with a list of rows that is not empty")
    if doc.get("table") != name:
        raise BadHazardTable(f"{name}.json: calls itself {doc.get('table')!r}")
    sealed = doc.pop("sha256", None)
    if sealed is None and by == SHIPPED:
        raise BadHazardTable(f"{name}.json: the checksum is missing: install the package anew")
    if sealed is not None and sealed != checksum(doc):
        raise BadHazardTable(
            f"{name}.json: the checksum does not fit: restore the file, or leave sha256 out of your own"
        )
    facts = {key: _text(doc, key, name) for key in ("standard", "edition", "clause", "source")}
    return Origin(name, tag=_tag(doc.get("tag"), name), by=by, **facts), doc


def checksum(doc: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of everything but the checksum."""
    rest = {key: value for key, value in doc.items() if key != "sha256"}
    text = json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _each(name: str, rows: Mapping[str, list[Any]], make: Callable[[dict[str, Any]], Any]) -> list[Any]:
    found = []
    for at, row in enumerate(rows[name], 1):
        if not isinstance(row, dict):
            raise BadHazardTable(f"{name}.json: row {at} is no object")
        try:
            found.append(make(row))
        except BadHazardTable as error:
            raise BadHazardTable(f"{name}.json: row {at}: {error}") from None
    return found


def _named(row: dict[str, Any]) -> Named:
    zh = _text(row, "zh")
    short = normal(re.split(r"[(（\[［]", zh)[0])
    names = {
        normal(one)
        for one in (short, *re.split(r"[,，、](?!\d)", short), *row.get("aliases", ()), _text(row, "en"))
    }
    above = row.get("above_percent")
    return Named(
        _whole(row, "no"),
        zh,
        row["en"],
        tuple(sorted(names)),
        normal(zh),
        _cas(row),
        _positive(row, "q_t"),
        None if above is None else _positive(row, "above_percent"),
        bool(row.get("stated", False)),
    )


def _list(name: str, document: tuple[Origin, dict[str, Any]], code: str, zh: str, en: str) -> List:
    origin, doc = document

    def entry(row: dict[str, Any]) -> Listed:
        names = tuple(sorted({normal(one) for one in (_text(row, "zh"), *row.get("aliases", ()))}))
        tag = _tag(row.get("tag", origin.tag))
        return Listed(_whole(row, "no"), row["zh"], row.get("en", ""), names, _cas(row), tag)

    entries = tuple(_each(name, {name: doc["rows"]}, entry))
    _unique(name, [one.no for one in entries])
    return List(code, zh, en, origin, entries)


def _bands(rows: Mapping[str, list[Any]]) -> tuple[Band, ...]:
    bands = [
        Band(_whole(r, "from"), None if r.get("to") is None else _whole(r, "to"), _positive(r, "alpha"))
        for r in _each(ALPHA, rows, lambda r: r)
    ]
    bands.sort(key=lambda band: band.low)
    ends = [band.high for band in bands]
    starts = [band.low for band in bands]
    if (
        starts[0] != 0
        or ends[-1] is not None
        or starts[1:] != [-1 if e is None else e + 1 for e in ends[:-1]]
    ):
        raise BadHazardTable(f"{ALPHA}.json: the bands do not follow each other from 0 without end")
    return tuple(bands)


def _grades(rows: Mapping[str, list[Any]]) -> tuple[tuple[int, Decimal], ...]:
    found = sorted(_each(GRADES, rows, lambda r: (_whole(r, "grade"), _number(r, "from"))))
    limits = [limit for _, limit in found]
    if (
        [grade for grade, _ in found] != [1, 2, 3, 4]
        or limits[-1] != 0
        or limits != sorted(set(limits))[::-1]
    ):
        raise BadHazardTable(f"{GRADES}.json: grades 1 to 4 with falling limits, the last of them 0")
    return tuple(found)


# ---- one cell -----------------------------------------------------------------------------------------------


def _text(row: Mapping[str, Any], key: str, where: str = "") -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadHazardTable(f"{where + '.json: ' if where else ''}{key} is missing")
    return value


def _tag(value: Any, where: str = "") -> str:
    if value not in (VERIFIED, FROM_MEMORY):
        raise BadHazardTable(f"{where + '.json: ' if where else ''}tag is {value!r}: verified or from memory")
    return str(value)


def _number(row: Mapping[str, Any], key: str) -> Decimal:
    """Numbers are written as text, ``"0.3"``, so that no reader makes floats of them."""
    value = row.get(key)
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise BadHazardTable(f'{key} is {value!r}: a number written as text, like "0.3"')
    return number


def _positive(row: Mapping[str, Any], key: str) -> Decimal:
    number = _number(row, key)
    if number == 0:
        raise BadHazardTable(f"{key} must not be 0")
    return number


def _whole(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadHazardTable(f"{key} is {value!r}: a whole number")
    return value


def _cas(row: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = row.get("cas", [])
    if not isinstance(numbers, list) or not all(isinstance(one, str) and is_cas(one) for one in numbers):
        raise BadHazardTable(f"cas is {numbers!r}: a list of CAS numbers with right check digits")
    return tuple(numbers)


def _unique(name: str, numbers: list[int]) -> None:
    if len(set(numbers)) != len(numbers):
        raise BadHazardTable(f"{name}.json: a row number stands there twice")
