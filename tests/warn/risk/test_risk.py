"""The index: what it adds up to, in which direction it moves, when it comes down again."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.warn.risk import arrays, plain, weights
from fengsui.warn.risk.weights import FULL, NEIGHBOUR, shipped

W = shipped()
COLUMNS = [key for key in W.keys if key != NEIGHBOUR]
counts = st.dictionaries(st.sampled_from(COLUMNS), st.integers(0, 12) | st.just(1000), max_size=8)


def matrix(rows):
    return np.array([[row.get(key, 0) for key in W.keys] for row in rows], np.int64).reshape(len(rows), -1)


def where(spots):
    at = np.array(spots, float).reshape(-1, 2)
    return arrays.near(at[:, 0], at[:, 1], W.radius_m)


spots = st.tuples(st.floats(111.0, 111.05), st.floats(30.5, 30.55))


@given(st.lists(st.tuples(counts, spots), min_size=1, max_size=12))
def test_arrays_and_plain_agree_and_the_points_are_the_index(sites):
    rows, places = [row for row, _ in sites], [place for _, place in sites]
    who = where(places)
    index, own, _ = arrays.index(matrix(rows), who, W)
    for i, row in enumerate(rows):
        mine = slice(who.first[i], who.first[i + 1])
        near = [(int(own[j]), int(m)) for j, m in zip(who.other[mine], who.metres[mine], strict=True)]
        said = plain.explain(row, near, W)
        assert (said.index, said.own) == (index[i], own[i])
        assert sum(point.milli for point in said.points) == said.index
        assert 0 <= said.index <= FULL


@given(counts, st.sampled_from(COLUMNS), st.integers(1, 5))
def test_more_of_anything_never_lowers_it(row, key, more):
    worse = {**row, key: row.get(key, 0) + more}
    assert plain.explain(worse, [], W).index >= plain.explain(row, [], W).index


@given(counts, st.data())
def test_a_step_up_a_ladder_never_lowers_it(row, data):
    ladder = data.draw(st.sampled_from(W.ladders))
    place = data.draw(st.integers(1, len(ladder) - 1))
    before = {**row, ladder[place]: row.get(ladder[place], 0) + 1}
    after = {**row, ladder[place - 1]: row.get(ladder[place - 1], 0) + 1}
    assert plain.explain(after, [], W).index >= plain.explain(before, [], W).index


@given(counts, st.integers(0, FULL), st.integers(0, FULL), st.integers(0, 3000))
def test_a_worse_neighbour_never_lowers_it(row, one, other, metres):
    low, high = sorted((one, other))
    assert plain.explain(row, [(high, metres)], W).index >= plain.explain(row, [(low, metres)], W).index


def test_neighbours_do_not_feed_each_other():
    """Two plants at one place: each feels the other's own index, not what the other feels of it."""
    rows = [{"grade_1": 1, "alarm_red": 2}] * 2
    index, own, felt = arrays.index(matrix(rows), where([(111.0, 30.5)] * 2), W)
    assert list(own) == [70_000, 70_000]
    assert list(felt) == [7_500, 7_500]
    assert list(index) == [77_500, 77_500]


def test_a_worked_example():
    """Grade 2 22 + orange alarm 10 + fire work class 1 6 + no commitment 6 + a tenth off line 1 + weather yellow 4."""
    row = {
        "grade_2": 1,
        "alarm_orange": 1,
        "fire_1": 1,
        "commitment_missing": 1,
        "offline": 100,
        "weather_yellow": 1,
    }
    said = plain.explain(row, [], W)
    assert said.index == 49_000
    assert plain.level_of(said.index, W) == 3


@given(st.lists(st.tuples(st.integers(0, FULL), st.integers(1, 1200)), min_size=1, max_size=30))
def test_levels_are_held_alike(series):
    at, held = 0, plain.Held(4)
    levels = arrays.Levels(np.array([4]), np.array([arrays.NEVER]), np.array([4]))
    for value, gap in series:
        at += gap
        before, held = held, plain.hold(held, value, at, W)
        levels = arrays.hold(levels, np.array([value]), at, W)
        since = arrays.NEVER if held.since is None else held.since
        assert (levels.level[0], levels.since[0]) == (held.level, since)
        if held.since is not None:
            assert levels.floor[0] == held.floor
        assert held.level <= plain.level_of(value, W), "never milder than the index says"
        if held.level > before.level:
            assert before.since is not None and at - before.since >= W.after_s


def test_down_only_after_time_and_margin():
    red, orange, _ = W.limits
    held = plain.hold(None, red, 0, W)
    assert held.level == 1
    assert plain.hold(held, red - 1, 10, W) == plain.Held(1), "within the margin nothing starts"
    held = plain.hold(held, orange, 10, W)
    held = plain.hold(held, 0, 900, W)
    assert held.level == 1
    held = plain.hold(held, 0, 910, W)
    assert (held.level, held.since) == (2, 910), "to the worst it was meanwhile, and from there anew"
    assert plain.hold(held, red, 911, W).level == 1


tree = st.lists(st.lists(st.integers(0, FULL), max_size=8), min_size=1, max_size=6)


@given(tree, st.data())
def test_the_tree_agrees_and_never_falls_when_a_site_rises(nodes, data):
    rules = [list(W.tree.values())[i % len(W.tree)] for i in range(len(nodes))]
    value = np.array([v for one in nodes for v in one], np.int64)
    node = np.array([i for i, one in enumerate(nodes) for _ in one], np.int64)
    index, worst, others = arrays.spread(value, node, len(nodes), rules, W)
    for i, one in enumerate(nodes):
        assert plain.spread(one, rules[i], W) == (index[i], worst[i], tuple(others[i]))
    if len(value):
        place = data.draw(st.integers(0, len(value) - 1))
        higher = value.copy()
        higher[place] = data.draw(st.integers(int(value[place]), FULL))
        assert (arrays.spread(higher, node, len(nodes), rules, W)[0] >= index).all()


@given(st.lists(spots, min_size=2, max_size=25))
def test_near_is_every_pair_within_the_radius(places):
    at = np.array(places)
    who = arrays.near(at[:, 0], at[:, 1], W.radius_m)
    lon, lat = np.radians(at).T
    for i in range(len(places)):
        half = (
            np.sin((lat - lat[i]) / 2) ** 2 + np.cos(lat) * np.cos(lat[i]) * np.sin((lon - lon[i]) / 2) ** 2
        )
        metres = 2 * arrays.EARTH_M * np.arcsin(np.sqrt(half))
        if (abs(metres - W.radius_m) < 1e-3).any():
            continue
        expected = [j for j in range(len(places)) if j != i and metres[j] < W.radius_m]
        assert list(who.other[who.first[i] : who.first[i + 1]]) == expected


def test_the_weights_are_checked():
    text = weights.shipped_text()

    def spoilt(change):
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    def fewer_for_red(d):
        d["groups"][1]["items"][0]["points"] = "1"

    wrong = {
        "no JSON": lambda d: None,
        "fewer points": fewer_for_red,
        "levels": lambda d: d["levels"].update(orange="80"),
        "no number": lambda d: d["levels"].update(red="many"),
        "down is missing": lambda d: d.pop("down"),
        "three decimals": lambda d: d["down"].update(margin="0.0001"),
        "twice": lambda d: d["groups"][0]["items"].append(d["groups"][0]["items"][0]),
        "no item": lambda d: d["ladders"].append(["nothing", "danger"]),
    }
    for words, change in wrong.items():
        raw = "{" if words == "no JSON" else spoilt(change)
        with pytest.raises(weights.BadWeights, match=words if words != "levels" else "limits"):
            weights.read(raw)
