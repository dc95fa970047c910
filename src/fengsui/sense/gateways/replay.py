"""A gateway that plays a recorded data set: CSV files and a mapping in, canonical batches out, on today's clock.

A data set is a folder with ``mapping.yml`` (what each column is, how time is written) and CSV files, plain or
gzipped, one file a *run*.  A *track* plays runs one after the other for one site at a speed: recorded intervals
divided by the speed, beginning now.  A row's new time follows from the track's anchor and the row's position
alone, so a row sent again after a crash carries the same time and value and counts as a duplicate, not as news.
What a file does not hold is not made up: a missing value is sent as no value.
"""

import csv
import gzip
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fengsui.base.batch import Batch
from fengsui.base.errors import BadInput
from fengsui.base.quality import Quality

ROWS_AT_ONCE = 2_000  # rows of one batch when many are due


class BadDataset(BadInput):
    """A data set, its mapping or its schedule cannot be used; the message names file and place."""

    code = "sense.bad_dataset"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the files: the datastream's ``code``, the ``unit`` it is written in, words that mean numbers."""

    name: str
    code: str
    unit: str = ""
    words: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A mapping file.  ``time`` is {every_ms}, {column, format} or {columns: [year, month, day, hour, …]}."""

    name: str
    folder: Path
    file: str
    time: Mapping[str, Any]
    columns: tuple[Column, ...]
    delimiter: str = ","
    missing: frozenset[str] = frozenset({""})


@dataclass(frozen=True, slots=True)
class Series:
    """One run: ``offset_ms`` int64 [n] since its first row, strictly rising; ``value`` float64 [n, columns]."""

    offset_ms: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.offset_ms)


def read_dataset(path: Path, shared: Path) -> Dataset:
    """The mapping at ``path`` (a mapping.yml or its folder).  A data set that may not be shipped names a
    ``shared_folder`` below ``shared`` instead of keeping its files beside the mapping.  Raises BadDataset.
    """
    path = path / "mapping.yml" if path.is_dir() else path
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        columns = tuple(
            Column(
                str(c["column"]),
                str(c.get("code", c["column"])),
                str(c.get("unit", "")),
                {str(k): float(v) for k, v in c.get("words", {}).items()},
            )
            for c in spec["columns"]
        )
        return Dataset(
            name=str(spec["name"]),
            folder=shared / spec["shared_folder"] if "shared_folder" in spec else path.parent,
            file=str(spec["file"]),
            time=dict(spec["time"]),
            columns=columns,
            delimiter=str(spec.get("delimiter", ",")),
            missing=frozenset({"", *map(str, spec.get("missing", []))}),
        )
    except FileNotFoundError:
        raise BadDataset(f"no data set here: {path}") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadDataset(f"{path}: not a mapping of a data set: {error!r}") from error


def file_of(dataset: Dataset, run: str) -> Path:
    """Where the rows of ``run`` are."""
    return dataset.folder / dataset.file.format(run=run)


def runs_of(dataset: Dataset) -> list[str]:
    """The runs whose files are there."""
    before, _, after = dataset.file.partition("{run}")
    return sorted(
        p.name[len(before) : len(p.name) - len(after)]
        for p in dataset.folder.glob(f"{before}*{after}")
        if p.is_file()
    )


def read_series(dataset: Dataset, run: str, first: int = 0, stop: int | None = None) -> Series:
    """Rows ``first`` to ``stop`` of a run.  Raises BadDataset that names the file and the line."""
    path = file_of(dataset, run)
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, delimiter=dataset.delimiter, skipinitialspace=True)
            head = [name.strip() for name in next(reader, [])]
            rows = list(reader)[first:stop]
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataset(f"cannot read {path}: {error}") from error
    at = {name: i for i, name in enumerate(head)}
    if lost := [c.name for c in dataset.columns if c.name not in at]:
        raise BadDataset(f"{path}: no column {', '.join(lost)}")
    if not rows:
        raise BadDataset(f"{path}: no rows from {first} to {stop}")
    offset = _offsets(dataset, rows, at, path, first)
    value = np.full((len(rows), len(dataset.columns)), np.nan)
    for j, column in enumerate(dataset.columns):
        i = at[column.name]
        for r, row in enumerate(rows):
            text = row[i].strip()
            if text in dataset.missing:
                continue
            try:
                value[r, j] = column.words[text] if column.words else float(text)
            except (KeyError, ValueError):
                raise BadDataset(
                    f"{path}, line {first + r + 2}: {column.name} is {text!r}, not a number"
                ) from None
    return Series(offset, value)


def _offsets(
    dataset: Dataset, rows: list[list[str]], at: dict[str, int], path: Path, first: int
) -> np.ndarray:
    if every := dataset.time.get("every_ms"):
        return np.arange(len(rows), dtype=np.int64) * int(every)
    try:
        if "column" in dataset.time:
            i, form = at[dataset.time["column"]], dataset.time["format"]
            times = [datetime.strptime(row[i], form).replace(tzinfo=UTC) for row in rows]
        else:
            places = [at[name] for name in dataset.time["columns"]]
            times = [datetime(*(int(row[i]) for i in places), tzinfo=UTC) for row in rows]  # type: ignore[misc, arg-type]
    except (KeyError, ValueError, TypeError) as error:
        raise BadDataset(f"{path}: time cannot be read as {dict(dataset.time)}: {error}") from error
    stamp = np.array([round(t.timestamp() * 1000) for t in times], np.int64)
    back = np.flatnonzero(np.diff(stamp) <= 0)
    if len(back):
        raise BadDataset(f"{path}, line {first + int(back[0]) + 3}: time does not move on")
    return stamp - stamp[0]


def cut(series: Series, first: int = 0, stop: int | None = None) -> Series:
    """Rows ``first`` to ``stop`` of a run, on their own clock.  Raises BadDataset."""
    offset = series.offset_ms[first:stop]
    if not len(offset) or (stop is not None and stop > len(series)):
        raise BadDataset(f"rows {first} to {stop} of a run that has {len(series)}")
    return Series(offset - offset[0], series.value[first:stop])


@dataclass(frozen=True, slots=True)
class Program:
    """What a track plays: all its runs joined, times divided by the speed.

    ``offset_ms`` int64 [n] from the start of a lap · ``value`` float64 [n, columns] · ``lap_ms`` when the next
    lap starts · ``label`` changes when anything of it changes.
    """

    offset_ms: np.ndarray
    value: np.ndarray
    lap_ms: int
    label: str
    loop: bool = True

    def since_anchor_ms(self, position: int) -> int:
        """When the row at ``position`` (counted over laps) is due, in ms after the anchor."""
        lap, row = divmod(position, len(self.offset_ms))
        return lap * self.lap_ms + int(self.offset_ms[row])

    def stop_at(self, elapsed_ms: int) -> int:
        """The first position that is not due ``elapsed_ms`` after the anchor."""
        if elapsed_ms < 0:
            return 0
        lap, rest = divmod(elapsed_ms, self.lap_ms)
        position = lap * len(self.offset_ms) + int(np.searchsorted(self.offset_ms, rest, side="right"))
        return position if self.loop else min(position, len(self.offset_ms))


def join(series: list[Series], speed: float, *, loop: bool = True) -> Program:
    """Runs one after the other; between two runs passes one usual interval of the run before.  Raises BadDataset."""
    if not speed > 0:
        raise BadDataset(f"speed is {speed}, it must be above 0")
    offsets, base = [], 0.0
    for one in series:
        offsets.append(base + one.offset_ms / speed)
        step = float(np.median(np.diff(one.offset_ms))) if len(one) > 1 else 1000.0
        base = float(offsets[-1][-1]) + step / speed
    offset = np.concatenate(offsets).round().astype(np.int64)
    lap_ms = round(base)
    if (len(offset) > 1 and int(np.diff(offset).min()) < 1) or lap_ms <= int(offset[-1]):
        raise BadDataset(f"speed {speed:g} is too high: two rows would fall into the same millisecond")
    value = np.concatenate([one.value for one in series])
    label = hashlib.sha256(offset.tobytes() + value.tobytes() + bytes([loop])).hexdigest()[:16]
    return Program(offset, value, lap_ms, label, loop)


@dataclass(slots=True)
class Position:
    """How far a track is: rows before ``done`` are on the bus, rows up to ``sent`` may be."""

    anchor_ms: int = 0
    done: int = 0
    sent: int = 0
    label: str = ""


def load_position(path: Path) -> Position:
    """The kept position, or a fresh one."""
    try:
        return Position(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return Position()


def save_position(path: Path, position: Position) -> None:
    """Write whole or not at all (rename), so that a crash leaves the old position or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    kept = {f: getattr(position, f) for f in ("anchor_ms", "done", "sent", "label")}
    draft.write_text(json.dumps(kept))
    draft.replace(path)


class Track:
    """One site's programme on the clock.  Ask ``due`` for rows; say ``begin`` before sending and ``end`` after.

    Pure but for the position file; the clock is an argument.
    """

    def __init__(self, program: Program, path: Path, now_ms: int) -> None:
        """Take up the kept position; the next row is due at ``now_ms``.

        Another programme, or one that has come to its end, begins at its first row.
        """
        self.program = program
        self._path = path
        kept = load_position(path)
        ended = not program.loop and kept.done >= len(program.offset_ms)
        if kept.label != program.label or ended:
            kept = Position(now_ms, 0, 0, program.label)
        self._position = kept
        self._again = (kept.done, kept.sent) if kept.sent > kept.done else None
        if self._again is None:
            self._take_up(now_ms)

    @property
    def done(self) -> int:
        """Rows on the bus, counted over laps."""
        return self._position.done

    @property
    def finished(self) -> bool:
        return not self.program.loop and self._position.done >= len(self.program.offset_ms)

    def due(self, now_ms: int) -> tuple[int, int]:
        """Positions [from, to) to send now: first what may be half sent, under its old times, then what is due."""
        if self._again:
            return self._again
        start = self._position.done
        return start, max(
            start, min(self.program.stop_at(now_ms - self._position.anchor_ms), start + ROWS_AT_ONCE)
        )

    def next_ms(self) -> int:
        """When the next row is due."""
        return self._position.anchor_ms + self.program.since_anchor_ms(self._position.done)

    def begin(self, stop: int) -> None:
        """Rows up to ``stop`` are about to be sent; kept first, so that a crash cannot give them other times."""
        self._position.sent = stop
        save_position(self._path, self._position)

    def end(self, stop: int, now_ms: int) -> None:
        """Rows up to ``stop`` are durable on the bus."""
        self._position.done = self._position.sent = stop
        if self._again:
            self._again = None
            self._take_up(now_ms)

    def keep(self) -> None:
        """Write the position down, for a clean stop."""
        save_position(self._path, self._position)

    def shift(self, now_ms: int) -> None:
        """The clock ran ahead (the machine slept, the bus was away): go on from now instead of catching up."""
        self._take_up(now_ms)

    def _take_up(self, now_ms: int) -> None:
        """Anchor so that the next row is due now, and after every row already sent."""
        kept, program = self._position, self.program
        if kept.done:
            now_ms = max(now_ms, kept.anchor_ms + program.since_anchor_ms(kept.done - 1) + 1)
        kept.anchor_ms = now_ms - program.since_anchor_ms(kept.done)

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Times int64 [n] and values float64 [n, columns] of positions ``start`` to ``stop``."""
        position = np.arange(start, stop)
        lap, row = np.divmod(position, len(self.program.offset_ms))
        time_ms = self._position.anchor_ms + lap * self.program.lap_ms + self.program.offset_ms[row]
        return time_ms, self.program.value[row]


def batch_of(
    site: int, source: str, datastream: np.ndarray, time_ms: np.ndarray, value: np.ndarray, received_ms: int
) -> Batch:
    """Rows as one canonical batch.  ``datastream`` int32 [k]: a column with -1 is left out; NaN is no value."""
    known = datastream >= 0
    ids, table = datastream[known].astype(np.int32), value[:, known]
    n, k = table.shape
    flat = table.reshape(-1)
    return Batch(
        site=site,
        source=source,
        received_ms=received_ms,
        datastream=np.tile(ids, n),
        time_ms=np.repeat(time_ms.astype(np.int64), k),
        value=flat,
        quality=np.where(np.isnan(flat), Quality.BAD, Quality.GOOD).astype(np.uint8),
        reason=np.zeros(n * k, np.uint8),
    )


def message_of(
    site: str, codes: list[str], units: list[str], time_ms: np.ndarray, value: np.ndarray
) -> dict[str, Any]:
    """The same rows as a device would send them: columnar JSON, values in the units of the files."""
    return {
        "site": site,
        "time": time_ms.tolist(),
        "datastreams": {
            code: [None if v != v else v for v in value[:, j].tolist()] for j, code in enumerate(codes)
        },
        "units": {code: unit for code, unit in zip(codes, units, strict=True) if unit},
    }
