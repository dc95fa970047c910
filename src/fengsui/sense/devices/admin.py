"""Sites, what is observed there and with what, as tables of the admin.  Every change is audited."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.people.audit.admin import AuditedAdmin
from fengsui.sense.devices import protocol_admin as protocol_admin  # registers its own tables
from fengsui.sense.devices import relation_admin as relation_admin
from fengsui.sense.devices import services
from fengsui.sense.devices.at_site_admin import AtSiteAdmin
from fengsui.sense.devices.models import Datastream, Device, ObservedProperty, Sensor, Site, Thing


@admin.register(Site)
class SiteAdmin(AuditedAdmin):
    view_action = "site.view"
    edit_action = "site.edit"
    path_field = "org_path"
    list_display = ("code", "name", "kind", "org", "is_active")
    list_filter = ("kind", "is_active", "is_demo")
    list_select_related = ("org",)
    search_fields = ("code", "name", "name_en")
    raw_id_fields = ("org",)
    show_full_result_count = False


@admin.register(Thing)
class ThingAdmin(AtSiteAdmin):
    list_display = ("code", "name", "site")
    search_fields = ("code", "name", "site__code")


class DatastreamForm(forms.ModelForm):
    class Meta:
        model = Datastream
        fields = "__all__"  # noqa: DJ007 - the admin shows the whole row

    def clean_unit(self) -> str:
        try:
            return units.unit(self.cleaned_data["unit"]).code if self.cleaned_data["unit"] else ""
        except UnknownUnit as error:
            raise ValidationError(_("This is not a known unit.")) from error

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        low, high = data.get("range_min"), data.get("range_max")
        if low is not None and high is not None and low >= high:
            raise ValidationError({"range_max": _("The upper end must be above the lower end.")})
        if data.get("thing") and data.get("site") and data["thing"].site_id != data["site"].pk:
            raise ValidationError({"thing": _("This thing belongs to another site.")})
        return data


@admin.register(Datastream)
class DatastreamAdmin(AtSiteAdmin):
    form = DatastreamForm
    list_display = ("code", "name", "site", "unit", "range_min", "range_max", "is_active")
    list_filter = ("is_active", "observed_property")
    search_fields = ("code", "name", "site__code")
    raw_id_fields = ("site", "thing", "sensor")


@admin.register(Device)
class DeviceAdmin(AtSiteAdmin):
    list_display = ("code", "name", "site", "is_active", "created_at")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "site__code")
    actions = ("give_new_secret",)

    @admin.action(description=_("Give a new secret (shown once)"))
    def give_new_secret(self, request: HttpRequest, queryset: Any) -> None:
        if queryset.count() != 1:
            self.message_user(request, _("Choose one device."), messages.WARNING)
            return
        device = queryset.get()
        secret = services.new_secret(request.user, device)
        self.message_user(
            request,
            _("New secret of %(device)s: %(secret)s — it is not shown again.")
            % {"device": device.code, "secret": secret},
        )


@admin.register(Sensor)
class SensorAdmin(AuditedAdmin):
    view_action = "device.view"
    list_display = ("code", "name", "encoding_type")
    search_fields = ("code", "name")


@admin.register(ObservedProperty)
class ObservedPropertyAdmin(AuditedAdmin):
    view_action = "device.view"
    list_display = ("code", "name", "name_en")
    search_fields = ("code", "name", "name_en")
