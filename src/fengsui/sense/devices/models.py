"""What is observed and with what: Site, Thing, Sensor, ObservedProperty, Datastream (OGC SensorThings 1.1, part 1),
and Device, the identity with which equipment at a site logs in.
"""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org

CODE = RegexValidator(r"^[A-Za-z0-9_-]{1,64}$", _("Letters, digits, _ and - only, at most 64."))


class SiteQuerySet(models.QuerySet["Site"]):
    def visible_to(self, user: Any) -> "SiteQuerySet":
        return self.filter(access.rows_where(user, "site.view"))


class AtSiteQuerySet(models.QuerySet[Any]):
    """Rows that belong to a site: whoever may see the site's organisation may see them."""

    def visible_to(self, user: Any) -> "AtSiteQuerySet":
        return self.filter(access.rows_where(user, "device.view", "site__org_path"))


class SiteKind(models.TextChoices):
    CHEMICAL_PLANT = "chemical_plant", _("Chemical plant")
    PUMP_STATION = "pump_station", _("Pump station")
    WATER_NETWORK = "water_network", _("Water network")
    AIR_STATION = "air_station", _("Air station")
    OTHER = "other", _("Other")


class Site(models.Model):
    """SensorThings Location and the place an alarm is shown at.  WGS 84, degrees."""

    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    name_en = models.CharField(max_length=160, blank=True)
    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="sites")
    org_path = models.CharField(max_length=255, editable=False)
    kind = models.CharField(max_length=20, choices=SiteKind.choices, default=SiteKind.OTHER)
    longitude = models.FloatField()
    latitude = models.FloatField()
    address = models.CharField(max_length=200, blank=True)
    is_demo = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    objects = SiteQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        verbose_name = _("Site")
        verbose_name_plural = _("Sites")

    def __str__(self) -> str:
        return self.name


class SiteStatus(models.Model):
    """When a site was last heard; written by the pipeline only."""

    site = models.OneToOneField(Site, primary_key=True, on_delete=models.CASCADE, related_name="status")
    last_received_at = models.DateTimeField(null=True)
    last_observed_at = models.DateTimeField(null=True)


class Thing(models.Model):
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="things")
    code = models.CharField(max_length=64, validators=[CODE])
    name = models.CharField(max_length=120)
    name_en = models.CharField(max_length=160, blank=True)
    description = models.TextField(blank=True)
    properties = models.JSONField(default=dict, blank=True)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("Thing")
        verbose_name_plural = _("Things")
        constraints = [models.UniqueConstraint(fields=["site", "code"], name="thing_code_in_site")]

    def __str__(self) -> str:
        return self.name


class Sensor(models.Model):
    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    encoding_type = models.CharField(max_length=80, default="text/plain")
    metadata = models.TextField(blank=True)

    class Meta:
        verbose_name = _("Sensor")
        verbose_name_plural = _("Sensors")

    def __str__(self) -> str:
        return self.name


class ObservedProperty(models.Model):
    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    name_en = models.CharField(max_length=160, blank=True)
    definition = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)

    class Meta:
        verbose_name = _("Observed property")
        verbose_name_plural = _("Observed properties")

    def __str__(self) -> str:
        return self.name


class Datastream(models.Model):
    """One property of one thing by one sensor.  Values are kept in ``unit`` (a code of base/units.py)."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="datastreams")
    thing = models.ForeignKey(Thing, on_delete=models.CASCADE, related_name="datastreams")
    sensor = models.ForeignKey(Sensor, null=True, blank=True, on_delete=models.PROTECT)
    observed_property = models.ForeignKey(ObservedProperty, on_delete=models.PROTECT)
    code = models.CharField(max_length=64, help_text=_("The name devices use, unique within the site"))
    name = models.CharField(max_length=120)
    name_en = models.CharField(max_length=160, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    range_min = models.FloatField(
        null=True, blank=True, help_text=_("Lower end of what the instrument can measure")
    )
    range_max = models.FloatField(
        null=True, blank=True, help_text=_("Upper end of what the instrument can measure")
    )
    period_ms = models.PositiveIntegerField(default=1000, help_text=_("Expected time between readings"))
    frozen_after_ms = models.PositiveIntegerField(null=True, blank=True)
    decimals = models.PositiveSmallIntegerField(default=2)
    is_active = models.BooleanField(default=True)
    stopped_at = models.DateTimeField(null=True, blank=True, help_text=_("Declared out of service since"))
    stopped_reason = models.CharField(max_length=200, blank=True)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        ordering = ["site_id", "code"]
        verbose_name = _("Datastream")
        verbose_name_plural = _("Datastreams")
        constraints = [models.UniqueConstraint(fields=["site", "code"], name="datastream_code_in_site")]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.code}"


class Device(models.Model):
    """An identity that may publish for one site.  The secret is random; only its SHA-256 is kept."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="devices")
    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=120, blank=True)
    secret_sha256 = models.CharField(max_length=64, editable=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("Device")
        verbose_name_plural = _("Devices")

    def __str__(self) -> str:
        return self.code
