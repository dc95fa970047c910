"""A unit 移动单元: a Thing that moves, and the datastreams that say where it is.  Its positions are readings there."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream, Site, Thing


class UnitKind(models.TextChoices):
    VEHICLE = "vehicle", _("Vehicle")
    PERSON = "person", _("Person")
    SATELLITE = "satellite", _("Satellite terminal")
    UAV = "uav", _("Drone")
    VESSEL = "vessel", _("Vessel")
    OTHER = "other", _("Other")


class UnitQuerySet(models.QuerySet["Unit"]):
    def visible_to(self, user: Any) -> "UnitQuerySet":
        """Units of sites at or below an organisation where ``user`` may ``unit.view``."""
        return self.filter(access.rows_where(user, "unit.view", "site__org_path"))


class Unit(models.Model):
    """``terminal`` is how rows of positions name it; ``user`` whose phone it is, ``shared_at`` since when they agree.

    WGS 84 degrees; speed in any unit of speed, course in degrees clockwise from north.
    """

    thing = models.OneToOneField(Thing, on_delete=models.CASCADE, related_name="unit")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="units")
    kind = models.CharField(max_length=10, choices=UnitKind, default=UnitKind.VEHICLE)
    terminal = models.CharField(
        max_length=64, blank=True, help_text=_("Number by which rows of positions name it")
    )
    longitude = models.OneToOneField(Datastream, on_delete=models.CASCADE, related_name="longitude_of")
    latitude = models.OneToOneField(Datastream, on_delete=models.CASCADE, related_name="latitude_of")
    speed = models.OneToOneField(
        Datastream, null=True, blank=True, on_delete=models.SET_NULL, related_name="speed_of"
    )
    course = models.OneToOneField(
        Datastream, null=True, blank=True, on_delete=models.SET_NULL, related_name="course_of"
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="unit"
    )
    shared_at = models.DateTimeField(
        null=True, editable=False, help_text=_("Whose phone it is shares its place since then")
    )
    is_active = models.BooleanField(default=True)

    objects = UnitQuerySet.as_manager()

    class Meta:
        ordering = ["thing__code", "pk"]
        verbose_name = _("Moving unit")
        verbose_name_plural = _("Moving units")
        constraints = [
            models.UniqueConstraint(fields=["terminal"], condition=~Q(terminal=""), name="unit_terminal")
        ]

    def __str__(self) -> str:
        return self.thing.name
