"""Learning a version from normal operation, keeping it, reading it back, and judging another stretch by it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa
from django.db import transaction

from fengsui.people import audit
from fengsui.sense.devices.models import Datastream
from fengsui.stores import clock
from fengsui.warn.detecting.errors import BadModel
from fengsui.warn.detecting.models import Detector, DetectorChange, Trained
from fengsui.warn.detecting.packing import FORMAT, pack, unpack
from fengsui.warn.detecting.rows import columns, held
from fengsui.warn.detectors import methods, truth
from fengsui.warn.detectors.components import TooLittle
from fengsui.warn.detectors.methods import Learnt

MOST_CELLS = 50_000_000  # rows times datastreams: 400 MB
MOST_DATASTREAMS = 300
HELD = 1.5  # times its own interval a value stands for: an analyser speaks less often than a gauge
NAMED = 3  # datastreams named with a finding
FORGET = 5  # rows without a word that end a stretch, as long as the mean of a unit remembers


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch in which the unit was abnormal, with the datastreams that made its worst row so."""

    begins_ms: int
    ends_ms: int
    rows: int
    worst: float
    worst_ms: int
    shares: tuple[tuple[int, float], ...]  # datastream id, part


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version ready for use."""

    about: dict[str, Any]
    learnt: Learnt

    @property
    def ids(self) -> list[int]:
        return list(self.about["datastreams"])


def streams_of(detector: Detector, codes: Sequence[str] = ()) -> dict[str, int]:
    """Code → id of what a training looks at: ``codes``, or all active ones of the site.  Raises BadModel."""
    site = detector.site
    there = dict(
        Datastream.objects.filter(site=site, is_active=True).order_by("pk").values_list("code", "pk")
    )
    if unknown := [c for c in codes if c not in there]:
        raise BadModel(f"{site.code} has no active datastream {', '.join(unknown)}")
    if codes:
        there = {c: pk for c, pk in there.items() if c in codes}
    least = 2 if detector.method == "unit" else 1
    if not least <= len(there) <= MOST_DATASTREAMS:
        raise BadModel(
            f"{len(there)} datastreams: a unit has {least} to {MOST_DATASTREAMS}; choose them with --datastream"
        )
    return there


def interval_ms(table: pa.Table) -> int:
    """The interval at which most datastreams speak: the median of their median intervals.  Raises BadModel."""
    found = list(_intervals(table).values())
    if not found:
        raise BadModel(
            "no datastream has two readings in this span; choose a span in which the site was heard"
        )
    return max(1, round(float(np.median(found))))


def holds(table: pa.Table, ids: Sequence[int], every_ms: int) -> list[int]:
    """How many rows a value of each datastream stands for after its own, until it should have spoken again."""
    own = _intervals(table)
    return [
        int(own.get(id_, 0.0) * HELD / every_ms) if own.get(id_, 0) * HELD > every_ms else 0 for id_ in ids
    ]


def grid(
    table: pa.Table, ids: Sequence[int], from_ms: int, to_ms: int, every_ms: int, hold: Sequence[int] | None = None
) -> np.ndarray:  # fmt: skip
    """Readings as rows ``every_ms`` apart, a column for each of ``ids``: the last value not bad, NaN if none.

    ``table`` is as ``history.queries.query`` gives it.  A value stands until its datastream should have spoken again.
    """
    rows = -(-(to_ms - from_ms) // every_ms)
    if rows < 1 or rows * len(ids) > MOST_CELLS:
        raise BadModel(
            f"{rows:,} rows of {len(ids)} datastreams: 1 to {MOST_CELLS // max(1, len(ids)):,} rows fit; choose "
            "another span or a longer interval"
        )
    datastream, at, value = columns(table)
    cells = np.full((rows, len(ids)), np.nan)
    column = {id_: k for k, id_ in enumerate(ids)}
    known = np.isfinite(value)
    where = np.array([column.get(int(d), -1) for d in datastream[known]], np.int64)
    row = (at[known] - from_ms) // every_ms
    inside = (where >= 0) & (row >= 0) & (row < rows)
    cells[row[inside], where[inside]] = value[known][inside]  # in time order: the last one stays
    for k, n in enumerate(holds(table, ids, every_ms) if hold is None else hold):
        held(cells[:, k], n)
    return cells


def learn(method: str, cells: np.ndarray, every_ms: int, from_ms: int) -> Learnt:
    """A model of these rows.  Raises BadModel."""
    try:
        return methods.learn(method, cells, every_ms, from_ms // every_ms)
    except TooLittle as error:
        raise BadModel(f"cannot be learnt from: {error}; choose a longer span or fewer datastreams") from None


def from_history(
    detector: Detector, from_at: datetime, to_at: datetime, codes: Sequence[str] = (), every_ms: int = 0
) -> tuple[Learnt, dict[str, Any]]:  # fmt: skip
    """Learn from stored readings of [from_at, to_at), as corrected: the model, and what of.  Raises BadModel."""
    from fengsui.stores.history.queries import query

    streams = streams_of(detector, codes)
    ids = list(streams.values())
    from_ms, to_ms = (round(t.timestamp() * 1000) for t in (from_at, to_at))
    table = query(ids, from_ms, to_ms)
    every_ms = every_ms or interval_ms(table)
    cells = grid(table, ids, from_ms, to_ms, every_ms)
    about = {
        "datastreams": ids, "codes": list(streams), "from": said(from_ms), "to": said(to_ms), "every_ms": every_ms,
        "hold": holds(table, ids, every_ms), "readings": table.num_rows, "rows": len(cells),
    }  # fmt: skip
    return learn(detector.method, cells, every_ms, from_ms), about


@transaction.atomic
def keep(actor: Any, detector: Detector, learnt: Learnt, about: dict[str, Any], note: str = "") -> Trained:
    """Keep as the next version of its detector.  Two at once get two versions."""
    detector = Detector.objects.select_for_update(of=("self",)).select_related("site").get(pk=detector.pk)
    data = pack(learnt)
    newest = detector.versions.order_by("-version").values_list("version", flat=True).first() or 0
    version = Trained.objects.create(
        detector=detector, version=newest + 1, trained_at=clock.now(), actor_name=str(actor)[:150], note=note[:200],
        about={**about, **_figures(learnt), "format": FORMAT, "fengsui": metadata.version("fengsui")},
        sha256=hashlib.sha256(data).hexdigest(), learnt=data,
    )  # fmt: skip
    remember(actor, detector, "trained", version.version, note)
    audit.record(
        actor, "detector.trained", detector, org_path=detector.site.org_path, version=version.version,
        sha256=version.sha256, note=note, **{k: about[k] for k in ("from", "to", "every_ms", "rows")},
    )  # fmt: skip
    return version


def remember(
    actor: Any, detector: Detector, what: str, version: int | None, reason: str, **values: Any
) -> None:
    """One more change in the history of a detector, which is locked."""
    detector.number += 1
    Detector.objects.filter(pk=detector.pk).update(number=detector.number)
    DetectorChange.objects.create(
        detector=detector, number=detector.number, at=clock.now(), actor_name=str(actor or "platform")[:150],
        what=what, version=version, reason=reason[:200], values=values,
    )  # fmt: skip


def load(trained: Trained) -> Loaded:
    """A version ready for use; its checksum is compared.  Raises BadModel."""
    return Loaded(trained.about, _learnt(trained.pk, trained.sha256))


@lru_cache(maxsize=64)
def _learnt(pk: int, sha256: str) -> Learnt:
    row = Trained.objects.get(pk=pk)
    name = f"version {row.version}"
    data = bytes(row.learnt)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadModel(f"{name}: is not what was trained (checksum); train it anew")
    if row.about.get("format") != FORMAT:
        raise BadModel(
            f"{name}: is of format {row.about.get('format')}, this program reads {FORMAT}; train it anew"
        )
    found = unpack(data)
    if not isinstance(found, Learnt):
        raise BadModel(f"{name}: holds no model; train it anew")
    return found


def judge(one: Loaded, cells: np.ndarray, from_ms: int, every_ms: int) -> list[Stretch]:
    """The abnormal stretches among these rows, in time order."""
    state = methods.fresh(one.learnt)
    seen: list[tuple[int, float, tuple[methods.Part, ...]]] = []
    for i, row in enumerate(cells):
        state, ratio, parts = methods.step(state, from_ms // every_ms + i, row, one.learnt)
        if ratio > 1:
            seen.append((i, ratio, parts))
    if not seen:
        return []
    rows = np.array([i for i, _, _ in seen])
    found = []
    for group in np.split(np.arange(len(seen)), np.flatnonzero(np.diff(rows) > FORGET) + 1):
        own = [seen[i] for i in group.tolist()]
        worst, ratio, parts = max(own, key=lambda one_: one_[1])
        found.append(
            Stretch(
                from_ms + own[0][0] * every_ms, from_ms + (own[-1][0] + 1) * every_ms, len(own), ratio,
                from_ms + worst * every_ms, tuple((int(one.ids[p.column]), p.share) for p in parts[:NAMED]),
            )
        )  # fmt: skip
    return found


def truths(one: Loaded, cells: np.ndarray) -> list[truth.Truth]:
    """The sensor truth of each datastream at the end of these rows."""
    recent = truth.Recent.fresh(cells.shape[1])
    return truth.step(recent, cells, one.learnt.usual)[1]


def said(at_ms: int) -> str:
    """An instant as a model says it."""
    from datetime import UTC

    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _figures(learnt: Learnt) -> dict[str, Any]:
    """What a page says of a model."""
    from fengsui.warn.detectors.monitor import STATISTICS

    if learnt.monitor is not None:
        m = learnt.monitor
        used, figures = m.model.used, {
            "components": len(m.model.eigen), "lags": m.model.lags, "alpha": m.alpha, "follow": m.follow,
            "limits": {k: round(float(v), 4) for k, v in zip(STATISTICS, m.limit, strict=True)},
        }  # fmt: skip
    elif learnt.charted is not None:
        c = learnt.charted
        used, figures = c.used, {
            "ewma": {"weight": c.ewma.weight, "width": round(c.ewma.width, 3)},
            "cusum": {"slack": c.cusum.slack, "limit": round(c.cusum.limit, 3)},
            "widened": round(float(np.maximum(c.ewma_wide, c.cusum_wide).max()), 3),
        }  # fmt: skip
    else:
        assert learnt.course is not None
        used = np.ones(len(learnt.courses), bool)
        figures = {"day": learnt.course.day, "learn": learnt.course.learn, "risk": learnt.course.risk}
    return {**figures, "used": [bool(u) for u in used]}


def _intervals(table: pa.Table) -> dict[int, float]:
    datastream, at, _ = columns(table)
    found = {}
    for id_ in np.unique(datastream):
        own = np.diff(at[datastream == id_])
        if len(own):
            found[int(id_)] = float(np.median(own))
    return found
