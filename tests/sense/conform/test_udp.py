"""The kit over UDP: the whole script against a simulated device, listening and dialling, and what UDP leaves out."""

import asyncio

import pytest

from fengsui.sense.conform.case import HangUp, Scene
from fengsui.sense.conform.scripts import SCRIPTS
from fengsui.sense.conform.session import Session, over_udp
from fengsui.sense.gateways.field.registry import UDP
from fengsui.sense.simulators import line
from fengsui.sense.simulators.device import Options
from fengsui.sense.simulators.kinds import KINDS
from tests.sense.conform.stand import HASTY, PATIENT, verdicts


async def listened(protocol: str, fault: str = "", waits=PATIENT) -> Session:
    """The kit waits, the device speaks to it."""
    kind = KINDS[protocol]
    session = Session(SCRIPTS[protocol], Scene(), waits, udp=True)
    walk = asyncio.create_task(session.listen("127.0.0.1", 0))
    await session.listening.wait()
    device = kind.make(Options(period_s=0.3, resend_s=1.0, fault=fault))
    speaking = asyncio.create_task(line.dial_udp(device, kind.codec, *session.address))
    try:
        await walk
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    return session


@pytest.mark.parametrize("protocol", sorted(UDP & set(SCRIPTS)))
async def test_a_good_device_passes_every_case_that_is_left_over_udp(protocol):
    session = await listened(protocol)
    failed = {one.case.id: [str(reason) for reason in one.reasons] for one in session.results if one.reasons}
    assert failed == {}
    assert verdicts(session, "pass") == {case.id for case in over_udp(SCRIPTS[protocol]).cases}


async def test_the_kit_knocks_at_a_device_that_waits_to_be_spoken_to():
    kind = KINDS["gb26875"]
    device = kind.make(Options(period_s=0.3, resend_s=1.0))
    socket, port = await line.listen_udp(device, kind.codec, "127.0.0.1", 0)
    session = Session(SCRIPTS["gb26875"], Scene(), PATIENT, udp=True)
    try:
        await session.dial("127.0.0.1", port)
    finally:
        socket.close()
    assert not verdicts(session, "fail") and not verdicts(session, "not_run")


async def test_a_fault_is_found_over_udp_as_well():
    assert verdicts(await listened("gb26875", "bad-checksum", HASTY), "fail")


@pytest.mark.parametrize("protocol", sorted(UDP & set(SCRIPTS)))
def test_cases_that_cut_a_line_or_a_frame_are_left_out(protocol):
    left = set(SCRIPTS[protocol].cases) - set(over_udp(SCRIPTS[protocol]).cases)
    assert any(isinstance(step, HangUp) for case in left for step in case.steps)
    assert all(
        not isinstance(step, HangUp) for case in over_udp(SCRIPTS[protocol]).cases for step in case.steps
    )
