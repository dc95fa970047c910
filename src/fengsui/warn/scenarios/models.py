"""Scenario rules 情景规则: an expression over several datastreams of a site, with its history.

Each has a datastream of its own, whose readings the pipeline makes out of what it evaluates (1 it is so, 0 it is not),
and an ordinary alarm rule over that.  So an alarm of a scenario is an alarm like any other.
"""

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.sense.devices.models import CODE, Datastream, Site
from fengsui.warn.alarms.models import Priority, Rule


class ScenarioRuleQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: Any) -> "ScenarioRuleQuerySet":
        """Those of sites at or below an organisation where ``user`` may ``rule.view``."""
        return self.filter(access.rows_where(user, "rule.view", "site__org_path"))


class ScenarioRuleManager(models.Manager[Any]):
    """Rules that raise alarms: what runs in shadow is no rule to anybody but the pipeline (``ScenarioRule.every``)."""

    def get_queryset(self) -> ScenarioRuleQuerySet:
        return ScenarioRuleQuerySet(self.model, using=self._db).filter(shadow_of=None)


class ScenarioRule(models.Model):
    """``expression`` says when, ``clear`` when it is over (empty: when it is not so any more).

    ``parameters`` are quantities as text: {"high": "8.5 m"}.  ``template`` is the code of the library's entry it was
    made from.  ``cause`` may name inputs and parameters in braces: “{level} is above {high}”.

    With ``shadow_of`` it is a draft of that rule that runs beside it, and so is its ordinary rule.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="scenario_rules")
    code = models.CharField(max_length=40, validators=[CODE])
    name = models.CharField(max_length=80)
    name_en = models.CharField(max_length=120, blank=True)
    template = models.CharField(max_length=40, blank=True)
    expression = models.TextField(max_length=2000)
    clear = models.TextField(max_length=2000, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    for_ms = models.PositiveIntegerField(default=0)
    clear_for_ms = models.PositiveIntegerField(default=0)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.ORANGE)
    cause = models.CharField(max_length=300, blank=True)
    cause_en = models.CharField(max_length=300, blank=True)
    basis = models.CharField(max_length=200, blank=True)
    is_enabled = models.BooleanField(default=False, help_text=_("In force; otherwise it is a draft"))
    version = models.PositiveIntegerField(default=1)
    armed_at = models.DateTimeField(db_default=Now(), editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    datastream = models.OneToOneField(
        Datastream, null=True, editable=False, on_delete=models.CASCADE, related_name="scenario_rule"
    )
    rule = models.OneToOneField(
        Rule, null=True, editable=False, on_delete=models.CASCADE, related_name="scenario_rule"
    )
    shadow_of = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="+"
    )

    objects = ScenarioRuleManager.from_queryset(ScenarioRuleQuerySet)()
    every = ScenarioRuleQuerySet.as_manager()

    class Meta:
        ordering = ["site__code", "code"]
        verbose_name = _("Scenario rule")
        verbose_name_plural = _("Scenario rules")
        constraints = [
            models.UniqueConstraint(
                fields=["site", "code"], condition=Q(shadow_of=None), name="one_scenario_a_code"
            ),
            models.UniqueConstraint(
                fields=["shadow_of"], condition=Q(withdrawn_at=None), name="one_shadow_a_scenario"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.code}"


class Binding(models.Model):
    """What a name of the expression stands for.  ``max_age_ms``: how old its last good reading may be."""

    scenario = models.ForeignKey(ScenarioRule, on_delete=models.CASCADE, related_name="bindings")
    name = models.CharField(max_length=40)
    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="scenario_bindings")
    max_age_ms = models.PositiveIntegerField(default=60_000)

    class Meta:
        ordering = ["name"]
        verbose_name = _("Name in a scenario rule")
        verbose_name_plural = _("Names in scenario rules")
        constraints = [models.UniqueConstraint(fields=["scenario", "name"], name="one_binding_a_name")]

    def __str__(self) -> str:
        return f"{self.name} = {self.datastream_id}"


class ScenarioChange(models.Model):
    """What a scenario rule was, from when, by whom and why.  Never edited."""

    scenario = models.ForeignKey(ScenarioRule, on_delete=models.CASCADE, related_name="changes")
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=200, blank=True)
    values = models.JSONField()

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["scenario", "version"], name="one_scenario_change_a_version")
        ]
