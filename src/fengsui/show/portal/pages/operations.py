"""The operations page: how much goes through, how far behind it is, what is slow and what rests where."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from fengsui.show.lists import operations
from fengsui.show.lists.roles import status
from fengsui.show.portal.pages.charts import Bars, bars
from fengsui.show.portal.pages.page import page, show


@require_safe
@page("status.view")
def operations_page(request: HttpRequest) -> HttpResponse:
    """``?mode=wall`` for the wall: larger, and without controls."""
    now = timezone.now()
    found = status()
    hour = operations.last_hour(now)
    lags = [row["lag"] for row in found.roles if row["role"] == "pipeline"]
    worker: dict[str, Any] = next((row["lag"] for row in found.roles if row["role"] == "worker"), {})
    wall = request.GET.get("mode") == "wall"
    context = {
        "status": found,
        "details": not wall,
        "wall": wall,
        "now": {
            "rate": sum(lag.get("readings_s", 0) for lag in lags) if lags else None,
            "messages": sum(lag.get("messages", 0) for lag in lags) if lags else None,
            "age_ms": max((lag.get("age_ms", 0) for lag in lags), default=None),
            "commit_ms": max((lag.get("commit_ms", 0) for lag in lags), default=None),
            "uncommitted": sum(lag.get("uncommitted", 0) for lag in lags) if lags else None,
            "outbox": worker.get("outbox"),
            "dead": worker.get("outbox_dead"),
            "overdue": worker.get("overdue"),
        },
        "charts": _charts(hour),
        "boundaries": hour.sums(),
        "balanced": all(row["gap"] == 0 and row.get("lost", 0) == 0 for row in hour.sums()),
        "slow": operations.slow_sites(request.user, now),
        "resting": operations.resting(),
    }
    return show(request, "operations", context, part="parts/operations_body")


def _charts(hour: operations.Minutes) -> list[dict[str, Any]]:
    """Readings a second by minute, as bars with the same numbers as a table."""
    gateway, pipeline = hour.counts["gateway"], hour.counts["pipeline"]
    made = (
        ("received", _("Received at the gateway"), gateway["received"]),
        ("stored", _("Stored"), hour.counts["history"]["stored"]),
        ("duplicate", _("Duplicates"), pipeline["duplicate"]),
        (
            "held",
            _("Held in quarantine"),
            [a + b for a, b in zip(gateway["quarantined"], pipeline["quarantined"], strict=True)],
        ),
    )
    out = []
    for name, title, counts in made:
        rates = [n / 60 for n in counts]
        chart: Bars = bars(rates)
        out.append(
            {"name": name, "title": title, "bars": chart, "rows": list(zip(hour.at, rates, strict=True))}
        )
    return out
