"""``fengsui rules backtest``: a draft beside the rules of today, over a small region with two days of history."""

import argparse
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership
from fengsui.run import rules
from fengsui.warn.alarms.models import Alarm, Rule
from tests.spark.conftest import DAY, T0, TO, region  # noqa: F401 - the fixture

pytestmark = pytest.mark.django_db


def call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    rules.add_arguments(parser)
    return rules.run(parser.parse_args(["backtest", *words]))


def between(from_ms: int = T0, to_ms: int = TO) -> list[str]:
    at = [datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in (from_ms, to_ms)]
    return ["--from", at[0], "--to", at[1]]


@pytest.fixture
def history(region, settings):  # noqa: F811
    settings.HISTORY_ROOT = region.catalogue.folder
    return region


@pytest.fixture
def rule(history):
    return Rule.objects.create(datastream=history.streams[0], kind="h", setpoint=90.0, priority=1)


def asked(capsys, *words: str) -> dict:
    assert call(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_changed_rule_is_shown_beside_what_it_is_today(history, rule, capsys):
    officer = User.objects.create_user("officer", password="-")
    Membership.objects.create(user=officer, org=history.streams[0].site.org, role="safety_officer")
    found = asked(capsys, str(rule.pk), "setpoint=70", *between())
    today, draft = found["today"], found["draft"]
    assert (today["rules"], draft["rules"], found["datastreams"], found["heard"]) == (1, 1, 1, 1)
    assert found["readings"] == 2 * 1440
    assert 0 < today["alarms"] < draft["alarms"] == sum(draft["days"])
    assert today["only_here"] == 0, "whatever is above 90 is above 70"
    assert draft["only_here"] >= draft["alarms"] - today["alarms"]
    assert {a["priority"] for a in draft["alarms_list"]} == {1}
    assert found["by_datastream"] == [
        {"site": "plant-0", "datastream": "T0", "today": today["alarms"], "draft": draft["alarms"]}
    ]
    (woken,) = found["woken"]
    assert (woken["today"], woken["draft"], woken["people"]) == (today["alarms"], draft["alarms"], 1)
    assert "safety_officer" in woken["roles"]


def test_the_rule_as_it_is_differs_in_nothing(history, rule, capsys):
    found = asked(capsys, str(rule.pk), *between())
    assert found["today"] == found["draft"] and found["today"]["alarms"]
    stored = found["today"]["alarms_list"]
    assert Alarm.objects.count() == 3, "nothing was raised"
    late = asked(capsys, str(rule.pk), *between(T0 + DAY))["today"]["alarms_list"]
    assert late == [a for a in stored if a["cleared_ms"] is None or a["cleared_ms"] >= T0 + DAY]


def test_a_file_replaces_rules_of_its_kind_and_takes_their_priority(history, rule, tmp_path, capsys):
    (tmp_path / "draft.yml").write_text(
        "rules: [{kind: h, setpoint: 95, observed_property: level}, {kind: silent, window: 10m}]"
    )
    file = str(tmp_path / "draft.yml")
    found = asked(capsys, file, *between())
    assert (found["today"]["rules"], found["draft"]["rules"]) == (1, 6 + 9)
    drafted = found["draft"]["alarms_list"]
    of_rule = {a["priority"] for a in drafted if a["datastream_id"] == history.ids[0] and a["kind"] == "h"}
    assert of_rule == {1}
    mute = [a["datastream_id"] for a in drafted if a["kind"] == "silent" and a["cleared_ms"] is None]
    assert mute == [history.ids[-1]]
    here = asked(capsys, file, "--site", "plant-1", *between())
    assert here["datastreams"] == 3 and {r["site"] for r in here["by_datastream"]} == {"plant-1"}


def test_a_person_reads_a_table(history, rule, capsys):
    assert call(str(rule.pk), "setpoint=70", *between()) == 0
    out, err = capsys.readouterr()
    assert "2,880 readings of 1 of 1 datastreams" in out and "most in 10 min" in out
    assert "plant-0 T0: " in out and "who would have been called first" in out
    assert "100%" in err


def test_no_readings_is_an_answer(history, rule, capsys):
    assert call(str(rule.pk), *between(T0 - 9 * DAY, T0 - 8 * DAY)) == 1
    assert "no reading of 1 datastreams is stored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["999999"], "there is no rule 999999"),
        (["RULE", "setpoint"], "write NAME=VALUE"),
        (["RULE", "tank=3"], "'tank' is not known"),
        (["RULE", "priority=9"], "1 (red) to 4 (blue)"),
        (["RULE", "setpoint=high"], "setpoint"),
        (["nowhere.yml"], "nowhere.yml"),
        (["nowhere.yml", "setpoint=3"], "write them into the file"),
        (["RULE", "--site", "plant-9"], "no rule"),
        (["RULE", "--lead", "5"], "write the unit"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_line(history, rule, capsys, words, said):
    words = [str(rule.pk) if w == "RULE" else w for w in words]
    assert call(*words, *between()) == 2
    err = capsys.readouterr().err
    assert said in err and err.startswith("fengsui rules: ") and err.count("\n") == 1


def test_the_pieces_of_history_do_not_matter(history, rule, capsys, monkeypatch):
    from fengsui.stores.history import stretches

    whole = asked(capsys, str(rule.pk), "setpoint=60", *between())
    monkeypatch.setattr(stretches, "PIECE_ROWS", int(np.random.default_rng(3).integers(7, 90)))
    assert asked(capsys, str(rule.pk), "setpoint=60", *between()) == whole
