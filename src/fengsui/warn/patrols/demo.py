"""Looks of the days before, for a demonstration: rows of a region pack, only where a site has none yet."""

import datetime
from typing import Any

from fengsui.loops import services as loops
from fengsui.sense.devices.models import Site
from fengsui.stores import clock
from fengsui.warn.patrols.models import Patrol
from fengsui.warn.patrols.services import ITEMS, KIND, OK, PROBLEM

ACTOR = "演示"


def remember(site_id: int, rows: list[dict[str, Any]]) -> int:
    """Keep ``rows`` (columns of ``patrols.csv``) as done before today, with their findings; returns how many were kept:
    none for a site that is no demonstration or was looked at.
    """
    site = Site.objects.select_related("org").get(pk=site_id)
    if not site.is_demo or site.patrols.exists():
        return 0
    for row in rows:
        at = clock.now() - datetime.timedelta(days=row["days_ago"])
        found = row["problem"]
        answers = {
            item: {"state": PROBLEM if found and item == "alarms" else OK, "note": ""} for item in ITEMS
        }
        made = Patrol.objects.create(
            site=site, reason=ACTOR, officer_name=ACTOR, opened_at=at - datetime.timedelta(minutes=20), opened_by=ACTOR,
            done_at=at, answers=answers, note=row["note"], findings=int(bool(found)),
        )  # fmt: skip
        if found:
            about = {
                "patrol": made.pk,
                "what": found,
                "site": {"id": site.pk, "code": site.code, "name": site.name},
            }
            loops.open_loop(
                kind=KIND, key=f"patrol:{made.pk}:1", title=f"{site.name}：{found}"[:200], org=site.org, level=4, at=at,
                title_en=f"{site.name_en or site.name}: found on patrol", about=about,
            )  # fmt: skip
    return len(rows)
