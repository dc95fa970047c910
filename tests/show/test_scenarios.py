"""Scenario rules on the portal: who sees them, what is refused and where, what is kept, why an alarm was raised."""

import json

import numpy as np
import pytest
import yaml
from django.utils import timezone, translation

from fengsui.people.audit.models import Entry
from fengsui.run.handlers import title
from fengsui.run.pipeline import configuration
from fengsui.show.lists import scenarios as lists
from fengsui.stores import changes
from fengsui.stores.history.catalogue import Catalogue
from fengsui.stores.history.rows import Rows
from fengsui.stores.history.segments import write_segments
from fengsui.warn.alarms.episodes import EventRow, record_events
from fengsui.warn.alarms.errors import NoShadow
from fengsui.warn.alarms.grounds import by
from fengsui.warn.alarms.life import live_payload
from fengsui.warn.alarms.models import Alarm, Rule, ShadowEpisode
from fengsui.warn.engine import RAISED
from fengsui.warn.expressions.cause import Cause
from fengsui.warn.expressions.in_force import Placed
from fengsui.warn.scenarios import importing, loader, services, shadows
from fengsui.warn.scenarios.errors import BadScenarioRule
from fengsui.warn.scenarios.models import ScenarioRule
from fengsui.warn.warnings.services import suggested

VALUES = {
    "name": "超压", "name_en": "Overpressure", "expression": "p > high\nand p2 > 2800 kPa", "clear": "p < 2700 kPa",
    "parameters": {"high": "2895 kPa"}, "for_ms": 0, "clear_for_ms": 0, "priority": 1,
    "cause": "压力 {p} 超过 {high}", "cause_en": "Pressure {p} above {high}", "is_enabled": True,
}  # fmt: skip


@pytest.fixture
def second(world):
    return world.add_stream(world.site, "P8", "分离器压力", "kPa")


@pytest.fixture
def rule(world, second):
    bound = [services.Bound("p", world.stream), services.Bound("p2", second)]
    return services.create(world.users["regulator"], world.site, "over", VALUES, bound, "first")


def form(**changed):
    said = {
        "name": "超压", "name_en": "", "code": "over2", "priority": "2", "expression": "p > high", "clear": "",
        "for": "30s", "clear_for": "1m", "cause": "", "cause_en": "", "basis": "", "is_enabled": "on", "reason": "new",
        "n-0": "p", "d-0": "P7", "a-0": "", "p-0": "high", "q-0": "2895 kPa",
    }  # fmt: skip
    return said | {name.replace("__", "-"): value for name, value in changed.items()}


def test_a_stranger_sees_neither_list_nor_page_nor_check(world, rule, open_as):
    stranger = open_as(world.stranger)
    assert "over" not in stranger.get("/scenarios/").content.decode()
    assert stranger.get(f"/scenarios/{rule.pk}/").status_code == 404
    assert stranger.post(f"/scenarios/{rule.pk}/withdraw/", {"reason": "x"}).status_code == 404
    assert stranger.post("/scenarios/check/?site=tep-1", form()).status_code == 404
    assert open_as(world.nobody).get("/scenarios/").status_code == 403
    assert "超压" in open_as(world.officer).get("/scenarios/").content.decode()


def test_one_is_made_from_the_library_edited_and_withdrawn_with_its_history(world, second, open_as):
    client = open_as(world.users["data_steward"])
    page = client.get("/scenarios/new/?site=tep-1&template=runaway_reaction").content.decode()
    assert 'value="P7"' in page  # proposed by its observed property
    assert "反应温度" in page  # which the site does not have
    made = client.post("/scenarios/new/?site=tep-1", form())
    rule = ScenarioRule.objects.get(code="over2")
    assert made.headers["location"] == f"/scenarios/{rule.pk}/"
    assert (rule.for_ms, rule.clear_for_ms, rule.rule.kind, rule.datastream.site_id) == (
        30_000, 60_000, "h", world.site.pk,
    )  # fmt: skip
    edited = form(version="1", expression="p > 3000 kPa", is_enabled="", reason="too many")
    assert client.post(f"/scenarios/{rule.pk}/", edited).status_code == 302
    rule.refresh_from_db()
    assert (rule.version, rule.is_enabled) == (2, False)
    assert not Rule.objects.get(pk=rule.rule_id).is_enabled
    old = client.post(f"/scenarios/{rule.pk}/", form(version="1", expression="p > 1 kPa"))
    assert "版本" in old.content.decode() or "第" in old.content.decode()
    assert ScenarioRule.objects.get(pk=rule.pk).version == 2
    client.post(f"/scenarios/{rule.pk}/withdraw/", {"reason": "replaced"})
    rule.refresh_from_db()
    assert rule.withdrawn_at is not None
    assert [c.reason for c in rule.changes.all()] == ["replaced", "too many", "new"]
    assert Entry.objects.filter(action__startswith="scenario.").count() == 3
    assert open_as(world.officer).post("/scenarios/new/?site=tep-1", form()).status_code == 403


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"expression": "p > high\nand q > 1 kPa"}, "，第 2 行第 5 列"),
        ({"expression": "p > 3 m"}, "，第 1 行第 5 列"),
        ({"clear": "p <"}, "，第 1 行第 4 列"),
        ({"d__0": "F1"}, "没有代码为“F1”的数据流"),
        ({"q__0": "much"}, "参数“high”为“much”"),
        ({"for": "soon"}, "“soon”不是时长"),
        ({"cause": "{level} high"}, "既不是本规则的名称"),
        ({"n__0": "and"}, "保留字"),
    ],
)
def test_checking_points_to_the_place(world, open_as, changed, says):
    client = open_as(world.users["regulator"])
    said = client.post("/scenarios/check/?site=tep-1", form(**changed)).content.decode()
    assert says in said
    assert client.post("/scenarios/new/?site=tep-1", form(**changed)).status_code == 422
    assert not ScenarioRule.objects.exists()


def test_a_good_one_is_read_back_in_words(world, open_as):
    client = open_as(world.officer)
    assert "反应器压力高于2895 kPa" in client.post("/scenarios/check/?site=tep-1", form()).content.decode()


def test_datastreams_of_another_site_and_of_scenarios_are_refused(world, rule):
    for stream in (world.other_stream, rule.datastream):
        with pytest.raises(BadScenarioRule) as error:
            services.create(
                None,
                world.site,
                "x",
                VALUES | {"expression": "p > 1 kPa"},
                [services.Bound("p", stream)],
                "r",
            )
        assert error.value.faults[0].field == "names"


def test_the_pipeline_reads_what_is_in_force_and_notices_changes(world, rule):
    found = loader.load()
    assert found.stream.tolist() == [rule.datastream_id]
    assert found.ordinary.tolist() == [rule.rule_id]
    before = changes.numbers()["scenarios"]
    known = configuration.load(0, 1)
    assert not configuration.changed_since(known)
    services.edit(None, rule, {"expression": "alarm(p, h) and p > high"}, None, "with the alarm")
    assert changes.numbers()["scenarios"] > before
    assert configuration.changed_since(known)
    now = configuration.follow(known, 0, 1)
    assert now.scenarios.table.alarm_rule.tolist() == [world.rule.pk]
    world.stream.name_en = "Another name"
    world.stream.save(update_fields=["name_en"])
    assert not configuration.changed_since(now)
    world.stream.unit = "m"
    world.stream.save()
    assert len(configuration.follow(now, 0, 1).scenarios) == 0  # it does not check any more


def test_an_alarm_tells_why_in_either_language(world, rule, open_as):
    found = loader.load()
    placed = Placed.of(found, np.array([0, 1]), 2)
    cause = placed.told(0, Cause((2950.0, 2850.0, 2950.0), (True, True, False), (2950.0, 2850.0)))
    now = int(timezone.now().timestamp() * 1000)
    record_events([EventRow(rule.rule_id, RAISED, now, 1.0, now, 1.0, now, now, json.dumps(cause))])
    alarm = Alarm.objects.get()
    services.edit(None, rule, {"cause": "anders", "cause_en": "otherwise"}, None, "later")
    zh = open_as(world.officer).get(f"/alarms/{alarm.pk}/").content.decode()
    assert "压力 2950.00 kPa 超过 2895 kPa" in zh
    assert "反应器压力高于2895 kPa" in zh
    en = open_as(world.officer, "en").get(f"/alarms/{alarm.pk}/").content.decode()
    assert "Pressure 2950.00 kPa above 2895 kPa" in en
    assert f'href="/scenarios/{rule.pk}/"' in en
    moved = open_as(world.officer).get(f"/rules/{rule.rule_id}/")
    assert moved.headers["location"] == f"/scenarios/{rule.pk}/"


def test_a_trial_over_history_tells_when_it_would_have_been_raised(
    world, second, rule, open_as, tmp_path, settings
):
    settings.HISTORY_ROOT = tmp_path
    n = 60
    at = (int(timezone.now().timestamp()) // 60 * 60 - 3600) * 1000 + np.arange(n) * 60_000
    none = np.zeros(n, np.uint8)
    for stream, value in (
        (world.stream, np.where(np.arange(n) % 30 < 10, 2900.0, 2600.0)),
        (second, np.full(n, 2850.0)),
    ):
        rows = Rows(np.full(n, stream.pk, np.int32), at, value, none, none, np.zeros(n, np.int32), at + 50)
        Catalogue(tmp_path).add(write_segments(tmp_path, stream.pk, rows, ["dev"]))
    client = open_as(world.users["regulator"])
    sent = form(
        expression=VALUES["expression"], clear=VALUES["clear"], backtest="1", **{"n-1": "p2", "d-1": "P8"}
    )
    sent["for"] = "0s"
    said = client.post(f"/scenarios/{rule.pk}/", sent).content.decode()
    assert "共会触发 2 次，涉及 120 条读数" in said
    trial = lists.try_over_history(services.values_of(rule), services.bound_of(rule), int(at[-1]) + 1)
    assert [(e.raised_ms, e.cleared_ms) for e in trial.episodes] == [(at[0], at[10]), (at[30], at[40])]
    assert trial.episodes[0].terms == ("p > high", "p2 > 2800 kPa")


def test_rules_come_out_of_a_file_and_what_people_changed_stays(world, second):
    rows = yaml.safe_load("""
        - site: tep-1
          code: over
          name: 超压
          names: {p: P7, p2: P8}
          expression: p > high and p2 > high
          parameters: {high: 2895 kPa}
          in_force: true
    """)
    assert importing.bring("pack", rows, ["tep-1"])["scenario rules added"] == 1
    assert importing.bring("pack", rows, ["tep-1"])["scenario rules as before"] == 1
    rows[0]["parameters"]["high"] = "2900 kPa"
    assert importing.bring("pack", rows, ["tep-1"])["scenario rules changed"] == 1
    rule = ScenarioRule.objects.get()
    services.edit(world.users["regulator"], rule, {"priority": 4}, None, "mine")
    rows[0]["parameters"]["high"] = "2905 kPa"
    assert importing.bring("pack", rows, ["tep-1"])["scenario rules kept as people left them"] == 1
    assert importing.bring("pack", rows, ["tep-1"], force=True)["scenario rules changed"] == 1
    bad = [
        {**rows[0], "code": "other"},
        {**rows[0], "code": "third", "names": {"p": "nothing"}},
        {"site": "jz-1"},
    ]
    with translation.override("en"), pytest.raises(BadScenarioRule, match=r"rule 2 third.*rule 3"):
        importing.bring("pack", bad, ["tep-1"])
    assert ScenarioRule.objects.count() == 1


def test_the_kind_of_its_alarm_is_a_scenario_wherever_it_is_written(world, rule, open_as):
    record_events([raised(rule)])
    alarm = Alarm.objects.select_related("site", "datastream").get()
    assert (alarm.kind, alarm.get_kind_display()) == ("scenario", "情景")
    zh, en = open_as(world.officer), open_as(world.officer, "en")
    queue = zh.get("/alarms/?kind=scenario").content.decode()
    assert "超压 · 情景" in queue and "压力 2950.00 kPa 超过 2895 kPa" in queue and "超压 · 高" not in queue
    assert "Overpressure · Scenario" in en.get(f"/alarms/{alarm.pk}/").content.decode()
    item = zh.get("/api/v1/alarms?kind=scenario").json()["items"][0]
    assert (item["kind"], item["by"]["what"], item["by"]["id"]) == ("scenario", "scenario", rule.pk)
    assert item["by"]["cause"] == "压力 2950.00 kPa 超过 2895 kPa"
    assert item["by"]["cause_en"] == "Pressure 2950.00 kPa above 2895 kPa"
    detail = zh.get(f"/api/v1/alarms/{alarm.pk}").json()
    assert (detail["rule"]["kind"], detail["rule"]["setpoint"]) == ("scenario", None)
    assert zh.get("/api/v1/alarms?kind=h").json()["items"] == []
    assert title(alarm, "zh-hans") == "东山化工厂 · 超压 · 情景"
    found = zh.get("/api/v1/search?q=超压").json()
    assert any(hit["name"] == "超压 · 情景" for hit in found["hits"] if hit["kind"] == "alarm")
    draft = suggested(alarm)
    assert (
        draft["headline"] == "东山化工厂超压（情景）"
        and "压力 2950.00 kPa 超过 2895 kPa" in draft["description"]
    )
    rules = zh.get("/rules/?site=tep-1").content.decode()
    assert "<td>情景</td>" in rules
    assert live_payload(alarm)["kind"] == "scenario"


def test_without_a_sentence_the_conditions_that_held_are_the_cause(world, rule):
    services.edit(None, rule, {"cause": "", "cause_en": ""}, None, "short")
    record_events([raised(rule)])
    assert by(Alarm.objects.get().grounds).cause == "p > high; p2 > 2800 kPa"


# ---- shadow ------------------------------------------------------------------------------------------------------


def words_of(rule) -> str:
    """What the kernel of ``rule`` would hand out with a raising, as JSON."""
    found = loader.load()
    at = found.ordinary.tolist().index(rule.rule_id)
    placed = Placed.of(found, np.arange(len(found.table.stream)), len(found.table.stream))
    return json.dumps(placed.told(at, Cause((2950.0, 2850.0, 2950.0), (True, True, False), (2950.0, 2850.0))))


def raised(rule) -> EventRow:
    now = int(timezone.now().timestamp() * 1000)
    return EventRow(rule.rule_id, RAISED, now, 1.0, now, 1.0, now, now, words_of(rule))


def draft_form(rule, **changed):
    names = {"n-1": "p2", "d-1": "P8", "reason": "trial", "shadow": "1"}
    said = form(expression=VALUES["expression"], clear=VALUES["clear"], q__0="2800 kPa", **changed)
    return said | names | {"version": str(rule.version), "cause": "压力 {p} 超过 {high}"}


def test_a_draft_runs_beside_is_compared_promoted_and_taken_back(world, rule, open_as):
    url = f"/scenarios/{rule.pk}/"
    client = open_as(world.users["data_steward"], "en")
    assert client.post(url, draft_form(rule)).status_code == 302
    draft = shadows.of(rule)
    assert loader.load().stream.tolist() == [rule.datastream_id, draft.datastream_id]
    assert Rule.every.get(pk=draft.rule_id).shadow_of_id == rule.rule_id
    assert list(ScenarioRule.objects.all()) == [rule]
    record_events([raised(rule), raised(draft)])
    assert Alarm.objects.get().rule_id == rule.rule_id
    assert ShadowEpisode.objects.get().grounds["cause"] == "压力 {p} 超过 {high}"
    page = client.get(url).content.decode()
    assert 'id="shadow"' in page and "1 alarms as in force, 1 in shadow" in page
    assert "压力 2950.00 kPa 超过 2800 kPa" in page, "why the draft would have raised"
    assert client.get(f"/scenarios/{draft.pk}/").status_code == 404
    assert client.get("/scenarios/").content.decode().count('<th scope="row">') == 1
    client.post(f"{url}shadow/", {"promote": "1", "reason": "", "version": "1"})
    assert ScenarioRule.objects.get().parameters["high"] == "2895 kPa", "a promotion without a reason"
    client.post(f"{url}shadow/", {"promote": "1", "reason": "as compared", "version": "1"})
    now = ScenarioRule.objects.get()
    assert (now.parameters["high"], now.version, now.is_enabled) == ("2800 kPa", 2, True)
    assert loader.load().stream.tolist() == [rule.datastream_id], "the draft is not evaluated any more"
    figures = Entry.objects.get(action="scenario.promoted").detail["figures"]
    assert figures["in_force"]["alarms"] == figures["shadow"]["alarms"] == 1
    page = client.get(url).content.decode()
    assert 'id="shadow"' not in page and "Back to version 1" in page
    client.post(f"{url}back/", {"version": "1"})
    now = ScenarioRule.objects.get()
    assert (now.parameters["high"], now.version) == ("2895 kPa", 3)
    assert services.bound_of(now) == services.bound_of(rule)


def test_a_second_draft_takes_the_place_of_the_first_and_what_it_found_stays(world, rule):
    user = world.users["data_steward"]
    first = shadows.start(user, rule, {"parameters": {"high": "2700 kPa"}}, None, "trial")
    record_events([raised(first)])
    second = shadows.start(user, rule, {"parameters": {"high": "2750 kPa"}}, None, "in between")
    assert shadows.of(rule) == second and second.datastream_id == first.datastream_id
    assert ShadowEpisode.objects.get().rule_id == first.rule_id != second.rule_id
    shadows.stop(user, rule)
    with pytest.raises(NoShadow):
        shadows.promote(user, rule, "nothing there")
    third = shadows.start(user, rule, {}, None, "again")
    services.withdraw(user, rule, "tank gone")
    assert not third.__class__.every.get(pk=third.pk).is_enabled and len(loader.load()) == 0


def test_what_never_was_in_force_can_be_tried_first(world, second):
    user = world.users["data_steward"]
    bound = [services.Bound("p", world.stream), services.Bound("p2", second)]
    rule = services.create(user, world.site, "new", VALUES | {"is_enabled": False}, bound, "draft")
    draft = shadows.start(user, rule, {}, None, "would it help?")
    assert loader.load().stream.tolist() == [draft.datastream_id]
    promoted = shadows.promote(user, rule, "it does")
    assert promoted.is_enabled and loader.load().stream.tolist() == [promoted.datastream_id]


def test_a_stranger_and_who_may_only_look_change_nothing_in_shadow(world, rule, open_as):
    shadows.start(world.users["data_steward"], rule, {"priority": 3}, None, "trial")
    url = f"/scenarios/{rule.pk}/"
    for path, data in ((f"{url}shadow/", {"promote": "1", "reason": "x"}), (f"{url}back/", {"version": "1"})):
        assert open_as(world.stranger).post(path, data).status_code == 404
        open_as(world.users["viewer"]).post(path, data)
    assert (ScenarioRule.objects.get().priority, ScenarioRule.objects.get().version) == (1, 1)
    page = open_as(world.users["viewer"]).get(url).content.decode()
    assert 'id="shadow"' in page and 'name="promote"' not in page
    assert open_as(world.officer).post(url, draft_form(rule)).status_code == 403


def test_a_draft_that_does_not_check_any_more_says_so(world, rule, second, open_as):
    shadows.start(world.users["data_steward"], rule, {}, None, "trial")
    second.unit = "m"
    second.save()
    page = open_as(world.officer, "en").get(f"/scenarios/{rule.pk}/").content.decode()
    assert "The draft is not judged any more:" in page
