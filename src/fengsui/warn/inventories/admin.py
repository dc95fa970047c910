"""Inventories and their identifications in the admin: to look at; the portal keeps them."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin, ReadOnlyInline
from fengsui.warn.inventories.models import Inventory, InventoryRow, MajorHazard


class RowInline(ReadOnlyInline):
    model = InventoryRow
    fields = ["number", "unit", "substance", "cas", "said"]


@admin.register(Inventory)
class InventoryAdmin(ReadOnlyAdmin):
    view_action = "hazard.view"
    path_field = "site__org_path"
    list_display = ["site", "number", "made_at", "actor_name", "source", "is_demo"]
    list_select_related = ["site"]
    search_fields = ["site__code", "site__name", "source"]
    inlines = [RowInline]


@admin.register(MajorHazard)
class MajorHazardAdmin(ReadOnlyAdmin):
    view_action = "hazard.view"
    path_field = "site__org_path"
    list_display = ["site", "unit", "kind", "grade", "s", "r", "is_current"]
    list_filter = ["grade", "is_current"]
    list_select_related = ["site"]
    search_fields = ["site__code", "site__name", "unit"]
