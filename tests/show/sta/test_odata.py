"""The grammar: what is written reads back as the same, whatever it is; nothing else is accepted, and never slowly."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.show.sta.odata import address
from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.odata.expression import (
    FUNCTIONS,
    LEVELS,
    Binary,
    Call,
    Literal,
    Path,
    Unary,
    parse,
    parse_order,
    terms,
    text_of,
)
from fengsui.show.sta.odata.options import Options, parse_options, split
from fengsui.show.sta.reading import merged, query_of

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
names = st.sampled_from(
    ["name", "@iot.id", "result", "properties", "Thing", "a-b", "温度", "unitOfMeasurement"]
)
literals = st.one_of(
    st.none().map(lambda v: Literal("null", v)),
    st.booleans().map(lambda v: Literal("bool", v)),
    st.integers(-(2**63) + 1, 2**63 - 1).map(lambda v: Literal("number", v)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: Literal("number", v)),
    words.map(lambda v: Literal("string", v)),
    st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)).map(
        lambda v: Literal("instant", v.replace(tzinfo=dt.UTC))
    ),
    st.dates().map(lambda v: Literal("date", v)),
    st.times().map(lambda v: Literal("time", v)),
    st.sampled_from(["POINT (30 10)", "LINESTRING (1 2, 3 4)", "POLYGON ((0 0, 1 0, 1 1, 0 0))"]).map(
        lambda v: Literal("geometry", v)
    ),
    st.timedeltas(dt.timedelta(days=-1000), dt.timedelta(days=1000)).map(lambda v: Literal("duration", v)),
)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: Path(tuple(parts)))
operators = st.sampled_from([op for level in LEVELS for op in level])


def calls(inner):
    def of(name):
        fewest, most = FUNCTIONS[name]
        return st.lists(inner, min_size=fewest, max_size=most).map(lambda args: Call(name, tuple(args)))

    return st.sampled_from(sorted(FUNCTIONS)).flatmap(of)


def negative(node):
    """A minus before a number that is not negative is a negative number."""
    if (
        isinstance(node, Literal)
        and node.kind == "number"
        and not isinstance(node.value, bool)
        and node.value >= 0
    ):
        return Literal("number", -node.value)
    return Unary("-", node)


nodes = st.recursive(
    literals | paths,
    lambda inner: st.one_of(
        st.builds(Binary, operators, inner, inner),
        inner.map(lambda n: Unary("not", n)) | inner.map(negative),
        calls(inner),
    ),
    max_leaves=12,
)  # fmt: skip


@given(nodes)
def test_a_tree_written_and_read_is_the_same_tree(node):
    assert parse(text_of(node)) == node


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        node = parse(text)
    except BadQuery:
        return
    assert parse(text_of(node)) == node


@given(st.text(max_size=60))
def test_any_address_is_read_or_refused(text):
    try:
        segments = address.parse(text)
    except BadQuery:
        return
    assert address.parse("/".join(map(str, segments))) == segments


@given(st.text("a(),;'$=/ ", max_size=40))
def test_any_expansion_is_read_or_refused(text):
    try:
        options = parse_options([("$expand", text)])
    except BadQuery:
        return
    assert parse_options([("$expand", text)]) == options


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a or b and c", "a or (b and c)"), ("not a and b", "(not a) and b"),
        ("a add b mul c eq d", "(a add (b mul c)) eq d"),
        ("a sub b sub c", "(a sub b) sub c"), ("-a add b", "(-a) add b"), ("a gt 1 eq true", "(a gt 1) eq true"),
        ("time gt 2020-01-01T08:00:00+08:00", "time gt 2020-01-01T00:00:00Z"),
        ("time gt 2020-01-01T08:00:00 08:00", "time gt 2020-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_precedence_and_offsets(text, same):
    assert parse(text) == parse(same)


@pytest.mark.parametrize(
    "text",
    [
        "", "a eq", "eq 1", "(a", "a)", "a eq 'x", "a b", "f(1)", "year()", "substring(a)", "a eq 2020-13-01", "a,b",
        "a eq 2020-01-01T00:00:00", "geography'POINT(1 2'", "geography'DROP TABLE x'", "duration'P'", "a eq 1e999",
        "a//b", "a eq @x", "('" + "(" * 100, "not " * 100 + "a", "(" * 100 + "a" + ")" * 100, "a" * 9000,
        " or ".join(["a"] * 600),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(BadQuery):
        parse(text)


def test_terms_and_orders():
    assert [text_of(t) for t in terms(parse("a and (b or c) and d"))] == ["a", "(b) or (c)", "d"]
    assert parse_order("a desc, length(b)") == (
        (Path(("a",)), True),
        (Call("length", (Path(("b",)),)), False),
    )


def test_options_written_in_a_link_read_back_as_they_were():
    text = "A($select=x,y;$expand=B($filter=contains(n,'a;b,c(''') and m eq 1;$top=2);$orderby=x desc;$count=true),C/D"
    options = parse_options([("$expand", text), ("$top", "5"), ("$filter", "a eq 'x&y'"), ("other", "1")])
    from urllib.parse import parse_qsl

    again = parse_options(parse_qsl(query_of(options), keep_blank_values=True))
    assert again == options
    assert [e.path for e in merged(options.expand)] == [("A",), ("C",)]
    assert split("a(b,c),'d,e',f", ",") == ["a(b,c)", "'d,e'", "f"]
    assert parse_options([]) == Options()


@pytest.mark.parametrize(
    "pairs",
    [
        [("$top", "-1")], [("$top", "x")], [("$count", "yes")], [("$format", "json")], [("$top", "1"), ("$top", "2")],
        [("$expand", "A(")], [("$expand", "A($top=1))")], [("$expand", "A(top=1)")],
        [("$expand", "A($resultFormat=dataArray)")],
        [("$select", "a,,b")], [("$resultFormat", "csv")], [("$expand", "A($expand=" * 10 + "B" + ")" * 10)],
        [("$expand", "A/" * 10 + "B")],
    ],
)  # fmt: skip
def test_what_is_no_option_is_refused(pairs):
    with pytest.raises(BadQuery):
        parse_options(pairs)
