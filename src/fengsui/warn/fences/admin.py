"""Fences and their rules in the admin: to look at (the portal changes them); classes of road: to change."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from fengsui.people.audit.admin import AuditedAdmin, ReadOnlyAdmin, ReadOnlyInline
from fengsui.warn.fences import services
from fengsui.warn.fences.models import Fence, FenceRule, RoadClass


class FenceRuleInline(ReadOnlyInline):
    model = FenceRule
    fields = ["what", "limit", "deadband", "on_delay_ms", "priority", "is_enabled", "withdrawn_at"]


@admin.register(Fence)
class FenceAdmin(ReadOnlyAdmin):
    view_action = "rule.view"
    path_field = "org__path"
    list_display = ["code", "name", "shape", "org", "is_active"]
    list_filter = ["shape", "is_active"]
    list_select_related = ["org"]
    search_fields = ["code", "name", "name_en"]
    inlines = [FenceRuleInline]


@admin.register(RoadClass)
class RoadClassAdmin(AuditedAdmin):
    view_action = "rule.view"
    edit_action = "code.edit"
    list_display = ["number", "name", "name_en", "limit_kmh", "basis"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        services.follow(FenceRule.objects.filter(fence__road_class=obj, limit=None))
