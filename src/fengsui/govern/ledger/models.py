"""The loss ledger 日清账: at every boundary, per source and minute, received = stored + duplicate + quarantined."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Boundary(models.TextChoices):
    GATEWAY = "gateway", _("Gateway")
    PIPELINE = "pipeline", _("Pipeline")
    HISTORY = "history", _("History")


class Line(models.Model):
    """``minute`` is the minute of ``received_ms``, UTC.  At the gateway "stored" means forwarded to the bus."""

    pk = models.CompositePrimaryKey("boundary", "source", "minute")
    boundary = models.CharField(max_length=10, choices=Boundary.choices)
    source = models.CharField(max_length=80)
    minute = models.DateTimeField()
    received = models.BigIntegerField(default=0)
    stored = models.BigIntegerField(default=0)
    duplicate = models.BigIntegerField(default=0)
    quarantined = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("Ledger line")
        verbose_name_plural = _("Loss ledger")
        indexes = [models.Index(fields=["minute", "boundary", "source"], name="ledger_minute")]
