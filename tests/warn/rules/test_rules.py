"""Parameters of rules: what is taken, what is refused and in which words."""

import re

import pytest

from fengsui.warn.engine import RuleRow, compile_rules
from fengsui.warn.rules import FAMILIES, KINDS, BadRule, check, describe
from fengsui.warn.rules.level import check_order


def problems(kind, **given):
    with pytest.raises(BadRule) as caught:
        check(kind, given)
    return {p.field: str(p) for p in caught.value.problems}


def test_a_level_rule_is_read_as_numbers():
    values = check("hh", {"setpoint": "8.5", "deadband": 0.3, "on_delay_ms": 10_000, "window_ms": None})
    assert (values.setpoint, values.deadband, values.on_delay_ms, values.window_ms) == (8.5, 0.3, 10_000, 0)


@pytest.mark.parametrize(
    ("kind", "given", "field", "words"),
    [
        ("h", {}, "setpoint", "needs it"),
        ("h", {"setpoint": "high"}, "setpoint", "not a number"),
        ("h", {"setpoint": float("nan")}, "setpoint", "not a number"),
        ("h", {"setpoint": True}, "setpoint", "not a number"),
        ("h", {"setpoint": 1, "deadband": -1}, "deadband", "negative"),
        ("h", {"setpoint": 1, "window_ms": 5}, "window_ms", "takes none"),
        ("h", {"setpoint": 1, "on_delay_ms": 2**31}, "on_delay_ms", "exceed"),
        ("h", {"setpoint": 1, "on_delay_ms": 0.5}, "on_delay_ms", "whole"),
        ("h", {"setpoint": 1, "limit": 5}, "limit", "no such parameter"),
        ("rate", {"window_ms": 1000}, "setpoint", "above zero"),
        ("rate", {"setpoint": 0}, "setpoint", "above zero"),
        ("rate", {"setpoint": 1, "deadband": 1}, "deadband", "never clear"),
        ("frozen", {"setpoint": 0}, "window_ms", "needs it"),
        ("frozen", {"setpoint": -1, "window_ms": 1}, "setpoint", "negative"),
        ("frozen", {"window_ms": 1, "on_delay_ms": 1}, "on_delay_ms", "takes none"),
        ("silent", {}, "window_ms", "needs it"),
        ("silent", {"window_ms": 1, "setpoint": 3}, "setpoint", "takes none"),
        ("wet", {}, "kind", "no such kind"),
    ],
)
def test_what_makes_no_rule_is_refused_by_field(kind, given, field, words):
    assert words in problems(kind, **given)[field]


def test_every_problem_is_named_at_once():
    assert set(problems("h", deadband=-1, window_ms=3, limit=1)) == {
        "setpoint",
        "deadband",
        "window_ms",
        "limit",
    }


def test_frozen_needs_no_setpoint():
    assert check("frozen", {"window_ms": 1000}).setpoint == 0


def test_levels_of_one_datastream_must_rise():
    assert check_order({"ll": 1, "l": 2, "h": 3, "hh": 4}, 0, 5) == []
    assert check_order({"l": 2, "hh": 2}, None, None)[0].values["upper"] == "HH"
    assert [str(p) for p in check_order({"h": 9}, 0, 5)] == [
        "setpoint: H at 9 is outside what the instrument measures, 0 to 5"
    ]


GOOD = {
    "hh": {"setpoint": 9, "deadband": 1, "on_delay_ms": 1000},
    "h": {"setpoint": 8},
    "l": {"setpoint": -1.5, "off_delay_ms": 1},
    "ll": {"setpoint": 0},
    "rate": {"setpoint": 0.5, "window_ms": 1000},
    "frozen": {"window_ms": 1000},
    "silent": {"window_ms": 1000},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_words(kind):
    said = describe(check(kind, GOOD[kind]))
    assert set(re.findall(r"%\((\w+)\)s", said.text)) == set(said.values)
    assert str(said)
    assert KINDS[kind].family in FAMILIES
    assert KINDS[kind].name
    assert KINDS[kind].summary


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_takes_what_the_check_takes(kind):
    assert len(compile_rules([RuleRow(1, 1, kind, **{"setpoint": None, **GOOD[kind]})], {1: 0})) == 1


def test_the_engine_refuses_what_the_check_refuses():
    """The engine's quick look at a whole table must never let through what ``check`` refuses."""
    numbers = [None, -1.0, 0.0, 0.5, 1.0, float("inf")]
    times = [-1, 0, 1, 2**31]
    rows, good = [], set()
    for kind in KINDS:
        for setpoint in numbers:
            for deadband in (0.0, 0.5, 1.0, -1.0, float("nan")):
                for on_delay_ms in times:
                    for window_ms in times:
                        row = RuleRow(len(rows), 1, kind, setpoint, deadband, on_delay_ms, 0, window_ms)
                        rows.append(row)
                        given = {
                            n: getattr(row, n) for n in ("setpoint", "deadband", "on_delay_ms", "window_ms")
                        }
                        try:
                            check(kind, given)
                            good.add(row.rule_id)
                        except BadRule:
                            pass
    rules = compile_rules(rows, {1: 0})
    assert set(rules.rule_id.tolist()) == good
    assert {bad.rule_id for bad in rules.refused} == set(range(len(rows))) - good
