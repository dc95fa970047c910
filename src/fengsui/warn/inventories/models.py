"""What a site may hold by design 危险化学品清单, version by version, and what GB 18218 says of each version.

A version is never changed: a new file is a new version, new tables are a new identification of the same one.
"""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site

GRADES = [(1, _("Grade 1")), (2, _("Grade 2")), (3, _("Grade 3")), (4, _("Grade 4"))]


class OfSiteQuerySet(models.QuerySet[Any]):
    """Rows of a site: whoever may see hazards at its organisation may see them."""

    def visible_to(self, user: Any) -> "OfSiteQuerySet":
        return self.filter(access.rows_where(user, "hazard.view", "site__org_path"))


class Inventory(models.Model):
    """One version of a site's inventory; ``number`` counts from 1.  ``source`` is the file it came from."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="inventories")
    number = models.PositiveIntegerField()
    made_at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    note = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    is_demo = models.BooleanField(default=False)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["site", "-number"]
        verbose_name = _("Inventory")
        verbose_name_plural = _("Inventories")
        constraints = [models.UniqueConstraint(fields=["site", "number"], name="one_inventory_a_number")]

    def __str__(self) -> str:
        return f"{self.site} #{self.number}"


class InventoryRow(models.Model):
    """One row as it was written.  ``said`` holds each column of ``warn.hazards.inventory.COLUMNS`` that had text."""

    inventory = models.ForeignKey(Inventory, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    unit = models.CharField(max_length=200)
    substance = models.CharField(max_length=200, blank=True)
    cas = models.CharField(max_length=20, blank=True)
    said = models.JSONField()

    class Meta:
        ordering = ["inventory", "number"]
        verbose_name = _("Row of an inventory")
        verbose_name_plural = _("Rows of inventories")

    def __str__(self) -> str:
        return f"{self.unit} {self.substance}"


class Identification(models.Model):
    """One run of GB 18218 over one version: the tables it used and the whole answer, each step with its clause."""

    inventory = models.ForeignKey(Inventory, on_delete=models.CASCADE, related_name="identifications")
    at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    tables = models.JSONField()
    tables_sha256 = models.CharField(max_length=64)
    answer = models.JSONField()
    is_complete = models.BooleanField()
    processes = models.PositiveIntegerField(
        default=0, help_text=_("Regulated dangerous processes, each once")
    )

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("Identification of major hazards")
        verbose_name_plural = _("Identifications of major hazards")

    def __str__(self) -> str:
        return f"{self.inventory} {self.at:%Y-%m-%d}"


class MajorHazard(models.Model):
    """A unit that was found to be a major hazard.  ``s`` and ``r`` as shown, the exact ones are in the answer.

    ``grade`` is None where S says yes and R has no answer yet.
    """

    identification = models.ForeignKey(Identification, on_delete=models.CASCADE, related_name="hazards")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="major_hazards")
    unit = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, blank=True)
    grade = models.PositiveSmallIntegerField(null=True, choices=GRADES)
    s = models.CharField(max_length=60)
    r = models.CharField(max_length=60, blank=True)
    is_current = models.BooleanField(default=True)

    objects = OfSiteQuerySet.as_manager()

    class Meta:
        ordering = ["grade", "site", "unit"]
        verbose_name = _("Major hazard")
        verbose_name_plural = _("Major hazards")
        constraints = [
            models.UniqueConstraint(
                fields=["site", "unit"], condition=Q(is_current=True), name="one_current_hazard"
            )
        ]
        indexes = [models.Index(fields=["site"], condition=Q(is_current=True), name="hazard_current")]

    def __str__(self) -> str:
        return f"{self.site} {self.unit}"
