"""A mark changes with anything that the row of a site says, and with nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fengsui.warn.risk import arrays
from fengsui.warn.risk.arrays import NEVER, Levels
from fengsui.warn.risk.marks import marks
from tests.warn.risk.test_risk import W, counts, matrix, spots, where

levels = st.tuples(st.integers(1, 4), st.just(NEVER) | st.integers(0, 2_000_000_000), st.integers(1, 4))
towns = st.lists(st.tuples(counts, spots, levels), min_size=1, max_size=8)


def texts(ids, rows, index, own, held, who):
    """What each row says, in words."""
    return [
        (
            int(index[i]), int(own[i]), *(int(column[i]) for column in (held.level, held.since, held.floor)),
            tuple(rows[i].tolist()),
            tuple(
                (int(ids[other]), int(own[other]), int(metres))
                for other, metres in zip(
                    who.other[who.first[i] : who.first[i + 1]], who.metres[who.first[i] : who.first[i + 1]],
                    strict=True,
                )
                if own[other] > W.over
            ),
        )
        for i in range(len(ids))
    ]  # fmt: skip


def read(town):
    ids = 7 + np.arange(len(town))
    rows, who = matrix([row for row, _spot, _held in town]), where([spot for _row, spot, _held in town])
    index, own, _felt = arrays.index(rows, who, W)
    held = Levels(*np.array([held for _row, _spot, held in town], np.int64).T)
    return texts(ids, rows, index, own, held, who), marks(ids, rows, index, own, held, who, W).tolist()


@given(towns, towns)
def test_two_rows_have_one_mark_exactly_when_they_say_the_same(one, other):
    said, made = read(one)
    for town in (one[::-1], other, [*one, *other], one[:1]):
        for text, mark in zip(*read(town), strict=True):
            assert [text == known for known in said] == [mark == known for known in made]


@given(towns)
def test_other_weights_are_another_mark(town):
    from dataclasses import replace

    ids, who = np.arange(len(town)), where([spot for _row, spot, _held in town])
    rows = matrix([row for row, _spot, _held in town])
    index, own, _felt = arrays.index(rows, who, W)
    held = Levels(*np.array([held for _row, _spot, held in town], np.int64).T)
    used, changed = (
        marks(ids, rows, index, own, held, who, weights) for weights in (W, replace(W, sha256="0" * 64))
    )
    assert not (used == changed).any()
