"""What the language takes, what it refuses, and with which words."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.warn.expressions import BadExpression, Input, check, parse
from fengsui.warn.expressions.plain import PlainRule
from fengsui.warn.expressions.words import explain

INPUTS = {
    "level": Input("m"), "inlet": Input("m3/h"), "valve": Input("1"), "t": Input("°C"), "gas": Input("%LEL"),
    "wind": Input("°"), "share": Input("%"), "odd": Input("widgets"),
}  # fmt: skip
PARAMETERS = {"high": "8.5 m", "hold": "30s", "wrong": "much"}


def checked(text, clear=None):
    second = None if clear is None else (clear, parse(clear))
    return check(text, parse(text), INPUTS, PARAMETERS, second)


def now(text, **values):
    """The condition, when each name has just been read with this value."""
    rule = PlainRule(checked(text), offset_min=480)
    said = rule.take(1_790_000_000_000, {name: (value, 0) for name, value in values.items()})
    return said[-1].value


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("level > 850 cm", {"level": 8.6}, 1),
        ("level > high", {"level": 8.4}, 0),
        ("level > 8.5 m or gas >= 25 %LEL", {"level": 1, "gas": 25}, 1),
        ("level > 8.5 m and gas >= 25 %LEL", {"level": 9}, math.nan),  # gas was never heard
        ("level > 8.5 m and gas >= 25 %LEL", {"level": 1}, 0),  # whatever gas is
        ("not (level > 8.5 m)", {"level": 1}, 1),
        ("share > 0.9", {"share": 1}, None),
        ("t > 320 K", {"t": 47}, 1),
        ("t - 10 °C > 30 °C", {"t": 41}, 1),
        ("share / 2 > 40 %", {"share": 90}, 1),
        ("level / 2 m > 4", {"level": 9}, 1),
        ("level * 2 > 17 m", {"level": 9}, 1),
        ("valve is on and level > 1 m", {"valve": 1, "level": 2}, 1),
        ("valve is off", {"valve": 1}, 0),
        ("odd > 3", {"odd": 4}, 1),
        ("sector(wind, 300 °, 40 °)", {"wind": 350}, 1),
        ("sector(wind, 300 °, 40 °)", {"wind": 200}, 0),
        ("at_least(2, level > 1 m, gas > 1 %LEL, valve is on)", {"level": 2, "valve": 1}, 1),
        ("at_least(2, level > 1 m, gas > 1 %LEL, valve is on)", {"level": 2}, math.nan),
        ("at_least(2, level > 1 m, gas > 1 %LEL)", {"level": 0}, 0),
        ("level / 0 > 1 m", {"level": 1}, math.nan),
        ("highest(level, 3 m) > 2 m", {"level": 1}, 1),
        ("abs(level) > 1 m", {"level": -2}, 1),
        ("1 m < level", {"level": 2}, 1),
        ("-1 m < level", {"level": 0}, 1),
    ],
)
def test_values(text, values, result):
    if result is None:
        with pytest.raises(BadExpression):
            now(text, **values)
        return
    said = now(text, **values)
    assert said == result or (math.isnan(said) and math.isnan(result))


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "there is no expression"),
        ("level >", 8, "here comes a name"),
        ("level > 8.5", 9, "“8.5” has no unit; write it with one, such as 8.5 m"),
        ("level > 8.5 kPa", 9, "is in kPa, which cannot be compared with m"),
        ("level > 8.5 m level", 15, "“level” is too much here"),
        ("levl > 8.5 m", 1, "“levl” is not bound to a datastream; there are level"),
        ("level", 1, "“level” is a value"),
        ("level is on", 1, "“is on” is for states"),
        ("1 m < level < 2 m", 13, "compare two things at a time"),
        ("max(level) > 1 m", 10, "a comma is missing before “)”"),
        ("max(level, 0s) > 1 m", 12, "longer than 0"),
        ("max(level, 100d) > 1 m", 12, "at most 24 days"),
        ("max(level, 10) > 1 m", 12, "here comes a time such as 30s"),
        ("eval(level) > 1 m", 1, "there is no function “eval”"),
        ("__import__", 1, "“__import__” is not bound"),
        ("level > 1 m for ever", 17, "neither a time such as 30s nor a parameter"),
        ("level > wrong", 9, "parameter “wrong” is “much”"),
        ("level > 1 m deadband -1 m", 22, "not negative"),
        ("level = 1 m deadband 1 m", 22, "a deadband belongs to"),
        ("rate(level, 1m) > 1 m", 19, "cannot be compared with m/s"),
        ("t * 2 > 1 °C", 1, "has no natural zero"),
        ("t + t > 1 °C", 1, "no sum"),
        ("level * inlet > 1 m", 1, "cannot be multiplied"),
        ("1 m > 2 m", 1, "no datastream is in this comparison"),
        ("true", 1, "no datastream is in the expression"),
        ("time(08:00, 08:00)", 18, "the two times are the same"),
        ("time(25:00, 08:00)", 6, "a time of day such as 22:00"),
        ("day(mon, xyz)", 10, "“xyz” is none of mon"),
        ("alarm(level, silent)", 14, "“silent” is none of hh"),
        ("at_least(3, valve is on)", 10, "a whole number from 1"),
        ("sector(level, 1 °, 2 °)", 8, "a direction in °"),
        ("(" * 20 + "valve is on" + ")" * 20, 13, "nested deeper than 12"),
        ("not " * 20 + "valve is on", 49, "nested deeper than 12"),
        ("valve is on" + " and valve is on" * 16, 268, "at most 16 parts"),
        ("level" + " + level" * 9 + " > 1 m", 71, "at most 8 parts"),
        ("x" * 3000, 2001, "at most 2000 characters"),
        ("level > 1 m for 30s for 5s", 21, "is too much here"),
        ("(level > 1 m) > 2", 2, "a condition where a number belongs"),
        ("abs(level > 1 m", 11, "a closing bracket is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text, column, says):
    with pytest.raises(BadExpression) as error:
        checked(text)
    assert says in str(error.value)
    assert error.value.column == column


def test_an_error_in_the_clearing_expression_says_so():
    with pytest.raises(BadExpression) as error:
        checked("level > 1 m", clear="level < 1")
    assert error.value.values["of"] == "clear"


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("level gas()<>=+-*/,.0123456789 msorand%°:forabxt_"), max_size=60))
def test_whatever_is_typed_is_read_or_refused(text):
    try:
        checked(text)
    except BadExpression as error:
        refused = error
    else:
        return
    assert 1 <= refused.column <= len(text) + 1
    assert str(refused)


def test_a_rate_can_be_said_in_any_time():
    for text in ("rate(level, 1m) > 60 m/h", "rate(level, 1m) > 1 m/min", "rate(level, 1m) > 60000 mm/h"):
        assert checked(text).when.args[1].value == pytest.approx(1 / 60)


def test_names_and_conditions_are_listed_for_the_cause():
    found = checked(
        "level > high deadband 0.2 m and (max(gas, 10m) > 25 %LEL or valve is on) and time(22:00, 06:00)"
    )
    assert found.names == ("level", "gas", "valve")
    assert [(t.text, t.names, t.unit) for t in found.terms] == [
        ("level > high deadband 0.2 m", ("level",), "m"),
        ("max(gas, 10m) > 25 %LEL", ("gas",), "%LEL"),
        ("valve is on", ("valve",), ""),
        ("time(22:00, 06:00)", (), ""),
    ]


def test_old_data_is_unknown_and_neither_raises_nor_clears():
    rule = PlainRule(check("level > 1 m or gas > 50 %LEL", parse("level > 1 m or gas > 50 %LEL"), INPUTS))
    assert rule.take(0, {"level": (2.0, 0), "gas": (1.0, 0)})[0].turned
    said = rule.take(120_000, {"gas": (1.0, 0)})  # level is two minutes old, one is allowed
    assert math.isnan(said[0].value)
    assert not said[0].turned
    assert rule.active
    assert rule.take(121_000, {"level": (0.5, 0)})[0].value == 0.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("level > high for hold", "for 30s without a break the tank is above 8.5 m"),
        ("gas > 1 %LEL deadband 0.1 %LEL", "gas is above 1 %LEL (until it is back by 0.1 %LEL)"),
        ("not (valve is on and share < 2 %)", "it is not so that (valve is on and share is below 2 %)"),
        ("at_least(1, silent(gas, 2m), day(sat, sun))",
         "at least 1 of these: nothing was heard of gas for 2m; it is Saturday, Sunday"),
        ("rate(level, 5m) > 1 m/h", "the rate of the tank over 5m is above 1 m/h"),
        ("(share + share) / 2 > 1 %", "(share + share) ÷ 2 is above 1 %"),
        ("sector(wind, 300 °, 40 °) or time(22:00, 06:30)",
         "wind lies between 300 ° and 40 ° clockwise or it is between 22:00 and 06:30 o'clock"),
    ],
)  # fmt: skip
def test_an_expression_in_words(text, words):
    assert explain(parse(text), str, {"level": "the tank"}, PARAMETERS) == words
