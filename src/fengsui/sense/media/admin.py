"""Pictures and recordings of devices as a table of the admin, to read; files are seen on their pages only."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin
from fengsui.sense.media.models import Medium


@admin.register(Medium)
class MediumAdmin(ReadOnlyAdmin):
    view_action = "media.view"
    path_field = "site__org_path"
    list_display = (
        "told_at",
        "device_code",
        "site",
        "kind",
        "event",
        "channel",
        "size",
        "received_at",
        "removed_at",
    )
    list_filter = ("kind", "event", "protocol")
    list_select_related = ("site",)
    search_fields = ("device_code", "site__code")
    exclude = ("file",)
    ordering = ("-told_at", "-id")
    show_full_result_count = False
