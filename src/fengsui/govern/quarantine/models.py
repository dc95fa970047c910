"""Readings that were refused, kept as they came; and spans of readings that were stored but flagged."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream


class Resolution(models.Model):
    """What a data steward decided about one or many held readings, and how far it is carried out."""

    class Kind(models.TextChoices):
        REPLAY = "replay", _("Corrected and replayed")
        DISMISS = "dismiss", _("Dismissed")

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150)
    made_at = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True)
    correction = models.JSONField(default=dict)
    rows = models.PositiveIntegerField(default=0)
    sent = models.PositiveIntegerField(default=0)  # messages that the bus has
    done_at = models.DateTimeField(null=True)  # when the bus had all of them

    class Meta:
        verbose_name = _("Resolution")
        verbose_name_plural = _("Resolutions")


class HeldQuerySet(models.QuerySet["Held"]):
    def visible_to(self, user: Any) -> "HeldQuerySet":
        return self.filter(access.rows_where(user, "quarantine.view"))

    def resolvable_by(self, user: Any) -> "HeldQuerySet":
        return self.filter(access.rows_where(user, "quarantine.resolve"), status=Held.Status.HELD)


class Held(models.Model):
    """One refused reading.  ``reason`` is a base.quality.Reason below 20.

    ``value`` and ``observed_at`` are what was understood; the ``sent_`` texts are what was sent, where it was not.
    ``resolution`` of a replayed row holds what was put in its place: datastream, time_ms, value.
    """

    class Status(models.TextChoices):
        HELD = "held", _("Held")
        REPLAYED = "replayed", _("Corrected and replayed")
        DISMISSED = "dismissed", _("Dismissed")

    id = models.BigAutoField(primary_key=True)
    reason = models.PositiveSmallIntegerField()
    site_id = models.IntegerField()  # 0: of no site, a message that was no batch
    org_path = models.CharField(max_length=255)
    source = models.CharField(max_length=80)
    received_at = models.DateTimeField()
    observed_at = models.DateTimeField(null=True)
    datastream = models.ForeignKey(
        Datastream, null=True, on_delete=models.SET_NULL, db_constraint=False, db_index=False
    )
    sent_code = models.TextField(blank=True)
    sent_time = models.TextField(blank=True)
    sent_value = models.TextField(blank=True)
    sent_unit = models.TextField(blank=True)
    value = models.FloatField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.HELD)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, db_index=False
    )
    resolved_at = models.DateTimeField(null=True)
    resolution = models.JSONField(default=dict)
    resolved_in = models.ForeignKey(Resolution, null=True, on_delete=models.PROTECT, related_name="held")

    objects: ClassVar[HeldQuerySet] = HeldQuerySet.as_manager()

    class Meta:
        verbose_name = _("Held reading")
        verbose_name_plural = _("Quarantine")
        indexes = [
            models.Index(fields=["status", "-id"], name="held_status"),
            models.Index(fields=["site_id", "-id"], name="held_site"),
        ]


class FlagSpan(models.Model):
    """A run of stored readings of one datastream that carry the same flag (late, frozen …)."""

    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE)
    org_path = models.CharField(max_length=255)
    reason = models.PositiveSmallIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.BigIntegerField()
    is_open = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["datastream", "reason"], condition=models.Q(is_open=True), name="one_open_flag_span"
            )
        ]


class CheckPolicy(models.Model):
    """Clock tolerances of the checks, as data.  The row named "default" always exists."""

    name = models.SlugField(primary_key=True, default="default")
    future_tolerance_ms = models.BigIntegerField(default=300_000)
    late_after_ms = models.BigIntegerField(default=900_000)
    refuse_older_than_ms = models.BigIntegerField(default=31 * 86_400_000)
