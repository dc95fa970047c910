"""One request is one tree of spans across the processes, as a real OTLP collector gets it."""

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fengsui.run.scratch import Scratch
from tests import prepared
from tests.conftest import wait_until
from tests.live import town as towns

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("traces")]


@dataclass
class Span:
    role: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    began_ns: int
    ended_ns: int


class Collector(ThreadingHTTPServer):
    """OTLP over HTTP on a free port; keeps the spans."""

    def __init__(self):
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), _Door)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Door(BaseHTTPRequestHandler):
    def do_POST(self):
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = {a.key: a.value.string_value for a in group.resource.attributes}
            for scope in group.scope_spans:
                self.server.spans += [
                    Span(
                        of["fengsui.role"], s.name, s.trace_id, s.span_id, s.parent_span_id,
                        s.start_time_unix_nano, s.end_time_unix_nano,
                    )
                    for s in scope.spans
                ]  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def collector():
    made = Collector()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="module")
def traced(tmp_path_factory, collector):
    made = Scratch(
        tmp_path_factory.mktemp("traced") / "var",
        FENGSUI_OTEL_ENDPOINT=collector.url,
        FENGSUI_OTEL_EVERY="1",
        FENGSUI_EPOCH_MS="500",
    )
    prepared.put(made.home)
    made.up()
    yield made
    assert made.stop() == 0, made.said()


def test_one_request_that_raises_an_alarm_is_one_tree_across_the_roles(traced, collector, tmp_path):
    town = towns.build(traced, tmp_path, "yueyang")
    assert httpx.get(f"{traced.url}/healthz", trust_env=False, timeout=20).status_code == 200  # web listens
    assert town.device().post_value("T0", 60.0).status_code == 200

    def tree() -> list[Span]:
        """The spans of the trace that holds the alarm."""
        raised = [s for s in collector.spans if s.name == "worker.alarm.raised"]
        return [s for s in collector.spans if raised and s.trace == raised[0].trace]

    expected = {
        ("gateway", "gateway.request"),
        ("gateway", "bus.write"),
        ("pipeline", "pipeline.step"),
        ("pipeline", "pipeline.alarms"),
        ("pipeline", "pipeline.commit"),
        ("worker", "worker.alarm.raised"),
        ("web", "web.push"),
    }

    def whole() -> bool:
        found = tree()
        ids = {s.id for s in found}
        return expected <= {(s.role, s.name) for s in found} and all(
            s.parent in ids for s in found if s.parent
        )

    wait_until(whole, 40, "the spans of every role, each with its parent")
    spans = {s.id: s for s in tree()}
    roots = [s for s in spans.values() if not s.parent]
    assert [(s.role, s.name) for s in roots] == [("gateway", "gateway.request")]
    parents = {(s.name, spans[s.parent].name) for s in spans.values() if s.parent}
    assert parents >= {
        ("bus.write", "gateway.request"),
        ("pipeline.step", "bus.write"),
        ("pipeline.alarms", "pipeline.step"),
        ("pipeline.commit", "bus.write"),
        ("worker.alarm.raised", "pipeline.alarms"),
    }
    assert all(s.began_ns <= s.ended_ns for s in spans.values())
    step = next(s for s in spans.values() if s.name == "pipeline.step")
    assert step.began_ns >= roots[0].began_ns

    # the next request is another trace
    assert town.device().post_value("T9", 1.0).status_code == 200
    requests = {"gateway.request"}
    wait_until(
        lambda: len({s.trace for s in collector.spans if s.name in requests}) >= 2, 20, "a second trace"
    )
