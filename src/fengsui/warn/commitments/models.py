"""Safety commitments as rows: what has to be promised by when, what was promised, who is missing."""

import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site, Thing
from fengsui.warn.risks.models import Fact

DEADLINE = datetime.time(
    10, 0
)  # local time; practice of many provinces, not verified: an Obligation says otherwise
GRADES = [(1, _("High risk")), (2, _("Fairly high risk")), (3, _("Ordinary risk")), (4, _("Low risk"))]


class OfSiteQuerySet(models.QuerySet[Any]):
    """Rows of a site: whoever may see commitments at its organisation may see them."""

    def visible_to(self, user: Any) -> "OfSiteQuerySet":
        return self.filter(access.rows_where(user, "commitment.view", "site__org_path"))


class Obligation(models.Model):
    """Which sites below ``org`` commit each day, and by when (local time).  Never edited: the newest row of the nearest
    organisation holds.  ``kinds`` are kinds of sites; ``with_hazards`` adds every site with a major hazard.
    """

    org = models.ForeignKey(
        Org, on_delete=models.CASCADE, related_name="obligations", verbose_name=_("Organisation")
    )
    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(_("reason"), max_length=200)
    deadline = models.TimeField(_("by"))
    kinds = ArrayField(
        models.CharField(max_length=20), default=list, blank=True, verbose_name=_("kinds of sites")
    )
    with_hazards = models.BooleanField(_("and every site with a major hazard"), default=True)
    is_public = models.BooleanField(_("notices may be read without logging in"), default=False)

    class Meta:
        ordering = ["-since", "-pk"]
        verbose_name = _("Obligation to commit")
        verbose_name_plural = _("Obligations to commit")

    def __str__(self) -> str:
        return f"{self.org} {self.deadline:%H:%M}"


class RunSignal(models.Model):
    """By which datastream it is seen that a thing runs: its newest value is above ``above``."""

    thing = models.OneToOneField(Thing, primary_key=True, on_delete=models.CASCADE, related_name="run_signal")
    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="+")
    above = models.FloatField(_("runs above"))

    class Meta:
        verbose_name = _("Signal that a unit runs")
        verbose_name_plural = _("Signals that units run")

    def __str__(self) -> str:
        return f"{self.thing} > {self.above:g}"


class Commitment(models.Model):
    """What was promised for ``day``, version ``number`` from 1; the database refuses to change or delete it.

    ``said`` is ``said.Said``; ``doubts`` are [{"key", "words", "explained"}] as they stood; ``known`` is what the
    platform knew.  ``is_late``: given after ``deadline_at``.  The highest number holds.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="commitments")
    day = models.DateField()
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=150)
    principal = models.CharField(max_length=60)
    risk_grade = models.PositiveSmallIntegerField(choices=GRADES)
    special = models.PositiveIntegerField(default=0)
    said = models.JSONField()
    doubts = models.JSONField(default=list)
    known = models.JSONField(default=dict)
    deadline_at = models.DateTimeField()
    is_late = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["-day", "site", "-number"]
        verbose_name = _("Safety commitment")
        verbose_name_plural = _("Safety commitments")
        constraints = [
            models.UniqueConstraint(fields=["site", "day", "number"], name="one_commitment_a_number")
        ]
        indexes = [models.Index(fields=["day", "site", "-number"], name="commitment_day")]

    def __str__(self) -> str:
        return f"{self.site} {self.day} #{self.number}"


class CommitmentFact(models.Model):
    """A declared fact of the risk index that a commitment made; withdrawn when the commitment is amended."""

    commitment = models.ForeignKey(Commitment, on_delete=models.PROTECT, related_name="facts")
    fact = models.OneToOneField(Fact, on_delete=models.PROTECT, related_name="commitment")


class Missing(models.Model):
    """No commitment by the deadline.  ``given_at`` is when it came after all; None: not that day.

    ``fact`` counts for the risk index from the deadline until then, or until the day is over.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="missing_commitments")
    day = models.DateField()
    deadline_at = models.DateTimeField()
    found_at = models.DateTimeField()
    given_at = models.DateTimeField(null=True)
    fact = models.ForeignKey(Fact, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["-day", "site"]
        verbose_name = _("Missing commitment")
        verbose_name_plural = _("Missing commitments")
        constraints = [models.UniqueConstraint(fields=["site", "day"], name="one_missing_a_day")]
        indexes = [models.Index(fields=["day"], condition=Q(given_at=None), name="missing_open")]

    def __str__(self) -> str:
        return f"{self.site} {self.day}"
