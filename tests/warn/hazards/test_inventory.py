"""Rows of text → units, every bad row named; and what of them is on a list."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest

from fengsui.run import cli
from fengsui.warn.hazards import answer, inventory, lists
from fengsui.warn.hazards import tables as t

HEAD = [
    "unit",
    "unit_type",
    "name",
    "cas",
    "q_t",
    "volume_m3",
    "fill",
    "density_t_m3",
    "classes",
    "residents_500m",
    "process",
]
TABLES = t.shipped()


def read(*rows, head=HEAD):
    return inventory.read([(1, head), *((n, row.split(",")) for n, row in enumerate(rows, 2))])


def test_a_volume_becomes_tonnes_and_the_step_shows_how():
    found = read("sphere,storage,液化石油气,,,1000,0.9,0.5,W2,0,")
    assert found.problems == () and found.units[0].entries[0].q_t == 450
    steps = answer.answer(found, TABLES)["units"][0]["steps"]
    assert any("1000 m³ × 0.9 × 0.5" in step["numbers"] for step in steps)


def test_a_volume_becomes_tonnes_without_rounding():
    found = read("U,storage,氯,,,123456789.000000000001,0.999999999999,1.000000000001,,,")
    q_t = Fraction(found.units[0].entries[0].q_t)
    assert q_t == Fraction("123456789.000000000001") * Fraction("0.999999999999") * Fraction("1.000000000001")


def test_chinese_columns_are_read():
    found = read("罐区,储存单元,氯,60", head=["单元", "单元类型", "名称", "设计最大量(t)"])
    assert found.units[0].kind == "storage" and found.units[0].entries[0].q_t == Decimal(60)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (",storage,氯,,1,,,,,,", "no unit"),
        ("U,ship,氯,,1,,,,,,", "kind of unit"),
        ("U,storage,,,1,,,,,,", "no substance"),
        ("U,storage,氯,,,,,,,,", "design maximum is missing"),
        ("U,storage,氯,,,10,0.9,,,,", "design maximum is missing"),
        ("U,storage,氯,,1,10,0.9,1.4,,,", "both given"),
        ("U,storage,氯,,1e9999,,,,,,", "no number"),
        ("U,storage,氯,,-1,,,,,,", "no number"),
        ("U,storage,氯,,NaN,,,,,,", "no number"),
        ("U,storage,氯,,5t,,,,,,", "no number"),
        ("U,storage,氯,7782-50-6,5,,,,,,", "check digit"),
        ("U,storage,氯,,,10,1.2,1,,,", "a fill of"),
        ("U,storage,氯,,5,,,,,many,", "no whole number"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_graded(row, says):
    found = read("V,storage,氨,7664-41-7,100,,,,,0,", row)
    assert [one.row for one in found.problems] == [3]
    assert says in found.problems[0].what.en and found.problems[0].todo.zh
    said = answer.answer(found, TABLES)
    assert said["units"] == [] and not said["complete"]


def test_every_bad_row_is_listed_and_each_thing_wrong_with_it():
    found = read("U,storage,氯,7782-50-6,x,,,,,,", "U,production,氨,,1,,,,,,", "U,storage,水,,1,,,,,,")
    assert [one.row for one in found.problems] == [2, 2, 3]
    said = answer.answer(found, TABLES)["problems"]
    assert [one["row"] for one in said] == [2, 2, 3, 4]


def test_unknown_and_missing_columns_are_named():
    assert "colour" in read(head=["unit", "name", "colour"]).problems[0].what.en
    assert "name is missing" in read(head=["unit"]).problems[0].what.en
    assert inventory.read([]).problems and read().problems


def test_processes_are_found_by_their_names():
    found = read("U,production,,,,,,,,,氯化;硝化工艺；裂解、蒸馏")
    said = answer.answer(found, TABLES)
    assert [one["no"] for one in said["processes"]] == [3, 4, 6]
    assert [one["name"] for one in said["processes_not_listed"]] == ["蒸馏"]


def test_supervised_chemicals_are_found_by_number_name_and_other_names():
    asked = [
        (1, "what it is called here", "7782-50-5"),
        (2, "双光气", ""),
        (3, "液氯", ""),
        (4, "水", "7732-18-5"),
    ]
    found = lists.substances(asked, TABLES)
    assert [(one.row, one.entry.no, one.by) for one in found] == [
        (1, 1, "CAS"),
        (2, 60, "name"),
        (3, 1, "table 1"),
    ]


def test_a_list_that_is_not_there_is_said_until_it_is_there():
    assert {one.en for one in lists.missing(TABLES)} == {"highly toxic chemicals", "explosive precursors"}
    doc = {"table": "list_toxic", "code": "highly_toxic", "zh": "剧毒化学品", "en": "highly toxic chemicals"}
    doc |= {"standard": "目录", "edition": "2015", "clause": "-", "source": "test", "tag": "verified"}
    doc["rows"] = [{"no": 1, "zh": "氰化钠", "aliases": ["山奈"], "cas": ["143-33-9"]}]
    tables = t.read({"list_toxic": json.dumps(doc).encode()})
    assert [one.en for one in lists.missing(tables)] == ["explosive precursors"]
    codes = [one.listed_on.code for one in lists.substances([(1, "山奈", "")], tables)]
    assert codes == ["highly_toxic"]


def test_the_command_answers_as_json_and_by_its_exit_code(tmp_path, capsys, monkeypatch):
    path = tmp_path / "plant.csv"
    path.write_text(
        ",".join(HEAD) + "\nU,storage,氯,7782-50-5,60,,,,,20,\nU,,液化石油气,,40,,,,W2,,\n", "utf-8"
    )
    assert cli.run(["hazards", "grade", str(path), "--json"]) == 0
    unit = json.loads(capsys.readouterr().out)["units"][0]
    assert (unit["s"], unit["r"], unit["grade"]) == ("12.8", "49.2", 3)
    with path.open("a", encoding="utf-8") as file:
        file.write("U,,未知物质,,1,,,,,,\n")
    assert cli.run(["hazards", "grade", str(path), "--language", "zh"]) == 1
    assert "第 4 行: “未知物质” 不在表1中" in capsys.readouterr().out
    assert cli.run(["hazards", "grade", str(tmp_path / "none.csv")]) == 2
    monkeypatch.setenv("FENGSUI_HAZARD_TABLES", str(tmp_path / "nowhere"))
    assert cli.run(["hazards", "tables"]) == 1
    assert "warn.bad_hazard_table" in capsys.readouterr().err
