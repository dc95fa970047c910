"""Pictures and recordings of devices as people see them: newest first, of a thing, of a site."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.utils.http import content_disposition_header

from fengsui.sense.devices.models import ProtocolIdentity
from fengsui.sense.media.models import Medium
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to

ORDER = ("-told_at", "-pk")
SHOWN = 12  # on the page of a unit; more are on the list
TERMINALS = "jt808"


def media(user: Any) -> QuerySet[Medium]:
    """Every picture and recording that ``user`` may see."""
    rows = Medium.objects.select_related("site", "site__org", "thing", "thing__unit", "device")
    return visible_to(rows, user, "media.view", "site__org_path")


def media_page(
    user: Any,
    *,
    q: str = "",
    site: str = "",
    kind: str = "",
    thing: int | None = None,
    state: str = "",
    cursor: str | None = None,
    size: int = 50,
) -> Page[Medium]:
    """Newest first.  ``q`` begins the code of a device; ``state`` is here, waiting (at the device only) or removed."""
    rows = media(user)
    if q:
        rows = rows.filter(device_code__istartswith=q)
    if site:
        rows = rows.filter(site__code=site)
    if kind:
        rows = rows.filter(kind=kind)
    if thing is not None:
        rows = rows.filter(thing=thing)
    if state == "here":
        rows = rows.exclude(received_at=None).filter(removed_at=None)
    elif state == "waiting":
        rows = rows.filter(received_at=None)
    elif state == "removed":
        rows = rows.exclude(removed_at=None)
    return page(rows, ORDER, cursor, size)


def of_thing(user: Any, thing: int) -> list[Medium]:
    """The newest of a thing."""
    return list(media(user).filter(thing=thing).order_by(*ORDER)[:SHOWN])


def terminal_of(thing: int) -> ProtocolIdentity | None:
    """The vehicle terminal that speaks for a thing."""
    rows = ProtocolIdentity.objects.filter(thing=thing, protocol=TERMINALS, is_active=True)
    return rows.select_related("device", "device__site").order_by("pk").first()


def file_of(medium: Medium) -> FileResponse:
    """The file as a browser may have it: a JPEG is shown, anything else is a download, and nothing of it may run.

    Raises FileNotFoundError when it is gone from the disk.
    """
    ending = medium.file.name.rsplit(".", 1)[-1]
    name = f"{medium.device_code}-{medium.number if medium.number is not None else medium.pk}.{ending}"
    shown = medium.content_type if medium.is_shown else "application/octet-stream"
    response = FileResponse(medium.file.open("rb"), content_type=shown)
    response["Content-Disposition"] = content_disposition_header(not medium.is_shown, name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, max-age=3600"
    return response
