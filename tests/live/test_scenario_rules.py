"""A scenario rule as rows, on a real bus and a real database: in force at once, one alarm whatever crashes."""

import asyncio
import time

import pytest

from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline-crash")]

RULE = """
INSERT INTO devices_observedproperty (code, name, name_en, definition, description)
VALUES ('scenario', '情景', 'Scenario', '', '');
INSERT INTO devices_datastream (site_id, thing_id, observed_property_id, code, name, name_en, unit, period_ms, decimals,
    is_active, stopped_reason)
SELECT d.site_id, d.thing_id, p.id, 'scenario-overfill', '过充', 'Overfill', '1', 60000, 0, true, ''
FROM devices_datastream d, devices_observedproperty p WHERE d.id = 1 AND p.code = 'scenario';
INSERT INTO alarms_rule (datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
    is_enabled, basis, shelved_reason, version)
SELECT id, 'h', 1, 0, 0, 0, 0, 1, true, '', '', 1 FROM devices_datastream WHERE code = 'scenario-overfill';
INSERT INTO scenarios_scenariorule (site_id, code, name, name_en, template, expression, clear, parameters, for_ms,
    clear_for_ms, priority, cause, cause_en, basis, is_enabled, version, datastream_id, rule_id)
SELECT d.site_id, 'overfill', '过充', 'Overfill', '', 'level > high and inlet > 20 m', '', '{"high": "30 m"}', 0, 0, 1,
    '', '', '', true, 1, d.id, r.id
FROM devices_datastream d JOIN alarms_rule r ON r.datastream_id = d.id WHERE d.code = 'scenario-overfill';
INSERT INTO scenarios_binding (scenario_id, name, datastream_id, max_age_ms)
SELECT s.id, n.name, n.stream, 60000 FROM scenarios_scenariorule s, (VALUES ('level', 1), ('inlet', 2)) n(name, stream);
"""
ALARM = """SELECT a.key, a.grounds, a.cleared_at IS NOT NULL, a.received_at IS NOT NULL
    FROM alarms_alarm a JOIN scenarios_scenariorule s ON s.rule_id = a.rule_id"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    made = Plant(tmp_path_factory.mktemp("scenario") / "var", FENGSUI_EPOCH_MS="300")
    try:
        made.register(2, 3, ruled=0)
        made.start_pipeline()
        wait_until(lambda: any(r["ready"] for r in made.roles()), 60, f"the pipeline is ready\n{made.tail()}")
        yield made
    finally:
        made.close()


def test_in_force_within_seconds_and_one_alarm_over_a_crash(plant):
    at = now_ms()

    async def send(writer, level, inlet):
        return await writer.write(batch(1, [1, 2], now_ms(), [level, inlet], source="tank"))

    async def until_raised():
        async with Writer(plant, "gw-s") as writer:
            await send(writer, 40, 10)
            plant.sql(RULE)
            began = time.monotonic()
            while not plant.sql(
                ALARM
            ):  # the condition holds from here on; it counts once the rule is in force
                assert time.monotonic() - began < 60, plant.tail()
                seq = await send(writer, 40, 25)
                await asyncio.sleep(0.1)
            return seq, time.monotonic() - began

    seq, took = run(until_raised())
    print(f"in force and raised after {took:.1f} s")
    ((key, cause, cleared, received),) = plant.sql(ALARM)
    assert (cleared, received) == (False, True)
    assert int(key.partition(":")[2]) >= at
    assert [(t["text"], t["held"], t["value"], t["unit"]) for t in cause["terms"]] == [
        ("level > high", True, 40, "m"), ("inlet > 20 m", True, 25, "m"),
    ]  # fmt: skip
    assert [(n["name"], n["value"], n["datastream"]) for n in cause["names"]] == [
        ("level", 40, 1),
        ("inlet", 25, 2),
    ]

    plant.kill_pipeline()
    plant.start_pipeline()

    async def and_clear():
        async with Writer(plant, "gw-s2") as writer:
            for _ in range(3):
                await send(writer, 40, 26)
            await send(writer, 10, 26)
            return await send(writer, 10, 26)

    plant.wait_committed(run(and_clear()))
    wait_until(lambda: plant.sql(ALARM)[0][2], 30, f"it is cleared\n{plant.tail()}")
    ((again, cause_again, cleared, _received),) = plant.sql(ALARM)
    assert (again, cause_again, cleared) == (key, cause, True)
    own = plant.one("SELECT datastream_id FROM scenarios_scenariorule")
    code, ledger = plant.ledger("--deep", "--source", "scenarios")
    assert code == 0, ledger
    assert ledger["totals"]["pipeline"]["stored"] >= 2
    assert plant.one("SELECT count(*) FROM alarms_alarm WHERE datastream_id = %s", [own]) == 1
    assert seq > 0
