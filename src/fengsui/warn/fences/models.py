"""Geofences 电子围栏, the rules in them, and a watch for each unit that a rule is about.

A watch is an ordinary alarm rule over a datastream of its own, whose readings the pipeline makes out of the unit's
positions (``warn/engine/moving.py``).  So an alarm of a fence is an alarm like any other.
"""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import CODE, Datastream
from fengsui.sense.moving.models import Unit
from fengsui.warn.alarms.models import Priority, Rule


class OfOrgQuerySet(models.QuerySet[Any]):
    """Rows of an organisation: whoever may see rules there may see them."""

    def visible_to(self, user: Any) -> "OfOrgQuerySet":
        return self.filter(access.rows_where(user, "rule.view", "org__path"))


class ShapeKind(models.TextChoices):
    POLYGON = "polygon", _("Polygon")
    CIRCLE = "circle", _("Circle")
    CORRIDOR = "corridor", _("Corridor")


class RoadClass(models.Model):
    """A class of road and its speed limit.  The shipped numbers are from memory: check and change them."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    name = models.CharField(max_length=80)
    name_en = models.CharField(max_length=120, blank=True)
    limit_kmh = models.PositiveSmallIntegerField(validators=[MinValueValidator(5), MaxValueValidator(200)])
    basis = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("Class of road")
        verbose_name_plural = _("Classes of road")

    def __str__(self) -> str:
        return f"{self.number} {self.name} {self.limit_kmh} km/h"


class Fence(models.Model):
    """``geometry`` is GeoJSON in WGS 84: (Multi)Polygon, Point or LineString; the latter two with ``radius_m``.

    In force between the two instants, at the hours of ``weekly``: [day 1 Monday … 7 Sunday, "08:00", "18:00"], none:
    always.
    """

    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="fences")
    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80, blank=True)
    shape = models.CharField(max_length=8, choices=ShapeKind, default=ShapeKind.POLYGON)
    geometry = models.JSONField()
    radius_m = models.FloatField(null=True, blank=True)
    road_class = models.ForeignKey(
        RoadClass, null=True, blank=True, on_delete=models.SET_NULL, related_name="fences"
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    weekly = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField(default=True)

    objects = OfOrgQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        verbose_name = _("Geofence")
        verbose_name_plural = _("Geofences")

    def __str__(self) -> str:
        return self.name


class What(models.TextChoices):
    ENTER = "enter", _("Enters")
    LEAVE = "leave", _("Leaves")
    INSIDE = "inside", _("Inside outside the hours")
    SPEED = "speed", _("Speeding")
    DWELL = "dwell", _("Stopped too long")
    SILENT = "silent", _("Silent")


ANYWHERE = ("speed", "dwell", "silent")  # these need no fence


class FenceRule(models.Model):
    """What must not happen, to which units of the organisation.  ``limit``: metres inside that count, km/h, or seconds.

    ``unit_kinds`` and ``units`` narrow it down; empty: every unit of the organisation and below.
    """

    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="fence_rules")
    fence = models.ForeignKey(Fence, null=True, blank=True, on_delete=models.CASCADE, related_name="rules")
    what = models.CharField(max_length=8, choices=What)
    limit = models.FloatField(null=True, blank=True)
    deadband = models.FloatField(default=0)
    on_delay_ms = models.PositiveIntegerField(default=0)
    off_delay_ms = models.PositiveIntegerField(default=0)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.YELLOW)
    unit_kinds = models.JSONField(default=list, blank=True)
    units = models.ManyToManyField(Unit, blank=True, related_name="fence_rules")
    is_enabled = models.BooleanField(default=True)
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    objects = OfOrgQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("Rule of a fence")
        verbose_name_plural = _("Rules of fences")

    def __str__(self) -> str:
        return f"{self.fence or self.org} {self.get_what_display()}"


class Watch(models.Model):
    """A rule of a fence over one unit.  ``datastream`` is null for silence, which the unit's own longitude shows."""

    fence_rule = models.ForeignKey(FenceRule, on_delete=models.CASCADE, related_name="watches")
    unit = models.ForeignKey(Unit, on_delete=models.CASCADE, related_name="watches")
    datastream = models.OneToOneField(Datastream, null=True, on_delete=models.CASCADE, related_name="watch")
    rule = models.OneToOneField(Rule, on_delete=models.CASCADE, related_name="watch")
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("Watch")
        verbose_name_plural = _("Watches")
        constraints = [models.UniqueConstraint(fields=["fence_rule", "unit"], name="one_watch_a_unit")]

    def __str__(self) -> str:
        return f"{self.fence_rule_id}:{self.unit_id}"
