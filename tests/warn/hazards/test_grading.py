"""GB 18218: worked examples, the edges that public copies get wrong, and what must hold for any inventory."""

from dataclasses import fields
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.warn.hazards import tables as t
from fengsui.warn.hazards.grading import (
    GRADING,
    PRODUCTION,
    STORAGE,
    Entry,
    Unit,
    alpha_of,
    assess,
    grade_of,
    shown,
)

TABLES = t.shipped()


def entry(name, q, **more):
    return Entry(name, Decimal(q), **more)


def graded(*entries, residents=20, kind=STORAGE):
    return assess(Unit("U", kind, entries, residents), TABLES)


def refused(*entries, residents=20):
    found = graded(*entries, residents=residents)
    assert found.s is None and found.grade is None and found.problems
    return found.problems[0]


# ---- worked examples ----------------------------------------------------------------------------------------


def test_chlorine_and_lpg_change_their_grade_with_the_residents():
    both = entry("氯", "60", cas="7782-50-5"), entry("液化石油气", "40", classes=("W2",))
    few, more = graded(*both), graded(*both, residents=35)
    assert (few.s, few.r, few.grade) == (Fraction("12.8"), Fraction("49.2"), 3)
    assert (more.alpha, more.r, more.grade) == (Decimal("1.2"), Fraction("59.04"), 2)


def test_ammonia_just_below_and_at_its_critical_quantity():
    below = graded(entry("液氨", "9.99"), residents=0)
    at = graded(entry("液氨", "10"), residents=0)
    assert (below.is_major, below.s, below.r, below.grade) == (False, Fraction("0.999"), None, None)
    assert (at.is_major, at.s, at.r, at.grade) == (True, 1, 1, 4)


def test_methanol_and_ethanol_make_exactly_one():
    found = graded(entry("甲醇", "400"), entry("乙醇", "100"))
    assert found.s == 1 and found.is_major and found.r == 1 and found.grade == 4


def test_thirds_that_no_decimal_holds_make_exactly_one():
    found = graded(*(entry("三氧化硫", "25", classes=("J2",), row=n) for n in range(3)))
    assert found.s == 1 and found.is_major
    assert [share.q_t for share in found.shares] == [Decimal(75)]


def test_the_exam_question_with_three_substances():
    """S = 0.4 + 2 + 0.2, R = 2 (2 + 40 + 0.8): the quantities and β of the item, by substances that have them."""
    own = TABLES.beta_named | {t.normal("氯"): Decimal(5), "7782-50-5": Decimal(5)}
    values = {one.name: getattr(TABLES, one.name) for one in fields(t.Tables) if one.init}
    other = t.Tables(**values | {"beta_named": own})
    # A1: Q 5, β 5; A2: Q 1 and β 20 (phosphine); A3: Q 5, β 4 (class J1)
    entries = (entry("氯", "2"), entry("磷化氢", "2"), entry("某气体", "1", classes=("J1",)))
    found = assess(Unit("W", STORAGE, entries, 102), other)
    assert (found.s, found.r, found.grade) == (Fraction("2.6"), Fraction("85.6"), 2)


def test_a_flammable_liquid_counts_by_its_working_conditions():
    cold = graded(
        entry(
            "某液体",
            "4000",
            classes=("FL3",),
            working_c=Decimal(20),
            boiling_c=Decimal(120),
            is_special=False,
        )
    )
    hot = graded(entry("某液体", "4000", classes=("FL3",), working_c=Decimal(130), boiling_c=Decimal(120)))
    pressed = graded(
        entry(
            "某液体",
            "4000",
            classes=("FL2",),
            working_c=Decimal(20),
            boiling_c=Decimal(120),
            pressure_mpa=Decimal("1.7"),
        )
    )
    assert (cold.s, cold.shares[0].by) == (Fraction("0.8"), "W5.4")
    assert (hot.s, hot.shares[0].by) == (400, "W5.1")
    assert (pressed.s, pressed.shares[0].by) == (80, "W5.2")
    assert "boiling" in refused(entry("某液体", "1", classes=("FL2",))).what.en


# ---- which row, which class ---------------------------------------------------------------------------------


def test_table_1_goes_before_a_smaller_quantity_of_table_2():
    found = graded(entry("甲苯", "500", classes=("W5.1",)))
    assert found.s == 1 and found.shares[0].critical_t == 500
    assert found.shares[0].beta == Decimal("1.5")


def test_of_several_classes_the_smallest_quantity_and_the_largest_beta_count():
    found = graded(entry("某物质", "10", classes=("J1", "W9.2", "W1.1")))
    assert (found.shares[0].by, found.shares[0].critical_t, found.shares[0].beta) == ("W1.1", 1, 4)


def test_a_condition_of_content_decides_whether_table_1_applies():
    assert graded(entry("甲醛", "5", percent=Decimal(95), classes=("J4",))).shares[0].by == "1:8"
    assert graded(entry("甲醛", "5", percent=Decimal(90), classes=("J5",))).shares[0].by == "J5"
    assert "percent" in refused(entry("甲醛", "5")).todo.en


def test_several_rows_under_one_cas_number_are_asked_for():
    problem = refused(entry("硝化棉", "1", cas="9004-70-0"))
    assert "37" in problem.todo.en and "42" not in problem.todo.en  # 42 is the solution, by another name
    assert graded(entry("硝化棉", "1", named_row=39, classes=("W10",))).shares[0].critical_t == 10
    assert graded(entry("硝酸铵(含可燃物≤0.2%)", "25", classes=("W9.2",))).s == Fraction("0.5")


def test_a_mixture_says_how_it_counts():
    mixed = {"cas": "7664-41-7", "percent": Decimal(25)}
    assert "4.2.3" not in refused(entry("氨", "8", **mixed)).what.en
    assert graded(entry("氨", "8", **mixed, mixture="as_pure")).s == Fraction("0.8")
    own = graded(entry("氨", "8", **mixed, mixture="own_class", classes=("none",)))
    assert own.s == 0 and own.shares[0].by == "none"
    assert any(step.key == "mixture" for step in graded(entry("氨", "8", **mixed, mixture="as_pure")).steps)


def test_a_mixture_of_its_own_class_never_counts_as_pure_even_without_a_content():
    assert "not in table 1" in refused(entry("氨", "8", mixture="own_class")).what.en
    assert graded(entry("氨", "8", mixture="own_class", classes=("none",))).s == 0


def test_a_stated_row_does_not_go_against_content_or_number():
    assert "outside row 81" in refused(entry("硝酸", "9", named_row=81, percent=Decimal(60))).what.en
    assert "is not" in refused(entry("trade name", "9", cas="67-66-3", named_row=12)).what.en


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (entry("未知物质", "3"), "not in table 1"),
        (entry("氯", "3", cas="7664-41-7"), "do not belong together"),
        (entry("氯", "3", cas="7782-50-6"), "check digit"),
        (entry("某物质", "3", classes=("W77",)), "no hazard class"),
        (entry("某物质", "3", classes=("none", "W2")), "at once"),
        (entry("氯", "3", named_row=1), "row 1 of table 1 is not"),
        (entry("氯", "0"), "above 0"),
        (entry("氯化氢", "3", cas="7647-01-0"), "condition"),
    ],
)
def test_what_cannot_be_placed_is_refused_and_nothing_is_graded(wrong, says):
    assert says in refused(entry("氨", "100"), wrong).what.en


def test_what_is_missing_for_the_grade_leaves_s():
    nobody = graded(entry("氨", "10"), residents=None)
    assert nobody.is_major and nobody.r is None and nobody.grade is None
    assert [one.stage for one in nobody.problems] == [GRADING]
    no_class = graded(entry("溴", "20"))
    assert no_class.s == 1 and no_class.grade is None and "β" in no_class.problems[0].what.en
    assert graded(entry("溴", "20", classes=("J2",))).grade == 4


def test_an_empty_unit_or_one_of_no_kind_has_no_answer():
    assert assess(Unit("U", PRODUCTION, (), 1), TABLES).s is None
    assert assess(Unit("U", "ship", (entry("氯", "9"),), 1), TABLES).s is None


def test_each_step_has_a_clause_and_both_languages():
    found = graded(entry("氯", "60", cas="7782-50-5"))
    assert [step.key for step in found.steps] == [
        "unit",
        "named",
        "index",
        "beta",
        "alpha",
        "grading",
        "grade",
    ]
    assert all(
        step.clause.startswith("GB 18218-2018") and step.says.zh and step.says.en for step in found.steps
    )
    assert "[from memory]" in found.steps[0].clause


# ---- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "alpha"),
    [(0, "0.5"), (1, "1"), (29, "1"), (30, "1.2"), (49, "1.2"), (50, "1.5"), (99, "1.5"), (100, "2")],
)
def test_alpha_at_the_edges_of_its_bands(people, alpha):
    assert alpha_of(people, TABLES) == Decimal(alpha)


@pytest.mark.parametrize(
    ("r", "grade"), [("0.5", 4), ("9.999", 4), ("10", 3), ("50", 2), ("99.99", 2), ("100", 1)]
)
def test_grades_at_their_limits(r, grade):
    assert grade_of(Fraction(r), TABLES) == grade


def test_what_is_shown_never_crosses_a_limit():
    assert shown(Fraction("0.999")) == "0.999"
    assert shown(Fraction(1, 3)) == "≈0.333333"
    assert shown(1 - Fraction(1, 3 * 10**9)).startswith("≈0.999999999")
    assert shown(Fraction(10) + Fraction(1, 3 * 10**11)) == "≈10.000000000003"


# ---- for any inventory --------------------------------------------------------------------------------------

PLAIN = [row for row in TABLES.named if not row.stated and row.above_percent is None]
QUANTITIES = st.decimals("0.001", "100000", places=3)
ENTRIES = st.lists(
    st.builds(lambda row, q: Entry(row.zh, q, classes=("W5.3",)), st.sampled_from(PLAIN), QUANTITIES),
    min_size=1,
    max_size=8,
)


@given(ENTRIES, st.integers(0, 10**6))
def test_s_and_r_are_the_sums_and_the_order_of_rows_does_not_matter(entries, residents):
    by_name = {row.zh: row for row in PLAIN}
    found = graded(*entries, residents=residents)
    assert found.s == sum(Fraction(e.q_t) / Fraction(by_name[e.name].q_t) for e in entries)
    turned = graded(*reversed(entries), residents=residents)
    assert (turned.s, turned.r, turned.grade) == (found.s, found.r, found.grade)
    if found.is_major:
        weighted = [Fraction(x.beta) * Fraction(x.q_t) / Fraction(x.critical_t) for x in found.shares]
        assert found.r == Fraction(found.alpha) * sum(weighted)


@given(ENTRIES, QUANTITIES)
def test_more_never_makes_it_milder(entries, extra):
    before = graded(*entries)
    after = graded(*entries, Entry("氯", extra, classes=("W5.3",)))
    assert after.s > before.s
    if before.grade:
        assert after.r > before.r and after.grade <= before.grade
