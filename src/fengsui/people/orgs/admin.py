"""Organisations and roles, for operators.  Every change goes through services.py."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from fengsui.base.codes import BadCode, check_uscc
from fengsui.base.errors import FengsuiError, NotAllowed
from fengsui.people.audit.admin import AuditedAdmin
from fengsui.people.orgs import access, services
from fengsui.people.orgs.models import Membership, Org


class OrgForm(forms.ModelForm):
    class Meta:
        model = Org
        fields = (
            "parent",
            "kind",
            "code",
            "name",
            "name_en",
            "division_code",
            "uscc",
            "longitude",
            "latitude",
            "is_demo",
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        draft = Org(
            pk=self.instance.pk, kind=data.get("kind") or self.instance.kind, name=data.get("name", "")
        )
        draft.parent, draft.division_code = data.get("parent"), data.get("division_code", "")
        try:
            services.check_place(draft)
        except BadCode:
            self.add_error("division_code", _("This is not a code of GB/T 2260 or GB/T 10114."))
        except services.BadOrg as error:
            self.add_error(None, str(error))
        return data

    def clean_uscc(self) -> str:
        try:
            return check_uscc(self.cleaned_data["uscc"]) if self.cleaned_data["uscc"] else ""
        except BadCode:
            raise forms.ValidationError(_("The check digit of this code does not fit.")) from None


@admin.register(Org)
class OrgAdmin(AuditedAdmin):
    view_action = edit_action = "org.edit"
    path_field = "path"
    form = OrgForm
    list_display = ("name", "kind", "code", "division_code", "parent", "is_demo")
    list_filter = ("kind", "is_demo")
    list_select_related = ("parent",)
    search_fields = ("name", "name_en", "code", "division_code")
    autocomplete_fields = ("parent",)
    ordering = ("path",)
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("kind", "code", "is_demo")

    def save_model(self, request: HttpRequest, obj: Org, form: Any, change: bool) -> None:
        data = form.cleaned_data
        values = {name: data[name] for name in services.EDITABLE if name in data}
        if not change:
            made = services.create_org(
                actor=request.user,
                parent=data["parent"],
                kind=data["kind"],
                code=data["code"],
                is_demo=data["is_demo"],
                **values,
            )
            obj.pk, obj.path, obj.depth = made.pk, made.path, made.depth
            obj._state.adding = False
            return
        if "parent" in form.changed_data:
            services.move_org(
                actor=request.user, org=obj, parent=data["parent"], division_code=data["division_code"]
            )
        services.edit_org(actor=request.user, org=obj, **values)

    def delete_model(self, request: HttpRequest, obj: Org) -> None:
        services.remove_org(actor=request.user, org=obj)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _or_say(self, request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _or_say(self, request, super().delete_view, *args, **kwargs)

    def _record(self, request: HttpRequest, what: str, obj: Any, **detail: Any) -> None:
        """Nothing: services.py recorded it."""


@admin.register(Membership)
class MembershipAdmin(AuditedAdmin):
    view_action = edit_action = "member.grant"
    path_field = "org__path"
    list_display = ("user", "role", "org")
    list_filter = ("role",)
    list_select_related = ("user", "org")
    search_fields = ("user__username", "user__display_name", "org__name")
    autocomplete_fields = ("user", "org")
    list_per_page = 50
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a role is given or taken, never turned into another

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            from fengsui.people.accounts.services import users_where

            kwargs["queryset"] = users_where(request.user, "user.edit")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        made = services.grant(actor=request.user, user=obj.user, org=obj.org, role=obj.role)
        obj.pk = made.pk
        obj._state.adding = False

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.revoke(actor=request.user, membership=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset:
            services.revoke(actor=request.user, membership=membership)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _or_say(self, request, super().changeform_view, *args, **kwargs)

    def _record(self, request: HttpRequest, what: str, obj: Any, **detail: Any) -> None:
        """Nothing: services.py recorded it."""


def _or_say(page: AuditedAdmin, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
    """The view's answer; a refusal by a service comes back to the same page as a message, with nothing changed."""
    try:
        return view(request, *args, **kwargs)
    except NotAllowed:
        page.message_user(request, _("You may not do this there."), messages.ERROR)
    except FengsuiError as error:
        page.message_user(request, str(error), messages.ERROR)
    access.forget(request.user)
    return HttpResponseRedirect(request.get_full_path())
