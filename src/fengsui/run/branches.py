"""Roles as forks of one process that has read what they share (``stem``): asked for, watched and ended from here."""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from typing import IO

import msgspec

from fengsui.run import child
from fengsui.run.stem import MESSAGE_BYTES, Asked, Told

READY_S = 60.0  # reading everything takes a second or two; with kernels to compile, many
GONE_S = 0.05  # how often a fork whose stem has died is looked for


class NoStem(Exception):
    """There is none and none can be started: start the command for itself."""


class Branch:
    """A forked process, with what is used of ``asyncio.subprocess.Process``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self, code: int) -> None:
        self.returncode = code
        self._ended.set()


class Stem:
    """The process that forks; started when it is first asked, and again when it died."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._ready = asyncio.Event()
        self._branches: dict[int, Branch] = {}
        self._asked: deque[asyncio.Future[Branch]] = deque()
        self._starting = asyncio.Lock()
        self._orphans: set[asyncio.Task[None]] = set()

    async def start(self, log: IO[bytes]) -> None:
        """Begin to read, and return at once.  Does nothing while it lives."""
        async with self._starting:
            if self._socket is not None:
                return
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "fengsui.run", "stem", "--socket", str(theirs.fileno())]
            with theirs:
                try:
                    self._process = await child.start(command, out=log, keep=[theirs.fileno()])
                except BaseException:
                    ours.close()
                    raise
            ours.setblocking(False)
            self._socket = ours
            self._ready.clear()
            asyncio.get_running_loop().add_reader(ours, self._hear, ours)

    async def branch(self, words: list[str], out: IO[bytes]) -> Branch:
        """Fork the command ``words``.  Raises NoStem when that is not to be had."""
        try:
            await asyncio.wait_for(self._ready.wait(), READY_S)
            if self._socket is None:
                raise NoStem
            told: asyncio.Future[Branch] = asyncio.get_running_loop().create_future()
            socket.send_fds(self._socket, [msgspec.json.encode(Asked(words))], [out.fileno()])
            self._asked.append(told)
            return await told
        except (OSError, TimeoutError) as error:
            raise NoStem from error

    async def stop(self) -> None:
        if self._process is not None:
            await child.stop(self._process, signal.SIGTERM)
        for task in self._orphans:
            task.cancel()
        await asyncio.gather(*self._orphans, return_exceptions=True)

    def _hear(self, ours: socket.socket) -> None:
        try:
            data = ours.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(ours)
            return
        told = msgspec.json.decode(data, type=Told)
        if told.pid == 0:
            self._ready.set()
        elif told.code is None:
            branch = self._branches[told.pid] = Branch(told.pid)
            waiting = self._asked.popleft()
            if not waiting.done():
                waiting.set_result(branch)
        elif (ended := self._branches.pop(told.pid, None)) is not None:
            ended.end(told.code)

    def _lost(self, ours: socket.socket) -> None:
        """The stem died: the kernel ends its forks, and nobody can say with what code."""
        asyncio.get_running_loop().remove_reader(ours)
        ours.close()
        self._socket = None
        self._ready.set()  # whoever waits is told
        for waiting in self._asked:
            if not waiting.done():
                waiting.set_exception(NoStem())
        self._asked.clear()
        for branch in self._branches.values():
            self._orphans.add(asyncio.create_task(_until_gone(branch)))
        self._branches.clear()


async def _until_gone(branch: Branch) -> None:
    while not _is_gone(branch.pid):  # noqa: ASYNC110 - nobody tells of a process that is not our child
        await asyncio.sleep(GONE_S)
    branch.end(-signal.SIGTERM)


def _is_gone(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return True  # the first process of a container inherits what has lost its parent
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
