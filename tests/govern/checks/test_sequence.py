"""New, again, contradicting, behind: the compiled pass against a plain reading of its definition."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.quality import Reason
from fengsui.govern.checks import (
    BEHIND,
    CONFLICT,
    DUPLICATE,
    NEVER,
    NEW,
    Latest,
    arrival_order,
    split,
    warm_up,
)

warm_up()  # compiling is not what the tests time

SLOTS = 3
FROZEN_AFTER = np.array([0, 4, 1], np.int64)
ROW = st.tuples(
    st.integers(0, SLOTS - 1),  # slot
    st.integers(0, 12),  # time: few values, so that they meet
    st.sampled_from([1.0, 2.0, math.nan]),
    st.sampled_from([0, 0, 1, 2]),  # quality
)
BATCHES = st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=6)


def columns(batches):
    rows = [(*row, number) for number, rows in enumerate(batches) for row in rows]
    slot, time, value, quality, batch = (np.array(c) for c in zip(*rows, strict=True))
    return slot.astype(np.int64), time.astype(np.int64), value.astype(float), quality.astype(np.uint8), batch


def judge(latest, batches):
    """Verdicts and flags by (batch, place in it), all batches in one call."""
    slot, time, value, quality, batch = columns(batches)
    order = arrival_order(slot, batch, time)
    reason = np.zeros(len(slot), np.uint8)
    verdict = split(latest, slot[order], time[order], value[order], quality[order], reason, FROZEN_AFTER)
    out = np.empty((len(slot), 2), np.uint8)
    out[order, 0], out[order, 1] = verdict, reason
    return out.tolist()


def judge_plainly(batches):
    """The definition, row by row."""
    last: dict[int, tuple] = {}
    steady: dict[int, int] = {}
    out = []
    for rows in batches:
        answers = {}
        for place, (slot, time, value, quality) in sorted(enumerate(rows), key=lambda x: x[1][1]):
            before = last.get(slot)
            same = before is not None and (
                value == before[1] or (math.isnan(value) and math.isnan(before[1]))
            )
            flag = 0
            if before is not None and time < before[0]:
                verdict = BEHIND
            elif before is not None and time == before[0]:
                verdict = DUPLICATE if same else CONFLICT
            else:
                verdict = NEW
                if math.isnan(value) or quality == 2:
                    steady.pop(slot, None)
                elif not same or slot not in steady:
                    steady[slot] = time
                elif 0 < FROZEN_AFTER[slot] <= time - steady[slot]:
                    flag = int(Reason.FROZEN)
                last[slot] = (time, value)
            answers[place] = [verdict, flag]
        out += [answers[place] for place in range(len(rows))]
    return out


@settings(max_examples=400)
@given(BATCHES)
def test_the_compiled_pass_says_what_the_definition_says(batches):
    assert judge(Latest.fresh(SLOTS), batches) == judge_plainly(batches)


@settings(max_examples=400)
@given(BATCHES, st.data())
def test_how_batches_are_grouped_changes_nothing(batches, data):
    whole = judge(Latest.fresh(SLOTS), batches)
    cut = data.draw(st.integers(0, len(batches)))
    latest = Latest.fresh(SLOTS)
    parts = [judge(latest, part) for part in (batches[:cut], batches[cut:]) if part]
    assert [row for part in parts for row in part] == whole


@given(BATCHES)
def test_the_same_batches_again_bring_nothing_new(batches):
    latest = Latest.fresh(SLOTS)
    judge(latest, batches)
    before = latest.copy()
    assert all(verdict != NEW for verdict, _flag in judge(latest, batches))
    assert np.array_equal(before.time_ms, latest.time_ms)
    assert np.array_equal(before.value, latest.value, equal_nan=True)


@given(BATCHES)
def test_new_rows_come_out_sorted_by_slot_and_time(batches):
    slot, time, value, quality, batch = columns(batches)
    order = arrival_order(slot, batch, time)
    reason = np.zeros(len(slot), np.uint8)
    verdict = split(
        Latest.fresh(SLOTS), slot[order], time[order], value[order], quality[order], reason, FROZEN_AFTER
    )
    new = [(s, t) for s, t, v in zip(slot[order], time[order], verdict, strict=True) if v == NEW]
    assert new == sorted(set(new))


@given(BATCHES)
def test_counting_and_sorting_give_the_same_order(batches):
    slot, time, _value, _quality, batch = columns(batches)
    far_apart = slot * 50_000_000  # too wide to count: sorted
    assert np.array_equal(arrival_order(slot, batch, time), arrival_order(far_apart, batch, time))
    assert np.array_equal(arrival_order(slot, batch, time), np.lexsort((time, batch, slot)))


def test_slots_keep_what_they_heard_when_they_move():
    latest = Latest.fresh(3)
    judge(latest, [[(0, 5, 1.0, 0), (2, 6, 2.0, 0)]])
    moved = latest.moved(4, np.array([0, 2]), np.array([3, 1]))
    assert moved.time_ms.tolist() == [NEVER, 6, NEVER, 5]
    assert moved.value[3] == 1.0
