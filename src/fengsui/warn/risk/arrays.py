"""All sites at once, in arrays of whole numbers; equal to ``plain`` to the last thousandth."""

from dataclasses import dataclass

import numpy as np

from fengsui.warn.risk.plain import MOST_COUNT
from fengsui.warn.risk.weights import FULL, NEIGHBOUR, Spread, Weights

EARTH_M = 6_371_008.8
NEVER = -1  # in ``since``


@dataclass(frozen=True, slots=True)
class Near:
    """Who is near whom: site ``i`` has ``other[first[i]:first[i + 1]]`` at ``metres``.  Shapes (n + 1,), (p,), (p,)."""

    first: np.ndarray
    other: np.ndarray
    metres: np.ndarray


@dataclass(frozen=True, slots=True)
class Levels:
    """(n,) each: level 1 to 4; since when (s) clearly below it, NEVER; the worst level meanwhile."""

    level: np.ndarray
    since: np.ndarray
    floor: np.ndarray


def near(longitude: np.ndarray, latitude: np.ndarray, radius_m: int) -> Near:
    """Pairs of sites less than ``radius_m`` apart (degrees WGS 84, sphere), metres rounded down.

    Sites in a band of latitude are compared with each other only.
    """
    n = len(longitude)
    order = np.argsort(latitude, kind="stable")
    lat, lon = np.radians(latitude[order]), np.radians(longitude[order])
    band = radius_m / EARTH_M
    low = np.searchsorted(lat, lat - band, "left")
    high = np.searchsorted(lat, lat + band, "right")
    counts = high - low
    a = np.repeat(np.arange(n), counts)
    b = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    half = np.sin((lat[b] - lat[a]) / 2) ** 2
    half += np.cos(lat[a]) * np.cos(lat[b]) * np.sin((lon[b] - lon[a]) / 2) ** 2
    metres = np.floor(2 * EARTH_M * np.arcsin(np.sqrt(np.clip(half, 0, 1)))).astype(np.int64)
    keep = (a != b) & (metres < radius_m)
    site, other, metres = order[a[keep]], order[b[keep]], metres[keep]
    by = np.lexsort((other, site))
    first = np.concatenate([[0], np.cumsum(np.bincount(site, minlength=n))]).astype(np.int64)
    return Near(first, other[by].astype(np.int64), metres[by])


def index(counts: np.ndarray, who: Near, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``counts`` (n, items) whole numbers → (n,) each: index, own index, what is felt of neighbours; thousandths."""
    column = weights.keys.index(NEIGHBOUR)
    counts = np.clip(counts, 0, MOST_COUNT).astype(np.int64)
    counts[:, column] = 0
    own = _sum(counts, weights)
    felt = np.zeros(len(counts), np.int64)
    if len(who.other):
        over = np.maximum(own[who.other] - weights.over, 0) * weights.share_permille
        each = over * np.maximum(weights.radius_m - who.metres, 0) // (1000 * weights.radius_m)
        site = np.repeat(np.arange(len(counts)), np.diff(who.first))
        np.maximum.at(felt, site, each)
    counts[:, column] = felt
    return _sum(counts, weights), own, felt


def _sum(counts: np.ndarray, weights: Weights) -> np.ndarray:
    items = weights.items
    points = np.array([item.points for item in items], np.int64)
    most = np.array([item.most for item in items], np.int64)
    each = np.minimum(counts * points, most)
    total = np.zeros(len(counts), np.int64)
    start = 0
    for group in weights.groups:
        end = start + len(group.items)
        total += np.minimum(each[:, start:end].sum(axis=1), group.most)
        start = end
    return np.minimum(total, FULL)


def level_of(value: np.ndarray, weights: Weights) -> np.ndarray:
    """1 red … 4 blue of indices (n,)."""
    over = np.stack([value >= limit for limit in weights.limits])
    return np.asarray(4 - over.sum(axis=0), np.int64)


def hold(before: Levels, value: np.ndarray, at: int, weights: Weights) -> Levels:
    """As ``plain.hold`` for all; a site that is new has level 4 and NEVER before."""
    now, low = level_of(value, weights), level_of(value + weights.margin, weights)
    falling = (now > before.level) & (low > before.level)
    since = np.where(falling, np.where(before.since == NEVER, at, before.since), NEVER)
    floor = np.where(falling, np.where(before.since == NEVER, low, np.minimum(before.floor, low)), 4)
    level = np.minimum(before.level, now)
    done = falling & (at - since >= weights.after_s)
    still = done & (low > floor)
    level = np.where(done, floor, level)
    since = np.where(done, np.where(still, at, NEVER), since)
    floor = np.where(done, np.where(still, low, 4), floor)
    return Levels(level, since, floor)


def spread(
    value: np.ndarray, node: np.ndarray, nodes: int, rules: list[Spread], weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of the tree from (site index, node) pairs: index, worst and (nodes, 3) others red, orange, yellow.

    ``rules[i]`` is that of node ``i``; a node without sites has 0.
    """
    worst = np.zeros(nodes, np.int64)
    np.maximum.at(worst, node, value)
    levels, top = level_of(value, weights), level_of(worst, weights)
    counts = np.stack([np.bincount(node[levels == one], minlength=nodes) for one in (1, 2, 3)], axis=1)
    there = np.bincount(node, minlength=nodes) > 0
    for one in (1, 2, 3):
        counts[there & (top == one), one - 1] -= 1  # the worst itself is none of the others
    each = np.array([(one.red, one.orange, one.yellow) for one in rules], np.int64).reshape(nodes, 3)
    most = np.array([one.most for one in rules], np.int64)
    return np.minimum(worst + np.minimum((counts * each).sum(axis=1), most), FULL), worst, counts
