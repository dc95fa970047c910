"""The role ``pipeline``: readings from the bus are checked, judged and stored, once each, whatever crashes.

``stream`` messages in order · ``gather`` many batches as one · ``partition`` the state in memory · ``epoch`` what is
not committed yet · ``commit`` makes it true · ``live`` tells screens · ``role`` ties them together.  How it never
loses or doubles a reading is told in ``docs/ledger.md``.
"""

import argparse
import ctypes
import os
import sys
import threading
from typing import Any

from fengsui.run import settings

KEPT_BYTES = 256 << 20  # of free memory
THREADS = ("engine", "desk", "write", "commit", "loader", "keeper")  # of a partition, see ``role``
HANGS_AFTER_MS = 10_000  # without a word within a transaction
HELP = "readings from the bus: check, alarm, store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--partition", type=int, default=None, help="serve this one (default: the share that the bus gives)"
    )


def run(args: argparse.Namespace) -> int:
    partitions = settings.number("FENGSUI_PARTITIONS")
    if args.partition is not None and not 0 <= args.partition < partitions:
        print(
            f"fengsui pipeline: --partition {args.partition} is not 0 to {partitions - 1} (FENGSUI_PARTITIONS)",
            file=sys.stderr,
        )
        return 2
    _spare_memory()
    _connections_for(partitions if args.partition is None else 1)
    from fengsui.run import django_setup, tracing

    django_setup.setup()
    tracing.setup("pipeline")
    import uvloop

    from fengsui.run.pipeline.role import serve
    from fengsui.run.pipeline.share import serve_shares

    code = uvloop.run(
        serve_shares(partitions) if args.partition is None else serve(args.partition, partitions)
    )
    _leave_stuck_threads(code)
    return code


def _connections_for(partitions: int) -> None:
    """Each of a partition's threads may hold a connection to the database.

    A process that hangs in the middle of a transaction must not keep its rows locked: whoever takes over needs them.
    """
    options: dict[str, Any] = settings.DATABASES["default"]["OPTIONS"]  # type: ignore[assignment]
    options["options"] = f"-c idle_in_transaction_session_timeout={HANGS_AFTER_MS}"
    pool = options["pool"]
    pool["max_size"] = pool["max_size"] + len(THREADS) * (partitions - 1)


def _leave_stuck_threads(code: int) -> None:
    """A thread that waits for a database which is away must not hold the process up: nothing depends on its end."""
    for thread in threading.enumerate():
        if thread.name.startswith("pipeline-"):
            thread.join(1.0)
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)


def _spare_memory() -> None:
    """One pool for all threads, that keeps what an epoch needs: a page given back is a page to be zeroed again.

    What one epoch lets go the next one asks for, several times a second; ``memory.give_back`` is for the rest.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    arena_max, trim_threshold, mmap_threshold = -8, -1, -3  # malloc.h of glibc
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return
    mallopt(arena_max, 1)
    mallopt(trim_threshold, KEPT_BYTES)
    mallopt(mmap_threshold, 32 << 20)  # the most that glibc takes
