"""One time for all processes of a machine: kept through a jump, through a restart, and set together."""

import json
import re
import time
from pathlib import Path

import pytest

from fengsui.base.steady import ASKED_MS, FEWEST, WAITED_MS
from fengsui.stores import clock
from fengsui.stores.clock import GONE_MS, Clock

HOUR = 3_600_000
SOURCE = Path(clock.__file__).parents[1]


class Machine:
    """A machine on which time passes when told, and processes on it."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.elapsed = folder, 1_000_000.0
        self.offset = folder / "offset"
        self.added, self.started = 0, time.time_ns()
        monkeypatch.setattr(clock, "_elapsed_ms", lambda: self.elapsed)
        monkeypatch.setattr(
            clock.time, "time_ns", lambda: self.started + int((self.elapsed - 1_000_000) * 1e6)
        )

    @property
    def true_ms(self) -> int:
        return clock.time.time_ns() // 1_000_000

    def process(self, decides: bool = False) -> Clock:
        made = Clock()
        made.share(self.folder, str(self.offset))
        if decides:
            made.decide()
        made.now_ms()
        return made

    def jump(self, ms: int) -> None:
        self.added += ms
        self.offset.write_text(str(self.added))

    def after(self, ms: int, *clocks: Clock) -> list[int]:
        """Half a second at a time, all clocks being read; returns by how much each is off the true time in the end."""
        for _ in range(max(1, ms // 500)):
            self.elapsed += 500
            for one in clocks:
                one.now_ms()
        return [one.now_ms() - self.true_ms for one in clocks]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_a_role_that_starts_after_a_jump_does_not_believe_it_either(machine):
    gateway = machine.process(decides=True)
    machine.jump(87_600 * HOUR)
    machine.after(1000, gateway)
    worker = machine.process()
    assert [abs(off) <= 1 for off in machine.after(1000, gateway, worker)] == [True, True]
    assert round(worker.apart_ms) == 87_600 * HOUR
    assert worker.jumps == gateway.jumps == 1


def test_what_devices_decide_holds_for_every_process(machine):
    gateway, worker = machine.process(decides=True), machine.process()
    machine.jump(-HOUR)
    machine.after(1000, gateway, worker)
    for n in range(FEWEST):
        assert not gateway.hears(f"d{n}", machine.true_ms - HOUR)
    off = machine.after(int(ASKED_MS) + 1000, gateway, worker)
    assert [round(o / HOUR) for o in off] == [-1, -1]
    assert gateway.apart_ms == worker.apart_ms == 0
    assert worker.moved_within(60)


def test_devices_on_our_side_keep_every_process_there(machine):
    gateway, worker = machine.process(decides=True), machine.process()
    machine.jump(HOUR)
    machine.after(1000, gateway, worker)
    for n in range(FEWEST):
        assert gateway.hears(f"d{n}", machine.true_ms)
    assert machine.after(int(3 * WAITED_MS), gateway, worker) == [0, 0]
    assert gateway.hears("confused", machine.true_ms + HOUR)  # is judged, by our time
    machine.jump(-HOUR)
    machine.after(1000, gateway, worker)
    assert gateway.apart_ms == worker.apart_ms == 0
    assert not worker.moved_within(1e9)


def test_where_nobody_decides_the_machine_is_believed(machine):
    worker = machine.process()
    machine.jump(HOUR)
    assert machine.after(int(WAITED_MS), worker) == [0]
    [off] = machine.after(int(GONE_MS) + 1000, worker)
    assert round(off / HOUR) == 1


def test_after_the_machine_started_again_its_clock_is_taken(machine):
    machine.process()
    shared = machine.folder / "clock"
    said = json.loads(shared.read_text())
    shared.write_text(json.dumps({**said, "boot": "another", "offset_ms": 0}))
    assert abs(machine.process().now_ms() - machine.true_ms) <= 1


def test_a_stamp_of_a_neighbour_after_the_jump_is_put_right_and_one_from_before_is_left(machine):
    gateway = machine.process(decides=True)
    before = machine.true_ms
    machine.jump(HOUR)
    machine.after(1000, gateway)
    now = machine.true_ms
    assert abs(gateway.without_jump(now + HOUR) - now) <= 1
    assert gateway.without_jump(before) == before


def test_no_other_code_asks_the_machine_for_the_time():
    """Except: measurements, who talks to a program that has the machine's time (JWT for NATS), and drafts of pages."""
    exempt = (
        "run/benches/",
        "run/bench",
        "run/scratch.py",
        "sense/gateways/nkeys.py",
        "sense/gateways/callout.py",
        "sense/gateways/gb28181/camera.py",  # simulated devices, with a clock of their own
        "sense/simulators/",
    )
    asks = re.compile(r"\btime\.time\(|\btime_ns\(|datetime\.now\(|datetime\.utcnow\(|\.today\(\)")
    for path in SOURCE.rglob("*.py"):
        name = str(path.relative_to(SOURCE))
        if name != "stores/clock.py" and not name.startswith(exempt) and "/migrations/" not in name:
            assert not asks.search(path.read_text()), f"{name}: ask fengsui.stores.clock"
