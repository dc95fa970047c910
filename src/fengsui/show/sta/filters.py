"""Expressions as conditions of the database: ``$filter`` and ``$orderby`` of entities that are rows.

A path over a relation to many (``Things?$filter=Datastreams/name eq 'x'``) asks whether there is one for which it
holds, among those that the viewer sees; the parts of one condition that speak of the same relation speak of the same
row.  Every value travels as a parameter.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    DateField,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    TextField,
    TimeField,
    Value,
    When,
    lookups,
)
from django.db.models import functions as f

from fengsui.show.sta import geometry
from fengsui.show.sta.model import ENTITIES, OWN, Entity, JsonAt, Ref, TextAt, names
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
    paths,
    text_of,
)
from fengsui.show.sta.sets import Viewer, visible

GEO = frozenset((*geometry.RELATIONS, "st_relate"))
MEASURES = frozenset(("geo.distance", "geo.length"))
LOOKUPS = {
    "eq": lookups.Exact, "gt": lookups.GreaterThan, "ge": lookups.GreaterThanOrEqual, "lt": lookups.LessThan,
    "le": lookups.LessThanOrEqual,
}  # fmt: skip
MIRROR = {"eq": "eq", "ne": "ne", "gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}
PARTS = {
    "year": f.ExtractYear, "month": f.ExtractMonth, "day": f.ExtractDay, "hour": f.ExtractHour,
    "minute": f.ExtractMinute, "second": f.ExtractSecond,
}  # fmt: skip


class _Distinct(Func):
    arg_joiner = " IS DISTINCT FROM "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class _Fraction(Func):
    """Seconds behind the whole second."""

    template = "(mod(extract(microseconds FROM %(expressions)s)::bigint, 1000000) / 1e6::float8)"
    output_field = FloatField()


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression and its kind: bool, number, string, instant, date, time, duration, json, null."""

    of: Any
    kind: str


def condition(entity: Entity, node: Node, viewer: Viewer) -> Q:
    """``node`` as a condition on the rows of ``entity``.  Raises BadQuery, NotAnswered."""
    return _Compiler(entity, viewer, OWN).holds(node)


def order(entity: Entity, node: Node, viewer: Viewer) -> tuple[Any, str]:
    """``node`` as an expression to sort by, and "json" or "of".  Raises BadQuery, NotAnswered."""
    typed = _Compiler(entity, viewer, OWN).value(node)
    return typed.of, "json" if typed.kind == "json" else "of"


class _Compiler:
    """``ref`` names columns of ``entity``; ``outer`` those of the row outside, where this is a subquery.

    ``inside``: the path that led here, which the paths of the outer row do not begin with.
    """

    def __init__(
        self,
        entity: Entity,
        viewer: Viewer,
        ref: Ref,
        inside: tuple[str, ...] = (),
        outer: "_Compiler | None" = None,
    ) -> None:
        self.entity, self.viewer, self.ref, self.inside, self.outer = entity, viewer, ref, inside, outer

    # ---- conditions

    def holds(self, node: Node) -> Q:
        """A condition."""
        relations = {prefix for path in paths(node) if (prefix := self.to_many(path))}
        if relations:
            if isinstance(node, Unary) and node.op == "not":
                return ~self.holds(node.of)
            if len(relations) == 1:
                return self.some(relations.pop(), node)
            if isinstance(node, Binary) and node.op in ("and", "or"):
                return self.both(node)
            raise NotAnswered(f"one comparison speaks of several relations to many: {text_of(node)[:80]}")
        match node:
            case Binary("and" | "or", _, _):
                return self.both(node)
            case Unary("not", of):
                return ~self.holds(of)
            case Binary(op, left, right) if op in COMPARISONS:
                return self.compared(op, left, right)
            case Call(name, args) if name in GEO:
                return self.lies(name, args)
        typed = self.value(node)
        if typed.kind == "json":
            typed = self.as_kind(typed, "bool")
        if typed.kind != "bool":
            raise BadQuery(f"this is {_a(typed.kind)}, no condition: {text_of(node)[:80]}")
        return Q(lookups.Exact(typed.of, Value(True)))

    def both(self, node: Binary) -> Q:
        left, right = self.holds(node.left), self.holds(node.right)
        return left & right if node.op == "and" else left | right

    def to_many(self, path: Path) -> tuple[str, ...]:
        """The beginning of a path up to its first relation to many; () when there is none."""
        parts, entity = self.own(path), self.entity
        if parts is None:
            return ()
        for i, part in enumerate(parts[:-1] if len(parts) > 1 else ()):
            nav = entity.navs.get(part)
            if nav is None:
                return ()
            if nav.target == "Observation":
                raise NotAnswered(
                    f"entities cannot be filtered by their Observations ({path}): ask for Observations"
                )
            if nav.many:
                return parts[: i + 1]
            entity = ENTITIES[nav.target]
        return ()

    def own(self, path: Path) -> tuple[str, ...] | None:
        """The path as it is seen from here; None when it is one of the row outside."""
        if not self.inside:
            return path.parts
        n = len(self.inside)
        return path.parts[n:] if path.parts[:n] == self.inside and len(path.parts) > n else None

    def some(self, relation: tuple[str, ...], node: Node) -> Q:
        """That there is a related row for which ``node`` holds."""
        if self.outer is not None:
            raise NotAnswered(
                "relations to many are followed one after the other here, not inside each other"
            )
        entity, prefix = self.entity, ""
        for part in relation[:-1]:
            nav = entity.nav(part)
            entity, prefix = ENTITIES[nav.target], f"{prefix}{nav.path}__"
        nav = entity.nav(relation[-1])
        target = ENTITIES[nav.target]
        inner = _Compiler(target, self.viewer, F, relation, self)
        rows = visible(nav.target, self.viewer).filter(**{nav.back: OuterRef(f"{prefix}pk")})
        return Q(Exists(rows.filter(inner.holds(node))))

    def compared(self, op: str, left: Node, right: Node) -> Q:
        for one, other, how in ((left, right, op), (right, left, MIRROR[op])):
            if isinstance(one, Call) and one.name in MEASURES:
                return self.measured(one, how, other)
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Literal) and one.kind == "null":
                if op not in ("eq", "ne"):
                    raise BadQuery(f"null is compared by eq and ne only, not {op}")
                typed = self.value(other)
                of = TextAt(typed.of, names(())) if typed.kind == "json" else typed.of
                return Q(lookups.IsNull(of, op == "eq"))
        a, b = self.matched(self.value(left), self.value(right), left, right)
        if op == "ne":
            return Q(lookups.Exact(_Distinct(a.of, b.of), Value(True)))
        return Q(LOOKUPS[op](a.of, b.of))

    def matched(self, a: Typed, b: Typed, left: Node, right: Node) -> tuple[Typed, Typed]:
        """Both as one kind.  Raises BadQuery."""
        if a.kind == "json" and b.kind == "json":
            return Typed(TextAt(a.of, names(())), "string"), Typed(TextAt(b.of, names(())), "string")
        if a.kind == "json":
            a = self.as_kind(a, b.kind)
        elif b.kind == "json":
            b = self.as_kind(b, a.kind)
        if {a.kind, b.kind} == {"instant", "date"}:
            a, b = (
                Typed(f.Cast(t.of, DateTimeField()), "instant") if t.kind == "date" else t for t in (a, b)
            )
        if a.kind != b.kind:
            raise BadQuery(
                f"{_a(a.kind)} cannot be compared with {_a(b.kind)}: {text_of(left)[:60]}, {text_of(right)[:60]}"
            )
        return a, b

    def as_kind(self, typed: Typed, kind: str) -> Typed:
        """A json value as what it is compared with; null where it is something else."""
        plain = TextAt(typed.of, names(()))
        said = Func(typed.of, function="jsonb_typeof", output_field=TextField())
        if kind == "number":
            return Typed(
                Case(When(lookups.Exact(said, Value("number")), then=f.Cast(plain, FloatField()))), kind
            )
        if kind == "bool":
            return Typed(
                Case(When(lookups.Exact(said, Value("boolean")), then=f.Cast(plain, BooleanField()))), kind
            )
        if kind == "string":
            return Typed(Case(When(lookups.Exact(said, Value("string")), then=plain)), kind)
        raise BadQuery(f"a value in json cannot be compared with {_a(kind)}")

    # ---- values

    def value(self, node: Node) -> Typed:
        """Anything that is no condition."""
        match node:
            case Literal():
                return _literal(node)
            case Path():
                return self.column(node)
            case Unary("-", of):
                return Typed(self.number(of) * Value(-1.0), "number")
            case Binary(op, left, right) if op in ARITHMETIC:
                return self.calculated(op, left, right)
            case Call(name, _) if name in GEO or name in MEASURES:
                raise NotAnswered(f"{name} is answered as a condition of its own or compared with a number")
            case Call():
                return self.called(node)
        return Typed(ExpressionWrapper(self.holds(node), output_field=BooleanField()), "bool")

    def column(self, path: Path) -> Typed:
        """What a path says."""
        parts = self.own(path)
        if parts is None:
            if self.outer is None:
                raise BadQuery(f"there is no {path} here")
            outside = _Compiler(self.outer.entity, self.viewer, lambda name: OuterRef(name))
            return outside.column(path)
        entity, prefix = self.entity, ""
        at = 0
        while at < len(parts) and (nav := entity.navs.get(parts[at])) is not None:
            if nav.many or nav.target == "Observation":
                raise NotAnswered(f"a relation to many cannot be sorted by or computed with: {path}")
            entity, prefix, at = ENTITIES[nav.target], f"{prefix}{nav.path}__", at + 1
        if at == len(parts):
            raise BadQuery(f"{path} is an entity: name one of its properties")
        name = "@iot.id" if parts[at] == "id" else parts[at]
        prop, rest = entity.props.get(name), parts[at + 1 :]
        if prop is None:
            known = ", ".join((*entity.props, *entity.navs))
            raise BadQuery(f"a {entity.name} has no {name[:60]}; it has {known}")
        if prop.inner and rest:
            if rest[0] not in prop.inner or len(rest) > 1:
                raise BadQuery(f"there is no {path}; {name} has {', '.join(prop.inner)}")
            prop, rest = prop.inner[rest[0]], ()
        if prop.of is None:
            raise NotAnswered(f"{path} is known to the history only and cannot be filtered or sorted by")
        of = prop.of(lambda field: self.ref(prefix + field))
        if prop.kind in ("json", "geometry"):
            return Typed(JsonAt(of, names(rest)) if rest else of, "json")
        if rest:
            raise BadQuery(f"{name} is {_a(prop.kind)} and has no {'/'.join(rest)[:60]}")
        return Typed(of, "number" if prop.kind == "id" else prop.kind)

    def number(self, node: Node) -> Any:
        typed = self.value(node)
        if typed.kind == "json":
            typed = self.as_kind(typed, "number")
        if typed.kind != "number":
            raise BadQuery(f"a number is needed, this is {_a(typed.kind)}: {text_of(node)[:80]}")
        return f.Cast(typed.of, FloatField())

    def string(self, node: Node) -> Any:
        typed = self.value(node)
        if typed.kind == "json":
            typed = self.as_kind(typed, "string")
        if typed.kind != "string":
            raise BadQuery(f"a string is needed, this is {_a(typed.kind)}: {text_of(node)[:80]}")
        return typed.of

    def time(self, node: Node, *kinds: str) -> Any:
        typed = self.value(node)
        if typed.kind not in kinds:
            raise BadQuery(
                f"an {' or '.join(kinds)} is needed, this is {_a(typed.kind)}: {text_of(node)[:80]}"
            )
        return typed.of

    def calculated(self, op: str, left: Node, right: Node) -> Typed:
        a, b = self.value(left), self.value(right)
        kinds = (a.kind, b.kind)
        if op in ("add", "sub") and kinds in (("instant", "duration"), ("duration", "duration")):
            output = DateTimeField() if a.kind == "instant" else DurationField()
            of = a.of + b.of if op == "add" else a.of - b.of
            return Typed(ExpressionWrapper(of, output_field=output), a.kind)
        if op == "sub" and kinds == ("instant", "instant"):
            return Typed(ExpressionWrapper(a.of - b.of, output_field=DurationField()), "duration")
        x, y = self.number(left), self.number(right)
        if op == "add":
            return Typed(x + y, "number")
        if op == "sub":
            return Typed(x - y, "number")
        if op == "mul":
            return Typed(x * y, "number")
        safe = f.NullIf(y, Value(0.0))
        if op == "div":
            return Typed(x / safe, "number")
        whole = Func(x / safe, function="trunc", output_field=FloatField())
        return Typed(x - y * whole, "number")

    def called(self, call: Call) -> Typed:
        args = call.args
        match call.name:
            case "substringof":
                return _yes(
                    lookups.GreaterThan(f.StrIndex(self.string(args[1]), self.string(args[0])), Value(0))
                )
            case "contains":
                return _yes(
                    lookups.GreaterThan(f.StrIndex(self.string(args[0]), self.string(args[1])), Value(0))
                )
            case "startswith":
                return _yes(
                    Func(
                        self.string(args[0]),
                        self.string(args[1]),
                        function="starts_with",
                        output_field=BooleanField(),
                    )
                )
            case "endswith":
                end = self.string(args[1])
                return _yes(lookups.Exact(f.Right(self.string(args[0]), f.Length(end)), end))
            case "length":
                return Typed(f.Length(self.string(args[0])), "number")
            case "indexof":
                return Typed(f.StrIndex(self.string(args[0]), self.string(args[1])) - Value(1), "number")
            case "substring":
                return self.substring(args)
            case "tolower":
                return Typed(f.Lower(self.string(args[0])), "string")
            case "toupper":
                return Typed(f.Upper(self.string(args[0])), "string")
            case "trim":
                return Typed(f.Trim(self.string(args[0])), "string")
            case "concat":
                return Typed(
                    f.Concat(self.string(args[0]), self.string(args[1]), output_field=TextField()), "string"
                )
            case "round":
                return Typed(
                    Func(self.number(args[0]), function="round", output_field=FloatField()), "number"
                )
            case "floor":
                return Typed(f.Floor(self.number(args[0])), "number")
            case "ceiling":
                return Typed(f.Ceil(self.number(args[0])), "number")
            case "now":
                return Typed(f.Now(), "instant")
            case "mindatetime":
                return Typed(
                    Value(dt.datetime(1, 1, 2, tzinfo=dt.UTC), output_field=DateTimeField()), "instant"
                )
            case "maxdatetime":
                return Typed(
                    Value(dt.datetime(9999, 12, 30, tzinfo=dt.UTC), output_field=DateTimeField()), "instant"
                )
            case "date":
                return Typed(f.TruncDate(self.time(args[0], "instant"), tzinfo=dt.UTC), "date")
            case "time":
                return Typed(f.TruncTime(self.time(args[0], "instant"), tzinfo=dt.UTC), "time")
            case "totaloffsetminutes":
                self.time(args[0], "instant")
                return Typed(Value(0.0), "number")  # instants are kept and given in UTC
            case "fractionalseconds":
                return Typed(_Fraction(self.time(args[0], "instant")), "number")
        return self.part(call)

    def part(self, call: Call) -> Typed:
        """A part of a date or time."""
        typed = self.value(call.args[0])
        of_date, of_time = ("year", "month", "day"), ("hour", "minute", "second")
        fits = typed.kind == "instant" or (typed.kind, call.name) in {
            *(("date", n) for n in of_date), *(("time", n) for n in of_time)
        }  # fmt: skip
        if not fits:
            raise BadQuery(f"{_a(typed.kind)} has no {call.name}: {text_of(call)[:80]}")
        zone = {"tzinfo": dt.UTC} if typed.kind == "instant" else {}
        return Typed(f.Cast(PARTS[call.name](typed.of, **zone), FloatField()), "number")

    def substring(self, args: tuple[Node, ...]) -> Typed:
        start = f.Cast(Func(self.number(args[1]), function="trunc"), IntegerField()) + Value(1)
        start = f.Greatest(start, Value(1))
        if len(args) == 2:
            return Typed(f.Substr(self.string(args[0]), start), "string")
        count = f.Greatest(f.Cast(Func(self.number(args[2]), function="trunc"), IntegerField()), Value(0))
        return Typed(f.Substr(self.string(args[0]), start, count), "string")

    # ---- where it lies

    def lies(self, name: str, args: tuple[Node, ...]) -> Q:
        """A spatial relation between a property and a geometry."""
        path, shape, mirrored = self.place(name, args)
        pattern = ""
        if name == "st_relate":
            last = args[2]
            if not (isinstance(last, Literal) and last.kind == "string"):
                raise BadQuery("the third argument of st_relate is its pattern, a string")
            pattern = str(last.value)
        return self.at(path, lambda e, rows: geometry.related(e, rows, name, shape, mirrored, pattern))

    def measured(self, call: Call, op: str, than: Node) -> Q:
        """A distance or length, compared with a number."""
        limit = _constant(than)
        if call.name == "geo.length":
            if not isinstance(call.args[0], Path):
                raise BadQuery("geo.length is asked of a property")
            return self.at(call.args[0], lambda e, rows: geometry.measured(e, rows, None, op, limit))
        path, shape, _ = self.place(call.name, call.args)
        return self.at(path, lambda e, rows: geometry.measured(e, rows, shape, op, limit))

    def place(self, name: str, args: tuple[Node, ...]) -> tuple[Path, Any, bool]:
        """The property, the geometry, and whether they stand the other way round."""
        a, b = args[0], args[1]
        if isinstance(a, Path) and isinstance(b, Literal) and b.kind == "geometry":
            return a, geometry.of_wkt(str(b.value)), False
        if isinstance(b, Path) and isinstance(a, Literal) and a.kind == "geometry":
            return b, geometry.of_wkt(str(a.value)), True
        raise BadQuery(f"{name} is asked of a property and a geometry such as geography'POINT (111.3 30.7)'")

    def at(self, path: Path, find: Callable[[str, Any], list[int]]) -> Q:
        """The rows whose geometry at ``path`` is among those that ``find`` finds."""
        parts = self.own(path)
        if parts is None:
            raise NotAnswered(f"{path} is compared with a geometry inside a relation to many")
        entity, prefix = self.entity, ""
        for part in parts[:-1]:
            nav = entity.nav(part)
            entity, prefix = ENTITIES[nav.target], f"{prefix}{nav.path}__"
        prop = entity.props.get(parts[-1])
        if prop is None or prop.kind != "geometry":
            raise BadQuery(f"{path} is no geometry")
        keys = find(entity.name, visible(entity.name, self.viewer))
        return Q(**{f"{prefix}pk__in": keys})


def _yes(of: Any) -> Typed:
    return Typed(ExpressionWrapper(Q(of), output_field=BooleanField()), "bool")


def _constant(node: Node) -> float:
    match node:
        case Literal("number", int() | float() as value):
            return float(value)
        case Unary("-", Literal("number", int() | float() as value)):
            return -float(value)
    raise NotAnswered("a distance or length is compared with a number")


_FIELDS: dict[str, Callable[[], Any]] = {
    "bool": BooleanField, "string": TextField, "instant": DateTimeField, "date": DateField, "time": TimeField,
    "duration": DurationField, "number": FloatField,
}  # fmt: skip


def _literal(node: Literal) -> Typed:
    if node.kind == "null":
        return Typed(Value(None), "null")
    if node.kind == "geometry":
        raise BadQuery("a geometry stands in a geospatial function only")
    value = float(node.value) if node.kind == "number" else node.value  # type: ignore[arg-type]
    return Typed(Value(value, output_field=_FIELDS[node.kind]()), node.kind)


def _a(kind: str) -> str:
    return {"id": "a number", "json": "a json value", "null": "null", "instant": "an instant"}.get(
        kind, f"a {kind}"
    )
