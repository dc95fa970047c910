"""What every page shares: who may open it, parts for htmx, and what is said when a service refuses."""

import datetime
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs import access
from fengsui.show.lists.keyset import BadCursor
from fengsui.show.words import say

View = Callable[..., HttpResponseBase]


def page(action: str = "") -> Callable[[View], View]:
    """A view for who is logged in and may do ``action`` somewhere.

    Otherwise: log in first, or 403.  An old cursor leads back to the first page of the list.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if action and not access.may(request.user, action):
                raise PermissionDenied(action)
            try:
                return view(request, *args, **kwargs)
            except BadCursor as error:
                messages.warning(request, say(error))
                return HttpResponseRedirect(request.path)

        return login_required(opened)

    return wrap


def show(
    request: HttpRequest, name: str, context: dict[str, Any], part: str = "", status: int = 200
) -> HttpResponse:
    """The page ``portal/pages/<name>.html``, or only its ``part`` when htmx asks for it."""
    template = f"portal/pages/{name}.html"
    if part and request.headers.get("HX-Request"):
        template = f"portal/pages/{part}.html"
    response = render(request, template, context, status=status)
    if part:
        patch_vary_headers(response, ["HX-Request"])
    return response


def next_url(request: HttpRequest, page: Any) -> str:
    """The address of the next page with the same filters; "" at the end."""
    if page.next is None:
        return ""
    query = request.GET.copy()
    query["cursor"] = page.next
    return "?" + query.urlencode()


def first_url(request: HttpRequest) -> str:
    """The address of the first page with the same filters; "" when this is it."""
    if not request.GET.get("cursor"):
        return ""
    query = request.GET.copy()
    del query["cursor"]
    return "?" + query.urlencode()


def back(request: HttpRequest, default: str) -> HttpResponseRedirect:
    """To where the form came from, if that is one of our pages."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = default
    return HttpResponseRedirect(target)


def refused(request: HttpRequest, error: FengsuiError) -> None:
    """Say on the next page why a deed was refused."""
    messages.error(request, say(error))


def one_or_404(rows: Any, **which: Any) -> Any:
    """The row that ``which`` names among those in sight.  Raises Http404."""
    if any(isinstance(v, int) and v >= 2**63 for v in which.values()):
        raise Http404
    row = rows.filter(**which).first()
    if row is None:
        raise Http404
    return row


def choice(request: HttpRequest, name: str, known: Any, default: str = "") -> str:
    """A filter's value if it is one of ``known``, else ``default``: a strange value filters nothing."""
    value = request.GET.get(name, "")
    return value if value in known else default


def instant(text: str) -> datetime.datetime | None:
    """A ``datetime-local`` field in the zone of the platform; None for anything else."""
    try:
        at = parse_datetime(text)
        return timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at
    except (ValueError, OverflowError):
        return None


def whole(text: str) -> int:
    """A number of a version as a form sends it; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
