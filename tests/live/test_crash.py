"""Kill -9 each role in turn, and all at once, under load: nothing acknowledged is lost, nothing is doubled."""

import os
import signal
import time

import pytest

from fengsui.run.scratch import Scratch
from tests.live import works

ROLES = ("pipeline", "gateway", "bus", "db", "worker", "web")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crash")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    made = works.start(tmp_path_factory.mktemp("regions"), tmp_path_factory.mktemp("crash") / "var")
    yield made
    assert made.stop() == 0, made.said()


def test_kill_9_of_each_role_in_turn_loses_and_doubles_nothing(plant):
    devices = works.Devices(plant)
    recovery: dict[str, float] = {}
    try:
        for role in ROLES:
            devices.wait_for_more(15)
            pid = plant.pid_of(role)
            os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            while not is_back(plant, role, pid):
                time.sleep(0.2)
                assert time.monotonic() - began < 90, f"{role} did not come back:\n{plant.said()[-2000:]}"
            recovery[role] = time.monotonic() - began
        devices.wait_for_more(15)
    finally:
        devices.stop()
    print("recovery:", {role: f"{seconds:.1f} s" for role, seconds in recovery.items()})
    works.check(plant, devices)


def test_kill_9_of_everything_at_once_loses_and_doubles_nothing(plant):
    devices = works.Devices(plant)
    try:
        devices.wait_for_more(20)
        works.kill_all(plant)
        began = time.monotonic()
        plant.up()
        up_s = time.monotonic() - began
        devices.wait_for_more()
        print(
            f"recovery: up after {up_s:.1f} s, every device confirmed after {time.monotonic() - began:.1f} s"
        )
        devices.wait_for_more(10)
    finally:
        devices.stop()
    works.check(plant, devices, least=30)


def is_back(plant: Scratch, role: str, old_pid: int) -> bool:
    return any(
        r["role"] == role and r["ready"] and r.get("pid") not in (None, old_pid) for r in plant.roles()
    )
