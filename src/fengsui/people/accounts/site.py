"""The admin pages at /admin/: for operators and superusers, through the one login there is."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from fengsui.people import audit
from fengsui.people.orgs import access


class OperatorSite(AdminSite):
    site_header = _("Fengsui: code tables and people")
    site_title = _("Fengsui")
    index_title = _("Code tables and people")
    site_url = "/"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take only admins that record what they change; all others, such as those of libraries, are left out."""
        from fengsui.people.audit.admin import AuditedAdmin

        if admin_class is not None and issubclass(admin_class, AuditedAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def unregister(self, model_or_iterable: Any) -> None:
        """Libraries may unregister what was never taken."""

    def has_permission(self, request: HttpRequest) -> bool:
        return access.may(request.user, "code.edit")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if request.user.is_authenticated:
            if self.has_permission(request):
                return HttpResponseRedirect(reverse("admin:index"))
            audit.refuse(request.user, "admin.open")
            raise PermissionDenied
        target = request.GET.get("next") or reverse("admin:index")
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': target})}")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_logout"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))
