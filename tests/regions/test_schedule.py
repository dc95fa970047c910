"""What the demonstration shows: the schedule's own readings, judged by the pack's own rules with the real engine."""

from pathlib import Path

import numpy as np
import pytest

from fengsui.base import units
from fengsui.run import packs
from fengsui.sense.gateways import replay
from fengsui.warn.engine import RAISED, RuleRow, State, compile_rules, step
from tests.regions.conftest import YICHANG

MINUTE = 60_000


def alarms_of(pack: packs.Pack, shared: Path) -> list[tuple[int, str, str, str, int]]:
    """(ms since the start, site, datastream, kind, priority) of every alarm of each track's first lap."""
    found = []
    for track in pack.tracks:
        dataset = replay.read_dataset(YICHANG / "data" / track["dataset"], shared)
        if not replay.runs_of(dataset):
            continue
        series = [replay.read_series(dataset, run["run"], *run["rows"]) for run in track["runs"]]
        program = replay.join(series, track["speed"])
        own = {row["code"]: row for row in pack["datastreams"] if row["site"] == track["site"]}
        columns = [c.code for c in dataset.columns]
        rules = [row for row in pack["rules"] if row["site"] == track["site"] and row["kind"] != "silent"]
        names = ("kind", "setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms")
        rows = [
            RuleRow(i, columns.index(row["datastream"]), *(row[n] for n in names))
            for i, row in enumerate(rules)
        ]
        compiled = compile_rules(rows, {i: i for i in range(len(columns))})
        n, k = program.value.shape
        value = np.column_stack(
            [
                units.convert(program.value[:, j], c.unit, own[c.code]["unit"])
                for j, c in enumerate(dataset.columns)
            ]
        )
        events = step(
            State.fresh(compiled, k),
            np.repeat(np.arange(k), n),
            np.tile(program.offset_ms + MINUTE, k),
            np.ascontiguousarray(value.T).reshape(-1),
            np.zeros(n * k, np.uint8),
            compiled,
        )
        for what, rule_id, at in zip(events.what, events.rule_id, events.time_ms, strict=True):
            if what == RAISED:
                rule = rules[int(rule_id)]
                found.append(
                    (int(at) - MINUTE, track["site"], rule["datastream"], rule["kind"], rule["priority"])
                )
    return sorted(found)


@pytest.fixture(scope="module")
def alarms():
    shared = Path("/nonexistent")
    return alarms_of(packs.read(YICHANG, shared), shared)


def test_the_first_alarm_comes_within_a_minute_and_a_red_one_within_ten(alarms):
    assert alarms[0][0] < MINUTE
    assert alarms[0][1:4] == ("yc-chem", "XMEAS_1", "l")
    red = next(a for a in alarms if a[4] == 1)
    assert red[0] < 10 * MINUTE
    assert red[1:4] == ("yc-chem", "XMEAS_7", "hh")


def test_alarms_keep_coming_and_never_flood_the_desk(alarms):
    """ISA-18.2: more than ten new alarms in ten minutes are a flood."""
    at = np.array([a[0] for a in alarms])
    two_hours = at[at < 120 * MINUTE]
    assert 15 <= len(two_hours) <= 120
    assert np.diff(np.concatenate([[0], two_hours])).max() < 30 * MINUTE
    most = max(int(((at >= t) & (at < t + 10 * MINUTE)).sum()) for t in at)
    assert most <= 10


def test_several_kinds_and_every_priority_are_seen(alarms):
    assert {a[4] for a in alarms} == {1, 2, 3, 4}
    assert {"hh", "h", "l", "rate", "frozen"} <= {a[3] for a in alarms}
    assert {"yc-chem", "yc-pump", "yc-air-1", "yc-air-2", "yc-air-3"} == {a[1] for a in alarms}
