"""``fengsui detectors evaluate`` on small made-up folders, and what it says to folders it cannot score."""

import gzip
import json

import numpy as np
import pytest

from fengsui.run.cli import run
from fengsui.run.detectors import sets
from fengsui.run.detectors.evaluate import evaluate
from fengsui.run.detectors.sets import BadSet, layout

MIX = np.random.default_rng(7).normal(size=(2, 6))


def plant(rows, seed):
    chance = np.random.default_rng(seed)
    return 50 + chance.normal(size=(rows, 2)) @ MIX + 0.3 * chance.normal(size=(rows, 6))


def write(path, head, rows, mark=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([mark.join(head), *(mark.join(map(str, r)) for r in rows)]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


PROCESS = ["sample", *(f"XMEAS_{i}" for i in range(1, 5)), "XMV_1", "XMV_2"]


def tep(folder):
    write(folder / "d00.csv.gz", PROCESS, [(i, *r) for i, r in enumerate(plant(500, 1))])
    write(folder / "d00_te.csv", PROCESS, [(i, *r) for i, r in enumerate(plant(400, 2))])
    for fault, size in ((3, 0.0), (5, 6.0)):
        x = plant(400, 3 + fault)
        x[160:, 4] += size
        write(folder / f"d{fault:02}_te.csv.gz", PROCESS, [(i, *r) for i, r in enumerate(x)])
    write(folder / "d05.csv", PROCESS, [(0, *plant(1, 1)[0])])  # a training run of a fault: not looked at


def skab(folder):
    head = ["datetime", *(f"S{i}" for i in range(6)), "anomaly", "changepoint"]
    for name, seed in (("valve1/0.csv", 1), ("other_1.csv.gz", 2)):
        x = plant(700, seed)
        x[500:600, 2] += 5
        label = [(int(500 <= i < 600), int(i in (500, 600))) for i in range(700)]
        rows = [(_clock(i), *r, *la) for i, (r, la) in enumerate(zip(x, label, strict=True))]
        write(folder / name, head, rows, ";")
    write(folder / "anomaly-free.csv", head[:-2], [(_clock(0), *plant(1, 1)[0])], ";")


def _clock(second):
    return f"2020-03-09 {10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def nab(folder, spike=900):
    chance = np.random.default_rng(1)
    value = 20 + chance.normal(size=1200)
    value[spike] += 30
    times = [f"2014-04-{1 + i // 48:02} {i % 48 // 2:02}:{i % 2 * 30:02}:00" for i in range(1200)]
    write(folder / "real_one.csv", ["timestamp", "value"], zip(times, value, strict=True))
    write(
        folder / "real_two.csv.gz",
        ["timestamp", "value"],
        zip(times, 20 + chance.normal(size=1200), strict=True),
    )
    labels = {"real_one.csv": {"windows": [[times[880], times[920]]]}, "real/two.csv": []}
    (folder / "labels.json").write_text(json.dumps(labels))
    return times


def batadal(folder):
    head = ["DATETIME", *(f"P_{i}" for i in range(6)), "ATT_FLAG"]
    hours = [f"{1 + i // 24 % 28:02}/{1 + i // 672:02}/16 {i % 24:02}" for i in range(2000)]
    write(folder / "one.csv", head, [(t, *r, 0) for t, r in zip(hours, plant(2000, 1), strict=True)])
    x = plant(400, 2)
    x[100:130, 3] += 6
    flag = [1 if 100 <= i < 130 or 200 <= i < 220 else -999 for i in range(400)]
    write(
        folder / "two.csv.gz",
        [f" {c}" for c in head],
        [(t, *r, f) for t, r, f in zip(hours, x, flag, strict=False)],
    )


MAKE = {"tep": tep, "skab": skab, "nab": nab, "batadal": batadal}


@pytest.mark.parametrize("name", MAKE)
def test_a_layout_is_recognised_by_files_and_columns_and_scored_the_same_twice(tmp_path, name):
    MAKE[name](tmp_path)
    assert layout(tmp_path) == name
    found = evaluate(tmp_path)
    assert {"dataset", "detector", "figures", "table", "files", "machine", "versions"} <= set(found)
    assert found["dataset"] == name
    assert found == evaluate(tmp_path)


def test_tep_is_scored_by_fault(tmp_path):
    tep(tmp_path)
    found = evaluate(tmp_path)
    rows = {r["fault"]: r for r in found["table"]}
    assert set(rows) == {0, 3, 5}
    assert rows[5]["combined"]["detection_rate"] > 0.95
    assert rows[5]["combined"]["delay_minutes"] <= 15
    assert rows[5]["contributing"][0]["datastream"] == "XMV_1"
    assert rows[3]["combined"]["detection_rate"] < 0.1
    assert rows[3]["combined"]["delay_samples"] is None
    assert rows[0]["combined"]["detection_rate"] is None
    combined = found["figures"]["combined"]
    assert (combined["faults"], combined["faults_found"], combined["false_alarm_rows"]) == (2, 1, 720)
    assert combined["false_alarm_rate"] < 0.03
    assert set(found["figures"]) == {"t2", "q", "t2_or_q", "combined"}
    assert found["not_scored"] == ["d05.csv"]


def test_normal_operation_may_be_in_another_folder(tmp_path):
    tep(tmp_path / "all")
    whole = evaluate(tmp_path / "all")
    (tmp_path / "tests").mkdir()
    (tmp_path / "all/d05_te.csv.gz").rename(tmp_path / "tests/d05_te.csv.gz")
    with pytest.raises(BadSet, match="--train"):
        evaluate(tmp_path / "tests")
    found = evaluate(tmp_path / "tests", tmp_path / "all")
    assert found["table"] == [r for r in whole["table"] if r["fault"] == 5]


def test_skab_is_scored_row_by_row_and_by_change(tmp_path):
    skab(tmp_path)
    found = evaluate(tmp_path)
    assert [r["file"] for r in found["table"]] == ["other_1.csv.gz", "valve1/0.csv"]
    assert found["not_scored"] == ["anomaly-free.csv"]
    combined = found["figures"]["combined"]
    assert combined["f1"] > 0.85
    assert combined["mar"] < 10
    assert combined["far"] < 8
    assert found["figures"]["changepoint_30s"]["standard"] > 30


def test_nab_is_scored_by_windows(tmp_path):
    nab(tmp_path)
    found = evaluate(tmp_path)
    assert [(r["file"], r["windows"], r["windows_found"]) for r in found["table"]] == [
        ("real_one.csv", 1, 1), ("real_two.csv", 0, 0),
    ]  # fmt: skip
    assert found["figures"]["standard"] > 70
    assert list(found["figures"]) == ["standard", "reward_low_FP", "reward_low_FN"]


def test_batadal_is_scored_by_time_to_detection(tmp_path):
    batadal(tmp_path)
    found = evaluate(tmp_path)
    combined = found["figures"]["combined"]
    assert (combined["attacks"], combined["found"]) in ((2, 1), (2, 2))
    assert combined["tnr"] > 0.9  # the weighted means take some hours to forget an attack
    assert combined["s"] == pytest.approx((combined["s_ttd"] + combined["s_clf"]) / 2, abs=2e-4)
    assert found["table"][0]["delay_hours"] == 0
    assert found["table"][0]["contributing"][0]["datastream"] == "P_3"


def test_the_sensor_truth_score_is_measured_too(tmp_path):
    tep(tmp_path)
    truth = evaluate(tmp_path)["truth"]
    assert truth["found"]["frozen"] == 1
    assert truth["found"]["copied"] == 1
    assert truth["accused_good"] < 0.1
    assert truth["judged_good"] > 6


def spoil(path, line, text):
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (
            lambda f: spoil(f / "d00_te.csv", 7, "5,1,2,three,4,5,6"),
            "d00_te.csv line 7: XMEAS_3 is 'three', no number",
        ),
        (lambda f: spoil(f / "d00_te.csv", 7, "5,1,2"), "d00_te.csv line 7: 3 cells where the header has 7"),
        (lambda f: spoil(f / "d00_te.csv", 7, "5,1,2,1e999,4,5,6"), "line 7: XMEAS_3 is '1e999', no number"),
        (lambda f: spoil(f / "d00_te.csv", 1, ",".join([*PROCESS[:-1], "XMV_1"])), "'XMV_1' is there twice"),
        (lambda f: (f / "d00_te.csv").write_text(""), "d00_te.csv: is empty"),
        (lambda f: (f / "d00_te.csv").write_text(",".join(PROCESS) + "\n"), "no row below its header"),
        (lambda f: (f / "d00_te.csv").write_bytes(b"\xff\xfe,\x00"), "no UTF-8 text"),
        (
            lambda f: (f / "d05_te.csv.gz").write_bytes((f / "d05_te.csv.gz").read_bytes()[:-300]),
            "gzip file is cut",
        ),
        (lambda f: (f / "d05_te.csv.gz").write_bytes(b"plain"), "gzip file is cut or damaged"),
        (
            lambda f: write(f / "d05_te.csv.gz", PROCESS, [(i, *r) for i, r in enumerate(plant(100, 1))]),
            "100 rows; the fault",
        ),
        (
            lambda f: write(f / "d05_te.csv.gz", PROCESS[:-1], [(0, *plant(1, 1)[0][:-1])]),
            "columns are not those of d00",
        ),
        (
            lambda f: write(f / "d00.csv.gz", PROCESS, [(i, *r) for i, r in enumerate(plant(10, 1))]),
            "d00.csv.gz: cannot be learnt",
        ),
        (lambda f: write(f / "x.csv", ["timestamp", "value"], []), "several layouts: tep"),
    ],
)
def test_what_is_damaged_is_named_with_its_row(tmp_path, spoilt, words):
    tep(tmp_path)
    spoilt(tmp_path)
    with pytest.raises(BadSet) as caught:
        evaluate(tmp_path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: None, "holds no .csv"),
        (lambda f: write(f / "a.csv", ["a", "b"], [(1, 2)]), "no file has the columns of a known layout"),
        (lambda f: (nab(f), (f / "labels.json").unlink()), "without labels.json"),
        (lambda f: (nab(f), (f / "labels.json").write_text("{")), "labels.json: is no list of windows"),
        (lambda f: (nab(f), (f / "labels.json").write_text('{"real_one.csv": 3}')), "is no list of windows"),
        (
            lambda f: (nab(f), (f / "labels.json").write_text('{"other.csv": []}')),
            "none of its files is named",
        ),
        (
            lambda f: (nab(f), (f / "labels.json").write_text('{"real_one.csv": []}')),
            "no file has a labelled window",
        ),
        (
            lambda f: (
                nab(f),
                (f / "labels.json").write_text('{"real_one.csv": [["2019-01-01", "2019-01-02"]]}'),
            ),
            "holds no row",
        ),
        (
            lambda f: (skab(f), spoil(f / "valve1/0.csv", 9, _clock(7) + ";1;2;3;4;5;6;2;0")),
            "0.csv line 9: anomaly is 2",
        ),
        (
            lambda f: (skab(f), spoil(f / "valve1/0.csv", 9, "noon;1;2;3;4;5;6;0;0")),
            "0.csv line 9: 'noon' is no time",
        ),
        (
            lambda f: (skab(f), spoil(f / "valve1/0.csv", 9, _clock(0) + ";1;2;3;4;5;6;0;0")),
            "line 9: 2020-03-09 10:00:00 is before",
        ),
        (lambda f: (batadal(f), (f / "one.csv").unlink()), "--train"),
        (lambda f: (batadal(f), (f / "two.csv.gz").unlink()), "no file has an hour with ATT_FLAG 1"),
        (
            lambda f: (batadal(f), spoil(f / "one.csv", 3, "01/01/16 01,1,2,3,4,5,6,7")),
            "one.csv line 3: ATT_FLAG is 7",
        ),
    ],
)
def test_what_cannot_be_scored_says_why(tmp_path, make, words):
    make(tmp_path)
    with pytest.raises(BadSet) as caught:
        evaluate(tmp_path)
    assert words in str(caught.value)


def test_a_file_that_never_ends_is_refused(tmp_path, monkeypatch):
    tep(tmp_path)
    monkeypatch.setattr(sets, "MOST_CELLS", 450 * 6)
    with pytest.raises(BadSet, match="more than 450 rows"):
        evaluate(tmp_path)
    monkeypatch.setattr(sets, "MOST_COLUMNS", 5)
    with pytest.raises(BadSet, match="6 columns of numbers"):
        evaluate(tmp_path)
    monkeypatch.setattr(sets, "MOST_CHARACTERS", 20)
    with pytest.raises(BadSet, match="line 1: longer than 20 characters"):
        evaluate(tmp_path)


def test_the_command_prints_lines_or_json_and_answers_1_to_what_it_does_not_know(tmp_path, capsys):
    nab(tmp_path / "nab")
    assert run(["detectors", "evaluate", str(tmp_path / "nab")]) == 0
    assert "standard" in capsys.readouterr().out
    assert run(["detectors", "evaluate", str(tmp_path / "nab"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset"] == "nab"
    assert run(["detectors", "evaluate", str(tmp_path / "none")]) == 1
    assert "is no folder" in capsys.readouterr().err
