"""A server program as the child of a role: it starts with us, its log is ours, and it never outlives us."""

import asyncio
import ctypes
import signal
from collections.abc import Callable, Collection
from typing import IO, Protocol

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(how: int = signal.SIGTERM) -> Callable[[], None]:
    """For ``preexec_fn``: the kernel sends ``how`` to the child when the parent dies, however it dies."""

    def set_signal() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, how)

    return set_signal


async def start(
    command: list[str],
    *,
    out: int | IO[bytes],
    how: int = signal.SIGTERM,
    env: dict[str, str] | None = None,
    keep: Collection[int] = (),
) -> asyncio.subprocess.Process:
    """Start ``command`` in a session of its own, so that Ctrl-C reaches it only through us.

    ``keep``: descriptors that stay open in it.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=out,
        stderr=asyncio.subprocess.STDOUT,  # one log: a pipe of its own that nobody reads would fill and block
        env=env,
        pass_fds=keep,
        start_new_session=True,
        preexec_fn=die_with_parent(how),
    )


class Process(Protocol):
    """What is used of a process that somebody watches."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...

    def send_signal(self, how: int, /) -> None: ...

    def kill(self) -> None: ...


async def stop(process: Process, how: int = signal.SIGTERM, seconds: float = 10) -> None:
    """Ask it to stop with ``how``, wait, then kill it."""
    if process.returncode is not None:
        return
    try:
        process.send_signal(how)
        await asyncio.wait_for(process.wait(), seconds)
    except ProcessLookupError:
        pass
    except TimeoutError:
        process.kill()
        await process.wait()


def on_stop_signals(event: asyncio.Event) -> None:
    """Set ``event`` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
