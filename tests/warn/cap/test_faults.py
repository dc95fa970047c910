"""Every rule of the check: something breaks it, the page of rules names it, and one good message breaks none."""

import datetime
import json
import re
from pathlib import Path

import pytest

from fengsui.run import cap as command
from fengsui.run import cli
from fengsui.warn.cap.checks import across, check
from fengsui.warn.cap.rules import ERROR, RULES
from tests.warn.cap.faults import BASE, CERTIFICATE, CHINA, FAULTS, FAULTS_TOGETHER, NOTICE, SIGNED

NOW = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
PAGE = Path(__file__).parents[3] / "docs" / "cap.md"


def rules_of(data: bytes) -> set[str]:
    return {one.rule for one in check(data, now=NOW).all_problems()}


def test_a_good_message_breaks_no_rule():
    assert rules_of(BASE.encode()) == set()
    assert rules_of(CHINA.encode()) == set()
    assert rules_of(json.dumps(NOTICE, ensure_ascii=False).encode()) == set()
    signed = check(SIGNED, now=NOW, trusted=[CERTIFICATE])
    assert signed.all_problems() == ()
    assert signed.alerts[0].verdict.state == "valid"


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_is_broken_by_something(rule):
    if rule in FAULTS_TOGETHER:
        documents = [(name, check(data, now=NOW)) for name, data in FAULTS_TOGETHER[rule].items()]
        assert rule in {one.rule for found in across(documents).values() for one in found}
    else:
        assert rule in rules_of(FAULTS[rule])


def test_each_rule_has_its_row_on_the_page():
    rows = dict(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (error|warning|note) \|", PAGE.read_text(), re.M))
    assert rows == {name: rule.severity for name, rule in RULES.items()}


@pytest.mark.parametrize("rule", RULES)
def test_words_have_a_place_for_every_fact_they_use(rule):
    wanted = set(re.findall(r"%\((\w+)\)s", RULES[rule].what.zh))
    assert wanted == set(re.findall(r"%\((\w+)\)s", RULES[rule].what.en))
    if rule in FAULTS and wanted:
        found = next(one for one in check(FAULTS[rule], now=NOW).all_problems() if one.rule == rule)
        assert wanted <= set(found.facts), f"{rule} says {sorted(wanted)} and is given {sorted(found.facts)}"


@pytest.mark.parametrize("rule", sorted(FAULTS))
def test_the_command_names_the_rule_and_its_exit_code_says_whether_it_is_an_error(rule, tmp_path, capsys):
    path = tmp_path / "file.xml"
    path.write_bytes(FAULTS[rule])
    code = cli.run(["cap", "check", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)
    found = [one for one in told["problems"] if one["rule"] == rule]
    assert found or rule == "time.future"
    for one in found:
        assert one["what"]["zh"] and one["what"]["en"] and one["todo"]["zh"] and one["clause"]
    bad = any(one["severity"] == ERROR for one in told["problems"])
    assert told["ok"] is not bad
    assert code == (1 if bad else 0)


def test_the_command_speaks_both_languages_and_says_where(tmp_path, capsys):
    path = tmp_path / "file.xml"
    path.write_bytes(FAULTS["time.zulu"])
    assert cli.run(["cap", "check", str(path)]) == 1
    english = capsys.readouterr().out
    assert "5:2 /alert/sent" in english
    assert "write -00:00 for UTC" in english
    assert cli.run(["cap", "check", str(path), "--language", "zh"]) == 1
    assert "时区写成 Z" in capsys.readouterr().out


def test_a_warning_is_no_reason_to_fail_unless_asked(tmp_path):
    path = tmp_path / "file.xml"
    path.write_bytes(FAULTS["time.utc"])
    assert cli.run(["cap", "check", str(path)]) == 0
    assert cli.run(["cap", "check", "--strict", str(path)]) == 1


def test_a_file_that_is_not_there_is_wrong_use(capsys):
    assert cli.run(["cap", "check", "/nowhere/at/all.xml"]) == 2
    assert "No such file" in capsys.readouterr().err


def test_every_rule_is_listed(capsys):
    assert cli.run(["cap", "rules", "--json"]) == 0
    assert [json.loads(line)["rule"] for line in capsys.readouterr().out.splitlines()] == list(RULES)


def test_a_chinese_message_becomes_cap_and_comes_back(tmp_path, capsys):
    path = tmp_path / "cn.xml"
    path.write_text(CHINA)
    assert cli.run(["cap", "convert", str(path), "--to", "cap"]) == 0
    as_cap = capsys.readouterr().out
    assert "<severity>Severe</severity>" in as_cap
    again = tmp_path / "cap.xml"
    again.write_text(as_cap)
    assert cli.run(["cap", "check", str(again)]) == 0
    capsys.readouterr()
    assert cli.run(["cap", "convert", str(again), "--to", "china"]) == 0
    assert "<severity>Orange</severity>" in capsys.readouterr().out
    assert command.HELP
