"""Unmapped codes: what devices send and nobody has said the meaning of, and the form that says it."""

import math

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from fengsui.base.errors import FengsuiError
from fengsui.base.quality import Reason
from fengsui.govern.quarantine import services as quarantine
from fengsui.govern.quarantine.models import Held
from fengsui.people.orgs import access
from fengsui.sense.devices.mapping import BadMapping, map_code
from fengsui.sense.devices.models import Datastream, UnmappedCode
from fengsui.sense.devices.protocol_tables import LISTENED, POLLED
from fengsui.show.lists import govern
from fengsui.show.lists import unmapped as lists
from fengsui.show.portal.pages.page import choice, first_url, next_url, one_or_404, page, refused, show

STREAMS = 500  # offered in the form


@require_safe
@page("device.view")
def unmapped_codes(request: HttpRequest) -> HttpResponse:
    protocols = (*LISTENED, POLLED)
    filters = {
        "protocol": choice(request, "protocol", protocols),
        "site": request.GET.get("site", "")[:64],
        "q": request.GET.get("q", "")[:64],
    }
    found = lists.unmapped_page(request.user, cursor=request.GET.get("cursor"), **filters)
    context = {
        "rows": found.items,
        "next": next_url(request, found),
        "first": first_url(request),
        "filters": filters,
        "protocols": protocols,
        "filtered": any(filters.values()),
        "may_edit": access.may(request.user, "device.edit"),
    }
    return show(request, "unmapped", context, part="parts/unmapped_list")


@require_safe
@page("device.edit")
def unmapped_code(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, one_or_404(lists.unmapped(request.user), pk=pk))


@require_POST
@page("device.edit")
def map_unmapped(request: HttpRequest, pk: int) -> HttpResponse:
    """Map the code; with ``again`` send what was kept of it again."""
    seen = one_or_404(lists.unmapped(request.user), pk=pk)
    given = request.POST
    try:
        factor, shift = _number(given.get("factor", ""), 1.0), _number(given.get("shift", ""), 0.0)
        if not given.get("datastream") and given.get("deed") != "ignore":
            raise BadMapping(_("Choose a datastream."))
        made = map_code(
            request.user, seen, datastream="" if given.get("deed") == "ignore" else given.get("datastream", ""),
            unit=given.get("unit", "").strip(), factor=factor, shift=shift,
            whole_site=given.get("scope") == "site",
        )  # fmt: skip
    except FengsuiError as error:
        refused(request, error)
        return _form(request, seen, status=422)
    messages.success(request, _("Mapped; it is in force within seconds."))
    if given.get("again") and made.datastream:
        _send_again(request, seen, made.datastream, made.unit, factor, shift)
    return redirect("/unmapped/")


def _form(request: HttpRequest, seen: UnmappedCode, status: int = 200) -> HttpResponse:
    streams = Datastream.objects.filter(site=seen.device.site_id, is_active=True).order_by("code")[:STREAMS]
    context = {
        "seen": seen,
        "site": seen.device.site,
        "streams": streams,
        "given": request.POST,
        "kept": _kept(request, seen).count(),
        "may_resolve": access.may(request.user, "quarantine.resolve", seen.device.site.org_path),
    }
    return show(request, "unmapped_code", context, status=status)


def _kept(request: HttpRequest, seen: UnmappedCode) -> "quarantine.HeldQuerySet":
    source = f"{seen.protocol}:{seen.device.code}"
    filters = govern.HeldFilters(reason=int(Reason.UNMAPPED), site=seen.device.site.code, source=source)
    return govern.held(request.user, filters).filter(sent_code=seen.code, status=Held.Status.HELD)


def _send_again(
    request: HttpRequest, seen: UnmappedCode, code: str, unit: str, factor: float, shift: float
) -> None:
    """What was kept of the code, as readings of its datastream; only where nothing has to be multiplied."""
    if (factor, shift) != (1.0, 0.0):
        messages.warning(request, _("What was kept is not sent again: it would have to be multiplied."))
        return
    stream = Datastream.objects.get(site=seen.device.site_id, code=code)
    rows = _kept(request, seen).select_related(None)
    if not rows.exists():
        return
    try:
        done = quarantine.replay(
            request.user,
            rows,
            quarantine.Correction(datastream_id=stream.pk, unit=unit),
            _("The code was mapped."),
        )
    except FengsuiError as error:
        refused(request, error)
        return
    said = ngettext("%(n)d reading is sent again.", "%(n)d readings are sent again.", done.rows)
    messages.success(request, said % {"n": done.rows})


def _number(text: str, default: float) -> float:
    if not text.strip():
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadMapping(_("“%(text)s” is not a number.") % {"text": text[:40]})
    return value
