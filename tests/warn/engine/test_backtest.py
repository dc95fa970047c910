"""The same readings in any pieces, with any looks at the clock between, say the same."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.engine import RuleRow, RuleTable, step
from fengsui.warn.engine.backtest import Replay, backtest, episodes

KINDS = [
    RuleRow(0, 0, "h", 5.0, 1.0, 20, 10),
    RuleRow(1, 0, "ll", -5.0, 0.0),
    RuleRow(2, 0, "rate", 0.3, 0.0, 0, 0, 40),
    RuleRow(3, 0, "frozen", 0.0, 0.0, 0, 0, 30),
    RuleRow(4, 0, "silent", window_ms=35),
]
RULES = RuleTable.of(r._replace(rule_id=r.rule_id + 5 * d, datastream_id=d) for d in (2, 3, 9) for r in KINDS)
reading = st.tuples(
    st.sampled_from([2, 3, 5, 9, 40]),
    st.integers(0, 60),
    st.sampled_from([-9.0, 0.0, 4.5, 7.0, np.nan]),
    st.sampled_from([0, 0, 1, 2]),
)


@given(st.lists(reading, max_size=60, unique_by=lambda r: r[:2]), st.data())
@settings(max_examples=150)
def test_pieces_and_looks_do_not_matter(rows, data):
    rows = sorted(rows, key=lambda r: (r[1], r[0]))
    columns = [
        np.array(c, kind)
        for c, kind in zip(
            zip(*rows, strict=True) if rows else ((),) * 4, ("i4", "i8", "f8", "u1"), strict=True
        )
    ]
    columns[1] = columns[1] * 10
    whole = tuple(c[np.lexsort((columns[1], columns[0]))] for c in columns)
    expected = backtest(whole, RULES, -5, 700)
    replay, at = Replay(RULES, -5), 0
    while at < len(rows):  # by time, as they came
        more = data.draw(st.integers(1, 9))
        if data.draw(st.booleans()):
            replay.look(int(columns[1][at]))
        replay.feed(tuple(c[at : at + more] for c in columns))
        at += more
    replay.look(700)
    found = replay.events()
    for name in ("rule_id", "what", "time_ms", "value", "started_ms", "peak_value", "peak_ms"):
        assert np.array_equal(
            getattr(found, name), getattr(expected, name), equal_nan=name.endswith("value")
        ), name
    told, same = episodes(found), episodes(expected)
    assert all(np.array_equal(told[k], same[k], equal_nan=told[k].dtype.kind == "f") for k in told)


def test_a_set_without_rules_says_nothing():
    replay = Replay(RuleTable.of([]), 0)
    replay.feed((np.array([3], np.int32), np.array([1]), np.array([1.0]), np.array([0], np.uint8)))
    replay.look(10)
    assert not len(replay.events())
    assert replay.heard_since(0) == 0


CALM = RuleTable.of(
    r._replace(rule_id=r.rule_id + 5 * d, datastream_id=d)
    for d in (2, 3, 9)
    for r in KINDS
    if d == 9
    or r.kind not in ("rate", "frozen")  # those of 9 remember every reading, and are never passed over
)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.002, 0.05]), st.integers(1, 4))
@settings(max_examples=60)
def test_what_is_passed_over_would_have_said_nothing(seed, wild, parts):
    """Long stretches, most of them calm, with gaps, excursions, bad values, repeated times: as ``step`` one by one."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 900))
    datastream = np.repeat(np.array([2, 3, 5, 9, 40], np.int32), n)
    gap = rng.choice([5, 5, 5, 5, 34, 35, 36, 0, 90], (5, n), p=[0.245] * 4 + [0.004] * 5)
    time_ms = np.cumsum(gap, axis=1).reshape(-1)
    value = np.round(rng.normal(0, 1, 5 * n), 1)
    odd = rng.random(5 * n) < wild
    value[odd] = rng.choice([-9.0, 5.0, 7.0, np.nan, np.inf], odd.sum())
    quality = np.where(rng.random(5 * n) < wild, np.uint8(2), np.uint8(0))
    columns = (datastream, time_ms, value, quality)
    quick, plain = Replay(CALM, -5), Replay(CALM, -5)
    place = np.clip(datastream, 0, len(plain._slot) - 1)
    for begin in range(0, n, -(-n // parts)):
        rows = np.concatenate([d * n + np.arange(begin, min(begin + -(-n // parts), n)) for d in range(5)])
        quick.feed(tuple(c[rows] for c in columns))
        of = tuple(c[rows] for c in columns[1:])
        plain._keep(step(plain._state, plain._slot[place[rows]], *of, plain.rules))
        now = int(time_ms[rows].max()) - 40 if seed % 2 else -5
        quick.look(now)
        plain.look(now)
        assert quick._state.same_as(plain._state)
    quick.look(10**6)
    plain.look(10**6)
    found, expected = quick.events(), plain.events()
    for name in ("rule_id", "what", "time_ms", "value", "started_ms", "peak_value", "peak_ms"):
        assert np.array_equal(
            getattr(found, name), getattr(expected, name), equal_nan=name.endswith("value")
        ), name
