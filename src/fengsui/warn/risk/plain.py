"""One site at a time, in plain Python: the explanation of every point, and what the arrays are held against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fengsui.warn.risk.weights import FULL, NEIGHBOUR, Spread, Weights

MOST_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """One line of an explanation: ``count`` times ``item`` gave ``milli`` thousandths of a point.

    ``item`` is "most" where a group or the whole was cut off; ``milli`` is below zero there.
    """

    group: str
    item: str
    count: int
    milli: int


@dataclass(frozen=True, slots=True)
class Explained:
    """``index`` is the sum of ``points``, exactly; ``own`` is what it would be without neighbours."""

    index: int
    own: int
    points: tuple[Point, ...]


def explain(counts: Mapping[str, int], neighbours: Iterable[tuple[int, int]], weights: Weights) -> Explained:
    """The index of one site, point by point.

    ``neighbours`` are (their own index, metres to them).  An own index has no neighbours in it: risk never goes round.
    """
    own = _reckon({**counts, NEIGHBOUR: 0}, weights).index
    near = max((felt(index, metres, weights) for index, metres in neighbours), default=0)
    whole = _reckon({**counts, NEIGHBOUR: near}, weights)
    return Explained(whole.index, own, whole.points)


def points(counts: Mapping[str, int], weights: Weights) -> tuple[Point, ...]:
    """The points of counts as they were kept, what is felt of neighbours among them."""
    return _reckon(counts, weights).points


def felt(index: int, metres: int, weights: Weights) -> int:
    """What a site feels of a neighbour: a share of its points over a limit, less with distance, none at the radius."""
    if metres >= weights.radius_m or index <= weights.over:
        return 0
    return (
        (index - weights.over)
        * weights.share_permille
        * (weights.radius_m - metres)
        // (1000 * weights.radius_m)
    )


def _reckon(counts: Mapping[str, int], weights: Weights) -> Explained:
    points: list[Point] = []
    total = 0
    for group in weights.groups:
        part = 0
        for item in group.items:
            count = min(max(counts.get(item.key, 0), 0), MOST_COUNT)
            milli = min(count * item.points, item.most)
            if milli:
                points.append(Point(group.key, item.key, count, milli))
            part += milli
        if part > group.most:
            points.append(Point(group.key, "most", 0, group.most - part))
            part = group.most
        total += part
    if total > FULL:
        points.append(Point("", "most", 0, FULL - total))
        total = FULL
    return Explained(total, total, tuple(points))


def level_of(index: int, weights: Weights) -> int:
    """1 red, 2 orange, 3 yellow, 4 blue."""
    return next((number for number, limit in enumerate(weights.limits, 1) if index >= limit), 4)


@dataclass(frozen=True, slots=True)
class Held:
    """A level and, while the index is clearly below it, since when (s) and the worst level it had since."""

    level: int
    since: int | None = None
    floor: int = 4


def hold(before: Held | None, index: int, at: int, weights: Weights) -> Held:
    """Up at once; down when index and margin were below for long enough, to the worst it was meanwhile."""
    now = level_of(index, weights)
    if before is None or now <= before.level:
        return Held(now)
    low = level_of(index + weights.margin, weights)
    if low <= before.level:
        return Held(before.level)
    if before.since is None:
        held = Held(before.level, at, low)
    else:
        held = Held(before.level, before.since, min(before.floor, low))
    if held.since is not None and at - held.since >= weights.after_s:
        return Held(held.floor) if low <= held.floor else Held(held.floor, at, low)
    return held


def spread(indices: Iterable[int], rule: Spread, weights: Weights) -> tuple[int, int, tuple[int, int, int]]:
    """A part of the tree: (its index, the worst site's, how many others are red, orange, yellow by their index)."""
    worst, *others = sorted(indices, reverse=True) or [0]
    levels = [level_of(one, weights) for one in others]
    counts = (levels.count(1), levels.count(2), levels.count(3))
    extra = counts[0] * rule.red + counts[1] * rule.orange + counts[2] * rule.yellow
    return min(FULL, worst + min(extra, rule.most)), worst, counts
