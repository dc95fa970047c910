"""Folders of labelled series as public benchmarks lay them out, recognised by files and columns, not by name."""

import csv
import gzip
import hashlib
import io
import json
import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fengsui.base.errors import BadInput

MOST_CELLS = 50_000_000  # of a file: 400 MB
MOST_COLUMNS = 500  # each is compared with each other
MOST_CHARACTERS = 100_000  # of a line
LABELS = ("labels.json", "combined_windows.json", "combined_labels.json")
LAYOUTS = """known layouts:
  tep      d00.csv (normal) and dNN_te.csv; columns XMEAS_1 …, XMV_1 …
  skab     CSV with ';': datetime, sensors, anomaly, changepoint
  nab      CSV with timestamp, value, and labels.json (or combined_windows.json) beside
  batadal  CSV with DATETIME, sensors, ATT_FLAG; one file without attack, one with"""


class BadSet(BadInput):
    """A folder or file that cannot be evaluated: the message names file and row and says what to do."""

    code = "run.bad_data_set"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One file: ``columns`` name its numbers, ``values`` (rows, columns); ``time`` as written, where there is one."""

    path: Path
    columns: tuple[str, ...]
    values: np.ndarray
    time: tuple[str, ...]
    sha256: str

    def column(self, name: str) -> np.ndarray:
        found: np.ndarray = self.values[:, self.columns.index(name)]
        return found

    def but(self, *names: str) -> np.ndarray:
        found: np.ndarray = self.values[:, [i for i, c in enumerate(self.columns) if c not in names]]
        return found


def files(folder: Path) -> list[Path]:
    """Every CSV file in or below ``folder``, in order.  Raises BadSet."""
    if not folder.is_dir():
        raise BadSet(f"{folder}: is no folder; give the folder that holds the CSV files")
    found = sorted(p for p in folder.rglob("*") if p.name.endswith((".csv", ".csv.gz")) and p.is_file())
    if not found:
        raise BadSet(f"{folder}: holds no .csv or .csv.gz file\n{LAYOUTS}")
    return found


def layout(folder: Path) -> str:
    """``tep``, ``skab``, ``nab`` or ``batadal``.  Raises BadSet."""
    seen: dict[str, Path] = {}
    for path in files(folder):
        head = header(path)
        if any(re.fullmatch(r"XMEAS_\d+", c) for c in head):
            seen["tep"] = path
        elif "ATT_FLAG" in head:
            seen["batadal"] = path
        elif "anomaly" in head and "changepoint" in head:
            seen["skab"] = path
        elif head == ["timestamp", "value"]:
            seen["nab"] = path
    if len(seen) > 1:
        what = ", ".join(f"{name} ({path.name})" for name, path in seen.items())
        raise BadSet(f"{folder}: files of several layouts: {what}; put each into a folder of its own")
    if not seen:
        raise BadSet(f"{folder}: no file has the columns of a known layout\n{LAYOUTS}")
    return next(iter(seen))


def header(path: Path) -> list[str]:
    """The names of the columns.  Raises BadSet."""
    for _, row in _rows(path):
        return [c.strip() for c in row]
    raise BadSet(f"{path.name}: is empty; get the file anew, or take it out of the folder")


def table(path: Path, time: str = "", skip: tuple[str, ...] = ()) -> Table:
    """All of a file as numbers, but ``time`` as text and without ``skip``; an empty cell is missing.  Raises BadSet."""
    names = header(path)
    if len(set(names)) < len(names):
        twice = next(c for c in names if names.count(c) > 1)
        raise BadSet(f"{path.name}: column {twice!r} is there twice; give each column a name of its own")
    if time and time not in names:
        raise BadSet(f"{path.name}: has no column {time!r}; its columns are {', '.join(names[:8])}")
    kept = [i for i, c in enumerate(names) if c != time and c not in skip]
    if len(kept) > MOST_COLUMNS:
        raise BadSet(
            f"{path.name}: {len(kept)} columns of numbers; at most {MOST_COLUMNS} are one unit: cut it into several"
        )
    values = array("d")
    times: list[str] = []
    rows = -1
    for number, row in _rows(path):
        rows += 1
        if rows == 0:
            continue
        if rows * len(kept) > MOST_CELLS:
            raise BadSet(
                f"{path.name}: more than {MOST_CELLS // len(kept):,} rows; cut it into several files"
            )
        if len(row) != len(names):
            raise BadSet(
                f"{path.name} line {number}: {len(row)} cells where the header has {len(names)}; the file is cut "
                f"or damaged: "
                "get it anew, or mend this line"
            )
        for i in kept:
            values.append(_number(row[i], path, number, names[i]))
        if time:
            times.append(row[names.index(time)].strip())
    if rows < 1:
        raise BadSet(f"{path.name}: has no row below its header; get it anew, or take it out of the folder")
    whole = np.frombuffer(values).reshape(rows, len(kept))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Table(path, tuple(names[i] for i in kept), whole, tuple(times), digest)


def seconds(one: Table, form: str = "", back: bool = False) -> np.ndarray:
    """The times of a table in seconds: ``form`` as for strptime, else ISO.  Only with ``back`` may they go back.

    Raises BadSet.
    """
    found = np.empty(len(one.time))
    for i, text in enumerate(one.time):
        try:
            at = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
        except ValueError:
            raise BadSet(
                f"{one.path.name} line {i + 2}: {text!r} is no time; write it like the rows around it"
            ) from None
        found[i] = at.replace(tzinfo=at.tzinfo or UTC).timestamp()
        if i and not back and found[i] < found[i - 1]:
            raise BadSet(
                f"{one.path.name} line {i + 2}: {text} is before the row above; sort the rows by time"
            )
    return found


def flags(one: Table, name: str) -> np.ndarray:
    """A column of 0 and 1 as bool.  Raises BadSet."""
    column = one.column(name)
    wrong = np.flatnonzero((column != 0) & (column != 1))
    if len(wrong):
        raise BadSet(
            f"{one.path.name} line {wrong[0] + 2}: {name} is {column[wrong[0]]:g}; only 0 and 1 are labels"
        )
    return column == 1


def windows(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """NAB's labelled windows by file name.  Raises BadSet."""
    path = next(
        (p for name in LABELS for p in [folder / name, *sorted(folder.rglob(name))] if p.is_file()), None
    )
    if path is None:
        raise BadSet(
            f"{folder}: NAB files without {LABELS[0]} or {LABELS[1]}; put the file of the labelled windows beside them"
        )
    try:
        read: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name).replace("/", "_"): [
                (str(first), str(last)) for first, last in (one["windows"] if isinstance(one, dict) else one)
            ]
            for name, one in read.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise BadSet(
            f'{path.name}: is no list of windows ({error}); wanted {{file: {{"windows": [[first, last], …]}}}}'
        ) from None


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line numbers; blank lines are left out.  Raises BadSet for what is no text or no whole gzip."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
            number, mark = 0, ","
            while line := text.readline(MOST_CHARACTERS):
                number += 1
                if len(line) >= MOST_CHARACTERS:
                    raise BadSet(
                        f"{path.name} line {number}: longer than {MOST_CHARACTERS:,} characters; this is no CSV"
                    )
                if number == 1:
                    mark = ";" if line.count(";") > line.count(",") else ","
                if line.strip():
                    yield number, next(csv.reader([line], delimiter=mark))
    except (EOFError, gzip.BadGzipFile) as error:
        raise BadSet(f"{path.name}: the gzip file is cut or damaged ({error}); get it anew") from None
    except UnicodeDecodeError as error:
        raise BadSet(f"{path.name}: is no UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (csv.Error, OSError) as error:
        raise BadSet(f"{path.name}: cannot be read ({error}); get it anew") from None


def _number(text: str, path: Path, line: int, column: str) -> float:
    text = text.strip()
    if text in ("", "NA", "NaN", "nan"):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise BadSet(
            f"{path.name} line {line}: {column} is {text[:40]!r}, no number; mend it, or leave the cell "
            f"empty where nothing "
            "was measured"
        )
    return value
