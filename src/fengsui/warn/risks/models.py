"""Live risk as rows: weights with their history, facts that people declare, the risk of each site and its changes."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.warn.alarms.models import Priority


class OfSiteQuerySet(models.QuerySet[Any]):
    """Rows of a site: whoever may see risk at its organisation may see them."""

    def visible_to(self, user: Any) -> "OfSiteQuerySet":
        return self.filter(access.rows_where(user, "risk.view", "site__org_path"))


class WeightSet(models.Model):
    """Weights from ``since`` on, by whom and why; never edited.  Without one the shipped weights hold."""

    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=200)
    name = models.CharField(max_length=80)
    version = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    document = models.JSONField()

    class Meta:
        ordering = ["-since", "-pk"]
        verbose_name = _("Weights of the risk index")
        verbose_name_plural = _("Weights of the risk index")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class FactKind(models.TextChoices):
    """What people can declare of a site; the values are items of the weights."""

    FIRE_SPECIAL = "fire_special", _("Fire work, special class")
    FIRE_1 = "fire_1", _("Fire work, class 1")
    FIRE_2 = "fire_2", _("Fire work, class 2")
    CONFINED_SPACE = "confined_space", _("Work in a confined space")
    TANK_CLEANING = "tank_cleaning", _("Tank cleaning")
    START_UP = "start_up", _("Start-up or shut-down")
    TRIAL = "trial", _("Trial production")
    COMMITMENT_MISSING = "commitment_missing", _("Safety commitment missing")
    DANGER_MAJOR = "danger_major", _("Major danger overdue")
    DANGER = "danger", _("Danger overdue")


class FactQuerySet(OfSiteQuerySet):
    def holding(self, at: datetime) -> "FactQuerySet":
        """Facts that hold at ``at``: begun, not over, not withdrawn."""
        rows = self.filter(begins_at__lte=at, withdrawn_at=None)
        return rows.filter(Q(ends_at=None) | Q(ends_at__gt=at))


class Fact(models.Model):
    """Something declared of a site from ``begins_at`` to ``ends_at`` (None: until withdrawn)."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="risk_facts")
    kind = models.CharField(_("kind"), max_length=20, choices=FactKind)
    begins_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=200, help_text=_("Permit number, letter, who said it"))
    declared_at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, blank=True)

    objects = FactQuerySet.as_manager()

    class Meta:
        ordering = ["-begins_at", "-pk"]
        verbose_name = _("Declared fact")
        verbose_name_plural = _("Declared facts")
        indexes = [models.Index(fields=["site"], condition=Q(withdrawn_at=None), name="risk_fact_holding")]

    def __str__(self) -> str:
        return f"{self.site} {self.get_kind_display()}"


class SiteRisk(models.Model):
    """The risk of a site now.  ``index``, ``own`` and ``floor`` are in thousandths of a point and levels 1 to 4.

    ``counts`` are the inputs that were not 0, ``neighbours`` the [site, own index, metres] that were felt, ``said``
    the mark of all of it (``fengsui.warn.risk.marks``).
    """

    site = models.OneToOneField(Site, primary_key=True, on_delete=models.CASCADE, related_name="risk")
    index = models.PositiveIntegerField()
    own = models.PositiveIntegerField()
    level = models.PositiveSmallIntegerField(choices=Priority)
    level_since = models.DateTimeField()
    below_since = models.DateTimeField(null=True)
    floor = models.PositiveSmallIntegerField(default=4)
    counts = models.JSONField()
    neighbours = models.JSONField(default=list)
    weights_sha256 = models.CharField(max_length=64)
    said = models.BigIntegerField(null=True, editable=False)
    changed_at = models.DateTimeField()

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["level", "-index", "site"]
        verbose_name = _("Risk of a site")
        verbose_name_plural = _("Risks of sites")
        indexes = [models.Index(fields=["level", "-index"], name="risk_worst")]

    def __str__(self) -> str:
        return f"{self.site} {self.index / 1000:.1f}"


class RiskChange(models.Model):
    """The risk of a site from ``at`` on; a row each time index or level changed.  ``counts`` as in SiteRisk."""

    id = models.BigAutoField(primary_key=True)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="risk_changes")
    at = models.DateTimeField()
    index = models.PositiveIntegerField()
    level = models.PositiveSmallIntegerField(choices=Priority)
    level_before = models.PositiveSmallIntegerField(null=True)
    counts = models.JSONField()
    weights_sha256 = models.CharField(max_length=64)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("Change of risk")
        verbose_name_plural = _("Changes of risk")
        indexes = [models.Index(fields=["site", "-at"], name="risk_change_site")]

    def __str__(self) -> str:
        return f"{self.site_id} {self.at} {self.index}"
