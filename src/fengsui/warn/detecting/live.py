"""Detectors in force, row by row, as readings come to rest in history.

A look at a run takes its row lock, reads the closed rows after the one it came to (``rows``), steps through them, and
writes memory, findings and alarms in one transaction.  What a crash undoes is done again with the same result: rows are
a function of history, and keys of the row an episode began with.  Any number of workers may look; a locked run is
passed over.  The pipeline knows nothing of all this.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog
from django.db import transaction

from fengsui.sense.devices.models import Datastream
from fengsui.stores import clock
from fengsui.stores.history.queries import measured
from fengsui.warn.alarms import raising
from fengsui.warn.alarms.models import Priority
from fengsui.warn.detecting import training
from fengsui.warn.detecting.errors import BadModel
from fengsui.warn.detecting.models import Detector, Finding, Run, Truth
from fengsui.warn.detecting.packing import pack, unpack
from fengsui.warn.detecting.rows import closed
from fengsui.warn.detecting.told import grounds
from fengsui.warn.detecting.training import Loaded, grid
from fengsui.warn.detectors import methods, standing, truth
from fengsui.warn.detectors.methods import Part
from fengsui.warn.detectors.standing import Standing

LOOK_MS = 1_000  # a run is looked at this often, or once a row if rows are further apart than …
SLOWEST_MS = 5_000  # … but at least this often
SETTLE_MS = (
    3_000  # after the reading that closed a row was received: another gateway's may still be on its way
)
AT_ONCE = 2_000  # rows of one look; a run that is behind is looked at again at once
AHEAD_MS = 600_000  # a stretch of AT_ONCE rows without a word is passed over when it is so long ago
KEPT_SCORES = 720
KEPT_PARTS = 12  # of an explanation, the largest
TRUTH_MS = 300_000  # how often instruments are judged, and …
TRUTH_LEAST_ROWS = 20  # … not before so many new rows
COMMON_LEAST, COMMON_SHARE = 3, 0.25  # more instruments of a unit than this at once have one cause
TRUTH_HIGHER = 20  # points above its limit until an instrument counts as true again
AGAIN_MS = 60_000  # a run whose version cannot be read is tried again

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look came to: rows judged, findings begun and ended, and whether there is more to do at once."""

    runs: int = 0
    rows: int = 0
    raised: int = 0
    cleared: int = 0
    more: bool = False


def look(now_ms: int | None = None, most: int = 200) -> Looked:
    """Bring the runs that are due up to date; at most ``most`` of them."""
    total = Looked()
    for _ in range(most):
        found = _one(now_ms)
        if found is None:
            break
        total = Looked(
            total.runs + 1, total.rows + found.rows, total.raised + found.raised, total.cleared + found.cleared,
            total.more or found.more,
        )  # fmt: skip
    return total


@transaction.atomic
def _one(now_ms: int | None) -> Looked | None:
    at_ms = clock.now_ms() if now_ms is None else now_ms
    due = Run.objects.filter(next_at__lte=_at(at_ms)).order_by("next_at").select_for_update(skip_locked=True)
    run = due.first()
    if run is None:
        return None
    detector = Detector.objects.select_related("site__org").get(pk=run.detector_id)
    trained = detector.versions.light().get(pk=run.trained_id)
    try:
        done = _advance(run, detector, training.load(trained), at_ms)
        run.problem = ""
        wait = min(max(LOOK_MS, int(trained.about["every_ms"])), SLOWEST_MS)
        run.next_at = _at(at_ms + (1 if done.more else wait))  # others first
    except BadModel as error:
        log.warning("detector.cannot_run", detector=detector.pk, error=str(error))
        run.problem, run.next_at, done = str(error)[:300], _at(at_ms + AGAIN_MS), Looked()
    run.save()
    return done


def _advance(run: Run, detector: Detector, one: Loaded, now_ms: int) -> Looked:
    """Step through the closed rows after ``run.row``; ``run`` is changed, not saved."""
    every, hold, ids = int(one.about["every_ms"]), list(one.about["hold"]), one.ids
    from_ms = (run.row - max(hold, default=0)) * every
    most = AT_ONCE if run.is_shadow else min(AT_ONCE, _truth_rows(every) - run.row % _truth_rows(every))
    to_ms = (run.row + most) * every + detector.grace_ms + AHEAD_MS
    table = measured(ids, from_ms, min(to_ms, now_ms + AHEAD_MS))
    found = closed(table, ids, hold, every, run.row, most, detector.grace_ms, now_ms - SETTLE_MS)
    if not len(found.cells) and to_ms < now_ms - AHEAD_MS:
        found = closed(table, ids, hold, every, run.row, most, detector.grace_ms, now_ms, at_last=True)
    cells, received = found.cells, found.received_ms
    if not len(cells):
        return Looked()
    memory = unpack(run.memory) if run.memory else {}
    state, stands = memory.get("state", methods.fresh(one.learnt)), memory.get("standing", Standing())
    streams = Datastream.objects.select_related("site__org").in_bulk(ids)
    book = _Book(run, detector, one, streams, memory.get("worst"))
    scores = np.empty(len(cells))
    parts: tuple[Part, ...] = ()
    for i, row in enumerate(cells):
        number, before = run.row + i, stands
        state, scores[i], parts = methods.step(state, number, row, one.learnt, always=i == len(cells) - 1)
        stands, what = standing.advance(before, number, scores[i], detector.on_rows, detector.off_rows)
        book.row(number, row, int(received[i]), scores[i], parts, stands, before, what)
    judged = run.row, run.row + len(cells)
    run.passed_over += int(np.isnan(scores).sum())
    run.late += found.late
    run.row, run.stepped_at = judged[1], _at(now_ms)
    run.memory = pack({"state": state, "standing": stands, "worst": book.worst})
    kept = np.concatenate([np.frombuffer(run.scores or b"", "<f8"), scores])[-KEPT_SCORES:]
    run.scores = kept.astype("<f8").tobytes()
    run.parts = book.told(parts)
    if not run.is_shadow:
        _judge_instruments(run, detector, one, streams, judged, book)
    more = len(cells) == most
    return Looked(1, len(cells), book.raised, book.cleared, more)


class _Book:
    """What steps come to, as rows: findings and their alarms."""

    def __init__(
        self, run: Run, detector: Detector, one: Loaded, streams: dict[int, Datastream], worst: Any
    ) -> None:  # fmt: skip
        self.run, self.detector, self.one, self.streams = run, detector, one, streams
        self.worst: dict[str, Any] | None = worst  # row, ratio, parts, first column, its value
        self.raised = self.cleared = 0
        self.held = False
        self.every = int(one.about["every_ms"])

    def row(
        self, number: int, cells: np.ndarray, received_ms: int, ratio: float, parts: tuple[Part, ...],
        now: Standing, before: Standing, what: str,
    ) -> None:  # fmt: skip
        """One row and what it made of the standing."""
        if ratio > 1 and now.peak_row == number:
            first = parts[0].column if parts else 0
            self.worst = {
                "row": number, "ratio": float(ratio), "parts": self.told(parts), "first": first,
                "value": _finite(cells[first]),
            }  # fmt: skip
        if what == standing.RAISED:
            self._raise(now, received_ms)
        elif what == standing.CLEARED:
            self._clear(self._key(before.started), number, cells)
        elif now.active and now.peak_row == number:
            self._peak(self._key(now.started), cells)

    def hold(self) -> None:
        """Before the first alarm of a look is touched (``raising.hold``)."""
        if not self.held:
            raising.hold({stream.thing_id for stream in self.streams.values()})
            self.held = True

    def told(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """An explanation as it is kept."""
        return [
            {"datastream": self.one.ids[p.column], "share": round(p.share, 4), "sign": p.sign}
            | ({} if p.by is None else {"by": p.by})
            for p in parts[:KEPT_PARTS]
        ]

    def _key(self, started: int) -> str:
        return f"{'s' if self.run.is_shadow else ''}d{self.detector.pk}:{started * self.every}"

    def _raise(self, now: Standing, received_ms: int) -> None:
        assert self.worst is not None
        worst = self.worst
        key, at = self._key(now.started), _at(now.started * self.every)
        stream = self.streams[self.one.ids[worst["first"]]]
        finding, is_new = Finding.objects.get_or_create(
            key=key,
            defaults={
                "detector": self.detector, "version": self.run.trained.version, "is_shadow": self.run.is_shadow,
                "kind": "detector", "datastream": stream, "raised_at": at,
                "peak": worst["ratio"], "peak_at": _at(worst["row"] * self.every), "parts": list(worst["parts"]),
            },
        )  # fmt: skip
        if not is_new:
            return
        self.raised += 1
        if not self.run.is_shadow:
            self.hold()
            finding.alarm = raising.raise_found(
                key, "detector", stream, self.detector.priority, at, worst["value"], _at(received_ms),
                grounds(finding),
            )  # fmt: skip
            finding.save(update_fields=["alarm"])

    def _peak(self, key: str, cells: np.ndarray) -> None:
        assert self.worst is not None
        worst = self.worst
        finding = Finding.objects.filter(key=key).select_related("alarm").first()
        if finding is None:
            return
        finding.peak, finding.peak_at = worst["ratio"], _at(worst["row"] * self.every)
        finding.parts = list(worst["parts"])
        finding.save(update_fields=["peak", "peak_at", "parts"])
        if finding.alarm is not None:
            self.hold()
            raising.worse(finding.alarm, finding.peak_at, self._value(cells, finding))

    def _clear(self, key: str, number: int, cells: np.ndarray) -> None:
        finding = Finding.objects.filter(key=key, cleared_at=None).select_related("alarm").first()
        if finding is None:
            return
        self.cleared += 1
        finding.cleared_at = _at(number * self.every)
        finding.save(update_fields=["cleared_at"])
        if finding.alarm is not None:
            self.hold()
            raising.clear_found(finding.alarm, finding.cleared_at, self._value(cells, finding))

    def _value(self, cells: np.ndarray, finding: Finding) -> float | None:
        """What the datastream that the alarm hangs on measured."""
        return _finite(cells[self.one.ids.index(finding.datastream_id)])


# ---- instruments -------------------------------------------------------------------------------------------


def _judge_instruments(
    run: Run, detector: Detector, one: Loaded, streams: dict[int, Datastream], judged: tuple[int, int],
    book: _Book,
) -> None:  # fmt: skip
    """Truth scores where a span of ``_truth_rows`` ends, counted since 1970; a look never steps over one."""
    end = judged[1]
    if end % _truth_rows(book.every) or end - run.first_row < TRUTH_LEAST_ROWS:
        return
    recent = truth.Recent.fresh(len(one.ids))
    first = end - recent.window - recent.past
    table = measured(one.ids, first * book.every, end * book.every)
    cells = grid(table, one.ids, first * book.every, end * book.every, book.every, one.about["hold"])
    heard = np.flatnonzero(np.isfinite(cells).any(axis=1))
    cells = cells[heard[0] if len(heard) else len(cells) :]  # before it was connected nothing is missing
    if len(cells) < TRUTH_LEAST_ROWS:
        return
    _, truths = truth.step(recent, cells, one.learnt.usual)
    at, known = _at(end * book.every), {t.datastream_id: t for t in Truth.objects.filter(detector=detector)}
    changed, values = [], {}
    for column, (id_, said) in enumerate(zip(one.ids, truths, strict=True)):
        reasons = [
            {"what": r.what, "severity": round(r.severity, 3), "rows": r.rows}
            | ({"of": one.ids[r.of]} if r.of >= 0 else {})
            | ({"back": r.back} if r.back else {})
            for r in said.reasons
        ]
        old = known.get(id_)
        row = old or Truth(detector=detector, datastream_id=id_, changed_at=at)
        if old is None or old.score != said.score:
            row.changed_at = at
        row.score, row.reasons, row.at = said.score, reasons, at
        changed.append(row)
        values[id_] = _finite(cells[-1, column])
    Truth.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["detector", "datastream"],
        update_fields=["score", "reasons", "at", "changed_at"],
    )  # fmt: skip
    low = {row.datastream_id: row for row in changed if _believed(row) < detector.truth_below}
    many = len(low) > max(COMMON_LEAST, len(one.ids) * COMMON_SHARE)
    _common(detector, run, streams, low if many else {}, values, at, book)
    for row in changed:
        _alarm_of(detector, run, streams[row.datastream_id], row, values[row.datastream_id], many, book)


def _believed(row: Truth) -> int:
    """The score without what is missing: that is for rules of silence."""
    return round(100 * math.prod(1 - r["severity"] for r in row.reasons if r["what"] != "missing"))


def _common(
    detector: Detector, run: Run, streams: dict[int, Datastream], low: dict[int, Truth],
    values: dict[int, float | None], at: datetime, book: _Book,
) -> None:  # fmt: skip
    """Many instruments of a unit at once have one cause (it stands still, a gateway repeats itself): one alarm."""
    key = f"u{detector.pk}:"
    open_ = detector.findings.filter(key__startswith=key, cleared_at=None).select_related("alarm").first()
    if open_ is None and low:
        worst = min(low.values(), key=lambda row: (_believed(row), row.datastream_id))
        key += str(round(at.timestamp() * 1000))
        stream = streams[worst.datastream_id]
        parts = [
            {"datastream": pk, "share": round(1 - _believed(row) / 100, 4), "sign": row.reasons[0]["what"]}
            for pk, row in sorted(low.items(), key=lambda item: (_believed(item[1]), item[0]))
        ]
        finding = Finding(
            key=key, detector=detector, version=run.trained.version, is_shadow=False, kind="truth", datastream=stream,
            raised_at=at, peak=float(_believed(worst)), peak_at=at, parts=parts,
        )  # fmt: skip
        _raise_truth(finding, values[stream.pk], book)
    elif open_ is not None and not low:
        Finding.objects.filter(pk=open_.pk).update(cleared_at=max(at, open_.raised_at))
        if open_.alarm is not None:
            book.hold()
            raising.clear_found(open_.alarm, at, values[open_.datastream_id])
        book.cleared += 1


def _truth_rows(every_ms: int) -> int:
    """Rows from one judgement of the instruments to the next."""
    return max(TRUTH_LEAST_ROWS, -(-TRUTH_MS // every_ms))


def _alarm_of(
    detector: Detector, run: Run, stream: Datastream, row: Truth, value: float | None, many: bool, book: _Book
) -> None:
    """An instrument below the limit is an alarm of the lowest priority: it wants a look, not the plant.

    None is raised while ``many`` are: they are one alarm together.
    """
    limit, score, at_ms = detector.truth_below, _believed(row), round(row.at.timestamp() * 1000)
    open_ = (
        Finding.objects.filter(
            detector=detector, key__startswith=f"t{detector.pk}:{stream.pk}:", cleared_at=None
        )
        .select_related("alarm")
        .first()
    )
    if open_ is None and not many and score < limit:
        key = f"t{detector.pk}:{stream.pk}:{at_ms}"
        finding = Finding(
            key=key, detector=detector, version=run.trained.version, is_shadow=False, kind="truth", datastream=stream,
            raised_at=row.at, peak=float(score), peak_at=row.at, parts=row.reasons,
        )  # fmt: skip
        _raise_truth(finding, value, book)
    elif open_ is not None and (not limit or score >= min(100, limit + TRUTH_HIGHER)):
        Finding.objects.filter(pk=open_.pk).update(cleared_at=max(row.at, open_.raised_at))
        if open_.alarm is not None:
            book.hold()
            raising.clear_found(open_.alarm, row.at, value)
        book.cleared += 1
    elif open_ is not None and score < open_.peak:
        Finding.objects.filter(pk=open_.pk).update(peak=float(score), peak_at=row.at, parts=row.reasons)


def _raise_truth(finding: Finding, value: float | None, book: _Book) -> None:
    book.hold()
    finding.alarm = raising.raise_found(
        finding.key, finding.kind, finding.datastream, Priority.BLUE, finding.raised_at, value,
        grounds=grounds(finding),
    )  # fmt: skip
    if not Finding.objects.filter(key=finding.key).exists():
        finding.save()
    book.raised += 1


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
