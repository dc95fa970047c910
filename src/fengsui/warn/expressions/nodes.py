"""An expression as read: a tree, each node with the span of text it came from (``at`` and ``end``, counted from 0)."""

from dataclasses import dataclass

WINDOWS = ("min", "max", "mean", "sum", "count", "delta", "rate")
COMPARISONS = ("<", "<=", ">", ">=", "=", "!=")


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression."""

    at: int
    end: int


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number as written; ``unit`` as written, None for a bare one; ``per`` is s, min, h or d of a rate, or empty."""

    value: float
    unit: str | None = None
    per: str = ""


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A datastream or a parameter."""

    name: str


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as written in ms, or the name of a parameter that has one."""

    at: int
    ms: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """``- x``."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """``left op right`` with + - * /."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``left op right``; with a ``deadband`` it stays true until the left side is back by more than that."""

    op: str
    left: Node
    right: Node
    deadband: Node | None = None


@dataclass(frozen=True, slots=True)
class IsOn(Node):
    """``x is on``, ``x is off``: a state that is sent as 1 or 0."""

    name: str
    on: bool


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``not x``."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Both(Node):
    """``a and b and …``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either(Node):
    """``a or b or …``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Vote(Node):
    """``at_least(n, a, b, …)``: n of them are true."""

    n: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class For(Node):
    """``x for 30s``: true at every evaluation for so long."""

    inner: Node
    span: Span


@dataclass(frozen=True, slots=True)
class Window(Node):
    """``max(x, 10m)`` and its like, over good readings."""

    function: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Age(Node):
    """``age(x)``: seconds since its last good reading."""

    name: str


@dataclass(frozen=True, slots=True)
class Silent(Node):
    """``silent(x, 10m)``: no reading, good or bad, for so long."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class AlarmOf(Node):
    """``alarm(x)``, ``alarm(x, hh, h)``: an alarm of an ordinary rule of the datastream is active."""

    name: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimeOfDay(Node):
    """``time(22:00, 06:00)``: minutes of the local day, the end not included; past midnight it goes on."""

    begin: int
    until: int


@dataclass(frozen=True, slots=True)
class DayOfWeek(Node):
    """``day(sat, sun)``: bit 0 is Monday."""

    mask: int


@dataclass(frozen=True, slots=True)
class Pick(Node):
    """``highest(a, b, …)``, ``lowest(a, b, …)``: of those that are known now."""

    highest: bool
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Absolute(Node):
    """``abs(x)``."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Sector(Node):
    """``sector(x, 200 °, 290 °)``: a direction between two, clockwise."""

    inner: Node
    begin: Node
    until: Node
