"""Video devices that register by GB/T 28181, the cameras of their catalogues, and what they reported.

A device 视频设备 is what registers: a camera, a recorder or a platform below.  A camera 摄像机 is a channel of it and a
Thing of a site; its state, alarms and position are datastreams there.
"""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from fengsui.loops.models import Loop
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site, Thing

GB_CODE = RegexValidator(r"^[0-9]{20}$", _("20 digits: GB/T 28181, annex D."))


class VideoQuerySet(models.QuerySet[Any]):
    """Rows of a site whose pictures ``user`` may see."""

    def visible_to(self, user: Any) -> "VideoQuerySet":
        return self.filter(access.rows_where(user, "video.view", "site__org_path"))


class VideoDevice(models.Model):
    """An identity that may register.  The password is kept sealed: a digest cannot be checked against a hash of it."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="video_devices")
    code = models.CharField(max_length=20, unique=True, validators=[GB_CODE])
    name = models.CharField(max_length=120, blank=True)
    password_sealed = models.CharField(max_length=400, editable=False, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = VideoQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        verbose_name = _("Video device")
        verbose_name_plural = _("Video devices")

    def __str__(self) -> str:
        return self.name or self.code


class VideoDeviceState(models.Model):
    """What a device last said; written by the role video only."""

    device = models.OneToOneField(
        VideoDevice, primary_key=True, on_delete=models.CASCADE, related_name="state"
    )
    is_online = models.BooleanField(default=False)
    registered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=80, blank=True)
    version = models.CharField(max_length=8, blank=True)
    manufacturer = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    firmware = models.CharField(max_length=64, blank=True)
    catalogue_at = models.DateTimeField(null=True)


class Camera(models.Model):
    """A channel of a device's catalogue.  WGS 84 as sent, degrees.  ``thing`` carries its datastreams."""

    device = models.ForeignKey(VideoDevice, on_delete=models.CASCADE, related_name="cameras")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="cameras")
    thing = models.ForeignKey(Thing, on_delete=models.PROTECT, related_name="cameras")
    code = models.CharField(max_length=20, validators=[GB_CODE])
    name = models.CharField(max_length=120)
    manufacturer = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    parent = models.CharField(max_length=64, blank=True)
    civil_code = models.CharField(max_length=20, blank=True)
    address = models.CharField(max_length=200, blank=True)
    ptz_type = models.PositiveSmallIntegerField(default=0)
    longitude = models.FloatField(null=True, blank=True)
    latitude = models.FloatField(null=True, blank=True)
    is_on = models.BooleanField(default=True, help_text=_("What the catalogue says of it"))
    is_online = models.BooleanField(default=False)
    first_at = models.DateTimeField()
    listed_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True, help_text=_("No longer in the catalogue since"))

    objects = VideoQuerySet.as_manager()

    class Meta:
        ordering = ["code", "pk"]
        verbose_name = _("Camera")
        verbose_name_plural = _("Cameras")
        constraints = [models.UniqueConstraint(fields=["device", "code"], name="camera_code_of_device")]

    def __str__(self) -> str:
        return self.name

    @property
    def can_move(self) -> bool:
        """Whether pan, tilt and zoom make sense: not for a fixed camera (type 3)."""
        return self.ptz_type != 3


class CameraEvent(models.Model):
    """An alarm that a device reported, with its words.  That it is also a reading is what rules look at."""

    device = models.ForeignKey(VideoDevice, on_delete=models.CASCADE, related_name="events")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="camera_events")
    camera = models.ForeignKey(Camera, null=True, on_delete=models.CASCADE, related_name="events")
    code = models.CharField(max_length=20)
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    priority = models.PositiveSmallIntegerField(default=0)
    method = models.PositiveSmallIntegerField(default=0)
    kind = models.PositiveSmallIntegerField(default=0)
    description = models.CharField(max_length=400, blank=True)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)

    objects = VideoQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["camera", "-at"], name="camera_events_newest")]


class UnknownVideoDevice(models.Model):
    """Somebody who wanted to register and is no device of ours, or has another password.  The newest are kept."""

    code = models.CharField(max_length=64)
    address = models.CharField(max_length=80)
    why = models.CharField(
        max_length=16,
        choices=[
            ("unknown", _("Not known")),
            ("password", _("Wrong password")),
            ("inactive", _("Not in use")),
        ],
    )
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-last_at", "-pk"]
        verbose_name = _("Unknown video device")
        verbose_name_plural = _("Unknown video devices")
        constraints = [
            models.UniqueConstraint(fields=["code", "address", "why"], name="unknown_video_device_once")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.address}"


class LoopCamera(models.Model):
    """A camera that somebody put beside what is being handled: an alarm's disposal, an incident."""

    loop = models.ForeignKey(Loop, on_delete=models.CASCADE, related_name="cameras")
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="loops")
    by_name = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["loop", "camera"], name="camera_once_beside_a_loop")]
