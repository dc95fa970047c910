"""What a fork is to its supervisor: a pid, a log, a code in the end; and what happens where none is to be had."""

import asyncio
import os
import signal
import sys

import pytest

from fengsui.run import branches, child
from fengsui.run.branches import NoStem, Stem


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("FENGSUI_HOME", str(tmp_path / "var"))
    with (tmp_path / "log").open("ab") as out:
        yield out


def said(log) -> str:
    with open(log.name) as file:
        return file.read()


def test_a_fork_is_a_command_of_its_own_and_says_how_it_ended(log):
    asyncio.run(_several_forks(log))


async def _several_forks(log):
    stem = Stem()
    await stem.start(log)
    unknown = await stem.branch(["fly"], log)
    assert await asyncio.wait_for(unknown.wait(), 30) == 2
    assert "usage: fengsui COMMAND" in said(log)

    waiting = await stem.branch(["replay", "--help"], log)
    assert (await asyncio.wait_for(waiting.wait(), 30), waiting.returncode) == (0, 0)

    one, other = await asyncio.gather(stem.branch(["bus"], log), stem.branch(["bus"], log))
    assert len({os.getsid(one.pid), os.getsid(other.pid), os.getsid(0)}) == 3
    one.kill()
    assert await asyncio.wait_for(one.wait(), 30) == -signal.SIGKILL

    assert stem._process is not None
    stem._process.kill()
    assert await asyncio.wait_for(other.wait(), 30) != 0
    await asyncio.wait_for(stem._process.wait(), 30)
    await stem.start(log)
    third = await stem.branch(["fly"], log)
    assert await asyncio.wait_for(third.wait(), 30) == 2
    await stem.stop()


def test_where_nothing_can_be_forked_that_is_said(log, monkeypatch):
    asyncio.run(_no_fork(log, monkeypatch))


async def _no_fork(log, monkeypatch):
    real = child.start

    async def broken(command, **more):
        return await real([sys.executable, "-c", "raise SystemExit(1)"], **more)

    monkeypatch.setattr(branches.child, "start", broken)
    stem = Stem()
    await stem.start(log)
    with pytest.raises(NoStem):
        await stem.branch(["fly"], log)
    await stem.stop()
