"""One pass over many batches says what the checks say one by one."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.quality import Reason
from fengsui.govern import checks

NOW = 1_700_000_000_000
ALWAYS = np.iinfo(np.int64).max
POLICY = checks.CheckPolicy(future_tolerance_ms=1000, late_after_ms=60_000, refuse_older_than_ms=3_600_000)
FACTS = checks.Facts(
    slot_of=np.array([-1, 0, 1, -1, 2, 3], np.int32),
    site=np.array([7, 7, 8, 8], np.int32),
    range_min=np.array([0, -np.inf, -1, 5.0]),
    range_max=np.array([10, np.inf, 1, 5.0]),
    stopped_ms=np.array([ALWAYS, ALWAYS, NOW - 10, ALWAYS]),
)
NOTHING = checks.Facts(*(getattr(FACTS, f.name)[:0] for f in fields(checks.Facts)))
EDGES = [NOW + d for d in (0, 1000, 1001, -10, -11, -60_000, -60_001, -3_600_000, -3_600_001)]
ROW = st.tuples(
    st.integers(-2, 7),
    st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.sampled_from([0.0, 5.0, 10.0, 10.5, -1.5]), st.floats()),
    st.integers(0, 255),
    st.one_of(st.just(0), st.sampled_from([int(r) for r in Reason]), st.integers(0, 255)),
)
BATCH = st.tuples(
    st.sampled_from([7, 8, 9]),
    st.integers(NOW - 5, NOW + 5),
    st.booleans(),
    st.lists(ROW, min_size=1, max_size=12),
)


def sent_of(batches) -> checks.Sent:
    rows = [row for batch in batches for row in batch[3]]
    columns = zip(*rows, strict=True)
    kinds = (np.int32, np.int64, np.float64, np.uint8, np.uint8)
    return checks.Sent(
        np.cumsum([0, *(len(b[3]) for b in batches)]),
        np.array([b[0] for b in batches], np.int32),
        np.array([b[1] for b in batches], np.int64),
        np.array([b[2] for b in batches], bool),
        *(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)),
    )


@given(st.lists(BATCH, min_size=1, max_size=6), st.booleans())
def test_the_compiled_pass_says_what_the_checks_say(batches, nothing_known):
    sent, facts = sent_of(batches), NOTHING if nothing_known else FACTS
    compiled, plain = checks.judge(sent, facts, POLICY), checks.judge_plain(sent, facts, POLICY)
    for field in fields(checks.Judged):
        one, other = getattr(compiled, field.name), getattr(plain, field.name)
        assert np.array_equal(one, other), (field.name, one, other)


@given(st.lists(BATCH, min_size=2, max_size=6), st.data())
def test_how_batches_are_grouped_changes_no_verdict(batches, data):
    cut = data.draw(st.integers(1, len(batches) - 1))
    whole = checks.judge(sent_of(batches), FACTS, POLICY)
    parts = [checks.judge(sent_of(part), FACTS, POLICY) for part in (batches[:cut], batches[cut:])]
    for name in ("slot", "quality", "reason", "at_door", "refused", "observed_ms"):
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(p, name) for p in parts]))
