"""Video devices and cameras as tables of the admin.  Every change is audited."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fengsui.people.audit.admin import AuditedAdmin
from fengsui.sense.cameras import services
from fengsui.sense.cameras.models import Camera, UnknownVideoDevice, VideoDevice
from fengsui.sense.devices.at_site_admin import AtSiteAdmin


@admin.register(VideoDevice)
class VideoDeviceAdmin(AtSiteAdmin):
    list_display = ("code", "name", "site", "is_active", "created_at")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "site__code")
    actions = ("give_new_password",)

    @admin.action(description=_("Give a new password (shown once)"))
    def give_new_password(self, request: HttpRequest, queryset: Any) -> None:
        if queryset.count() != 1:
            self.message_user(request, _("Choose one device."), messages.WARNING)
            return
        device = queryset.get()
        password = services.new_password(request.user, device)
        self.message_user(
            request,
            _("New password of %(device)s: %(password)s — it is not shown again.")
            % {"device": device.code, "password": password},
        )


class CameraForm(forms.ModelForm):
    class Meta:
        model = Camera
        fields = ("name", "ptz_type")


@admin.register(Camera)
class CameraAdmin(AtSiteAdmin):
    """What the catalogue says is the device's; the site is changed on the camera's page."""

    form = CameraForm
    list_display = ("code", "name", "device", "site", "is_online", "gone_at")
    list_filter = ("is_online",)
    list_select_related = ("site", "device")
    search_fields = ("code", "name", "site__code", "device__code")
    raw_id_fields = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(UnknownVideoDevice)
class UnknownVideoDeviceAdmin(AuditedAdmin):
    view_action = "device.edit"
    edit_action = "device.edit"
    list_display = ("code", "address", "why", "times", "first_at", "last_at")
    search_fields = ("code", "address")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
