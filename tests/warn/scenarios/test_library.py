"""Each ready scenario rule over a series that raises it, and over one that comes near and does not."""

import numpy as np
import pytest

from fengsui.warn.expressions import Input, check, parse
from fengsui.warn.expressions.plain import PlainRule
from fengsui.warn.scenarios import library

START_MS = 1_790_000_000_000
MIN = 60


def line(*points: tuple[float, float]):
    """A value that goes straight from (second, value) to (second, value)."""
    return lambda t: float(np.interp(t, *zip(*points, strict=True)))


def flat(value: float):
    return lambda t: value


def from_on(second: int, before: float, after: float):
    return lambda t: before if t < second else after


# template → how long, how often, the series that raises it (between which seconds), the series that does not
SERIES = {
    "tank_overfill": (
        1200, 10,
        {"level": line((0, 80), (1200, 95)), "inlet": flat(40)}, (420, 500),  # 85 % is passed at 400 s, 30 s of delay
        {"level": line((0, 80), (1200, 95)), "inlet": flat(0)},  # it rises by itself: heat, not filling
    ),
    "runaway_reaction": (
        1800, 5,
        {"t": line((0, 110), (600, 110), (1200, 135)), "p": flat(2700), "cooling": flat(80)}, (870, 880),
        {"t": line((0, 110), (600, 110), (1800, 118)), "p": flat(2700), "cooling": flat(80)},
    ),
    "gas_leak": (
        300, 5,
        {"gas1": from_on(60, 2, 30), "gas2": from_on(100, 1, 27), "wind": flat(4), "from": flat(90)}, (110, 115),
        {"gas1": from_on(60, 2, 60), "gas2": flat(1), "wind": flat(4), "from": flat(90)},  # the wind blows it elsewhere
    ),
    "tailings_pond": (
        3600, 60,
        {"depth": line((0, 7), (3600, 5)), "level": flat(150), "beach": line((0, 75), (3600, 65)), "rain": flat(0)},
        (1860, 2220),
        {"depth": line((0, 7), (3600, 5)), "level": flat(150), "beach": flat(90), "rain": flat(0)},
    ),
    "reservoir_rise": (
        4 * 3600, 300,
        {"stage": line((0, 101.5), (3600, 101.7), (7200, 102.2), (14400, 102.9))}, (5700, 7800),
        {"stage": line((0, 102.1), (14400, 102.6))},
    ),
    "fire_weather": (
        3 * 3600, 300,
        {"t": flat(24), "humidity": flat(42), "wind": flat(3),
         "strokes": lambda t: 1.0 if t in (3600, 3900, 4500) else 0.0}, (5100, 5400),
        {"t": flat(33), "humidity": flat(28), "wind": flat(5), "strokes": flat(0)},
    ),
    "water_attack": (
        3600, 60,
        {"pump": flat(1), "flow": from_on(600, 30, 0.2), "level": line((0, 3), (3600, 2))}, (1200, 1260),
        {"pump": from_on(600, 1, 0), "flow": from_on(600, 30, 0.2), "level": line((0, 3), (3600, 2))},
    ),
    "link_and_power": (
        900, 10,
        {"mains": from_on(300, 1, 0), "link": from_on(400, 1, 0), "battery": flat(12.6)}, (430, 440),
        {"mains": from_on(300, 1, 0), "link": flat(1), "battery": line((0, 12.6), (900, 12.1))},
    ),
}  # fmt: skip


def raisings(code: str, series, seconds: int, every: int) -> list[int]:
    """The seconds at which the template is raised, its names bound to datastreams in its own units."""
    template = library.templates()[code]
    values = template.values
    inputs = {wanted.name: Input(wanted.unit, 5 * every * 1000) for wanted in template.inputs}
    clear = (values["clear"], parse(values["clear"])) if values["clear"] else None
    checked = check(values["expression"], parse(values["expression"]), inputs, values["parameters"], clear)
    rule = PlainRule(checked, values["for_ms"], values["clear_for_ms"], 480, START_MS)
    said = []
    for t in range(0, seconds + 1, every):
        said += rule.take(START_MS + 1000 * t, {name: (value(t), 0) for name, value in series.items()})
    return [(one.time_ms - START_MS) // 1000 for one in said if one.turned and one.value == 1]


@pytest.mark.parametrize("code", SERIES)
def test_a_ready_rule_raises_when_it_should_and_not_when_it_should_not(code):
    seconds, every, raises, (earliest, latest), quiet = SERIES[code]
    at = raisings(code, raises, seconds, every)
    assert len(at) == 1
    assert earliest <= at[0] <= latest
    assert raisings(code, quiet, seconds, every) == []


def test_every_template_has_its_series_and_says_everything_twice():
    assert set(library.templates()) == set(SERIES)
    for template in library.templates().values():
        values = template.values
        for words in (template.name, template.about, values["cause"]):
            assert any("\u4e00" <= character <= "\u9fff" for character in words)
        for words in (
            template.name_en,
            template.about_en,
            values["cause_en"],
            *(w.name_en for w in template.inputs),
        ):
            assert words.isascii()
