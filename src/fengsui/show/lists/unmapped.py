"""Codes that devices sent and nobody mapped, newest first."""

from typing import Any

from fengsui.sense.devices.models import UnmappedCode, UnmappedQuerySet
from fengsui.show.lists.keyset import SIZE, Page, page


def unmapped(user: Any, *, protocol: str = "", site: str = "", q: str = "") -> UnmappedQuerySet:
    """What ``user`` sees; ``q`` is a part of the code or of the device's code."""
    rows = UnmappedCode.objects.visible_to(user).select_related("device__site")
    if protocol:
        rows = rows.filter(protocol=protocol)
    if site:
        rows = rows.filter(device__site__code=site)
    if q:
        rows = rows.filter(code__icontains=q) | rows.filter(device__code__icontains=q)
    return rows


def unmapped_page(
    user: Any, *, cursor: str | None = None, size: int = SIZE, **filters: str
) -> Page[UnmappedCode]:
    """One page of them.  Raises BadCursor."""
    return page(unmapped(user, **filters), ("-last_at", "-id"), cursor, size)
