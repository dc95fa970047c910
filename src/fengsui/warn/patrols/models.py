"""Online patrols as rows: the draws, one look at one site, what was found as loops."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site


class DrawQuerySet(models.QuerySet["Draw"]):
    def visible_to(self, user: Any) -> "DrawQuerySet":
        """Only who may do patrols there: the enterprises on it must not know before they were looked at."""
        return self.filter(access.rows_where(user, "patrol.do", "org__path"))


class Draw(models.Model):
    """One draw among the sites below ``org``; the database refuses to change it.

    ``candidates`` are [code, weight, level, days, alarms]; ``chosen`` the codes in the order of the picks.
    """

    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="patrol_draws")
    at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    seed = models.CharField(max_length=64)
    size = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=200, blank=True)
    candidates = models.JSONField()
    chosen = models.JSONField()

    objects = DrawQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("Draw of patrols")
        verbose_name_plural = _("Draws of patrols")

    def __str__(self) -> str:
        return f"{self.org} {self.at:%Y-%m-%d %H:%M}"


class PatrolQuerySet(models.QuerySet["Patrol"]):
    def visible_to(self, user: Any) -> "PatrolQuerySet":
        """What is done, and what is still to be done for those who do patrols there."""
        seen = access.rows_where(user, "patrol.view", "site__org_path")
        return self.filter(
            seen & (Q(done_at__isnull=False) | access.rows_where(user, "patrol.do", "site__org_path"))
        )

    def open(self) -> "PatrolQuerySet":
        return self.filter(done_at=None, dropped_at=None)


class Patrol(models.Model):
    """One look at one site.  ``draw`` None: sent for ``reason``.  ``officer`` None: whoever takes it.

    ``answers`` maps each item of ``services.ITEMS`` to {"state": ok | problem | unseen, "note"}; ``seen`` is what stood
    on the page when it was ended.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="patrols")
    draw = models.ForeignKey(Draw, null=True, on_delete=models.PROTECT, related_name="patrols")
    reason = models.CharField(max_length=200, blank=True)
    officer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    officer_name = models.CharField(max_length=150, blank=True)
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=150)
    done_at = models.DateTimeField(null=True)
    answers = models.JSONField(default=dict)
    seen = models.JSONField(default=dict)
    note = models.CharField(max_length=1000, blank=True)
    findings = models.PositiveSmallIntegerField(default=0)
    dropped_at = models.DateTimeField(null=True)
    dropped_reason = models.CharField(max_length=200, blank=True)

    objects = PatrolQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        verbose_name = _("Online patrol")
        verbose_name_plural = _("Online patrols")
        indexes = [
            models.Index(fields=["site", "-done_at"], name="patrol_site"),
            models.Index(fields=["-opened_at", "-id"], name="patrol_recent"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["site"], condition=Q(done_at=None, dropped_at=None), name="one_open_patrol"
            )
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.opened_at:%Y-%m-%d}"
