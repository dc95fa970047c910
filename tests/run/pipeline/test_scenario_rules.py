"""Scenario rules in the pipeline's epoch: one event, one alarm with its cause, however messages come or come again."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.batch import Batch, encode
from fengsui.govern.catalogue.columns import ALWAYS, arrange
from fengsui.govern.checks import CheckPolicy
from fengsui.run.pipeline.epoch import settle
from fengsui.run.pipeline.partition import SCENARIOS, Arrived, Partition, compile_for
from fengsui.warn.engine import CLEARED, RAISED, RuleRow
from fengsui.warn.expressions import CompoundRow, Input, check, parse, tabulate
from fengsui.warn.expressions.in_force import About, InForce
from fengsui.warn.expressions.table import Watched, alarms_of

NOW = 1_772_323_200_000
LEVEL, INLET, GAS, OVERFILL, QUIET = range(5)
STREAMS = np.arange(5, dtype=np.int32)
NAMES = {"level": LEVEL, "inlet": INLET, "gas": GAS}
INPUTS = {"level": Input("m"), "inlet": Input("1"), "gas": Input("%LEL", 600_000)}
HIGH, OVERFILL_RULE, QUIET_RULE = 1, 2, 3
RULES = [
    RuleRow(HIGH, LEVEL, "h", 9.0),
    RuleRow(OVERFILL_RULE, OVERFILL, "h", 1.0),
    RuleRow(QUIET_RULE, QUIET, "h", 1.0),
]
TEXTS = {OVERFILL: "alarm(level, h) and inlet is on", QUIET: "silent(gas, 1m)"}


def in_force(version: int = 1) -> InForce:
    rows, about = [], []
    for number, text in enumerate(TEXTS.values(), 1):
        checked = check(text, parse(text), INPUTS)
        names = {name: NAMES[name] for name in checked.names}
        rows.append(CompoundRow(number, version, checked, names, 5_000 if number == 1 else 0, 0, 480, NOW))
        about.append(
            About({"scenario": number, "version": version}, tuple({"name": n} for n in checked.names))
        )
    watched = [Watched(HIGH, LEVEL, "h")]
    assert alarms_of(rows) == {(LEVEL, "h")}
    own, ordinary = np.array([OVERFILL, QUIET], np.int32), np.array([OVERFILL_RULE, QUIET_RULE])
    return InForce(tabulate(rows, watched), own, ordinary, tuple(about), (tuple(rows), tuple(watched)))


FORCE = in_force()


def fresh() -> Partition:
    n = len(STREAMS)
    open_ended = [np.full(n, -np.inf), np.full(n, np.inf), np.zeros(n, np.int32), np.full(n, ALWAYS)]
    columns = arrange([STREAMS, np.ones(n, np.int32), *open_ended], np.array([1], np.int32), ["/1/"])
    return Partition(columns, compile_for(columns, RULES), CheckPolicy(), 1, scenarios=FORCE)


def message(seq: int, second: int, **values: float) -> Arrived:
    at = NOW + 1000 * second
    streams = np.array([NAMES[name] for name in values], np.int32)
    zero = np.zeros(len(streams), np.uint8)
    sent = Batch(
        1, "tank", at + 40, streams, np.full(len(streams), at), np.array(list(values.values())), zero, zero
    )
    return Arrived(seq, at + 50, f"gw:0:{seq}", encode("gw", seq, [sent]))


def levels() -> list[dict]:
    """Above 9 m from 10 to 30 s with the inlet open; the gas detector is not heard from 20 to 90 s."""
    out = []
    for second in range(100):
        said = {"level": 9.5 if 10 <= second < 30 else 8.0, "inlet": 1.0}
        if second <= 20 or second >= 90:
            said["gas"] = 3.0
        out.append(said)
    return out


MESSAGES = [message(second + 1, second, **said) for second, said in enumerate(levels())]
WHOLE = [
    (HIGH, "raised", 10, 10),
    (HIGH, "cleared", 30, 10),
    (OVERFILL_RULE, "raised", 15, 15),  # five seconds of delay
    (OVERFILL_RULE, "cleared", 30, 15),
    (QUIET_RULE, "raised", 80, 80),
    (QUIET_RULE, "cleared", 90, 80),
]


def said(events) -> list[tuple[int, str, int, int]]:
    words = {RAISED: "raised", CLEARED: "cleared"}
    return [
        (e.rule_id, words[e.what], (e.time_ms - NOW) // 1000, (e.started_ms - NOW) // 1000) for e in events
    ]


def stored(partition: Partition):
    epoch = partition.close_epoch()
    rows = settle(epoch, lambda ids, _t: (np.zeros(len(ids), bool), np.full(len(ids), np.nan))).rows
    return epoch, rows


def test_it_is_raised_once_with_its_cause_and_what_it_says_is_booked():
    partition = fresh()
    events = [e for m in MESSAGES for e in partition.take([m])]
    assert sorted(said(events)) == sorted(WHOLE)
    causes = {e.rule_id: json.loads(e.cause) for e in events if e.cause}
    assert set(causes) == {OVERFILL_RULE, QUIET_RULE}
    assert [(t["text"], t["held"]) for t in causes[OVERFILL_RULE]["terms"]] == [
        ("alarm(level, h)", True), ("inlet is on", True),
    ]  # fmt: skip
    assert [(n["name"], n["value"]) for n in causes[OVERFILL_RULE]["names"]] == [
        ("level", 9.5),
        ("inlet", 1.0),
    ]
    assert causes[QUIET_RULE]["terms"][0]["value"] == 60
    epoch, rows = stored(partition)
    source = list(epoch.names).index(SCENARIOS)
    mine = rows.take(rows.source == source)
    assert set(mine.datastream.tolist()) == {OVERFILL, QUIET}
    for boundary in ("gateway", "pipeline"):
        lines = [r for r in epoch.counts.rows() if r[0] == boundary and r[1] == SCENARIOS]
        assert sum(r[3] for r in lines) == len(mine), "the ledger balances for what is made here, too"


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(0, len(MESSAGES)), st.integers(0, 40)
)
def test_grouping_redelivery_and_a_restart_change_nothing(sizes, restart, behind):
    partition, events, at, rows = fresh(), [], 0, []
    restarted = False
    for size in [*sizes, *[7] * len(MESSAGES)]:
        if at >= len(MESSAGES):
            break
        if at >= restart and not restarted:
            restarted = True  # what came last comes again
            parts = partition.snapshot().parts()
            rows.append(stored(partition)[1])
            partition = fresh()
            partition.restore(_Parts(parts), at, NOW)
            at = max(0, at - behind)
        events += said(partition.take(MESSAGES[at : at + size]))
        at += size
    assert partition.take(MESSAGES) == []
    assert sorted(events) == sorted(WHOLE)
    rows.append(stored(partition)[1])
    keys = [k for r in rows for k in zip(r.datastream.tolist(), r.time_ms.tolist(), strict=True)]
    assert len(keys) == len(set(keys))


def test_the_clock_raises_at_the_same_instant_as_a_reading_would():
    """Whoever looks first: the episode begins when the silence was long enough, and has one key."""
    partition = fresh()
    partition.take(MESSAGES[:21])
    by_clock = partition.sweep(NOW + 85_000)
    assert said(by_clock) == [(QUIET_RULE, "raised", 80, 80)]
    assert json.loads(by_clock[0].cause)["names"] == [{"name": "gas", "value": 3.0}]
    rest = said(e for e in partition.take(MESSAGES[21:]))
    assert (QUIET_RULE, "raised", 80, 80) not in rest
    assert (QUIET_RULE, "cleared", 90, 80) in rest


def test_an_edited_rule_keeps_its_episode_and_a_restart_tells_its_cause_again():
    partition = fresh()
    partition.take(MESSAGES[:17])
    edited = in_force(version=2)
    assert partition.adopt(partition.columns, partition.rules, partition.policy, NOW, scenarios=edited) == []
    assert [s[:2] for s in said(partition.standing())] == [(HIGH, "raised"), (OVERFILL_RULE, "raised")]
    assert sorted(said(partition.take(MESSAGES[17:31]))) == [s for s in sorted(WHOLE) if s[2] == 30]
    other = fresh()
    other.take(MESSAGES[:17])
    again = fresh()
    again.restore(_Parts(other.snapshot().parts()), 17, NOW)
    told = {e.rule_id: e.cause for e in again.standing()}
    assert [n["value"] for n in json.loads(told[OVERFILL_RULE])["names"]] == [9.5, 1.0]


class _Parts(dict):
    def under(self, prefix):
        return {name.removeprefix(prefix): self[name] for name in self if name.startswith(prefix)}
