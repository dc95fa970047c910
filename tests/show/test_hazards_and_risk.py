"""Major hazards and live risk from file to page: versions that stay, points that add up, a stranger who sees none."""

import datetime
import io
import json

import pytest
import typst
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from fengsui.people.audit.models import Entry
from fengsui.people.orgs.access import MAY
from fengsui.people.orgs.models import Role
from fengsui.sense.conform import pdf
from fengsui.stores.outbox.models import Event
from fengsui.warn.inventories import services as inventories
from fengsui.warn.inventories.models import Identification, Inventory, MajorHazard
from fengsui.warn.risk.weights import BadWeights, shipped_text
from fengsui.warn.risks import services as risks
from fengsui.warn.risks.models import Fact, RiskChange, SiteRisk, WeightSet
from tests.show.world import HTML

HEAD = "unit,unit_type,name,cas,q_t,residents_500m,process\n"
CHLORINE = f"{HEAD}罐区{HTML.replace(chr(34), '')},storage,氯,7782-50-5,60,20,氯化\n"
AMMONIA = f"{HEAD}冷冻站,storage,氨,7664-41-7,9.99,0,\n"
HAS_FONT = bool(set(typst.Fonts().families()) & set(pdf.FONTS))
NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)


def _file(text):
    return SimpleUploadedFile("inventory.csv", text.encode())


def _keep(world, text=CHLORINE, site=None):
    return inventories.keep(None, site or world.site, text.encode(), "inventory.csv", "first")


# ---- inventories -------------------------------------------------------------------------------------------------


def test_versions_stay_and_the_newest_names_the_hazards(world):
    first = _keep(world)
    hazard = MajorHazard.objects.get()
    assert (hazard.grade, hazard.s, hazard.r, hazard.is_current) == (3, "12", "48", True)
    assert _keep(world) == first, "the same file again changes nothing"
    second = _keep(world, AMMONIA)
    assert (second.number, MajorHazard.objects.filter(is_current=True).count()) == (2, 0)
    assert MajorHazard.objects.get().identification.inventory == first
    run = Identification.objects.get(inventory=first)
    assert run.processes == 1
    assert run.answer["units"][0]["steps"]
    assert all(step["clause"] for step in run.answer["units"][0]["steps"])
    again = inventories.identify_again(None, second)
    assert again.answer == second.identifications.last().answer, (
        "rows as they were written give the same answer"
    )
    with pytest.raises(inventories.BadInventory):
        inventories.identify_again(None, first)
    assert Event.objects.filter(topic="hazard.identified").count() == 3


def test_a_bad_row_keeps_nothing_and_a_check_keeps_nothing(world, open_as):
    client = open_as(world.users["safety_officer"], "en")
    page = f"/hazards/sites/{world.site.code}/"
    bad = HEAD + "tank,storage,氯,7782-50-4,many,20,\n"
    shown = client.post(page, {"file": _file(bad), "deed": "import"})
    assert shown.status_code == 422
    shown = client.post(page, {"file": _file(bad), "deed": "check"})
    assert (shown.status_code, "cannot be read" in shown.content.decode()) == (422, True)
    shown = client.post(page, {"file": _file(CHLORINE), "deed": "check"})
    assert (shown.status_code, "S = 12" in shown.content.decode()) == (200, True)
    assert Inventory.objects.count() == 0
    assert (
        client.post(page, {"file": _file(CHLORINE), "deed": "import", "note": "new tank"}).status_code == 302
    )
    assert Inventory.objects.get().note == "new tank"
    assert Entry.objects.filter(action="hazard.inventory_kept").count() == 1


def test_who_may_only_look_cannot_import(world, open_as):
    client = open_as(world.users["viewer"])
    page = f"/hazards/sites/{world.site.code}/"
    assert client.post(page, {"file": _file(CHLORINE), "deed": "import"}).status_code == 422
    assert Inventory.objects.count() == 0


@pytest.mark.skipif(not HAS_FONT, reason="no Chinese font on this machine")
def test_the_report_is_the_kept_answer(world, open_as):
    run = _keep(world).identifications.get()
    shown = open_as(world.officer).get(f"/hazards/runs/{run.pk}/report.pdf")
    assert io.BytesIO(shown.content).read(5) == b"%PDF-"


def test_without_a_font_the_page_says_so(world, open_as, monkeypatch):
    monkeypatch.setattr(pdf, "FONTS", ())
    run = _keep(world).identifications.get()
    shown = open_as(world.officer, "en").get(f"/hazards/runs/{run.pk}/report.pdf", follow=True)
    assert shown.status_code == 200
    assert "notice-error" in shown.content.decode()


# ---- risk --------------------------------------------------------------------------------------------------------


def test_the_index_follows_what_rows_say_and_every_point_is_explained(world, open_as):
    _keep(world)
    world.alarm(priority=2)
    risks.declare(None, world.site, "fire_1", timezone.now(), None, "permit 7")
    done = risks.reckon()
    assert (done.sites, done.levels) == (2, 1)
    risk = SiteRisk.objects.get(site=world.site)
    # grade 3 15, one process 3, an orange alarm 10, fire work 6
    assert (risk.index, risk.level) == (34_000, 3)
    assert risks.reckon().changed == 0, "nothing changed, nothing is written"
    told = open_as(world.officer).get(f"/api/v1/risk/sites/{world.site.code}").json()
    assert round(sum(p["points"] * 1000 for p in told["points"])) == risk.index
    assert told["index"] == 34.0
    tree = open_as(world.officer).get("/api/v1/risk/tree/city").json()
    assert [(n["code"], n["index"], n["worst"]) for n in tree] == [("yichang", 34.0, "tep-1")]


def test_up_at_once_and_down_after_its_time(world):
    fact = risks.declare(None, world.site, "danger_major", NOW, None, "letter 3")
    for kind in ("fire_special", "start_up"):
        risks.declare(None, world.site, kind, NOW, NOW + datetime.timedelta(hours=1), "permit")
    risks.reckon(NOW)
    assert SiteRisk.objects.get(site=world.site).level == 3  # 12 + 12 + 10
    later = NOW + datetime.timedelta(hours=2)
    risks.reckon(later)
    risk = SiteRisk.objects.get(site=world.site)
    assert (risk.index, risk.level, risk.below_since) == (12_000, 3, later)
    risks.reckon(later + datetime.timedelta(seconds=899))
    assert SiteRisk.objects.get(site=world.site).level == 3
    risks.reckon(later + datetime.timedelta(seconds=900))
    assert SiteRisk.objects.get(site=world.site).level == 4
    levels = list(RiskChange.objects.filter(site=world.site).order_by("at").values_list("level", flat=True))
    assert levels == [3, 3, 4]
    risks.withdraw(None, fact)
    assert Fact.objects.get(pk=fact.pk).withdrawn_at is not None


def test_how_it_was_can_be_asked(world, open_as):
    risks.declare(None, world.site, "trial", NOW, None, "letter")
    risks.reckon(NOW)
    risks.declare(None, world.site, "start_up", NOW, None, "letter")
    risks.reckon(NOW + datetime.timedelta(minutes=5))
    client = open_as(world.officer)
    for minutes, index in ((-1, []), (1, [8.0]), (6, [18.0])):
        at = NOW + datetime.timedelta(minutes=minutes)
        told = client.get(f"/api/v1/risk/map?at_ms={round(at.timestamp() * 1000)}").json()
        assert told["index"] == index


def test_weights_have_a_history_and_are_checked(world):
    document = json.loads(shipped_text())
    document["version"] = "2"
    document["groups"][2]["items"][6]["points"] = "9"
    risks.declare(None, world.site, "trial", NOW, None, "letter")
    made = risks.put_in_force(world.root, json.dumps(document), "county decision 4")
    risks.reckon(NOW)
    risk = SiteRisk.objects.get(site=world.site)
    assert (risk.index, risk.weights_sha256) == (9_000, made.sha256)
    document["groups"][0]["items"][0]["points"] = "1"
    with pytest.raises(BadWeights, match="grade_1"):
        risks.put_in_force(world.root, json.dumps(document), "x")
    assert WeightSet.objects.count() == 1


def test_facts_from_a_file_are_declared_all_or_none(world, open_as):
    client = open_as(world.officer, "en")

    def send(deed, *rows):
        raw = "\n".join(["site,kind,from,to,source", *rows])
        return client.post("/risk/facts/import/", {"file": _file(raw), "deed": deed})

    good = "tep-1,fire_1,2026-11-26T08:00,2026-11-26T18:00,permit 7"
    shown = send(
        "import", good, "jz-1,trial,,,letter", "tep-1,picnic,,,x", "tep-1,trial,soon,,x", "tep-1,trial,,,"
    )
    assert (shown.status_code, Fact.objects.count()) == (422, 0)
    assert "1 rows are good, 4 are bad" in shown.content.decode()
    assert send("check", good).status_code == 200
    assert Fact.objects.count() == 0
    assert send("import", good, "tep-1,Trial production,,,letter").status_code == 200
    assert sorted(Fact.objects.values_list("kind", flat=True)) == ["fire_1", "trial"]
    assert open_as(world.users["viewer"]).post("/risk/facts/import/", {"deed": "import"}).status_code == 403


# ---- who sees it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", ["duty_officer", "viewer", "safety_officer"])
def test_pages_open_and_show_no_markup(world, open_as, name, language):
    _keep(world)
    risks.declare(None, world.site, "trial", timezone.now(), None, HTML)
    risks.reckon()
    client = open_as(world.users[name], language)
    pages = ["/hazards/", "/hazards/?q=罐&grade=3", f"/hazards/sites/{world.site.code}/", "/risk/"]
    pages += [f"/risk/?of={kind}" for kind in ("enterprise", "industry", "county", "city", "province")]
    pages += [f"/risk/sites/{world.site.code}/", f"/hazards/sites/{world.site.code}/?version=1"]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        html = response.content.decode()
        assert "<script>alert" not in html
        assert "style=" not in html


def test_a_stranger_finds_no_hazard_and_no_risk(world, open_as):
    run = _keep(world).identifications.get()
    fact = risks.declare(None, world.site, "trial", timezone.now(), None, "letter")
    risks.reckon()
    client = open_as(world.stranger)
    for page in ("/hazards/", "/risk/", "/risk/?of=enterprise", "/risk/?of=industry", "/risk/?of=province"):
        shown = client.get(page).content.decode()
        assert "罐区" not in shown
        assert "东山化工厂" not in shown
    site = world.site.code
    for page in (
        f"/hazards/sites/{site}/", f"/hazards/runs/{run.pk}/report.pdf", f"/risk/sites/{site}/",
        f"/api/v1/hazards/sites/{site}", f"/api/v1/risk/sites/{site}",
    ):  # fmt: skip
        assert client.get(page).status_code == 404, page
    assert (
        client.post(f"/hazards/sites/{site}/", {"file": _file(AMMONIA), "deed": "import"}).status_code == 404
    )
    assert client.post(f"/hazards/sites/{site}/again/").status_code == 404
    assert client.post(f"/risk/sites/{site}/facts/", {"kind": "trial", "source": "x"}).status_code == 404
    assert client.post(f"/risk/facts/{fact.pk}/withdraw/").status_code == 404
    assert client.get("/api/v1/hazards").json()["items"] == []
    assert [one["site"] for one in client.get("/api/v1/risk/sites").json()["items"]] == ["jz-1"]
    assert client.get("/api/v1/risk/map").json()["site"] == ["jz-1"]
    assert client.get("/api/v1/risk/facts").json() == []
    assert [one["code"] for one in client.get("/api/v1/risk/tree/city").json()] == ["jingzhou"]
    body = {"site": site, "kind": "trial", "source": "x"}
    told = client.post("/api/v1/risk/facts", json.dumps(body), content_type="application/json")
    assert told.status_code == 404
    assert client.delete(f"/api/v1/risk/facts/{fact.pk}").status_code == 404
    assert Fact.objects.count() == 1
    assert "safety_officer" in MAY["risk.declare"] and set(Role.values) == MAY["risk.view"]


def test_a_neighbour_out_of_sight_has_no_name(world, open_as):
    near = world.add_site("jz-2", "邻厂", world.jingzhou, 111.2905, 30.6905)
    _keep(world, CHLORINE.replace(",60,20,", ",6000,200,"), near)
    for _ in range(3):
        risks.declare(None, near, "fire_special", timezone.now(), None, "permit")
    risks.reckon()
    assert SiteRisk.objects.get(site=world.site).index > 0
    shown = open_as(world.officer, "en").get(f"/risk/sites/{world.site.code}/").content.decode()
    assert "a site that you may not see" in shown
    assert "邻厂" not in shown


# ---- the index as readings ---------------------------------------------------------------------------------------


def test_following_the_index_twice_makes_one_datastream_and_leaves_a_changed_rule_alone(world):
    from fengsui.warn.alarms.models import Rule
    from fengsui.warn.risks import series

    weights = risks.in_force()
    risks.reckon()
    made = series.follow(None, weights)
    assert (made.datastreams, made.rules) == (2, 4)
    Rule.objects.filter(datastream__code=series.CODE, kind="h").update(setpoint=60)
    assert series.follow(None, weights) == series.Followed(0, 0)
    assert set(
        Rule.objects.filter(datastream__code=series.CODE).values_list("kind", "setpoint", "priority")
    ) == {
        ("h", 60, 2),
        ("hh", 75, 1),
    }
    told = sum(len(event.payload["rows"]) for event in Event.objects.filter(topic=series.TOPIC))
    assert told == 2
    assert sum(series.repeat_due(minute) for minute in range(60)) == 2


def test_an_alarm_over_the_index_explains_itself_and_does_not_raise_itself(world, open_as):
    from fengsui.warn.risks import series

    risks.declare(None, world.site, "fire_special", timezone.now(), None, "票 1")
    risks.reckon()
    series.follow(None, risks.in_force(), [world.site])
    before = SiteRisk.objects.get(site=world.site).index
    assert before == 12_000
    alarm = world.alarm(world.site.datastreams.get(code=series.CODE), minutes_ago=0, priority=2, kind="h")
    risks.reckon()
    assert SiteRisk.objects.get(site=world.site).index == before
    page = open_as(world.officer).get(f"/alarms/{alarm.pk}/").content.decode()
    assert "特级动火" in page
    assert "12" in page
    assert open_as(world.stranger).get(f"/alarms/{alarm.pk}/").status_code == 404


def test_a_park_stands_between_its_enterprises_and_the_county(world, open_as):
    from fengsui.people.orgs import services as orgs

    county = world.org("xiling", "西陵区", world.yichang, "county", "420502")
    park = orgs.create_org(actor=None, parent=county, kind="park", code="park-1", name="化工园区")
    plant = orgs.create_org(actor=None, parent=park, kind="enterprise", code="p-1", name="园区企业")
    world.add_site("park-site", "园区厂", plant)
    risks.reckon()
    page = open_as(world.officer).get("/risk/?of=park").content.decode()
    assert "化工园区" in page
    (node,) = open_as(world.officer).get("/api/v1/risk/tree/park").json()
    assert (node["code"], node["sites"], node["worst"]) == ("park-1", 1, "park-site")
    assert open_as(world.stranger).get("/api/v1/risk/tree/park").json() == []


# ---- inventories by API ------------------------------------------------------------------------------------------


def test_an_inventory_by_api_is_tried_without_a_trace_and_kept_once(world, open_as):
    path = f"/api/v1/hazards/sites/{world.site.code}/inventory"
    row = {
        "unit": "罐区",
        "unit_type": "storage",
        "name": "氯",
        "cas": "7782-50-5",
        "q_t": 60,
        "residents_500m": 20,
    }

    def post(user, rows, query=""):
        return open_as(user).post(f"{path}{query}", {"rows": rows}, content_type="application/json")

    regulator = world.users["regulator"]
    tried = post(regulator, [row], "?dry_run=true").json()
    assert (tried["kept"], tried["answer"]["units"][0]["is_major"]) == (False, True)
    assert not Inventory.objects.exists()
    for _ in range(2):
        assert post(regulator, [row]).json()["version"] == 1
    assert post(regulator, [row | {"q_t": "many"}]).status_code == 422
    assert post(regulator, [row | {"colour": "green"}]).status_code == 422
    assert post(world.users["viewer"], [row]).status_code == 403
    assert post(world.stranger, [row]).status_code == 404
    assert Inventory.objects.count() == 1
