"""Training on stored history: what is kept, that it is what was trained, and what it says about another stretch."""

import json

import numpy as np
import pytest

from fengsui.people.audit.models import Entry
from fengsui.run.cli import run
from fengsui.stores.history import Catalogue, write_segments
from fengsui.stores.history.rows import SCHEMA
from fengsui.warn.detecting import services, training
from fengsui.warn.detecting.errors import BadModel
from fengsui.warn.detecting.models import Detector, Trained
from fengsui.warn.detecting.training import grid, interval_ms
from tests.show.world import World
from tests.stores.history.conftest import NAMES, T0, make_rows

ROWS = 1_200
EVERY = 60_000
MIX = np.random.default_rng(7).normal(size=(2, 6))


def plant(rows, seed):
    chance = np.random.default_rng(seed)
    return 50 + chance.normal(size=(rows, 2)) @ MIX + 0.3 * chance.normal(size=(rows, 6))


@pytest.fixture
def site(db, settings, tmp_path, monkeypatch):
    """A site with six datastreams; twenty normal hours by the minute, then two with a leap of D3."""
    settings.HISTORY_ROOT = tmp_path / "history"
    monkeypatch.setenv("FENGSUI_HOME", str(tmp_path))
    world = World()
    made = world.add_site("works-1", "化工厂", world.plant_org)
    ids = [world.add_stream(made, f"D{k}", f"D{k}", "kPa").pk for k in range(6)]
    x = plant(ROWS + 120, 1)
    x[ROWS + 60 :, 3] += 6
    at = T0 + np.arange(len(x)) * EVERY
    rows = make_rows(np.repeat(ids, len(x)), np.tile(at, 6), x.T.ravel())
    catalogue = Catalogue.default()
    catalogue.add(write_segments(catalogue.folder, 0, rows, NAMES))
    return made


def when(row):
    return np.datetime_as_string(np.datetime64(T0 + row * EVERY, "ms"), timezone="UTC")


def command(action, first, last, *more):
    return run(["detectors", action, "--site", "works-1", "--from", when(first), "--to", when(last), *more])


def test_a_model_learnt_from_history_finds_a_fault_and_names_its_datastream(site, capsys):
    assert command("train", 0, ROWS, "--note", "after the overhaul") == 0
    assert "works-1 version 1: 6 datastreams, 1200 rows of 60000 ms" in capsys.readouterr().out
    assert command("judge", ROWS, ROWS + 120, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    late = [f for f in said["findings"] if f["worst"] > 2]
    assert [f["contributing"][0]["datastream"] for f in late] == ["D3"]
    assert late[0]["begins"] == when(ROWS + 60).replace(".000Z", "Z")
    assert late[0]["ends"] == when(ROWS + 120).replace(".000Z", "Z")
    assert (said["rows"], said["rows_judged"], said["version"]) == (120, 120, 1)
    assert [t["score"] for t in said["truth"]] == [100] * 6
    assert command("judge", ROWS, ROWS + 120) == 0
    assert "D3" in capsys.readouterr().out


def test_training_is_audited_and_versions_are_kept_apart(site, capsys):
    assert command("train", 0, ROWS) == 0
    assert command("train", 0, 600, "--datastream", "D1", "--datastream", "D2", "--datastream", "D4") == 0
    capsys.readouterr()
    assert run(["detectors", "list", "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert [(k["version"], k["codes"], k["rows"]) for k in kept] == [
        (1, ["D0", "D1", "D2", "D3", "D4", "D5"], 1200), (2, ["D1", "D2", "D4"], 600),
    ]  # fmt: skip
    said = [e.detail for e in Entry.objects.filter(action="detector.trained").order_by("pk")]
    assert [(d["version"], d["sha256"]) for d in said] == [(k["version"], k["sha256"]) for k in kept]
    assert run(["detectors", "show", "--site", "works-1", "--version", "1"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version"], shown["not_judged"], len(shown["limits"])) == (1, [], 6)
    assert run(["detectors", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("method", ["unit", "charts", "course"])
def test_what_is_loaded_judges_as_what_was_trained(site, method):
    x = plant(600, 1)
    learnt = training.learn(method, x, EVERY, T0)
    detector = services.create("test", site, method, method)
    about = {"datastreams": [1, 2, 3, 4, 5, 6], "codes": list("abcdef"), "from": "", "to": ""}
    about |= {"every_ms": EVERY, "rows": 600}
    kept = training.keep("test", detector, learnt, about)
    training._learnt.cache_clear()
    again = training.load(kept)
    other = plant(300, 2)
    other[200:, 1] += 5
    begins = T0 + 600 * EVERY
    found = training.judge(again, other, begins, EVERY)
    assert found == training.judge(training.Loaded(kept.about, learnt), other, begins, EVERY)
    assert any(f.shares[0][0] == 2 and 0 <= f.begins_ms - begins - 200 * EVERY <= 3 * EVERY for f in found), (
        found
    )
    assert training.truths(again, other) == training.truths(training.Loaded(about, learnt), other)
    assert training.keep("test", detector, learnt, about).version == 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda row: {"learnt": bytes(row.learnt)[:-9] + b"123456789"}, "checksum"),
        (lambda row: {"learnt": b""}, "checksum"),
        (lambda row: {"about": {**row.about, "format": 9}}, "format 9"),
    ],
)
def test_a_model_that_was_changed_is_not_used(site, spoil, words):
    assert command("train", 0, ROWS) == 0
    row = Trained.objects.get()
    Trained.objects.filter(pk=row.pk).update(**spoil(row))
    training._learnt.cache_clear()
    with pytest.raises(BadModel, match=words):
        training.load(Trained.objects.get())
    with pytest.raises(BadModel, match=words):
        services.activate("test", Detector.objects.get(), 1, "trial")


def test_refusals_say_what_to_do(site, capsys):
    for given, words, code in (
        (["train", 0, ROWS, "--datastream", "D9"], "no active datastream D9", 1),
        (["train", 0, ROWS, "--datastream", "D1"], "1 datastreams: a unit has 2", 1),
        (["train", 0, 5], "5 rows for 6 datastreams", 1),
        (["train", ROWS + 500, ROWS + 600], "no datastream has two readings", 1),
        (["train", 0, ROWS, "--every", "0.00001"], "a millisecond or more", 1),
        (["train", 9, 9], "--to must be later", 2),
        (["judge", 0, 9], "no model is kept", 1),
        (["train", 0, 9, "--method", "charts", "--detector", "c"], "9 rows", 1),
    ):
        action, first, last, *more = given
        assert command(action, first, last, *more) == code, given
        assert words in capsys.readouterr().err
    assert run(["detectors", "train", "--site", "none", "--from", when(0), "--to", when(9)]) == 1
    assert "there is no site 'none'" in capsys.readouterr().err
    assert run(["detectors", "train", "--site", "none", "--from", "noon", "--to", when(9)]) == 2
    assert not Entry.objects.filter(action="detector.trained").exists()


def table(rows):
    import pyarrow as pa

    columns = list(zip(*rows, strict=True))
    return pa.table(
        [
            pa.array(columns[0], pa.int32()), pa.array([T0 + t for t in columns[1]], pa.timestamp("ms", "UTC")),
            pa.array(columns[2], pa.float64()), pa.array(columns[3], pa.uint8()),
        ],
        names=["datastream", "time", "value", "quality"],
    )  # fmt: skip


def test_readings_become_rows():
    fast = [(1, t * 1000, float(t), 0) for t in range(6)]
    slow = [(2, 0, 7.0, 0), (2, 3000, 8.0, 0)]
    found = table([*fast, (1, 5500, 99.0, 2), *slow, (3, 0, 1.0, 0)])
    assert interval_ms(found) == pytest.approx(2000)
    cells = grid(found, [2, 1], T0, T0 + 6000, 1000)
    assert cells[:, 1].tolist() == [0, 1, 2, 3, 4, 5]  # the bad one counts for nothing
    assert cells[:, 0].tolist() == [7, 7, 7, 8, 8, 8]  # stands until it should have spoken again
    assert np.isnan(grid(found, [3], T0, T0 + 3000, 1000)[1:]).all()
    assert "value" in SCHEMA.names
    with pytest.raises(BadModel, match="rows of 1 datastreams"):
        grid(found, [1], T0, T0 + 10**12, 1)
