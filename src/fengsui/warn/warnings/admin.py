"""Tables of the admin: who speaks, kinds of events, how many people live where, and whose feeds are read."""

from typing import Any

from django import forms
from django.contrib import admin

from fengsui.people.audit.admin import AuditedAdmin
from fengsui.warn.cap.signature import BadKey, read_certificates
from fengsui.warn.warnings.models import EventKind, Feed, Issuer, Population


class _AtOrgAdmin(AuditedAdmin):
    view_action = "warning.feed"
    edit_action = "warning.feed"
    path_field = "org__path"
    list_select_related = ("org",)
    show_full_result_count = False


@admin.register(Issuer)
class IssuerAdmin(_AtOrgAdmin):
    list_display = ("code", "name", "org", "is_active")
    search_fields = ("code", "name")

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False  # messages were sent in its name


class FeedForm(forms.ModelForm):
    class Meta:
        model = Feed
        fields = (
            "org",
            "name",
            "name_en",
            "url",
            "hosts",
            "period_s",
            "is_active",
            "certificates",
            "must_be_signed",
        )

    def clean_certificates(self) -> str:
        text = str(self.cleaned_data["certificates"]).strip()
        if text:
            try:
                read_certificates(text.encode())
            except BadKey as error:
                raise forms.ValidationError(str(error)) from error
        return text


@admin.register(Feed)
class FeedAdmin(_AtOrgAdmin):
    form = FeedForm
    list_display = ("name", "org", "url", "is_active", "heard_at", "error")
    search_fields = ("name", "url")
    readonly_fields = ("asked_at", "heard_at", "error")
    fields = (*FeedForm.Meta.fields, "asked_at", "heard_at", "error")

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False  # its messages are the record of what others warned of


@admin.register(EventKind)
class EventKindAdmin(AuditedAdmin):
    list_display = ("code", "name", "name_en", "category", "is_active")
    search_fields = ("code", "name")


@admin.register(Population)
class PopulationAdmin(AuditedAdmin):
    list_display = ("division_code", "people", "source", "as_of")
    search_fields = ("division_code",)
