"""``fengsui natural``: files in, levels out, thresholds checked; what is wrong is said with its place."""

import gzip
import json
from datetime import datetime

import pytest

from fengsui.run import cli
from fengsui.warn.natural import thresholds
from fengsui.warn.naturals.models import Quake, Source, Statement, ThresholdSet
from tests.warn.natural.test_judging import HATO


@pytest.fixture
def run(place, capsys):
    def run(*words):
        code = cli.run(["natural", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_recorded_typhoon_is_played_over_a_place(run, tmp_path):
    """The landfall of Hato, moved by nothing: Zhuhai is where it happened."""
    file = tmp_path / "season.txt"
    file.write_text(HATO)
    words = [
        "import",
        "storms",
        file,
        "--org",
        "zhuhai",
        "--play",
        "2017-08-23T02:00+00:00",
        "--only",
        "201713",
    ]
    assert run(*words, "--dry-run") == (0, "1 entries: 1 new, 0 known, 0 refused; nothing was kept\n")
    assert run(*words)[0] == 0
    assert run("judge")[1].startswith("1 judged: 1 raised")
    row = Statement.objects.get()
    assert (row.kind, row.level, row.is_demo, Source.objects.get().is_demo) == ("typhoon", 1, True, True)
    assert run(*words, "--moved", "west")[0] == 1
    assert run(*words, "--moved", "0,80")[0] == 1, "off the earth"


def test_what_is_refused_is_named_and_the_exit_code_says_so(run, tmp_path):
    file = tmp_path / "week.geojson.gz"
    feature = {
        "type": "Feature",
        "id": "a",
        "properties": {"mag": 11, "time": 1},
        "geometry": {"coordinates": [1, 2]},
    }
    file.write_bytes(gzip.compress(json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()))
    code, said = run("import", "quakes", file, "--org", "zhuhai")
    assert (code, Quake.objects.count()) == (1, 0)
    assert "entry 1: magnitude: 11" in said
    assert run("import", "quakes", file, "--org", "nowhere")[0] == 1
    assert run("import", "quakes", tmp_path / "none", "--org", "zhuhai")[0] == 2
    assert run("import", "quakes", file, "--org", "zhuhai", "--user", "stranger")[0] == 1


def test_thresholds_are_printed_and_checked_before_anything_changes(run, tmp_path):
    assert json.loads(run("thresholds")[1]) == json.loads(thresholds.shipped_text())
    file = tmp_path / "mine.json"
    file.write_text(thresholds.shipped_text().replace('"version": "1"', '"version": "2"'))
    assert "nothing was changed" in run("thresholds", file)[1]
    file.write_text("{}")
    assert run("thresholds", file)[0] == 1
    assert ThresholdSet.objects.count() == 0
    assert run("judge", "--at", datetime(2026, 8, 1).isoformat())[0] == 1, "without an offset"
