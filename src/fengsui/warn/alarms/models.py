"""Rules as data with history, and alarms: one row an episode, its life as in ISA-18.2 / IEC 62682."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThan
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site


class Kind(models.TextChoices):
    HH = "hh", _("High-high")
    H = "h", _("High")
    L = "l", _("Low")
    LL = "ll", _("Low-low")
    RATE = "rate", _("Rate of change")
    FROZEN = "frozen", _("Frozen")
    SILENT = "silent", _("Silent")


# What an alarm can be besides: found by no rule over one datastream (``raising``), or by a scenario rule.
FOUND_KINDS = {"detector": pgettext_lazy("kind of alarm", "Detector"), "truth": _("Instrument not true")}
SCENARIO = "scenario"
ALARM_KINDS = [*Kind.choices, *FOUND_KINDS.items(), (SCENARIO, _("Scenario"))]


class Priority(models.IntegerChoices):
    RED = 1, _("Red")
    ORANGE = 2, _("Orange")
    YELLOW = 3, _("Yellow")
    BLUE = 4, _("Blue")


ONE_EACH = ("hh", "h", "l", "ll", "silent")  # a datastream has at most one rule in force of each


class RuleQuerySet(models.QuerySet["Rule"]):
    def visible_to(self, user: Any) -> "RuleQuerySet":
        """Rules of sites at or below an organisation where ``user`` may ``rule.view``."""
        return self.filter(access.rows_where(user, "rule.view", "datastream__site__org_path"))

    def in_force(self) -> "RuleQuerySet":
        """Rules that the engine evaluates."""
        return self.filter(withdrawn_at=None, is_enabled=True, datastream__is_active=True)


class RuleManager(models.Manager["Rule"]):
    """Rules that raise alarms: what runs in shadow is no rule to anybody but the engine (``Rule.every``)."""

    def get_queryset(self) -> RuleQuerySet:
        return RuleQuerySet(self.model, using=self._db).filter(shadow_of=None)


class Rule(models.Model):
    """One alarm over one datastream.  ``setpoint`` is in the datastream's unit (per second for ``rate``; for
    ``frozen`` the largest change that still counts as none); ``window_ms`` is the span of ``rate``, and the
    time without change or without reading for ``frozen`` and ``silent``.

    With ``shadow_of`` it is a draft of that rule that runs beside it: what it says becomes ShadowEpisodes, not alarms.
    """

    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="rules")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    setpoint = models.FloatField(null=True, blank=True)
    deadband = models.FloatField(default=0)
    on_delay_ms = models.PositiveIntegerField(default=0)
    off_delay_ms = models.PositiveIntegerField(default=0)
    window_ms = models.PositiveIntegerField(default=0)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.YELLOW)
    is_enabled = models.BooleanField(default=True)
    basis = models.CharField(
        max_length=200, blank=True, help_text=_("Where the number comes from: standard and clause")
    )
    shelved_until = models.DateTimeField(null=True, blank=True)
    shelved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    shelved_reason = models.CharField(max_length=200, blank=True)
    version = models.PositiveIntegerField(default=1)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    armed_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text=_("Made or switched on again; silence counts from here")
    )

    shadow_of = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.CASCADE, related_name="+"
    )

    objects = RuleManager.from_queryset(RuleQuerySet)()
    every = RuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("Rule")
        verbose_name_plural = _("Rules")
        constraints = [
            models.UniqueConstraint(
                fields=["datastream", "kind"],
                condition=Q(withdrawn_at=None, kind__in=ONE_EACH, shadow_of=None),
                name="one_rule_of_a_kind",
            ),
            models.UniqueConstraint(
                fields=["shadow_of"], condition=Q(withdrawn_at=None), name="one_shadow_a_rule"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.datastream} {self.get_kind_display()}"


class RuleChange(models.Model):
    """What a rule was, from when, by whom and why.  Never edited."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="changes")
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=200, blank=True)
    values = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "version"], name="one_change_a_version")]


EVERY = 0  # in RuleTouch: not one datastream, all


class RuleTouch(models.Model):
    """Which datastreams' rules changed last with which number of the counter "rules"; the database keeps it.

    So a pipeline reads again what changed, not millions of rules.  At most one row a datastream.
    """

    datastream_id = models.IntegerField(primary_key=True)
    number = models.BigIntegerField(db_index=True)


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def visible_to(self, user: Any) -> "AlarmQuerySet":
        """Alarms at or below an organisation where ``user`` may ``alarm.view``."""
        return self.filter(access.rows_where(user, "alarm.view"))

    def standing(self) -> "AlarmQuerySet":
        """Alarms that still want somebody: active, or not acknowledged."""
        return self.filter(Q(cleared_at=None) | Q(acked_at=None))

    def unfolded(self) -> "AlarmQuerySet":
        """Alarms that are shown for themselves."""
        return self.filter(parent=None)

    def annunciated(self, at: datetime) -> "AlarmQuerySet":
        """Standing alarms that are neither shelved at ``at`` nor suppressed."""
        return self.standing().filter(Q(shelved_until=None) | Q(shelved_until__lte=at), is_suppressed=False)


class Alarm(models.Model):
    """One episode.  ``key`` is "<rule id>:<raised_at in ms>": the same readings give the same key, always.

    One of FOUND_KINDS has no rule, and a key of whoever found it.
    A folded one (warn/folding) has the alarm that is shown instead as ``parent``, and as ``cause`` what explains it
    nearest to it; ``folding`` writes both.  ``folded_count``: how many have it as parent.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=60, unique=True)
    rule = models.ForeignKey(Rule, null=True, on_delete=models.SET_NULL, related_name="alarms")
    rule_version = models.PositiveIntegerField(default=1)
    datastream = models.ForeignKey(Datastream, on_delete=models.CASCADE, related_name="alarms")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="alarms")
    org = models.ForeignKey(Org, on_delete=models.PROTECT, related_name="+")
    org_path = models.CharField(max_length=255)
    kind = models.CharField(max_length=8, choices=ALARM_KINDS)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices)
    setpoint = models.FloatField(null=True)
    raised_at = models.DateTimeField()
    raised_value = models.FloatField(null=True)
    peak_value = models.FloatField(null=True)
    peak_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    cleared_value = models.FloatField(null=True)
    acked_at = models.DateTimeField(null=True)
    acked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    ack_note = models.CharField(max_length=300, blank=True)
    shelved_until = models.DateTimeField(null=True)
    is_suppressed = models.BooleanField(default=False)
    grounds = models.JSONField(null=True)  # of a scenario rule or detector (``alarms.grounds``)
    received_at = models.DateTimeField(null=True)  # when the gateway received the reading that raised it
    created_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(
        default=0, db_default=0
    )  # the database counts: a message with a lower one is older
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="children", db_index=False
    )
    cause = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="effects", db_index=False
    )
    folded_at = models.DateTimeField(null=True)
    fold_rule = models.CharField(max_length=40, default="", db_default="")
    fold_relation = models.CharField(max_length=12, default="", db_default="")
    fold_hops = models.PositiveSmallIntegerField(null=True)
    fold_lag_ms = models.BigIntegerField(null=True)  # raised so long after its cause
    folded_count = models.PositiveIntegerField(default=0, db_default=0)
    refold_at = models.DateTimeField(null=True)  # when the folding around it is to be looked at again

    objects = AlarmQuerySet.as_manager()

    class Meta:
        verbose_name = _("Alarm")
        verbose_name_plural = _("Alarms")
        indexes = [
            models.Index(
                fields=["priority", "-raised_at", "-id"],
                condition=Q(cleared_at=None) | Q(acked_at=None),
                name="alarm_standing",
            ),
            models.Index(fields=["rule"], condition=Q(cleared_at=None), name="alarm_active"),
            models.Index(fields=["-raised_at", "-id"], name="alarm_recent"),
            models.Index(fields=["site", "-raised_at"], name="alarm_site"),
            models.Index(
                fields=["priority", "-raised_at", "-id"],
                condition=Q(parent=None) & (Q(cleared_at=None) | Q(acked_at=None)),
                name="alarm_queue",
            ),
            models.Index(fields=["parent"], condition=~Q(parent=None), name="alarm_children"),
            models.Index(fields=["cause"], condition=~Q(cause=None), name="alarm_effects"),
            models.Index(fields=["refold_at"], condition=~Q(refold_at=None), name="alarm_refold"),
            models.Index(fields=["datastream"], condition=Q(cleared_at=None), name="alarm_open_stream"),
            models.Index(fields=["cleared_at"], condition=~Q(cleared_at=None), name="alarm_over"),
            models.Index(  # ``packed`` looks for what stood long before its days
                fields=["cleared_at", "raised_at"],
                condition=Q(cleared_at=None)
                | Q(GreaterThan(F("cleared_at") - F("raised_at"), timedelta(days=1))),
                name="alarm_long",
            ),
        ]

    def __str__(self) -> str:
        return self.key


class PackedDay(models.Model):
    """The alarms that were raised on one day (UTC), as the bytes of ``packed``: a copy, for reading many at once."""

    day = models.DateField(primary_key=True)
    alarms = models.PositiveIntegerField()
    data = models.BinaryField()


class PackedTouch(models.Model):
    """An alarm of a packed day that is not any more what was packed; the database notes it."""

    id = models.BigAutoField(primary_key=True)
    day = models.DateField(db_index=True)
    alarm_id = models.BigIntegerField()


class FoldTable(models.Model):
    """The rules of folding from ``since`` on, by whom and why; never edited.  Without one the shipped table holds."""

    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=200)
    rows = models.JSONField()

    class Meta:
        ordering = ["-since", "-pk"]
        verbose_name = _("Rules of folding")
        verbose_name_plural = _("Rules of folding")

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} {self.actor_name}"


class StormQuerySet(models.QuerySet["Storm"]):
    def visible_to(self, user: Any) -> "StormQuerySet":
        """At sites at or below an organisation where ``user`` may ``alarm.view``."""
        return self.filter(access.rows_where(user, "alarm.view", "site__org_path"))


class Storm(models.Model):
    """A site raised more alarms than a person can take in (warn/folding/storm.py).  ``peak``: the most in a window."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="storms")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    raised = models.PositiveIntegerField()  # in the window up to now
    peak = models.PositiveIntegerField()

    objects = StormQuerySet.as_manager()

    class Meta:
        ordering = ["-began_at", "-pk"]
        verbose_name = _("Alarm storm")
        verbose_name_plural = _("Alarm storms")
        constraints = [
            models.UniqueConstraint(fields=["site"], condition=Q(ended_at=None), name="one_storm_a_site")
        ]

    def __str__(self) -> str:
        return f"{self.site} {self.began_at:%Y-%m-%d %H:%M}"


class ShadowEpisode(models.Model):
    """What would have been an alarm: one episode of a rule that runs in shadow.  Nobody is told, no loop opens.

    ``peak_value`` is that of the raising until it is cleared.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=60, unique=True)
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="episodes")
    raised_at = models.DateTimeField()
    raised_value = models.FloatField(null=True)
    peak_value = models.FloatField(null=True)
    peak_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    cleared_value = models.FloatField(null=True)
    grounds = models.JSONField(null=True)  # as of an alarm

    class Meta:
        verbose_name = _("Episode in shadow")
        verbose_name_plural = _("Episodes in shadow")
        indexes = [models.Index(fields=["rule", "raised_at"], name="shadow_rule")]

    def __str__(self) -> str:
        return self.key


class OccurrenceQuerySet(models.QuerySet["Occurrence"]):
    def visible_to(self, user: Any) -> "OccurrenceQuerySet":
        """Of sites at or below an organisation where ``user`` may ``alarm.view``."""
        return self.filter(access.rows_where(user, "alarm.view", "site__org_path"))


class Occurrence(models.Model):
    """Something that really happened at a site, recorded by a person: alarms are scored against it.

    An alarm of the site shortly before makes it warned; without one it was missed.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="occurrences")
    at = models.DateTimeField()
    what = models.CharField(max_length=300)
    recorded_at = models.DateTimeField(auto_now_add=True)
    recorded_by = models.CharField(max_length=150)
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    objects = OccurrenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("Occurrence")
        verbose_name_plural = _("Occurrences")
        indexes = [models.Index(fields=["at"], name="occurrence_at")]

    def __str__(self) -> str:
        return f"{self.site} {self.at:%Y-%m-%d %H:%M}"


class FigureSet(models.Model):
    """What counts as flood, chattering and stale from ``since`` on, and what is aimed at; the newest holds.

    ``values`` are those of ``figures.VALUES``.  Without a row those of the module hold.
    """

    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=200)
    values = models.JSONField()

    class Meta:
        ordering = ["-since", "-pk"]
        verbose_name = _("Definition of alarm figures")
        verbose_name_plural = _("Definitions of alarm figures")

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d}"


class Deed(models.Model):
    """What was done to an alarm, in order: raised, acked, cleared, shelved, unshelved, suppressed …"""

    id = models.BigAutoField(primary_key=True)
    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="deeds")
    at = models.DateTimeField()
    what = models.CharField(max_length=20)
    actor_name = models.CharField(max_length=150, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("Deed")
        verbose_name_plural = _("Deeds")
