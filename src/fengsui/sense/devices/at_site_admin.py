"""What the admin pages of rows at a site have in common: who sees them, and what they may point at."""

from typing import Any, ClassVar

from django.http import HttpRequest

from fengsui.people.audit.admin import AuditedAdmin
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Device, Site, Thing


class AtSiteAdmin(AuditedAdmin):
    """Rows of a site; the sites, things and devices to choose from are those within reach."""

    view_action = "device.view"
    edit_action = "device.edit"
    path_field = "site__org_path"
    list_select_related: tuple[str, ...] = ("site",)
    raw_id_fields: tuple[str, ...] = ("site",)
    show_full_result_count = False

    _paths: ClassVar[dict[type, str]] = {
        Site: "org_path",
        Thing: "site__org_path",
        Device: "site__org_path",
    }

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        path = self._paths.get(db_field.related_model)
        if path:
            within = access.rows_where(request.user, "device.edit", path)
            kwargs["queryset"] = db_field.related_model.objects.filter(within)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class AtDeviceAdmin(AtSiteAdmin):
    """Rows of a device."""

    path_field = "device__site__org_path"
    list_select_related: tuple[str, ...] = ("device",)
    raw_id_fields: tuple[str, ...] = ("device",)
