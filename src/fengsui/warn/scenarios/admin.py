"""Scenario rules in the admin: to look at.  They are changed through services, which keep history and audit."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin, ReadOnlyInline
from fengsui.warn.scenarios.models import Binding, ScenarioChange, ScenarioRule


class BindingInline(ReadOnlyInline):
    model = Binding
    fields = ["name", "datastream", "max_age_ms"]


class ChangeInline(ReadOnlyInline):
    model = ScenarioChange
    fields = ["version", "at", "actor_name", "reason", "values"]
    ordering = ["-version"]


@admin.register(ScenarioRule)
class ScenarioRuleAdmin(ReadOnlyAdmin):
    view_action = "rule.view"
    path_field = "site__org_path"
    list_display = ["site", "code", "name", "template", "priority", "is_enabled", "version", "withdrawn_at"]
    list_filter = ["template", "priority", "is_enabled"]
    list_select_related = ["site"]
    search_fields = ["code", "name", "name_en", "site__code", "site__name"]
    inlines = [BindingInline, ChangeInline]
