"""The administration's tables: responsible persons; calls and deliveries to look at."""

from django.contrib import admin

from fengsui.people.audit.admin import AuditedAdmin, ReadOnlyAdmin
from fengsui.warn.calls.models import Contact, Delivery


@admin.register(Contact)
class ContactAdmin(AuditedAdmin):
    view_action = "call.view"
    edit_action = "call.contacts"
    path_field = "org__path"
    list_display = ("org", "order", "name", "post", "phone", "email", "is_active")
    list_editable = ("order",)
    list_display_links = ("name",)
    search_fields = ("name", "phone", "org__name")
    list_select_related = ("org",)
    autocomplete_fields = ("user",)
    show_full_result_count = False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    view_action = "call.view"
    path_field = "call__callout__org_path"
    list_display = ("call", "channel", "state", "attempts", "sent_at", "error")
    list_filter = ("channel", "state")
    list_select_related = ("call",)
    show_full_result_count = False
