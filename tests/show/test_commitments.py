"""Safety commitments from the form to the risk: what differs is explained, what is given stays, who is missing."""

import datetime
import json

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from fengsui.loops.models import Loop
from fengsui.people.audit.models import Entry
from fengsui.people.orgs.models import Role
from fengsui.sense.devices.models import SiteStatus
from fengsui.stores import clock
from fengsui.warn.commitments import services
from fengsui.warn.commitments.checks import Known, Unit, doubts
from fengsui.warn.commitments.errors import BadCommitment, NotExplained
from fengsui.warn.commitments.models import Commitment, Missing, Obligation, RunSignal
from fengsui.warn.commitments.said import read
from fengsui.warn.risks import services as risks
from fengsui.warn.risks.models import Fact, SiteRisk
from tests.show.world import HTML

DAY = datetime.date(2026, 11, 26)
GOOD = {"units": 3, "running": 3, "risk_grade": "3", "principal": "厂长甲", "promise": True}


def at(hour, minute=0, day=DAY):
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time(hour, minute)))


@pytest.fixture
def plant(world, monkeypatch):
    """The chemical plant at 08:30 of a day; ``set_time`` moves the clock.  It was heard a moment ago."""
    world.site.kind = "chemical_plant"
    world.site.save()
    world.safety = world.user("safety_officer", world.plant_org, "plant-safety")
    world.county_regulator = world.user("regulator", world.yichang, "checker")

    def set_time(now):
        monkeypatch.setattr(clock, "now", lambda: now)
        monkeypatch.setattr(timezone, "now", lambda: now)
        SiteStatus.objects.update_or_create(site=world.site, defaults={"last_received_at": now})

    world.set_time = set_time
    set_time(at(8, 30))
    services.oblige(
        None, world.hubei, deadline=datetime.time(10), kinds_of_sites=["chemical_plant"], with_hazards=True,
        is_public=False, reason="x",
    )  # fmt: skip
    return world


def said(**values):
    return read(GOOD | values)


def keys(found):
    return [one.key for one in found]


# ---- what differs ------------------------------------------------------------------------------------------------


def test_numbers_that_do_not_add_up_and_a_missing_promise_are_refused_all_at_once():
    with pytest.raises(BadCommitment) as refused:
        read(
            {
                "units": 2,
                "running": 2,
                "stopped_units": 1,
                "works": {"fire_1": {"count": "-1"}},
                "risk_grade": "9",
            }
        )
    assert [field for field, _words in refused.value.problems] == [
        "fire_1",
        "units",
        "risk_grade",
        "principal",
        "promise",
    ]


@pytest.mark.parametrize(
    ("values", "known", "wanted"),
    [
        ({"stopped": ["a"]}, {"units": (Unit("a", "反应器", True, "3 kPa"),)}, ["runs:a", "all_stopped"]),
        ({}, {"units": (Unit("a", "反应器", False, "0 kPa"), Unit("b", "泵", None))}, ["stands:a"]),
        ({}, {"has_datastreams": True, "silent_s": 601}, ["off_line"]),
        ({}, {"has_datastreams": True, "silent_s": 600}, []),
        ({}, {"facts": {"fire_1": 1, "start_up": 1}}, ["undeclared:fire_1", "undeclared:start_up"]),
        ({"works": {"fire_1": {"count": 2, "permits": "动火7；动火8"}}}, {"facts": {"fire_1": 2}}, []),
        ({"works": {"fire_1": {"count": 2, "permits": "动火7"}}}, {}, ["permit:fire_1"]),
        ({"works": {"height": {"count": 2}}}, {}, []),
        ({"risk_grade": 4, "start_up": True}, {}, ["grade_special"]),
        ({}, {"risk_level": 2}, ["grade_live"]),
        ({"risk_grade": 2}, {"risk_level": 2}, []),
        ({}, {"alarms": {1: 2, 3: 9}}, ["alarm:1"]),
        ({}, {"hazards": 1, "grade": 3}, ["responsibility"]),
        (
            {"responsibility": True, "risk_grade": 4, "works": {"lifting": {"count": 1}}},
            {"hazards": 1, "grade": 1},
            ["grade_hazard"],
        ),
        ({}, {"last": said(running=1, stopped_units=2)}, ["no_start_up"]),
        ({"start_up": True}, {"last": said(running=1, stopped_units=2)}, []),
        ({"units": 4}, {"last": said(major_danger=True)}, ["units_changed", "danger_gone"]),
    ],
)  # fmt: skip
def test_what_is_said_is_held_against_what_is_known(values, known, wanted):
    assert keys(doubts(said(**values), Known(**known))) == wanted


# ---- giving ------------------------------------------------------------------------------------------------------


def test_a_day_of_a_plant_as_an_officer_sees_it(plant):
    """08:30 nothing; 09:00 the reminder; 10:00 missing, risk up, the county told; 10:40 given late, risk down."""
    assert services.look(at(8, 30)) == (0, 0)
    assert services.look(at(9)) == (1, 0)
    loop = Loop.objects.get(kind="safety_commitment")
    assert (loop.due_at, loop.desk) == (at(10), plant.plant_org)
    assert loop in Loop.objects.mine(plant.safety)
    plant.set_time(at(10))
    assert services.look(at(10)) == (0, 1)
    assert services.look(at(10, 1)) == (0, 0), "nobody is noted twice"
    risks.reckon(at(10, 1))
    assert SiteRisk.objects.get(site=plant.site).counts == {"commitment_missing": 1}
    from fengsui.loops.services import escalate_overdue

    escalate_overdue(at(10, 1))
    loop.refresh_from_db()
    assert loop.escalated_roles == ["regulator", "duty_officer"]
    plant.set_time(at(10, 40))
    made = services.give(
        plant.safety, plant.site, GOOD | {"works": {"fire_1": {"count": 1, "permits": "动火7"}}}
    )
    assert (made.number, made.is_late) == (1, True)
    loop.refresh_from_db()
    assert (loop.outcome, loop.closed_at) == ("given", at(10, 40))
    assert Missing.objects.get().given_at == at(10, 40)
    risks.reckon(at(10, 41))
    assert SiteRisk.objects.get(site=plant.site).counts == {"fire_1": 1}
    risks.reckon(at(0, 1, DAY + datetime.timedelta(days=1)))
    assert SiteRisk.objects.get(site=plant.site).counts == {}, "work of yesterday counts no more"


def test_a_day_without_a_commitment_ends_as_not_made(plant):
    services.look(at(10, 5))
    services.look(at(0, 5, DAY + datetime.timedelta(days=1)))
    assert Loop.objects.get(kind="safety_commitment").outcome == "not_made"
    assert Missing.objects.get().given_at is None


def test_what_differs_must_be_explained_and_the_explanation_is_kept(plant):
    plant.alarm(priority=1)
    with pytest.raises(NotExplained) as refused:
        services.give(plant.safety, plant.site, GOOD, {"alarm:1": " "})
    assert keys(refused.value.doubts) == ["alarm:1"]
    assert Commitment.objects.count() == 0
    made = services.give(plant.safety, plant.site, GOOD, {"alarm:1": "仪表已报修"})
    assert [(one["key"], one["explained"]) for one in made.doubts] == [("alarm:1", "仪表已报修")]


def test_live_values_are_what_tells_that_something_runs(plant):
    RunSignal.objects.create(thing=plant.site.things.get(), datastream=plant.stream, above=100)
    now_ms = round(at(8, 30).timestamp() * 1000)
    stopped = GOOD | {"running": 0, "stopped_units": 3, "stopped": ["unit"]}

    def judge(value, ms=now_ms):
        return keys(services.judge(plant.site, stopped, {plant.stream.pk: (ms, value)})[2])

    assert judge(2800.0) == ["runs:unit"]
    assert judge(3.0) == []
    assert judge(2800.0, now_ms - 601_000) == [], "an old value tells nothing"


def test_given_is_given_and_an_amendment_is_a_version_with_a_reason(plant):
    first = services.give(
        plant.safety, plant.site, GOOD | {"works": {"fire_1": {"count": 2, "permits": "7;8"}}, "trial": True}
    )
    assert not first.is_late
    assert sorted(Fact.objects.filter(withdrawn_at=None).values_list("kind", flat=True)) == [
        "fire_1",
        "fire_1",
        "trial",
    ]
    with pytest.raises(BadCommitment):
        services.give(plant.safety, plant.site, GOOD | {"trial": True})
    plant.set_time(at(11))
    second = services.give(plant.safety, plant.site, GOOD | {"trial": True}, reason="动火取消")
    assert (second.number, second.is_late) == (2, False), "what was in time stays in time"
    assert list(Fact.objects.filter(withdrawn_at=None).values_list("kind", flat=True)) == ["trial"]
    for change in (
        lambda: Commitment.objects.filter(pk=first.pk).update(principal="厂长乙"),
        lambda: Commitment.objects.filter(pk=first.pk).delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    first.refresh_from_db()
    assert services.digest(first) == first.sha256
    kept = Entry.objects.filter(action__in=["commitment.given", "commitment.amended"]).order_by("pk")
    assert list(kept.values_list("action", flat=True)) == ["commitment.given", "commitment.amended"]


def test_nobody_has_to_until_somebody_says_so(plant, open_as):
    Obligation.objects.all().delete()
    assert services.look(at(23)) == (0, 0)
    assert not Loop.objects.filter(kind="safety_commitment").exists()
    with pytest.raises(BadCommitment):
        services.give(plant.safety, plant.site, GOOD)
    client = open_as(plant.users["commander"])
    assert "尚无须承诺的单位" in client.get("/commitments/").content.decode()
    assert "惯例" in client.get("/commitments/obligations/").content.decode()
    switched_on = {"deadline": "10:00", "kinds": "chemical_plant", "with_hazards": "1", "reason": "惯例"}
    client.post("/commitments/obligations/", {"org": plant.yichang.code, **switched_on})
    assert services.look(at(10)) == (1, 1)
    client.post(
        "/commitments/obligations/", {"org": plant.plant_org.code, "deadline": "10:00", "reason": "停"}
    )
    assert services.Book().obliged() == [], "an obligation of nobody switches it off below"


def test_who_is_looked_at_each_minute_is_who_is_due(plant, django_assert_max_num_queries):
    """However many sites there are: the database answers with none once all are reminded and noted."""
    services.look(at(10))
    with django_assert_max_num_queries(12) as asked:
        assert services.look(at(10, 1)) == (0, 0)
    sites = [one["sql"] for one in asked.captured_queries if 'FROM "devices_site"' in one["sql"]]
    assert len(sites) == 3
    assert all("EXISTS" in sql for sql in sites)


def test_before_the_deadline_there_is_no_rate(plant, open_as):
    client = open_as(plant.officer)
    assert client.get("/api/v1/commitments").json()["figures"]["rate"] is None
    assert "未到时限" in client.get("/commitments/").content.decode()
    plant.set_time(at(10))
    assert open_as(plant.officer).get("/api/v1/commitments").json()["figures"]["rate"] == 0.0


def test_each_organisation_says_who_must_by_when(plant):
    rule = {"with_hazards": False, "is_public": False, "reason": "县局通知 3 号"}
    services.oblige(
        plant.users["regulator"], plant.yichang, deadline=datetime.time(9), kinds_of_sites=["other"], **rule
    )
    assert services.Book().obliged() == []
    services.oblige(None, plant.jingzhou, deadline=datetime.time(8), kinds_of_sites=["other"], **rule)
    assert [site.code for site in services.Book().obliged()] == ["jz-1"]
    services.oblige(
        None, plant.plant_org, deadline=datetime.time(9, 30), kinds_of_sites=["chemical_plant"], **rule
    )
    plant.set_time(at(9, 31))
    assert services.look(at(9, 31)) == (2, 2)


# ---- pages -------------------------------------------------------------------------------------------------------


def form(**values):
    return {
        "units": "3",
        "running": "3",
        "stopped_units": "0",
        "overhaul": "0",
        "risk_grade": "3",
        "principal": "厂长甲",
        "promise": "1",
    } | values


def test_the_form_asks_again_with_what_was_typed_and_then_takes_it(plant, open_as):
    client = open_as(plant.safety, "en")
    page = f"/commitments/sites/{plant.site.code}/"
    shown = client.post(page, form(running="5", principal=HTML))
    assert (shown.status_code, "more than the 3 units" in shown.content.decode()) == (422, True)
    assert "&lt;script&gt;" in shown.content.decode()
    shown = client.post(page, form(**{"n-fire_special": "1"}))
    assert (shown.status_code, 'name="why-permit:fire_special"' in shown.content.decode()) == (422, True)
    shown = client.post(
        page, form(**{"n-fire_special": "1", "why-permit:fire_special": "number follows at 9"})
    )
    assert shown.status_code == 302
    shown = client.get(shown.url).content.decode()
    assert "number follows at 9" in shown
    assert "as it was given" in shown
    assert client.post(page, form()).status_code == 422, "an amendment needs its reason"
    day = client.get("/commitments/").content.decode()
    assert "Given in time" in day


def test_the_notice_is_public_only_where_the_bureau_says_so(plant, open_as):
    page = f"/notices/{plant.site.code}/"
    assert open_as().get(page).status_code == 404
    services.oblige(
        None, plant.yichang, deadline=datetime.time(10), kinds_of_sites=["chemical_plant"], with_hazards=True,
        is_public=True, reason="公开",
    )  # fmt: skip
    assert "尚未" in open_as().get(page).content.decode()
    services.give(plant.safety, plant.site, GOOD)
    assert "厂长甲" in open_as().get(page).content.decode()
    assert open_as().get(f"/notices/{plant.other_site.code}/").status_code == 404


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", Role.values)
def test_pages_open_for_every_role(plant, open_as, name, language):
    made = services.give(plant.safety, plant.site, GOOD | {"principal": HTML})
    client = open_as(plant.users[name], language)
    site = plant.site.code
    pages = ["", "?day=2026-11-25&state=missing", f"{made.pk}/", f"sites/{site}/", f"sites/{site}/notice/"]
    for page in [f"/commitments/{rest}" for rest in pages]:
        shown = client.get(page)
        assert shown.status_code == 200, page
        assert "<script>alert" not in shown.content.decode()
        assert "style=" not in shown.content.decode()
    assert client.get("/commitments/obligations/").status_code == (
        200 if name in ("commander", "regulator") else 403
    )


def test_counts_and_lines_are_the_same_on_page_and_api(plant, open_as):
    services.look(at(10, 5))
    plant.set_time(at(10, 5))
    told = open_as(plant.officer).get("/api/v1/commitments").json()
    assert told["figures"] == {"obliged": 1, "given": 0, "late": 0, "missing": 1, "waiting": 0, "rate": 0.0}
    assert [(one["site"], one["state"]) for one in told["items"]] == [("tep-1", "missing")]
    body = json.dumps(GOOD | {"risk_grade": 3})
    client = open_as(plant.safety)

    def send(path):
        return client.post(path, body, content_type="application/json")

    page = "/api/v1/commitments/sites/tep-1"
    assert send(page + "/check").json() == {"doubts": []}
    assert send(page).json()["is_late"] is True
    assert send(page).status_code == 422
    assert len(client.get(page).json()) == 1
    assert open_as(plant.officer).get("/api/v1/commitments").json()["figures"]["late"] == 1


def test_a_stranger_finds_no_commitment(plant, open_as):
    made = services.give(plant.safety, plant.site, GOOD)
    client = open_as(plant.stranger)
    assert "东山化工厂" not in client.get("/commitments/").content.decode()
    site = plant.site.code
    pages = [f"commitments/{made.pk}", f"commitments/sites/{site}"]
    pages = [*(f"/{page}/" for page in pages), *(f"/api/v1/{page}" for page in pages)]
    pages.append(f"/commitments/sites/{site}/notice/")
    for page in pages:
        assert client.get(page).status_code == 404, page
    assert client.get("/api/v1/commitments").json()["items"] == []
    assert client.post(f"/commitments/sites/{site}/", form()).status_code == 404
    body = json.dumps(GOOD | {"risk_grade": 3})
    assert (
        client.post(f"/api/v1/commitments/sites/{site}", body, content_type="application/json").status_code
        == 404
    )


def test_who_may_only_look_gives_nothing(plant, open_as):
    client = open_as(plant.officer)
    assert client.post(f"/commitments/sites/{plant.site.code}/", form()).status_code == 422
    assert Commitment.objects.count() == 0
    assert Entry.objects.filter(action="commitment.give", ok=False).exists()
