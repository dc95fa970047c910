"""Risk in the admin: to look at; facts are declared on the portal, weights are put in force by command."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin
from fengsui.warn.risks.models import Fact, SiteRisk, WeightSet


@admin.register(WeightSet)
class WeightSetAdmin(ReadOnlyAdmin):
    view_action = "risk.view"
    list_display = ["name", "version", "since", "actor_name", "reason"]


@admin.register(Fact)
class FactAdmin(ReadOnlyAdmin):
    view_action = "risk.view"
    path_field = "site__org_path"
    list_display = ["site", "kind", "begins_at", "ends_at", "source", "actor_name", "withdrawn_at"]
    list_filter = ["kind"]
    list_select_related = ["site"]


@admin.register(SiteRisk)
class SiteRiskAdmin(ReadOnlyAdmin):
    view_action = "risk.view"
    path_field = "site__org_path"
    list_display = ["site", "index", "level", "level_since", "changed_at"]
    list_filter = ["level"]
    list_select_related = ["site"]
