"""Which alarm is folded into which: a function of the set of episodes and the time, so no order of arrival matters.

First each episode looks for the nearest one that explains it (``cause``); then causes are followed to the alarm that
nothing explains, its ``parent``.  Every step keeps priority and nature, so the whole way does.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fengsui.base.relations import NEIGHBOUR
from fengsui.warn.folding.table import MEASURED, FoldRule
from fengsui.warn.folding.topology import EACH_SUFFICES, SAME, Topology


class Episode(NamedTuple):
    """What folding needs to know of an alarm.  Times in ms UTC; ``cleared_ms`` None while it is active.

    ``path`` is its organisation: it is only folded into an alarm at or below it, so whoever may see it sees its parent.
    ``is_quiet``: shelved or out of service.  Nobody is told of it, so it explains silence only, nothing measured.
    """

    key: str
    asset: int
    kind: str
    property: str
    priority: int  # 1 is the highest
    raised_ms: int
    cleared_ms: int | None = None
    path: str = "/"
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """``parent``: the alarm shown instead.  ``cause``: what explains this one, nearer to it, by which ``rule``."""

    parent: str
    cause: str
    rule: str
    hops: int
    lag_ms: int  # raised so long after its cause; negative when before it


def fold(
    episodes: Iterable[Episode], topology: Topology, rules: Sequence[FoldRule], now_ms: int
) -> dict[str, Fold]:
    """Episode key → where it is folded; the keys that are missing stand for themselves."""
    search = _Search(episodes, topology, rules, now_ms)
    causes = {e.key: found for e in search.episodes if (found := search.cause_of(e)) is not None}
    roots = _roots(causes, search.by_key)
    return {
        key: Fold(roots[key], cause.key, rule.code, hops, search.by_key[key].raised_ms - cause.raised_ms)
        for key, (rule, hops, cause) in causes.items()
        if roots[key] != key
    }


_Order = tuple[int, int, str]
_Found = tuple[int, _Order, Episode]  # hops, order of the cause, the cause


def _order(e: Episode) -> _Order:
    return e.priority, e.raised_ms, e.key


class _Search:
    def __init__(
        self, episodes: Iterable[Episode], topology: Topology, rules: Sequence[FoldRule], now_ms: int
    ) -> None:
        self.by_key = {e.key: e for e in episodes}
        self.episodes = sorted(self.by_key.values(), key=_order)
        self._topology, self._now_ms = topology, now_ms
        self._at: dict[tuple[int, str], list[Episode]] = defaultdict(list)  # asset, kind → by order
        for e in self.episodes:
            self._at[e.asset, e.kind].append(e)
        self._rules: dict[str, list[FoldRule]] = defaultdict(list)
        for rule in rules:
            for kind in rule.effects:
                self._rules[kind].append(rule)
        self._known: dict[tuple[object, ...], _Found | None] = {}

    def cause_of(self, e: Episode) -> tuple[FoldRule, int, Episode] | None:
        """The nearest cause by the first rule that has one."""
        if e.asset not in self._topology:
            return None
        for rule in self._rules.get(e.kind, ()):
            if rule.relation == SAME:
                found = self._pick(rule, e, e.asset, 0, strict=True)
            elif rule.relation == NEIGHBOUR:
                beside = self._topology.above(NEIGHBOUR, e.asset)
                found = _best(self._pick(rule, e, asset, 1, strict=True) for asset in beside)
            else:
                # siblings ask the same: same asset, same times, same priority
                what = rule.code, e.asset, e.priority, e.raised_ms, e.cleared_ms, e.path
                about = (*what, e.kind, e.property) if rule.alike else what
                if about not in self._known:
                    self._known[about] = self._climb(rule, e, e.asset, 1)
                found = self._known[about]
            if found is not None:
                return rule, found[0], found[2]
        return None

    def _climb(self, rule: FoldRule, e: Episode, asset: int, hops: int) -> _Found | None:
        best: _Found | None = None
        for kind in sorted(rule.through | {rule.relation}):
            each = []
            for upstream in self._topology.above(kind, asset):
                found = self._pick(rule, e, upstream, hops) if kind == rule.relation else None
                if (
                    kind in rule.through
                    and hops < rule.most_hops
                    and (found is None or kind in EACH_SUFFICES)
                ):
                    found = _best((found, self._climb(rule, e, upstream, hops + 1)))
                each.append(found)
            if kind in EACH_SUFFICES and None in each:
                continue  # another one still feeds or carries it: whatever is wrong here is something else
            best = _best((best, *each))
        return best

    def _pick(self, rule: FoldRule, e: Episode, asset: int, hops: int, strict: bool = False) -> _Found | None:
        """The first alarm of ``asset``, in order, that explains ``e``; ``strict``: one before it in order."""
        best: _Found | None = None
        for kind in (e.kind,) if rule.alike and e.kind in rule.causes else () if rule.alike else rule.causes:
            for cause in self._at.get((asset, kind), ()):
                order = _order(cause)
                if (strict and order >= _order(e)) or cause.priority > e.priority:
                    break
                if self._explains(rule, cause, e):
                    best = _best((best, (hops, order, cause)))
                    break
        return best

    def _explains(self, rule: FoldRule, cause: Episode, e: Episode) -> bool:
        if cause.key == e.key or not cause.path.startswith(e.path):
            return False
        if rule.alike and cause.property != e.property:
            return False
        if cause.is_quiet and e.kind in MEASURED:
            return False
        if rule.cause_properties and cause.property not in rule.cause_properties:
            return False
        lag = e.raised_ms - cause.raised_ms
        if lag > rule.after_ms or -lag > rule.before_ms:
            return False
        if e.cleared_ms is not None and e.cleared_ms < cause.raised_ms:
            return False  # over before the other began
        if cause.cleared_ms is None:
            return True
        until = self._now_ms if e.cleared_ms is None else e.cleared_ms
        return cause.cleared_ms >= e.raised_ms and until - cause.cleared_ms <= rule.linger_ms


def _best(found: Iterable[_Found | None]) -> _Found | None:
    return min((f for f in found if f is not None), key=lambda f: f[:2], default=None)


def _roots(causes: dict[str, tuple[FoldRule, int, Episode]], by_key: dict[str, Episode]) -> dict[str, str]:
    """Follow causes to the end.  Where they run in a circle its first in order stands for itself."""
    root: dict[str, str] = {}
    for start in sorted(causes):
        way: list[str] = []
        at = start
        seen: dict[str, int] = {}
        while at not in root and at in causes and at not in seen:
            seen[at] = len(way)
            way.append(at)
            at = causes[at][2].key
        if at in seen and at not in root:
            end = min((way[i] for i in range(seen[at], len(way))), key=lambda key: _order(by_key[key]))
        else:
            end = root.get(at, at)
        root.update(dict.fromkeys(way, end))
    return root
