"""The glance at the door lets through only what the checks let through."""

import json
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.batch import Batch
from fengsui.govern import checks
from fengsui.run.intake import Admission
from fengsui.sense.gateways import glance
from fengsui.sense.gateways.registry import Registry, SiteRow, Snapshot

NOW, DAY = 1_800_000_000_000, 86_400_000
STREAMS = json.dumps(
    [
        [1, "a", "", 0, 10, True, None],
        [2, "b", "", None, None, True, None],
        [5, "c", "", 0, 10, True, NOW - DAY],
    ]
)
VALUES = st.one_of(st.sampled_from([0.0, 10.0, -0.0, np.inf, -np.inf, np.nan]), st.floats(-1, 11))
TIMES = st.sampled_from(
    [0, NOW, NOW - DAY - 1, NOW - DAY, NOW + 300_000, NOW + 300_001, NOW - 31 * DAY, NOW - 31 * DAY - 1]
)
ROWS = st.lists(st.tuples(st.sampled_from([-1, 1, 2, 5]), TIMES, VALUES, st.integers(0, 2)), max_size=4)


@given(ROWS)
def test_a_glance_never_passes_what_the_checks_refuse(rows):
    admission = Admission(Registry(Snapshot(1, [SiteRow(1, "s", "/", True)], [], [(1, STREAMS)])))
    stream, at, value, quality = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [])

    def batch():
        n = len(rows)
        return Batch(
            1, "x", NOW, np.array(stream, np.int32), np.array(at, np.int64), np.array(value, np.float64),
            np.array(quality, np.uint8), np.zeros(n, np.uint8),
        )  # fmt: skip

    quick, slow = batch(), batch()
    admission(quick, NOW)
    with mock.patch.object(glance, "all_pass", return_value=False):
        admission(slow, NOW)
    assert quick.reason.tolist() == slow.reason.tolist()
    assert (quick.reason == 0).all() or checks.is_refused(quick.reason).any()
