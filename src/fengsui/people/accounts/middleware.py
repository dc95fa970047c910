"""What is asked of every request of somebody logged in: still there? password still good? which language?

- Idle: after ``idle_minutes`` (the person's, else the platform's) without use the session ends.  Requests that a page
  makes by itself carry ``X-Fengsui-Background: 1`` and do not count as use.
- Password due (first login, too old): pages lead to the change form, the API answers 403 ``people.password_due``.
- The language that the person chose last, on whatever machine.
"""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from fengsui.people.accounts import passwords

SEEN = "fengsui.seen"
WENT_AWAY = "fengsui.went_away"
BACKGROUND = "X-Fengsui-Background"
STAMP_SECONDS = 30  # how often a session in use is written
# where somebody whose password is due may still go
OPEN_WHEN_DUE = ("account_change_password", "account_logout", "set_language", "account_reauthenticate")


class PersonMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        user: Any = request.user
        if not user.is_authenticated:
            return None
        if _went_away(request, user):
            request.META[WENT_AWAY] = "1"  # the audit trail says so: signals.logged_out
            logout(request)
            if not _is_api(request):
                messages.info(request, _("You were logged out because nobody used this page for a while."))
            return None
        if user.language and user.language != request.LANGUAGE_CODE:
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        return _password_due(request, user)


def _went_away(request: HttpRequest, user: Any) -> bool:
    minutes = settings.IDLE_MINUTES if user.idle_minutes is None else user.idle_minutes
    now, seen = int(timezone.now().timestamp()), request.session.get(SEEN)
    if minutes and seen is not None and now - seen > minutes * 60:
        return True
    if request.headers.get(BACKGROUND) != "1" and (seen is None or now - seen >= STAMP_SECONDS):
        request.session[SEEN] = now
    return False


def _password_due(request: HttpRequest, user: Any) -> HttpResponse | None:
    why = passwords.why_due(user)
    if not why or request.path in {reverse(name) for name in OPEN_WHEN_DUE}:
        return None
    if _is_api(request):
        return JsonResponse({"code": "people.password_due", "detail": why}, status=403)
    target = reverse("account_change_password")
    if request.method == "GET":
        target += "?" + urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(target)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/sta/"))
