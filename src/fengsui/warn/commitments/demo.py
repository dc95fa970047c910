"""Commitments of the days before, for a demonstration: rows of a region pack, only where a site has none yet."""

import datetime
from typing import Any

from django.utils import timezone

from fengsui.sense.devices.models import Site
from fengsui.stores import clock
from fengsui.warn.commitments import services
from fengsui.warn.commitments.models import Commitment, Missing
from fengsui.warn.commitments.obliged import Book, begin_of
from fengsui.warn.commitments.said import plain, read

ACTOR = "演示"


def remember(site_id: int, rows: list[dict[str, Any]]) -> int:
    """Keep ``rows`` (columns of ``commitments.csv``) as given on days before today; days in between without one were
    missed.  Returns how many were kept: none for a site that is no demonstration or has commitments.
    """
    site = Site.objects.get(pk=site_id)
    if not site.is_demo or site.commitments.exists():
        return 0
    terms = Book().terms(site.org_path)
    today = timezone.localdate(clock.now())
    by_day = {today - datetime.timedelta(days=row["days_ago"]): row for row in rows if row["days_ago"]}
    for n in range(1, max((row["days_ago"] for row in rows), default=0) + 1):
        day = today - datetime.timedelta(days=n)
        if (row := by_day.get(day)) is None:
            deadline = terms.deadline_at(day)
            Missing.objects.get_or_create(
                site=site, day=day, defaults={"deadline_at": deadline, "found_at": deadline}
            )
        else:
            _keep(site, day, row, terms.deadline_at(day))
    return len(by_day)


def _keep(site: Site, day: datetime.date, row: dict[str, Any], deadline: datetime.datetime) -> None:
    works = {
        kind: {"count": row[kind], "permits": row["permits"]}
        for kind in ("fire_1", "confined_space")
        if row[kind]
    }
    names = ("units", "running", "stopped_units", "risk_grade", "trial", "principal")
    said = read(
        {name: row[name] for name in names} | {"works": works, "responsibility": True, "promise": True}
    )
    at = begin_of(day) + datetime.timedelta(hours=row["hour"])
    made = Commitment(
        site=site, day=day, number=1, at=at, actor_name=ACTOR, principal=said.principal, risk_grade=said.risk_grade,
        special=said.special, said=plain(said), deadline_at=deadline, is_late=at > deadline,
    )  # fmt: skip
    made.sha256 = services.digest(made)
    made.save(force_insert=True)
    if made.is_late:
        values = {"deadline_at": deadline, "found_at": deadline, "given_at": at}
        Missing.objects.get_or_create(site=site, day=day, defaults=values)
