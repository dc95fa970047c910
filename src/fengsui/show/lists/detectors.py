"""Detectors, what they found and why, their newest scores, and how true instruments are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.sense.devices.models import Datastream
from fengsui.show.lists.keyset import Page, page
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.detecting.models import Detector, Finding, Run, Trained, Truth
from fengsui.warn.detectors.truth import REASONS

ORDER = ("site__code", "name", "id")
TRUTH_ORDER = ("score", "id")
FINDING_ORDER = ("-raised_at", "-id")

SIGNS = {
    "normal": gettext_lazy("from its usual mean"),
    "t2q": gettext_lazy("not with the others as usual; from its usual mean"),
    "ewma_up": gettext_lazy("above its usual level (EWMA)"),
    "ewma_down": gettext_lazy("below its usual level (EWMA)"),
    "cusum_up": gettext_lazy("has shifted upwards (CUSUM, upper side)"),
    "cusum_down": gettext_lazy("has shifted downwards (CUSUM, lower side)"),
    "above": gettext_lazy("above its forecast"),
    "below": gettext_lazy("below its forecast"),
    "frozen": gettext_lazy("frozen"),
    "too_clean": gettext_lazy("too clean"),
    "copied": gettext_lazy("copied"),
    "repeated": gettext_lazy("repeated"),
}
TRUTH_WORDS = {
    "frozen": gettext_lazy("frozen: one value for %(rows)s rows"),
    "too_clean": gettext_lazy("too clean: less than half of its usual noise in %(rows)s rows"),
    "copied": gettext_lazy("copied: the values of %(of)s for %(rows)s rows"),
    "repeated": gettext_lazy("repeated: its own values of %(back)s rows before, for %(rows)s rows"),
    "missing": gettext_lazy("missing: %(rows)s rows more than usual have no value"),
}
assert set(TRUTH_WORDS) == set(REASONS)


@dataclass(frozen=True, slots=True)
class Told:
    """One line of an explanation: whose doing, its share 0 to 1 (of an instrument: how severe), in words."""

    datastream: Datastream | None
    share: float
    words: str


def detectors(user: Any) -> QuerySet[Detector]:
    """Every detector that ``user`` sees, with what a row of the list shows."""
    versions = Trained.objects.light()
    rows = (
        Detector.objects.visible_to(user)
        .select_related("site__org")
        .prefetch_related(
            Prefetch("in_force", queryset=versions),
            Prefetch("in_shadow", queryset=versions),
            Prefetch("runs", queryset=Run.objects.defer("memory", "scores")),
        )
    )
    since = timezone.now() - timedelta(days=1)
    day = Count(
        "findings", filter=Q(findings__is_shadow=False, findings__raised_at__gte=since), distinct=True
    )
    standing = Count(
        "findings", filter=Q(findings__is_shadow=False, findings__cleared_at=None), distinct=True
    )
    found: QuerySet[Detector] = rows.annotate(day=day, standing=standing)
    return found


def detector_page(
    user: Any, *, q: str = "", which: str = "", cursor: str | None = None, size: int = 50
) -> Page[Detector]:
    """One page.  ``which``: force, shadow or off; ``q`` a part of the detector's or the site's name or code."""
    rows = detectors(user)
    if which == "force":
        rows = rows.exclude(in_force=None)
    elif which == "shadow":
        rows = rows.exclude(in_shadow=None)
    elif which == "off":
        rows = rows.filter(in_force=None, in_shadow=None)
    if q:
        rows = rows.filter(
            Q(name__icontains=q)
            | Q(name_en__icontains=q)
            | Q(site__name__icontains=q)
            | Q(site__code__icontains=q)
        )
    return page(rows, ORDER, cursor, size)


def findings(user: Any) -> QuerySet[Finding]:
    """What detectors found, the newest first."""
    rows: QuerySet[Finding] = Finding.objects.visible_to(user).select_related(
        "detector__site", "datastream", "alarm"
    )
    return rows


def truth_page(
    user: Any, *, site: str = "", below: int = 101, cursor: str | None = None, size: int = 50
) -> Page[Truth]:
    """Truth scores of instruments, the lowest first; ``below`` leaves out what is not lower."""
    rows = Truth.objects.visible_to(user).filter(score__lt=below)
    if site:
        rows = rows.filter(datastream__site__code=site)
    return page(rows.select_related("datastream__site", "detector"), TRUTH_ORDER, cursor, size)


def told(finding: Finding) -> list[Told]:
    """The explanation of a finding, the largest share first."""
    if finding.kind == "truth" and not any("datastream" in part for part in finding.parts):
        return reasons(finding.parts, finding.datastream)
    return explained(finding.parts)


def of_alarm(alarm: Alarm) -> Finding | None:
    """What a detector said of an alarm; None where it is of a rule."""
    return Finding.objects.filter(alarm=alarm).select_related("detector__site", "datastream").first()


def explained(parts: Sequence[dict[str, Any]], is_normal: bool = False) -> list[Told]:
    """Parts as a detector keeps them, with names and words; of a normal row nothing is said to be wrong."""
    streams = Datastream.objects.select_related("site").in_bulk([p["datastream"] for p in parts])
    lines = []
    for part in parts:
        stream = streams.get(part["datastream"])
        sign = "normal" if is_normal else part["sign"]
        words = str(SIGNS.get(sign, sign))
        if stream is not None and part.get("by") is not None:
            amount = f"{part['by']:+.{stream.decimals}f} {stream.unit}".strip()
            words = _("%(words)s: %(amount)s") % {"words": words, "amount": amount}
        elif is_normal:
            words = ""
        lines.append(Told(stream, float(part["share"]), words))
    return lines


def reasons(said: Sequence[dict[str, Any]], stream: Datastream) -> list[Told]:
    """Why an instrument is not believed."""
    others = Datastream.objects.in_bulk([r["of"] for r in said if "of" in r])
    lines = []
    for one in said:
        of = others.get(one.get("of", -1))
        words = str(TRUTH_WORDS[one["what"]]) % {
            "rows": one["rows"], "back": one.get("back", 0), "of": of.code if of else "–"
        }  # fmt: skip
        lines.append(Told(stream, float(one["severity"]), words))
    return lines


# ---- the chart of scores -----------------------------------------------------------------------------------

WIDTH, HEIGHT, TOP = 720, 160, 4.0  # a score above TOP times the limit is drawn at the top


@dataclass(frozen=True, slots=True)
class Scores:
    """The newest scores of a run: ``at_ms`` of the first, ``every_ms``, values (None: not judged), and the drawing."""

    from_ms: int
    every_ms: int
    values: list[float | None]
    line: str
    over: str
    limit_y: float
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def last(self) -> float | None:
        return self.values[-1] if self.values else None

    @property
    def most(self) -> float | None:
        return max((v for v in self.values if v is not None), default=None)

    @property
    def from_at(self) -> datetime:
        return datetime.fromtimestamp(self.from_ms / 1000, UTC)

    @property
    def to_at(self) -> datetime:
        return datetime.fromtimestamp((self.from_ms + len(self.values) * self.every_ms) / 1000, UTC)


def scores(run: Run, every_ms: int) -> Scores:
    """The newest scores of a run, drawn."""
    raw = np.frombuffer(run.scores or b"", "<f8")
    values = [float(v) if math.isfinite(v) else None for v in np.minimum(raw, 1e9)]
    line, over, pen = [], [], False
    step = WIDTH / max(1, len(values))
    for i, value in enumerate(values):
        if value is None:
            pen = False
            continue
        x, y = (i + 0.5) * step, _y(value)
        line.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}")
        if value > 1:
            over.append(f"M{x:.1f} {_y(1):.1f}V{y:.1f}")
        pen = True
    return Scores((run.row - len(values)) * every_ms, every_ms, values, "".join(line), "".join(over), _y(1.0))


def _y(value: float) -> float:
    return round(HEIGHT - min(value, TOP) / TOP * (HEIGHT - 4) - 2, 1)
