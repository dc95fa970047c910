"""Memory that is free goes back to the system, and what stays is not looked through again and again."""

import ctypes
import gc

COLLECT_AFTER = (20_000, 20, 20)  # objects made and not dropped, then generations; Python's own 700, 10, 10


def settle() -> None:
    """After a role has started: its modules and tables stay, so the collector of cycles need not visit them.

    A role that handles thousands of messages a second makes many objects and few cycles: it collects less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def give_back() -> None:
    """After something large was let go: the allocator keeps columns under 32 MB for itself, hundreds of them.

    Some milliseconds.  Does nothing where the C library has no ``malloc_trim``.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
