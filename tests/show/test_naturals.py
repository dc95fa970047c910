"""Who is under what, from rows to page and API: levels now and ahead, filters, and a stranger who sees none of it."""

import datetime
import json

import pytest
from django.utils import timezone

from fengsui.people.orgs.access import MAY
from fengsui.warn.natural import storm, thresholds, zones
from fengsui.warn.naturals import importing, services
from fengsui.warn.naturals.models import Source, Statement, StatementChange, ThresholdSet
from fengsui.warn.risks import services as risks
from fengsui.warn.risks.models import SiteRisk
from fengsui.warn.warnings.models import Feed, Message
from tests.show.world import HTML

H = datetime.timedelta(hours=1)


def _statement(world, kind="stage", level=2, org=None, zone=None, why=None, **fields):
    now = timezone.now()
    why = why or {
        "stage_m": 54.2, "rise_m_h": 0.3, "warning_m": 54, "guarantee_m": 55, "datum": "黄海",
        "reached": "near_guarantee", "in_h": 2.7, "at_ms": round(now.timestamp() * 1000),
    }  # fmt: skip
    number = Statement.objects.count()
    values = {
        "key": f"{kind}:1:{number}", "subject": f"{kind}:{number}", "kind": kind, "level": level,
        "why": why, "org_path": (org or world.yichang).path, "name": f"枝城站{HTML}", "name_en": "Zhicheng",
        "source_name": "水文站", "source_name_en": "Hydrology", "level_since": now,
        "raised_at": now - H, "judged_at": now,
        "zone": zone or zones.bands(111.29, 30.69, [(level, 5.0)]), "thresholds_sha256": "x",
    }  # fmt: skip
    return Statement.objects.create(**values | fields)


def _storm(world):
    """A typhoon that comes from the south-east: its circle of grade 7 is over Yichang in some 15 hours."""
    at = round(timezone.now().timestamp() * 1000)
    hour = 3_600_000
    observed = [storm.Fix(at - 6 * hour, 117.5, 26.5, 40), storm.Fix(at - hour, 116.8, 27.0, 40)]
    steps = storm.path(observed, [storm.Fix(at + 24 * hour, 111.3, 30.7, 35)], at, 48, thresholds.shipped())
    why = {"longitude": 116.8, "latitude": 27.0, "wind_m_s": 40, "radius_km": [300, 150, 80], "estimated": True,
           "forecast_by": "", "at_ms": at, "number": "x"}  # fmt: skip
    return _statement(
        world,
        "typhoon",
        3,
        zone=zones.track(steps, thresholds.shipped()),
        why=why,
        name="台风样本",
        name_en="X",
    )


def _warning(world, **fields):
    now = timezone.now()
    feed = Feed.objects.create(org=world.hubei, name="f", url="https://example.org/f")
    return Message.objects.create(
        **{
            "feed": feed, "org": world.hubei, "org_path": world.hubei.path, "identifier": "1", "sender": "s",
            "sent_at": now - H, "received_at": now, "status": "Actual", "msg_type": "Alert", "scope": "Public",
            "level": 1, "event": "暴雨",
            "headline": "暴雨红色预警", "expires_at": now + 2 * H, "divisions": ["420500"],
            "document": b"", "sha256": "", **fields,
        }
    )  # fmt: skip


def test_everything_over_a_site_is_told_with_level_time_source_and_reason(world, open_as):
    _statement(world)
    _storm(world)
    _warning(world)
    told = open_as(world.officer).get(f"/api/v1/natural/sites/{world.site.code}").json()
    assert (told["level_now"], told["level_24h"]) == (1, 1)
    under = {one["kind"]: one for one in told["under"]}
    assert set(under) == {"warning", "stage", "typhoon"}
    assert (under["stage"]["level_now"], under["stage"]["why"]["stage_m"]) == (2, 54.2)
    assert under["warning"]["until_ms"] is not None
    assert under["typhoon"]["level_now"] in (3, 4), "grade 7 within 24 h"
    assert under["typhoon"]["level_24h"] <= 2 and under["typhoon"]["worst_from_ms"] > 0


def test_a_warning_of_above_is_told_without_a_way_to_where_one_may_not_look(world, open_as):
    row = _warning(world)
    address = f"/warnings/messages/{row.pk}/"
    shown = open_as(world.officer).get("/natural/").content.decode()
    assert "暴雨红色预警" in shown and address not in shown
    assert address in open_as(world.root).get("/natural/").content.decode()


def test_a_warning_that_ends_is_not_told_for_later(world, open_as):
    _warning(world)
    client = open_as(world.officer)
    assert client.get("/api/v1/natural/map?hours=0").json()["level"] == [1]
    later = client.get("/api/v1/natural/map?hours=6").json()
    assert (later["level"], later["calm"]) == ([], 1)


def test_lists_by_site_division_and_hazard_agree(world, open_as):
    _statement(world)
    _storm(world)
    client = open_as(world.officer)
    sites = client.get("/api/v1/natural/sites?kind=stage").json()
    assert [(one["site"], one["level_now"]) for one in sites["items"]] == [("tep-1", 2)]
    parts = client.get("/api/v1/natural/parts/city?kind=stage").json()
    assert [(p["code"], p["sites"], p["orange"], p["kinds"]) for p in parts] == [
        ("yichang", 1, 1, {"stage": 2})
    ]
    hazards = client.get("/api/v1/natural/hazards").json()
    assert {one["kind"]: one["sites_24h"] for one in hazards} == {"stage": 1, "typhoon": 1}
    features = client.get("/api/v1/natural/map?hours=12").json()["features"]["features"]
    assert {7, 10, 12} <= {one["properties"].get("grade") for one in features}
    for n in range(3):
        world.add_site(f"s{n}", f"站{n}", world.yichang, 111.29, 30.69)
    seen, cursor = [], ""
    for _page in range(4):
        page = client.get(f"/api/v1/natural/sites?size=1&kind=stage&cursor={cursor}").json()
        seen += [one["site"] for one in page["items"]]
        cursor = page["next"] or ""
    assert (seen, cursor) == (["tep-1", "s0", "s1", "s2"], "")


def test_live_risk_feels_what_the_platform_found(world):
    risks.reckon()
    before = SiteRisk.objects.get(site=world.site).index
    _statement(world, level=1)
    risks.reckon()
    risk = SiteRisk.objects.get(site=world.site)
    assert (risk.index - before, risk.counts.get("weather_red")) == (10_000, 1)


def test_thresholds_have_a_history_and_only_a_root_may_change_them(world):
    document = json.loads(thresholds.shipped_text())
    document["version"] = "2"
    made = services.put_in_force(world.root, json.dumps(document), "province decision 3")
    assert (services.in_force().version, services.in_force().sha256) == ("2", made.sha256)
    with pytest.raises(Exception, match="may not"):
        services.put_in_force(world.officer, json.dumps(document), "x")
    assert ThresholdSet.objects.count() == 1


def test_the_page_says_by_which_limits_and_what_they_rest_on(world, open_as):
    shown = open_as(world.officer).get("/natural/").content.decode()
    assert "平台随附的阈值，第 1 版" in shown
    assert "6 类灾害中有 6 类凭记忆" in shown
    for kind in thresholds.KINDS:
        assert thresholds.shipped().basis[kind] in shown
    document = json.loads(thresholds.shipped_text()) | {"thresholds": "省定阈值", "version": "2026"}
    document["rain"] = document["rain"] | {"from_memory": False}
    services.put_in_force(world.root, json.dumps(document), "省厅通知")
    shown = open_as(world.officer).get("/natural/").content.decode()
    for words in ("省定阈值", "2026", "省厅通知", "6 类灾害中有 5 类凭记忆"):
        assert words in shown


def test_a_recording_is_played_as_a_demonstration_and_never_into_a_real_feed(world):
    header = "66666 1713    1 0014 1713 0 6 HATO                               20180501"
    track = f"{header}\n2017082303 6 218 1138  935      52\n"
    now = timezone.now()
    play = importing.Play(1_503_457_200_000, -2.5, 8.9, "201713")
    report = importing.bring(None, "storms", track.encode(), world.yichang, now, play=play)
    source = Source.objects.get()
    fix = source.storms.get().fixes.get()
    assert (report.taken.new, source.is_demo, round(fix.longitude, 1)) == (1, True, 111.3)
    assert abs(fix.at - now) < datetime.timedelta(milliseconds=1)
    Source.objects.create(org=world.yichang, kind="storms", name="real")
    with pytest.raises(importing.BadGauge):
        importing.bring(None, "storms", track.encode(), world.yichang, now, name="real", play=play)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", ["duty_officer", "viewer", "operator"])
def test_pages_open_and_show_no_markup(world, open_as, name, language):
    _statement(world)
    _storm(world)
    _warning(world, headline=HTML)
    Source.objects.create(org=world.yichang, kind="quakes", name=HTML, url="https://example.org/q")
    client = open_as(world.users[name], language)
    pages = [f"/natural/?of={of}" for of in ("hazard", "site", "county", "city", "enterprise")]
    pages += [
        "/natural/map/",
        "/natural/?of=site&kind=stage&level=2&q=tep&hours=0",
        "/natural/?of=city&level=1",
    ]
    pages += [f"/natural/sites/{world.site.code}/", f"/sites/{world.site.code}/tables/"]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        html = response.content.decode()
        assert "<script>alert" not in html
        assert "style=" not in html


def test_a_stranger_sees_none_of_it(world, open_as):
    row = _statement(world)
    StatementChange.objects.create(statement=row, at=timezone.now(), level=2, why={})
    _storm(world)
    Source.objects.create(org=world.yichang, kind="quakes", name="本市地震源")
    client = open_as(world.stranger)
    assert client.get(f"/natural/sites/{world.site.code}/").status_code == 404
    assert client.get(f"/api/v1/natural/sites/{world.site.code}").status_code == 404
    assert client.get("/api/v1/natural/hazards").json() == []
    assert client.get("/api/v1/natural/sites").json()["items"] == []
    told = client.get("/api/v1/natural/map").json()
    assert (told["site"], told["calm"], told["features"]["features"]) == ([], 1, [])
    assert "枝城" not in client.get("/natural/").content.decode()
    assert open_as(world.nobody).get("/natural/").status_code == 403
    assert MAY["natural.thresholds"] == frozenset({"commander"})


def test_what_the_province_says_concerns_the_city_below_it(world, open_as):
    _statement(world, org=world.hubei)
    assert len(open_as(world.officer).get("/api/v1/natural/hazards").json()) == 1
    assert len(open_as(world.stranger).get("/api/v1/natural/hazards").json()) == 1, "both are in the province"
