"""The short way in for devices that repeat themselves: their message by its template, and nothing to refuse in it.

A message takes it only if every reading of it is plain: known, within its range, in service, in time.  Everything else
goes the long way, ``door.enter``, which says what is wrong.  Both ways end in the same batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from fengsui.base.batch import BYTE, TIME, Batch, constant
from fengsui.sense.codecs import template
from fengsui.sense.codecs.readings_json import Draft
from fengsui.sense.codecs.template import Template, template_of
from fengsui.sense.gateways import glance
from fengsui.sense.gateways.registry import SiteRow, Streams

MAX_BYTES = 128 << 10
MAX_KNOWN = 20_000  # sources remembered; about 20 kB each for 500 datastreams
MAX_KEPT_BYTES = 400 << 20  # of all of them together
Bounds = Callable[[int], tuple[int, int]]  # now (ms) → first and last time that is not refused


@dataclass(slots=True)
class _Known:
    """What the last long way taught about a source."""

    site: int
    streams: Streams
    template: Template | None
    ids: np.ndarray
    range_min: np.ndarray
    range_max: np.ndarray
    stopped_ms: int
    missed: int = 0  # messages since then that were not like it

    @property
    def nbytes(self) -> int:
        columns = self.ids.nbytes + self.range_min.nbytes + self.range_max.nbytes
        return columns + (0 if self.template is None else self.template.nbytes)


class Repeats:
    """One a process; use from one event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self.taken = 0  # messages that came the short way
        self._bounds = bounds
        self._known: dict[str, _Known] = {}
        self._kept_bytes = 0

    def enter(
        self, data: bytes, site: SiteRow, streams: Streams, source: str, received_ms: int
    ) -> Batch | None:
        """The batch of a message that is like the one before it, or None: then go the long way."""
        known = self._known.get(source)
        if len(data) > MAX_BYTES:
            return None  # decoded in a thread: nobody's giant holds the others up
        if known is None or known.template is None or known.streams is not streams or known.site != site.id:
            return None
        found = known.template.fill(data)
        if found is None:
            known.missed += 1
            return None
        times, value = found
        first, last = self._bounds(received_ms)
        latest_ms = int(times.max())
        if not (first <= int(times.min()) and latest_ms <= last and latest_ms < known.stopped_ms):
            return None
        if _leaves_range(value, known.range_min, known.range_max, len(times)):
            return None
        n = len(value)
        if len(times) == 1:
            ids, time_ms = known.ids, constant(latest_ms, TIME, n)
        else:
            ids, time_ms = np.repeat(known.ids, len(times)), np.tile(times, len(known.ids))
        self.taken += 1
        nought = constant(0, BYTE, n)
        return Batch(site.id, source, received_ms, ids, time_ms, value, nought, nought)

    def learn(self, data: bytes, draft: Draft, site: SiteRow, streams: Streams, source: str) -> None:
        """After the long way, when nothing was refused.  Who never repeats himself is tried ever less often."""
        before = self._known.get(source)
        if len(data) > MAX_BYTES:
            return
        if before is not None and before.streams is streams and before.site == site.id:
            before.missed += before.template is None
            if before.missed & (before.missed - 1):  # looked at again after 1, 2, 4, 8 … others
                return
        layout = streams.layout(draft.codes)
        found = template_of(data, draft) if layout.all_known else None
        row = layout.row
        self._forget(source)
        self._known[source] = known = _Known(
            site.id, streams, found, layout.ids, streams.range_min[row], streams.range_max[row],
            int(streams.stopped_ms[row].min()) if layout.all_known else 0,
            missed=before.missed if before is not None and before.streams is streams else 0,
        )  # fmt: skip
        self._kept_bytes += known.nbytes
        while len(self._known) > MAX_KNOWN or (self._kept_bytes > MAX_KEPT_BYTES and len(self._known) > 1):
            self._forget(next(iter(self._known)))

    def _forget(self, source: str) -> None:
        known = self._known.pop(source, None)
        if known is not None:
            self._kept_bytes -= known.nbytes


@njit(cache=True, nogil=True)
def _leaves_range(value: np.ndarray, low: np.ndarray, high: np.ndarray, instants: int) -> bool:
    """``value`` [n · instants], ``low`` and ``high`` [n]."""
    for i in range(len(low)):
        for j in range(i * instants, (i + 1) * instants):
            if value[j] < low[i] or value[j] > high[i]:
                return True
    return False


def warm_up() -> None:
    """Compile now, or load what was compiled before: not while the first device waits."""
    template.warm_up()
    glance.warm_up()
    _leaves_range(np.zeros(1), np.zeros(1), np.zeros(1), 1)
