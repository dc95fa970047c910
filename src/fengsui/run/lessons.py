"""What a detector of a region pack learns from: a recorded series of normal operation, as the replay would play it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fengsui.base import units
from fengsui.run import settings
from fengsui.sense.gateways import replay

TASK = "fengsui.detectors.lesson"


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """``cells`` (rows, datastreams) in the datastreams' units, and what is said of them."""

    cells: np.ndarray
    about: dict[str, Any]


def read(pack: Path, lesson: dict[str, Any], streams: Sequence[Any]) -> Lesson | None:
    """The rows that ``lesson`` names ({dataset, speed, runs}) for ``streams``; None where the data set is not here.

    Rows come ``speed`` times faster than recorded, as when they are played.  Raises BadDataset.
    """
    dataset = replay.read_dataset(pack / "data" / lesson["dataset"], Path(settings.value("FENGSUI_DATA")))
    runs = [str(run["run"]) for run in lesson["runs"]]
    if any(not replay.file_of(dataset, run).exists() for run in runs):
        return None
    parts = [
        replay.cut(replay.read_series(dataset, str(run["run"])), *(run.get("rows") or (0, None)))
        for run in lesson["runs"]
    ]
    step = float(np.median(np.concatenate([np.diff(part.offset_ms) for part in parts])))
    every_ms = max(1, round(step / float(lesson["speed"])))
    place = {column.code: j for j, column in enumerate(dataset.columns)}
    known = [stream for stream in streams if stream.code in place]
    value = np.concatenate([part.value for part in parts])[:, [place[s.code] for s in known]]
    for k, stream in enumerate(known):
        factor, offset = units.factor_offset(dataset.columns[place[stream.code]].unit, stream.unit)
        value[:, k] = value[:, k] * factor + offset
    return Lesson(
        value,
        {
            "datastreams": [s.pk for s in known], "codes": [s.code for s in known], "every_ms": every_ms,
            "from": f"{dataset.name} {', '.join(runs)}", "to": "", "rows": len(value), "hold": [1] * len(known),
            "readings": int(np.isfinite(value).sum()),
        },
    )  # fmt: skip


def learn(detector: int, folder: str, lesson: dict[str, Any], note: str, actor: str) -> int | None:
    """The job: learn and put in force; None where the series is not here, the detector is gone or has learnt."""
    from fengsui.sense.devices.models import Datastream
    from fengsui.warn.detecting import services, training
    from fengsui.warn.detecting.models import Detector

    row = Detector.objects.select_related("site").filter(pk=detector).first()
    if row is None or row.versions.exists():
        return None
    streams = Datastream.objects.filter(site=row.site, is_active=True).order_by("pk")
    found = read(Path(folder), lesson, list(streams))
    if found is None:
        return None
    learnt = training.learn(row.method, found.cells, found.about["every_ms"], 0)
    kept = training.keep(actor, row, learnt, found.about, note)
    services.activate(actor, row, kept.version, "loaded from the region pack")
    return kept.version
