"""Rules and alarms in the admin: to look at.  They are changed through services, which keep history and
audit.
"""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin, ReadOnlyInline
from fengsui.warn.alarms.models import Alarm, Deed, FigureSet, FoldTable, Rule, RuleChange, Storm


class ChangeInline(ReadOnlyInline):
    model = RuleChange
    fields = ["version", "at", "actor_name", "reason", "values"]
    ordering = ["-version"]


class DeedInline(ReadOnlyInline):
    model = Deed
    fields = ["at", "what", "actor_name", "note"]
    ordering = ["at", "id"]


@admin.register(Rule)
class RuleAdmin(ReadOnlyAdmin):
    view_action = "rule.view"
    path_field = "datastream__site__org_path"
    list_display = [
        "id",
        "datastream",
        "kind",
        "setpoint",
        "priority",
        "is_enabled",
        "version",
        "withdrawn_at",
    ]
    list_filter = ["kind", "priority", "is_enabled"]
    list_select_related = ["datastream"]
    search_fields = ["datastream__code", "datastream__site__code"]
    inlines = [ChangeInline]
    show_full_result_count = False


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    view_action = "alarm.view"
    path_field = "org_path"
    list_display = [
        "key",
        "site",
        "datastream",
        "kind",
        "priority",
        "raised_at",
        "cleared_at",
        "acked_at",
        "folded_count",
    ]
    list_filter = ["kind", "priority"]
    list_select_related = ["site", "datastream"]
    raw_id_fields = ["parent", "cause"]
    search_fields = ["key", "site__code", "datastream__code"]
    ordering = ["-raised_at", "-id"]
    inlines = [DeedInline]
    show_full_result_count = False


@admin.register(FoldTable)
class FoldTableAdmin(ReadOnlyAdmin):
    view_action = "rule.view"
    list_display = ["since", "actor_name", "reason"]


@admin.register(Storm)
class StormAdmin(ReadOnlyAdmin):
    view_action = "alarm.view"
    path_field = "site__org_path"
    list_display = ["site", "began_at", "ended_at", "peak"]
    list_select_related = ["site"]


@admin.register(FigureSet)
class FigureSetAdmin(ReadOnlyAdmin):
    view_action = "alarm.view"
    list_display = ["since", "actor_name", "reason"]
