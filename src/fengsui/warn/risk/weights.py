"""Weights of the risk index: data with a version, checked so that a worse input never lowers the index.

Points are kept as whole thousandths (``MILLI``): sums are exact and two ways of reckoning agree to the last one.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from fengsui.base.errors import BadInput

MILLI = 1000
FULL = 100 * MILLI  # the index is 0 to 100 points
NEIGHBOUR = "neighbour"  # the one item whose count is made from other sites: thousandths of a point
LEVELS = ("red", "orange", "yellow", "blue")  # 1 to 4, as the priorities of alarms
TREE = ("enterprise", "park", "industry", "county", "city", "province")


class BadWeights(BadInput):
    """Weights cannot be used as they are written."""

    code = "warn.bad_weights"


@dataclass(frozen=True, slots=True)
class Item:
    """``points`` (thousandths) for each one counted, ``most`` for all of them; FULL where none is said."""

    key: str
    zh: str
    en: str
    points: int
    most: int


@dataclass(frozen=True, slots=True)
class Group:
    """Items whose points together count up to ``most`` thousandths."""

    key: str
    zh: str
    en: str
    most: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """How a part of the tree follows from its sites: the worst, and points for each other one by its level."""

    red: int
    orange: int
    yellow: int
    most: int


@dataclass(frozen=True, slots=True)
class Weights:
    """All that the index depends on, besides its inputs.  ``sha256`` is over the text as it was read, normalised."""

    name: str
    version: str
    origin: Mapping[str, str]
    sha256: str
    groups: tuple[Group, ...]
    ladders: tuple[tuple[str, ...], ...]
    limits: tuple[int, int, int]  # red, orange, yellow: at or above
    margin: int
    after_s: int
    radius_m: int
    over: int
    share_permille: int
    tree: Mapping[str, Spread]

    @property
    def items(self) -> tuple[Item, ...]:
        """Every item, in the order of the columns of the inputs."""
        return tuple(item for group in self.groups for item in group.items)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(item.key for item in self.items)


@cache
def shipped() -> Weights:
    """The weights that come with the platform."""
    return read(shipped_text())


def shipped_text() -> str:
    """The file that they come in."""
    return resources.files("fengsui.warn.risk").joinpath("shipped/weights.json").read_text("utf-8")


def read(raw: bytes | str) -> Weights:
    """Weights from JSON.  Raises BadWeights that names what is wrong."""
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise BadWeights(f"this is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadWeights("this is no JSON object")
    try:
        return _weights(document)
    except KeyError as error:
        raise BadWeights(f"{error.args[0]} is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise BadWeights(f"not of the expected form: {error}") from None


def _weights(document: Mapping[str, Any]) -> Weights:
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    groups = tuple(_group(one) for one in document["groups"])
    down, near, levels = document["down"], document["neighbours"], document["levels"]
    made = Weights(
        name=str(document["weights"]),
        version=str(document["version"]),
        origin={language: str(document["origin"][language]) for language in ("zh", "en")},
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        groups=groups,
        ladders=tuple(tuple(str(key) for key in ladder) for ladder in document["ladders"]),
        limits=(
            _milli(levels["red"], "red"),
            _milli(levels["orange"], "orange"),
            _milli(levels["yellow"], "yellow"),
        ),
        margin=_milli(down["margin"], "margin"),
        after_s=_whole(down["after_s"], "after_s"),
        radius_m=_whole(near["radius_m"], "radius_m"),
        over=_milli(near["over"], "over"),
        share_permille=_whole(near["share_permille"], "share_permille"),
        tree={
            kind: Spread(
                *(_milli(document["tree"][kind][one], kind) for one in ("red", "orange", "yellow", "most"))
            )
            for kind in TREE
        },
    )
    _check(made)
    return made


def _group(one: Mapping[str, Any]) -> Group:
    items = tuple(
        Item(
            str(item["key"]), str(item["zh"]), str(item["en"]), _milli(item["points"], item["key"]),
            _milli(item["most"], item["key"]) if "most" in item else FULL,
        )
        for item in one["items"]
    )  # fmt: skip
    return Group(str(one["key"]), str(one["zh"]), str(one["en"]), _milli(one["most"], one["key"]), items)


def _check(made: Weights) -> None:
    keys = made.keys
    if len(set(keys)) != len(keys):
        raise BadWeights("an item is there twice")
    if NEIGHBOUR not in keys:
        raise BadWeights(f"the item {NEIGHBOUR} is missing; its points may be 0")
    items = {item.key: item for item in made.items}
    for ladder in made.ladders:
        if missing := [key for key in ladder if key not in items]:
            raise BadWeights(f"a ladder names {missing[0]}, which is no item")
        if capped := [key for key in ladder if items[key].most != FULL]:
            raise BadWeights(f"{capped[0]} stands in a ladder and cannot have a most of its own")
        if len({_group_of(made, key) for key in ladder}) > 1:
            raise BadWeights(f"the ladder of {ladder[0]} reaches over two groups")
        for worse, better in itertools.pairwise(ladder):
            if items[worse].points < items[better].points:
                raise BadWeights(f"{worse} is worse than {better} and has fewer points")
    red, orange, yellow = made.limits
    if not 0 < yellow < orange < red <= FULL:
        raise BadWeights("limits are 0 < yellow < orange < red ≤ 100")
    if made.radius_m < 1 or made.share_permille > 1000:
        raise BadWeights("radius_m is at least 1, share_permille at most 1000")
    for kind, spread in made.tree.items():
        if not spread.yellow <= spread.orange <= spread.red:
            raise BadWeights(f"{kind}: yellow ≤ orange ≤ red")


def _group_of(made: Weights, key: str) -> str:
    return next(group.key for group in made.groups for item in group.items if item.key == key)


def _milli(value: Any, where: str) -> int:
    try:
        number = Decimal(str(value)) * MILLI
    except InvalidOperation:
        raise BadWeights(f"{where}: {value!r} is no number") from None
    if not number.is_finite() or number != number.to_integral_value() or not 0 <= number <= FULL:
        raise BadWeights(f"{where}: {value} is not 0 to 100 with at most three decimals")
    return int(number)


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise BadWeights(f"{where}: {value!r} is no whole number from 0 to 1,000,000")
    return value
