"""What is observed and with what: Site, Thing, Sensor, ObservedProperty, Datastream (OGC SensorThings 1.1, part 1),
and Device, the identity with which equipment at a site logs in.

A device that speaks a field protocol has a ProtocolIdentity in it, and a CodeMapping says which datastream a code of
the protocol is; one that nobody mapped is counted as an UnmappedCode.  ModbusLink and ModbusPoint say what is polled.
"""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from fengsui.base.relations import CARRIES, CONNECTS, CONTAINS, FEEDS, NEIGHBOUR
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org

SECRET_PURPOSE = "protocol identity"  # noqa: S105 - a purpose of people/accounts/sealing.py
CODE = RegexValidator(r"^[A-Za-z0-9_-]{1,64}$", _("Letters, digits, _ and - only, at most 64."))


class SiteQuerySet(models.QuerySet["Site"]):
    def visible_to(self, user: Any) -> "SiteQuerySet":
        return self.filter(access.rows_where(user, "site.view"))


class AtSiteQuerySet(models.QuerySet[Any]):
    """Rows that belong to a site: whoever may see the site's organisation may see them."""

    def visible_to(self, user: Any) -> "AtSiteQuerySet":
        return self.filter(access.rows_where(user, "device.view", "site__org_path"))


class UnmappedQuerySet(models.QuerySet["UnmappedCode"]):
    def visible_to(self, user: Any) -> "UnmappedQuerySet":
        return self.filter(access.rows_where(user, "device.view", "device__site__org_path"))


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


class Encoding(models.TextChoices):
    """How a Location or FeatureOfInterest is written; only GeoJSON can be asked about where it lies."""

    GEOJSON = "application/geo+json", "GeoJSON"
    GEOJSON_OLD = "application/vnd.geo+json", _("GeoJSON, as SensorThings 1.0 names it")


class Placed(models.Model):
    """What lies somewhere: its bounds (WGS 84, degrees) are null where its form is not GeoJSON."""

    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)
    encoding_type = models.CharField(max_length=100, default=Encoding.GEOJSON)
    properties = models.JSONField(default=dict, blank=True)
    west = models.FloatField(null=True, editable=False)
    south = models.FloatField(null=True, editable=False)
    east = models.FloatField(null=True, editable=False)
    north = models.FloatField(null=True, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Location(Placed):
    """Where things are or were (SensorThings Location).  Each site has one of its own, ``is_site``, that follows it."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="locations")
    location = models.JSONField()
    is_site = models.BooleanField(default=False, editable=False)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("Location")
        verbose_name_plural = _("Locations")
        constraints = [
            models.UniqueConstraint(
                fields=["site"], condition=models.Q(is_site=True), name="one_own_location"
            )
        ]


class Thing(models.Model):
    """Something observed.  New ones are at their site's own Location until somebody says otherwise."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="things")
    code = models.CharField(max_length=64, validators=[CODE])
    name = models.CharField(max_length=120)
    name_en = models.CharField(max_length=160, blank=True)
    description = models.TextField(blank=True)
    properties = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True, db_default=True)
    locations = models.ManyToManyField(Location, related_name="things", blank=True)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("Thing")
        verbose_name_plural = _("Things")
        constraints = [models.UniqueConstraint(fields=["site", "code"], name="thing_code_in_site")]

    def __str__(self) -> str:
        return self.name


class RelationKind(models.TextChoices):
    """How the upstream asset stands to the downstream one (base/relations.py)."""

    FEEDS = FEEDS, _("feeds")
    CARRIES = CARRIES, _("carries the data of")
    CONTAINS = CONTAINS, _("contains")
    CONNECTS = CONNECTS, _("leads into")
    NEIGHBOUR = NEIGHBOUR, _("stands beside")


class RelationQuerySet(models.QuerySet["AssetRelation"]):
    def visible_to(self, user: Any) -> "RelationQuerySet":
        """Relations both ends of which lie where ``user`` may ``device.view``."""
        ends = ("site__org_path", "upstream_site__org_path")
        return self.filter(*(access.rows_where(user, "device.view", path) for path in ends))

    def of_site(self, site: Site) -> "RelationQuerySet":
        """Those that begin or end at ``site``, in force first."""
        rows = self.filter(models.Q(site=site) | models.Q(upstream_site=site))
        ends = ("upstream_site", "upstream_thing", "site", "thing")
        return rows.select_related(*ends).order_by("-is_active", "kind", "pk")


class AssetRelation(models.Model):
    """One thing feeds, carries, contains or leads into another (or all of a site), or stands beside it.

    Without ``thing`` it is the whole ``site``; without ``upstream_thing`` (neighbours only) the whole upstream site.
    A row is never deleted: it is taken out of force.
    """

    kind = models.CharField(_("relation"), max_length=12, choices=RelationKind)
    upstream_site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="relations_out", verbose_name=_("upstream site")
    )
    upstream_thing = models.ForeignKey(
        Thing, null=True, blank=True, on_delete=models.CASCADE, related_name="relations_out",
        verbose_name=_("upstream thing"),
    )  # fmt: skip
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="relations_in", verbose_name=_("site")
    )
    thing = models.ForeignKey(
        Thing, null=True, blank=True, on_delete=models.CASCADE, related_name="relations_in",
        verbose_name=_("thing"), help_text=_("Empty: the whole site"),
    )  # fmt: skip
    note = models.CharField(_("note"), max_length=200, blank=True)
    is_active = models.BooleanField(_("in force"), default=True)

    objects = RelationQuerySet.as_manager()

    class Meta:
        verbose_name = _("Asset relation")
        verbose_name_plural = _("Asset relations")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "upstream_site", "upstream_thing", "site", "thing"],
                name="asset_relation",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        ends = (self.upstream_thing or self.upstream_site, self.thing or self.site)
        return f"{ends[0]} {self.get_kind_display()} {ends[1]}"


class RelationChange(models.Model):
    """Since when a relation is in force or not, and who said so; the database writes it with every change."""

    relation = models.ForeignKey(AssetRelation, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    actor_name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField()
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("Change of a relation")
        verbose_name_plural = _("Changes of relations")

    def __str__(self) -> str:
        return f"{self.relation_id} {self.at:%Y-%m-%d %H:%M}"


class HistoricalLocation(models.Model):
    """Since when a thing was where it was (SensorThings HistoricalLocation); written whenever its Locations change."""

    thing = models.ForeignKey(Thing, on_delete=models.CASCADE, related_name="historical_locations")
    time = models.DateTimeField(db_index=True)
    locations = models.ManyToManyField(Location, related_name="historical_locations")

    class Meta:
        verbose_name = _("Former location")
        verbose_name_plural = _("Former locations")

    def __str__(self) -> str:
        return f"{self.thing_id}@{self.time:%Y-%m-%dT%H:%M:%SZ}"


class FeatureOfInterest(Placed):
    """What an observation is of.  Every Location has one (``location``) that follows it: the usual case."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="features")
    feature = models.JSONField()
    location = models.OneToOneField(
        Location, null=True, blank=True, on_delete=models.SET_NULL, related_name="feature"
    )

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("Feature of interest")
        verbose_name_plural = _("Features of interest")


class Sensor(models.Model):
    """``document`` is metadata that is no text: then ``metadata`` is empty."""

    code = models.CharField(max_length=64, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    encoding_type = models.CharField(max_length=80, default="text/plain")
    metadata = models.TextField(blank=True)
    document = models.JSONField(null=True, blank=True, editable=False)
    properties = models.JSONField(default=dict, db_default={}, blank=True)
    is_active = models.BooleanField(default=True, db_default=True)

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
    properties = models.JSONField(default=dict, db_default={}, blank=True)
    is_active = models.BooleanField(default=True, db_default=True)

    class Meta:
        verbose_name = _("Observed property")
        verbose_name_plural = _("Observed properties")

    def __str__(self) -> str:
        return self.name


class ObservationType(models.TextChoices):
    """What results are; the names of SensorThings 1.1, table 12, without the address before them."""

    MEASUREMENT = "OM_Measurement", _("Measurement")
    COUNT = "OM_CountObservation", _("Count")
    TRUTH = "OM_TruthObservation", _("Yes or no")
    CATEGORY = "OM_CategoryObservation", _("Category")
    COMPLEX = "OM_ComplexObservation", _("Several values")
    ANY = "OM_Observation", _("Anything")


class Datastream(models.Model):
    """One property of one thing by one sensor.  Values are kept in ``unit`` (a code of base/units.py).

    ``unit_as_said`` is a unitOfMeasurement as a SensorThings client wrote it, null when nobody did.
    """

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
    description = models.TextField(blank=True, default="", db_default="")
    properties = models.JSONField(default=dict, db_default={}, blank=True)
    observation_type = models.CharField(
        max_length=30, choices=ObservationType, default=ObservationType.MEASUREMENT,
        db_default=ObservationType.MEASUREMENT,
    )  # fmt: skip
    unit_as_said = models.JSONField(null=True, blank=True, editable=False)
    observed_area = models.JSONField(null=True, blank=True, editable=False)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        ordering = ["site_id", "code"]
        verbose_name = _("Datastream")
        verbose_name_plural = _("Datastreams")
        constraints = [models.UniqueConstraint(fields=["site", "code"], name="datastream_code_in_site")]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.code}"


class MultiDatastream(models.Model):
    """Datastreams of one thing and one sensor whose readings of an instant are one observation (OGC 18-088, 9).

    ``members`` has them in the order of the results; what they measure and in which unit stands in their own rows.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="multi_datastreams")
    thing = models.ForeignKey(Thing, on_delete=models.CASCADE, related_name="multi_datastreams")
    sensor = models.ForeignKey(Sensor, on_delete=models.PROTECT, related_name="multi_datastreams")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    properties = models.JSONField(default=dict, db_default={}, blank=True)
    observed_area = models.JSONField(null=True, blank=True, editable=False)
    is_active = models.BooleanField(default=True, db_default=True)

    objects = AtSiteQuerySet.as_manager()

    class Meta:
        verbose_name = _("Combined datastream")
        verbose_name_plural = _("Combined datastreams")

    def __str__(self) -> str:
        return self.name


class MultiDatastreamMember(models.Model):
    """One element of the results of a MultiDatastream.  ``is_own``: made with it, and taken out of use with it."""

    multi_datastream = models.ForeignKey(MultiDatastream, on_delete=models.CASCADE, related_name="members")
    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="memberships")
    position = models.PositiveSmallIntegerField()
    is_own = models.BooleanField(default=False)

    class Meta:
        ordering = ["multi_datastream", "position"]
        constraints = [
            models.UniqueConstraint(fields=["multi_datastream", "position"], name="one_member_a_position"),
            models.UniqueConstraint(fields=["multi_datastream", "datastream"], name="a_member_once"),
        ]

    def __str__(self) -> str:
        return f"{self.multi_datastream_id}/{self.position}"


class Remark(models.Model):
    """What one reading has beside time, value and quality; only for readings that have any of it.

    The reading itself is in the history, under the same datastream and time.  ``result`` is a result that is no number:
    then the history holds "no value" there.
    """

    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="remarks")
    time_ms = models.BigIntegerField()
    until_ms = models.BigIntegerField(null=True)
    result_time_ms = models.BigIntegerField(null=True)
    valid_from_ms = models.BigIntegerField(null=True)
    valid_until_ms = models.BigIntegerField(null=True)
    feature = models.ForeignKey(
        FeatureOfInterest, null=True, on_delete=models.SET_NULL, related_name="remarks"
    )
    result = models.JSONField(null=True)
    result_quality = models.JSONField(null=True)
    parameters = models.JSONField(null=True)
    is_removed = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["datastream", "time_ms"], name="one_remark_a_reading")]

    def __str__(self) -> str:
        return f"{self.datastream_id}:{self.time_ms}"


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


class ProtocolIdentity(models.Model):
    """How a device names itself in a field protocol, and the password it shows there.

    ``identity``: HJ 212 MN, SL 651 station address (ten hex digits), GB/T 26875 source address, JT/T 808 phone number
    without leading zeros, pressure terminal id.  ``secret`` is sealed (people/accounts/sealing.py): the platform has to
    send it, too.  Readings of a ``thing`` find their datastream by their observed property.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="identities")
    protocol = models.CharField(max_length=24)
    identity = models.CharField(max_length=64)
    secret = models.CharField(max_length=255, blank=True, editable=False)
    model = models.CharField(max_length=64, blank=True, help_text=_("Type of device, as mappings name it"))
    thing = models.ForeignKey(Thing, null=True, blank=True, on_delete=models.SET_NULL)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["protocol", "identity"]
        verbose_name = _("Protocol identity")
        verbose_name_plural = _("Protocol identities")
        constraints = [models.UniqueConstraint(fields=["protocol", "identity"], name="protocol_identity")]

    def __str__(self) -> str:
        return f"{self.protocol} {self.identity}"


class CodeMapping(models.Model):
    """What a code of a field protocol means: a datastream by its code, or the observed property of the device's thing.

    The most particular row is in force: of the device, of the site and type of device, of the site, of the type of
    device, of the protocol.  A row with neither target says that the code is known and not wanted.
    value in ``unit`` = value as sent × ``factor`` + ``shift``; empty ``unit``: the protocol's own.
    """

    protocol = models.CharField(max_length=24)
    code = models.CharField(max_length=96)
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.CASCADE, related_name="mappings")
    device = models.ForeignKey(
        Device, null=True, blank=True, on_delete=models.CASCADE, related_name="mappings"
    )
    model = models.CharField(max_length=64, blank=True)
    datastream = models.CharField(max_length=64, blank=True)
    observed_property = models.CharField(max_length=64, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    factor = models.FloatField(default=1.0)
    shift = models.FloatField(default=0.0)

    class Meta:
        ordering = ["protocol", "code", "id"]
        verbose_name = _("Code mapping")
        verbose_name_plural = _("Code mappings")
        constraints = [
            models.UniqueConstraint(
                fields=["protocol", "code", "site", "device", "model"],
                name="code_mapping",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.protocol} {self.code}"


class UnmappedCode(models.Model):
    """A code that a device sent and no mapping knows; written by the gateways only."""

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="unmapped")
    protocol = models.CharField(max_length=24)
    code = models.CharField(max_length=96)
    unit = models.CharField(max_length=20, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.BigIntegerField(default=0)
    last_value = models.FloatField(null=True)

    objects = UnmappedQuerySet.as_manager()

    class Meta:
        verbose_name = _("Unmapped code")
        verbose_name_plural = _("Unmapped codes")
        constraints = [models.UniqueConstraint(fields=["device", "protocol", "code"], name="unmapped_code")]
        indexes = [models.Index(fields=["-last_at", "-id"], name="unmapped_last")]

    def __str__(self) -> str:
        return f"{self.protocol} {self.code}"


class ModbusLink(models.Model):
    """Where a device is polled over Modbus, and how often."""

    class Framing(models.TextChoices):
        TCP = "tcp", "Modbus/TCP"
        RTU = "rtu", "RTU"
        ASCII = "ascii", "ASCII"

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="modbus")
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField(default=502)
    unit = models.PositiveSmallIntegerField(default=1)
    framing = models.CharField(max_length=5, choices=Framing.choices, default=Framing.TCP)
    period_ms = models.PositiveIntegerField(default=1000)
    timeout_ms = models.PositiveIntegerField(default=1000)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name = _("Modbus link")
        verbose_name_plural = _("Modbus links")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.unit}"


class ModbusPoint(models.Model):
    """One value of a Modbus device (sense/codecs/modbus/points.py).  ``code``: the datastream's, or a mapped one."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="modbus_points")
    code = models.CharField(max_length=64)
    area = models.CharField(max_length=8)
    address = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, default="uint16")
    byte_order = models.CharField(max_length=4, default="ABCD")
    bit = models.PositiveSmallIntegerField(default=0)
    scale = models.FloatField(default=1.0)
    shift = models.FloatField(default=0.0)
    unit = models.CharField(max_length=20, blank=True)

    class Meta:
        ordering = ["device_id", "code"]
        verbose_name = _("Modbus point")
        verbose_name_plural = _("Modbus points")
        constraints = [models.UniqueConstraint(fields=["device", "code"], name="modbus_point")]

    def __str__(self) -> str:
        return self.code
