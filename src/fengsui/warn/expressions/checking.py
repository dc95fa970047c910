"""What an expression means: names become datastreams or parameters, units are made to fit, or the error says where not.

The result is a smaller tree, ``Op``, with every literal in the unit of what it is compared with.  The program for the
kernel is made from it, and the plain oracle walks it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.warn.expressions import nodes as n
from fengsui.warn.expressions.errors import BadExpression
from fengsui.warn.expressions.parsing import parse_quantity
from fengsui.warn.rules.durations import BadDuration, parse_ms
from fengsui.warn.rules.kind import MAX_MS, gettext_noop

MAX_OPS = 256
MAX_TERMS = 32
MAX_NAMES = 32
MAX_WINDOWS = 16
MAX_STACK = 48
LEAST_WINDOW_MS = 1000
PER_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SLASHED = {"s": "s", "min": "min", "h": "h", "d": "d"}


@dataclass(frozen=True, slots=True)
class Input:
    """What a name stands for: a datastream's unit, and how old its last good reading may be."""

    unit: str = "1"
    max_age_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Op:
    """One step: ``code``, what it is done to, and its own numbers.  ``term`` is its place among the terms, or -1."""

    code: str
    args: tuple["Op", ...] = ()
    value: float = 0.0
    name: str = ""
    ms: int = 0
    words: tuple[str, ...] = ()
    term: int = -1


@dataclass(frozen=True, slots=True)
class Term:
    """A condition that a person is told of when it was true: its text, the names in it, the unit of its value."""

    text: str
    names: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A whole rule: when it becomes true, and when it is over (None: when the first is not true any more)."""

    when: Op
    clear: Op | None
    terms: tuple[Term, ...]
    names: tuple[str, ...]  # datastreams used, in order of appearance
    windows: tuple[tuple[str, int], ...]
    alarms: tuple[tuple[str, tuple[str, ...]], ...]
    inputs: Mapping[str, Input]
    listens: bool  # time alone can change it: it asks for silence


@dataclass(frozen=True, slots=True)
class _Type:
    """``unit`` is a code, or any word for one that is not in the table; ``per_s``: its rate, per second."""

    unit: units.Unit
    per_s: bool = False
    change: bool = False  # a difference: only matters where the unit has an offset
    bare: bool = False  # a number as written, without a unit

    @property
    def words(self) -> str:
        code = "" if self.unit.code == "1" else self.unit.code
        return (code or "1") + "/s" if self.per_s else code


PLAIN = units.DIMENSIONLESS


@dataclass(slots=True)
class _Checker:
    text: str
    inputs: Mapping[str, Input]
    parameters: Mapping[str, str]
    terms: list[Term] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    windows: dict[tuple[str, int], None] = field(default_factory=dict)
    alarms: dict[tuple[str, tuple[str, ...]], None] = field(default_factory=dict)
    ops: int = 0
    listens: bool = False

    # ---- true or false --------------------------------------------------------------------------------------------

    def truth(self, node: n.Node) -> Op:
        """The node as a condition."""
        self.counted(node)
        if isinstance(node, n.Truth):
            return Op("const", value=float(node.value))
        if isinstance(node, n.Both | n.Either):
            return Op("and" if isinstance(node, n.Both) else "or", tuple(self.truth(i) for i in node.items))
        if isinstance(node, n.Not):
            return Op("not", (self.truth(node.inner),))
        if isinstance(node, n.Vote):
            return Op("vote", tuple(self.truth(i) for i in node.items), value=float(node.n))
        if isinstance(node, n.For):
            return Op("for", (self.truth(node.inner),), ms=self.span(node.span))
        if isinstance(node, n.Compare):
            return self.compare(node)
        if isinstance(node, n.IsOn):
            unit = self.of(node, node.name)
            if unit.unit.dimension != "ratio" and not unit.unit.dimension.startswith("?"):
                raise bad(
                    node, gettext_noop("“%(name)s” is measured in %(unit)s; “is on” is for states sent as 1 or 0"),
                    name=node.name, unit=unit.words,
                )  # fmt: skip
            found = Op("value", name=node.name)
            return Op("on" if node.on else "off", (found,), term=self.term(node, (node.name,), ""))
        if isinstance(node, n.Silent):
            self.of(node, node.name)
            self.listens = True
            return Op(
                "silent", name=node.name, ms=self.span(node.span), term=self.term(node, (node.name,), "s")
            )
        if isinstance(node, n.AlarmOf):
            self.of(node, node.name)
            self.alarms[node.name, node.kinds] = None
            return Op("alarm", name=node.name, words=node.kinds, term=self.term(node, (node.name,), ""))
        if isinstance(node, n.TimeOfDay):
            return Op("time", value=float(node.begin), ms=node.until, term=self.term(node, (), ""))
        if isinstance(node, n.DayOfWeek):
            return Op("day", value=float(node.mask), term=self.term(node, (), ""))
        if isinstance(node, n.Sector):
            inner, kind = self.number(node.inner)
            if kind.unit.dimension != "angle" or kind.per_s:
                raise bad(node.inner, gettext_noop("sector needs a direction in °"))
            ends = tuple(self.fit(*self.number(end), kind, end) for end in (node.begin, node.until))
            full = 360.0 if kind.unit.code == "°" else 2 * 3.141592653589793 / kind.unit.factor
            names = self.names_in(node)
            return Op("sector", (inner, *ends), value=full, term=self.term(node, names, kind.words))
        if isinstance(node, n.Name):
            self.of(node, node.name)
            raise bad(
                node, gettext_noop("“%(name)s” is a value; write %(name)s is on, or compare it, such as %(name)s > 1"),
                name=node.name,
            )  # fmt: skip
        raise bad(node, gettext_noop("this is a number where a condition belongs; compare it with something"))

    def compare(self, node: n.Compare) -> Op:
        left, a = self.number(node.left)
        right, b = self.number(node.right)
        names = self.names_in(node)
        if not names:
            raise bad(node, gettext_noop("no datastream is in this comparison; it is always the same"))
        turned = not self.names_in(node.left)
        to, of_node = (b, node.left) if turned else (a, node.right)
        if turned:
            left = self.fit(left, a, to, of_node)
        else:
            right = self.fit(right, b, to, of_node)
        args = [left, right]
        if node.deadband is not None:
            if node.op not in ("<", "<=", ">", ">="):
                raise bad(node.deadband, gettext_noop("a deadband belongs to <, <=, > or >="))
            band, kind = self.number(node.deadband)
            band = self.fit(band, kind, _Type(to.unit, to.per_s, change=True), node.deadband)
            if band.code != "const" or band.value < 0:
                raise bad(
                    node.deadband, gettext_noop("a deadband is a number that is not negative, such as 0.3 m")
                )
            args.append(band)
        said = self.term(node, names, to.words)
        return Op({"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "=": "eq", "!=": "ne"}[node.op], tuple(args),
                  value=float(turned), term=said)  # fmt: skip

    # ---- numbers --------------------------------------------------------------------------------------------------

    def number(self, node: n.Node) -> tuple[Op, _Type]:
        """The node as a number with its unit."""
        self.counted(node)
        if isinstance(node, n.Number):
            return self.literal(node, node)
        if isinstance(node, n.Name):
            if node.name in self.parameters and node.name not in self.inputs:
                return self.parameter(node)
            return Op("value", name=node.name), self.of(node, node.name)
        if isinstance(node, n.Negative):
            inner, kind = self.number(node.inner)
            self.no_offset(node, kind)
            return Op("neg", (inner,)), kind
        if isinstance(node, n.Absolute):
            inner, kind = self.number(node.inner)
            return Op("abs", (inner,)), kind
        if isinstance(node, n.Arithmetic):
            return self.sum(node) if node.op in "+-" else self.product(node)
        if isinstance(node, n.Window):
            kind = self.of(node, node.name)
            ms = self.span(node.span)
            if ms < LEAST_WINDOW_MS:
                raise bad(node, gettext_noop("a window is at least one second"))
            self.windows[node.name, ms] = None
            if len(self.windows) > MAX_WINDOWS:
                raise bad(node, gettext_noop("at most %(most)s different windows"), most=MAX_WINDOWS)
            op = Op(node.function, name=node.name, ms=ms)
            if node.function == "count":
                return op, _Type(PLAIN)
            if node.function == "sum":
                self.no_offset(node, kind)
            changes = node.function in ("delta", "rate")
            return op, _Type(kind.unit, per_s=node.function == "rate", change=changes)
        if isinstance(node, n.Age):
            self.of(node, node.name)
            return Op("age", name=node.name), _Type(units.unit("s"))
        if isinstance(node, n.Pick):
            first, kind = self.number(node.items[0])
            args = [first]
            for item in node.items[1:]:
                other, its = self.number(item)
                args.append(self.fit(other, its, kind, item))
            return Op("highest" if node.highest else "lowest", tuple(args)), kind
        raise bad(node, gettext_noop("this is a condition where a number belongs"))

    def literal(self, node: n.Number, place: n.Node) -> tuple[Op, _Type]:
        if node.unit is None:
            return Op("const", value=node.value), _Type(PLAIN, bare=True)
        unit = units.unit(node.unit)
        if node.per:
            return Op("const", value=node.value / PER_S[node.per]), _Type(unit, per_s=True, change=True)
        return Op("const", value=node.value), _Type(unit)

    def parameter(self, node: n.Name) -> tuple[Op, _Type]:
        said = self.parameters[node.name]
        try:
            return self.literal(parse_quantity(said), node)
        except BadExpression as error:
            raise bad(
                node, gettext_noop("parameter “%(name)s” is “%(said)s”: write a number with its unit, such as 8.5 m"),
                name=node.name, said=said[:40],
            ) from error  # fmt: skip

    def sum(self, node: n.Arithmetic) -> tuple[Op, _Type]:
        left, a = self.number(node.left)
        right, b = self.number(node.right)
        if a.bare and not b.bare:
            left, a = self.fit(left, a, b, node.left), b
        if a.unit.offset and not a.change:
            if b.bare or isinstance(node.right, n.Number) or b.change:
                right = self.fit(right, b, _Type(a.unit, change=True), node.right)
                return Op("add" if node.op == "+" else "sub", (left, right)), a
            if node.op == "+":
                raise bad(node, gettext_noop("two temperatures have a difference, but no sum"))
            right = self.fit(right, b, a, node.right)
            return Op("sub", (left, right)), _Type(a.unit, change=True)
        right = self.fit(right, b, a, node.right)
        kind = _Type(a.unit, a.per_s, a.change or b.change, a.bare and b.bare)
        return Op("add" if node.op == "+" else "sub", (left, right)), kind

    def product(self, node: n.Arithmetic) -> tuple[Op, _Type]:
        left, a = self.number(node.left)
        right, b = self.number(node.right)
        op = "mul" if node.op == "*" else "div"
        if b.unit.dimension == "ratio" and not b.per_s:
            self.no_offset(node.left, a)
            factor = b.unit.factor
            right = right if factor == 1.0 else Op("mul", (right, Op("const", value=factor)))
            return Op(op, (left, right)), _Type(a.unit, a.per_s, a.change, a.bare and b.bare)
        if op == "mul" and a.unit.dimension == "ratio" and not a.per_s:
            self.no_offset(node.right, b)
            factor = a.unit.factor
            left = left if factor == 1.0 else Op("mul", (left, Op("const", value=factor)))
            return Op(op, (left, right)), _Type(b.unit, b.per_s, b.change)
        if op == "div" and a.unit.dimension == b.unit.dimension and a.per_s == b.per_s:
            self.no_offset(node.left, a)
            self.no_offset(node.right, b)
            return Op(op, (left, self.fit(right, b, a, node.right))), _Type(PLAIN)
        raise bad(
            node, gettext_noop("%(left)s and %(right)s cannot be multiplied or divided here; use a plain number"),
            left=a.words or "1", right=b.words or "1",
        )  # fmt: skip

    def fit(self, op: Op, kind: _Type, to: _Type, node: n.Node) -> Op:
        """``op`` in the unit of ``to``.  A bare number is taken where it can mean only one thing."""
        name = next(iter(self.names_in(node)), "") or self.text[node.at : node.end][:40]
        if kind.bare:
            plain = to.unit.code == "1" or to.unit.dimension.startswith("?")
            zero = op.code == "const" and op.value == 0 and (to.per_s or to.change or not to.unit.offset)
            if (plain and not to.per_s) or zero or to.bare:
                return op
            raise bad(
                node, gettext_noop("“%(said)s” has no unit; write it with one, such as %(said)s %(unit)s"),
                said=self.text[node.at : node.end][:40], unit=to.words,
            )  # fmt: skip
        if to.per_s and not kind.per_s and op.code == "const":  # 300 mm/h is a speed, and a rate of a length
            base, _, per = kind.unit.code.rpartition("/")
            if base in units.UNITS and per in PER_S:
                kind = _Type(units.unit(base), per_s=True, change=True)
                op = Op("const", value=op.value / PER_S[per])
        if kind.unit.dimension != to.unit.dimension or kind.per_s != to.per_s:
            raise bad(
                node, gettext_noop("“%(name)s” is in %(is)s, which cannot be compared with %(with)s; change the unit"),
                **{"name": name, "is": kind.words or "1", "with": to.words or "1"},
            )  # fmt: skip
        if kind.unit is to.unit:
            return op
        factor, offset = (
            kind.unit.factor / to.unit.factor,
            (kind.unit.offset - to.unit.offset) / to.unit.factor,
        )
        if to.per_s or to.change or kind.change:
            offset = 0.0
        if op.code == "const":
            return Op("const", value=op.value * factor + offset)
        scaled = Op("mul", (op, Op("const", value=factor)))
        return Op("add", (scaled, Op("const", value=offset))) if offset else scaled

    # ---- names, spans, terms --------------------------------------------------------------------------------------

    def of(self, node: n.Node, name: str) -> _Type:
        """The type of a datastream; it is used from now on."""
        found = self.inputs.get(name)
        if found is None:
            if name in self.parameters:
                raise bad(
                    node, gettext_noop("“%(name)s” is a parameter; here belongs a datastream"), name=name
                )
            known = ", ".join((*self.inputs, *self.parameters)) or "–"
            raise bad(
                node, gettext_noop("“%(name)s” is not bound to a datastream; there are %(known)s"),
                name=name, known=known[:300],
            )  # fmt: skip
        self.names[name] = None
        if len(self.names) > MAX_NAMES:
            raise bad(node, gettext_noop("at most %(most)s datastreams"), most=MAX_NAMES)
        try:
            return _Type(units.unit(found.unit))
        except UnknownUnit:
            return _Type(units.Unit(found.unit, f"?{found.unit}"))

    def span(self, span: n.Span) -> int:
        if not span.name:
            return span.ms
        place = n.Node(span.at, span.at + len(span.name))
        said = self.parameters.get(span.name)
        if said is None:
            raise bad(
                place,
                gettext_noop("“%(name)s” is neither a time such as 30s nor a parameter"),
                name=span.name,
            )
        try:
            ms = parse_ms(said)
        except BadDuration as error:
            raise bad(
                place, gettext_noop("parameter “%(name)s” is “%(said)s”: here it must be a time such as 30s"),
                name=span.name, said=said[:40],
            ) from error  # fmt: skip
        if not 0 < ms <= MAX_MS:
            raise bad(place, gettext_noop("a time is longer than 0 and at most 24 days"))
        return ms

    def no_offset(self, node: n.Node, kind: _Type) -> None:
        if kind.unit.offset and not kind.change:
            raise bad(
                node, gettext_noop("%(unit)s has no natural zero: it cannot be multiplied, summed or negated"),
                unit=kind.words,
            )  # fmt: skip

    def term(self, node: n.Node, names: tuple[str, ...], unit: str) -> int:
        if len(self.terms) >= MAX_TERMS:
            raise bad(node, gettext_noop("at most %(most)s conditions"), most=MAX_TERMS)
        text = " ".join(self.text[node.at : node.end].split())
        self.terms.append(Term(text, names, unit))
        return len(self.terms) - 1

    def counted(self, node: n.Node) -> None:
        self.ops += 1
        if self.ops > MAX_OPS:
            raise bad(node, gettext_noop("at most %(most)s parts in all"), most=MAX_OPS)

    def names_in(self, node: Any) -> tuple[str, ...]:
        """The datastreams below a node, in order of appearance."""
        found: dict[str, None] = {}
        self._collect(node, found)
        return tuple(found)

    def _collect(self, node: Any, found: dict[str, None]) -> None:
        if isinstance(node, tuple):
            for item in node:
                self._collect(item, found)
        elif isinstance(node, n.Node):
            name = getattr(node, "name", "")
            if name and name in self.inputs:
                found[name] = None
            for part in ("inner", "left", "right", "items", "begin", "until", "deadband"):
                self._collect(getattr(node, part, None), found)


def bad(node: n.Node, text: str, **values: Any) -> BadExpression:
    """An error at ``node``."""
    return BadExpression(node.at + 1, text, values)


def check(
    text: str,
    parsed: n.Node,
    inputs: Mapping[str, Input],
    parameters: Mapping[str, str] | None = None,
    clear: tuple[str, n.Node] | None = None,
) -> Checked:
    """``parsed`` (of ``text``) with its names and units resolved, and the clearing expression beside it.

    ``parameters`` are quantities and times as text.  Raises BadExpression; its ``values["of"]`` is "clear" where the
    clearing expression is wrong.
    """
    given = parameters or {}
    checker = _Checker(text, inputs, given)
    when = checker.truth(parsed)
    end: Op | None = None
    if clear is not None:
        checker.text = clear[0]
        try:
            end = checker.truth(clear[1])
        except BadExpression as error:
            error.values["of"] = "clear"
            raise
    if not checker.names:
        raise BadExpression(
            1, gettext_noop("no datastream is in the expression; it would always be the same")
        )
    names = tuple(checker.names)
    return Checked(
        when, end, tuple(checker.terms), names, tuple(checker.windows), tuple(checker.alarms),
        {name: inputs[name] for name in names}, checker.listens,
    )  # fmt: skip


def walk(op: Op, visit: Callable[[Op], None]) -> None:
    """Every step, those below first."""
    for arg in op.args:
        walk(arg, visit)
    visit(op)
