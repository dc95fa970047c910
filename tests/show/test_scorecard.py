"""Scorecards over alarms as they were; who asks gives what they may see."""

import argparse
import json
from datetime import UTC, datetime, timedelta

import pytest

from fengsui.run import rules
from fengsui.show.lists.scorecard import scorecard
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
    first, second = scorecard(Alarm.objects.all(), T0, T0 + DAY, "rule")
    assert first.of == ("tep-1", "P7", "h", str(alarms.rule.pk))
    assert (first.burden.alarms, first.burden.peak_10_min, first.burden.chattering) == (4, 3, 1)
    assert (first.acked, first.median_ack_s) == (3, 50)
    assert second.of[:2] == ("jz-1", "F1")
    assert (second.burden.alarms, second.burden.stale, second.burden.standing) == (0, 1, 1)
    assert (second.acked, second.median_ack_s) == (0, None)


@pytest.mark.parametrize(("by", "of"), [("site", "tep-1"), ("organisation", "化工厂"), ("kind", "h")])
def test_groups_add_up(alarms, by, of):
    found = scorecard(Alarm.objects.all(), T0, T0 + DAY, by)
    assert found[0].of == (of,)
    assert sum(score.burden.alarms for score in found) == 4


def test_of_what_a_stranger_sees_nothing_of_yichang_is_told(alarms):
    seen = scorecard(Alarm.objects.visible_to(alarms.stranger), T0, T0 + DAY, "site")
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
    assert line.split() == ["4", "4.00", "3", "0.00%", "1", "0", "3", "50s", "tep-1"]
    assert call(*span, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["burden"]["alarms"] == 4
    assert call("--from", at(DAY).isoformat(), "--to", at(DAY).isoformat()) == 2
    assert "--from must be before --to" in capsys.readouterr().err
    assert call("--from", at(-9 * DAY).isoformat(), "--to", at(-8 * DAY).isoformat()) == 0
    assert "no alarm stood" in capsys.readouterr().out
