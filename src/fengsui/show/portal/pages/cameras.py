"""Cameras: the list, one camera with its live picture, and what is asked of it.

Every address of a picture belongs to one camera, and every request for one asks again whether this person may see it.
"""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError, NotAllowed
from fengsui.people.orgs import access
from fengsui.sense.cameras import services
from fengsui.sense.cameras.models import Camera
from fengsui.sense.devices.models import Site
from fengsui.show.lists import cameras as lists
from fengsui.show.lists import loops as loop_lists
from fengsui.show.live import video
from fengsui.show.portal.pages.page import back, choice, first_url, next_url, one_or_404, page, refused, show
from fengsui.show.words import say

MEDIA_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self' blob:; worker-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SPEED, ZOOM = 255, 15  # at most, as the standard has them
PRESETS = 255


@require_safe
@page("video.view")
def camera_list(request: HttpRequest) -> HttpResponse:
    state = choice(request, "state", ("online", "offline", "gone"))
    filters = {"q": request.GET.get("q", "")[:80], "site": request.GET.get("site", "")[:64], "state": state}
    found = lists.camera_page(request.user, **filters, cursor=request.GET.get("cursor"))
    may_edit = access.may(request.user, "device.edit")
    context = {
        "cameras": found.items,
        "next": next_url(request, found),
        "first": first_url(request),
        "filters": filters,
        "filtered": any(filters.values()),
        "devices": lists.devices(request.user),
        "unknown": lists.unknown() if may_edit else [],
        "may_edit": may_edit,
    }
    return show(request, "cameras", context, part="parts/cameras_list")


@require_safe
@page("video.view")
def camera_detail(request: HttpRequest, pk: int) -> HttpResponse:
    camera = _camera(request, pk)
    path = camera.site.org_path
    context = {
        "camera": camera,
        "events": lists.events(request.user, camera),
        "may_move": access.may(request.user, "video.control", path) and camera.can_move,
        "may_reset": access.may(request.user, "video.control", path),
        "may_edit": access.may(request.user, "device.edit", path),
        "loops": loop_lists.loop_page(request.user, is_open=True, size=20).items
        if access.may(request.user, "loop.act")
        else [],
    }
    response = show(request, "camera", context)
    response.headers["Content-Security-Policy"] = MEDIA_POLICY
    return response


@require_POST
@page("video.view")
def watch(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the camera, or go on showing it (``stream``): where its segments are, and how they are made."""
    camera = _camera(request, pk)
    before = request.POST.get("stream", "")

    def deed() -> dict[str, Any]:
        told = video.ask("watch", camera=camera.pk)
        if told["stream"] != before:
            services.require_camera(request.user, camera, "video.view", stream=told["stream"])
        return {**told, "address": f"/cameras/{camera.pk}/live/{told['stream']}/"}

    return _told(deed)


@require_safe
@page("video.view")
def live(request: HttpRequest, pk: int, stream: str, name: str) -> HttpResponse:
    """A list or a segment of a stream."""
    found = video.segment(_camera(request, pk).pk, stream, name)
    if found is None:
        raise Http404
    response = HttpResponse(found[0], content_type=found[1])
    response.headers["Cache-Control"] = "private, no-store"
    return response


@require_safe
@page("video.view")
def still(request: HttpRequest, pk: int) -> HttpResponse:
    """A still picture of now, as JPEG."""
    camera = _camera(request, pk)
    try:
        data = video.ask("still", camera=camera.pk)["jpeg"]
    except FengsuiError as error:
        return JsonResponse({"code": error.code, "message": say(error)}, status=503)
    services.require_camera(request.user, camera, "video.view", still=True)
    response = HttpResponse(data, content_type="image/jpeg")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@require_POST
@page("video.control")
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move the camera: ``pan``, ``tilt``, ``zoom``, or ``preset`` with a number; all zero stops it."""
    camera = _camera(request, pk)

    def deed() -> dict[str, Any]:
        preset = _whole(request, "preset", 0, PRESETS)
        if preset:
            verb = choice_of(request.POST.get("verb", ""), ("set", "call", "delete"), "call")
            command: dict[str, Any] = {"kind": "preset", "verb": verb, "number": preset}
        else:
            command = {
                "kind": "move",
                "pan": _whole(request, "pan", -SPEED, SPEED),
                "tilt": _whole(request, "tilt", -SPEED, SPEED),
                "zoom": _whole(request, "zoom", -ZOOM, ZOOM),
            }
        services.require_camera(request.user, camera, "video.control", **command)
        return video.ask("move", camera=camera.pk, command=command)

    return _told(deed)


@require_POST
@page("video.control")
def reset_alarm(request: HttpRequest, pk: int) -> HttpResponse:
    camera = _camera(request, pk)
    try:
        services.require_camera(request.user, camera, "video.control", kind="reset_alarm")
        video.ask("reset_alarm", camera=camera.pk)
        messages.success(request, _("The alarm of the camera was reset."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/cameras/{pk}/")


@require_POST
@page("device.edit")
def attach(request: HttpRequest, pk: int) -> HttpResponse:
    """Attach the camera to another site."""
    camera = _camera(request, pk)
    code = request.POST.get("site", "").strip()[:64]
    site = Site.objects.filter(access.rows_where(request.user, "device.edit"), code=code).first()
    try:
        if site is None:
            raise services.BadVideoDevice(
                _("There is no site “%(code)s” that you may edit.") % {"code": code}
            )
        services.move_camera(request.user, camera, site)
        messages.success(request, _("The camera belongs to the site now."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/cameras/{pk}/")


@require_POST
@page("video.view")
def beside(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the camera beside a loop, or take it away (``away``)."""
    camera = _camera(request, pk)
    number = request.POST.get("loop", "")
    rows = loop_lists.loops(request.user)
    loop = one_or_404(rows, pk=int(number) if number.isdecimal() and len(number) < 19 else 0)
    try:
        if request.POST.get("away"):
            services.take_away(request.user, loop, camera)
        else:
            services.put_beside(request.user, loop, camera)
        messages.success(request, _("Done."))
    except FengsuiError as error:
        refused(request, error)
    return back(request, f"/loops/{loop.pk}/")


@require_POST
@page("device.edit")
def refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a device for its catalogue again."""
    device = next((one for one in lists.devices(request.user) if one.pk == pk), None)
    if device is None:
        raise Http404
    try:
        access.require(request.user, "device.edit", device.site.org_path, device)
        told = video.ask("catalogue", device=device.code)
        messages.success(
            request, _("%(listed)s cameras listed, %(new)s of them new, %(gone)s gone.") % {**told}
        )
    except FengsuiError as error:
        refused(request, error)
    return back(request, "/cameras/")


def choice_of(value: str, known: tuple[str, ...], default: str) -> str:
    return value if value in known else default


def _camera(request: HttpRequest, pk: int) -> Camera:
    camera: Camera = one_or_404(lists.cameras(request.user), pk=pk)
    return camera


def _told(deed: Any) -> JsonResponse:
    """What a deed gives, or why not, for the script of the page."""
    try:
        return JsonResponse(deed())
    except NotAllowed as error:
        return JsonResponse({"code": error.code, "message": say(error)}, status=403)
    except FengsuiError as error:
        return JsonResponse({"code": error.code, "message": say(error)}, status=503)


def _whole(request: HttpRequest, name: str, low: int, high: int) -> int:
    """A whole number of the form, brought within its bounds; 0 for anything else."""
    text = request.POST.get(name, "")
    digits = text.removeprefix("-")
    return (
        max(low, min(high, int(text))) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else 0
    )
