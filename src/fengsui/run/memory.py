"""Memory that is free goes back to the system."""

import ctypes


def give_back() -> None:
    """After something large was let go: the allocator keeps columns under 32 MB for itself, hundreds of them.

    Some milliseconds.  Does nothing where the C library has no ``malloc_trim``.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
