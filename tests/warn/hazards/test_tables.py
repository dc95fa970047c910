"""The shipped tables are whole and those of the standard; damage is refused with its file and row."""

import json
from decimal import Decimal
from importlib import resources

import pytest

from fengsui.warn.hazards import tables as t

FOLDER = resources.files("fengsui.warn.hazards").joinpath("shipped")


def shipped_file(name):
    return json.loads(FOLDER.joinpath(f"{name}.json").read_bytes())


def own(name, change, keep_seal=False):
    doc = shipped_file(name)
    change(doc)
    if not keep_seal:
        doc.pop("sha256")
    return {name: json.dumps(doc, ensure_ascii=False).encode()}


def test_the_tables_have_the_rows_of_the_standard():
    tables = t.shipped()
    assert [row.no for row in tables.named] == list(range(1, 86))
    assert len(tables.categories) == 24 and len(tables.processes.entries) == 18
    assert len(tables.lists[0].entries) == 74


def test_rows_that_public_copies_get_wrong_are_right():
    tables = t.shipped()
    assert tables.by_no[2].zh == "二氟化氧" and tables.by_no[3].zh == "二氧化氮"
    assert "≤55%" in tables.by_no[42].zh
    named = {row["zh"] for row in shipped_file(t.BETA_NAMED)["rows"]}
    assert {"一氧化碳", "溴甲烷", "氯", "氰化氢"} <= named and "二氧化碳" not in named
    assert len(tables.grades) == 4


def test_every_name_and_number_of_table_3_means_one_row_of_table_1():
    tables = t.shipped()
    for row in shipped_file(t.BETA_NAMED)["rows"]:
        found = {one.no for one in tables.named if t.normal(row["zh"]) in one.names}
        assert len(found) == 1, row
        assert {one.no for one in tables.named if set(row["cas"]) & set(one.cas)} == found


def test_a_changed_table_does_not_pass_under_its_old_checksum():
    changed = own(t.NAMED, lambda d: d["rows"][11].update(q_t="50"), keep_seal=True)
    with pytest.raises(t.BadHazardTable, match=r"table1_named\.json: the checksum"):
        t.read(changed)


def test_a_table_of_the_bureau_takes_the_place_of_the_shipped_one():
    tables = t.read(own(t.NAMED, lambda d: d["rows"][11].update(q_t="2.5")))
    assert tables.by_no[12].q_t == Decimal("2.5") and tables.origins[t.NAMED].by == t.OWN
    assert t.shipped().by_no[12].q_t == 5


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (t.NAMED, lambda d: d["rows"][11].update(q_t=5.0), "row 12: q_t is"),
        (t.NAMED, lambda d: d["rows"][11].update(q_t="0"), "row 12: q_t must not be 0"),
        (t.NAMED, lambda d: d["rows"][11].update(cas=["7782-50-6"]), "row 12: cas is"),
        (t.NAMED, lambda d: d["rows"][11].update(no=1), "twice"),
        (t.NAMED, lambda d: d.update(rows=[]), "rows that is not empty"),
        (t.NAMED, lambda d: d.update(tag="sure"), "verified or from memory"),
        (t.NAMED, lambda d: d.pop("source"), "source is missing"),
        (t.NAMED, lambda d: d.update(table="other"), "calls itself"),
        (t.BETA_CATEGORIES, lambda d: d["rows"].pop(), "no β for W11"),
        (t.CATEGORIES, lambda d: d["rows"].pop(), "W11 not in"),
        (t.ALPHA, lambda d: d["rows"].pop(1), "do not follow each other"),
        (t.ALPHA, lambda d: d["rows"][4].update(to=200), "do not follow each other"),
        (t.GRADES, lambda d: d["rows"][0].update({"from": "40"}), "falling limits"),
        (t.CLASSES, lambda d: d["rows"][0].update(classes=["W99"]), "does not exist"),
        (t.CLAUSES, lambda d: d["rows"].pop(), "these keys"),
    ],
)
def test_damage_is_refused_by_file_and_row(name, change, says):
    with pytest.raises(t.BadHazardTable, match=says):
        t.read(own(name, change))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"rows": 3}', b"[" * 100_000])
def test_bytes_that_are_no_table_are_refused(raw):
    with pytest.raises(t.BadHazardTable):
        t.read({t.NAMED: raw})


def test_a_file_of_no_known_name_is_refused():
    with pytest.raises(t.BadHazardTable, match="no table has this name"):
        t.read({"table7": b"{}"})
