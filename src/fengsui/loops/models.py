"""Closed loops: someone has to do something by a time, and prove it.  Kinds are data with history."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Membership, Org

LEVELS = [(1, _("Red")), (2, _("Orange")), (3, _("Yellow")), (4, _("Blue"))]


class Kind(models.Model):
    """A kind of loop.  ``definition`` is what ``kinds.definition`` reads; only ``services.edit_kind`` changes it."""

    code = models.SlugField(_("code"), primary_key=True)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("name in English"), max_length=120, blank=True)
    definition = models.JSONField(_("definition"))
    version = models.PositiveIntegerField(_("version"), default=1)

    class Meta:
        verbose_name = _("Kind of loop")
        verbose_name_plural = _("Kinds of loops")

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """The name in the language of the moment."""
        return self.name if (get_language() or "zh").startswith("zh") else self.name_en or self.name


class KindChange(models.Model):
    """What a kind was, from when, by whom and why.  Never edited; loops run on under the version they opened with."""

    kind = models.ForeignKey(Kind, on_delete=models.CASCADE, related_name="changes", verbose_name=_("kind"))
    version = models.PositiveIntegerField(_("version"))
    at = models.DateTimeField(_("time"))
    actor_name = models.CharField(_("who"), max_length=150, blank=True)  # empty: as shipped
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    definition = models.JSONField(_("definition"))

    class Meta:
        verbose_name = _("Change of a kind")
        verbose_name_plural = _("Changes of kinds")
        constraints = [models.UniqueConstraint(fields=["kind", "version"], name="one_kind_change_a_version")]

    def __str__(self) -> str:
        return f"{self.kind_id} {self.version}"


class LoopQuerySet(models.QuerySet["Loop"]):
    def visible_to(self, user: Any) -> "LoopQuerySet":
        """Loops of organisations at or below one where ``user`` may ``loop.view``."""
        return self.filter(access.rows_where(user, "loop.view"))

    def open(self) -> "LoopQuerySet":
        return self.filter(closed_at=None)

    def mine(self, user: Any) -> "LoopQuerySet":
        """Open loops that wait for ``user``: assigned to them, at a desk where they hold a role the step asks for, or
        escalated to an organisation where they hold a role the ladder names.

        Holding the role further up is not enough: whoever oversees a city is not asked about every plant in it.
        """
        wanted = Q(assignee_id=getattr(user, "pk", None))
        for org, role in Membership.objects.filter(user_id=getattr(user, "pk", None)).values_list(
            "org_id", "role"
        ):
            wanted |= Q(assignee=None, desk_id=org, roles__contains=[role])
            wanted |= Q(escalated_to_id=org, escalated_roles__contains=[role])
        return self.open().visible_to(user).filter(wanted)

    def overdue(self, now: datetime) -> "LoopQuerySet":
        """Open loops whose step should be over."""
        return self.open().filter(due_at__lte=now)


class Loop(models.Model):
    """``key`` says what it is about ("alarm:<alarm key>") and is unique: opening twice gives the same loop.

    ``desk`` is the organisation the step waits for and ``roles`` whom it asks there; both follow from the kind.
    ``due_at`` is the limit of the step; ``escalate_at`` is when the next rung of the ladder is told.
    ``about`` is what the opener wants shown and ``facts`` what became true since ("cleared": an instant); neither is
    understood here.  ``version`` counts every change.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.ForeignKey(Kind, on_delete=models.PROTECT, verbose_name=_("kind"))
    kind_version = models.PositiveIntegerField()
    key = models.CharField(max_length=100, unique=True)
    title = models.CharField(_("title"), max_length=200)
    title_en = models.CharField(_("title in English"), max_length=200, blank=True)
    org = models.ForeignKey(
        Org, on_delete=models.PROTECT, related_name="loops", verbose_name=_("organisation")
    )
    org_path = models.CharField(max_length=255)
    level = models.PositiveSmallIntegerField(_("level"), default=3, choices=LEVELS)
    step = models.CharField(_("step"), max_length=30)
    step_since = models.DateTimeField(_("in this step since"))
    desk = models.ForeignKey(
        Org, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("desk")
    )
    roles = ArrayField(models.CharField(max_length=20), default=list)
    due_at = models.DateTimeField(_("due"), null=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="loops",
        verbose_name=_("assigned to"),
    )
    escalation = models.PositiveSmallIntegerField(_("escalated times"), default=0)
    escalate_at = models.DateTimeField(null=True)
    escalated_to = models.ForeignKey(
        Org,
        null=True,
        on_delete=models.SET_NULL,
        related_name="escalated_loops",
        verbose_name=_("escalated to"),
    )
    escalated_roles = ArrayField(models.CharField(max_length=20), default=list)
    about = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    version = models.PositiveIntegerField(default=1)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True)
    outcome = models.CharField(_("outcome"), max_length=30, blank=True)

    objects = LoopQuerySet.as_manager()

    class Meta:
        verbose_name = _("Loop")
        verbose_name_plural = _("Loops")
        indexes = [
            models.Index(fields=["due_at"], condition=Q(closed_at=None), name="loop_due"),
            models.Index(fields=["escalate_at"], condition=Q(closed_at=None), name="loop_escalate"),
            models.Index(fields=["desk"], condition=Q(closed_at=None), name="loop_desk"),
            models.Index(fields=["-opened_at", "-id"], name="loop_recent"),
            models.Index(
                OpClass("org_path", "varchar_pattern_ops"), F("opened_at").desc(), name="loop_org_path"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def label(self) -> str:
        """The title in the language of the moment."""
        return self.title if (get_language() or "zh").startswith("zh") else self.title_en or self.title


class Deed(models.Model):
    """One thing done in a loop, by whom, when, with what; the database refuses to change it.

    ``action`` is one of the kind's, or opened, assigned, escalated, noted.  ``to_step`` is where the loop was after it.
    """

    id = models.BigAutoField(primary_key=True)
    loop = models.ForeignKey(Loop, on_delete=models.CASCADE, related_name="deeds")
    step = models.CharField(_("step"), max_length=30)
    to_step = models.CharField(_("next step"), max_length=30, blank=True)
    action = models.CharField(_("action"), max_length=30)
    at = models.DateTimeField(_("time"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(_("who"), max_length=150, blank=True)
    note = models.TextField(_("note"), blank=True)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        verbose_name = _("Deed")
        verbose_name_plural = _("Deeds")

    def __str__(self) -> str:
        return f"{self.loop_id} {self.action}"


def evidence_path(evidence: "Evidence", name: str) -> str:
    """Where a file is stored: nothing of what the sender called it, but the ending its content has."""
    ending = name.rsplit(".", 1)[-1]
    return f"evidence/{evidence.deed.at:%Y/%m}/{evidence.sha256[:16]}-{uuid.uuid4().hex[:12]}.{ending}"


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    def visible_to(self, user: Any) -> "EvidenceQuerySet":
        return self.filter(access.rows_where(user, "loop.view", "deed__loop__org_path"))


class Evidence(models.Model):
    """A file that proves a deed.  ``name`` is what the sender called it, for showing; ``sha256`` is of its bytes."""

    deed = models.ForeignKey(Deed, on_delete=models.CASCADE, related_name="evidence")
    name = models.CharField(_("name"), max_length=200)
    file = models.FileField(upload_to=evidence_path)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(_("size"))
    content_type = models.CharField(max_length=80, default="application/octet-stream")

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("Evidence")
        verbose_name_plural = _("Evidence")

    def __str__(self) -> str:
        return self.name
