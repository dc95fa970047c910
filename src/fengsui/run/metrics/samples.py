"""How a role says a value: a small record that travels over the bus."""

import os
import resource
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from fengsui.base.metrics import Distribution
from fengsui.run.metrics.names import METRICS
from fengsui.stores.clock import process_clock


class Sample(msgspec.Struct, array_like=True, frozen=True):
    """One line of the page.  ``suffix`` is ``_bucket``, ``_sum`` or ``_count`` of a histogram, else empty."""

    name: str
    value: float
    labels: dict[str, str] = {}
    suffix: str = ""


def one(name: str, value: float, **labels: str) -> Sample:
    """A counter or a gauge; ``name`` without ``fengsui_``.  Raises KeyError for a name that is not in the list."""
    metric = METRICS.get(f"fengsui_{name}") or METRICS[f"fengsui_{name}_total"]
    return Sample(metric.name, float(value), labels)


def by(name: str, label: str, values: Mapping[str, float], **labels: str) -> Iterator[Sample]:
    """One sample for each entry of ``values``, told apart by ``label``."""
    for key, value in list(values.items()):
        yield one(name, value, **labels, **{label: str(key)})


def histogram(name: str, distribution: Distribution, **labels: str) -> Iterator[Sample]:
    """Buckets, sum and count."""
    full, total = METRICS[f"fengsui_{name}"].name, 0
    for bound, total in distribution.cumulative():
        le = "+Inf" if bound == float("inf") else repr(float(bound))
        yield Sample(full, float(total), {**labels, "le": le}, "_bucket")
    yield Sample(full, distribution.sum, labels, "_sum")
    yield Sample(full, float(total), labels, "_count")


def process() -> Iterator[Sample]:
    """Processor time, memory and open files of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield one("process_cpu_seconds", used.ru_utime + used.ru_stime)
    ours = process_clock()
    yield one("clock_apart_seconds", ours.apart_ms / 1000)
    yield one("clock_jumps", ours.jumps)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield one("process_resident_memory_bytes", pages * os.sysconf("SC_PAGE_SIZE"))
        yield one("process_open_files", len(os.listdir("/proc/self/fd")))
    except OSError:  # no /proc here
        yield one("process_resident_memory_bytes", used.ru_maxrss * 1024)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Sample])


def pack(samples: Iterable[Sample]) -> bytes:
    """Samples as one message."""
    return _encoder.encode(list(samples))


def unpack(data: bytes) -> list[Sample]:
    """Raises msgspec.DecodeError."""
    return _decoder.decode(data)
