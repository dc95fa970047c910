"""The page, who may read it, and that every exported name has its entry."""

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fengsui.base.metrics import Distribution
from fengsui.run.metrics import door, page
from fengsui.run.metrics.names import METRICS
from fengsui.run.metrics.samples import histogram, one, pack, process, unpack

DOCS = Path(__file__).parents[3] / "docs" / "metrics.md"


def scope(client=("127.0.0.1", 4000), **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": "/metrics", "headers": raw, "client": client}


def test_every_exported_name_has_its_entry_with_its_kind_and_labels():
    rows = re.findall(r"^\| `(fengsui_\w+)` \| (\w+) \| (.*?) \|", DOCS.read_text(), re.M)
    documented = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert documented == {m.name: (m.kind, m.labels) for m in METRICS.values()}


def test_names_follow_the_conventions():
    for metric in METRICS.values():
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not re.search(r"_(ms|millis|kib|mb|minutes)(_|$)", metric.name), metric.name


def test_a_distribution_counts_each_value_once():
    made = Distribution((1, 10))
    for value in (0.5, 1, 2, 10, 11):
        made.observe(value)
    assert made.cumulative() == [(1, 2), (10, 4), (float("inf"), 5)]
    assert (made.count, made.sum) == (5, 24.5)


def test_samples_of_two_processes_stand_under_one_name_and_survive_the_bus():
    made = Distribution((1, 10))
    made.observe(3)
    said = [
        one("role_up", 1, role="a", id="1"),
        *histogram("pipeline_commit_seconds", made, partition="0"),
        one("role_up", 0, role='b"\n', id="2"),
        *process(),
    ]
    text = page.text(unpack(pack(said))).decode()
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert [(s.labels["role"], s.value) for s in families["fengsui_role_up"].samples] == [
        ("a", 1),
        ('b"\n', 0),
    ]
    commits = families["fengsui_pipeline_commit_seconds"]
    assert commits.type == "histogram"
    buckets = {s.labels["le"]: s.value for s in commits.samples if s.name.endswith("_bucket")}
    assert buckets == {"1.0": 0, "10.0": 1, "+Inf": 1}
    assert families["fengsui_process_resident_memory_bytes"].samples[0].value > 1e6
    assert text.count("# TYPE fengsui_role_up ") == 1


def test_a_name_that_is_not_in_the_list_cannot_be_exported():
    with pytest.raises(KeyError):
        one("made_up", 1)


@pytest.mark.parametrize(
    ("asked", "token", "status"),
    [
        (scope(), "", 0),
        (scope(("::1", 4000)), "", 0),
        (scope(("10.0.0.7", 4000)), "", 403),
        (scope(None), "", 403),
        (scope(x_forwarded_for="10.0.0.7"), "", 403),
        (scope(), "secret", 401),
        (scope(authorization="Bearer wrong"), "secret", 401),
        (scope(authorization="Basic secret"), "secret", 401),
        (scope(("10.0.0.7", 4000), authorization="Bearer secret", x_forwarded_for="1.2.3.4"), "secret", 0),
    ],
)
def test_only_this_machine_or_who_knows_the_token_may_read(asked, token, status):
    assert door.refusal(asked, token) == status


def test_a_refusal_shows_nothing(monkeypatch):
    monkeypatch.setenv("FENGSUI_METRICS_TOKEN", "secret")
    sent = []

    async def send(event):
        sent.append(event)

    async def read():
        raise AssertionError("asked the roles for somebody who may not know")

    asyncio.run(door.serve(scope(), send, read))
    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b"Bearer") in sent[0]["headers"]
    assert b"fengsui_" not in sent[1]["body"]
