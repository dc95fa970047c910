"""The metrics of a whole platform: every role answers, what goes in is counted, and one that hangs is shown."""

import os
import signal

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fengsui.run.settings import ROLES
from tests.conftest import wait_until
from tests.live import town as towns

pytestmark = pytest.mark.xdist_group("platform")


def read(url: str) -> dict[str, list]:
    """The samples of the page by name."""
    answer = httpx.get(f"{url}/metrics", trust_env=False, timeout=20)
    assert answer.status_code == 200, answer.text
    found: dict[str, list] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def total(page: dict[str, list], name: str, **labels: str) -> float:
    return sum(
        s.value
        for s in page.get(name, [])
        if all(s.labels.get(key) == value for key, value in labels.items())
    )


@pytest.fixture(scope="module")
def town(platform, tmp_path_factory):
    return towns.build(platform, tmp_path_factory.mktemp("metrics-town"), "changde")


def test_every_role_answers_and_readings_are_counted_at_each_boundary(platform, town):
    before = read(platform.url)
    up = {s.labels["role"]: s.value for s in before["fengsui_role_up"]}
    assert set(ROLES) | {"bus", "db", "replay"} == set(up)
    assert set(up.values()) == {1.0}
    assert total(before, "fengsui_bus_stream_limit_bytes", stream="READINGS") > 0
    assert {s.labels["consumer"] for s in before["fengsui_bus_consumer_pending"]} >= {"pipeline-0"}
    sent = {**{f"T{n}": 1.0 for n in range(3, 8)}, "nowhere": 1.0, "nobody": 2.0}
    answer = town.device().post({"site": town.sites[0], "time": towns.now_ms(), "datastreams": sent})
    assert answer.status_code == 422, answer.text
    assert answer.json()["accepted"] == 5
    refused = 2

    def moved(page, name, **labels):
        return total(page, name, **labels) - total(before, name, **labels)

    own = read(platform.gateway_url)
    assert set(s.labels["role"] for s in own["fengsui_role_up"]) == {"gateway"}
    assert (
        moved(own, "fengsui_gateway_readings_refused_total", reason="unknown_datastream", role="gateway")
        == refused
    )
    assert moved(own, "fengsui_gateway_requests_total", code="422", role="gateway") == 1
    assert moved(own, "fengsui_gateway_bus_write_seconds_count", role="gateway") >= 1

    def committed() -> bool:
        page = read(platform.url)
        return (
            moved(page, "fengsui_pipeline_readings_total", boundary="gateway", outcome="quarantined")
            >= refused
            and moved(page, "fengsui_pipeline_readings_total", boundary="history", outcome="stored") >= 5
        )

    wait_until(committed, 20, "the readings are counted at every boundary")
    after = read(platform.url)
    for boundary in ("gateway", "pipeline", "history"):
        each = {
            outcome: total(after, "fengsui_pipeline_readings_total", boundary=boundary, outcome=outcome)
            for outcome in ("received", "stored", "duplicate", "quarantined")
        }
        assert each["received"] == each["stored"] + each["duplicate"] + each["quarantined"] > 0, boundary
    assert total(after, "fengsui_pipeline_engine_seconds_total") > 0
    assert total(after, "fengsui_pipeline_checkpoint_bytes") > 0
    wait_until(lambda: total(read(platform.url), "fengsui_history_bytes") > 0, 20, "history is measured")
    assert total(read(platform.url), "fengsui_web_requests_total", route="/accounts/login/") == total(
        after, "fengsui_web_requests_total", route="/accounts/login/"
    ), "a page nobody opened was counted"


def test_a_role_that_hangs_is_shown_as_not_up(platform):
    pid = platform.pid_of("replay")
    os.kill(pid, signal.SIGSTOP)
    try:
        up = {s.labels["role"]: s.value for s in read(platform.url)["fengsui_role_up"]}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert up["pipeline"] == 1.0
    assert up.get("replay", 0.0) == 0.0
