"""What devices send when something is wrong with them, on the whole platform: each gets a clear answer, nothing of it
is lost, nobody of another organisation sees it, and the ledger balances in the end.
"""

import gzip
import html
import json
import re
import time

import pytest

from fengsui.base.quality import Reason
from fengsui.run.benches.start import resident_mib
from tests.conftest import wait_until
from tests.live.town import STREAMS, Device, Town, build, now_ms

pytestmark = pytest.mark.slow
NAMES = (
    "<img src=x onerror=alert(1)>",
    "'; DROP TABLE devices_site; --",
    "{{7*7}}",
    "../../etc/passwd",
    "标签" * 40,
)
YEARS_10_MS = 3652 * 86_400_000
SETTLES_S = 30


@pytest.fixture(scope="module")
def town(platform, tmp_path_factory) -> Town:
    return build(platform, tmp_path_factory.mktemp("yueyang"), "yueyang")


@pytest.fixture
def device(town):
    return town.device(1)


def held(town: Town, reason: Reason, site: str = "yueyang-1") -> int:
    """How many readings of a site are in quarantine for a reason."""
    return town.sql(
        "SELECT count(*) FROM quarantine_held h JOIN devices_site s ON s.id = h.site_id"
        " WHERE s.code = %s AND h.reason = %s",
        site,
        int(reason),
    )[0][0]


def kept_one_more(town: Town, reason: Reason, before: int, more: int = 1) -> None:
    wait_until(
        lambda: held(town, reason) == before + more, SETTLES_S, f"{more} more in quarantine: {reason.name}"
    )


def audited(town: Town, action: str, actor: str, **about: str) -> int:
    """How many entries of the audit trail say that ``actor`` was refused ``action``."""
    found = town.sql(
        "SELECT detail FROM audit_entry WHERE action = %s AND actor_name = %s AND NOT ok", action, actor
    )
    return sum(all(detail.get(k) == v for k, v in about.items()) for (detail,) in found)


def test_what_cannot_be_read_is_answered_with_the_place_and_kept(town, device):
    before = held(town, Reason.UNPARSABLE)
    for body, says in (
        (b"\x00\xff\x00", "byte 1 is 0xff"),
        (b'{"time": 1, "datastreams": {"T0": 1}', "line 1 column 37"),
        (b'{"time": 1, "datastreams": {"T0": 1}, "colour": "red"}', "colour"),
    ):
        answer = device.post(body)
        assert (answer.status_code, answer.json()["code"]) == (400, "sense.bad_payload")
        assert says in answer.json()["message"], answer.text
    answer = device.post({"time": now_ms(), "datastreams": {"T0": "full"}})
    assert answer.status_code == 422
    assert answer.json()["refused"][0]["code"] == "unparsable"
    session = device.connect()
    session.publish_and_wait(b"not json at all")
    session.close()
    kept_one_more(town, Reason.UNPARSABLE, before, 5)


def test_too_large_a_body_is_refused_with_the_limit_however_it_is_packed(town, device):
    limit = 64 << 20
    pid = town.platform.pid_of("gateway")
    before = resident_mib([pid])
    packed = gzip.compress(b" " * (300 << 20), 6)
    assert len(packed) < 1 << 20
    for body, headers in ((b" " * (limit + 1), {}), (packed, {"Content_Encoding": "gzip"})):
        answer = device.post(body, **headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "sense.too_large")
        assert str(limit) in answer.json()["message"]
    grown = resident_mib([pid]) - before
    assert grown < 200, f"the gateway grew by {grown:.0f} MiB"
    assert device.post_value("T9", 2.0).status_code == 200


def test_wrong_credentials_are_answered_and_audited(town, device):
    body = {"time": now_ms(), "datastreams": {"T0": 1}}
    ghost = Device(town.platform, device.site, device.secret)
    ghost.code = "yueyang-1-ghost"
    thief = Device(town.platform, device.site, "guessed")
    for sender in (ghost, thief):
        answer = sender.post(body)
        assert (answer.status_code, answer.json()["code"]) == (401, "sense.unauthorized")
    session = thief.connect()
    assert session.answers == ["Not authorized"]
    session.close()
    for sender, by in ((ghost, "http"), (thief, "mqtt")):
        told = f"audited: {sender.code} by {by}"
        actor = f"device {sender.code}"
        wait_until(lambda a=actor, by=by: audited(town, "device.login", a, by=by) == 1, 20, told)


def test_a_device_that_publishes_for_another_site_is_refused_and_audited(town, device):
    actor = f"device {device.code}"
    before, kept = audited(town, "readings.publish", actor, why="wrong_site"), held(town, Reason.WRONG_SITE)
    theirs = held(town, Reason.WRONG_SITE, "yueyang-2")
    answer = device.post({"site": "yueyang-2", "time": now_ms(), "datastreams": {"T0": 999}})
    assert (answer.status_code, answer.json()["code"]) == (403, "sense.wrong_site")
    kept_one_more(town, Reason.WRONG_SITE, kept)  # in quarantine of the device's own site
    session = device.connect()
    session.publish({"time": now_ms(), "datastreams": {"T0": 999}}, site="yueyang-2")
    wait_until(lambda: session.ends, 20, "the end of the session")
    session.close()
    wait_until(
        lambda: audited(town, "readings.publish", actor, why="wrong_site") >= before + 2,
        20,
        "both are audited",
    )
    assert held(town, Reason.WRONG_SITE, "yueyang-2") == theirs
    with town.log_in("safety-2") as other:
        latest = other.get("/api/v1/sites/yueyang-2/latest").json()
        assert 999 not in latest["v"]


def test_a_clock_ten_years_off_is_refused_in_both_directions(town, device):
    before = held(town, Reason.TOO_LATE), held(town, Reason.FUTURE)
    for shift, code, says in ((-YEARS_10_MS, "too_late", "older"), (YEARS_10_MS, "future", "clock")):
        answer = device.post_value("T0", 1.0, now_ms() + shift)
        assert answer.status_code == 422
        refused = answer.json()["refused"][0]
        assert refused["code"] == code
        assert says in refused["message"]
    kept_one_more(town, Reason.TOO_LATE, before[0])
    kept_one_more(town, Reason.FUTURE, before[1])


def test_a_tag_name_that_looks_like_code_is_kept_as_text(town, device):
    before = held(town, Reason.UNKNOWN_DATASTREAM)
    answer = device.post({"time": now_ms(), "datastreams": dict.fromkeys(NAMES, 1.0)})
    assert answer.status_code == 422
    assert [r["datastream"] for r in answer.json()["refused"]] == list(NAMES)
    kept_one_more(town, Reason.UNKNOWN_DATASTREAM, before, len(NAMES))
    with town.log_in("steward") as steward:
        page = steward.get("/quarantine/").text
        for name in NAMES[:4]:
            assert html.escape(name) in page
        assert NAMES[0] not in page
        assert "49" not in re.findall(r"\{\{.{0,9}|>49<", page)
    assert town.sql("SELECT count(*) FROM devices_site WHERE code LIKE 'yueyang-%%'") == [(2,)]


def test_the_same_reading_again_is_a_duplicate_and_another_value_a_conflict(town, device):
    before, at = held(town, Reason.CONFLICT), now_ms()
    for value in (5.0, 5.0, 6.0):
        assert device.post_value("T5", value, at).status_code == 200
    kept_one_more(town, Reason.CONFLICT, before)
    with town.log_in("duty") as duty:
        streams = duty.get("/api/v1/sites/yueyang-1").json()["streams"]
        number = next(s["id"] for s in streams if s["code"] == "T5")

        def stored() -> list[float]:
            asked = {"from": at, "to": at + 1}
            return duty.get(f"/api/v1/datastreams/{number}/readings", params=asked).json()["v"]

        wait_until(lambda: stored() == [5.0], SETTLES_S, "the first value, once")


def test_a_million_readings_in_one_upload_are_stored_in_bounded_memory(town, device):
    rows, step, end = 1_000_000 // STREAMS, 100, now_ms() - 60_000
    times = list(range(end - rows * step, end, step))
    values = [round(i % 4900 / 100, 2) for i in range(rows)]
    body = json.dumps({"time": times, "datastreams": {f"T{n}": values for n in range(STREAMS)}}).encode()
    assert len(body) < 64 << 20
    pids = [town.platform.pid_of(role) for role in ("gateway", "pipeline")]
    before = resident_mib(pids)
    began = time.monotonic()
    answer = device.post(body, seconds=120)
    took = time.monotonic() - began
    assert (answer.status_code, answer.json()) == (200, {"accepted": rows * STREAMS})
    assert device.post_value("T9", 3.0).status_code == 200  # the door is open for others meanwhile
    span = {"from": times[0], "to": times[-1] + 1, "points": 100}
    with town.log_in("duty") as duty:
        streams = duty.get("/api/v1/sites/yueyang-1").json()["streams"]
        ids = ",".join(str(s["id"]) for s in streams)

        def stored() -> set[int]:
            answer = duty.get("/api/v1/sites/yueyang-1/readings", params={"ids": ids, **span})
            return {curve["rows"] for curve in answer.json()["curves"]}

        wait_until(lambda: stored() == {rows}, 120, "a million readings in the history")
    grown = resident_mib(pids) - before
    stored_s = time.monotonic() - began
    print(
        f"a million readings: answered after {took:.1f} s, in history after {stored_s:.1f} s, {grown:+.0f} MiB"
    )
    assert grown < 700, f"gateway and pipeline grew by {grown:.0f} MiB"
    one_more = {
        "time": [*times, times[-1] + step],
        "datastreams": {f"T{n}": [*values, 1] for n in range(STREAMS)},
    }
    answer = device.post(one_more, seconds=120)
    assert answer.status_code == 400
    assert "more than 1000000 readings" in answer.json()["message"]


def test_a_message_over_mqtt_beyond_the_limit_ends_the_session_only(town, device):
    session = device.connect()
    session.publish(b" " * (9 << 20))
    wait_until(lambda: session.ends, 30, "the server ends it")
    session.close()
    again = device.connect()
    assert again.answers == ["Success"]
    again.publish_and_wait({"time": now_ms(), "datastreams": {"T9": 4.0}})
    again.close()


def test_each_is_listed_with_its_reason_for_those_who_may_and_the_ledger_balances(town, device):
    at = now_ms()
    device.post(b"{")
    device.post({"site": "yueyang-2", "time": at, "datastreams": {"T0": 999}})
    for when in (at - YEARS_10_MS, at + YEARS_10_MS):
        device.post_value("T0", 1.0, when)
    device.post_value(NAMES[1], 1.0)
    for value in (7.0, 7.0, 8.0):
        device.post_value("T6", value, at)
    names = ("UNPARSABLE", "WRONG_SITE", "TOO_LATE", "FUTURE", "UNKNOWN_DATASTREAM", "CONFLICT")
    reasons = [Reason[name] for name in names]
    wait_until(lambda: all(held(town, reason) for reason in reasons), SETTLES_S, "one of each in quarantine")
    numbers = [
        str(row[0])
        for row in town.sql(
            "SELECT h.id FROM quarantine_held h JOIN devices_site s ON s.id = h.site_id WHERE s.code = 'yueyang-1'"
        )
    ]
    with town.log_in("steward") as steward:
        for reason in reasons:
            page = steward.get("/quarantine/", params={"reason": int(reason)})
            assert page.status_code == 200
            assert "yueyang-1" in page.text, reason.name
    for who in ("stranger", "steward-2"):
        with town.log_in(who) as other:
            for path in (
                "/quarantine/",
                "/quarantine/?site=yueyang-1",
                "/ledger/",
                "/api/v1/search?q=yueyang-1",
            ):
                text = re.sub(r'value="[^"]*"|href="[^"]*"|"q": *"[^"]*"', "", other.get(path).text)
                assert "yueyang-1" not in text, f"{who} {path}"
                assert "DROP TABLE" not in text
            assert {other.get(f"/quarantine/{n}/").status_code for n in numbers[:3]} == {404}
    wait_until(lambda: town.platform.run("ledger", "--deep").returncode == 0, 120, "the ledger balances")
    done = town.platform.run("ledger", "--deep", "--json", "--source", "yueyang-1-gw")
    ledger = json.loads(done.stdout)
    assert ledger["balances"]
    assert ledger["totals"]["pipeline"]["duplicate"] >= 1
    assert ledger["totals"]["pipeline"]["quarantined"] >= 1
