"""The command ``fengsui stem``: what the roles of a machine share is read once, and each role is a fork of that.

``fengsui up`` starts it and asks over a socket (``branches``): a role begins in a fraction of the time, and the pages
of memory that nobody writes are there once.  It has no thread of its own and no connection when it forks.  Roles end
with it, it ends with the supervisor.

A message of the socket asks for one command: its words as JSON, and beside them the file that is its log.  The answers
are its pid, and when it ended the code: below 0 the signal that ended it.
"""

import argparse
import ctypes
import importlib
import os
import selectors
import signal
import socket

import msgspec

from fengsui.run import child, django_setup, memory

HELP = "started by up: what all roles have in common"

SHARED = (
    *("fengsui.run.gateway", "fengsui.run.field", "fengsui.run.intake", "fengsui.sense.gateways.callout"),
    *(
        "fengsui.sense.gateways.mqtt",
        "fengsui.sense.gateways.observations",
        "fengsui.sense.gateways.sessions",
    ),
    *("fengsui.run.pipeline.role", "fengsui.run.worker", "fengsui.run.handlers", "fengsui.run.jobs"),
    *("fengsui.run.web", "fengsui.run.asgi", "fengsui.run.urls", "fengsui.run.compiled"),
)  # what a role reads before it is ready
MESSAGE_BYTES = 64 << 10
PR_SET_NAME = 15


class Asked(msgspec.Struct):
    """Words of a command, as after ``fengsui``."""

    words: list[str]


class Told(msgspec.Struct, omit_defaults=True):
    """``pid`` 0: the stem is ready.  With ``code`` the process has ended."""

    pid: int
    code: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the supervisor's socket")


def run(args: argparse.Namespace) -> int:
    django_setup.setup()
    for name in SHARED:
        importlib.import_module(name)
    memory.settle()  # a collection would write to every object, and so copy every page
    with socket.socket(fileno=args.socket) as supervisor:
        words = _serve(supervisor)
    if words is None:
        return 0
    from fengsui.run import cli

    return cli.run(words)


def _serve(supervisor: socket.socket) -> list[str] | None:
    """Fork what is asked for until the supervisor is gone.  Returns twice: a fork gets its words, the stem None."""
    running: dict[int, int] = {}  # descriptor of a process → its pid
    stem = os.getpid()
    supervisor.send(msgspec.json.encode(Told(0)))
    with selectors.DefaultSelector() as ready:
        ready.register(supervisor, selectors.EVENT_READ)
        while True:
            for key, _events in ready.select():
                if key.fileobj is not supervisor:
                    pid = running.pop(key.fd)
                    ready.unregister(key.fd)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    supervisor.send(msgspec.json.encode(Told(pid, code)))
                    continue
                data, logs, _flags, _address = socket.recv_fds(supervisor, MESSAGE_BYTES, 1)
                if not data:
                    return None
                words = msgspec.json.decode(data, type=Asked).words
                pid = os.fork()
                if pid == 0:
                    for descriptor in running:
                        os.close(descriptor)
                    _become(words[0], logs[0], stem)
                    return words
                os.close(logs[0])
                descriptor = os.pidfd_open(pid)
                running[descriptor] = pid
                ready.register(descriptor, selectors.EVENT_READ)
                supervisor.send(msgspec.json.encode(Told(pid)))


def _become(name: str, log: int, stem: int) -> None:
    """A process as if it had been started for itself: a session, a log and a name of its own, no longer than us."""
    os.setsid()
    child.die_with_parent(signal.SIGTERM)()
    if os.getppid() != stem:
        os._exit(1)  # the stem went before it could be noticed
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)
    ctypes.CDLL(None).prctl(PR_SET_NAME, f"fengsui-{name}".encode())
