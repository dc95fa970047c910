"""Pictures and recordings that devices sent: the list, one of them, its file, and asking a device for more."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.sense.devices import commands
from fengsui.sense.devices.models import Device
from fengsui.sense.media.models import MediumKind
from fengsui.show.lists import media as lists
from fengsui.show.lists import units as unit_lists
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show

WAIT_S = 8.0  # for the answer of a terminal


@require_safe
@page("media.view")
def media_list(request: HttpRequest) -> HttpResponse:
    filters = {
        "q": request.GET.get("q", "")[:64],
        "site": request.GET.get("site", "")[:64],
        "kind": choice(request, "kind", MediumKind.values),
        "state": choice(request, "state", ("here", "waiting", "removed")),
    }
    thing = request.GET.get("thing", "")
    of_thing = int(thing) if thing.isdecimal() and len(thing) < 10 else None
    found = lists.media_page(
        request.user, **filters, thing=of_thing, cursor=request.GET.get("cursor"), size=24
    )
    context = {
        "media": found.items,
        "next": next_url(request, found),
        "first": first_url(request),
        "filters": filters,
        "thing": thing if of_thing is not None else "",
        "filtered": any(filters.values()) or of_thing is not None,
        "kinds": MediumKind.choices,
    }
    return show(request, "media", context, part="parts/media_list")


@require_safe
@page("media.view")
def medium_detail(request: HttpRequest, pk: int) -> HttpResponse:
    medium = one_or_404(lists.media(request.user), pk=pk)
    context = {
        "medium": medium,
        "may_ask": medium.device is not None
        and access.may(request.user, "device.command", medium.site.org_path),
    }
    return show(request, "medium", context)


@require_safe
@page("media.view")
def medium_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    medium = one_or_404(lists.media(request.user), pk=pk)
    if not medium.is_here:
        raise Http404
    try:
        return lists.file_of(medium)
    except FileNotFoundError:
        raise Http404 from None


@require_POST
@page("device.command")
def medium_fetch(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the device for a medium that it has stored (JT/T 808 0x8805)."""
    medium = one_or_404(lists.media(request.user), pk=pk)
    if medium.device is None or medium.number is None:
        raise Http404
    _ask(request, medium.device, "upload_one_media", {"media_id": medium.number})
    return redirect(f"/media/{pk}/")


@require_POST
@page("device.command")
def take_picture(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the terminal of a unit for a picture of now (JT/T 808 0x8801)."""
    unit = one_or_404(unit_lists.units(request.user), pk=pk)
    terminal = lists.terminal_of(unit.thing_id)
    if terminal is None:
        raise Http404
    channel = request.POST.get("channel", "1")
    _ask(request, terminal.device, "take_picture", {"channel": channel[:3]})
    return redirect(f"/units/{pk}/#media")


def _ask(request: HttpRequest, device: Device, command: str, arguments: dict[str, Any]) -> None:
    try:
        outcome = commands.command(request.user, device, command, arguments, lists.TERMINALS, WAIT_S)
    except FengsuiError as error:
        refused(request, error)
        return
    if outcome.outcome in commands.DONE:
        messages.success(request, _("Asked. The file is listed here as soon as the device has sent it."))
    elif outcome.outcome == "not_connected":
        messages.error(request, _("The device is not connected."))
    else:
        messages.error(request, _("The device did not do it (%(outcome)s).") % {"outcome": outcome.outcome})
