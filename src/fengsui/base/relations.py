"""How assets hang together, in words that registry and folding share; and ways that come back to where they began."""

from collections import defaultdict
from collections.abc import Iterable

FEEDS, CARRIES, CONTAINS, CONNECTS, NEIGHBOUR = "feeds", "carries", "contains", "connects", "neighbour"
DOWNWARDS = (FEEDS, CARRIES, CONTAINS, CONNECTS)  # from a cause towards where its effects show
RELATIONS = (*DOWNWARDS, NEIGHBOUR)
NO_WAY_BACK = (FEEDS, CARRIES, CONTAINS)  # together without a cycle; pipes may run in a ring


def find_cycle(edges: Iterable[tuple[int, int]]) -> list[int]:
    """A way that comes back to where it began, as its assets in order, first one again at the end; [] when none.

    ``edges`` are (upstream, downstream).  Of several cycles always the same one is found.
    """
    below: dict[int, list[int]] = defaultdict(list)
    for upstream, downstream in sorted(set(edges)):
        below[upstream].append(downstream)
    done: set[int] = set()
    for start in sorted(below):
        if start in done:
            continue
        way, on_way = [start], {start}
        waiting = [iter(below[start])]
        while waiting:
            following = next(waiting[-1], None)
            if following is None:
                waiting.pop()
                left = way.pop()
                on_way.discard(left)
                done.add(left)
            elif following in on_way:
                return [*way[way.index(following) :], following]
            elif following not in done:
                way.append(following)
                on_way.add(following)
                waiting.append(iter(below.get(following, ())))
    return []
