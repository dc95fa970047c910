"""The clock of the machine jumps under load, by an hour and by ten years, ahead and back: no reading is refused for it,
no alarm is doubled or lost, and where devices say that the machine is right now, the platform goes over to its clock.

The jump is in the file of FENGSUI_CLOCK_OFFSET_FILE; devices, bus and database keep the true time.
"""

import asyncio
import os
import signal
import time

import pytest

from fengsui.base.steady import ASKED_MS
from fengsui.stores.bus import connect, read_roles
from tests.conftest import wait_until
from tests.live import works

HOUR_MS, YEARS_10_MS = 3_600_000, 3652 * 86_400_000
JUMPS = (HOUR_MS, -HOUR_MS, YEARS_10_MS, -YEARS_10_MS)
SILENCE = """
INSERT INTO alarms_rule (datastream_id, kind, deadband, on_delay_ms, off_delay_ms, window_ms, priority, is_enabled,
    basis, shelved_reason, version)
SELECT id, 'silent', 0, 0, 0, 300000, 2, true, '', '', 1 FROM devices_datastream WHERE code = 'T0002'
"""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clock")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    offset = folder / "offset"
    offset.write_text("0")
    (folder / "regions").mkdir()
    made = works.start(folder / "regions", folder / "var", FENGSUI_CLOCK_OFFSET_FILE=str(offset))
    with works.database(made) as connection:
        connection.execute(SILENCE)
    yield made, offset
    assert made.stop() == 0, made.said()


def asked(made) -> list[dict]:
    """What the roles say of themselves."""

    async def ask() -> list[dict]:
        secret = (made.home / "secrets" / "nats").read_text().strip()
        client = await connect(f"nats://fengsui:{secret}@127.0.0.1:{made.env['FENGSUI_NATS_PORT']}", "test")
        try:
            return await read_roles(client)
        finally:
            await client.close()

    return asyncio.run(ask())


def pid_of(made, role: str) -> int:
    return next(r["pid"] for r in asked(made) if r["role"] == role)


def apart(made) -> set[int]:
    """By how many seconds the clock is off, as the roles say."""
    roles = [r for r in asked(made) if r["role"] in ("gateway", "pipeline", "worker", "web")]
    return {round(r["lag"].get("clock_off_ms", 0) / 1000) for r in roles}


def known(devices: works.Devices) -> None:
    """Every device has had a yes; what was refused until the gateway had read who they are is not counted."""
    devices.wait_for_more(10)
    for sender in devices.senders:
        sender.refused = 0


def refused(devices: works.Devices) -> int:
    return sum(sender.refused for sender in devices.senders)


def held(made) -> int:
    with works.database(made) as connection:
        return connection.execute("SELECT count(*) FROM quarantine_held").fetchone()[0]


def silent(made) -> int:
    with works.database(made) as connection:
        found = connection.execute("SELECT count(*) FROM alarms_alarm WHERE kind = 'silent'").fetchone()
        return int(found[0])


def test_jumps_of_a_clock_that_was_right_change_nothing(plant):
    made, offset = plant
    devices = works.Devices(made)
    try:
        known(devices)
        for by in JUMPS:
            offset.write_text(str(by))
            wait_until(lambda s=by // 1000: apart(made) == {s}, 60, f"every role has noticed {by}")
            devices.wait_for_more(20)
            if by == YEARS_10_MS:  # who starts now does not believe the clock either
                os.kill(pid_of(made, "gateway"), signal.SIGKILL)
                os.kill(pid_of(made, "pipeline"), signal.SIGKILL)
                devices.wait_for_more(20)
        began = time.monotonic()
        wait_until(
            lambda: time.monotonic() - began > ASKED_MS / 1000 + 1, 30, "devices were asked long enough"
        )
        assert apart(made) == {JUMPS[-1] // 1000}
        offset.write_text("0")
        wait_until(lambda: apart(made) == {0}, 30, "the clock is right again")
        devices.wait_for_more(10)
    finally:
        devices.stop()
    works.check(made, devices)
    assert (refused(devices), held(made), silent(made)) == (0, 0, 0)


def test_a_clock_that_was_wrong_and_is_put_right_is_believed_when_devices_say_so(plant):
    made, offset = plant
    made.stop()
    made.output.unlink()
    (made.home / "clock").unlink()  # as after a start of the machine: its clock is an hour behind
    offset.write_text(str(-HOUR_MS))
    made.up()
    devices = works.Devices(made)
    try:
        wait_until(lambda: refused(devices) > 5, 60, "readings of the true time seem to be of the future")
        wait_until(lambda: held(made) > 0, 30, "they are held")
        offset.write_text("0")
        devices.wait_for_more(20)
        assert apart(made) == {0}
        log = (made.home / "logs" / "gateway.log").read_text()
        assert "clock.moved" in log
    finally:
        devices.stop()
    for sender in devices.senders:
        assert sender.accepted
    wait_until(lambda: works.drained(made), 90, "the bus is empty")
    in_history = works.stored(made)
    lost = {s.site: len(set(s.accepted) - in_history[s.site]) for s in devices.senders[:4]}
    assert set(lost.values()) == {0}, lost
    assert silent(made) == 0
    wait_until(lambda: made.run("ledger", "--deep").returncode == 0, 60, "the ledger balances")
