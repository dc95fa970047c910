"""Expressions over observations as SQL of the history: ``stores.history.search`` says which columns there are.

Values travel as parameters.  What the history does not hold (parameters, validTime, results that are no numbers) is
refused by name.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from fengsui.show.sta.odata.errors import BadQuery, NotAnswered
from fengsui.show.sta.odata.expression import (
    ARITHMETIC,
    COMPARISONS,
    Binary,
    Call,
    Literal,
    Node,
    Path,
    Unary,
    terms,
    text_of,
)

WORDS = {"eq": "=", "ne": "IS DISTINCT FROM", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
SIGNS = {"add": "+", "sub": "-", "mul": "*"}
COLUMNS = {
    ("phenomenonTime",): ("moment", "instant"),
    ("resultTime",): ("moment", "instant"),
    ("result",): ("value", "number"),
    ("@iot.id",): ("(datastream::VARCHAR || ':' || time_ms::VARCHAR)", "string"),
    ("id",): ("(datastream::VARCHAR || ':' || time_ms::VARCHAR)", "string"),
    ("resultQuality", "quality"): (
        "(CASE quality WHEN 0 THEN 'good' WHEN 1 THEN 'uncertain' ELSE 'bad' END)", "string",
    ),
}  # fmt: skip
ON_STRINGS = {"length": "length", "tolower": "lower", "toupper": "upper", "trim": "trim"}
ON_NUMBERS = {"round": "round", "floor": "floor", "ceiling": "ceil"}
ON_TIMES = ("year", "month", "day", "hour", "minute", "second")
FOREVER = (-(1 << 62), 1 << 62)


@dataclass(slots=True)
class Sql:
    """One statement's parameters; ``now`` is the instant of the question."""

    now: dt.datetime
    given: dict[str, Any]
    columns: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=lambda: COLUMNS)
    of_result: str = ""  # why ``result`` as a whole cannot be asked for

    def holds(self, node: Node) -> str:
        """A condition.  Raises BadQuery, NotAnswered."""
        of, kind = self.of(node)
        if kind != "bool":
            raise BadQuery(f"this is a {kind}, no condition: {text_of(node)[:80]}")
        return of

    def of(self, node: Node) -> tuple[str, str]:
        """SQL and kind of anything."""
        match node:
            case Literal():
                return self.literal(node)
            case Path(parts):
                return self.column(node, parts)
            case Unary("not", inner):
                return f"(NOT {self.holds(inner)})", "bool"
            case Unary(_, inner):
                return f"(- {self.number(inner)})", "number"
            case Binary(op, left, right) if op in ("and", "or"):
                return f"({self.holds(left)} {op.upper()} {self.holds(right)})", "bool"
            case Binary(op, left, right) if op in COMPARISONS:
                return self.compared(op, left, right), "bool"
            case Binary(op, left, right) if op in ARITHMETIC:
                return self.calculated(op, left, right)
            case Call():
                return self.called(node)
        raise AssertionError(node)

    def literal(self, node: Literal) -> tuple[str, str]:
        if node.kind == "null":
            return "NULL", "null"
        if node.kind == "geometry":
            raise BadQuery("an observation has no geometry of its own: ask for FeatureOfInterest/feature")
        name = f"p{len(self.given):04d}"
        value: Any = node.value
        cast = {"instant": "TIMESTAMP", "number": "DOUBLE", "string": "VARCHAR", "bool": "BOOLEAN", "date": "DATE",
                "time": "TIME", "duration": "INTERVAL"}[node.kind]  # fmt: skip
        if node.kind == "instant":
            value = value.replace(tzinfo=None)
        elif node.kind == "number":
            value = float(value)
        self.given[name] = value
        return f"${name}::{cast}", node.kind

    def column(self, path: Path, parts: tuple[str, ...]) -> tuple[str, str]:
        if parts in self.columns:
            return self.columns[parts]
        if parts == ("result",) and self.of_result:
            raise BadQuery(self.of_result)
        if parts[0] in ("resultQuality", "validTime", "parameters"):
            raise NotAnswered(f"{path} is kept beside single observations and cannot be filtered by")
        raise BadQuery(
            f"an Observation has no {path}; it has phenomenonTime, resultTime, result, resultQuality/quality, "
            "Datastream/…, FeatureOfInterest/…"
        )

    def number(self, node: Node) -> str:
        of, kind = self.of(node)
        if kind != "number":
            raise BadQuery(f"a number is needed, this is a {kind}: {text_of(node)[:80]}")
        return of

    def string(self, node: Node) -> str:
        of, kind = self.of(node)
        if kind != "string":
            raise BadQuery(f"a string is needed, this is a {kind}: {text_of(node)[:80]}")
        return of

    def compared(self, op: str, left: Node, right: Node) -> str:
        (a, a_kind), (b, b_kind) = self.of(left), self.of(right)
        if "null" in (a_kind, b_kind):
            if op not in ("eq", "ne"):
                raise BadQuery(f"null is compared by eq and ne only, not {op}")
            return f"({b if a_kind == 'null' else a} IS {'' if op == 'eq' else 'NOT '}NULL)"
        if {a_kind, b_kind} == {"instant", "date"}:
            a, b = f"{a}::TIMESTAMP", f"{b}::TIMESTAMP"
        elif a_kind != b_kind:
            if any(isinstance(n, Path) and n.parts == ("result",) for n in (left, right)):
                raise NotAnswered("results that are no numbers cannot be filtered by")
            raise BadQuery(
                f"a {a_kind} cannot be compared with a {b_kind}: {text_of(left)[:60]}, {text_of(right)[:60]}"
            )
        return f"({a} {WORDS[op]} {b})"

    def calculated(self, op: str, left: Node, right: Node) -> tuple[str, str]:
        (a, a_kind), (b, b_kind) = self.of(left), self.of(right)
        if op in ("add", "sub") and (a_kind, b_kind) in (("instant", "duration"), ("duration", "duration")):
            return f"({a} {SIGNS[op]} {b})", a_kind
        if op == "sub" and a_kind == b_kind == "instant":
            return f"({a} - {b})", "duration"
        x, y = self.number(left), self.number(right)
        if op in SIGNS:
            return f"({x} {SIGNS[op]} {y})", "number"
        return (f"({x} / nullif({y}, 0))" if op == "div" else f"fmod({x}, nullif({y}, 0))"), "number"

    def called(self, call: Call) -> tuple[str, str]:
        name, args = call.name, call.args
        if name in ON_STRINGS:
            return f"{ON_STRINGS[name]}({self.string(args[0])})", "number" if name == "length" else "string"
        if name in ON_NUMBERS:
            return f"{ON_NUMBERS[name]}({self.number(args[0])})", "number"
        if name in ON_TIMES:
            of, kind = self.of(args[0])
            fits = kind == "instant" or (kind == "date" and name in ON_TIMES[:3]) or (
                kind == "time" and name in ON_TIMES[3:]
            )  # fmt: skip
            if not fits:
                raise BadQuery(f"a {kind} has no {name}: {text_of(call)[:80]}")
            return f"{name}({of})::DOUBLE", "number"
        match name:
            case "substringof":
                return f"contains({self.string(args[1])}, {self.string(args[0])})", "bool"
            case "contains" | "startswith" | "endswith":
                function = {"contains": "contains", "startswith": "starts_with", "endswith": "ends_with"}[
                    name
                ]
                return f"{function}({self.string(args[0])}, {self.string(args[1])})", "bool"
            case "indexof":
                return f"(instr({self.string(args[0])}, {self.string(args[1])}) - 1)::DOUBLE", "number"
            case "substring":
                rest = "" if len(args) == 2 else f", greatest({self.number(args[2])}::INTEGER, 0)"
                start = f"greatest({self.number(args[1])}::INTEGER, 0) + 1"
                return f"substring({self.string(args[0])}, {start}{rest})", "string"
            case "concat":
                return f"({self.string(args[0])} || {self.string(args[1])})", "string"
            case "now":
                return self.literal(Literal("instant", self.now))
            case "mindatetime":
                return "TIMESTAMP '0001-01-02 00:00:00'", "instant"
            case "maxdatetime":
                return "TIMESTAMP '9999-12-30 00:00:00'", "instant"
            case "date" | "time" | "totaloffsetminutes" | "fractionalseconds":
                of, kind = self.of(args[0])
                if kind != "instant":
                    raise BadQuery(f"an instant is needed, this is a {kind}: {text_of(args[0])[:80]}")
                if name == "totaloffsetminutes":
                    return "0::DOUBLE", "number"  # instants are kept and given in UTC
                if name == "fractionalseconds":
                    return f"((microsecond({of}) % 1000000) / 1e6)", "number"
                return f"{of}::{name.upper()}", name
        raise NotAnswered(
            f"{name} is asked of FeatureOfInterest/feature or of entities, not of an observation itself"
        )


def bounds(node: Node, now: dt.datetime) -> tuple[int, int]:
    """[from, to) in ms that the terms of a condition leave for phenomenonTime; more is left to the condition."""
    low, high = FOREVER
    for term in terms(node):
        if not isinstance(term, Binary) or term.op not in ("eq", "gt", "ge", "lt", "le"):
            continue
        for one, other, op in ((term.left, term.right, term.op), (term.right, term.left, _turned(term.op))):
            if not (isinstance(one, Path) and one.parts in (("phenomenonTime",), ("resultTime",))):
                continue
            at = _instant(other, now)
            if at is None:
                continue
            if op in ("gt", "ge", "eq"):
                low = max(low, at)
            if op in ("lt", "le", "eq"):
                high = min(high, at + 1)
    return low, max(low, high)


def _turned(op: str) -> str:
    return {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}.get(op, op)


def _instant(node: Node, now: dt.datetime) -> int | None:
    """The ms of a constant instant, or None."""
    match node:
        case Literal("instant", dt.datetime() as at):
            return int(at.timestamp() * 1000)
        case Call("now", ()):
            return int(now.timestamp() * 1000)
        case Binary(op, left, Literal("duration", dt.timedelta() as span)) if op in ("add", "sub"):
            base = _instant(left, now)
            if base is None:
                return None
            return base + int(span.total_seconds() * 1000) * (1 if op == "add" else -1)
    return None
