"""Cameras as people see them: by code, of a site, beside a loop; and what they reported."""

from typing import Any

from django.db.models import Q, QuerySet

from fengsui.loops.models import Loop
from fengsui.sense.cameras.models import Camera, CameraEvent, UnknownVideoDevice, VideoDevice
from fengsui.sense.devices.models import Site
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to

ORDER = ("code", "pk")
EVENTS = 20
BESIDE = 24  # cameras named on the page of a site or a loop; more are on the list


def cameras(user: Any) -> QuerySet[Camera]:
    """Every camera whose pictures ``user`` may see."""
    rows = Camera.objects.select_related("site", "site__org", "device", "device__state")
    return visible_to(rows, user, "video.view", "site__org_path")


def camera_page(
    user: Any, *, q: str = "", site: str = "", state: str = "", cursor: str | None = None, size: int = 50
) -> Page[Camera]:
    """Cameras by code.  ``q`` is part of a name or begins the code, ``state`` is online, offline or gone."""
    rows = cameras(user)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(code__startswith=q) | Q(device__name__icontains=q))
    if site:
        rows = rows.filter(site__code=site)
    rows = rows.exclude(gone_at=None) if state == "gone" else rows.filter(gone_at=None)
    if state in ("online", "offline"):
        rows = rows.filter(is_online=state == "online")
    return page(rows, ORDER, cursor, size)


def of_site(user: Any, site: Site) -> list[Camera]:
    """The first cameras of a site that are in a catalogue."""
    return list(cameras(user).filter(site=site, gone_at=None).order_by(*ORDER)[:BESIDE])


def beside(user: Any, loop: Loop, site_id: int | None) -> list[Camera]:
    """Cameras put beside a loop, then those of the site it is about."""
    rows = cameras(user).filter(gone_at=None)
    put = list(rows.filter(loops__loop=loop).order_by("loops__pk")[:BESIDE])
    if site_id is None or len(put) >= BESIDE:
        return put
    there = {camera.pk for camera in put}
    others = rows.filter(site_id=site_id).exclude(pk__in=there).order_by(*ORDER)[: BESIDE - len(put)]
    return [*put, *others]


def events(user: Any, camera: Camera) -> list[CameraEvent]:
    """The newest alarms that a camera reported."""
    rows = visible_to(CameraEvent.objects.all(), user, "video.view", "site__org_path")
    return list(rows.filter(camera=camera)[:EVENTS])


def devices(user: Any) -> list[VideoDevice]:
    """The video devices that ``user`` sees, at most 500, those that are offline first."""
    rows = VideoDevice.objects.select_related("site", "state")
    found = visible_to(rows, user, "device.view", "site__org_path")
    return list(found.order_by("state__is_online", "code")[:500])


def unknown() -> list[UnknownVideoDevice]:
    """Who wanted to register and is not known, the newest."""
    return list(UnknownVideoDevice.objects.all()[:50])
