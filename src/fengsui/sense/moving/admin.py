"""Moving units as a table of the admin.  Every change is audited, and who watches units hears of it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fengsui.people.audit.admin import AuditedAdmin
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream, Site, Thing
from fengsui.sense.moving import services
from fengsui.sense.moving.models import Unit


class UnitForm(forms.ModelForm):
    class Meta:
        model = Unit
        fields = "__all__"  # noqa: DJ007 - the admin shows the whole row

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        site = data.get("site")
        for name in ("thing", *services.STREAMS):
            row = data.get(name)
            if site and row and row.site_id != site.pk:
                raise ValidationError({name: _("This belongs to another site.")})
        return data


@admin.register(Unit)
class UnitAdmin(AuditedAdmin):
    view_action = "unit.view"
    edit_action = "unit.edit"
    path_field = "site__org_path"
    form = UnitForm
    list_display = ("thing", "kind", "terminal", "site", "user", "is_active")
    list_filter = ("kind", "is_active")
    list_select_related = ("thing", "site", "user")
    search_fields = ("thing__code", "thing__name", "terminal")
    raw_id_fields = ("thing", "site", "longitude", "latitude", "speed", "course", "user")
    show_full_result_count = False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Site:
            kwargs["queryset"] = Site.objects.filter(access.rows_where(request.user, "unit.edit", "org_path"))
        elif db_field.related_model in (Thing, Datastream):
            kwargs["queryset"] = db_field.related_model.objects.filter(
                access.rows_where(request.user, "unit.edit", "site__org_path")
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its alarms and its way stay: set it out of use

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if "user" in form.changed_data:
            obj.shared_at = None  # somebody else's word is nobody's
        super().save_model(request, obj, form, change)
        services.changed([obj.pk])
