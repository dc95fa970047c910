import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.codes import PROVINCES, USCC_ALPHABET, BadCode, Level, check_uscc, level, lies_under, parent


@pytest.mark.parametrize(
    ("code", "depth", "above"),
    [
        ("420000", Level.PROVINCE, None),  # Hubei
        ("420500", Level.CITY, "420000"),  # Yichang
        ("420581", Level.COUNTY, "420500"),  # Yidu
        ("429004", Level.COUNTY, "429000"),  # Xiantao, governed by the province
        ("110101", Level.COUNTY, "110100"),  # Dongcheng, Beijing
        ("420581100", Level.TOWNSHIP, "420581"),
        ("420581000000", Level.COUNTY, "420500"),
        ("420581100201", Level.VILLAGE, "420581100"),
        ("441900003", Level.TOWNSHIP, "441900"),  # Dongguan has no counties
        ("420000000", Level.PROVINCE, None),
    ],
)
def test_a_division_code_tells_its_level_and_its_parent(code, depth, above):
    assert level(code) is depth
    assert parent(code) == above


@pytest.mark.parametrize(
    "code",
    [
        "",
        "42",
        "4205810",
        "42058a",
        "４２０５８１",
        "990000",
        "420081000001",
        " 420581",
        "4200100",
        "420000001",
    ],
)
def test_a_code_that_the_standard_does_not_allow_is_refused(code):
    with pytest.raises(BadCode):
        level(code)


def test_a_county_without_a_city_is_refused():
    with pytest.raises(BadCode, match="below one"):
        level("420081")


def test_lying_under_is_by_whole_groups_not_by_digits_that_look_alike():
    assert lies_under("420581100", "420500")
    assert lies_under("420500", "420500")
    assert not lies_under("421000", "420500")
    assert not lies_under("420500", "420581")


@given(st.sampled_from(sorted(PROVINCES)), st.integers(1, 99), st.integers(1, 99), st.integers(1, 999))
def test_every_code_lies_under_each_of_its_parents(province, city, county, township):
    code = f"{province}{city:02}{county:02}{township:03}"
    above = code
    depths = []
    while above:
        assert lies_under(code, above)
        depths.append(level(above))
        above = parent(above)
    assert depths == [Level.TOWNSHIP, Level.COUNTY, Level.CITY, Level.PROVINCE]


def test_the_sample_code_of_the_standard_is_taken_in_any_case():
    assert check_uscc("91350100m000100y43 ") == "91350100M000100Y43"


@pytest.mark.parametrize("code", ["", "91420500MA4XXXXX0", "91420500MA4XXXXXI0", "9142050OMA4XXXXX00"])
def test_a_credit_code_of_the_wrong_shape_is_refused(code):
    with pytest.raises(BadCode):
        check_uscc(code)


@given(st.text(USCC_ALPHABET, min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(USCC_ALPHABET))
def test_one_mistyped_place_never_passes(body, place, typo):
    good = next(body + c for c in USCC_ALPHABET if _fits(body + c))
    wrong = good[:place] + typo + good[place + 1 :]
    assert _fits(wrong) == (wrong == good)


def _fits(code):
    try:
        return bool(check_uscc(code))
    except BadCode:
        return False
