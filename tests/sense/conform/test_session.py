"""The kit before peers that mean no good: bounded, and always with a result."""

import asyncio
import contextlib
from dataclasses import replace
from random import Random

import pytest

from fengsui.sense.conform import session as sessions
from fengsui.sense.conform.case import Scene, Waits
from fengsui.sense.conform.scripts import SCRIPTS
from fengsui.sense.conform.session import Session
from fengsui.sense.simulators import line
from fengsui.sense.simulators.device import Options
from fengsui.sense.simulators.kinds import KINDS
from tests.sense.conform.stand import verdicts


async def against(peer, total_s: float = 20) -> Session:
    """Walk HJ 212 while ``peer(reader, writer)`` calls again and again."""
    session = Session(SCRIPTS["hj212"], Scene(), Waits(0.2, 0.4), total_s=total_s)
    walk = asyncio.create_task(session.listen("127.0.0.1", 0))
    await session.listening.wait()

    async def call():
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*session.address)
                try:
                    await peer(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(0.01)

    calling = asyncio.create_task(call())
    try:
        await walk
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    return session


async def test_random_bytes_without_end_fail_and_end():
    chance = Random(1)

    async def peer(reader, writer):
        while True:
            writer.write(chance.randbytes(60_000))
            await writer.drain()

    session = await against(peer)
    assert "hj212.upload.arrives" in verdicts(session, "fail")
    assert not verdicts(session, "pass")
    for one in session.results:
        assert sum(len(entry.data) for entry in one.entries) <= 4 * sessions.KEPT_BYTES
        assert len(one.entries) <= sessions.KEPT_ENTRIES + 2
        kept = sum(len(e.data) for e in one.entries if e.way in ("sent", "received"))
        assert kept <= one.bytes_sent + one.bytes_received


async def test_a_peer_that_says_nothing_fails():
    async def peer(reader, writer):
        await reader.read()

    session = await against(peer)
    assert "hj212.time.get" in verdicts(session, "fail")
    assert "hj212.upload.arrives" in verdicts(session, "fail")


async def test_nobody_calls_and_the_limit_ends_it():
    session = Session(SCRIPTS["hj212"], Scene(), Waits(0.1, 0.1), total_s=0.2)
    await session.listen("127.0.0.1", 0)
    assert verdicts(session, "not_run") == {one.case.id for one in session.results}


async def test_an_error_of_a_script_ends_the_walk_and_is_not_the_devices_fault():
    def reply(scene, frame):
        raise KeyError("a mistake of ours")

    script = replace(SCRIPTS["hj212"], reply=reply)
    session = Session(script, Scene(), Waits(5, 5), total_s=20)
    walk = asyncio.create_task(session.listen("127.0.0.1", 0))
    await session.listening.wait()
    device = KINDS["hj212"].make(Options(period_s=0.1))
    calling = asyncio.create_task(line.dial(device, SCRIPTS["hj212"].codec, *session.address))
    try:
        with pytest.raises(RuntimeError, match="not the device"):
            await walk
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    assert not verdicts(session, "fail")
