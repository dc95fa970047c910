"""Feeds of earthquakes and typhoons as rows: fetched by the worker or read from a file, counted in and out.

The same report is the same row however often it comes.  What cannot be read is kept with its reason, once.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F

from fengsui.stores import clock
from fengsui.warn.natural import reports
from fengsui.warn.natural.storm import Fix
from fengsui.warn.naturals.models import Quake, Refusal, Source, SourceKind, Storm, StormFix, StormForecast
from fengsui.warn.warnings.errors import CannotFetch
from fengsui.warn.warnings.fetching import fetch

log = structlog.get_logger()

ACCEPT = "application/geo+json, application/json;q=0.9, text/plain;q=0.8, */*;q=0.1"
MOST_KEPT_REFUSALS = 1_000  # different ones of a source


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file brought: entries = new + known + refused + beats.  A storm is known when nothing of it is new."""

    entries: int = 0
    new: int = 0
    known: int = 0
    refused: int = 0
    beats: int = 0


def pull_due() -> dict[str, Taken]:
    """Look at every feed whose time has come; what one of them does wrong does not keep the others waiting."""
    found = {}
    now = clock.now()
    for source in Source.objects.filter(is_active=True).exclude(url="").select_related("org").order_by("pk"):
        if source.asked_at is None or source.asked_at + timedelta(seconds=source.period_s) <= now:
            found[source.name] = pull(source)
    return found


def pull(source: Source) -> Taken:
    """Look at one feed now.  Never raises for what the other side does: the row says what was wrong."""
    source.asked_at = clock.now()
    taken = Taken()
    try:
        data = fetch(source, source.url, ACCEPT, conditional=True, most=reports.MOST_BYTES)
        taken = Taken() if data is None else take(source, data, clock.now())
        source.heard_at, source.error = clock.now(), ""
    except CannotFetch as error:
        source.error, source.etag, source.modified = str(error)[:300], "", ""
        log.warning("natural.feed", source=source.pk, error=source.error)
    source.save(update_fields=["asked_at", "heard_at", "error", "etag", "modified"])
    if taken.new or taken.refused:
        log.info("natural.pulled", source=source.pk, new=taken.new, known=taken.known, refused=taken.refused)
    return taken


def read_of(kind: str, data: bytes) -> reports.Read:
    return reports.quakes(data) if kind == "quakes" else reports.tracks(data)


def take(source: Source, data: bytes, at: datetime) -> Taken:
    """Everything in ``data`` as rows.  Never raises for what is in it."""
    return keep(source, read_of(source.kind, data), at)


@transaction.atomic
def keep(source: Source, read: reports.Read, at: datetime) -> Taken:
    """What was read as rows, counted in and out."""
    new = (_quakes if source.kind == SourceKind.QUAKES else _storms)(source, read, at)
    good = len(read.quakes) + len(read.tracks)
    taken = Taken(read.entries, new, good - new, len(read.refused), read.beats)
    for one in read.refused:
        _refuse(source, one, at)
    Source.objects.filter(pk=source.pk).update(
        taken=F("taken") + taken.new, known=F("known") + taken.known, refused=F("refused") + taken.refused,
        beats=F("beats") + taken.beats,
    )  # fmt: skip
    return taken


def _quakes(source: Source, read: reports.Read, at: datetime) -> int:
    asked = {one.key for one in read.quakes}
    known = set(Quake.objects.filter(source=source, key__in=asked).values_list("key", "revision"))
    rows: dict[tuple[str, int], Quake] = {}
    for one in read.quakes:
        if (one.key, one.revision) not in known:
            rows[one.key, one.revision] = Quake(
                source=source, key=one.key, revision=one.revision, origin_at=_at(one.origin_ms), longitude=one.lon,
                latitude=one.lat, depth_km=one.depth_km, magnitude=one.magnitude, magnitude_type=one.magnitude_type,
                place=one.place, status=one.status, max_intensity=one.max_intensity, received_at=at, is_current=False,
            )  # fmt: skip
    Quake.objects.bulk_create(rows.values(), batch_size=1000)
    touched = {key for key, _revision in rows}
    newest = (
        Quake.objects.filter(source=source, key__in=touched)
        .order_by("key", "-revision")
        .distinct("key")
        .values_list("pk", flat=True)
    )
    Quake.objects.filter(source=source, key__in=touched, is_current=True).update(is_current=False)
    Quake.objects.filter(pk__in=list(newest)).update(is_current=True)
    return len(rows)


def _storms(source: Source, read: reports.Read, at: datetime) -> int:
    changed = 0
    for track in read.tracks:
        storm, is_new = Storm.objects.get_or_create(
            source=source, key=track.key, defaults={"name": track.name, "name_en": track.name_en}
        )
        there = {row.at: row for row in storm.fixes.all()}
        added, differ = [], []
        for one in track.observed:
            row = StormFix(storm=storm, at=_at(one.at_ms), **_fix(one))
            old = there.get(row.at)
            if old is None:
                added.append(row)
            elif any(getattr(old, name) != getattr(row, name) for name in FIX):
                row.pk = old.pk
                differ.append(row)
        StormFix.objects.bulk_create(added, batch_size=1000)
        StormFix.objects.bulk_update(differ, FIX, batch_size=1000)
        is_forecast_new = False
        if track.forecast:
            points = [{"at_ms": one.at_ms, **_fix(one)} for one in track.forecast]
            _row, is_forecast_new = StormForecast.objects.get_or_create(
                storm=storm, issued_at=_at(track.observed[-1].at_ms),
                defaults={"by": track.forecast_by, "points": points},
            )  # fmt: skip
        changed += bool(is_new or added or differ or is_forecast_new)
    return changed


FIX = ["longitude", "latitude", "wind_m_s", "pressure_hpa", "circles"]


def _fix(one: Fix) -> dict[str, Any]:
    circles = [list(four) if four is not None else None for four in one.circles]
    return {
        "longitude": one.lon,
        "latitude": one.lat,
        "wind_m_s": one.wind_m_s,
        "pressure_hpa": one.pressure_hpa,
        "circles": circles if any(circles) else [],
    }


def fix_of(row: Any, at_ms: int) -> Fix:
    """A position as ``warn.natural`` has it, from a row or a point of a forecast."""
    get = row.get if isinstance(row, dict) else lambda name: getattr(row, name)
    circles = [tuple(four) if four else None for four in get("circles") or (None, None, None)]
    return Fix(
        at_ms, get("longitude"), get("latitude"), get("wind_m_s"), get("pressure_hpa"), tuple(circles)  # type: ignore[arg-type]
    )  # fmt: skip


def _refuse(source: Source, one: reports.Refused, at: datetime) -> None:
    digest = hashlib.sha256(f"{one.reason}\0{one.said}\0{one.raw}".encode()).hexdigest()
    again = Refusal.objects.filter(source=source, sha256=digest).update(times=F("times") + 1, last_at=at)
    if again or Refusal.objects.filter(source=source).count() >= MOST_KEPT_REFUSALS:
        return
    Refusal.objects.create(
        source=source, reason=one.reason, said=_clean(one.said)[:200], raw=_clean(one.raw)[: reports.MOST_RAW],
        sha256=digest, first_at=at, last_at=at,
    )  # fmt: skip


def _clean(text: str) -> str:
    return text.replace("\x00", "")


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
