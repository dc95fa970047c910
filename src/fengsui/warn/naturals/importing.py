"""Natural hazards from files: what a feed would have brought, and gauges with their marks."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.base.errors import FengsuiError
from fengsui.base.place import is_on_earth
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices import files
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.cap.checks import check
from fengsui.warn.natural import reports
from fengsui.warn.naturals import services, taking
from fengsui.warn.naturals.errors import BadGauge
from fengsui.warn.naturals.models import FireStation, Gauge, GaugeKind, Source
from fengsui.warn.naturals.taking import Taken
from fengsui.warn.warnings import arrivals
from fengsui.warn.warnings.models import Feed

KINDS = ("notices", "quakes", "storms", "gauges")
FROM_FILE = "file:notices"  # the address of the feed that stands for files: never asked
FROM_FILES = {
    "quakes": ("地震（文件导入）", "Earthquakes (from files)"),
    "storms": ("台风（文件导入）", "Typhoons (from files)"),
}
PLAYED = {
    "quakes": ("地震（演示回放）", "Earthquakes (played back)"),
    "storms": ("台风（演示回放）", "Typhoons (played back)"),
}
MAX_ROWS = 20_000
MARKS = ("reach_km", "warning_m", "guarantee_m", "blue", "yellow", "orange", "red")
COLUMNS = {"site", "datastream", "kind", "datum", "basis", "humidity", "wind", "rain", *MARKS}


@dataclass(frozen=True, slots=True)
class Play:
    """A recording played as if it happened now, and perhaps elsewhere: always marked as a demonstration.

    ``moment_ms`` of the recording is now; ``only`` is the key of the one storm or earthquake that is played.
    """

    moment_ms: int
    by_lon: float = 0.0
    by_lat: float = 0.0
    only: str = ""


@dataclass(slots=True)
class Report:
    """What was taken; ``why`` are (entry, reason) of what was not.  ``kept``: not a dry run."""

    taken: Taken
    why: list[tuple[int, str]] = field(default_factory=list)
    kept: bool = True


def bring(
    actor: Any,
    kind: str,
    raw: bytes,
    org: Org,
    at: datetime,
    *,
    name: str = "",
    dry_run: bool = False,
    play: Play | None = None,
) -> Report:
    """One file of one of KINDS, for ``org``; ``name`` names the feed that it stands for.

    Raises NotAllowed, BadGauge, BadFile (the file as a whole).
    """
    if actor is not None:
        access.require(actor, "natural.edit", org)
    deed: Callable[[], Report] = {
        "notices": lambda: _notices(raw, org, at),
        "quakes": lambda: _feed("quakes", raw, org, at, name, play),
        "storms": lambda: _feed("storms", raw, org, at, name, play),
        "gauges": lambda: _gauges(raw, org),
    }[kind]
    with transaction.atomic():
        report = deed()
        if dry_run or (kind == "gauges" and report.why):
            transaction.set_rollback(True)
            report.kept = False
        else:
            audit.record(
                actor, "natural.imported", org, org_path=org.path, kind=kind, new=report.taken.new,
                known=report.taken.known, refused=report.taken.refused,
            )  # fmt: skip
    return report


def _feed(kind: str, raw: bytes, org: Org, at: datetime, name: str, play: Play | None) -> Report:
    words = PLAYED if play else FROM_FILES
    zh, en = words[kind]
    source, _new = Source.objects.get_or_create(
        org=org, kind=kind, name=name or zh,
        defaults={"name_en": "" if name else en, "is_active": True, "is_demo": play is not None},
    )  # fmt: skip
    read = taking.read_of(kind, raw)
    if play is not None:
        if not source.is_demo:
            raise BadGauge(_("A recording that is played needs a feed of its own."))
        by_ms = round(at.timestamp() * 1000) - play.moment_ms
        read = reports.moved(read, by_ms, play.by_lon, play.by_lat, play.only)
        fixes = [fix for track in read.tracks for fix in (*track.observed, *track.forecast)]
        spots = [(one.lon, one.lat) for one in fixes] + [(one.lon, one.lat) for one in read.quakes]
        if not all(is_on_earth(*spot) for spot in spots):
            raise BadGauge(_("Moved so far, it would not be on the earth; name one with --only."))
    taken = taking.keep(source, read, at)
    return Report(taken, [(one.number, f"{one.reason}: {one.said}") for one in read.refused[:1000]])


def _notices(raw: bytes, org: Org, at: datetime) -> Report:
    """Weather notices and CAP into the store of warnings, under the feed that stands for files."""
    feed, _new = Feed.objects.get_or_create(
        org=org, url=FROM_FILE,
        defaults={"name": "气象预警（文件导入）", "name_en": "Weather notices (from files)", "is_active": False},
    )  # fmt: skip
    document = check(raw, now=at)
    new = known = 0
    why = [(0, str(one.what().zh)) for one in document.problems]
    refused = 0
    for number, one in enumerate(document.alerts, 1):
        if one.alert is None:
            refused += 1
            why.append((number, "；".join(str(problem.what().zh) for problem in one.problems) or "?"))
            continue
        _row, is_new = arrivals.keep(one, raw, org=org, feed=feed, received_at=at)
        new, known = new + is_new, known + (not is_new)
    return Report(Taken(len(document.alerts), new, known, refused), why)


def _gauges(raw: bytes, org: Org) -> Report:
    """CSV or xlsx: site, datastream, kind and marks; ``fire`` rows name three more datastreams.  All or none."""
    rows = list(files.rows(io.BytesIO(raw)))
    if not rows or len(rows) > MAX_ROWS + 1:
        raise BadGauge(_("The file holds no row, or more than %(most)s.") % {"most": MAX_ROWS})
    head = [cell.strip().casefold() for cell in rows[0][1]]
    for name in ("site", "datastream", "kind"):
        if name not in head:
            raise BadGauge(_("The column %(name)s is missing.") % {"name": name})
    if unknown := sorted(set(head) - COLUMNS - {""}):
        raise BadGauge(_("There is no column %(name)s.") % {"name": unknown[0]})
    report = Report(Taken())
    new = known = 0
    for number, cells in rows[1:]:
        row = {name: text.strip() for name, text in zip(head, cells, strict=False) if name and text.strip()}
        try:
            with transaction.atomic():
                made = _gauge(row, org)
            new, known = new + made, known + (not made)
        except (FengsuiError, ValidationError, ValueError) as error:
            words = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            report.why.append((number, words))
    report.taken = Taken(len(rows) - 1, new, known, len(report.why))
    return report


def _gauge(row: dict[str, str], org: Org) -> bool:
    """Whether something is new or different."""
    site = Site.objects.filter(code=row.get("site", ""), org_path__startswith=org.path).first()
    if site is None:
        raise BadGauge(
            _("There is no site “%(code)s” at %(org)s.") % {"code": row.get("site", ""), "org": org.name}
        )
    stream = _stream(site, row.get("datastream", ""))
    if row.get("kind") == "fire":
        named = {name: _stream(site, row.get(name, "")) for name in ("humidity", "wind", "rain")}
        values: dict[str, Any] = {"temperature": stream, **named}
        if "reach_km" in row:
            values["reach_km"] = float(row["reach_km"])
        return _put(FireStation, {"site": site}, values)
    if row.get("kind") not in GaugeKind.values:
        raise BadGauge(
            _("“%(kind)s” is none of: %(known)s.")
            % {"kind": row.get("kind", ""), "known": ", ".join([*GaugeKind.values, "fire"])}
        )
    marks = {name: float(row[name]) for name in MARKS if name in row}
    words = {name: row.get(name, "") for name in ("datum", "basis")}
    is_new = _put(Gauge, {"datastream": stream}, {"kind": row["kind"], **marks, **words})
    services.rules_of(Gauge.objects.select_related("datastream__site").get(datastream=stream))
    return is_new


def _put(model: Any, which: dict[str, Any], values: dict[str, Any]) -> bool:
    row = model.objects.filter(**which).first() or model(**which)
    same = row.pk is not None and all(getattr(row, name) == value for name, value in values.items())
    for name, value in values.items():
        setattr(row, name, value)
    row.full_clean()
    row.save()
    return not same


def _stream(site: Site, code: str) -> Datastream:
    stream = Datastream.objects.filter(site=site, code=code).first()
    if stream is None:
        raise BadGauge(
            _("There is no datastream “%(code)s” at %(site)s.") % {"code": code, "site": site.code}
        )
    return stream
