"""The kit against simulated devices: a good one passes, and each fault fails exactly the cases that must notice it."""

import asyncio

import pytest

from fengsui.sense.conform.scripts import SCRIPTS
from fengsui.sense.simulators.kinds import KINDS
from tests.sense.conform.stand import HASTY, reasons, verdicts, walked

AT_ONCE = 40


FORMS = [(name, form) for name in sorted(SCRIPTS) for form in KINDS[name].variants or ("",)]


@pytest.mark.parametrize(("protocol", "variant"), FORMS)
async def test_a_good_device_passes_every_case(protocol, variant):
    session = await walked(protocol, variant=variant)
    assert verdicts(session, "fail") == set(), reasons(session)
    assert verdicts(session, "not_run") == set()
    must = {one.id for one in SCRIPTS[protocol].cases if one.need == "mandatory"}
    assert must <= verdicts(session, "pass")


@pytest.mark.parametrize("protocol", sorted(SCRIPTS))
async def test_each_fault_fails_exactly_the_cases_that_must_notice_it(protocol):
    room = asyncio.Semaphore(AT_ONCE)

    async def one(name):
        async with room:
            return name, await walked(protocol, name, HASTY)

    sessions = await asyncio.gather(*(one(name) for name in KINDS[protocol].faults))
    wrong = {
        name: (sorted(verdicts(session, "fail") ^ fault.fails), reasons(session))
        for name, session in sessions
        if verdicts(session, "fail") != (fault := KINDS[protocol].faults[name]).fails
    }
    assert not wrong, "\n".join(f"{name}: {told}" for name, told in wrong.items())


@pytest.mark.parametrize("protocol", sorted(SCRIPTS))
def test_every_case_can_be_made_to_fail(protocol):
    noticed = set().union(*(fault.fails for fault in KINDS[protocol].faults.values()))
    assert noticed == {one.id for one in SCRIPTS[protocol].cases}
