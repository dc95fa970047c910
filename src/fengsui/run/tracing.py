"""OpenTelemetry traces of one batch across the roles, sent over OTLP/HTTP when FENGSUI_OTEL_ENDPOINT names a collector.

The tree of one request: ``gateway.request`` → ``bus.write`` → ``pipeline.step`` → ``pipeline.alarms`` →
``worker.<topic>`` and ``web.push``; ``pipeline.commit`` beside the step.  One request in FENGSUI_OTEL_EVERY begins a
trace; requests that share a bus message with it are not told apart from it after the gateway.
"""

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fengsui.base import tracing
from fengsui.run import settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
SEND_EVERY_MS = 1000


def setup(role: str) -> None:
    """Send the spans of this process, if traces are switched on.  Without it nothing of OpenTelemetry is imported."""
    endpoint = settings.value("FENGSUI_OTEL_ENDPOINT").rstrip("/")
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "fengsui", "fengsui.role": role}))
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5), schedule_delay_millis=SEND_EVERY_MS
        )
    )
    install(provider, max(1, settings.number("FENGSUI_OTEL_EVERY")))


def install(provider: "TracerProvider", every: int) -> None:
    """Make spans of ``provider``; one step without a parent in ``every`` begins a trace, the first one among them."""
    from opentelemetry import trace

    tracer = provider.get_tracer("fengsui")
    count = itertools.count()

    def begin(name: str, parent: str, attributes: Mapping[str, Any]) -> tracing.Span | None:
        context = None
        if parent:
            found = PARENT.fullmatch(parent)
            if found is None:
                return None
            above = trace.SpanContext(
                int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=trace.TraceFlags(1)
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(above))
        elif next(count) % every:
            return None
        return _Span(tracer.start_span(name, context=context, attributes=dict(attributes)))

    tracing.install(begin)


class _Span:
    def __init__(self, made: Any) -> None:
        self._made = made

    @property
    def traceparent(self) -> str:
        context = self._made.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def end(self, error: BaseException | None = None) -> None:
        if isinstance(error, Exception):
            from opentelemetry.trace import StatusCode

            self._made.record_exception(error)
            self._made.set_status(StatusCode.ERROR)
        self._made.end()
