"""Call-and-confirm as rows: who is responsible where, which place has to confirm which warning, who was called and how.

A *callout* is one place that has to confirm one message; its loop (kind ``call_confirm``) is the handling, with every
deed.  A *call* is one person asked; a *delivery* is one message to that person by one channel.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from fengsui.loops.models import Loop
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.warn.warnings.models import LEVELS, Message


class ContactQuerySet(models.QuerySet["Contact"]):
    def visible_to(self, user: Any) -> "ContactQuerySet":
        return self.filter(access.rows_where(user, "call.view", "org__path"))


class Contact(models.Model):
    """A responsible person of an organisation.  ``order`` 1 is called first, the next when the first is silent."""

    org = models.ForeignKey(Org, models.CASCADE, related_name="contacts", verbose_name=_("Organisation"))
    order = models.PositiveSmallIntegerField(_("order"), default=1)
    name = models.CharField(_("name"), max_length=60)
    post = models.CharField(_("post"), max_length=80, blank=True)
    phone = models.CharField(_("phone"), max_length=30, blank=True)
    email = models.EmailField(_("e-mail"), max_length=120, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("account"),
    )
    is_active = models.BooleanField(_("in use"), default=True)

    objects = ContactQuerySet.as_manager()

    class Meta:
        ordering = ["org__path", "order", "pk"]
        verbose_name = _("Responsible person")
        verbose_name_plural = _("Responsible persons")
        constraints = [models.UniqueConstraint(fields=["org", "name"], name="one_contact_a_name")]
        indexes = [models.Index(fields=["org", "order", "id"], name="contact_in_order")]

    def __str__(self) -> str:
        return f"{self.name}（{self.post}）" if self.post else self.name


class How(models.TextChoices):
    PORTAL = "portal", _("in the portal")
    CODE = "code", _("by one-time code")
    PHONE = "phone", _("by phone, recorded")


class CalloutQuerySet(models.QuerySet["Callout"]):
    def visible_to(self, user: Any) -> "CalloutQuerySet":
        """Places at or below an organisation where ``user`` may ``call.view``."""
        return self.filter(access.rows_where(user, "call.view"))

    def open(self) -> "CalloutQuerySet":
        return self.filter(confirmed_at=None, ended_at=None)

    def over(self, now: datetime) -> "CalloutQuerySet":
        """Open ones whose warning holds no longer: replaced, cancelled or expired."""
        return self.open().filter(Q(message__ended_at__isnull=False) | Q(message__expires_at__lte=now))


class Callout(models.Model):
    """One place that has to confirm one message.

    ``why`` says by what the message covers it ({"by": "division", "code"}, {"by": "site", "name"}, {"by": "place"},
    {"by": "issuer"}).  ``next_at`` is when the next in line is called; ``exhausted_at``: nobody is left to call.
    """

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, models.PROTECT, related_name="callouts")
    org = models.ForeignKey(Org, models.PROTECT, related_name="callouts", verbose_name=_("place"))
    org_path = models.CharField(max_length=255)
    county = models.ForeignKey(Org, models.SET_NULL, null=True, related_name="+")
    loop = models.OneToOneField(Loop, models.PROTECT, related_name="callout")
    level = models.PositiveSmallIntegerField(_("level"), choices=LEVELS)
    limit_s = models.PositiveIntegerField()  # of each person, as the kind of loop said at the time
    why = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    called = models.PositiveSmallIntegerField(default=0)  # how many were asked
    next_at = models.DateTimeField(null=True)
    exhausted_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=200, blank=True)
    confirmed_above = models.BooleanField(default=False)  # by an organisation above it
    how = models.CharField(max_length=10, choices=How.choices, blank=True)
    recorded_by = models.CharField(max_length=150, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=20, blank=True)  # replaced, cancelled, expired, stopped

    objects = CalloutQuerySet.as_manager()

    class Meta:
        verbose_name = _("Place being called")
        verbose_name_plural = _("Places being called")
        constraints = [models.UniqueConstraint(fields=["message", "org"], name="one_callout_a_place")]
        indexes = [
            models.Index(
                fields=["next_at"], condition=Q(confirmed_at=None, ended_at=None), name="callout_next"
            ),
            models.Index(fields=["message", "org_path"], name="callout_board"),
            models.Index(F("opened_at").desc(), F("id").desc(), name="callout_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.org} · {self.message}"

    @property
    def state(self) -> str:
        """confirmed, ended, nobody (all in line are silent) or calling."""
        if self.confirmed_at is not None:
            return "confirmed"
        if self.ended_at is not None:
            return "ended"
        return "nobody" if self.exhausted_at is not None else "calling"


class Call(models.Model):
    """One person asked.  Name, post and phone are copied: the record outlives the list of persons."""

    id = models.BigAutoField(primary_key=True)
    callout = models.ForeignKey(Callout, models.CASCADE, related_name="calls")
    contact = models.ForeignKey(Contact, models.SET_NULL, null=True, related_name="calls")
    org = models.ForeignKey(Org, models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField()  # 1 is the first asked
    name = models.CharField(max_length=60)
    post = models.CharField(max_length=80, blank=True)
    phone = models.CharField(max_length=30, blank=True)
    email = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField()
    due_at = models.DateTimeField()
    code_sha256 = models.CharField(max_length=64, unique=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["callout", "number"]
        verbose_name = _("Call")
        verbose_name_plural = _("Calls")
        constraints = [models.UniqueConstraint(fields=["callout", "number"], name="one_call_a_number")]

    def __str__(self) -> str:
        return f"{self.name}（{self.post}）" if self.post else self.name


class DeliveryState(models.TextChoices):
    WAITING = "waiting", _("waiting")
    SENT = "sent", _("sent")
    FAILED = "failed", _("failed")
    LEFT = "left", _("not sent: confirmed or over before")


class Delivery(models.Model):
    """One message to one person by one channel, tried a few times; ``error`` is why the last try failed."""

    id = models.BigAutoField(primary_key=True)
    call = models.ForeignKey(Call, models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10)
    state = models.CharField(max_length=8, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    again_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    receipt = models.CharField(max_length=120, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("Delivery")
        verbose_name_plural = _("Deliveries")
        constraints = [models.UniqueConstraint(fields=["call", "channel"], name="one_delivery_a_channel")]
        indexes = [
            models.Index(fields=["again_at"], condition=Q(again_at__isnull=False), name="delivery_again")
        ]

    def __str__(self) -> str:
        return f"{self.call} {self.channel}"


def chinese() -> bool:
    """Whether people read Chinese at the moment."""
    return (get_language() or "zh").startswith("zh")
