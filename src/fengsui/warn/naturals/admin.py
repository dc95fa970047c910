"""Tables of the admin: feeds, gauges, fire-weather stations to keep; what came of them to look at."""

from typing import Any

from django.contrib import admin

from fengsui.people.audit.admin import AuditedAdmin, ReadOnlyAdmin
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.naturals import services
from fengsui.warn.naturals.models import (
    FireStation,
    Gauge,
    Quake,
    Refusal,
    Source,
    Statement,
    Storm,
    ThresholdSet,
)


@admin.register(Source)
class SourceAdmin(AuditedAdmin):
    view_action = "natural.edit"
    edit_action = "natural.edit"
    path_field = "org__path"
    list_display = ("name", "kind", "org", "is_active", "heard_at", "taken", "known", "refused", "error")
    list_filter = ("kind",)
    list_select_related = ("org",)
    readonly_fields = ("asked_at", "heard_at", "error", "taken", "known", "refused", "beats")
    fields = ("org", "kind", "name", "name_en", "url", "hosts", "period_s", "is_active", *readonly_fields)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False  # what it brought is a record


class _AtSiteAdmin(AuditedAdmin):
    view_action = "natural.edit"
    edit_action = "natural.edit"
    show_full_result_count = False

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.related_model is Datastream:
            kwargs["queryset"] = Datastream.objects.filter(
                access.rows_where(request.user, self.edit_action, "site__org_path")
            ).select_related("site")
        elif db_field.related_model is Site:
            kwargs["queryset"] = Site.objects.filter(access.rows_where(request.user, self.edit_action))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Gauge)
class GaugeAdmin(_AtSiteAdmin):
    path_field = "datastream__site__org_path"
    list_display = ("datastream", "kind", "reach_km", "warning_m", "guarantee_m", "datum", "is_active")
    list_filter = ("kind",)
    list_select_related = ("datastream",)
    raw_id_fields = ("datastream",)

    def save_model(self, request: Any, obj: Gauge, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        services.rules_of(obj)


@admin.register(FireStation)
class FireStationAdmin(_AtSiteAdmin):
    path_field = "site__org_path"
    list_display = ("site", "reach_km", "is_active", "error")
    raw_id_fields = ("site", "temperature", "humidity", "wind", "rain")
    list_select_related = ("site",)
    readonly_fields = ("error",)


@admin.register(ThresholdSet)
class ThresholdSetAdmin(ReadOnlyAdmin):
    view_action = "natural.view"
    list_display = ("name", "version", "since", "actor_name", "reason")


@admin.register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    view_action = "natural.edit"
    path_field = "source__org__path"
    list_display = ("source", "reason", "said", "times", "first_at", "last_at")
    list_filter = ("reason",)
    list_select_related = ("source",)


@admin.register(Quake)
class QuakeAdmin(ReadOnlyAdmin):
    view_action = "natural.view"
    path_field = "source__org__path"
    list_display = ("origin_at", "magnitude", "place", "depth_km", "status", "source", "is_current")
    list_select_related = ("source",)


@admin.register(Storm)
class StormAdmin(ReadOnlyAdmin):
    view_action = "natural.view"
    path_field = "source__org__path"
    list_display = ("key", "name", "name_en", "source")
    list_select_related = ("source",)


@admin.register(Statement)
class StatementAdmin(ReadOnlyAdmin):
    view_action = "natural.view"
    path_field = "org_path"
    list_display = ("name", "kind", "level", "raised_at", "until_at", "cleared_at")
    list_filter = ("kind", "level")
