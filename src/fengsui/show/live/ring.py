"""The last events in memory: one writer appends, every stream reads from its own place.

There is no queue per stream.  A stream that reads too slowly finds that its place is gone, and is told to start
afresh; memory is bounded by the ring alone.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """``seq`` is the sequence in LIVE (0 for a telemetry frame), ``frame`` the SSE text as it is sent."""

    seq: int
    topic: str  # alarm, loop, site, ledger, readings
    org_path: str
    site: int
    frame: bytes


class Ring:
    """At most ``most`` events and ``most_bytes`` bytes.  Positions count every event ever appended."""

    def __init__(self, most: int, most_bytes: int):
        self._most, self._most_bytes = most, most_bytes
        self._events: deque[Event] = deque()
        self._first = 0  # position of the oldest event kept
        self._bytes = 0
        self._lock = threading.Lock()

    def append(self, events: Iterable[Event]) -> None:
        with self._lock:
            for event in events:
                self._events.append(event)
                self._bytes += len(event.frame)
            while len(self._events) > self._most or self._bytes > self._most_bytes:
                self._bytes -= len(self._events.popleft().frame)
                self._first += 1

    def clear(self) -> None:
        """Forget everything; every place given out before is gone."""
        with self._lock:
            self._first += len(self._events) + 1
            self._events.clear()
            self._bytes = 0

    def end(self) -> int:
        """The position after the newest event."""
        with self._lock:
            return self._first + len(self._events)

    def after_seq(self, seq: int) -> int | None:
        """The position after the event with sequence ``seq``; None when what followed it may be gone."""
        with self._lock:
            if not self._events or not self._events[0].seq - 1 <= seq <= self._events[-1].seq:
                return None
            low, high = 0, len(self._events)
            while low < high:
                middle = (low + high) // 2
                if self._events[middle].seq <= seq:
                    low = middle + 1
                else:
                    high = middle
            return self._first + low

    def since(self, position: int, most: int = 500) -> tuple[list[Event], int] | None:
        """Up to ``most`` events from ``position`` on and the position after them; None when the place is gone."""
        with self._lock:
            if position < self._first or position > self._first + len(self._events):
                return None
            start = position - self._first
            count = min(most, len(self._events) - start)
            if count <= 0:
                return [], position
            return [self._events[start + i] for i in range(count)], position + count
