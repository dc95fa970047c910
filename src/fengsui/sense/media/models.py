"""A medium 多媒体数据: a picture, sound or video that a device took, with where and when, and its file."""

import uuid
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Device, Site, Thing

FOLDER = "device-media"


class MediumKind(models.TextChoices):
    PICTURE = "picture", _("Picture")
    AUDIO = "audio", _("Sound")
    VIDEO = "video", _("Video")


class MediumEvent(models.IntegerChoices):
    """JT/T 808, event item code of 0x0800 and 0x0801."""

    ORDER = 0, _("Order of the platform")
    TIMED = 1, _("Timed")
    ROBBERY = 2, _("Robbery alarm")
    COLLISION = 3, _("Collision or rollover")
    DOOR_OPENED = 4, _("Door opened")
    DOOR_CLOSED = 5, _("Door closed")
    DOOR_CLOSED_FAST = 6, _("Door closed, speed over 20 km/h")
    DISTANCE = 7, _("By distance")


def file_path(medium: "Medium", name: str) -> str:
    """Where a file is stored: nothing that a device said but the ending its content has."""
    ending = name.rsplit(".", 1)[-1]
    return f"{FOLDER}/{medium.received_at:%Y/%m}/{medium.sha256[:16]}-{uuid.uuid4().hex[:12]}.{ending}"


class MediumQuerySet(models.QuerySet["Medium"]):
    def visible_to(self, user: Any) -> "MediumQuerySet":
        """Media of sites at or below an organisation where ``user`` may ``media.view``."""
        return self.filter(access.rows_where(user, "media.view", "site__org_path"))

    def here(self) -> "MediumQuerySet":
        """Those whose file is here."""
        return self.exclude(received_at=None).filter(removed_at=None)


class Medium(models.Model):
    """``number`` is the device's own; a device uses it again.

    ``told_at`` is when we first heard of it: of the file itself, or of one that the device has stored (JT/T 808
    0x0800, 0x0802, 0x0805).  ``received_at`` is when the file came and ``removed_at`` when the data policy took it; the
    row stays.  ``asked_by`` and ``command`` say who asked for it.  WGS 84 degrees, km/h, degrees clockwise from north.
    """

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(
        Device, null=True, on_delete=models.SET_NULL, related_name="media", verbose_name=_("Device")
    )
    device_code = models.CharField(_("Device"), max_length=64)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="media", verbose_name=_("Site"))
    thing = models.ForeignKey(
        Thing, null=True, on_delete=models.SET_NULL, related_name="media", verbose_name=_("Thing")
    )
    protocol = models.CharField(_("Protocol"), max_length=24)
    number = models.BigIntegerField(_("Number"), null=True)
    kind = models.CharField(_("Kind"), max_length=8, choices=MediumKind)
    event = models.PositiveSmallIntegerField(_("Event"), null=True, choices=MediumEvent)
    channel = models.PositiveSmallIntegerField(_("Channel"), null=True)
    taken_at = models.DateTimeField(_("Taken at"), null=True)
    told_at = models.DateTimeField(_("Reported at"))
    received_at = models.DateTimeField(_("Received at"), null=True)
    longitude = models.FloatField(_("Longitude"), null=True)
    latitude = models.FloatField(_("Latitude"), null=True)
    speed_km_h = models.FloatField(_("Speed"), null=True)
    direction_deg = models.FloatField(_("Direction"), null=True)
    file = models.FileField(_("File"), upload_to=file_path, max_length=160, blank=True)
    content_type = models.CharField(_("Type"), max_length=80, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(_("Size"), default=0)
    asked_by = models.CharField(_("Asked by"), max_length=150, blank=True)
    command = models.CharField(_("Command"), max_length=40, blank=True)
    removed_at = models.DateTimeField(_("Removed at"), null=True)

    objects = MediumQuerySet.as_manager()

    class Meta:
        verbose_name = _("Picture or recording")
        verbose_name_plural = _("Pictures and recordings")
        indexes = [
            models.Index(fields=["-told_at", "-id"], name="medium_recent"),
            models.Index(fields=["device", "number"], name="medium_number"),
            models.Index(
                fields=["received_at"],
                condition=models.Q(received_at__isnull=False, removed_at=None),
                name="medium_here",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_code} {self.number if self.number is not None else self.pk}"

    @property
    def is_here(self) -> bool:
        return self.received_at is not None and self.removed_at is None

    @property
    def is_shown(self) -> bool:
        """Whether a browser may show it on a page of ours."""
        return self.is_here and self.content_type == "image/jpeg"


class Folder(models.Model):
    """One row: the mark that portals write into the folder of media, so that a gateway knows whether it is the same."""

    id = models.SmallIntegerField(primary_key=True)
    mark = models.CharField(max_length=32)
