"""Events that must be acted on exactly because a transaction committed (the outbox pattern)."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class EventQuerySet(models.QuerySet["Event"]):
    def waiting(self) -> "EventQuerySet":
        """Neither handled nor given up."""
        return self.filter(handled_at=None, dead_at=None)

    def dead(self) -> "EventQuerySet":
        """Given up after too many attempts; a person looks, then retries or discards."""
        return self.filter(handled_at=None).exclude(dead_at=None)


class Event(models.Model):
    """``attempts`` counts failures; ``not_before`` is when the next attempt may come; ``error`` is of the last one."""

    id = models.BigAutoField(primary_key=True)
    topic = models.CharField(_("topic"), max_length=60)
    payload = models.JSONField(_("content"), encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    handled_at = models.DateTimeField(_("handled"), null=True)
    dead_at = models.DateTimeField(_("given up"), null=True)
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0)
    not_before = models.DateTimeField(_("not before"), null=True)
    error = models.TextField(_("last error"), blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("Event")
        verbose_name_plural = _("Outbox")
        indexes = [
            models.Index(fields=["id"], condition=Q(handled_at=None, dead_at=None), name="outbox_waiting"),
            models.Index(fields=["handled_at"], condition=~Q(handled_at=None), name="outbox_handled"),
            models.Index(fields=["id"], condition=Q(handled_at=None) & ~Q(dead_at=None), name="outbox_dead"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.topic}"
