"""Patrols in the admin: to look at."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin
from fengsui.warn.patrols.models import Draw, Patrol


@admin.register(Draw)
class DrawAdmin(ReadOnlyAdmin):
    view_action = "patrol.do"
    path_field = "org__path"
    list_display = ["org", "at", "actor_name", "size", "seed"]
    list_select_related = ["org"]


@admin.register(Patrol)
class PatrolAdmin(ReadOnlyAdmin):
    view_action = "patrol.do"
    path_field = "site__org_path"
    list_display = ["site", "opened_at", "officer_name", "done_at", "findings"]
    list_select_related = ["site"]
