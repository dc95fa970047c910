"""Identities, code mappings and Modbus rows as tables of the admin, checked as their import checks them."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.people.accounts.sealing import seal
from fengsui.people.audit.admin import AuditedAdmin, ReadOnlyAdmin
from fengsui.people.orgs import access
from fengsui.sense.devices.at_site_admin import AtDeviceAdmin, AtSiteAdmin
from fengsui.sense.devices.models import (
    SECRET_PURPOSE,
    CodeMapping,
    Datastream,
    ModbusLink,
    ModbusPoint,
    ObservedProperty,
    ProtocolIdentity,
    UnmappedCode,
)
from fengsui.sense.devices.protocol_tables import (
    AREAS,
    IDENTITY_FORMS,
    KINDS,
    LISTENED,
    ORDERS,
    POLLED,
)


def _choice(words: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(word, word) for word in words]


# as the tables to import call them; a form takes those it has
LABELS = {
    "device": _("Device"),
    "identity": _("Name in the protocol"),
    "model": _("Type of device"),
    "thing": _("Thing"),
    "is_active": _("In use"),
    "site": _("Site"),
    "datastream": _("Datastream"),
    "observed_property": _("Observed property"),
    "unit": _("Unit"),
    "factor": _("Multiplied by"),
    "scale": _("Multiplied by"),
    "shift": _("Added to it"),
    "host": _("Host"),
    "framing": _("Framing"),
    "code": _("Code"),
}


class _ProtocolFilter(admin.SimpleListFilter):
    """By protocol, from the words that are possible: no query over the rows, and none of another's."""

    title = _("Protocol")
    parameter_name = "protocol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return _choice((*LISTENED, POLLED))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(protocol=self.value()) if self.value() else queryset


class _UnitForm(forms.ModelForm):
    """A unit that the platform knows, by its code."""

    def clean_unit(self) -> str:
        try:
            return units.unit(self.cleaned_data["unit"]).code if self.cleaned_data["unit"] else ""
        except UnknownUnit as error:
            raise ValidationError(_("This is not a known unit.")) from error


class IdentityForm(forms.ModelForm):
    protocol = forms.ChoiceField(label=_("Protocol"), choices=_choice(LISTENED))
    password = forms.CharField(
        label=_("Password"),
        max_length=120,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Left empty, it stays as it is; it is never shown."),
    )

    class Meta:
        model = ProtocolIdentity
        labels = LABELS
        fields = ("device", "protocol", "identity", "password", "model", "thing", "is_active")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        form, advice = IDENTITY_FORMS.get(data.get("protocol", ""), ("", ""))
        if form and not re.search(form, data.get("identity", "")):
            raise ValidationError({"identity": advice})
        device, thing = data.get("device"), data.get("thing")
        if device and thing and device.site_id != thing.site_id:
            raise ValidationError({"thing": _("This thing belongs to another site.")})
        return data

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("password"):
            self.instance.secret = seal(self.cleaned_data["password"], SECRET_PURPOSE)
        return super().save(commit)


@admin.register(ProtocolIdentity)
class ProtocolIdentityAdmin(AtDeviceAdmin):
    form = IdentityForm
    list_display = ("identity", "protocol", "device", "model", "thing", "is_active")
    list_filter = (_ProtocolFilter, "is_active")
    list_select_related = ("device", "thing")
    search_fields = ("identity", "device__code", "model")
    raw_id_fields = ("device", "thing")

    def _record(self, request: HttpRequest, what: str, obj: Model, **detail: Any) -> None:
        """That a password was set is recorded, the password is not."""
        for side in ("before", "after"):
            held = detail.get(side, {})
            detail[side] = {
                key: ("***" if key == "password" and value else value)
                for key, value in held.items()
                if key != "secret"
            }
        super()._record(request, what, obj, **detail)


class MappingForm(_UnitForm):
    protocol = forms.ChoiceField(label=_("Protocol"), choices=_choice((*LISTENED, POLLED)))

    class Meta:
        model = CodeMapping
        labels = LABELS
        fields = "__all__"  # noqa: DJ007 - the admin shows the whole row

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        site, device = data.get("site"), data.get("device")
        stream, prop = data.get("datastream"), data.get("observed_property")
        if stream and prop:
            raise ValidationError(_("Name a datastream or an observed property, not both."))
        if device and (site is None or device.site_id != site.pk):
            raise ValidationError({"device": _("This device belongs to another site.")})
        if stream and (site is None or not Datastream.objects.filter(site=site, code=stream).exists()):
            raise ValidationError({"datastream": _("This is not a datastream of the site.")})
        if prop and not ObservedProperty.objects.filter(code=prop).exists():
            raise ValidationError({"observed_property": _("This is not an observed property.")})
        return data


@admin.register(CodeMapping)
class CodeMappingAdmin(AtSiteAdmin):
    """A row of a site is kept by its operators; one of all sites, by who keeps code tables at the top of the tree."""

    form = MappingForm
    list_display = ("code", "protocol", "site", "device", "model", "datastream", "observed_property", "unit")
    list_filter = (_ProtocolFilter, ("site", admin.EmptyFieldListFilter))
    list_select_related = ("site", "device")
    search_fields = ("code", "datastream", "observed_property", "site__code", "device__code", "model")
    raw_id_fields = ("site", "device")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        within = access.rows_where(request.user, self.view_action, "site__org_path")
        everywhere = Q(site=None) if self.has_view_permission(request) else Q(pk__in=())
        return super(AuditedAdmin, self).get_queryset(request).filter(within | everywhere)

    def _may_edit(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.site_id is None:
            return _keeps_codes(request)
        return super()._may_edit(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Who keeps no code tables names a site."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if "site" in form.base_fields:
            form.base_fields["site"].required = not _keeps_codes(request)
        return form


@admin.register(UnmappedCode)
class UnmappedCodeAdmin(AtDeviceAdmin, ReadOnlyAdmin):
    """What the gateways saw; it is mapped on the page Unmapped codes."""

    list_display = ("code", "protocol", "device", "unit", "last_value", "count", "last_at")
    list_filter = (_ProtocolFilter,)
    search_fields = ("code", "device__code")
    ordering = ("-last_at", "-id")

    has_add_permission = ReadOnlyAdmin.has_add_permission
    has_change_permission = ReadOnlyAdmin.has_change_permission
    has_delete_permission = ReadOnlyAdmin.has_delete_permission


class LinkForm(forms.ModelForm):
    class Meta:
        model = ModbusLink
        labels = LABELS
        fields = "__all__"  # noqa: DJ007 - the admin shows the whole row

    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, initial=502)
    unit = forms.IntegerField(label=_("Unit number"), min_value=0, max_value=255, initial=1)
    period_ms = forms.IntegerField(label=_("Period, ms"), min_value=100, max_value=86_400_000, initial=1000)
    timeout_ms = forms.IntegerField(label=_("Time-out, ms"), min_value=10, max_value=60_000, initial=1000)


@admin.register(ModbusLink)
class ModbusLinkAdmin(AtDeviceAdmin):
    form = LinkForm
    list_display = ("device", "host", "port", "unit", "framing", "period_ms", "is_active")
    list_filter = ("framing", "is_active")
    search_fields = ("device__code", "host")


class PointForm(_UnitForm):
    area = forms.ChoiceField(label=_("Area"), choices=_choice(AREAS))
    address = forms.IntegerField(label=_("Address, from 0"), min_value=0, max_value=65535)
    kind = forms.ChoiceField(label=_("Kind of number"), choices=_choice(KINDS), initial="uint16")
    byte_order = forms.ChoiceField(label=_("Byte order"), choices=_choice(ORDERS), initial="ABCD")
    bit = forms.IntegerField(label=_("Bit"), min_value=0, max_value=15, initial=0)

    class Meta:
        model = ModbusPoint
        labels = LABELS
        fields = "__all__"  # noqa: DJ007 - the admin shows the whole row

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("area") in ("coil", "discrete") and data.get("kind") != "bool":
            raise ValidationError({"kind": _("Write bool, or choose input or holding.")})
        return data


@admin.register(ModbusPoint)
class ModbusPointAdmin(AtDeviceAdmin):
    form = PointForm
    list_display = ("code", "device", "area", "address", "kind", "byte_order", "scale", "unit")
    search_fields = ("code", "device__code")


def _keeps_codes(request: HttpRequest) -> bool:
    return any(path.count("/") <= 2 for path in access.paths_where(request.user, "code.edit"))
