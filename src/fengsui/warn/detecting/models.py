"""Detectors as rows: what was trained, what is in force and why, how far a run came, what it found."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.alarms.models import Alarm, Priority


class Method(models.TextChoices):
    UNIT = "unit", _("Unit together (T² and Q)")
    CHARTS = "charts", _("Control charts (EWMA and CUSUM)")
    COURSE = "course", _("Forecast (day and week)")


class OfSiteQuerySet(models.QuerySet[Any]):
    """Rows of a site: whoever may see detectors at its organisation may see them."""

    def visible_to(self, user: Any) -> "OfSiteQuerySet":
        return self.filter(access.rows_where(user, "detector.view", self.model.PATH))


class Detector(models.Model):
    """One watch over datastreams of a site.  ``on_rows`` abnormal rows one after another raise, ``off_rows`` clear.

    ``grace_ms`` is how long a row waits for readings behind the newest; ``truth_below`` the truth score below which an
    instrument is an alarm (0: never).
    """

    PATH = "site__org_path"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="detectors")
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("English name"), max_length=80, blank=True)
    method = models.CharField(_("method"), max_length=8, choices=Method)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.YELLOW)
    on_rows = models.PositiveIntegerField(default=3, validators=[MinValueValidator(1)])
    off_rows = models.PositiveIntegerField(default=10, validators=[MinValueValidator(1)])
    grace_ms = models.PositiveIntegerField(default=2000)
    truth_below = models.PositiveSmallIntegerField(default=40, validators=[MaxValueValidator(100)])
    in_force = models.ForeignKey("Trained", null=True, on_delete=models.SET_NULL, related_name="+")
    in_shadow = models.ForeignKey("Trained", null=True, on_delete=models.SET_NULL, related_name="+")
    number = models.PositiveIntegerField(default=0)  # of its changes
    made_at = models.DateTimeField(auto_now_add=True)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["site__code", "name", "pk"]
        verbose_name = _("Detector")
        verbose_name_plural = _("Detectors")
        constraints = [models.UniqueConstraint(fields=["site", "name"], name="detector_name")]

    def __str__(self) -> str:
        return f"{self.site} {self.name}"


class TrainedQuerySet(OfSiteQuerySet):
    def light(self) -> "TrainedQuerySet":
        """Without the arrays."""
        return self.defer("learnt")


class Trained(models.Model):
    """A version: ``learnt`` are its arrays (packing), ``about`` what they were learnt from.  Never edited."""

    PATH = "detector__site__org_path"

    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    trained_at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    note = models.CharField(max_length=200, blank=True)
    about = models.JSONField()
    sha256 = models.CharField(max_length=64)
    learnt = models.BinaryField()

    objects = TrainedQuerySet.as_manager()

    class Meta:
        ordering = ["detector", "-version"]
        verbose_name = _("Trained version")
        verbose_name_plural = _("Trained versions")
        constraints = [models.UniqueConstraint(fields=["detector", "version"], name="trained_version")]

    def __str__(self) -> str:
        return f"{self.detector_id} v{self.version}"


class DetectorChange(models.Model):
    """What was done to a detector, by whom and why: trained, activated, promoted, rolled back, switched off …"""

    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, related_name="changes")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    what = models.CharField(max_length=20)
    version = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    values = models.JSONField(default=dict)

    class Meta:
        ordering = ["-number"]
        verbose_name = _("Change of a detector")
        verbose_name_plural = _("Changes of detectors")
        constraints = [models.UniqueConstraint(fields=["detector", "number"], name="detector_change")]


class Run(models.Model):
    """How far a version in force (or in shadow) has come: the next ``row`` (counted since 1970) and its memory.

    ``scores`` are the newest ratios (float64, the last belongs to ``row`` − 1), ``parts`` who made the newest row
    what it is.  ``late`` readings came too late for their row, ``passed_over`` rows nothing was heard in.
    """

    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, related_name="runs")
    trained = models.ForeignKey(Trained, on_delete=models.CASCADE, related_name="+")
    is_shadow = models.BooleanField()
    first_row = models.BigIntegerField()
    row = models.BigIntegerField()
    memory = models.BinaryField(default=b"")
    scores = models.BinaryField(default=b"")
    parts = models.JSONField(default=list)
    late = models.BigIntegerField(default=0)
    passed_over = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    began_at = models.DateTimeField()
    stepped_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField()

    class Meta:
        verbose_name = _("Run of a detector")
        verbose_name_plural = _("Runs of detectors")
        constraints = [models.UniqueConstraint(fields=["detector", "is_shadow"], name="run_of_detector")]
        indexes = [models.Index(fields=["next_at"], name="run_due")]


class Finding(models.Model):
    """One episode of a detector: the alarm that it is (none in shadow), and its explanation as of its worst row.

    ``kind`` is as the alarm's: ``detector``, or ``truth`` of one instrument.  ``parts``: of each datastream
    {datastream, share, sign, by}; of an instrument its reasons.
    """

    PATH = "detector__site__org_path"

    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, related_name="findings")
    version = models.PositiveIntegerField()
    is_shadow = models.BooleanField()
    key = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=8)
    alarm = models.OneToOneField(Alarm, null=True, on_delete=models.CASCADE, related_name="finding")
    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="+")
    raised_at = models.DateTimeField()
    peak = models.FloatField()
    peak_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    parts = models.JSONField()

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["-raised_at", "-pk"]
        verbose_name = _("Finding of a detector")
        verbose_name_plural = _("Findings of detectors")
        indexes = [
            models.Index(fields=["detector", "-raised_at"], name="finding_recent"),
            models.Index(fields=["detector"], condition=Q(cleared_at=None), name="finding_open"),
        ]

    def __str__(self) -> str:
        return self.key


class Truth(models.Model):
    """The truth score of a datastream now, by one detector; ``reasons`` [{what, severity, rows, of, back}]."""

    PATH = "detector__site__org_path"

    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, related_name="truths")
    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="truths")
    score = models.PositiveSmallIntegerField()
    reasons = models.JSONField()
    at = models.DateTimeField()
    changed_at = models.DateTimeField()

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["score", "pk"]
        verbose_name = _("Sensor truth score")
        verbose_name_plural = _("Sensor truth scores")
        constraints = [models.UniqueConstraint(fields=["detector", "datastream"], name="truth_of_datastream")]
        indexes = [models.Index(fields=["score", "id"], name="truth_worst")]


class Training(models.Model):
    """A training that was asked for: a job does it and leaves what came of it."""

    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, related_name="trainings")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    actor_name = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(null=True)
    problem = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("Training")
        verbose_name_plural = _("Trainings")
