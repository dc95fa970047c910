"""A test stand: the kit and a simulated device over a real loopback socket."""

import asyncio

from fengsui.sense.conform.case import Scene, Waits
from fengsui.sense.conform.scripts import SCRIPTS
from fengsui.sense.conform.session import Session
from fengsui.sense.simulators import line
from fengsui.sense.simulators.device import Options
from fengsui.sense.simulators.kinds import KINDS

PATIENT = Waits(answer_s=8, data_s=20)
HASTY = Waits(answer_s=1.5, data_s=7)  # a device that never does something is waited for so long


async def walked(protocol: str, fault: str = "", waits: Waits = PATIENT, **options) -> Session:
    """Walk the whole script of a protocol against its simulated device."""
    kind, script = KINDS[protocol], SCRIPTS[protocol]
    options = {"period_s": 0.3, "resend_s": 1.0, "fault": fault} | options
    device = kind.make(Options(**options))
    session = Session(script, Scene(), waits)
    if kind.listens:
        server = await line.listen(device, kind.codec, "127.0.0.1", 0)
        try:
            await session.dial(*server.sockets[0].getsockname()[:2])
        finally:
            server.close()
        return session
    walk = asyncio.create_task(session.listen("127.0.0.1", 0))
    await session.listening.wait()
    calling = asyncio.create_task(line.dial(device, kind.codec, *session.address, redial_s=0.05))
    try:
        await walk
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    return session


def verdicts(session: Session, verdict: str) -> set[str]:
    return {one.case.id for one in session.results if one.verdict == verdict}


def reasons(session: Session) -> dict[str, list[str]]:
    return {one.case.id: [reason.en for reason in one.reasons] for one in session.results if one.reasons}
