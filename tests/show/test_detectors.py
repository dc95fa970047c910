"""Detectors on pages and in the API: what they say and why, who may put them in force, and what a stranger sees."""

import json
from datetime import timedelta

import pytest

from fengsui.stores import clock
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.detecting import services
from fengsui.warn.detecting.models import Detector, Run, Training, Truth
from tests.warn.detecting.test_live import T0, Works


@pytest.fixture
def works(db, settings, tmp_path):
    """A detector in force that has found a leap of D3, and an instrument in doubt."""
    settings.HISTORY_ROOT = tmp_path / "history"
    works = Works()
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.store(0, 140)
    works.look(145)
    at = clock.now()
    Truth.objects.update_or_create(
        detector=works.detector,
        datastream_id=works.ids[2],
        defaults={
            "score": 31,
            "at": at,
            "changed_at": at,
            "reasons": [{"what": "copied", "severity": 0.69, "rows": 46, "of": works.ids[4]}],
        },
    )
    return works


def test_the_alarm_page_says_why_in_words_and_shares(works, open_as):
    alarm = Alarm.objects.get(kind="detector")
    for language, words in (
        ("zh-hans", ("异常检测器", "与其他测点的关系异常")),
        ("en", ("Why", "not with the others as usual")),
    ):
        page = open_as(works.world.officer, language).get(f"/alarms/{alarm.pk}/").content.decode()
        assert all(w in page for w in words), (language, words)
        assert page.index("D3") < page.index('<progress max="1"') and "%</strong>" in page
    queue = open_as(works.world.officer).get("/alarms/?kind=detector").content.decode()
    assert f"/alarms/{alarm.pk}/" in queue and "异常检测" in queue


def test_pages_show_state_scores_findings_and_truth(works, open_as):
    client = open_as(works.world.officer, "en")
    page = client.get("/detectors/").content.decode()
    assert "反应单元" in page and "in force: version 1" in page
    one = client.get(f"/detectors/{works.detector.pk}/").content.decode()
    assert 'class="score-line" d="M' in one and 'class="score-over" d="M' in one
    assert "times the limit" in one and "0 rows could not be judged" in one
    assert 'name="deed"' not in one, "an officer looks"
    part = client.get(f"/detectors/{works.detector.pk}/", headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part and "score-line" in part
    truth = client.get("/detectors/truth/").content.decode()
    assert "copied: the values of D4 for 46 rows" in truth and "<strong>31</strong>" in truth
    assert "失真" not in truth


def test_a_stranger_finds_nothing_and_who_may_only_look_changes_nothing(works, open_as):
    pk = works.detector.pk
    stranger = open_as(works.world.stranger)
    assert "反应单元" not in stranger.get("/detectors/").content.decode()
    assert "D2" not in stranger.get("/detectors/truth/?which=all").content.decode()
    for path in (f"/detectors/{pk}/", f"/api/v1/detectors/{pk}", f"/api/v1/detectors/{pk}/scores"):
        assert stranger.get(path).status_code == 404
    for path in ("/api/v1/detectors", "/api/v1/detectors/findings", "/api/v1/detectors/truth"):
        assert stranger.get(path).json()["items"] == []
    act = {"deed": "deactivate", "reason": "x"}
    steward = works.world.user("data_steward", works.world.jingzhou, "other")
    assert open_as(steward).post(f"/detectors/{pk}/act/", act).status_code == 404
    assert open_as(works.world.users["viewer"]).post(f"/detectors/{pk}/act/", act).status_code == 403
    body = json.dumps(act)
    viewer = open_as(works.world.users["viewer"])
    answer = viewer.post(f"/api/v1/detectors/{pk}/act", body, content_type="application/json")
    assert answer.status_code == 403 and Run.objects.count() == 1


def test_a_steward_shadows_promotes_sets_and_switches_off(works, open_as):
    pk, client = works.detector.pk, open_as(works.world.users["data_steward"], "en")

    def act(**form):
        return client.post(f"/detectors/{pk}/act/", form, follow=True).content.decode()

    assert "Say why" in act(deed="shadow", version="1", reason="")
    assert "in shadow: version 1" in act(deed="shadow", version="1", reason="trial")
    assert "Promoted" in act(deed="promote", reason="as compared")
    assert "no version 9" in act(deed="activate", version="9", reason="x")
    assert "Saved" in act(
        deed="set", priority="2", on_rows="4", off_rows="9", grace_ms="0", truth_below="0", reason="x"
    )
    assert "whole numbers" in act(deed="set", on_rows="many", reason="x")
    page = act(deed="deactivate", reason="unit stands still")
    assert "unit stands still" in page and "Switched off" in page
    assert Detector.objects.get(pk=pk).priority == 2 and not Alarm.objects.filter(cleared_at=None).exists()


def test_a_training_is_asked_for_and_done_by_a_job(works, open_as):
    pk, client = works.detector.pk, open_as(works.world.users["regulator"], "en")
    now = clock.now()
    form = {"from": (now - timedelta(days=1)).isoformat(), "to": (now - timedelta(hours=1)).isoformat()}
    assert "Say why" in client.post(f"/detectors/{pk}/train/", form, follow=True).content.decode()
    client.post(f"/detectors/{pk}/train/", form | {"note": "normal"})
    row = Training.objects.get()
    from procrastinate.contrib.django.models import ProcrastinateJob

    assert ProcrastinateJob.objects.get(task_name="fengsui.detectors.train").args == {"training": row.pk}
    assert services.do_training(row.pk).problem.startswith("no datastream has two readings")
    body = {"from_ms": T0, "to_ms": T0 + 140 * 10_000, "note": "normal"}
    answer = client.post(f"/api/v1/detectors/{pk}/train", json.dumps(body), content_type="application/json")
    done = services.do_training(answer.json()["training"])
    assert (done.version, done.problem) == (2, "")
    assert client.get(f"/api/v1/detectors/trainings/{done.pk}").json()["version"] == 2
    shown = client.get(f"/api/v1/detectors/{pk}").json()
    assert [v["version"] for v in shown["versions"]] == [2, 1] and shown["in_force"] == 1


def test_the_api_gives_scores_and_reasons(works, open_as):
    client = open_as(works.world.officer)
    (found,) = client.get(f"/api/v1/detectors/{works.detector.pk}/scores").json()
    assert found["every_ms"] == 10_000 and len(found["scores"]) == 139 and found["from_ms"] == T0
    assert max(v for v in found["scores"] if v is not None) > 1
    finding = client.get("/api/v1/detectors/findings").json()["items"][0]
    assert finding["parts"][0]["datastream"] == "D3" and finding["alarm_id"]
    assert client.get("/api/v1/detectors/truth").json()["items"][0]["score"] == 31
