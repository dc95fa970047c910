"""``$filter`` and ``$orderby`` expressions: text to a tree.  OGC 18-088, 9.3.3.5; OData 4.0 URL conventions, 5.1.1.

``parse`` reads one expression, ``text_of`` writes a tree as text that reads back as the same tree.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import TypeAlias

from fengsui.show.sta.odata.errors import BadQuery

MAX_CHARS = 8_000
MAX_DEPTH = 60
MAX_NODES = 500

# name → (fewest, most arguments)
FUNCTIONS = {
    "substringof": (2, 2), "contains": (2, 2), "endswith": (2, 2), "startswith": (2, 2), "length": (1, 1),
    "indexof": (2, 2), "substring": (2, 3), "tolower": (1, 1), "toupper": (1, 1), "trim": (1, 1), "concat": (2, 2),
    "year": (1, 1), "month": (1, 1), "day": (1, 1), "hour": (1, 1), "minute": (1, 1), "second": (1, 1),
    "fractionalseconds": (1, 1), "date": (1, 1), "time": (1, 1), "totaloffsetminutes": (1, 1), "now": (0, 0),
    "mindatetime": (0, 0), "maxdatetime": (0, 0), "round": (1, 1), "floor": (1, 1), "ceiling": (1, 1),
    "geo.distance": (2, 2), "geo.length": (1, 1), "geo.intersects": (2, 2), "st_equals": (2, 2),
    "st_disjoint": (2, 2), "st_touches": (2, 2), "st_within": (2, 2), "st_overlaps": (2, 2), "st_crosses": (2, 2),
    "st_intersects": (2, 2), "st_contains": (2, 2), "st_relate": (3, 3),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Literal:
    """``kind`` is null, bool, number, string, instant, date, time, duration or geometry.

    ``value``: None, bool, int or float, str, aware datetime, date, time, timedelta, and WKT.
    """

    kind: str
    value: object


@dataclass(frozen=True, slots=True)
class Path:
    """``Datastream/Thing/name`` as its segments."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.parts)


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """``op`` is "not" or "-"."""

    op: str
    of: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """``op`` is or, and, eq, ne, gt, ge, lt, le, add, sub, mul, div or mod."""

    op: str
    left: "Node"
    right: "Node"


Node: TypeAlias = Literal | Path | Call | Unary | Binary

LEVELS = (("or",), ("and",), ("eq", "ne"), ("gt", "ge", "lt", "le"), ("add", "sub"), ("mul", "div", "mod"))
COMPARISONS = frozenset((*LEVELS[2], *LEVELS[3]))
ARITHMETIC = frozenset((*LEVELS[4], *LEVELS[5]))

_OFFSET = r"(?:Z|z|[+\- ]\d\d:?\d\d)"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<geometry>(?:geography|geometry)'(?:[^']|'')*')
  | (?P<duration>duration'[^']*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<instant>\d{{4}}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?{_OFFSET})
  | (?P<date>\d{{4}}-\d\d-\d\d)
  | (?P<time>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>geo\.\w+|@iot\.\w+|[^\W\d][\w\-]*(?::[\w\-]+)*)
  | (?P<mark>[(),/\-\[\]])
    )""",
    re.VERBOSE,
)
_DURATION = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_WKT = re.compile(
    r"\s*(?:SRID=4326;)?\s*(?P<wkt>(?:POINT|LINESTRING|POLYGON|MULTIPOINT|MULTILINESTRING|MULTIPOLYGON|"
    r"GEOMETRYCOLLECTION)\s*Z?\s*(?:\([-+0-9eE.,\sA-Za-z()]*\)|EMPTY))\s*",
    re.IGNORECASE,
)


def parse(text: str) -> Node:
    """The tree of an expression.  Raises BadQuery."""
    reader = _Reader(text)
    node = reader.level(0, 0)
    if reader.kind != "end":
        raise reader.wrong("an operator or the end was expected")
    return node


def parse_order(text: str) -> tuple[tuple[Node, bool], ...]:
    """``$orderby``: expressions, and whether each falls.  Raises BadQuery."""
    reader = _Reader(text)
    out = []
    while True:
        node = reader.level(0, 0)
        falls = False
        if reader.kind == "name" and reader.word.lower() in ("asc", "desc"):
            falls = reader.word.lower() == "desc"
            reader.step()
        out.append((node, falls))
        if reader.kind == "mark" and reader.word == ",":
            reader.step()
            continue
        if reader.kind != "end":
            raise reader.wrong("asc, desc, a comma or the end was expected")
        return tuple(out)


def text_of(node: Node) -> str:
    """The tree as text; ``parse(text_of(node)) == node``."""
    match node:
        case Literal(kind, value):
            return _literal_text(kind, value)
        case Path():
            return str(node)
        case Call(name, args):
            return f"{name}({','.join(map(text_of, args))})"
        case Unary("-", of):
            return f"-({text_of(of)})"
        case Unary(op, of):
            return f"{op} ({text_of(of)})"
        case Binary(op, left, right):
            return f"({text_of(left)}) {op} ({text_of(right)})"
    raise AssertionError(node)


def paths(node: Node) -> list[Path]:
    """Every path in the tree, in order."""
    match node:
        case Path():
            return [node]
        case Call(_, args):
            return [path for arg in args for path in paths(arg)]
        case Unary(_, of):
            return paths(of)
        case Binary(_, left, right):
            return paths(left) + paths(right)
    return []


def terms(node: Node) -> list[Node]:
    """The parts of a conjunction: all of them must hold."""
    if isinstance(node, Binary) and node.op == "and":
        return terms(node.left) + terms(node.right)
    return [node]


class _Reader:
    """Precedence climbing over tokens."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARS:
            raise BadQuery(f"the expression is longer than {MAX_CHARS} characters")
        self.text, self.at, self.nodes = text, 0, 0
        self.kind = self.word = ""
        self.start = 0
        self.step()

    def step(self) -> None:
        if not self.text[self.at :].strip():
            self.kind, self.word, self.start = "end", "", len(self.text)
            self.at = len(self.text)
            return
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            self.start = self.at
            raise self.wrong("this cannot be read")
        self.kind = str(found.lastgroup)
        self.word, self.start, self.at = found[self.kind], found.start(self.kind), found.end()

    def wrong(self, why: str) -> BadQuery:
        near = self.text[self.start : self.start + 30] or "the end"
        return BadQuery(f"{why}, at character {self.start + 1}: {near}")

    def made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise BadQuery(f"the expression has more than {MAX_NODES} parts")
        return node

    def level(self, which: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise BadQuery(f"the expression is nested more than {MAX_DEPTH} deep")
        if which == len(LEVELS):
            return self.unary(depth)
        left = self.level(which + 1, depth)
        while self.kind == "name" and self.word in LEVELS[which]:
            op = self.word
            self.step()
            left = self.made(Binary(op, left, self.level(which + 1, depth)))
        return left

    def unary(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise BadQuery(f"the expression is nested more than {MAX_DEPTH} deep")
        if self.kind == "name" and self.word == "not":
            self.step()
            return self.made(Unary("not", self.unary(depth + 1)))
        if self.kind == "mark" and self.word == "-":
            self.step()
            of = self.unary(depth + 1)
            if isinstance(of, Literal) and of.kind == "number" and of.value >= 0:  # type: ignore[operator]
                return self.made(Literal("number", -of.value))  # type: ignore[operator]
            return self.made(Unary("-", of))
        return self.primary(depth + 1)

    def primary(self, depth: int) -> Node:
        kind, said = self.kind, self.word
        if kind == "mark" and said == "(":
            self.step()
            node = self.level(0, depth)
            self.expect(")")
            return node
        if kind == "name":
            return self.named(depth)
        if kind in ("end", "mark"):
            raise self.wrong("a value, a property or a function was expected")
        node = self.literal(kind, said)
        self.step()
        return self.made(node)

    def named(self, depth: int) -> Node:
        name = self.word
        self.step()
        if self.kind == "mark" and self.word == "(":
            if name not in FUNCTIONS:
                raise BadQuery(f"there is no function {name}")
            return self.made(Call(name, self.arguments(name, depth)))
        if name in ("true", "false"):
            return self.made(Literal("bool", name == "true"))
        if name == "null":
            return self.made(Literal("null", None))
        parts = [name]
        while self.kind == "mark" and self.word == "/":
            self.step()
            if self.kind not in ("name", "number"):
                raise self.wrong("the name of a property was expected")
            parts.append(self.word)
            self.step()
        if (
            self.kind == "mark" and self.word == "["
        ):  # result[0], as other servers write an element of an array
            self.step()
            if self.kind != "number" or not self.word.isdigit():
                raise self.wrong("the place of an element was expected, from 0")
            parts.append(self.word)
            self.step()
            self.expect("]")
        return self.made(Path(tuple(parts)))

    def arguments(self, name: str, depth: int) -> tuple[Node, ...]:
        self.step()
        args: list[Node] = []
        if not (self.kind == "mark" and self.word == ")"):
            args.append(self.level(0, depth + 1))
            while self.kind == "mark" and self.word == ",":
                self.step()
                args.append(self.level(0, depth + 1))
        self.expect(")")
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(args) <= most:
            count = str(fewest) if fewest == most else f"{fewest} or {most}"
            raise BadQuery(f"{name} takes {count} arguments, not {len(args)}")
        return tuple(args)

    def expect(self, mark: str) -> None:
        if not (self.kind == "mark" and self.word == mark):
            raise self.wrong(f"{mark} was expected")
        self.step()

    def literal(self, kind: str, token: str) -> Literal:
        try:
            return literal_of(kind, token)
        except (ValueError, OverflowError):
            raise self.wrong(f"this is no {kind}") from None


def literal_of(kind: str, token: str) -> Literal:
    """The value of a token.  Raises ValueError, OverflowError."""
    if kind == "number":
        if re.fullmatch(r"\d{1,19}", token) and int(token) < 1 << 63:
            return Literal("number", int(token))
        value = float(token)
        if value in (float("inf"), float("-inf")):
            raise ValueError(token)
        return Literal("number", value)
    if kind == "string":
        text = token[1:-1].replace("''", "'")
        if "\0" in text:
            raise ValueError("a zero character")
        return Literal("string", text)
    if kind == "instant":
        return Literal("instant", instant(token))
    if kind == "date":
        return Literal("date", dt.date.fromisoformat(token))
    if kind == "time":
        return Literal("time", dt.time.fromisoformat(token))
    if kind == "duration":
        return Literal("duration", duration(token[len("duration'") : -1]))
    found = _WKT.fullmatch(token[token.index("'") + 1 : -1])
    if kind != "geometry" or found is None:
        raise ValueError(token)
    return Literal("geometry", found["wkt"])


def instant(text: str) -> dt.datetime:
    """An ISO 8601 instant with its offset; a blank for the "+" that an address lost.  Raises ValueError."""
    at = dt.datetime.fromisoformat(text.strip().replace(" ", "+").replace(",", ".").upper())
    if at.tzinfo is None:
        raise ValueError("an instant needs its offset")
    return at.astimezone(dt.UTC)


def duration(text: str) -> dt.timedelta:
    """An ISO 8601 duration of days, hours, minutes and seconds.  Raises ValueError, OverflowError."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()[1:]):
        raise ValueError(text)
    sign, days, hours, minutes, seconds = found.groups()
    span = dt.timedelta(
        days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
    )
    return -span if sign else span


def _literal_text(kind: str, value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str() if kind == "geometry":
            return f"geography'{value}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            sign = "-" if value < dt.timedelta(0) else ""
            seconds, micro = divmod(abs(value) // dt.timedelta(microseconds=1), 1_000_000)
            return f"duration'{sign}PT{seconds}.{micro:06d}S'"
        case float():
            return repr(value).replace("e+", "e")
    return str(value)
