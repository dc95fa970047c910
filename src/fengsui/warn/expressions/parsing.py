"""Text to tree: an own small reader.  Nothing of it is ever handed to Python.

    expression = both { "or" both }            both   = refused { "and" refused }
    refused    = "not" refused | timed         timed  = compare { "for" span }
    compare    = sum [ ("<" | "<=" | ">" | ">=" | "=" | "!=") sum [ "deadband" sum ] ] | name "is" ("on" | "off")
    sum        = product { ("+" | "-") product }        product = sign { ("*" | "/") sign }
    sign       = "-" sign | "true" | "false" | number [ unit ] | name | function "(" … ")" | "(" expression ")"

A length, a depth and a number of parts bound what an expression may cost; see ``docs/scenarios.md``.
"""

import math
import re

from fengsui.base import units
from fengsui.warn.expressions.errors import BadExpression
from fengsui.warn.expressions.nodes import (
    COMPARISONS,
    WINDOWS,
    Absolute,
    Age,
    AlarmOf,
    Arithmetic,
    Both,
    Compare,
    DayOfWeek,
    Either,
    For,
    IsOn,
    Name,
    Negative,
    Node,
    Not,
    Number,
    Pick,
    Sector,
    Silent,
    Span,
    TimeOfDay,
    Truth,
    Vote,
    Window,
)  # fmt: skip
from fengsui.warn.rules.durations import BadDuration, parse_ms
from fengsui.warn.rules.kind import MAX_MS, gettext_noop

MAX_LENGTH = 2000  # characters
MAX_DEPTH = 12
MAX_ITEMS = 16  # of one "and", "or", at_least, highest
MAX_SUM = 8  # of one sum or product
KEYWORDS = frozenset(("and", "or", "not", "for", "deadband", "is", "on", "off", "true", "false"))
FUNCTIONS = (
    *WINDOWS,
    "age",
    "silent",
    "alarm",
    "time",
    "day",
    "at_least",
    "highest",
    "lowest",
    "abs",
    "sector",
)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALARMS = ("hh", "h", "l", "ll", "rate", "frozen")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|d|h|m|s))+")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_PER = re.compile(r"/(s|min|h|d)(?![\w])")
_UNITS = sorted((code for code in units.UNITS if not code[0].isdigit()), key=len, reverse=True)


def parse(text: str) -> Node:
    """The tree of an expression.  Raises BadExpression with the column and what to do."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(
            MAX_LENGTH + 1,
            gettext_noop("an expression has at most %(most)s characters"),
            {"most": MAX_LENGTH},
        )
    if not text.strip():
        raise BadExpression(1, gettext_noop("there is no expression; write one such as level > 8.5 m"))
    reader = _Reader(text)
    found = reader.expression()
    reader.blanks()
    if reader.at < len(text):
        raise reader.bad(gettext_noop("“%(found)s” is too much here; put and, or, or an operator before it"))
    return found


def parse_quantity(text: str) -> Number:
    """A parameter such as ``8.5 m``, ``-3 °C/min`` or ``2``.  Raises BadExpression."""
    reader = _Reader(text)
    negative = reader.take("-")
    found = reader.number()
    reader.blanks()
    if reader.at < len(text):
        raise reader.bad(gettext_noop("“%(found)s” is no unit; docs/units.md lists those that are"))
    return Number(0, len(text), -found.value if negative else found.value, found.unit, found.per)


class _Reader:
    """Reads from ``at`` on."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    # ---- logic ----------------------------------------------------------------------------------------------------

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.bad(gettext_noop("brackets are nested deeper than %(most)s"), most=MAX_DEPTH)
        items = [self.both()]
        while self.word("or"):
            items.append(self.both())
        self.depth -= 1
        self.count(items)
        return items[0] if len(items) == 1 else Either(items[0].at, items[-1].end, tuple(items))

    def both(self) -> Node:
        items = [self.refused()]
        while self.word("and"):
            items.append(self.refused())
        self.count(items)
        return items[0] if len(items) == 1 else Both(items[0].at, items[-1].end, tuple(items))

    def refused(self) -> Node:
        self.blanks()
        at = self.at
        if self.word("not"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.bad(gettext_noop("brackets are nested deeper than %(most)s"), most=MAX_DEPTH)
            inner = self.refused()
            self.depth -= 1
            return Not(at, inner.end, inner)
        return self.timed()

    def timed(self) -> Node:
        found = self.compare()
        if self.word("for"):
            span = self.span()
            return For(found.at, self.at, found, span)
        return found

    def compare(self) -> Node:
        left = self.sum()
        self.blanks()
        if isinstance(left, Name) and self.word("is"):
            for word, on in (("on", True), ("off", False)):
                if self.word(word):
                    return IsOn(left.at, self.at, left.name, on)
            raise self.bad(gettext_noop("after “is” comes on or off"))
        op = self.operator()
        if not op:
            return left
        right = self.sum()
        deadband = None
        if self.word("deadband"):
            deadband = self.sum()
        if self.peek_operator():
            raise self.bad(gettext_noop("compare two things at a time: write a < b and b < c"))
        return Compare(left.at, (deadband or right).end, op, left, right, deadband)

    # ---- arithmetic -----------------------------------------------------------------------------------------------

    def sum(self) -> Node:
        found, parts = self.product(), 1
        while op := self.take("+", "-"):
            right = self.product()
            found, parts = Arithmetic(found.at, right.end, op, found, right), parts + 1
            self.count(range(parts), MAX_SUM)
        return found

    def product(self) -> Node:
        found, parts = self.sign(), 1
        while op := self.take("*", "/"):
            right = self.sign()
            found, parts = Arithmetic(found.at, right.end, op, found, right), parts + 1
            self.count(range(parts), MAX_SUM)
        return found

    def sign(self) -> Node:
        self.blanks()
        at = self.at
        if self.take("-"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self.bad(gettext_noop("brackets are nested deeper than %(most)s"), most=MAX_DEPTH)
            inner = self.sign()
            self.depth -= 1
            if isinstance(inner, Number):
                return Number(at, inner.end, -inner.value, inner.unit, inner.per)
            return Negative(at, inner.end, inner)
        if self.take("("):
            found = self.expression()
            self.close()
            return found
        if self.at < len(self.text) and self.text[self.at].isdigit():
            return self.number()
        return self.named()

    def number(self) -> Number:
        self.blanks()
        at = self.at
        found = _NUMBER.match(self.text, at)
        if found is None:
            raise self.bad(gettext_noop("“%(found)s” is not a number"))
        value = float(found.group())
        if not math.isfinite(value):
            raise self.bad(gettext_noop("“%(found)s” is not a number"))
        self.at = end = found.end()
        self.blanks()
        for code in _UNITS:
            if self.text.startswith(code, self.at) and not self._goes_on(self.at + len(code), code):
                self.at = end = self.at + len(code)
                per = _PER.match(self.text, self.at)
                if per:
                    self.at = end = per.end()
                return Number(at, end, value, code, per.group(1) if per else "")
        self.at = end
        return Number(at, end, value)

    def _goes_on(self, end: int, code: str) -> bool:
        return (
            code[-1].isalnum()
            and end < len(self.text)
            and (self.text[end].isalnum() or self.text[end] == "_")
        )

    # ---- names and functions --------------------------------------------------------------------------------------

    def named(self) -> Node:
        at = self.at
        word = self.peek_word()
        if not word or word in KEYWORDS - {"true", "false"}:
            raise self.bad(gettext_noop("here comes a name, a number or a bracket, not “%(found)s”"))
        self.at += len(word)
        if word in ("true", "false"):
            return Truth(at, self.at, word == "true")
        if not self.take("("):
            return Name(at, self.at, word)
        if word not in FUNCTIONS:
            self.at = at
            raise self.bad(
                gettext_noop("there is no function “%(found)s”; there are %(known)s"),
                known=", ".join(FUNCTIONS),
            )
        return self.function(word, at)

    def function(self, word: str, at: int) -> Node:
        if word in WINDOWS:
            name = self.name()
            self.comma()
            span = self.span()
            return Window(at, self.close(), word, name, span)
        if word == "age":
            name = self.name()
            return Age(at, self.close(), name)
        if word == "silent":
            name = self.name()
            self.comma()
            span = self.span()
            return Silent(at, self.close(), name, span)
        if word == "alarm":
            name = self.name()
            kinds = tuple(self.words(ALARMS))
            return AlarmOf(at, self.close(), name, kinds or ALARMS)
        if word == "time":
            begin = self.clock()
            self.comma()
            until = self.clock()
            if begin == until:
                raise self.bad(
                    gettext_noop("the two times are the same; leave the function away for the whole day")
                )
            return TimeOfDay(at, self.close(), begin, until)
        if word == "day":
            days = [self.one_of(DAYS), *self.words(DAYS)]
            return DayOfWeek(at, self.close(), sum({1 << DAYS.index(day) for day in days}))
        if word == "at_least":
            self.blanks()
            n = self.number()
            items = []
            while self.take(","):
                items.append(self.expression())
            self.count(items)
            if n.unit is not None or n.value != int(n.value) or not 1 <= n.value <= len(items):
                raise BadExpression(
                    n.at + 1,
                    gettext_noop("at_least needs a whole number from 1 to the number of conditions after it"),
                )
            return Vote(at, self.close(), int(n.value), tuple(items))
        if word == "abs":
            inner = self.sum()
            return Absolute(at, self.close(), inner)
        if word == "sector":
            inner = self.sum()
            self.comma()
            begin_at = self.sum()
            self.comma()
            until_at = self.sum()
            return Sector(at, self.close(), inner, begin_at, until_at)
        items = [self.sum()]
        while self.take(","):
            items.append(self.sum())
        self.count(items)
        return Pick(at, self.close(), word == "highest", tuple(items))

    def words(self, known: tuple[str, ...]) -> list[str]:
        found = []
        while self.take(","):
            found.append(self.one_of(known))
        return found

    def one_of(self, known: tuple[str, ...]) -> str:
        self.blanks()
        word = self.peek_word()
        if word not in known:
            raise self.bad(gettext_noop("“%(found)s” is none of %(known)s"), known=", ".join(known))
        self.at += len(word)
        return word

    def name(self) -> str:
        self.blanks()
        word = self.peek_word()
        if not word or word in KEYWORDS:
            raise self.bad(gettext_noop("here comes the name of a datastream, not “%(found)s”"))
        self.at += len(word)
        return word

    def span(self) -> Span:
        self.blanks()
        at = self.at
        found = _SPAN.match(self.text, at)
        if found is not None:
            self.at = found.end()
            try:
                ms = parse_ms(found.group())
            except BadDuration:  # the pattern is that of durations
                ms = 0
            if 0 < ms <= MAX_MS:
                return Span(at, ms)
            self.at = at
            raise self.bad(gettext_noop("a time is longer than 0 and at most 24 days"))
        word = self.peek_word()
        if word and word not in KEYWORDS:
            self.at += len(word)
            return Span(at, 0, word)
        raise self.bad(gettext_noop("here comes a time such as 30s, 10m or 1h30m, not “%(found)s”"))

    def clock(self) -> int:
        self.blanks()
        found = _CLOCK.match(self.text, self.at)
        hour, minute = (int(part) for part in found.groups()) if found else (99, 0)
        if found is None or minute > 59 or hour * 60 + minute > 24 * 60:
            raise self.bad(gettext_noop("here comes a time of day such as 22:00, not “%(found)s”"))
        self.at = found.end()
        return (hour * 60 + minute) % (24 * 60)

    # ---- the smallest parts ---------------------------------------------------------------------------------------

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, *signs: str) -> str:
        self.blanks()
        for sign in signs:
            if self.text.startswith(sign, self.at):
                self.at += len(sign)
                return sign
        return ""

    def peek_operator(self) -> str:
        self.blanks()
        for sign in ("<=", ">=", "!=", "==", "<", ">", "="):
            if self.text.startswith(sign, self.at):
                return sign
        return ""

    def operator(self) -> str:
        sign = self.peek_operator()
        self.at += len(sign)
        sign = "=" if sign == "==" else sign
        assert not sign or sign in COMPARISONS
        return sign

    def peek_word(self) -> str:
        end = self.at
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] == "_"):
            end += 1
        word = self.text[self.at : end]
        return "" if word[:1].isdigit() else word

    def word(self, wanted: str) -> bool:
        self.blanks()
        if self.peek_word() != wanted:
            return False
        self.at += len(wanted)
        return True

    def comma(self) -> None:
        if not self.take(","):
            raise self.bad(gettext_noop("a comma is missing before “%(found)s”"))

    def close(self) -> int:
        if not self.take(")"):
            raise self.bad(gettext_noop("a closing bracket is missing before “%(found)s”"))
        return self.at

    def count(self, items: "list[Node] | range", most: int = MAX_ITEMS) -> None:
        if len(items) > most:
            raise self.bad(gettext_noop("at most %(most)s parts are joined here; use brackets"), most=most)

    def bad(self, text: str, **values: object) -> BadExpression:
        self.blanks()
        found = self.peek_word() or self.text[self.at : self.at + 1] or "…"
        return BadExpression(self.at + 1, text, {"found": found[:40], **values})
