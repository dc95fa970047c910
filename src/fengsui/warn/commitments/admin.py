"""Commitments in the admin: to look at; the portal takes them.  Signals are kept here."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin
from fengsui.warn.commitments.models import Commitment, Missing, Obligation, RunSignal


@admin.register(Obligation)
class ObligationAdmin(ReadOnlyAdmin):
    view_action = "commitment.view"
    path_field = "org__path"
    list_display = ["org", "deadline", "kinds", "with_hazards", "is_public", "since", "actor_name", "reason"]
    list_select_related = ["org"]


@admin.register(Commitment)
class CommitmentAdmin(ReadOnlyAdmin):
    view_action = "commitment.view"
    path_field = "site__org_path"
    list_display = ["site", "day", "number", "at", "actor_name", "principal", "risk_grade", "is_late"]
    list_filter = ["risk_grade", "is_late"]
    list_select_related = ["site"]


@admin.register(Missing)
class MissingAdmin(ReadOnlyAdmin):
    view_action = "commitment.view"
    path_field = "site__org_path"
    list_display = ["site", "day", "deadline_at", "given_at"]
    list_select_related = ["site"]


@admin.register(RunSignal)
class RunSignalAdmin(ReadOnlyAdmin):
    view_action = "device.view"
    path_field = "thing__site__org_path"
    list_display = ["thing", "datastream", "above"]
    list_select_related = ["thing", "datastream"]
