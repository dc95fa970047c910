"""Rules with what they watch, by site and datastream."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from fengsui.sense.devices.models import Datastream
from fengsui.show.lists import grams
from fengsui.show.lists.keyset import Page, page
from fengsui.warn.alarms.models import Rule

ORDER = ("datastream_id", "id")
NAMED_MAX = 2_000  # datastreams that a search in rules may match before it must be narrowed


def rules(user: Any) -> QuerySet[Rule]:
    """Every rule that ``user`` sees, withdrawn ones too."""
    related = ("datastream__site__org", "datastream__observed_property", "shelved_by", "scenario_rule")
    return Rule.objects.visible_to(user).select_related(*related)


def rule_page(
    user: Any,
    *,
    q: str = "",
    site: str = "",
    kind: str = "",
    which: str = "active",
    cursor: str | None = None,
) -> Page[Rule]:
    """One page.  ``which``: active (enabled), off, shelved or withdrawn; ``q`` a part of the datastream's names."""
    rows = rules(user)
    if which == "withdrawn":
        rows = rows.exclude(withdrawn_at=None)
    else:
        rows = rows.filter(withdrawn_at=None)
        if which == "shelved":
            rows = rows.filter(shelved_until__gt=timezone.now())
        else:
            rows = rows.filter(is_enabled=which == "active")
    if kind:
        rows = rows.filter(kind=kind)
    if site:
        rows = rows.filter(datastream__site__code=site)
    if q:
        named = grams.matching(Datastream.objects.all(), q).order_by().values_list("pk", flat=True)
        rows = rows.filter(Q(datastream_id__in=list(named[:NAMED_MAX])))
    return page(rows, ORDER, cursor)
