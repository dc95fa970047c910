"""Folding: one event is one alarm with its consequences behind it, and nothing new is ever behind anything."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.relations import RELATIONS, find_cycle
from fengsui.warn.folding import DEFAULTS, BadFolding, Episode, Topology, fold, read_table
from fengsui.warn.folding.storm import is_storm
from fengsui.warn.folding.table import MEASURED, SIGNAL

MINUTE = 60_000
NOW = 100 * MINUTE
POWER, GATEWAY, SPARE, TANK, PUMP, BESIDE, ALONE = 1, 2, 3, 10, 11, 12, 99
EDGES = [
    ("feeds", POWER, GATEWAY),
    ("carries", GATEWAY, TANK),
    ("carries", GATEWAY, PUMP),
    ("connects", TANK, PUMP),
    ("neighbour", TANK, BESIDE),
]
TOWN = Topology(EDGES)
BY_CODE = {rule.code: rule for rule in DEFAULTS}


def alarm(key, asset, kind="silent", at_s=0, cleared_s=None, priority=3, prop="level", path="/1/"):
    start = NOW - 20 * MINUTE
    end = None if cleared_s is None else start + cleared_s * 1000
    return Episode(key, asset, kind, prop, priority, start + at_s * 1000, end, path)


def forest(*episodes, now=NOW - 19 * MINUTE, topology=TOWN):
    return {k: f.parent for k, f in fold(episodes, topology, DEFAULTS, now).items()}


def test_silence_behind_a_silent_gateway_is_one_alarm():
    found = fold(
        [alarm("g", GATEWAY), alarm("t", TANK, at_s=2), alarm("p", PUMP, "frozen", at_s=-30)],
        TOWN,
        DEFAULTS,
        NOW,
    )
    assert {k: (f.parent, f.rule, f.lag_ms) for k, f in found.items()} == {
        "t": ("g", "link", 2000),
        "p": ("g", "link", -30_000),  # the cause came after it
    }


def test_the_root_is_shown_and_the_nearest_cause_is_kept():
    found = fold(
        [alarm("v", POWER, "ll", prop="voltage"), alarm("g", GATEWAY, at_s=4), alarm("t", TANK, at_s=6)],
        TOWN, DEFAULTS, NOW,
    )  # fmt: skip
    assert (found["t"].parent, found["t"].cause, found["t"].rule) == ("v", "g", "link")
    assert (found["g"].parent, found["g"].cause, found["g"].rule) == ("v", "v", "power")


@pytest.mark.parametrize(
    "new",
    [
        alarm("new", TANK, "hh", at_s=3, priority=1, prop="gas"),
        alarm("new", TANK, "hh", at_s=3, priority=4, prop="gas"),
        alarm("new", TANK, "rate", at_s=3),
        alarm("new", TANK, "silent", at_s=3, priority=1),  # a red detector that is lost is news
        alarm("new", TANK, "silent", at_s=-700),  # long before
        alarm("new", TANK, "silent", at_s=-60, cleared_s=-5),  # over before the gateway was lost
        alarm("new", ALONE, "silent", at_s=3),
        alarm("new", TANK, "silent", at_s=3, path="/1/2/"),  # whoever sees it need not see the gateway's
    ],
)
def test_a_new_cause_stands_for_itself(new):
    assert "new" not in forest(alarm("g", GATEWAY), new)


def test_low_fuel_explains_no_silence_but_low_voltage_does():
    assert forest(alarm("f", POWER, "ll", prop="level"), alarm("g", GATEWAY, at_s=2)) == {}
    assert forest(alarm("f", POWER, "ll", prop="voltage"), alarm("g", GATEWAY, at_s=2)) == {"g": "f"}


def test_what_has_two_feeds_is_dark_only_without_both():
    twice = Topology([*EDGES, ("feeds", SPARE, GATEWAY)])
    one, other = alarm("v", POWER, "ll", prop="voltage"), alarm("w", SPARE, "ll", at_s=1, prop="voltage")
    dark = alarm("g", GATEWAY, at_s=3)
    assert forest(one, dark, topology=twice) == {}
    assert forest(one, other, dark, topology=twice) == {"g": "v"}


def test_like_folds_into_like_beside_it_and_down_the_line_and_the_first_one_stays():
    first, second = alarm("a", TANK, "h"), alarm("b", BESIDE, "h", at_s=20)
    assert forest(first, second, alarm("c", PUMP, "h", at_s=40)) == {"b": "a", "c": "a"}
    assert forest(alarm("a", TANK, "hh"), alarm("b", BESIDE, "hh", at_s=20)) == {}  # a second emergency
    assert forest(first, alarm("b", BESIDE, "h", at_s=20, prop="pressure")) == {}


def test_what_stays_after_its_cause_cleared_comes_back_after_a_while():
    back = alarm("g", GATEWAY, cleared_s=60)
    still, gone = alarm("t", TANK, at_s=2), alarm("p", PUMP, at_s=2, cleared_s=90)
    soon, later = NOW - 15 * MINUTE, NOW
    assert forest(back, still, gone, now=soon) == {"t": "g", "p": "g"}
    assert forest(back, still, gone, now=later) == {"p": "g"}


# ---- properties ------------------------------------------------------------------------------------------------

assets = st.integers(1, 9)
edges = st.lists(st.tuples(st.sampled_from(RELATIONS), assets, assets), max_size=14)
bodies = st.lists(
    st.tuples(
        assets, st.sampled_from(sorted(SIGNAL | MEASURED)), st.sampled_from(["level", "gas", "voltage"]),
        st.integers(1, 4), st.integers(0, 60), st.none() | st.integers(0, 40), st.sampled_from(["/1/", "/1/2/"]),
    ),
    max_size=25,
)  # fmt: skip


def made(rows):
    return [
        Episode(
            f"{i}:{at}", a, kind, prop, p, at * MINUTE, None if lasts is None else (at + lasts) * MINUTE, path
        )
        for i, (a, kind, prop, p, at, lasts, path) in enumerate(rows)
    ]


@given(edges, bodies, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_any_order_gives_the_same_forest_and_every_alarm_stands_once(found, rows, shuffle: random.Random):
    episodes, now = made(rows), 70 * MINUTE
    once = fold(episodes, Topology(found), DEFAULTS, now)
    mixed, turned = list(episodes), list(found)
    shuffle.shuffle(mixed)
    shuffle.shuffle(turned)
    assert fold(mixed, Topology(turned), DEFAULTS, now) == once
    keys = {e.key for e in episodes}
    roots = keys - once.keys()
    assert once.keys() <= keys
    assert {f.parent for f in once.values()} <= roots  # one step from any child to what is shown
    assert {f.cause for f in once.values()} <= keys


@given(edges, bodies)
@settings(max_examples=300, deadline=None)
def test_nothing_of_another_nature_or_higher_priority_is_ever_folded(found, rows):
    episodes = {e.key: e for e in made(rows)}
    for key, f in fold(episodes.values(), Topology(found), DEFAULTS, 70 * MINUTE).items():
        child, cause, parent = episodes[key], episodes[f.cause], episodes[f.parent]
        assert child.kind not in ("hh", "ll")
        assert parent.priority <= cause.priority <= child.priority
        assert parent.path.startswith(child.path)
        if child.kind in MEASURED:
            assert (
                (child.kind, child.property) == (cause.kind, cause.property) == (parent.kind, parent.property)
            )
        assert f.lag_ms == child.raised_ms - cause.raised_ms
        assert f.lag_ms <= BY_CODE[f.rule].after_ms
        assert -f.lag_ms <= BY_CODE[f.rule].before_ms


@given(edges, bodies)
@settings(max_examples=100, deadline=None)
def test_what_was_raised_later_never_unfolds_what_was_explained(found, rows):
    episodes, topology = made(rows), Topology(found)
    few = fold(episodes[: len(episodes) // 2], topology, DEFAULTS, 70 * MINUTE)
    all_of_them = fold(episodes, topology, DEFAULTS, 70 * MINUTE)
    circles = {f.parent for f in all_of_them.values()}
    assert few.keys() - all_of_them.keys() <= circles  # only the head of a circle may change


@given(st.lists(st.tuples(assets, assets), max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_cycle_is_found_exactly_when_there_is_one(found):
    way = find_cycle(found)
    if way:
        assert way[0] == way[-1]
        assert all(step in set(found) for step in itertools.pairwise(way))
        return
    below = {a: {b for x, b in found if x == a} for a, _ in found}
    for start in below:
        reached, waiting = set(), [start]
        while waiting:
            for b in below.get(waiting.pop(), ()):
                if b not in reached:
                    reached.add(b)
                    waiting.append(b)
        assert start not in reached


# ---- the table, and storms -------------------------------------------------------------------------------------


def test_a_table_survives_being_written_and_read():
    assert read_table(rule.as_row() for rule in DEFAULTS) == DEFAULTS


def test_a_bad_table_names_every_problem():
    rows = [
        {"code": "a", "relation": "holds", "causes": "silent", "effects": "silent"},
        {"code": "b", "relation": "feeds", "causes": "ll", "effects": "hh silent", "after_ms": "-1"},
        {
            "code": "c",
            "relation": "neighbour",
            "causes": "",
            "effects": "odd",
            "through": "feeds",
            "colour": "red",
        },
    ]
    with pytest.raises(BadFolding) as refused:
        read_table(rows)
    said = "\n".join(refused.value.problems)
    for words in (
        "row 1 (a): relation 'holds'", "row 2 (b): after_ms", "row 2 (b): hh is something measured",
        "row 3: no such column colour", "row 3 (c): causes is empty", "row 3 (c): effects has odd",
        "row 3 (c): a neighbour rule goes no further",
    ):  # fmt: skip
        assert words in said


def test_a_storm_begins_at_ten_and_ends_below_five():
    counts = [0, 1, 12, 9, 6, 4, 0]  # the worked example of the standard's definition
    storm, found = False, []
    for count in counts:
        storm = is_storm(count, storm)
        found.append(storm)
    assert found == [False, False, True, True, True, False, False]
