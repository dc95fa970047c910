"""Identification and grading by GB 18218-2018: S, R and grade of one unit, each step with clause, formula and numbers.

Quantities are Decimals and every sum is a Fraction, so 0.8 + 0.2 is 1 and three times 25/75 is 1.  What is missing is a
problem, never a zero: with a problem of identification there is no S, with one of grading there is S but no R.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from fractions import Fraction

from fengsui.sense.codecs.frame import Term
from fengsui.warn.hazards import tables as t
from fengsui.warn.hazards.tables import Named, Tables, is_cas, normal

PRODUCTION, STORAGE = "production", "storage"
KINDS = {PRODUCTION: Term("生产单元", "production unit"), STORAGE: Term("储存单元", "storage unit")}
AS_PURE, OWN_CLASS = "as_pure", "own_class"
NOTHING = "none"  # a class: stated to be in no class of table 2
HIGH_PRESSURE_MPA = Decimal("1.6")  # W5.2 of table 2
EXACT = Context(prec=100, traps=[Inexact])  # of sums and products of what an inventory holds
SIGNIFICANT = 6
LIMITS = frozenset(Fraction(n) for n in (1, 10, 50, 100))  # that a rounded number must not seem to reach
IDENTIFYING, GRADING = "identifying", "grading"
GRADE_WORDS = {
    1: Term("一级", "grade 1"),
    2: Term("二级", "grade 2"),
    3: Term("三级", "grade 3"),
    4: Term("四级", "grade 4"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an inventory: a substance, its design maximum in tonnes, and what decides how it counts."""

    name: str
    q_t: Decimal
    cas: str = ""
    row: int = 0  # of the spreadsheet
    named_row: int | None = None  # the row of table 1 that is stated to apply; 0: none applies
    percent: Decimal | None = None
    mixture: str = ""  # as_pure, own_class
    classes: tuple[str, ...] = ()  # symbols of table 2, FL1 to FL3, or none
    working_c: Decimal | None = None
    boiling_c: Decimal | None = None
    pressure_mpa: Decimal | None = None
    is_special: bool | None = None  # special process conditions of W5.2
    quantity_from: str = ""  # how q was reckoned from a volume


@dataclass(frozen=True, slots=True)
class Unit:
    """One production or storage unit, and the residents within 500 m of the plant's boundary."""

    code: str
    kind: str
    entries: tuple[Entry, ...]
    residents: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way: which clause, what it says, with which numbers, and what came out."""

    key: str
    clause: str
    says: Term
    numbers: str
    result: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer: at which row, of identifying or of grading, what is wrong and what to do."""

    row: int
    what: Term
    todo: Term
    stage: str = IDENTIFYING


@dataclass(frozen=True, slots=True)
class Share:
    """What one substance adds: q/Q and, where graded, β q/Q."""

    name: str
    rows: tuple[int, ...]
    q_t: Decimal
    critical_t: Decimal | None  # None: in no class, adds nothing
    by: str  # "1:12" row of table 1, "W5.3" class, "none"
    ratio: Fraction
    beta: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer for one unit.  No ``s`` where identifying has a problem; no ``r`` where grading has one, or S < 1."""

    unit: Unit
    shares: tuple[Share, ...]
    s: Fraction | None
    alpha: Decimal | None
    r: Fraction | None
    grade: int | None
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]

    @property
    def is_major(self) -> bool | None:
        return None if self.s is None else self.s >= 1


class _Stop(Exception):
    def __init__(self, what: tuple[str, str], todo: tuple[str, str]) -> None:
        super().__init__(what[1])
        self.what, self.todo = Term(*what), Term(*todo)


def assess(unit: Unit, tables: Tables) -> Assessment:
    """S, R and grade of one unit, with every step.  Raises nothing: what is wrong is in ``problems``."""
    says = _Says(tables)
    steps = [says.step("unit", unit.code, str(KINDS.get(unit.kind, unit.kind)))]
    problems: list[Problem] = []
    if unit.kind not in KINDS:
        problems.append(
            Problem(
                0,
                Term(f"单元类型“{unit.kind}”未知", f"the kind of unit {unit.kind!r} is unknown"),
                Term("写 production 或 storage", "write production or storage"),
            )
        )
    if not unit.entries:
        problems.append(
            Problem(
                0,
                Term("单元内没有危险化学品", "the unit holds no substance"),
                Term("补充清单", "complete the inventory"),
            )
        )
    placed: dict[tuple[str, str], list[tuple[Entry, _Place]]] = {}
    for entry in unit.entries:
        try:
            place = _place(entry, tables)
        except _Stop as stop:
            problems.append(Problem(entry.row, stop.what, stop.todo))
            continue
        key = place.by if place.named else f"{place.by} {entry.cas or normal(entry.name)}"
        placed.setdefault((key, " ".join(place.symbols)), []).append((entry, place))
    if problems:
        return Assessment(unit, (), None, None, None, None, tuple(steps), tuple(problems))

    shares: list[Share] = []
    for group in placed.values():
        share, place = _share(group), group[0][1]
        shares.append(share)
        steps += _identifying(says, share, group, place)
    s = sum((share.ratio for share in shares), Fraction(0))
    steps.append(
        says.step(
            "index",
            " + ".join(f"{share.q_t}/{share.critical_t}" for share in shares if share.critical_t) or "0",
            f"S = {shown(s)} "
            + ("≥ 1 → 构成重大危险源 major hazard" if s >= 1 else "< 1 → 不构成 not a major hazard"),
        )
    )
    if s < 1:
        return Assessment(unit, tuple(shares), s, None, None, None, tuple(steps), ())
    return _graded(unit, tables, says, shares, [g[0][1] for g in placed.values()], s, steps)


def _graded(
    unit: Unit,
    tables: Tables,
    says: "_Says",
    shares: list[Share],
    places: "list[_Place]",
    s: Fraction,
    steps: list[Step],
) -> Assessment:
    problems: list[Problem] = []
    with_beta: list[Share] = []
    for share, place in zip(shares, places, strict=True):
        if share.critical_t is None:
            with_beta.append(share)
            continue
        try:
            beta, why = _beta(share, place, tables)
        except _Stop as stop:
            problems.append(Problem(share.rows[0], stop.what, stop.todo, GRADING))
            continue
        steps.append(says.step("beta", f"{share.name}: {why}", f"β = {beta}"))
        with_beta.append(
            Share(share.name, share.rows, share.q_t, share.critical_t, share.by, share.ratio, beta)
        )
    alpha = None
    if unit.residents is None:
        problems.append(
            Problem(
                0,
                Term("缺少厂区边界外 500 m 内常住人口", "the number of residents within 500 m is missing"),
                Term("填写 residents_500m,没有人写 0", "give residents_500m; 0 where nobody lives"),
                GRADING,
            )
        )
    else:
        alpha = alpha_of(unit.residents, tables)
        steps.append(says.step("alpha", f"{unit.residents} 人 residents", f"α = {alpha}"))
    if problems or alpha is None:
        return Assessment(unit, tuple(shares), s, alpha, None, None, tuple(steps), tuple(problems))
    inner = sum((Fraction(x.beta) * x.ratio for x in with_beta if x.beta is not None), Fraction(0))
    r = Fraction(alpha) * inner
    terms = " + ".join(f"{x.beta}×{x.q_t}/{x.critical_t}" for x in with_beta if x.critical_t is not None)
    steps.append(says.step("grading", f"{alpha} × ({terms})", f"R = {shown(r)}"))
    grade = grade_of(r, tables)
    limits = ", ".join(f"{GRADE_WORDS[g].zh} R ≥ {limit}" for g, limit in tables.grades)
    steps.append(says.step("grade", limits, f"{GRADE_WORDS[grade]}"))
    return Assessment(unit, tuple(with_beta), s, alpha, r, grade, tuple(steps), ())


def alpha_of(residents: int, tables: Tables) -> Decimal:
    """α of table 5; ``residents`` is not negative."""
    return next(
        band.alpha
        for band in tables.alpha
        if band.low <= residents and (band.high is None or residents <= band.high)
    )


def grade_of(r: Fraction, tables: Tables) -> int:
    """1 (the most severe) to 4 of table 6; ``r`` is not negative."""
    return next(grade for grade, limit in tables.grades if r >= Fraction(limit))


def shown(value: Fraction) -> str:
    """As people read it: exact where twelve digits can hold it, otherwise ``≈`` with six significant digits, and with
    as many more as are needed to stay off a limit that the value itself is not."""
    for digits in (2 * SIGNIFICANT, *range(SIGNIFICANT, 60)):
        context = Context(prec=digits, rounding=ROUND_HALF_EVEN)
        number = context.divide(Decimal(value.numerator), Decimal(value.denominator))
        if Fraction(number) == value:
            return _plain(number)
        if digits != 2 * SIGNIFICANT and Fraction(number) not in LIMITS:
            return f"≈{_plain(number)}"
    return f"≈{_plain(number)}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# ---- which critical quantity --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tables an entry belongs."""

    named: Named | None
    symbols: tuple[
        str, ...
    ]  # of table 2, as stated and resolved; empty where a named row was found and none stated
    critical_t: Decimal | None
    by: str
    is_mixture: bool = False


def candidates(name: str, cas: str, tables: Tables) -> tuple[Named, ...]:
    """Rows of table 1 that a name or CAS number may mean; a full name with its condition means that row alone."""
    wanted = normal(name)
    by_full = tuple(row for row in tables.named if row.full == wanted)
    by_name = by_full or tuple(row for row in tables.named if wanted in row.names)
    by_cas = tuple(row for row in tables.named if cas and cas in row.cas)
    if not cas or not by_name:
        return by_name or by_cas
    both = tuple(row for row in by_name if cas in row.cas or not row.cas)
    if not both:
        known = ", ".join(cas for row in by_name for cas in row.cas)
        raise _Stop(
            (
                f"名称“{name}”与 CAS 号 {cas} 不是同一物质",
                f"the name {name!r} and CAS number {cas} do not belong together",
            ),
            (
                f"表1中该名称为 {known},改正其中之一",
                f"in table 1 this name has {known}: correct one of the two",
            ),
        )
    return both


def _place(entry: Entry, tables: Tables) -> _Place:
    if entry.q_t <= 0:
        raise _Stop(
            ("设计最大量必须大于 0", "the design maximum must be above 0"), ("填写吨数", "give tonnes")
        )
    if entry.cas and not is_cas(entry.cas):
        raise _Stop(
            (f"CAS 号 {entry.cas} 的校验位不对", f"the check digit of CAS number {entry.cas} is wrong"),
            ("核对 CAS 号", "look the number up"),
        )
    symbols = _resolved(entry, tables)
    row = _named_row(entry, tables)
    is_mixture = bool(entry.mixture)
    if row is not None and entry.mixture == OWN_CLASS:
        row = None
    elif row is not None and row.above_percent is None and entry.percent is not None and entry.percent < 100:
        is_mixture = True
        if entry.mixture != AS_PURE:
            raise _Stop(
                (
                    f"{entry.name} 含量 {entry.percent}%,未说明按纯物质还是按混合物自身类别",
                    f"{entry.name} at {entry.percent} %: it is not said whether it counts as pure or by its own class",
                ),
                (
                    "与纯物质属相同类别时 mixture 写 as_pure,否则写 own_class 并给出 classes",
                    "write mixture as_pure where it is in the same class as the pure one, else own_class with classes",
                ),
            )
    if row is not None:
        return _Place(row, symbols, row.q_t, f"1:{row.no}", is_mixture)
    if not entry.classes:
        raise _Stop(
            (
                f"“{entry.name}”{entry.cas} 不在表1中,也没有给出危险性类别",
                f"{entry.name!r} {entry.cas} is not in table 1 and no hazard class is given",
            ),
            (
                f"核对名称和 CAS 号,或在 classes 中写表2的符号({', '.join(tables.categories)}),不属于任何类别写 none",
                "look name and CAS number up, or write symbols of table 2 as classes "
                f"({', '.join(tables.categories)}); none where it is in no class",
            ),
        )
    if not symbols:
        return _Place(None, (), None, NOTHING)
    strictest = min(symbols, key=lambda one: (tables.categories[one].q_t, one))
    return _Place(None, symbols, tables.categories[strictest].q_t, strictest, is_mixture)


def _named_row(entry: Entry, tables: Tables) -> Named | None:
    if entry.named_row == 0:
        return None
    found = candidates(entry.name, entry.cas, tables)
    if entry.named_row is not None:
        row = tables.by_no.get(entry.named_row)
        is_other = row is not None and entry.cas and row.cas and entry.cas not in row.cas
        if row is None or is_other or (found and row not in found):
            raise _Stop(
                (
                    f"表1第 {entry.named_row} 行不是“{entry.name}”",
                    f"row {entry.named_row} of table 1 is not {entry.name!r}",
                ),
                (f"可选的行:{_rows(found)}", f"rows that may be meant: {_rows(found)}"),
            )
        if row.above_percent is not None and entry.percent is not None and entry.percent <= row.above_percent:
            raise _Stop(
                (
                    f"含量 {entry.percent}% 不在表1第 {row.no} 行的范围内(大于 {row.above_percent}%)",
                    f"{entry.percent} % is outside row {row.no} of table 1 (above {row.above_percent} %)",
                ),
                ("table1_row 写 0 并给出 classes", "write table1_row 0, with classes"),
            )
        return row
    if not found:
        return None
    if len(found) > 1:
        raise _Stop(
            (f"“{entry.name}”在表1中有 {len(found)} 行", f"{entry.name!r} has {len(found)} rows in table 1"),
            (
                f"在 table1_row 中写明:{_rows(found)};都不符合写 0",
                f"say which as table1_row: {_rows(found)}; 0 where none fits",
            ),
        )
    row = found[0]
    if row.above_percent is not None and row.full != normal(entry.name):
        if entry.percent is None:
            raise _Stop(
                (
                    f"表1第 {row.no} 行只在含量大于 {row.above_percent}% 时适用,没有给出含量",
                    f"row {row.no} of table 1 applies above {row.above_percent} % only, and no content is given",
                ),
                ("填写 percent", "give percent"),
            )
        return row if entry.percent > row.above_percent else None
    if row.stated and row.full != normal(entry.name):
        raise _Stop(
            (f"表1第 {row.no} 行有条件:{row.zh}", f"row {row.no} of table 1 has a condition: {row.zh}"),
            (
                f"符合时 table1_row 写 {row.no},不符合写 0 并给出 classes",
                f"where it is met write table1_row {row.no}; else 0, with classes",
            ),
        )
    return row


def _rows(rows: Iterable[Named]) -> str:
    return "; ".join(f"{row.no} {row.zh}" for row in rows) or "–"


def _resolved(entry: Entry, tables: Tables) -> tuple[str, ...]:
    if NOTHING in entry.classes and len(entry.classes) > 1:
        raise _Stop(
            ("classes 同时写了 none 和类别", "classes says none and a class at once"),
            ("只留一个", "keep one of them"),
        )
    found = []
    for symbol in entry.classes:
        if symbol in t.LIQUIDS:
            found.append(flammable(symbol, entry))
        elif symbol in tables.categories:
            found.append(symbol)
        elif symbol != NOTHING:
            raise _Stop(
                (f"没有危险性类别“{symbol}”", f"there is no hazard class {symbol!r}"),
                (
                    f"可用:{', '.join((*tables.categories, *t.LIQUIDS))}",
                    f"there are {', '.join((*tables.categories, *t.LIQUIDS))}",
                ),
            )
    return tuple(dict.fromkeys(found))


def flammable(symbol: str, entry: Entry) -> str:
    """W5.1 to W5.4 of a flammable liquid of GHS category 1 to 3 under its working conditions."""
    if symbol == "FL1":
        return "W5.1"
    if entry.working_c is None or entry.boiling_c is None:
        raise _Stop(
            (
                f"{entry.name}:易燃液体类别 {symbol[-1]} 要看工作温度是否高于沸点",
                f"{entry.name}: whether a flammable liquid of category {symbol[-1]} is above its boiling point decides",
            ),
            (
                "填写 working_c 和 boiling_c,或直接写 W5.x",
                "give working_c and boiling_c, or write W5.x itself",
            ),
        )
    if entry.working_c > entry.boiling_c:
        return "W5.1"
    if entry.is_special or (entry.pressure_mpa is not None and entry.pressure_mpa > HIGH_PRESSURE_MPA):
        return "W5.2"
    if entry.is_special is None:
        raise _Stop(
            (
                f"{entry.name}:没有说明是否有特殊工艺条件",
                f"{entry.name}: special process conditions are not answered",
            ),
            (
                "special 写 yes 或 no(危险化工工艺、爆炸极限范围或附近、压力大于 1.6 MPa 等)",
                "write special yes or no (dangerous process, in or near the explosive range, above 1.6 MPa …)",
            ),
        )
    return "W5.3" if symbol == "FL2" else "W5.4"


# ---- β ------------------------------------------------------------------------------------------------------


def _beta(share: Share, place: _Place, tables: Tables) -> tuple[Decimal, str]:
    """β and why.  Table 3 counts for what table 1 names; what is counted by its own class has β of its class."""
    row = place.named
    if row is not None:
        for key in (*row.cas, *row.names):
            if (beta := tables.beta_named.get(key)) is not None:
                return beta, tables.origins[t.BETA_NAMED].cited
    symbols, why = place.symbols, "inventory"
    if not symbols and row is not None and row.no in tables.classes:
        # a flammable liquid without conditions counts as one in no special conditions, and the step says so
        stated = {"FL1": "W5.1", "FL2": "W5.3", "FL3": "W5.4"}
        symbols = tuple(stated.get(one, one) for one in tables.classes[row.no])
        why = f"default class, not stated in the inventory: {tables.classes_from[row.no]}"
    if not symbols:
        raise _Stop(
            (
                f"{share.name} 不在表3中,β 取决于危险性类别,清单没有给出",
                f"{share.name} is not in table 3: its hazard class decides β, and the inventory names none",
            ),
            ("在 classes 中写表2的符号", "write symbols of table 2 as classes"),
        )
    largest = max(symbols, key=lambda one: (tables.categories[one].beta, one))
    cited = tables.origins[t.BETA_CATEGORIES].cited
    return tables.categories[largest].beta, f"{cited} {largest} ({', '.join(symbols)}; {why})"


# ---- steps --------------------------------------------------------------------------------------------------


class _Says:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def step(self, key: str, numbers: str, result: str, table: str = "") -> Step:
        clause = self._tables.clauses[key]
        origin = self._tables.origins[t.CLAUSES]
        cited = f"{origin.standard} {clause.clause}" + (
            " [from memory]" if origin.tag == t.FROM_MEMORY else ""
        )
        if table:
            cited += f"; {self._tables.origins[table].cited}"
        return Step(key, cited, Term(clause.what_zh, clause.what_en), numbers, result)


def _share(group: Sequence[tuple[Entry, _Place]]) -> Share:
    q_t = Decimal(0)
    for entry, _ in group:
        q_t = EXACT.add(q_t, entry.q_t)
    entry, place = group[0]
    whole = sum((Fraction(entry.q_t) for entry, _ in group), Fraction(0))
    ratio = Fraction(0) if place.critical_t is None else whole / Fraction(place.critical_t)
    rows = tuple(entry.row for entry, _ in group)
    name = place.named.zh if place.named else entry.name
    return Share(name, rows, q_t, place.critical_t, place.by, ratio)


def _identifying(
    says: _Says, share: Share, group: Sequence[tuple[Entry, _Place]], place: _Place
) -> list[Step]:
    steps = []
    parts = [entry.quantity_from or str(entry.q_t) for entry, _ in group]
    if len(group) > 1 or any(entry.quantity_from for entry, _ in group):
        steps.append(says.step("quantity", f"{share.name}: {' + '.join(parts)}", f"q = {share.q_t} t"))
    if place.is_mixture:
        mixed = "as the pure substance" if place.named else f"by its own class {place.by}"
        percents = ", ".join("–" if entry.percent is None else f"{entry.percent} %" for entry, _ in group)
        steps.append(says.step("mixture", f"{share.name}: {percents}", mixed))
    if place.named is not None:
        numbers = f"{share.name}: 表1 table 1, {place.named.no}"
        steps.append(says.step("named", numbers, f"Q = {share.critical_t} t", t.NAMED))
    elif share.critical_t is None:
        steps.append(says.step("category", f"{share.name}: –", "q/Q = 0"))
    else:
        numbers = f"{share.name}: {', '.join(place.symbols)} → {place.by}"
        steps.append(says.step("category", numbers, f"Q = {share.critical_t} t", t.CATEGORIES))
    return steps
