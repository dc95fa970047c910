"""An expression in words, for people who do not read expressions; message ids, translated where they are shown."""

from collections.abc import Callable, Mapping
from typing import Any

from fengsui.warn.expressions import nodes as n
from fengsui.warn.rules import durations
from fengsui.warn.rules.kind import gettext_noop

Say = Callable[[str], str]  # translates a message id

OPS = {
    "<": gettext_noop("%(left)s is below %(right)s"),
    "<=": gettext_noop("%(left)s is at or below %(right)s"),
    ">": gettext_noop("%(left)s is above %(right)s"),
    ">=": gettext_noop("%(left)s is at or above %(right)s"),
    "=": gettext_noop("%(left)s is %(right)s"),
    "!=": gettext_noop("%(left)s is not %(right)s"),
}
WINDOWS = {
    "min": gettext_noop("the lowest of %(name)s in %(span)s"),
    "max": gettext_noop("the highest of %(name)s in %(span)s"),
    "mean": gettext_noop("the mean of %(name)s over %(span)s"),
    "sum": gettext_noop("the sum of %(name)s over %(span)s"),
    "count": gettext_noop("the number of readings of %(name)s in %(span)s"),
    "delta": gettext_noop("the change of %(name)s over %(span)s"),
    "rate": gettext_noop("the rate of %(name)s over %(span)s"),
}
DAYS = (
    gettext_noop("Monday"), gettext_noop("Tuesday"), gettext_noop("Wednesday"), gettext_noop("Thursday"),
    gettext_noop("Friday"), gettext_noop("Saturday"), gettext_noop("Sunday"),
)  # fmt: skip
AND, OR = gettext_noop("%(a)s and %(b)s"), gettext_noop("%(a)s or %(b)s")
NOT = gettext_noop("it is not so that %(a)s")
FOR = gettext_noop("for %(span)s without a break %(a)s")
VOTE = gettext_noop("at least %(n)s of these: %(all)s")
BACK = gettext_noop("%(a)s (until it is back by %(deadband)s)")
ON, OFF = gettext_noop("%(name)s is on"), gettext_noop("%(name)s is off")
SILENT = gettext_noop("nothing was heard of %(name)s for %(span)s")
AGE = gettext_noop("the seconds since %(name)s was last measured well")
ALARM = gettext_noop("an alarm of %(name)s is active (%(kinds)s)")
TIME = gettext_noop("it is between %(begin)s and %(until)s o'clock")
DAY = gettext_noop("it is %(days)s")
SECTOR = gettext_noop("%(a)s lies between %(begin)s and %(until)s clockwise")
HIGHEST, LOWEST = gettext_noop("the highest of %(all)s"), gettext_noop("the lowest of %(all)s")
ABSOLUTE = gettext_noop("the size of %(a)s")
TRUE, FALSE = gettext_noop("always"), gettext_noop("never")


def explain(
    node: n.Node,
    say: Say,
    labels: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> str:
    """The expression as one sentence, without a full stop.

    ``say`` translates; ``labels`` maps names of datastreams to what people call them, ``parameters`` names to values.
    """
    return _Words(say, labels or {}, parameters or {}).of(node)


class _Words:
    def __init__(self, say: Say, labels: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        self._say, self._labels, self._parameters = say, labels, parameters

    def of(self, node: n.Node, inside: bool = False) -> str:
        """``inside``: among others, so that what is joined needs brackets."""
        text = self._of(node)
        return f"({text})" if inside and isinstance(node, n.Both | n.Either | n.Vote | n.For) else text

    def _of(self, node: n.Node) -> str:
        if isinstance(node, n.Both | n.Either):
            joined = AND if isinstance(node, n.Both) else OR
            text = self.of(node.items[0], True)
            for item in node.items[1:]:
                text = self.put(joined, a=text, b=self.of(item, True))
            return text
        if isinstance(node, n.Vote):
            return self.put(VOTE, n=node.n, all="; ".join(self.of(item) for item in node.items))
        if isinstance(node, n.Not):
            return self.put(NOT, a=self.of(node.inner, True))
        if isinstance(node, n.For):
            return self.put(FOR, a=self.of(node.inner, True), span=self.span(node.span))
        if isinstance(node, n.Compare):
            text = self.put(OPS[node.op], left=self.of(node.left), right=self.of(node.right))
            return text if node.deadband is None else self.put(BACK, a=text, deadband=self.of(node.deadband))
        if isinstance(node, n.IsOn):
            return self.put(ON if node.on else OFF, name=self.label(node.name))
        if isinstance(node, n.Silent):
            return self.put(SILENT, name=self.label(node.name), span=self.span(node.span))
        if isinstance(node, n.AlarmOf):
            return self.put(ALARM, name=self.label(node.name), kinds=", ".join(node.kinds))
        if isinstance(node, n.TimeOfDay):
            return self.put(TIME, begin=_clock(node.begin), until=_clock(node.until))
        if isinstance(node, n.DayOfWeek):
            days = [self._say(day) for bit, day in enumerate(DAYS) if node.mask >> bit & 1]
            return self.put(DAY, days=", ".join(days))
        if isinstance(node, n.Sector):
            return self.put(
                SECTOR, a=self.of(node.inner), begin=self.of(node.begin), until=self.of(node.until)
            )
        if isinstance(node, n.Truth):
            return self._say(TRUE if node.value else FALSE)
        return self._number(node)

    def _number(self, node: n.Node) -> str:
        if isinstance(node, n.Number):
            unit = (node.unit or "") + (f"/{node.per}" if node.per else "")
            return f"{node.value:g} {unit}".strip()
        if isinstance(node, n.Name):
            return self._parameters.get(node.name) or self.label(node.name)
        if isinstance(node, n.Window):
            return self.put(WINDOWS[node.function], name=self.label(node.name), span=self.span(node.span))
        if isinstance(node, n.Age):
            return self.put(AGE, name=self.label(node.name))
        if isinstance(node, n.Pick):
            return self.put(
                HIGHEST if node.highest else LOWEST, all=", ".join(self.of(i) for i in node.items)
            )
        if isinstance(node, n.Absolute):
            return self.put(ABSOLUTE, a=self.of(node.inner))
        if isinstance(node, n.Negative):
            return f"−{self.of(node.inner)}"
        if isinstance(node, n.Arithmetic):
            left, right = (
                f"({self.of(part)})" if isinstance(part, n.Arithmetic) and part.op in "+-" and node.op in "*/"
                else self.of(part) for part in (node.left, node.right)
            )  # fmt: skip
            return f"{left} {dict(zip('+-*/', '+−×÷', strict=True))[node.op]} {right}"
        raise AssertionError(node)

    def label(self, name: str) -> str:
        """What people call a datastream."""
        return self._labels.get(name) or name

    def span(self, span: n.Span) -> str:
        """A length of time; of a parameter its value."""
        return durations.words(span.ms) if not span.name else self._parameters.get(span.name, span.name)

    def put(self, text: str, **values: Any) -> str:
        return self._say(text) % values


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
