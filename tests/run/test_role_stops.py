"""A role ends when it is told to, also when what it waits for is away."""

import signal
import subprocess
import sys

ROLE = """
import asyncio, contextlib, sys, threading
from fengsui.run import role

async def serve():
    try:
        print("serving", flush=True)
        await asyncio.sleep(3600)
    finally:
        {closing}

sys.exit(role.run("test", serve, stop_s={stop_s}))
"""
CLEAN = 'print("closed", flush=True)'
FOR_EVER = "await asyncio.sleep(3600)"
IN_A_THREAD = "asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)"
BLOCKED = "threading.Event().wait()"


def stopped(closing: str, stop_s: float) -> tuple[int, str]:
    """Exit code and output of a role that is told to stop; fails when it never ends."""
    with subprocess.Popen(
        [sys.executable, "-c", ROLE.format(closing=closing, stop_s=stop_s)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, said + rest


def test_a_role_that_closes_at_once_ends_with_0():
    code, said = stopped(CLEAN, 600)
    assert code == 0
    assert "closed" in said


def test_a_role_whose_parts_wait_for_what_is_away_ends_all_the_same_and_says_so():
    code, said = stopped(FOR_EVER, 0.2)
    assert code == 1
    assert "stopped_late" in said


def test_a_thread_that_waits_for_a_database_does_not_keep_the_process():
    assert stopped(IN_A_THREAD, 0.2)[0] == 1


def test_nor_does_an_event_loop_that_is_blocked():
    assert stopped(BLOCKED, 0.2)[0] == 1


def test_a_role_that_ends_by_itself_says_so():
    done = subprocess.run(
        [sys.executable, "-c", ROLE.format(closing=CLEAN, stop_s=600).replace("3600", "0")],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "test.ended" in done.stdout
