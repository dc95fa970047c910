"""Traces: nothing when nobody asked for them, one tree when somebody did."""

import asyncio
import threading

import pytest

from fengsui.base import tracing


class Recorder:
    """Begins every trace unless told otherwise; knows what was begun and ended."""

    def __init__(self, declines: bool = False):
        self.began: list[tuple[str, str]] = []
        self.ended: list[tuple[str, BaseException | None]] = []
        self.declines = declines

    def __call__(self, name, parent, attributes):
        if self.declines and not parent:
            return None
        self.began.append((name, parent))
        return Made(self, name)


class Made:
    def __init__(self, recorder, name):
        self.recorder, self.name = recorder, name

    @property
    def traceparent(self):
        return f"of {self.name}"

    def end(self, error=None):
        self.recorder.ended.append((self.name, error))


@pytest.fixture
def recorder():
    made = Recorder()
    tracing.install(made)
    yield made
    tracing.install(None)


def test_nothing_happens_when_nobody_installed_anything():
    with tracing.root("a"), tracing.span("b", "somebody"):
        assert tracing.current() == ""
    deed = len
    assert tracing.carry(deed) is deed


def test_steps_nest_and_a_step_outside_a_trace_is_none(recorder):
    with tracing.span("outside"):
        assert tracing.current() == ""
    with tracing.root("request"):
        with tracing.span("write"):
            assert tracing.current() == "of write"
        assert tracing.current() == "of request"
    with tracing.span("step", "of write"):
        pass
    assert recorder.began == [("request", ""), ("write", "of request"), ("step", "of write")]
    assert [name for name, _ in recorder.ended] == ["write", "request", "step"]
    assert tracing.current() == ""


def test_a_request_that_is_not_sampled_leaves_nothing_behind(recorder):
    recorder.declines = True
    with tracing.root("request"), tracing.span("write"):
        assert tracing.current() == ""
    assert recorder.began == []


def test_a_failed_step_is_ended_with_its_error_and_the_error_goes_on(recorder):
    with pytest.raises(ValueError, match="wrong"), tracing.root("request"):
        raise ValueError("wrong")
    assert isinstance(recorder.ended[0][1], ValueError)


def test_a_step_is_carried_to_another_thread_only_when_asked(recorder):
    seen = []

    def look():
        seen.append(tracing.current())

    with tracing.root("request"):
        for deed in (look, tracing.carry(look)):
            thread = threading.Thread(target=deed)
            thread.start()
            thread.join()
    assert seen == ["", "of request"]


def test_tasks_side_by_side_do_not_see_each_other(recorder):
    async def one(name):
        with tracing.root(name):
            await asyncio.sleep(0)
            return tracing.current()

    async def both():
        return await asyncio.gather(one("a"), one("b"))

    assert asyncio.run(both()) == ["of a", "of b"]
