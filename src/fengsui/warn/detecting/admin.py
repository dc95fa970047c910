"""Detectors in the admin: to look at.  They are changed on the portal or by command, which keep history and audit."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin, ReadOnlyInline
from fengsui.warn.detecting.models import Detector, DetectorChange, Finding, Trained, Truth


class ChangeInline(ReadOnlyInline):
    model = DetectorChange
    fields = ["number", "at", "what", "version", "actor_name", "reason", "values"]
    ordering = ["-number"]


@admin.register(Detector)
class DetectorAdmin(ReadOnlyAdmin):
    view_action = "detector.view"
    path_field = "site__org_path"
    list_display = ["name", "site", "method", "in_force", "in_shadow", "priority"]
    list_filter = ["method"]
    list_select_related = ["site", "in_force", "in_shadow"]
    inlines = [ChangeInline]


@admin.register(Trained)
class TrainedAdmin(ReadOnlyAdmin):
    view_action = "detector.view"
    path_field = "detector__site__org_path"
    list_display = ["detector", "version", "trained_at", "actor_name", "note", "sha256"]
    list_select_related = ["detector__site"]
    exclude = ["learnt"]


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    view_action = "detector.view"
    path_field = "detector__site__org_path"
    list_display = ["key", "detector", "kind", "datastream", "is_shadow", "raised_at", "peak", "cleared_at"]
    list_filter = ["kind", "is_shadow"]
    list_select_related = ["detector__site", "datastream"]
    show_full_result_count = False


@admin.register(Truth)
class TruthAdmin(ReadOnlyAdmin):
    view_action = "detector.view"
    path_field = "detector__site__org_path"
    list_display = ["datastream", "score", "at", "changed_at", "detector"]
    list_select_related = ["datastream", "detector__site"]
