"""Pages of the login that allauth does not have."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST
from django.views.i18n import set_language as django_set_language

from fengsui.people.accounts.models import User


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Choose a language: kept in a cookie, and with the account of who is logged in."""
    response = django_set_language(request)
    chosen = request.POST.get("language", "")
    if request.user.is_authenticated and chosen in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    return response


@require_GET
def ask_operator(request: HttpRequest) -> HttpResponse:
    """No account or no password: who can help.  Accounts are made by operators, and no mail leaves the platform."""
    return render(request, "account/ask_operator.html")
