"""Our own time: it follows drift, notices jumps, and goes over to the machine's clock only when others say so."""

from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.steady import ASKED_MS, FEWEST, JUMP_MS, WAITED_MS, Steady

NOW = 1_700_000_000_000.0
HOUR, YEARS_10 = 3_600_000, 3652 * 86_400_000


class Machine:
    """A machine whose clock can be set, with our time on it."""

    def __init__(self) -> None:
        self.elapsed, self.wall = 5_000.0, NOW
        self.steady = Steady(self.wall - self.elapsed)

    def after(self, ms: float, drift: float = 0) -> float:
        self.elapsed, self.wall = self.elapsed + ms, self.wall + ms + drift
        return self.steady.read(self.wall, self.elapsed)

    def jump(self, ms: float) -> float:
        self.wall += ms
        return self.steady.read(self.wall, self.elapsed)

    def hear(self, source: str, stamped: float) -> bool:
        return self.steady.hear(source, int(stamped), self.elapsed)

    def goes_over(self) -> bool:
        return self.steady.machine_is_right(self.elapsed)


@given(st.lists(st.tuples(st.floats(0, 60_000), st.floats(-JUMP_MS / 2, JUMP_MS / 2)), max_size=30))
def test_drift_is_followed_to_the_millisecond(steps):
    machine = Machine()
    for ms, drift in steps:
        assert abs(machine.after(ms, drift) - machine.wall) < 1e-3
    assert machine.steady.jumps == 0


@given(st.sampled_from([HOUR, -HOUR, YEARS_10, -YEARS_10, JUMP_MS + 1, -JUMP_MS - 1]), st.floats(0, 1e7))
def test_a_jump_does_not_move_our_time_and_is_counted_once(by, later):
    machine = Machine()
    before = machine.after(1000)
    assert abs(machine.jump(by) - before) < 1e-3
    assert abs(machine.after(later) - before - later) < 1e-2
    assert machine.steady.jumps == 1
    assert abs(machine.steady.by_ms - by) < 1
    machine.jump(-by)
    assert not machine.steady.is_apart
    assert machine.steady.jumps == 1


def test_devices_that_agree_with_us_keep_our_time_for_good():
    machine = Machine()
    machine.jump(YEARS_10)
    for n in range(FEWEST):
        assert not machine.hear(f"d{n}", machine.wall - YEARS_10)
    machine.after(ASKED_MS)
    assert not machine.steady.is_unsure(machine.elapsed)
    machine.after(100 * WAITED_MS)
    assert not machine.goes_over()


def test_devices_that_agree_with_the_machine_are_not_judged_until_they_have_decided():
    machine = Machine()
    machine.jump(HOUR)
    for n in range(FEWEST):
        assert machine.hear(f"d{n}", machine.wall)
    assert machine.steady.is_unsure(machine.elapsed)
    assert not machine.goes_over()
    machine.after(ASKED_MS)
    assert machine.goes_over()
    machine.steady.follow(machine.wall - machine.elapsed)
    assert machine.after(1) == machine.wall
    assert not machine.steady.is_apart


def test_most_sources_decide_each_with_one_voice():
    machine = Machine()
    machine.jump(-HOUR)
    for _ in range(10):
        machine.hear("loud", machine.wall)
    for n in range(3):
        machine.hear(f"d{n}", machine.wall + HOUR)
    machine.after(ASKED_MS)
    assert not machine.goes_over()
    for n in range(3):
        machine.hear(f"d{n}", machine.wall)
    assert machine.goes_over()


def test_where_nobody_is_heard_the_machine_is_believed_after_a_while():
    machine = Machine()
    machine.jump(HOUR)
    machine.hear("of another time", NOW - 50 * HOUR)
    machine.after(WAITED_MS - 1)
    assert not machine.goes_over()
    machine.after(1)
    assert machine.goes_over()


def test_another_jump_asks_everybody_anew():
    machine = Machine()
    machine.jump(HOUR)
    for n in range(5):
        machine.hear(f"d{n}", machine.wall)
    machine.after(ASKED_MS)
    machine.jump(HOUR)
    assert not machine.goes_over()
    assert machine.steady.jumps == 2
