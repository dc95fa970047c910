"""Lock-out after failed logins, by account and by source, on top of django-axes.

An account is locked after ``AXES_FAILURE_LIMIT`` failures within the cool-off, whoever tried; a source address after
``LOGIN_TRIES_SOURCE``, whatever account it tried (a whole office may share one address, so this number is larger).
A second-factor code that is wrong counts like a wrong password.  An account that does not exist is locked just the
same, so that nothing tells the two apart.
"""

import unicodedata
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from fengsui.people.accounts.source import client_ip


def account_key(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """The account that is tried, however it was typed."""
    given = (
        (credentials or {}).get("username") or (credentials or {}).get("login") or request.POST.get("login")
    )
    return unicodedata.normalize("NFKC", given).strip().casefold()[:150] if given else None


def source_key(request: HttpRequest) -> str | None:
    return client_ip(request) or None


class Handler(AxesDatabaseHandler):
    """Axes with two limits in place of one, and a success that forgives the account but not the source."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        from django.db.models import Sum

        worst = 0
        limits = (settings.AXES_FAILURE_LIMIT, settings.LOGIN_TRIES_SOURCE)
        for attempts, limit in zip(self.get_user_attempts(request, credentials), limits, strict=True):
            count = attempts.aggregate(n=Sum("failures_since_start"))["n"] or 0
            worst = max(worst, count * settings.AXES_FAILURE_LIMIT // limit)
        return worst

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        account = self.filter_user_attempts(request, credentials)[0]
        return int(account.delete()[0])


def is_locked(request: HttpRequest, username: str) -> bool:
    """Is this account, or the source of this request, locked now?"""
    AxesProxyHandler.update_request(request)
    return bool(AxesProxyHandler.is_locked(request, {"username": username}))


def unlock(username: str) -> int:
    """Forget the failures of an account; how many records that were."""
    key = unicodedata.normalize("NFKC", username).strip().casefold()
    return int(AccessAttempt.objects.filter(username=key).delete()[0])


def response(
    request: HttpRequest, original: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """What a locked-out visitor gets: the same words for every account, known or not."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    if request.path.startswith("/api/"):
        words = _("Too many failed logins. Try again in %(minutes)d minutes.") % {"minutes": minutes}
        answer: HttpResponse = JsonResponse({"code": "people.locked_out", "detail": words}, status=429)
    else:
        answer = render(request, "account/locked.html", {"minutes": minutes}, status=429)
    answer["Retry-After"] = str(minutes * 60)
    return answer
