"""Scorecards: how alarms did in a span, by county, organisation, site, rule or kind; with what is aimed at."""

from dataclasses import asdict
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from fengsui.base.errors import BadInput
from fengsui.show.lists import scorecard_files as files
from fengsui.show.lists.scorecard import Card, in_sight
from fengsui.stores import clock
from fengsui.warn.alarms import figures

router = Router(tags=["scorecards"])
MOST = 500
LONGEST_MS = 400 * 86_400_000


class LineOut(Schema):
    of: list[str]
    county: str
    alarms: int
    per_day: float
    per_window: float
    peak: int
    flood_share: float
    chattering: int
    stale: int
    standing: int
    top_share: float
    real: int
    false: int
    test: int
    warned: int | None
    missed: int | None
    hit_rate: float | None
    false_alarm_ratio: float | None
    lead_s: float | None
    acked: int
    median_ack_s: float | None
    p90_ack_s: float | None


class PriorityOut(Schema):
    priority: int
    alarms: int
    share: float


class ContributorOut(Schema):
    site: str
    datastream: str
    kind: str
    rule: int | None
    alarms: int
    share: float


class ScorecardOut(Schema):
    from_ms: int
    to_ms: int
    by: str
    lines: list[LineOut]
    more: int
    whole: dict[str, Any] | None
    priorities: list[PriorityOut]
    contributors: list[ContributorOut]
    definitions: dict[str, float]


@router.get("scorecards", response=ScorecardOut)
def get_scorecard(
    request: HttpRequest, from_ms: int, to_ms: int,
    by: Literal["county", "organisation", "site", "rule", "kind"] = "county", site: str = "", county: str = "",
    format: Literal["json", "csv", "xlsx"] = "json",
) -> Any:  # fmt: skip
    """The alarms of [from_ms, to_ms) that one may see, at most 400 days; 500 lines, the files have all."""
    to_ms = min(to_ms, clock.now_ms())
    if not 0 <= from_ms < to_ms or to_ms - from_ms > LONGEST_MS:
        raise BadInput("from_ms must be before to_ms and now, and at most 400 days before")
    sites, happened = in_sight(request.user, site, county)
    now = figures.in_force()
    card = Card.of(sites, from_ms, to_ms, by, happened, now.limits)
    if format != "json":
        data = files.as_csv(card) if format == "csv" else files.as_xlsx(card, now)
        answer = HttpResponse(data, content_type=files.TYPES[format])
        answer["Content-Disposition"] = f'attachment; filename="scorecard-{by}.{format}"'
        return answer
    return {
        "from_ms": from_ms, "to_ms": to_ms, "by": by, "lines": [_line(s) for s in card.scores(MOST)],
        "more": max(len(card) - MOST, 0),
        "whole": {k: v for k, v in asdict(card.whole()).items() if k != "days"} if len(card) else None,
        "priorities": [{"priority": p, "alarms": n, "share": s} for p, n, s in card.priorities()],
        "contributors": [asdict(c) for c in card.contributors()], "definitions": now.values,
    }  # fmt: skip


def _line(score: Any) -> dict[str, Any]:
    b, v = score.burden, score.verdicts
    return {
        "of": list(score.of), "county": score.county, "alarms": b.alarms, "per_day": b.per_day,
        "per_window": b.per_10_min, "peak": b.peak_10_min, "flood_share": b.flood_share, "chattering": b.chattering,
        "stale": b.stale, "standing": b.standing, "top_share": b.top_share, "real": v.real, "false": v.false,
        "test": v.test, "warned": v.warned, "missed": v.missed, "hit_rate": v.hit_rate,
        "false_alarm_ratio": v.false_alarm_ratio, "lead_s": v.lead_s, "acked": score.acked,
        "median_ack_s": score.median_ack_s, "p90_ack_s": score.p90_ack_s,
    }  # fmt: skip
