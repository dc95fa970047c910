"""What is shipped in regions/yichang: complete, honest about its sources, and every bad row of a pack is named."""

import csv
import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pytest

from fengsui.base import units
from fengsui.run import packs
from fengsui.sense.gateways import replay
from tests.regions.conftest import ROOT, YICHANG

LICENCES = ("NCSA", "GPL-3.0", "CC BY 4.0", "MIT", "public domain")


def notices():
    return sorted(p.parent for p in (YICHANG / "data").glob("*/NOTICE.md"))


def test_every_shipped_data_file_stands_with_its_checksum_in_a_notice_with_a_licence():
    files = [p for p in (YICHANG / "data").rglob("*") if p.is_file() and p.suffix == ".gz"]
    assert len(files) >= 14
    for path in files:
        said = (path.parent / "NOTICE.md").read_text()
        assert re.search(r"Licence: ", said), path
        assert any(name in said for name in LICENCES), path
        assert f"| `{path.name}` | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |" in said, path


def test_no_file_of_a_set_without_a_licence_is_shipped():
    for folder in notices():
        if "none stated" in (folder / "NOTICE.md").read_text():
            assert {p.name for p in folder.iterdir()} == {"NOTICE.md", "mapping.yml"}
    assert not list(ROOT.glob("regions/**/*BATADAL*"))


def test_gpl_data_carries_the_licence_text():
    assert "GNU GENERAL PUBLIC LICENSE" in (YICHANG / "data/skab/LICENSE-GPL-3.0.txt").read_text()
    assert "University of Illinois" in (YICHANG / "data/tep/LICENSE-ILLINOIS.txt").read_text()


def test_the_shipped_pack_has_no_problem(yichang):
    assert yichang.code == "yichang"
    assert len(yichang["datastreams"]) == 41 + 12 + 8 + 43 + 3 * 12
    assert {row["site"] for row in yichang["rules"]} == {row["code"] for row in yichang["sites"]}


def test_every_demonstration_site_says_that_it_is_one(yichang):
    assert yichang.about["demonstration"] is True
    for row in yichang["sites"]:
        assert row["is_demo"]
        assert "演示" in row["name"]
        assert "示意" in row["address"]
    for row in yichang["users"]:
        assert row["display_name"].startswith("演示")


def test_every_site_lies_inside_the_county_it_is_filed_under(yichang):
    shapes = {
        f["properties"]["code"]: f["geometry"]
        for f in json.loads((YICHANG / "layers/county.geojson").read_text())["features"]
    }
    county = {
        row["code"]: row["code"] if row["kind"] == "county" else row["parent"] for row in yichang["orgs"]
    }
    for row in yichang["sites"]:
        assert inside(row["longitude"], row["latitude"], shapes[county[row["org"]]]), row["code"]


def inside(x: float, y: float, geometry: dict) -> bool:
    """Even-odd rule over every ring of a MultiPolygon."""
    crossings = 0
    for polygon in geometry["coordinates"]:
        for ring in polygon:
            for (x1, y1), (x2, y2) in pairwise(ring):
                if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                    crossings += 1
    return crossings % 2 == 1


def test_every_rule_says_where_its_number_is_from(yichang):
    for row in yichang["rules"]:
        assert re.search(r"Downs & Vogel 1993|GB[ /]|HJ 633|演示值，可配置", row["basis"]), row


def test_every_shipped_value_is_inside_its_instruments_range(yichang, nowhere):
    streams = {(row["site"], row["code"]): row for row in yichang["datastreams"]}
    checked = 0
    for track in yichang.tracks:
        dataset = replay.read_dataset(YICHANG / "data" / track["dataset"], nowhere)
        if not dataset.folder.is_relative_to(YICHANG):
            continue
        for run in track["runs"]:
            series = replay.read_series(dataset, run["run"], *run["rows"])
            assert len(series) == run["rows"][1] - run["rows"][0], run
            for j, column in enumerate(dataset.columns):
                row = streams[track["site"], column.code]
                value = units.convert(series.value[:, j], column.unit, row["unit"])
                value = value[~np.isnan(value)]
                assert ((value >= row["range_min"]) & (value <= row["range_max"])).all(), (
                    track["site"],
                    column.code,
                )
                checked += len(value)
    assert checked > 300_000


def test_the_accounts_in_the_readme_are_those_in_the_table(yichang):
    said = (YICHANG / "README.md").read_text()
    assert {row["password"] for row in yichang["users"]} == {"Fengsui-demo-1"}
    assert "`Fengsui-demo-1`" in said
    for row in yichang["users"]:
        assert f"| `{row['username']}` | " in said


def spoil(folder, name, line, /, **cells):
    """Overwrite cells of one line (1 is the heading) of a table."""
    with (folder / name).open(newline="") as file:
        rows = list(csv.reader(file))
    for column, value in cells.items():
        rows[line - 1][rows[0].index(column)] = value
    with (folder / name).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def test_every_bad_row_of_a_pack_is_listed_with_file_and_line(copied, nowhere):
    spoil(copied, "orgs.csv", 4, kind="kingdom", longitude="east")
    spoil(copied, "sites.csv", 2, latitude="130")
    spoil(copied, "sites.csv", 3, org="nobody")
    spoil(copied, "things.csv", 3, code="feed")
    spoil(copied, "datastreams.csv", 2, unit="furlong", range_min="5", range_max="1")
    spoil(copied, "datastreams.csv", 9, thing="boiler")
    spoil(copied, "rules.csv", 2, setpoint="3001")
    spoil(copied, "rules.csv", 4, deadband="7")
    spoil(copied, "rules.csv", 6, datastream="XMEAS_99")
    spoil(copied, "users.csv", 3, role="king")
    (copied / "data/tep/NOTICE.md").unlink()
    with pytest.raises(packs.BadPack) as caught:
        packs.read(copied, nowhere)
    said = "\n".join(caught.value.problems)
    for part in (
        "orgs.csv:4: kind 'kingdom' is not one of",
        "orgs.csv:4: longitude 'east' is not a number",
        "sites.csv:2: latitude '130' is not between -90 and 90",
        "sites.csv:3: org nobody is not in orgs.csv",
        "things.csv:3: yc-chem/feed is already on line 2",
        "datastreams.csv:2: unit 'furlong' unit 'furlong' is not known",
        "datastreams.csv:9: thing boiler of yc-chem is not in things.csv",
        "rules.csv:3: yc-chem/XMEAS_7: setpoint: H at 3001 must be below HH at 3000",
        "rules.csv:4: deadband: must be below the setpoint",
        "rules.csv:6: yc-chem/XMEAS_99 is not in datastreams.csv",
        "users.csv:3: role 'king' is not one of",
        "data/tep: has no NOTICE.md",
    ):
        assert part in said, f"{part}\n--\n{said}"
    told = [problem.split(":")[0] for problem in caught.value.problems]
    assert (told.count("orgs.csv"), told.count("sites.csv"), told.count("rules.csv")) == (2, 2, 3), said


def test_a_parent_must_come_before_its_children(copied, nowhere):
    lines = (copied / "orgs.csv").read_text().splitlines(keepends=True)
    (copied / "orgs.csv").write_text("".join([lines[0], lines[2], lines[1], *lines[3:]]))
    with pytest.raises(packs.BadPack, match=r"orgs.csv:2: parent 420000 must be on a line above"):
        packs.read(copied, nowhere)


def test_a_setpoint_the_instrument_cannot_reach_is_refused(copied, nowhere):
    spoil(copied, "rules.csv", 3, setpoint="9000")
    with pytest.raises(packs.BadPack, match=r"rules.csv:3: .*HH at 9000.* is outside what the instrument"):
        packs.read(copied, nowhere)


def test_a_column_nobody_knows_and_a_short_line_are_named(copied, nowhere):
    path = copied / "devices.csv"
    path.write_text("site,code,nmae\nyc-chem,x,y\nyc-chem\n")
    with pytest.raises(packs.BadPack) as caught:
        packs.read(copied, nowhere)
    assert any("devices.csv:1: column nmae is not known" in p for p in caught.value.problems)
    assert any("devices.csv:3: has not as many cells" in p for p in caught.value.problems)


def test_a_folder_that_is_no_pack_gives_one_clear_line(tmp_path):
    with pytest.raises(packs.BadPack, match="no region pack 'atlantis'"):
        packs.find("atlantis", tmp_path)
