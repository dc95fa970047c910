"""The catalogue of history: which Parquet segments make up the truth.  A file not listed here does not exist."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Segment(models.Model):
    id = models.BigAutoField(primary_key=True)
    path = models.CharField(max_length=300, unique=True)  # relative to the history folder
    partition = models.PositiveIntegerField()
    day = models.DateField()
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()
    first_received_ms = models.BigIntegerField(default=0)
    last_received_ms = models.BigIntegerField(default=0)
    rows = models.BigIntegerField()
    bytes = models.BigIntegerField()
    level = models.PositiveSmallIntegerField(default=0)  # how often it has been merged
    checksum = models.CharField(max_length=64)  # SHA-256 of the file
    trimmed = models.CharField(
        max_length=16, default="", db_default=""
    )  # ``keep.Drop.signature`` of what is not in it any more
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["day", "first_ms", "last_ms"], name="segment_span")]


class Tier(models.Model):
    """A file of aggregates (``tiers``): those of one segment, or of one whose raw readings were deleted by policy."""

    class Kind(models.TextChoices):
        MINUTE = "minute", "minute"
        HOUR = "hour", "hour"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    path = models.CharField(max_length=300, unique=True)  # relative to the history folder
    partition = models.PositiveIntegerField()
    day = models.DateField()
    rows = models.BigIntegerField()
    bytes = models.BigIntegerField()
    checksum = models.CharField(max_length=64)  # SHA-256 of the file
    segment = models.ForeignKey(Segment, models.SET_NULL, null=True, related_name="tiers")
    trimmed = models.CharField(max_length=16, default="", db_default="")  # as of a segment

    class Meta:
        indexes = [models.Index(fields=["kind", "day"], name="tier_kind_day")]


class Deletion(models.Model):
    """What was deleted by policy of one file.

    ``tally`` says of raw readings how many, by source and minute of arrival: a Parquet table of ``retention.TALLY``,
    so that the loss ledger balances for ever.
    """

    class Kind(models.TextChoices):
        RAW = "raw", "raw"
        MINUTE = "minute", "minute"
        HOUR = "hour", "hour"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    partition = models.PositiveIntegerField()
    day = models.DateField()
    rows = models.BigIntegerField()
    freed_bytes = models.BigIntegerField()  # on disk; negative when the aggregates that were made take more
    first_received_ms = models.BigIntegerField(default=0)
    last_received_ms = models.BigIntegerField(default=0)
    tally = models.BinaryField(default=b"")

    class Meta:
        verbose_name = _("Deletion by policy")
        verbose_name_plural = _("Deletions by policy")
        indexes = [models.Index(fields=["first_received_ms", "last_received_ms"], name="deletion_received")]


class Correction(models.Model):
    """What is shown instead of stored values of a datastream in [from_ms, to_ms); see ``corrections``."""

    id = models.BigAutoField(primary_key=True)
    datastream = models.IntegerField()
    from_ms = models.BigIntegerField()
    to_ms = models.BigIntegerField()
    factor = models.FloatField(default=1.0)
    shift = models.FloatField(default=0.0)
    quality = models.PositiveSmallIntegerField(null=True)
    reason = models.CharField(max_length=400)
    made_at = models.DateTimeField(auto_now_add=True)
    made_by = models.CharField(max_length=150)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, blank=True)
    withdrawn_reason = models.CharField(max_length=400, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["datastream", "from_ms"],
                name="correction_in_force",
                condition=models.Q(withdrawn_at=None),
            )
        ]
