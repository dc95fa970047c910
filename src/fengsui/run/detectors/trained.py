"""Models learnt from stored history: files with a version and a checksum, and what they say about another stretch.

A model is ``FENGSUI_HOME/detectors/SITE/NNNN.npz`` (arrays, nothing that runs) with ``NNNN.json`` beside it, which says
what it was learnt from and the SHA-256 of the arrays.  A version is never written twice; one without its JSON was not
finished.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fengsui.base.errors import BadInput
from fengsui.base.quality import Quality
from fengsui.stores.durable import make_folder, sync_folder
from fengsui.warn.detectors import monitor, truth
from fengsui.warn.detectors.components import Components, TooLittle
from fengsui.warn.detectors.monitor import Monitor
from fengsui.warn.detectors.truth import Usual

FORMAT = 1
MOST_CELLS = 50_000_000  # rows times datastreams: 400 MB
MOST_DATASTREAMS = 300
TRUTH_ROWS = 5_000  # what is usual of an instrument is seen in the last so many rows
HELD = 1.5  # times its own interval a value stands for: an analyser speaks less often than a gauge
NAMED = 3  # datastreams named with a finding


class BadModel(BadInput):
    """A detector that cannot be trained, read or applied: the message says what and what to do."""

    code = "run.bad_detector"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model as kept.  ``about`` is its JSON: site, version, datastreams, span, interval, rows, sha256 …"""

    about: dict[str, Any]
    monitor: Monitor
    usual: Usual


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch in which the unit was abnormal, with the datastreams that made its worst row so."""

    begins_ms: int
    ends_ms: int
    rows: int
    worst: float
    worst_ms: int
    shares: tuple[tuple[int, float], ...]  # datastream id, part


def interval_ms(table: pa.Table) -> int:
    """The interval at which most datastreams speak: the median of their median intervals.  Raises BadModel."""
    found = list(_intervals(table).values())
    if not found:
        raise BadModel(
            "no datastream has two readings in this span; choose a span in which the site was heard"
        )
    return max(1, round(float(np.median(found))))


def grid(table: pa.Table, ids: Sequence[int], from_ms: int, to_ms: int, every_ms: int) -> np.ndarray:
    """Readings as rows ``every_ms`` apart, a column for each of ``ids``: the last value not bad, NaN if none.

    ``table`` is as ``history.queries.query`` gives it.  A value stands until its datastream should have spoken again.
    """
    rows = -(-(to_ms - from_ms) // every_ms)
    if rows < 1 or rows * len(ids) > MOST_CELLS:
        raise BadModel(
            f"{rows:,} rows of {len(ids)} datastreams: 1 to {MOST_CELLS // max(1, len(ids)):,} rows fit; choose "
            "another span or a longer interval"
        )
    datastream, at, value = _columns(table)
    cells = np.full((rows, len(ids)), np.nan)
    column = {id_: k for k, id_ in enumerate(ids)}
    known = np.isfinite(value)
    where = np.array([column.get(int(d), -1) for d in datastream[known]], np.int64)
    row = (at[known] - from_ms) // every_ms
    inside = (where >= 0) & (row >= 0) & (row < rows)
    cells[row[inside], where[inside]] = value[known][inside]  # in time order: the last one stays
    for id_, own_ms in _intervals(table).items():
        if id_ in column and own_ms * HELD > every_ms:
            _hold(cells[:, column[id_]], int(own_ms * HELD / every_ms))
    return cells


def train(cells: np.ndarray, about: dict[str, Any]) -> Trained:
    """A model of these rows; ``about`` says whose and when.  Raises BadModel."""
    try:
        learnt = monitor.train(cells)
    except TooLittle as error:
        raise BadModel(f"cannot be learnt from: {error}; choose a longer span or fewer datastreams") from None
    usual = truth.learn(cells[-TRUTH_ROWS:])
    return Trained({**about, "format": FORMAT, "rows": len(cells)}, learnt, usual)


def save(folder: Path, one: Trained) -> Trained:
    """Keep as the next version of its site; durable when it returns.  Two at once get two versions."""
    here = folder / str(one.about["site"])
    make_folder(here)
    data = io.BytesIO()
    arrays: dict[str, Any] = dict(_arrays(one))
    np.savez_compressed(data, **arrays)
    draft = here / f".{os.getpid()}.npz"
    with draft.open("wb") as file:
        file.write(data.getvalue())
        file.flush()
        os.fsync(file.fileno())
    version = 1 + max([int(p.stem) for p in here.glob("[0-9]*.npz")], default=0)
    while True:
        try:
            os.link(draft, here / f"{version:04}.npz")
            break
        except FileExistsError:
            version += 1
    draft.unlink()
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    about = {**one.about, "version": version, "sha256": digest, "fengsui": metadata.version("fengsui")}
    paper = here / f".{os.getpid()}.json"
    with paper.open("w", encoding="utf-8") as file:
        file.write(json.dumps(about, ensure_ascii=False, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    paper.rename(here / f"{version:04}.json")
    sync_folder(here)
    return Trained(about, one.monitor, one.usual)


def listed(folder: Path, site: str = "") -> list[dict[str, Any]]:
    """What is kept, by site and version; a JSON that cannot be read is listed with ``damaged``."""
    found = []
    for path in sorted(folder.glob("*/[0-9]*.json")):
        if site and path.parent.name != site:
            continue
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, OSError) as error:
            found.append({"site": path.parent.name, "version": int(path.stem), "damaged": str(error)})
    return found


def load(folder: Path, site: str, version: int = 0) -> Trained:
    """A version of a site's model, the newest if 0; its checksum is compared.  Raises BadModel."""
    kept = [a for a in listed(folder, site) if not version or a["version"] == version]
    if not kept:
        which = f"version {version}" if version else "no model"
        raise BadModel(f"{site}: {which} is kept; see: fengsui detectors list, or train one")
    about = kept[-1]
    name = f"{site} version {about['version']}"
    try:
        data = (folder / site / f"{about['version']:04}.npz").read_bytes()
    except OSError as error:
        raise BadModel(f"{name}: its file cannot be read ({error.strerror}); train it anew") from None
    if "damaged" in about or hashlib.sha256(data).hexdigest() != about.get("sha256"):
        raise BadModel(
            f"{name}: its file is not what was trained (checksum); take it out of the folder and train it anew"
        )
    if about.get("format") != FORMAT:
        raise BadModel(
            f"{name}: is of format {about.get('format')}, this program reads {FORMAT}; train it anew"
        )
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _model(about, {k: arrays[k] for k in arrays.files})
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadModel(f"{name}: cannot be read ({error}); train it anew") from None


def judge(one: Trained, cells: np.ndarray, from_ms: int, every_ms: int) -> list[Finding]:
    """The abnormal stretches among these rows, in time order.

    A stretch ends when the weighted mean of the model could have forgotten what began it.
    """
    watched = monitor.watch(cells, one.monitor)
    rows = np.flatnonzero(watched.abnormal)
    if not len(rows):
        return []
    forget = round(1 / one.monitor.weight)
    ids = one.about["datastreams"]
    found = []
    state, done = monitor.WatchState.fresh(one.monitor), 0
    for part in np.split(rows, np.flatnonzero(np.diff(rows) > forget) + 1):
        worst = int(part[np.argmax(watched.ratio[part])])
        state, _ = monitor.step(state, cells[done:worst], one.monitor)
        done = worst
        shares = monitor.explain(state, cells[worst], one.monitor)[:NAMED]
        found.append(
            Finding(
                from_ms + int(part[0]) * every_ms,
                from_ms + (int(part[-1]) + 1) * every_ms,
                len(part),
                float(watched.ratio[worst]),
                from_ms + worst * every_ms,
                tuple((int(ids[s.column]), s.part) for s in shares),
            )
        )
    return found


def truths(one: Trained, cells: np.ndarray) -> list[truth.Truth]:
    """The sensor truth of each datastream at the end of these rows."""
    recent = truth.Recent.fresh(cells.shape[1])
    return truth.step(recent, cells, one.usual)[1]


def _columns(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = table["time"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy()
    value = table["value"].to_numpy().astype(np.float64)
    value = np.where(table["quality"].to_numpy() == Quality.BAD, np.nan, value)
    return table["datastream"].to_numpy(), at, value


def _intervals(table: pa.Table) -> dict[int, float]:
    datastream, at, _ = _columns(table)
    found = {}
    for id_ in np.unique(datastream):
        own = np.diff(at[datastream == id_])
        if len(own):
            found[int(id_)] = float(np.median(own))
    return found


def _hold(column: np.ndarray, rows: int) -> None:
    """Fill what is missing with the value before it, at most ``rows`` behind it."""
    last = np.maximum.accumulate(np.where(np.isfinite(column), np.arange(len(column)), -1))
    near = (last >= 0) & (np.arange(len(column)) - last <= rows)
    column[near] = column[last[near]]


def _arrays(one: Trained) -> dict[str, np.ndarray]:
    m, c, u = one.monitor, one.monitor.model, one.usual
    return {
        **{f"c_{k}": np.asarray(getattr(c, k)) for k in Components.__slots__},
        **{f"m_{k}": np.asarray(getattr(m, k)) for k in Monitor.__slots__ if k != "model"},
        **{f"u_{k}": np.asarray(getattr(u, k)) for k in Usual.__slots__},
    }


def _model(about: dict[str, Any], arrays: dict[str, np.ndarray]) -> Trained:
    def part(letter: str, names: Sequence[str]) -> dict[str, Any]:
        found = {k: arrays[f"{letter}_{k}"] for k in names}
        return {k: v.item() if v.ndim == 0 else v for k, v in found.items()}

    model = Components(**part("c", Components.__slots__))
    rest = [k for k in Monitor.__slots__ if k != "model"]
    return Trained(about, Monitor(model=model, **part("m", rest)), Usual(**part("u", Usual.__slots__)))
