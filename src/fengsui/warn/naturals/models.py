"""Natural hazards as rows: feeds and what they brought, gauges with their marks, levels in force and their changes."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.natural.thresholds import CALM
from fengsui.warn.warnings.models import WEB

LEVELS = [(1, _("Red")), (2, _("Orange")), (3, _("Yellow")), (4, _("Blue")), (CALM, _("None"))]


class ConcernsQuerySet(models.QuerySet[Any]):
    """Rows of an organisation that concern whoever works at, above or below it."""

    path = "org_path"

    def concerning(self, user: Any) -> "ConcernsQuerySet":
        paths = access.paths_where(user, "natural.view")
        if "" in paths:
            return self.all()
        above = {path[: i + 1] for path in paths for i, c in enumerate(path) if c == "/" and i}
        wanted = Q(**{f"{self.path}__in": above}) if above else Q(pk__in=[])
        for path in paths:
            wanted |= Q(**{f"{self.path}__startswith": path})
        return self.filter(wanted)


class OfSourceQuerySet(ConcernsQuerySet):
    path = "source__org__path"


class AtOrgQuerySet(ConcernsQuerySet):
    path = "org__path"


class OfGaugeQuerySet(ConcernsQuerySet):
    path = "datastream__site__org_path"


class ThresholdSet(models.Model):
    """Thresholds from ``since`` on, by whom and why; never edited.  Without one the shipped thresholds hold."""

    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=200)
    name = models.CharField(max_length=80)
    version = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    document = models.JSONField()

    class Meta:
        ordering = ["-since", "-pk"]
        verbose_name = _("Thresholds of natural hazards")
        verbose_name_plural = _("Thresholds of natural hazards")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class SourceKind(models.TextChoices):
    QUAKES = "quakes", _("Earthquakes")
    STORMS = "storms", _("Typhoons")


class Source(models.Model):
    """A feed of earthquakes or typhoons that the worker looks at; one without an address is filled from files.

    Counted since it is there: ``taken`` new, ``known`` once more, ``refused`` with a reason, ``beats`` of no content.
    """

    org = models.ForeignKey(
        Org, models.PROTECT, related_name="natural_sources", verbose_name=_("Organisation")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=SourceKind)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("name in English"), max_length=120, blank=True)
    url = models.CharField(_("address"), max_length=500, blank=True, validators=[WEB])
    hosts = models.CharField(
        _("other hosts"),
        max_length=300,
        blank=True,
        help_text=_("Hosts beside its own that it may be moved to, separated by commas."),
    )
    period_s = models.PositiveIntegerField(
        _("every, seconds"), default=60, validators=[MinValueValidator(30), MaxValueValidator(86_400)]
    )
    is_active = models.BooleanField(_("in use"), default=True)
    is_demo = models.BooleanField(_("demonstration"), default=False)
    etag = models.CharField(max_length=200, blank=True, editable=False)
    modified = models.CharField(max_length=60, blank=True, editable=False)
    asked_at = models.DateTimeField(_("last asked"), null=True, editable=False)
    heard_at = models.DateTimeField(_("last heard"), null=True, editable=False)
    error = models.CharField(_("last error"), max_length=300, blank=True, editable=False)
    taken = models.PositiveBigIntegerField(_("taken"), default=0, editable=False)
    known = models.PositiveBigIntegerField(_("known already"), default=0, editable=False)
    refused = models.PositiveBigIntegerField(_("refused"), default=0, editable=False)
    beats = models.PositiveBigIntegerField(_("heartbeats"), default=0, editable=False)

    objects = AtOrgQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "name"]
        verbose_name = _("Feed of natural hazards")
        verbose_name_plural = _("Feeds of natural hazards")
        constraints = [models.UniqueConstraint(fields=["org", "kind", "name"], name="one_natural_source")]

    def __str__(self) -> str:
        return self.name


class Refusal(models.Model):
    """An entry that could not be taken: kept once, however often it came."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="refusals")
    reason = models.CharField(_("reason"), max_length=20)  # of warn.natural.reports.REASONS
    said = models.CharField(_("what it said"), max_length=200)
    raw = models.TextField(_("entry"))
    sha256 = models.CharField(max_length=64)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))
    times = models.PositiveIntegerField(_("times"), default=1)

    objects = OfSourceQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-pk"]
        verbose_name = _("Refused entry")
        verbose_name_plural = _("Refused entries")
        constraints = [models.UniqueConstraint(fields=["source", "sha256"], name="one_refusal_each")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.reason}"


class Quake(models.Model):
    """One report of an earthquake; of all reports of one (``key``) the newest revision is current."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="quakes")
    key = models.CharField(max_length=80)
    revision = models.BigIntegerField()
    origin_at = models.DateTimeField(_("origin time"))
    longitude = models.FloatField(_("longitude"))
    latitude = models.FloatField(_("latitude"))
    depth_km = models.FloatField(_("depth, km"), null=True)
    magnitude = models.FloatField(_("magnitude"))
    magnitude_type = models.CharField(max_length=10, blank=True)
    place = models.CharField(_("place"), max_length=200, blank=True)
    status = models.CharField(_("status"), max_length=10)
    max_intensity = models.FloatField(null=True)
    received_at = models.DateTimeField(_("received"))
    is_current = models.BooleanField(default=True)

    objects = OfSourceQuerySet.as_manager()

    class Meta:
        ordering = ["-origin_at", "-pk"]
        verbose_name = _("Earthquake")
        verbose_name_plural = _("Earthquakes")
        constraints = [models.UniqueConstraint(fields=["source", "key", "revision"], name="one_report_each")]
        indexes = [models.Index(fields=["-origin_at"], condition=Q(is_current=True), name="quake_recent")]

    def __str__(self) -> str:
        return f"M {self.magnitude:g} {self.place}"


class Storm(models.Model):
    """A tropical cyclone: international number (or serial of the season), names."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="storms")
    key = models.CharField(_("number"), max_length=40)
    name = models.CharField(_("name"), max_length=60, blank=True)
    name_en = models.CharField(_("name in English"), max_length=60, blank=True)

    objects = OfSourceQuerySet.as_manager()

    class Meta:
        ordering = ["-key"]
        verbose_name = _("Typhoon")
        verbose_name_plural = _("Typhoons")
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="one_storm_each")]

    def __str__(self) -> str:
        return f"{self.key} {self.name or self.name_en}".strip()


class StormFix(models.Model):
    """Where its centre was.  ``circles``: km by grade 7, 10, 12, each NE, SE, SW, NW, or null where not reported."""

    id = models.BigAutoField(primary_key=True)
    storm = models.ForeignKey(Storm, models.CASCADE, related_name="fixes")
    at = models.DateTimeField()
    longitude = models.FloatField()
    latitude = models.FloatField()
    wind_m_s = models.FloatField(null=True)
    pressure_hpa = models.FloatField(null=True)
    circles = models.JSONField(default=list)

    class Meta:
        ordering = ["storm", "at"]
        verbose_name = _("Position of a typhoon")
        verbose_name_plural = _("Positions of typhoons")
        constraints = [models.UniqueConstraint(fields=["storm", "at"], name="one_fix_each")]
        indexes = [models.Index(fields=["-at"], name="storm_fix_recent")]


class StormForecast(models.Model):
    """Where it was expected to go, as said after the position of ``issued_at``; ``points`` as fixes."""

    storm = models.ForeignKey(Storm, models.CASCADE, related_name="forecasts")
    issued_at = models.DateTimeField()
    by = models.CharField(max_length=40, blank=True)
    points = models.JSONField()

    class Meta:
        ordering = ["storm", "-issued_at"]
        verbose_name = _("Forecast of a typhoon")
        verbose_name_plural = _("Forecasts of typhoons")
        constraints = [models.UniqueConstraint(fields=["storm", "issued_at"], name="one_forecast_each")]


class GaugeKind(models.TextChoices):
    RAIN = "rain", _("Rain, since the reading before")
    RAIN_TOTAL = "rain_total", _("Rain, running total")
    STAGE = "stage", _("River or reservoir stage")
    POND = "pond", _("Tailings pond")


class Gauge(models.Model):
    """A datastream that a natural hazard is read from, with its marks, and for how far around it speaks.

    Stages are in metres above ``datum``; two data are never compared.  A pond's quantity has four limits, and all
    gauges of a site that are of a pond make the level of the pond.
    """

    datastream = models.OneToOneField(Datastream, models.CASCADE, related_name="gauge")
    kind = models.CharField(_("kind"), max_length=10, choices=GaugeKind)
    reach_km = models.FloatField(
        _("speaks for, km around"), default=5, validators=[MinValueValidator(0.1), MaxValueValidator(300)]
    )
    datum = models.CharField(_("datum"), max_length=40, blank=True)
    warning_m = models.FloatField(_("warning stage, m"), null=True, blank=True)
    guarantee_m = models.FloatField(_("guarantee stage, m"), null=True, blank=True)
    blue = models.FloatField(_("blue"), null=True, blank=True)
    yellow = models.FloatField(_("yellow"), null=True, blank=True)
    orange = models.FloatField(_("orange"), null=True, blank=True)
    red = models.FloatField(_("red"), null=True, blank=True)
    basis = models.CharField(
        _("basis"), max_length=200, blank=True, help_text=_("Where the marks come from: document, year")
    )
    is_active = models.BooleanField(_("in use"), default=True)

    objects = OfGaugeQuerySet.as_manager()

    class Meta:
        ordering = ["datastream"]
        verbose_name = _("Gauge")
        verbose_name_plural = _("Gauges")

    def __str__(self) -> str:
        return f"{self.datastream} {self.get_kind_display()}"

    def clean(self) -> None:
        if self.kind == GaugeKind.STAGE and (
            self.warning_m is None or self.guarantee_m is None or self.guarantee_m <= self.warning_m
        ):
            raise ValidationError(_("A stage needs a warning stage and a guarantee stage above it."))
        four = [self.blue, self.yellow, self.orange, self.red]
        if self.kind == GaugeKind.POND:
            known = [one for one in four if one is not None]
            one_way = known in (sorted(known), sorted(known, reverse=True)) and self.blue != self.red
            if len(known) != 4 or not one_way:
                raise ValidationError(_("A pond needs four limits that go one way from blue to red."))


class FireStation(models.Model):
    """Where fire weather is reckoned every day at noon, from four datastreams of a site."""

    site = models.OneToOneField(Site, models.CASCADE, related_name="fire_station")
    temperature = models.ForeignKey(
        Datastream, models.CASCADE, related_name="+", verbose_name=_("temperature")
    )
    humidity = models.ForeignKey(
        Datastream, models.CASCADE, related_name="+", verbose_name=_("relative humidity")
    )
    wind = models.ForeignKey(Datastream, models.CASCADE, related_name="+", verbose_name=_("wind speed"))
    rain = models.ForeignKey(
        Datastream, models.CASCADE, related_name="+", verbose_name=_("rain since the reading before")
    )
    reach_km = models.FloatField(
        _("speaks for, km around"), default=20, validators=[MinValueValidator(0.1), MaxValueValidator(300)]
    )
    is_active = models.BooleanField(_("in use"), default=True)
    error = models.CharField(_("last error"), max_length=200, blank=True, editable=False)

    class Meta:
        ordering = ["site"]
        verbose_name = _("Fire-weather station")
        verbose_name_plural = _("Fire-weather stations")

    def __str__(self) -> str:
        return str(self.site)


class FireDay(models.Model):
    """Fire weather of one day at one station: inputs of noon, three codes, three indices."""

    station = models.ForeignKey(FireStation, models.CASCADE, related_name="days")
    day = models.DateField()
    temperature_c = models.FloatField()
    humidity = models.FloatField()
    wind_km_h = models.FloatField()
    rain_mm = models.FloatField()
    ffmc = models.FloatField()
    dmc = models.FloatField()
    dc = models.FloatField()
    isi = models.FloatField()
    bui = models.FloatField()
    fwi = models.FloatField()

    class Meta:
        ordering = ["station", "-day"]
        verbose_name = _("Day of fire weather")
        verbose_name_plural = _("Days of fire weather")
        constraints = [models.UniqueConstraint(fields=["station", "day"], name="one_fire_day_each")]


class StatementQuerySet(ConcernsQuerySet):
    def in_force(self) -> "StatementQuerySet":
        return self.filter(cleared_at=None)


class Statement(models.Model):
    """A level that the platform itself found, from when it was raised until it was cleared.

    ``key`` is made of what it speaks of and when it began, so a replay meets the row that is there.  ``zone`` says
    where it holds (``warn.natural.zones``), ``why`` what made it: numbers by name, the words are the reader's.
    """

    key = models.CharField(max_length=140, unique=True)
    kind = models.CharField(_("kind"), max_length=10)  # of warn.natural.thresholds.KINDS
    subject = models.CharField(max_length=100, db_index=True)  # one of a subject is in force at a time
    org_path = models.CharField(max_length=255)
    name = models.CharField(_("name"), max_length=200)
    name_en = models.CharField(max_length=240, blank=True)
    source_name = models.CharField(_("source"), max_length=160)
    source_name_en = models.CharField(max_length=200, blank=True)
    level = models.PositiveSmallIntegerField(_("level"), choices=LEVELS)
    level_since = models.DateTimeField()
    raised_at = models.DateTimeField(_("raised"))
    until_at = models.DateTimeField(_("until"), null=True)
    cleared_at = models.DateTimeField(_("cleared"), null=True)
    below_ms = models.BigIntegerField(null=True)
    floor = models.PositiveSmallIntegerField(default=CALM)
    zone = models.JSONField()
    why = models.JSONField()
    thresholds_sha256 = models.CharField(max_length=64)
    judged_at = models.DateTimeField()
    is_demo = models.BooleanField(default=False)

    objects = StatementQuerySet.as_manager()

    class Meta:
        ordering = ["level", "-level_since", "pk"]
        verbose_name = _("Level in force")
        verbose_name_plural = _("Levels in force")
        constraints = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(cleared_at=None), name="one_statement_in_force"
            )
        ]
        indexes = [models.Index(fields=["-raised_at"], name="statement_recent")]

    def __str__(self) -> str:
        return f"{self.name} {self.level}"


class StatementChange(models.Model):
    """What a statement said from ``at`` on; CALM once it was cleared.  Never edited."""

    id = models.BigAutoField(primary_key=True)
    statement = models.ForeignKey(Statement, models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    level = models.PositiveSmallIntegerField(choices=LEVELS)
    why = models.JSONField()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("Change of a level")
        verbose_name_plural = _("Changes of levels")
        indexes = [models.Index(fields=["statement", "-at"], name="statement_change")]
