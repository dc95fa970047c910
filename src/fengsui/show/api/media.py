"""Pictures and recordings of devices: the list, one of them, and its file."""

from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router

from fengsui.sense.media.models import Medium
from fengsui.show.api.found import one
from fengsui.show.api.schemas import MediumOut, MediumPage
from fengsui.show.lists import media as lists

router = Router(tags=["media"])


@router.get("media", response=MediumPage)
def list_media(
    request: HttpRequest, q: str = "", site: str = "", kind: str = "", state: str = "", cursor: str = "",
    size: int = 50,
) -> dict[str, Any]:  # fmt: skip
    """Newest first.  ``q`` begins the code of a device; ``state`` is here, waiting (at the device) or removed."""
    page = lists.media_page(request.user, q=q, site=site, kind=kind, state=state, cursor=cursor, size=size)
    return {"items": [_medium(row) for row in page.items], "next": page.next}


@router.get("media/{int:pk}", response=MediumOut)
def get_medium(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One of them."""
    return _medium(one(lists.media(request.user), pk=pk))


@router.get("media/{int:pk}/file", response=bytes)
def get_medium_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The file: a JPEG as it is, anything else as a download."""
    medium = one(lists.media(request.user), pk=pk)
    if not medium.is_here:
        raise Http404
    try:
        return lists.file_of(medium)
    except FileNotFoundError:
        raise Http404 from None


def _medium(row: Medium) -> dict[str, Any]:
    fields = (
        "id", "protocol", "number", "kind", "event", "channel", "taken_at", "told_at", "received_at", "removed_at",
        "longitude", "latitude", "speed_km_h", "direction_deg", "content_type", "size", "sha256", "asked_by", "command",
    )  # fmt: skip
    return {
        **{name: getattr(row, name) for name in fields},
        "device": row.device_code,
        "site": row.site.code,
        "thing": row.thing.code if row.thing else None,
        "url": f"/api/v1/media/{row.pk}/file" if row.is_here else None,
    }
