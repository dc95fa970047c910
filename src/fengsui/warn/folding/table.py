"""The rules of folding, as data: which alarm of an asset is explained by which alarm of another, and when.

The shipped table is a beginning from engineering judgement: no standard gives these numbers.  ISA-18.2 / IEC 62682 and
EEMUA 191 ask for suppression by design to be written down, which this table is; a bureau replaces it as a whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from fengsui.base.errors import BadInput
from fengsui.base.relations import DOWNWARDS, NEIGHBOUR, RELATIONS
from fengsui.warn.folding.topology import SAME

SIGNAL = frozenset(
    ("silent", "frozen", "truth")
)  # no value was seen, or none that is believed: nothing is hidden
MEASURED = frozenset(("hh", "h", "l", "ll", "rate", "detector", "scenario"))
KINDS = SIGNAL | MEASURED
MOST_MS = 86_400_000
MOST_HOPS = 12
MOST_RULES = 100


class BadFolding(BadInput):
    """A table of folding rules that cannot be put in force; ``problems`` names every one."""

    code = "warn.bad_folding"

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class FoldRule:
    """An alarm of a kind in ``effects`` is explained by one of a kind in ``causes`` on an asset upstream.

    The way from the cause begins with ``relation`` and goes on by any of ``through``.  The effect may be raised up to
    ``before_ms`` before its cause and ``after_ms`` after it, and may stand ``linger_ms`` longer.  ``alike``: only
    between alarms of one kind and one observed property.  ``cause_properties``: what the cause is measured on; empty is
    anything.  The order of the table is the order of preference.
    """

    code: str
    relation: str
    causes: frozenset[str]
    effects: frozenset[str]
    through: frozenset[str] = frozenset()
    cause_properties: frozenset[str] = frozenset()
    before_ms: int = 0
    after_ms: int = 0
    linger_ms: int = 0
    most_hops: int = 1
    alike: bool = False

    def as_row(self) -> dict[str, Any]:
        """The rule as JSON and CSV hold it: sets as sorted words."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: " ".join(sorted(v)) if isinstance(v, frozenset) else v for name, v in row.items()}


def _rule(code: str, relation: str, causes: str, effects: str, **more: Any) -> FoldRule:
    sets: dict[str, Any] = {
        name: frozenset(more.pop(name, "").split()) for name in ("through", "cause_properties")
    }
    return FoldRule(code, relation, frozenset(causes.split()), frozenset(effects.split()), **sets, **more)


_MINUTE = 60_000
_LOST = {"before_ms": 10 * _MINUTE, "after_ms": 30 * _MINUTE, "linger_ms": 10 * _MINUTE}
_ALIKE = {"alike": True, "before_ms": _MINUTE, "after_ms": 5 * _MINUTE, "linger_ms": 10 * _MINUTE}
DEFAULTS = (
    _rule("link", "carries", "silent", "silent frozen", through="carries contains", most_hops=6, **_LOST),
    _rule(
        "link-state", "carries", "l ll", "silent frozen", through="carries contains", most_hops=6,
        cause_properties="online link_state", **_LOST,
    ),
    _rule(
        "power", "feeds", "l ll", "silent frozen", through="feeds carries contains", most_hops=6,
        cause_properties="voltage power mains_state", **_LOST,
    ),
    _rule("power-silent", "feeds", "silent", "silent frozen", through="feeds carries contains", most_hops=6, **_LOST),
    _rule("unit-silent", "contains", "silent", "silent frozen", through="contains", most_hops=4, **_LOST),
    _rule("unit", "contains", "h l rate detector", "h l rate detector", through="contains", most_hops=4, **_ALIKE),
    _rule("line", "connects", "h l rate detector", "h l rate detector", through="connects", most_hops=3, **_ALIKE),
    _rule("neighbour", NEIGHBOUR, "h l rate detector", "h l rate detector", **_ALIKE),
    _rule("same-asset", SAME, "silent", "silent frozen", **_LOST),
)  # fmt: skip


def read_table(rows: Iterable[Mapping[str, Any]]) -> tuple[FoldRule, ...]:
    """Rules from rows of words and numbers, as ``as_row`` gives them.  Raises BadFolding with every problem."""
    problems: list[str] = []
    found: list[FoldRule] = []
    for number, row in enumerate(rows, 1):
        rule = _read(row, f"row {number}", problems)
        if rule is not None:
            found.append(rule)
    codes = [rule.code for rule in found]
    problems += [
        f"{code} stands twice: give each rule a code of its own"
        for code in sorted({c for c in codes if codes.count(c) > 1})
    ]
    if len(found) > MOST_RULES:
        problems.append(f"{len(found)} rules: at most {MOST_RULES}")
    if problems:
        raise BadFolding(problems)
    return tuple(found)


def _read(row: Mapping[str, Any], where: str, problems: list[str]) -> FoldRule | None:
    before = len(problems)
    names = {f.name for f in fields(FoldRule)}
    for name in sorted(set(map(str, row)) - names):
        problems.append(f"{where}: no such column {name}; there are {', '.join(sorted(names))}")
    code = str(row.get("code") or "").strip()
    where = f"{where} ({code})" if code else where
    if not code or len(code) > 40:
        problems.append(f"{where}: code is 1 to 40 characters")
    relation = str(row.get("relation") or "").strip()
    if relation not in (*RELATIONS, SAME):
        problems.append(f"{where}: relation {relation!r} is none of {', '.join((*RELATIONS, SAME))}")
    causes, effects = (_words(row, name, KINDS, where, problems, True) for name in ("causes", "effects"))
    through = _words(row, "through", frozenset(DOWNWARDS), where, problems)
    numbers = {
        name: _whole(row, name, most, least, where, problems)
        for name, most, least in (
            ("before_ms", MOST_MS, 0), ("after_ms", MOST_MS, 0), ("linger_ms", MOST_MS, 0), ("most_hops", MOST_HOPS, 1),
        )
    }  # fmt: skip
    alike = str(row.get("alike") or "false").strip().lower()
    if alike not in ("true", "false", "1", "0", "yes", "no"):
        problems.append(f"{where}: alike is true or false")
    is_alike = alike in ("true", "1", "yes")
    if through and relation not in DOWNWARDS:
        problems.append(f"{where}: a {relation} rule goes no further; leave through empty")
    if not is_alike and effects - SIGNAL:
        problems.append(
            f"{where}: {' '.join(sorted(effects - SIGNAL))} is something measured, which only an alarm of the same "
            "kind and property explains: set alike, or keep effects to frozen, silent and truth"
        )
    if len(problems) > before:
        return None
    properties = frozenset(str(row.get("cause_properties") or "").split())
    return FoldRule(code, relation, causes, effects, through, properties, **numbers, alike=is_alike)


def _words(
    row: Mapping[str, Any],
    name: str,
    known: frozenset[str],
    where: str,
    problems: list[str],
    needed: bool = False,
) -> frozenset[str]:
    found = frozenset(str(row.get(name) or "").split())
    if needed and not found:
        problems.append(f"{where}: {name} is empty")
    for word in sorted(found - known):
        problems.append(f"{where}: {name} has {word}, which is none of {', '.join(sorted(known))}")
    return found & known


def _whole(row: Mapping[str, Any], name: str, most: int, least: int, where: str, problems: list[str]) -> int:
    given = row.get(name)
    text = str(least if given in (None, "") else given)
    if not text.isdecimal() or not least <= int(text) <= most:
        problems.append(f"{where}: {name} is a whole number from {least} to {most}")
        return least
    return int(text)
