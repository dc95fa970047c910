"""Samples as a page in the Prometheus text format."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from fengsui.run.metrics.names import METRICS
from fengsui.run.metrics.samples import Sample

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def text(samples: Iterable[Sample]) -> bytes:
    """The page; samples of a name stand together, whichever process they come from."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(samples))
    return generate_latest(registry)


class _Given(Collector):
    """Samples that are there already."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            self._by_name.setdefault(sample.name, []).append(sample)

    def collect(self) -> Iterator[Family]:
        for name, metric in METRICS.items():
            if found := self._by_name.get(name):
                family = Family(name.removesuffix("_total"), metric.help, metric.kind)
                for sample in found:
                    family.add_sample(name + sample.suffix, sample.labels, sample.value)
                yield family
