"""Public warnings: what is in force, being written, sent and received, and what the public is given."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from fengsui.people.orgs.models import Org
from fengsui.show.lists import layers
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.warn.warnings.models import Feed, Message, Warning

RECENT = ("-sent_at", "-id")
WRITTEN = ("-made_at", "-id")
SHOWN_AFTER_END = timedelta(hours=24)  # a cancellation stays in the public feed for so long
MOST_ON_MAP = 500


def warnings(user: Any) -> QuerySet[Warning]:
    """Every warning of ours that ``user`` sees."""
    rows = Warning.objects.select_related("issuer", "org", "about", "message", "reviewed_by", "approved_by")
    return visible_to(rows, user, "warning.view")


def messages(user: Any) -> QuerySet[Message]:
    """Every message that ``user`` sees, ours and others'."""
    rows = Message.objects.select_related("feed", "org", "warning", "ended_by").defer("document")
    return visible_to(rows, user, "warning.view")


def warning_page(
    user: Any, *, open_only: bool = True, cursor: str | None = None, size: int = 50
) -> Page[Warning]:
    """Drafts and what waits for somebody, or all that was ever written; newest first."""
    rows = warnings(user)
    return page(rows.open() if open_only else rows, WRITTEN, cursor, size)


def message_page(
    user: Any,
    *,
    at: datetime,
    which: str = "in_force",
    level: int | None = None,
    q: str = "",
    feed: int | None = None,
    cursor: str | None = None,
    size: int = 50,
) -> Page[Message]:
    """Messages, newest first.  ``which``: in_force, ours, others, wrong (of others, with errors) or all."""
    rows = messages(user)
    if which == "in_force":
        rows = rows.in_force(at)
    elif which == "ours":
        rows = rows.ours()
    elif which == "others":
        rows = rows.exclude(feed=None)
    elif which == "wrong":
        rows = rows.exclude(feed=None).filter(Q(worst="error") | Q(is_refused=True))
    if level is not None:
        rows = rows.filter(level=level)
    if feed is not None:
        rows = rows.filter(feed=feed)
    if q:
        rows = rows.filter(Q(headline__icontains=q) | Q(area_desc__icontains=q) | Q(identifier__icontains=q))
    return page(rows, RECENT, cursor, size)


def feeds(user: Any) -> QuerySet[Feed]:
    """The feeds of others that ``user`` sees."""
    return visible_to(Feed.objects.select_related("org"), user, "warning.view", "org__path")


def public_page(at: datetime, *, cursor: str | None = None, size: int = 50) -> Page[Message]:
    """What our feed gives the public: real public messages of ours that hold, and cancellations of the last day."""
    holds = Q(msg_type__in=("Alert", "Update"), ended_at=None, expires_at__gt=at)
    ended = Q(msg_type="Cancel", sent_at__gt=at - SHOWN_AFTER_END)
    rows = Message.objects.public().filter(holds | ended, sent_at__lte=at).select_related("warning__issuer")
    return page(rows.defer("document"), RECENT, cursor, size)


def public_message(identifier: str) -> Message | None:
    """One public message of ours by its number, also one that is over."""
    return Message.objects.public().filter(identifier=identifier).first()


@dataclass(frozen=True, slots=True)
class Division:
    """A division to choose: its code and names, as the tree of organisations has them."""

    code: str
    name: str
    name_en: str


def divisions(user: Any) -> list[Division]:
    """The divisions that ``user`` may warn, as the tree of organisations has them."""
    rows = visible_to(Org.objects.exclude(division_code=""), user, "warning.draft", "path")
    rows = rows.filter(kind__in=("province", "city", "county", "township")).order_by("division_code")
    found: dict[str, Division] = {}
    for code, name, name_en in rows.values_list("division_code", "name", "name_en")[:2000]:
        found.setdefault(code, Division(code, name, name_en))
    return list(found.values())


def features(user: Any, at: datetime) -> list[dict[str, Any]]:
    """Warnings in force as GeoJSON, the worst last so that it is drawn on top.

    An area that has no outline of its own takes that of its division, where a layer of the region has it.
    """
    rows = list(messages(user).in_force(at).order_by("-sent_at")[:MOST_ON_MAP])
    outlines = layers.divisions() if any(row.divisions and not row.shapes for row in rows) else {}
    found = []
    for row in sorted(rows, key=lambda one: -(one.level or 9)):
        polygons = [[ring] for ring in row.shapes]
        if not polygons:
            polygons = [polygon for code in row.divisions for polygon in outlines.get(code[:6], ())]
        found.append(
            {
                "type": "Feature",
                "geometry": {"type": "MultiPolygon", "coordinates": polygons},
                "properties": {
                    "id": row.pk,
                    "level": row.level,
                    "headline": row.headline,
                    "headline_en": row.headline_en or row.headline,
                    "origin": row.feed.name if row.feed else "",
                    "expires_ms": round(row.expires_at.timestamp() * 1000),
                },
            }
        )
    return found
