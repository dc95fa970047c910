"""Score the detectors on a public benchmark: trained on what it allows, scored by its own metric, told as plain data.

No parameter is fitted to a benchmark: all are the defaults of ``warn.detectors``, whose reasons stand there.
"""

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fengsui.run.bench import machine
from fengsui.run.detectors import sets
from fengsui.run.detectors.sets import BadSet, Table
from fengsui.warn.detectors import forecast, metrics, monitor, truth
from fengsui.warn.detectors.components import TooLittle
from fengsui.warn.detectors.metrics import Confusion

TEP_ONSET = 160  # of 960 rows of a test run: 8 h at one row in 3 minutes
TEP_MINUTES = 3
SKAB_TRAIN = 400  # rows of each file that the leaderboard's methods learn from
SKAB_WINDOWS_S = (30, 60)  # its text says 30 s, its present notebooks 60 s
HOLD = round(1 / monitor.WEIGHT)  # rows: the memory of the weighted mean
ALONE = {"t2": [0], "q": [1], "t2_or_q": [0, 1]}
TAMPERED = ("frozen", "too_clean", "copied", "repeated")


def evaluate(folder: Path, train: Path | None = None) -> dict[str, Any]:
    """The figures of ``folder``; ``train`` is where the normal operation is, if not there.  Raises BadSet."""
    name = sets.layout(folder)
    found = LAYOUTS[name](folder, train or folder)
    return {
        "dataset": name,
        "detector": {
            "name": "course" if name == "nab" else "monitor",
            "parameters": {"risk": forecast.RISK, "weight": forecast.WEIGHT, "quiet": forecast.QUIET}
            if name == "nab"
            else {"alpha": monitor.ALPHA, "weight": monitor.WEIGHT, "statistics": list(monitor.STATISTICS)},
        },
        **found,
        "machine": machine(),
        "versions": {name: metadata.version(name) for name in ("fengsui", "numpy", "numba")},
    }


def _tep(folder: Path, train: Path) -> dict[str, Any]:
    """T², Q and all six statistics together: detection rate a fault, delay, false alarms on fault-free rows."""
    runs = {p.name.split(".")[0]: p for p in sets.files(folder)}
    normal = next((p for p in sets.files(train) if p.name.split(".")[0] == "d00"), None)
    if normal is None:
        raise BadSet(
            f"{train}: has no d00.csv, the normal operation to learn from; name its folder with --train"
        )
    tests = {name: path for name, path in runs.items() if re.fullmatch(r"d\d+_te", name)}
    if not tests:
        raise BadSet(
            f"{folder}: has no test run dNN_te.csv; runs without _te are for learning and are not scored"
        )
    learnt = _process(normal)
    watch = _trained(learnt, learnt.values)
    pooled: dict[str, list[np.ndarray]] = {name: [] for name in (*ALONE, "combined")}
    rows, quiet = [], []
    for name, path in tests.items():
        one = _process(path, learnt)
        fault, onset = int(name[1:].split("_")[0]), TEP_ONSET
        if fault == 0:
            onset = len(one.values)
        elif len(one.values) <= onset:
            raise BadSet(
                f"{path.name}: {len(one.values)} rows; the fault of a test run begins after row {TEP_ONSET}: get "
                f"it whole"
            )
        quiet.append(one.values[:onset])
        said = _said(monitor.watch(one.values, watch), watch)
        row: dict[str, Any] = {"fault": fault, "file": path.name}
        for key, flags in said.items():
            pooled[key].append(flags[:onset])
            scored = metrics.process_fault(flags, onset)
            row[key] = {
                "detection_rate": _round(scored.detected),
                "false_alarm_rate": _round(scored.false_alarms),
                "delay_samples": scored.delay,
                "delay_minutes": None if scored.delay is None else scored.delay * TEP_MINUTES,
            }
        if fault:
            row["contributing"] = _contributing(watch, one, onset, row["combined"]["delay_samples"])
        rows.append(row)
    faulty = [r for r in rows if r["fault"]]
    figures = {
        key: {
            "detection_rate": _mean([r[key]["detection_rate"] for r in faulty]),
            "faults_found": sum(r[key]["delay_samples"] is not None for r in faulty),
            "faults": len(faulty),
            "false_alarm_rate": _round(float(np.concatenate(flags).mean())),
            "false_alarm_rows": sum(map(len, flags)),
        }
        for key, flags in pooled.items()
    }
    return {
        "figures": figures,
        "table": rows,
        "truth": _truth(learnt.values, quiet),
        "model": _model(watch),
        "not_scored": sorted(p.name for name, p in runs.items() if name not in tests and p != normal),
        "files": _files([learnt, *(_process(p) for p in tests.values())]),
    }


def _skab(folder: Path, train: Path) -> dict[str, Any]:
    """Each file learns from its own first rows, as on the leaderboard, and is scored whole."""
    total: dict[str, Confusion] = {}
    changes: dict[int, list[dict[str, tuple[float, float, float]]]] = {w: [] for w in SKAB_WINDOWS_S}
    rows, tables, left = [], [], []
    for path in sets.files(folder):
        if "anomaly" not in sets.header(path):
            left.append(_name(folder, path))
            continue
        one = sets.table(path, "datetime")
        if len(one.values) <= SKAB_TRAIN:
            raise BadSet(
                f"{path.name}: {len(one.values)} rows; the first {SKAB_TRAIN} are for learning: get the file whole"
            )
        true, turning = sets.flags(one, "anomaly"), sets.flags(one, "changepoint")
        values, at = one.but("anomaly", "changepoint"), sets.seconds(one)
        watch = _trained(one, values[:SKAB_TRAIN])
        said = _said(monitor.watch(values, watch), watch)
        row: dict[str, Any] = {"file": _name(folder, path)}
        for key, flags in said.items():
            scored = metrics.confusion(true, flags)
            total[key] = total.get(key, Confusion()) + scored
            row[key] = _outliers(scored)
        state = monitor.steady(said["combined"], HOLD)
        turns = np.concatenate([[False], state[1:] != state[:-1]])
        for width in SKAB_WINDOWS_S:
            changes[width].append(metrics.changepoints(at, turning, turns, width))
        rows.append(row)
        tables.append(one)
    figures: dict[str, Any] = {key: _outliers(one) for key, one in total.items()}
    for width, scores in changes.items():
        figures[f"changepoint_{width}s"] = {k: _round(v, 2) for k, v in metrics.normalised(scores).items()}
    return {"figures": figures, "table": rows, "not_scored": left, "files": _files(tables)}


def _nab(folder: Path, train: Path) -> dict[str, Any]:
    """Each file is a stream: the detector learns while it runs; the probationary part is not scored."""
    labels = sets.windows(folder)
    scores, rows, tables, left = [], [], [], []
    for path in sets.files(folder):
        if sets.header(path) != ["timestamp", "value"]:
            left.append(path.name)
            continue
        name = path.name.removesuffix(".gz")
        marked = labels.get(name, labels.get(f"{path.parent.name}_{name}"))
        if marked is None:
            left.append(path.name)
            continue
        one = sets.table(path, "timestamp")
        at = sets.seconds(one, back=True)  # NAB's own files do, where a clock was put back
        said = _stream(at, one.values[:, 0])
        windows = [_window(at, first, last, one) for first, last in marked]
        score = metrics.nab(said.onset, windows)
        begins = np.flatnonzero(said.onset)
        inside = sum(bool(((begins >= a) & (begins <= b)).any()) for a, b in windows)
        rows.append({
            "file": name, "rows": len(at), "rows_back_in_time": int((np.diff(at) < 0).sum()),
            "alarms": len(begins), "windows": len(windows), "windows_found": inside,
            **{profile: _round(one_score[0]) for profile, one_score in score.items()},
        })  # fmt: skip
        scores.append(score)
        tables.append(one)
    if not scores:
        raise BadSet(
            f"{folder}: none of its files is named among the labels ({', '.join(left[:3])} …); their names must agree"
        )
    if not any(r["windows"] for r in rows):
        raise BadSet(
            f"{folder}: no file has a labelled window, and NAB's score is a part of the windows; add files that have"
        )
    figures = {k: _round(v, 2) for k, v in metrics.normalised(scores).items()}
    return {"figures": figures, "table": rows, "not_scored": left, "files": _files(tables)}


def _batadal(folder: Path, train: Path) -> dict[str, Any]:
    """Learns from the files without attack, is scored on each with attacks; -999 (not labelled) counts as no attack."""
    tests = [t for t in map(_water, _with(folder, "ATT_FLAG")) if (t.column("ATT_FLAG") == 1).any()]
    normal = [t for t in map(_water, _with(train, "ATT_FLAG")) if (t.column("ATT_FLAG") == 0).all()]
    if not normal:
        raise BadSet(
            f"{train}: every file has attacks or unlabelled hours; name the folder of the year without with --train"
        )
    if not tests:
        raise BadSet(f"{folder}: no file has an hour with ATT_FLAG 1; there is nothing to score")
    learnt = max(normal, key=lambda t: len(t.values))
    watch = _trained(learnt, learnt.but("ATT_FLAG"))
    rows: list[dict[str, Any]] = []
    flags: dict[str, list[np.ndarray]] = {}
    true: list[np.ndarray] = []
    for one in tests:
        if one.columns != learnt.columns:
            raise BadSet(
                f"{one.path.name}: its columns are not those of {learnt.path.name}, which was learnt from; give "
                f"both the same"
            )
        attack = one.column("ATT_FLAG") == 1
        watched = monitor.watch(one.but("ATT_FLAG"), watch)
        said = _said(watched, watch)
        edges = np.diff(np.concatenate([[0], attack.astype(np.int8), [0]]))
        for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            found = np.flatnonzero(said["combined"][begin:end])
            delay = int(found[0]) if len(found) else None
            rows.append({
                "file": one.path.name, "begins": one.time[begin], "hours": int(end - begin), "delay_hours": delay,
                "contributing": _contributing(watch, one, int(begin), delay),
            })  # fmt: skip
        gap = np.zeros(1, bool)  # so that an attack at an end does not run into the next file
        true += [attack, gap]
        for key, one_said in said.items():
            flags.setdefault(key, []).extend([one_said, gap])
    figures = {}
    for key, all_said in flags.items():
        score = metrics.batadal(np.concatenate(true)[:-1], np.concatenate(all_said)[:-1])
        assert score is not None
        figures[key] = {
            k: _round(getattr(score, k)) for k in ("s", "s_ttd", "s_clf", "tpr", "tnr", "attacks", "found")
        }
    values = learnt.but("ATT_FLAG")
    half = len(values) // 2
    stretches = [
        values[i : i + 2 * truth.WINDOW]
        for i in range(half, len(values) - 2 * truth.WINDOW, 12 * truth.WINDOW)
    ]
    return {
        "figures": figures,
        "table": rows,
        "truth": _truth(values[:half], stretches),
        "model": _model(watch),
        "not_scored": [p.name for p in sets.files(folder) if p not in {t.path for t in (learnt, *tests)}],
        "files": _files([learnt, *tests]),
    }


LAYOUTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "tep": _tep, "skab": _skab, "nab": _nab, "batadal": _batadal,
}  # fmt: skip


def _process(path: Path, like: Table | None = None) -> Table:
    one = sets.table(path, skip=("sample",))
    if like and one.columns != like.columns:
        raise BadSet(
            f"{path.name}: its columns are not those of {like.path.name}, which was learnt from; give both the same"
        )
    return one


def _water(path: Path) -> Table:
    one = sets.table(path, "DATETIME")
    label = one.column("ATT_FLAG")
    wrong = np.flatnonzero(~np.isin(label, (0, 1, -999)))
    if len(wrong):
        raise BadSet(
            f"{path.name} line {wrong[0] + 2}: ATT_FLAG is {label[wrong[0]]:g}; 0, 1 and -999 are known"
        )
    sets.seconds(one, "%d/%m/%y %H")
    return one


def _with(folder: Path, column: str) -> list[Path]:
    return [p for p in sets.files(folder) if column in sets.header(p)]


def _trained(one: Table, values: np.ndarray) -> monitor.Monitor:
    try:
        return monitor.train(values)
    except TooLittle as error:
        raise BadSet(f"{one.path.name}: cannot be learnt from: {error}") from None


def _said(watched: monitor.Watched, watch: monitor.Monitor) -> dict[str, np.ndarray]:
    """Row by row, what each detector says: T² and Q each with the whole budget, and the six that share it."""
    over: np.ndarray = watched.statistic > watch.alone
    return {
        **{name: np.any(over[:, which], axis=1) for name, which in ALONE.items()},
        "combined": watched.abnormal,
    }


def _contributing(watch: monitor.Monitor, one: Table, begin: int, delay: int | None) -> list[dict[str, Any]]:
    """The three datastreams that made the first reading of the detection abnormal."""
    if delay is None:
        return []
    names = [c for c in one.columns if c != "ATT_FLAG"]
    values = one.but("ATT_FLAG")
    state, _ = monitor.step(monitor.WatchState.fresh(watch), values[: begin + delay], watch)
    shares = monitor.explain(state, values[begin + delay], watch)[:3]
    return [{"datastream": names[s.column], "share": _round(s.part)} for s in shares]


def _stream(at: np.ndarray, values: np.ndarray) -> forecast.Judged:
    every = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    day = (
        round(86400 / every) if every >= 1 else 0
    )  # faster than a second: a week of it would not fit into memory
    slot = np.floor(at / every + 0.5).astype(np.int64) if every else np.arange(len(at))
    probation = int(min(metrics.PROBATION * len(at), metrics.PROBATION * 5000))
    course = forecast.Course(day, probation)
    return forecast.step(forecast.CourseState.fresh(course), slot, values, course)[1]


def _window(at: np.ndarray, first: str, last: str, one: Table) -> tuple[int, int]:
    edges = sets.seconds(Table(one.path, (), np.empty((2, 0)), (first, last), ""), back=True)
    inside = np.flatnonzero((at >= edges[0]) & (at <= edges[1]))
    if not len(inside):
        raise BadSet(
            f"labels of {one.path.name}: the window {first} to {last} holds no row; labels and file do not "
            f"belong together"
        )
    return int(inside[0]), int(inside[-1])


def _truth(normal: np.ndarray, stretches: list[np.ndarray]) -> dict[str, Any]:
    """How often the sensor truth score finds what was done to good data, and how often it accuses good data.

    In the last window of each stretch, each datastream in turn is held at its value, smoothed to a tenth of its
    noise, replaced by a neighbour's values, or by its own of an hour of readings ago.
    """
    usual, window = truth.learn(normal), truth.WINDOW
    found = dict.fromkeys(TAMPERED, 0)
    tried = dict.fromkeys(TAMPERED, 0)
    accused, judged = 0, 0
    for stretch in stretches[:4]:
        if len(stretch) < window + truth.STRETCH:
            continue
        for k in range(stretch.shape[1]):
            recent = truth.Recent(stretch, window, len(stretch))
            judged += 1
            accused += bool(truth.judge(recent, k, usual).reasons)
            if len(np.unique(stretch[-window:, k])) < 2 * truth.DISTINCT:
                continue  # a state that seldom changes has no noise to miss
            for what in TAMPERED:
                changed = stretch.copy()
                changed[-window:, k] = _tampered(stretch, k, what, window)
                said = truth.judge(truth.Recent(changed, window, len(changed)), k, usual)
                tried[what] += 1
                found[what] += any(r.what == what for r in said.reasons)
    return {
        "found": {w: _round(found[w] / tried[w]) if tried[w] else None for w in TAMPERED},
        "tried": tried,
        "accused_good": _round(accused / judged) if judged else None,
        "judged_good": judged,
    }


def _tampered(stretch: np.ndarray, column: int, what: str, window: int) -> np.ndarray:
    v = stretch[-window:, column]
    if what == "frozen":
        return np.full(window, v[0])
    if what == "too_clean":
        straight = np.linspace(v[0], v[-1], window)
        slow = np.convolve(np.pad(v, 10, "edge"), np.ones(21) / 21, "valid")
        return np.asarray(slow if np.ptp(slow) > 0 else straight)
    if what == "copied":
        # the nearest neighbour that moves
        for back in range(1, stretch.shape[1]):
            other = stretch[-window:, column - back]
            if len(np.unique(other)) >= 2 * truth.DISTINCT:
                return np.asarray(other)
        return np.asarray(v)
    back = min(60, len(stretch) - window)
    return np.asarray(
        np.concatenate([v[: window - back], stretch[-window - back : -window, column]])[-window:]
    )


def _model(watch: monitor.Monitor) -> dict[str, Any]:
    return {
        "components": len(watch.model.eigen),
        "lags": watch.model.lags,
        "datastreams_used": int(watch.model.used.sum()),
        "datastreams": len(watch.model.used),
        "rows": watch.model.rows,
        "follow": watch.follow,
    }


def _outliers(one: Confusion) -> dict[str, float | None]:
    return {"f1": _round(one.f1), "far": _round(one.far, 2), "mar": _round(one.mar, 2)}


def _files(tables: list[Table]) -> list[dict[str, Any]]:
    return [{"file": t.path.name, "rows": len(t.values), "sha256": t.sha256} for t in tables]


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _mean(numbers: list[float | None]) -> float | None:
    known = [n for n in numbers if n is not None]
    return _round(sum(known) / len(known)) if known else None


def _round(number: float | None, digits: int = 4) -> float | None:
    return None if number is None else round(float(number), digits)
