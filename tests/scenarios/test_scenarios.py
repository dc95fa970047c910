"""The scenario files of this folder, and what ``fengsui rules test`` says about files that do not fit."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fengsui.run.rules import report, scenarios
from fengsui.warn.rules import KINDS
from fengsui.warn.rules.durations import BadDuration, parse_ms, words
from fengsui.warn.rules.scenario import BadScenario, parse, run

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=[p.stem for p in FILES])
def test_what_happens_is_what_the_file_expects(path):
    for scenario in scenarios(path):
        outcome = run(scenario)
        assert scenario.expect is not None
        assert outcome.ok, "\n".join(report(path, outcome))


def test_every_kind_of_rule_has_a_scenario():
    shown = {rule.values.kind for path in FILES for s in scenarios(path) for rule in s.rules}
    assert shown == set(KINDS)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "fengsui.run", "rules", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_ok_and_exits_0():
    done = command("test", HERE / "tank-high-level.yml", HERE / "gateway-silent.yml")
    assert done.returncode == 0, done.stderr
    assert "  ok        15s  raised  tank-1 h  8.6" in done.stdout
    assert "2 scenarios: 6 as expected, 0 missing, 0 unexpected" in done.stdout


def test_the_command_shows_what_does_not_fit_and_exits_1(tmp_path):
    file = tmp_path / "wrong.yml"
    file.write_text((HERE / "tank-high-level.yml").read_text().replace("15s", "10s"))
    done = command("test", file)
    assert done.returncode == 1
    assert "  -         10s  raised  tank-1   expected, did not happen" in done.stdout
    assert "  +         15s  raised  tank-1 h  8.6   happened, not expected" in done.stdout


def test_a_file_that_cannot_be_read_exits_2_and_names_the_place(tmp_path):
    file = tmp_path / "broken.yml"
    file.write_text("rule: {kind: hh}\nsamples: {every: 5s, values: [1]}\n")
    done = command("test", file, tmp_path / "absent.yml")
    assert done.returncode == 2
    assert "rule: setpoint: a hh rule needs it" in done.stderr
    assert "absent.yml" in done.stderr


def test_without_expectations_the_events_are_listed(tmp_path):
    file = tmp_path / "look.yml"
    file.write_text("rule: {kind: h, setpoint: 1}\nsamples: {every: 5s, values: [0, 2]}\n")
    done = command("test", file)
    assert done.returncode == 0
    assert "raised  series h  2" in done.stdout
    assert "nothing was expected: 1 events listed" in done.stdout


def test_the_kinds_are_listed():
    assert all(kind in command("kinds").stdout for kind in KINDS)


TANK = yaml.safe_load((HERE / "tank-high-level.yml").read_text())


@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"rule": None}, "rule"),
        ({"samples": None}, "expect"),
        ({"color": 1}, "color is not known here"),
        ({"rule": {"kind": "wet"}}, "no such kind"),
        ({"rule": {"kind": "h", "setpoint": 1, "on_delay": 10}}, "on_delay: '10' is not a duration"),
        ({"rule": {"kind": "h", "setpoint": 1, "delay": "10s"}}, "delay is not known here"),
        ({"rule": {"kind": "h", "setpoint": 1, "series": "tank-9"}}, "no samples of series tank-9"),
        ({"samples": {"every": "5s", "series": "tank-1", "values": ["high"]}}, "'high' is not a value"),
        ({"samples": {"every": "0s", "series": "tank-1", "values": [1]}}, "above zero"),
        ({"samples": {"series": "tank-1", "values": [1]}}, "needs every and values"),
        ({"samples": {"series": "tank-1", "at": {"5s": 1}, "every": "5s"}}, "at stands alone"),
        (
            {"samples": {"every": "5s", "series": "tank-1", "values": [{"value": 1, "quality": "fine"}]}},
            "quality is one of",
        ),
        ({"samples": {"csv": "x.csv", "time": "t", "value": "v"}}, "files are not read here"),
        ({"expect": [{"at": "5s"}]}, "one of raised and cleared"),
        ({"expect": [{"at": "5s", "raised": "tank-7"}]}, "no samples of series tank-7"),
        ({"expect": [{"at": "5s", "raised": "tank-1", "rule": "LL"}]}, "there is no rule LL"),
        ({"site": "s-1"}, "exactly one of"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_place(change, words_of_it):
    with pytest.raises(BadScenario) as caught:
        parse({**TANK, **change})
    assert words_of_it in str(caught.value)


def test_a_csv_without_the_column_names_those_it_has(tmp_path):
    (tmp_path / "x.csv").write_text("time,Pressure\n0,1\n")
    file = tmp_path / "x.yml"
    file.write_text("rule: {kind: h, setpoint: 1}\nsamples: {csv: x.csv, time: time, value: Flow}\n")
    with pytest.raises(BadScenario, match="no column Flow; it has time, Pressure"):
        scenarios(file)
    file.write_text("rule: {kind: h, setpoint: 1}\nsamples: {csv: x.csv, time: Pressure, value: time}\n")
    assert run(scenarios(file)[0]).happened == ()
    (tmp_path / "x.csv").write_text("time,Pressure\nyesterday,1\n")
    file.write_text("rule: {kind: h, setpoint: 1}\nsamples: {csv: x.csv, time: time, value: Pressure}\n")
    with pytest.raises(BadScenario, match="row 2: 'yesterday' is not a time"):
        scenarios(file)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("10s", 10_000), ("1m30s", 90_000), ("250ms", 250), ("1.5h", 5_400_000), ("2d", 172_800_000), (0, 0)],
)
def test_durations_are_read_and_written(text, ms):
    assert parse_ms(text) == ms
    assert parse_ms(words(ms)) == ms


@pytest.mark.parametrize("text", ["10", 10, "ten", "10 s", "-5s", "", None, True, "5s5"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadDuration):
        parse_ms(text)
