"""Units: there and back, values printed in standards, and refusal across dimensions."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.errors import UnknownUnit
from fengsui.base.units import TABLE, UNITS, convert, factor_offset, same, unit

finite = st.floats(min_value=-1e9, max_value=1e9)
pairs = st.sampled_from([(a, b) for a in TABLE for b in TABLE if a.dimension == b.dimension])


@given(finite, pairs)
def test_there_and_back(value, pair):
    a, b = pair
    back = convert(convert(value, a.code, b.code), b.code, a.code)
    # A shift (temperature) costs precision in proportion to its size, seen in the unit of the value.
    shift = max(abs(a.offset), abs(b.offset)) / a.factor
    assert math.isclose(back, value, rel_tol=1e-12, abs_tol=1e-12 * (1 + shift))


@given(finite, st.sampled_from([(a, b, c) for a in TABLE for b in TABLE for c in TABLE
                                if a.dimension == b.dimension == c.dimension]))  # fmt: skip
def test_by_way_of_a_third_unit_is_the_same(value, triple):
    a, b, c = triple
    straight = convert(value, a.code, c.code)
    round_about = convert(convert(value, a.code, b.code), b.code, c.code)
    scale = max(abs(a.offset), abs(b.offset), abs(c.offset)) / c.factor
    assert math.isclose(straight, round_about, rel_tol=1e-11, abs_tol=1e-11 * (1 + scale))


@given(finite)
def test_the_same_unit_changes_nothing(value):
    column = np.array([value, np.nan])
    for code in UNITS:
        assert convert(column, code, code) is column


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (0, "°C", "K", 273.15),
        (212, "°F", "°C", 100),
        (-40, "°F", "°C", -40),
        (1, "atm", "kPa", 101.325),
        (1, "bar", "MPa", 0.1),
        (14.503773773, "psi", "bar", 1),
        (760, "mmHg", "atm", 1.0000001),
        (1, "kgf/cm2", "kPa", 98.0665),
        (3600, "m3/h", "m3/s", 1),
        (60, "L/min", "L/s", 1),
        (1, "kscmh", "Sm3/h", 1000),
        (36, "km/h", "m/s", 10),
        (1, "%", "ppm", 10_000),
        (1, "mg/m3", "ug/m3", 1000),
        (180, "°", "rad", math.pi),
        (1, "kWh", "MJ", 3.6),
        (3000, "rpm", "r/s", 50),
    ],
)
def test_values_from_the_books(value, source, target, expected):
    assert convert(float(value), source, target) == pytest.approx(expected, rel=1e-6)


def test_no_value_stays_no_value_in_a_column():
    out = convert(np.array([0.0, np.nan]), "°C", "K")
    assert out[0] == 273.15
    assert np.isnan(out[1])


def test_across_dimensions_is_refused_and_says_why():
    with pytest.raises(UnknownUnit, match=r"pressure.*temperature"):
        convert(1.0, "kPa", "°C")
    for other in ("%LEL", "ppm"):
        with pytest.raises(UnknownUnit):
            convert(1.0, "mg/m3", other)
    with pytest.raises(UnknownUnit):
        factor_offset("m3/h", "Nm3/h")


@given(st.text(max_size=60))
def test_any_text_is_a_unit_or_a_clear_refusal(text):
    if not text or text in UNITS:
        assert unit(text).factor > 0
        return
    with pytest.raises(UnknownUnit) as refusal:
        unit(text)
    assert refusal.value.code == "govern.unknown_unit"


def test_no_name_stands_for_two_units():
    names = [name for u in TABLE for name in (u.code, *u.aliases)]
    assert sorted(set(names)) == sorted(names)
    assert same("℃", "Cel")
    assert not same("°C", "K")


def test_the_page_of_units_lists_each():
    page = (Path(__file__).parents[2] / "docs/protocols/units.md").read_text()
    missing = [u.code for u in TABLE if f"| {u.code} |" not in page]
    assert not missing
