"""The data policy as rows with history: how long readings are kept, and what is held.

A row is never changed after it was made: it is ended, with who, when and why, and another one takes its place.  Without
any row nothing is ever deleted.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import ObservedProperty, Site, SiteKind

DAYS_MAX = 36_500
DAYS = [MinValueValidator(1), MaxValueValidator(DAYS_MAX)]


class InForce(models.QuerySet):
    def in_force(self):
        return self.filter(ended_at=None)


class Decision(models.Model):
    """Who made it, when and why; and the same of its end."""

    reason = models.CharField(_("Reason"), max_length=400)
    made_at = models.DateTimeField(_("Made at"), default=timezone.now, editable=False)
    made_by = models.CharField(_("Made by"), max_length=150, editable=False)
    ended_at = models.DateTimeField(_("Ended at"), null=True, editable=False)
    ended_by = models.CharField(_("Ended by"), max_length=150, blank=True, editable=False)
    end_reason = models.CharField(_("Reason of the end"), max_length=400, blank=True)

    objects = InForce.as_manager()

    class Meta:
        abstract = True


class Policy(Decision):
    """How long readings are kept, in whole days after theirs; empty is for ever.

    A row names an organisation (and all below it), a kind of site, an observed property, or none of them: then it is
    for everything that no other row fits.  Of several rows that fit, the longest time counts.
    """

    org = models.ForeignKey(Org, models.PROTECT, null=True, blank=True, verbose_name=_("Organisation"))
    site_kind = models.CharField(_("Kind of site"), max_length=20, choices=SiteKind.choices, blank=True)
    observed_property = models.ForeignKey(
        ObservedProperty, models.PROTECT, null=True, blank=True, verbose_name=_("Observed property")
    )
    raw_days = models.PositiveIntegerField(_("Days of readings"), null=True, blank=True, validators=DAYS)
    minute_days = models.PositiveIntegerField(_("Days of minutes"), null=True, blank=True, validators=DAYS)
    hour_days = models.PositiveIntegerField(_("Days of hours"), null=True, blank=True, validators=DAYS)
    media_days = models.PositiveIntegerField(
        _("Days of pictures and recordings"), null=True, blank=True, validators=DAYS
    )

    class Meta:
        ordering = ["id"]
        verbose_name = _("Retention rule")
        verbose_name_plural = _("Retention rules")
        constraints = [
            models.UniqueConstraint(
                fields=["org", "site_kind", "observed_property"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name="one_retention_rule_in_force",
            )
        ]

    def __str__(self) -> str:
        parts = [str(p) for p in (self.org, self.get_site_kind_display(), self.observed_property) if p]
        return " · ".join(parts) or str(_("Everything else"))

    @property
    def is_default(self) -> bool:
        return self.org_id is None and not self.site_kind and self.observed_property_id is None


class Hold(Decision):
    """Readings of a span that nobody may delete, of one site or of all: those of an incident, of a dispute."""

    site = models.ForeignKey(Site, models.PROTECT, null=True, blank=True, verbose_name=_("Site"))
    from_at = models.DateTimeField(_("From"))
    to_at = models.DateTimeField(_("To"))

    class Meta:
        ordering = ["id"]
        verbose_name = _("Legal hold")
        verbose_name_plural = _("Legal holds")

    def __str__(self) -> str:
        return f"{self.site or _('All sites')} {self.from_at:%Y-%m-%d} – {self.to_at:%Y-%m-%d}"
