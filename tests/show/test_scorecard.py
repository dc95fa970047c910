"""Scorecards over alarms as they were; who asks gives what they may see."""

import argparse
import json
from datetime import UTC, datetime, timedelta

import pytest

from fengsui.run import rules
from fengsui.sense.devices.models import Site
from fengsui.show.lists.scorecard import in_sight, scorecard
from fengsui.warn.alarms.models import Alarm

DAY = 86_400_000
T0 = 1_790_000_000_000 // DAY * DAY


def at(ms: int) -> datetime:
    return datetime.fromtimestamp((T0 + ms) / 1000, UTC)


@pytest.fixture
def alarms(world):
    """The rule of P7 four times, three of them within 40 s; one at the other city since two days before."""

    def alarm(stream, raised, lasts, acked=None, rule=None):
        Alarm.objects.create(
            key=f"{stream.pk}:{raised}", rule=rule, datastream=stream, site=stream.site, org=stream.site.org,
            org_path=stream.site.org_path, kind="h", priority=2, raised_at=at(raised),
            cleared_at=None if lasts is None else at(raised + lasts),
            acked_at=None if acked is None else at(raised) + timedelta(seconds=acked),
        )  # fmt: skip

    for raised, acked in ((0, 30), (20_000, 50), (40_000, None), (DAY // 2, 600)):
        alarm(world.stream, raised, 5_000, acked, world.rule)
    alarm(world.stream, -DAY, 5_000)  # before the span, and over
    alarm(world.other_stream, -2 * DAY, None)
    return world


def test_each_rule_has_its_figures(alarms):
    first, second = scorecard(Site.objects.all(), T0, T0 + DAY, "rule")
    assert first.of == ("tep-1", "P7", "h", str(alarms.rule.pk))
    assert (first.burden.alarms, first.burden.peak_10_min, first.burden.chattering) == (4, 3, 1)
    assert (first.acked, first.median_ack_s) == (3, 50)
    assert second.of[:2] == ("jz-1", "F1")
    assert (second.burden.alarms, second.burden.stale, second.burden.standing) == (0, 1, 1)
    assert (second.acked, second.median_ack_s) == (0, None)


@pytest.mark.parametrize(("by", "of"), [("site", "tep-1"), ("organisation", "化工厂"), ("kind", "h")])
def test_groups_add_up(alarms, by, of):
    found = scorecard(Site.objects.all(), T0, T0 + DAY, by)
    assert found[0].of == (of,)
    assert sum(score.burden.alarms for score in found) == 4


def test_of_what_a_stranger_sees_nothing_of_yichang_is_told(alarms):
    seen = scorecard(in_sight(alarms.stranger)[0], T0, T0 + DAY, "site")
    assert [score.of for score in seen] == [("jz-1",)]


def test_the_command_prints_a_line_each_or_json(alarms, capsys):
    def call(*words):
        parser = argparse.ArgumentParser()
        rules.add_arguments(parser)
        return rules.run(parser.parse_args(["scorecard", *words]))

    span = ["--from", at(0).isoformat(), "--to", at(DAY).isoformat()]
    assert call(*span, "--by", "site") == 0
    head, line, _other = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "alarms"
    assert line.split() == ["4", "4.00", "3", "0.00%", "1", "0", "3", "50s", "0", "0", "0", "tep-1"]
    assert call(*span, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["burden"]["alarms"] == 4
    assert call("--from", at(DAY).isoformat(), "--to", at(DAY).isoformat()) == 2
    assert "--from must be before --to" in capsys.readouterr().err
    assert call("--from", at(-9 * DAY).isoformat(), "--to", at(-8 * DAY).isoformat()) == 0
    assert "no alarm stood" in capsys.readouterr().out


@pytest.fixture
def judged(alarms):
    """The four alarms of P7: one real, one a false report, one a calibration, one not yet closed."""
    from fengsui.loops.models import Deed, Kind, Loop

    kind = Kind.objects.get(code="alarm_disposal")
    found = [("closed", "real"), ("false_alarm", "instrument"), ("closed", "maintenance"), ("", "real")]
    for alarm, (outcome, cause) in zip(
        Alarm.objects.filter(rule=alarms.rule).order_by("raised_at"), found, strict=True
    ):
        loop = Loop.objects.create(
            kind=kind, kind_version=1, key=f"alarm:{alarm.key}", title="t", org=alarm.org, org_path=alarm.org_path,
            step=outcome or "handling", step_since=alarm.raised_at, opened_at=alarm.raised_at, outcome=outcome,
            closed_at=alarm.raised_at + timedelta(hours=1) if outcome else None,
        )  # fmt: skip
        for said in ("process", cause):  # the last one counts
            Deed.objects.create(
                loop=loop, step="handling", action="submit", at=alarm.raised_at, data={"cause": said}
            )
    return alarms


def test_closed_loops_say_what_was_real_and_occurrences_what_was_missed(judged):
    from fengsui.warn.alarms import occurrences
    from fengsui.warn.alarms.models import Occurrence

    site = judged.stream.site
    actor = judged.users["duty_officer"]
    occurrences.record(actor, site, at(DAY // 2 + 3_600_000), "seal leaked")  # alarms from T0 on
    mistake = occurrences.record(actor, site, at(DAY // 4), "typed wrongly")
    occurrences.withdraw(actor, mistake, "typed wrongly")
    occurrences.record(actor, site, at(-1), "before the span")
    score = {
        s.of[0]: s for s in scorecard(Site.objects.all(), T0, T0 + DAY, "site", Occurrence.objects.all())
    }
    verdicts = score["tep-1"].verdicts
    assert (verdicts.real, verdicts.false, verdicts.test) == (1, 1, 1)
    assert (verdicts.warned, verdicts.missed, verdicts.lead_s) == (1, 0, DAY / 2000 + 3600)
    assert (verdicts.false_alarm_ratio, verdicts.hit_rate) == (0.5, 1.0)
    missed = occurrences.record(actor, site, at(-30 * DAY), "nobody was warned")
    (only,) = scorecard(Site.objects.all(), T0 - 31 * DAY, T0 - 29 * DAY, "county", Occurrence.objects.all())
    assert (only.verdicts.missed, only.verdicts.hit_rate, only.burden.alarms) == (1, 0.0, 0)
    assert missed.recorded_by == str(actor)
    rule = scorecard(Site.objects.all(), T0, T0 + DAY, "rule", Occurrence.objects.all())[0]
    assert (rule.verdicts.real, rule.verdicts.missed, rule.verdicts.hit_rate) == (1, None, None)


def test_the_page_the_file_and_what_happened(judged, open_as):
    from fengsui.warn.alarms.models import Occurrence

    year, n = at(0).year, (at(0).month - 1) // 3 + 1
    client = open_as(judged.users["duty_officer"], "en")
    page = client.get(f"/scorecards/?by=site&quarter={year}-Q{n}").content.decode()
    assert "by=rule&amp;site=tep-1" in page and "50.0%" in page
    answer = client.get(f"/scorecards/?by=rule&format=csv&quarter={year}-Q{n}")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("of,alarms,per_day") and any(line.startswith("tep-1 P7 h ") for line in lines)
    sent = {"site": "tep-1", "at": "2026-01-02T03:04", "what": "阀门泄漏"}
    client.post("/scorecards/occurrences/", sent)
    row = Occurrence.objects.get()
    assert (row.what, row.site.code) == ("阀门泄漏", "tep-1")
    for wrong in ({"at": "x"}, {"what": " "}, {"at": "2999-01-01T00:00"}):
        client.post("/scorecards/occurrences/", {**sent, **wrong})
    assert Occurrence.objects.count() == 1
    client.post(f"/scorecards/occurrences/{row.pk}/withdraw/", {"reason": ""})
    row.refresh_from_db()
    assert row.withdrawn_at is None
    client.post(f"/scorecards/occurrences/{row.pk}/withdraw/", {"reason": "wrong site"})
    row.refresh_from_db()
    assert row.withdrawn_at is not None


def test_a_stranger_sees_no_score_and_records_nothing_there(judged, open_as):
    from fengsui.warn.alarms import occurrences
    from fengsui.warn.alarms.models import Occurrence

    row = occurrences.record(judged.users["duty_officer"], judged.stream.site, at(0), "seal leaked")
    stranger = open_as(judged.stranger)
    for by in ("county", "organisation", "site", "rule", "kind"):
        page = stranger.get(f"/scorecards/?by={by}&quarter={at(0).year}-Q{(at(0).month - 1) // 3 + 1}")
        assert page.status_code == 200
        assert "tep-1" not in page.content.decode() and "seal leaked" not in page.content.decode()
    sent = {"site": "tep-1", "at": "2026-01-02T03:04", "what": "x"}
    assert stranger.post("/scorecards/occurrences/", sent).status_code == 404
    assert stranger.post(f"/scorecards/occurrences/{row.pk}/withdraw/", {"reason": "x"}).status_code == 404
    open_as(judged.users["viewer"]).post("/scorecards/occurrences/", sent)
    assert Occurrence.objects.count() == 1


@pytest.mark.parametrize(("cause", "kind"), [("instrument", "h"), ("maintenance", "h"), (None, "silent")])
def test_what_was_found_false_or_speaks_of_the_instrument_has_warned_of_nothing(world, cause, kind):
    from fengsui.loops.models import Deed, Kind, Loop
    from fengsui.warn.alarms import occurrences
    from fengsui.warn.alarms.models import Occurrence

    site = world.stream.site
    alarm = Alarm.objects.create(
        key="1:1", rule=world.rule, datastream=world.stream, site=site, org=site.org, org_path=site.org_path,
        kind=kind, priority=2, raised_at=at(0), cleared_at=at(1000),
    )  # fmt: skip
    if cause:
        loop = Loop.objects.create(
            kind=Kind.objects.get(code="alarm_disposal"), kind_version=1, key=f"alarm:{alarm.key}", title="t",
            org=site.org, org_path=site.org_path, step="closed", step_since=at(0), opened_at=at(0),
            outcome="closed", closed_at=at(60_000),
        )  # fmt: skip
        Deed.objects.create(loop=loop, step="handling", action="submit", at=at(60_000), data={"cause": cause})
    occurrences.record(world.users["duty_officer"], site, at(3_600_000), "seal leaked")
    (score,) = scorecard(Site.objects.all(), T0, T0 + DAY, "site", Occurrence.objects.all())
    assert (score.verdicts.warned, score.verdicts.missed, score.burden.alarms) == (0, 1, 1)


def test_a_county_is_named_in_the_language_of_the_reader_and_leads_to_its_own_sites(alarms, open_as):
    from fengsui.people.orgs.models import Org

    year, n = at(0).year, (at(0).month - 1) // 3 + 1
    county = alarms.stream.site.org
    Org.objects.filter(pk=county.pk).update(kind="county", name_en="Some District")
    client = open_as(alarms.users["duty_officer"], "en")
    page = client.get(f"/scorecards/?by=county&quarter={year}-Q{n}").content.decode()
    assert f"by=site&amp;county={county.code}" in page and ">Some District<" in page
    inside = client.get(f"/scorecards/?by=site&county={county.code}&quarter={year}-Q{n}").content.decode()
    assert "site=tep-1" in inside
    nowhere = client.get(f"/scorecards/?by=site&county=000000&quarter={year}-Q{n}").content.decode()
    assert "site=tep-1" not in nowhere
    strange = open_as(alarms.stranger, "en")
    assert (
        "site=tep-1"
        not in strange.get(f"/scorecards/?by=site&county={county.code}&quarter={year}-Q{n}").content.decode()
    )


def test_the_api_gives_lines_whole_levels_and_who_contributes_most(judged, open_as):
    url = f"/api/v1/scorecards?from_ms={T0}&to_ms={T0 + DAY}&by=rule"
    answer = open_as(judged.users["duty_officer"]).get(url).json()
    line = answer["lines"][0]
    assert line["of"] == ["tep-1", "P7", "h", str(judged.rule.pk)]
    assert (line["alarms"], line["real"], line["false"], line["median_ack_s"]) == (4, 1, 1, 50)
    assert answer["whole"]["alarms"] == 4 and answer["priorities"][1] == {
        "priority": 2,
        "alarms": 4,
        "share": 1.0,
    }
    (top,) = answer["contributors"]
    assert (top["site"], top["datastream"], top["rule"], top["alarms"]) == ("tep-1", "P7", judged.rule.pk, 4)
    strange = open_as(judged.stranger).get(url).json()
    assert [row["of"][0] for row in strange["lines"]] == ["jz-1"] and strange["whole"]["alarms"] == 0
    assert open_as(judged.stranger).get(url.replace(f"to_ms={T0 + DAY}", "to_ms=0")).status_code == 422


def test_the_workbook_holds_lines_whole_contributors_and_definitions(judged, open_as):
    import io

    import openpyxl

    client, year, n = open_as(judged.users["duty_officer"]), at(0).year, (at(0).month - 1) // 3 + 1
    for url in (
        f"/scorecards/?by=rule&format=xlsx&quarter={year}-Q{n}",
        f"/api/v1/scorecards?from_ms={T0}&to_ms={T0 + DAY}&by=rule&format=xlsx",
    ):
        book = openpyxl.load_workbook(io.BytesIO(client.get(url).content))
        assert book.sheetnames == ["lines", "whole", "contributors", "definitions"]
        assert book["lines"]["A2"].value.startswith("tep-1 P7 h ")
        assert (
            dict(row for row in book["whole"].iter_rows(min_row=2, values_only=True))["priority_2_share"] == 1
        )
        assert book["contributors"]["E2"].value >= 4


def test_definitions_are_data_with_a_reason_and_all_figures_go_by_them(alarms, open_as):
    from fengsui.people.audit.models import Entry
    from fengsui.warn.alarms import figures
    from fengsui.warn.alarms.models import FigureSet

    url = f"/api/v1/scorecards?from_ms={T0}&to_ms={T0 + DAY}&by=site"
    client = open_as(alarms.root, "en")
    assert client.get(url).json()["lines"][0]["flood_share"] == 0
    form = {name: str(value[0]) for name, value in figures.VALUES.items()}
    form |= {"flood_from": "3", "flood_until": "2", "per_day": "99"}
    for wrong in ({"reason": ""}, {"reason": "x", "flood_until": "9"}, {"reason": "x", "peak": "many"}):
        client.post("/scorecards/figures/", form | wrong)
    open_as(alarms.users["regulator"]).post("/scorecards/figures/", form | {"reason": "one city is no root"})
    assert not FigureSet.objects.exists()
    client.post("/scorecards/figures/", form | {"reason": "agreed in the spring"})
    answer = client.get(url).json()
    assert answer["lines"][0]["flood_share"] == 1 / 144 and answer["definitions"]["per_day"] == 99
    assert (
        "agreed in the spring"
        in client.get(f"/scorecards/?quarter={at(0).year}-Q{(at(0).month - 1) // 3 + 1}").content.decode()
    )
    assert Entry.objects.filter(action="alarm.figures").exists()
