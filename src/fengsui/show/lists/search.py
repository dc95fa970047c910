"""Search over everything with a name: exact codes first, then beginnings, then any part."""

from typing import Any

from django.db.models import Q, QuerySet

from fengsui.people.orgs.access import orgs_where
from fengsui.sense.devices.models import Datastream, Site
from fengsui.show.lists import grams
from fengsui.show.lists.alarms import alarms
from fengsui.show.lists.visible import visible_to

SCANNED = 400  # hits of one kind that are ranked; the index gives them in no order
ALARMS_OF = 200  # sites and datastreams whose alarms are looked up


def search(user: Any, q: str, size: int = 10) -> list[dict[str, Any]]:
    """Up to ``size`` hits of each kind that ``user`` sees: sites, datastreams, organisations, then alarms."""
    words = grams.words(q)
    if not words:
        return []
    sites = _ranked(visible_to(Site.objects.all(), user, "site.view"), q, ALARMS_OF)
    streams = _ranked(
        visible_to(Datastream.objects.select_related("site"), user, "site.view", "site__org_path"),
        q,
        ALARMS_OF,
    )
    orgs = _ranked(orgs_where(user, "org.view").select_related("parent"), q, size)
    hits = [_hit("site", s, s.address or s.code, f"/sites/{s.code}/") for s in sites[:size]]
    for s in streams[:size]:
        hits.append(_hit("datastream", s, s.site.name, f"/sites/{s.site.code}/?datastream={s.pk}"))
    for o in orgs:
        hits.append(_hit("org", o, o.parent.name if o.parent else "", f"/orgs/?at={o.code}"))
    return hits + _alarms(user, q.strip(), sites, streams, size)


def _ranked(rows: QuerySet[Any], q: str, size: int) -> list[Any]:
    """Rows that match, the best ``size`` of the first SCANNED found."""
    found = list(grams.matching(rows, q).order_by()[:SCANNED])
    exact = list(rows.filter(Q(code=q.strip())).order_by()[:size])
    text = " ".join(grams.words(q))

    def rank(row: Any) -> tuple[int, int, str]:
        code, name = row.code.lower(), row.name.lower()
        if text in (code, name):
            return 0, len(name), code
        starts = code.startswith(text) or name.startswith(text) or row.name_en.lower().startswith(text)
        return (1 if starts else 2), len(name), code

    return sorted({row.pk: row for row in exact + found}.values(), key=rank)[:size]


def _alarms(
    user: Any, q: str, sites: list[Site], streams: list[Datastream], size: int
) -> list[dict[str, Any]]:
    rows = alarms(user).order_by("-raised_at", "-id")
    found = list(
        rows.filter(Q(key=q) | (Q(pk=int(q)) if q.isdecimal() and len(q) < 18 else Q(pk__in=[])))[:size]
    )
    for which in ({"datastream__in": [s.pk for s in streams]}, {"site__in": [s.pk for s in sites]}):
        if len(found) < size and next(iter(which.values())):
            found += [a for a in rows.filter(**which)[:size] if a not in found]
    return [
        {
            "kind": "alarm",
            "id": a.pk,
            "code": a.key,
            "name": f"{a.datastream.name} · {a.get_kind_display()}",
            "name_en": f"{a.datastream.name_en or a.datastream.name} · {a.get_kind_display()}",
            "where": a.site.name,
            "url": f"/alarms/{a.pk}/",
            "priority": a.priority,
        }
        for a in found[:size]
    ]


def _hit(kind: str, row: Any, where: str, url: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": row.pk,
        "code": row.code,
        "name": row.name,
        "name_en": row.name_en,
        "where": where,
        "url": url,
        "priority": None,
    }
