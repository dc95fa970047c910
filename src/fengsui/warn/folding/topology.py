"""How assets hang together: who feeds, carries, contains or is connected to whom, and who stands beside whom."""

from collections import defaultdict
from collections.abc import Iterable

from fengsui.base.relations import CARRIES, FEEDS, NEIGHBOUR, RELATIONS

SAME = "same"  # in rules only: alarms of one and the same asset
EACH_SUFFICES = (CARRIES, FEEDS)  # an asset with two of these is without only when both are gone

Edge = tuple[str, int, int]  # relation, upstream asset, downstream asset


class Topology:
    """Relations in force, ready to be asked.  Edges that stand twice count once; an asset's edge to itself is none."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        up: dict[str, dict[int, list[int]]] = {kind: defaultdict(list) for kind in RELATIONS}
        self._root: dict[int, int] = {}
        self._explaining: set[int] = set()
        for kind, upstream, downstream in sorted(set(edges)):
            if upstream == downstream:
                continue
            up[kind][downstream].append(upstream)
            self._explaining.add(upstream)
            if kind == NEIGHBOUR:
                up[kind][upstream].append(downstream)
                self._explaining.add(downstream)
            self._join(upstream, downstream)
        self._up = {
            kind: {asset: tuple(sorted(set(found))) for asset, found in of.items()} for kind, of in up.items()
        }

    def __len__(self) -> int:
        return len(self._root)

    def __contains__(self, asset: int) -> bool:
        return asset in self._root

    def above(self, kind: str, asset: int) -> tuple[int, ...]:
        """What is directly upstream of ``asset`` by ``kind``; its neighbours for "neighbour"."""
        return self._up[kind].get(asset, ())

    def explains(self, asset: int) -> bool:
        """Whether anything is downstream of ``asset`` or beside it: its alarms may explain those of others."""
        return asset in self._explaining

    def upwards(self, assets: Iterable[int]) -> set[int]:
        """``assets`` and everything upstream of them or beside them, however far."""
        found = set(assets)
        waiting = list(found)
        while waiting:
            asset = waiting.pop()
            for of in self._up.values():
                new = [above for above in of.get(asset, ()) if above not in found]
                found.update(new)
                waiting += new
        return found

    def part_of(self, asset: int) -> int:
        """The number of the connected part that ``asset`` lies in: its smallest asset."""
        root = asset
        while (above := self._root.get(root, root)) != root:
            root = above
        return root

    def parts(self, assets: Iterable[int]) -> dict[int, list[int]]:
        """All assets of the parts that ``assets`` lie in, by number of the part, sorted.  Unrelated ones have none."""
        wanted = {self.part_of(asset) for asset in assets if asset in self._root}
        found: dict[int, list[int]] = {part: [] for part in sorted(wanted)}
        for asset in sorted(self._root):
            if (part := self.part_of(asset)) in wanted:
                found[part].append(asset)
        return found

    def _join(self, a: int, b: int) -> None:
        for asset in (a, b):
            self._root.setdefault(asset, asset)
        a, b = sorted((self.part_of(a), self.part_of(b)))
        self._root[b] = a
