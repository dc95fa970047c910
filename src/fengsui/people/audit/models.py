"""The append-only audit trail: each entry carries the SM3 of the one before it (GB/T 32905; GB/T 22239 8.1.4.3).

A database trigger refuses UPDATE, DELETE and TRUNCATE.  Entries keep the names and ids they speak of, so that they
outlive what they speak of.  Write with ``services.record`` only.
"""

from typing import Any

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access


class EntryQuerySet(models.QuerySet["Entry"]):
    def visible_to(self, user: Any) -> "EntryQuerySet":
        """Entries about organisations at or below one where ``user`` may ``audit.view``."""
        return self.filter(access.rows_where(user, "audit.view"))


class Entry(models.Model):
    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("time"), db_index=True)
    actor_id = models.BigIntegerField(null=True, db_index=True)
    actor_name = models.CharField(_("who"), max_length=150, blank=True)
    actor_roles = models.CharField(_("roles"), max_length=200, blank=True)
    action = models.CharField(_("action"), max_length=60, db_index=True)
    object_type = models.CharField(_("kind of object"), max_length=60, blank=True)
    object_id = models.CharField(max_length=80, blank=True)
    object_name = models.CharField(_("object"), max_length=200, blank=True)
    org_path = models.CharField(max_length=255, blank=True)
    source_ip = models.GenericIPAddressField(_("source address"), null=True)
    session = models.CharField(max_length=16, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    ok = models.BooleanField(_("succeeded"), default=True)
    detail = models.JSONField(_("detail"), default=dict)
    prev_hash = models.CharField(max_length=64, unique=True)  # unique: the chain cannot fork
    hash = models.CharField(max_length=64)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("Audit entry")
        verbose_name_plural = _("Audit trail")
        indexes = [
            models.Index(OpClass("org_path", "varchar_pattern_ops"), F("id"), name="audit_org_path"),
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.action}"
