"""Relations of assets in the admin: made, and taken out of force; never deleted, never turned into another one."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from fengsui.base.relations import NEIGHBOUR, NO_WAY_BACK
from fengsui.people.audit.admin import ReadOnlyInline
from fengsui.people.orgs import access
from fengsui.sense.devices import relations
from fengsui.sense.devices.at_site_admin import AtSiteAdmin
from fengsui.sense.devices.models import AssetRelation, RelationChange

ENDS = ("kind", "upstream_site", "upstream_thing", "site", "thing")


class RelationForm(forms.ModelForm):
    class Meta:
        model = AssetRelation
        fields = "__all__"  # noqa: DJ007 - the admin shows the whole row

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.instance.pk:
            data = {name: getattr(self.instance, name) for name in ENDS} | data
        if not {"kind", "upstream_site", "site"} <= data.keys():
            return data
        for place, end in (("upstream_site", "upstream_thing"), ("site", "thing")):
            if data.get(end) and data[end].site_id != data[place].pk:
                raise ValidationError({end: _("This thing belongs to another site.")})
        upstream, thing = data.get("upstream_thing"), data.get("thing")
        if data["kind"] != NEIGHBOUR and not upstream:
            raise ValidationError({"upstream_thing": _("Only neighbours may be whole sites.")})
        if data["kind"] == NEIGHBOUR and bool(upstream) != bool(thing):
            raise ValidationError({"thing": _("Neighbours are two things, or two sites.")})
        if data["site"] == data["upstream_site"] and upstream == thing:
            raise ValidationError({"site": _("A relation has two different ends.")})
        if data["kind"] in NO_WAY_BACK and data.get("is_active") and upstream:
            edge = (2 * upstream.pk, 2 * thing.pk if thing else 2 * data["site"].pk + 1)
            with connection.cursor() as cursor:
                way = relations.find_way_back(cursor, more=[edge])
            if way:
                raise ValidationError(
                    _("This comes back to where it began: %(way)s.") % {"way": " → ".join(way)}
                )
        return data


class ChangeInline(ReadOnlyInline):
    model = RelationChange
    fields = ("at", "actor_name", "is_active", "note")


@admin.register(AssetRelation)
class AssetRelationAdmin(AtSiteAdmin):
    form = RelationForm
    list_display = ("kind", "upstream_site", "upstream_thing", "site", "thing", "is_active")
    list_filter = ("kind", "is_active")
    list_select_related = ("upstream_site", "upstream_thing", "site", "thing")
    search_fields = ("site__code", "upstream_site__code", "thing__code", "upstream_thing__code")
    raw_id_fields = ("upstream_site", "upstream_thing", "site", "thing")
    inlines = (ChangeInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        within = access.rows_where(request.user, self.view_action, "upstream_site__org_path")
        return super().get_queryset(request).filter(within)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ENDS if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            access.require(request.user, "device.edit", obj.site.org_path, obj)
            relations.change_as(request.user)
            super().save_model(request, obj, form, change)
