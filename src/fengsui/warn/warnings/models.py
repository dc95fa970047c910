"""Public warnings as rows: who may speak, what is being written, what was sent, and what others sent.

A *warning* is ours, from draft to publication; a *message* is one CAP document as it went out or came in, never
changed.  Bytes are kept as they are, because a signature is over bytes.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator, URLValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.cap import message as cap

LEVELS = [(1, _("Red")), (2, _("Orange")), (3, _("Yellow")), (4, _("Blue"))]
WEB = URLValidator(["http", "https"])
DIVISION = RegexValidator(r"^(\d{6}|\d{9}|\d{12})$", _("6, 9 or 12 digits: GB/T 2260, GB/T 10114."))


class Issuer(models.Model):
    """Who speaks: an organisation's identity towards the public.  ``code`` is CAP's sender.

    GB/T 35965.1, A.1.2: six digits of the division, three of the sector (GB/T 4657), three and two of the unit's own.
    """

    org = models.ForeignKey(Org, models.PROTECT, related_name="issuers", verbose_name=_("Organisation"))
    code = models.CharField(
        _("unit code"),
        max_length=14,
        unique=True,
        validators=[RegexValidator(r"^\d{14}$", _("14 digits: division, sector, unit, extension."))],
    )
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("name in English"), max_length=120, blank=True)
    contact = models.CharField(_("contact"), max_length=200, blank=True)
    web = models.CharField(_("web address"), max_length=200, blank=True, validators=[WEB])
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["code"]
        verbose_name = _("Issuer of warnings")
        verbose_name_plural = _("Issuers of warnings")

    def __str__(self) -> str:
        return self.name


class EventKind(models.Model):
    """A kind of event that differs from, or adds to, the table that comes with the platform (``warn.cap.events``)."""

    code = models.CharField(_("code"), max_length=20, primary_key=True)
    name = models.CharField(_("name"), max_length=40)
    name_en = models.CharField(_("name in English"), max_length=80)
    category = models.CharField(_("category"), max_length=10, choices=[(c, c) for c in cap.CATEGORIES])
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        ordering = ["code"]
        verbose_name = _("Kind of warned event")
        verbose_name_plural = _("Kinds of warned events")

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Population(models.Model):
    """How many people live in a division, and who says so; what the linter counts with."""

    division_code = models.CharField(
        _("division code"), max_length=12, primary_key=True, validators=[DIVISION]
    )
    people = models.PositiveIntegerField(_("people"))
    source = models.CharField(_("source"), max_length=200)
    as_of = models.DateField(_("as of"))

    class Meta:
        ordering = ["division_code"]
        verbose_name = _("Population")
        verbose_name_plural = _("Population")

    def __str__(self) -> str:
        return self.division_code


class Feed(models.Model):
    """Somebody else's feed of alerts, or one file of theirs, that the worker looks at."""

    org = models.ForeignKey(Org, models.PROTECT, related_name="cap_feeds", verbose_name=_("Organisation"))
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("name in English"), max_length=120, blank=True)
    url = models.CharField(_("address"), max_length=500, validators=[WEB])
    hosts = models.CharField(
        _("other hosts"),
        max_length=300,
        blank=True,
        help_text=_("Hosts beside its own that its links may lead to, separated by commas."),
    )
    period_s = models.PositiveIntegerField(
        _("every, seconds"), default=60, validators=[MinValueValidator(30), MaxValueValidator(86_400)]
    )
    is_active = models.BooleanField(_("in use"), default=True)
    certificates = models.TextField(
        _("trusted certificates"), blank=True, help_text=_("PEM, one after another.")
    )
    must_be_signed = models.BooleanField(
        _("only with a valid signature"),
        default=False,
        help_text=_("Other messages are kept and shown, but count for nothing."),
    )
    etag = models.CharField(max_length=200, blank=True, editable=False)
    modified = models.CharField(max_length=60, blank=True, editable=False)
    asked_at = models.DateTimeField(_("last asked"), null=True, editable=False)
    heard_at = models.DateTimeField(_("last heard"), null=True, editable=False)
    error = models.CharField(_("last error"), max_length=300, blank=True, editable=False)
    problems = models.JSONField(default=list, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("Feed of others")
        verbose_name_plural = _("Feeds of others")
        constraints = [models.UniqueConstraint(fields=["org", "url"], name="one_feed_an_address")]

    def __str__(self) -> str:
        return self.name


class State(models.TextChoices):
    DRAFT = "draft", _("Draft")
    REVIEW = "review", _("Waiting for review")
    APPROVAL = "approval", _("Waiting for approval")
    APPROVED = "approved", _("Approved, being sent")
    PUBLISHED = "published", _("Published")
    DISCARDED = "discarded", _("Discarded")


class WarningQuerySet(models.QuerySet["Warning"]):
    def visible_to(self, user: Any) -> "WarningQuerySet":
        """Warnings of organisations at or below one where ``user`` may ``warning.view``."""
        return self.filter(access.rows_where(user, "warning.view"))

    def open(self) -> "WarningQuerySet":
        """Those that somebody still has to do something about."""
        return self.filter(state__in=(State.DRAFT, State.REVIEW, State.APPROVAL, State.APPROVED))


class Warning(models.Model):
    """One public warning of ours.  ``content`` is what ``content.Content`` reads: words, areas, choices.

    ``about`` is the message that an update or a cancellation is about.  ``version`` counts every change; what is
    reviewed and approved is the version that was submitted, and ``content_sha256`` says which.
    """

    issuer = models.ForeignKey(Issuer, models.PROTECT, related_name="warnings", verbose_name=_("issuer"))
    org = models.ForeignKey(Org, models.PROTECT, related_name="+", verbose_name=_("organisation"))
    org_path = models.CharField(max_length=255)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    msg_type = models.CharField(max_length=8, default="Alert")
    status = models.CharField(max_length=10, default="Actual")
    level = models.PositiveSmallIntegerField(_("level"), choices=LEVELS)
    event_type = models.CharField(_("event"), max_length=20)
    onset_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    content = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    content_sha256 = models.CharField(max_length=64, blank=True)
    about = models.ForeignKey("Message", models.PROTECT, null=True, related_name="follow_ups")
    alarm = models.ForeignKey(Alarm, models.SET_NULL, null=True, related_name="warnings")
    version = models.PositiveIntegerField(default=1)
    made_at = models.DateTimeField()
    writers = ArrayField(models.IntegerField(), default=list)  # ids of everybody who wrote in this draft
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)

    objects = WarningQuerySet.as_manager()

    class Meta:
        verbose_name = _("Warning")
        verbose_name_plural = _("Warnings")
        indexes = [models.Index(fields=["-made_at", "-id"], name="warning_recent")]

    def __str__(self) -> str:
        return str(self.content.get("headline") or self.event_type)


class Deed(models.Model):
    """What was done to a warning, in order: drafted, edited, submitted, reviewed, returned, approved, published …"""

    id = models.BigAutoField(primary_key=True)
    warning = models.ForeignKey(Warning, models.CASCADE, related_name="deeds")
    at = models.DateTimeField()
    what = models.CharField(max_length=20)
    actor_name = models.CharField(max_length=150, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = _("Deed")
        verbose_name_plural = _("Deeds")


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: Any) -> "MessageQuerySet":
        return self.filter(access.rows_where(user, "warning.view"))

    def ours(self) -> "MessageQuerySet":
        return self.filter(feed=None)

    def real(self) -> "MessageQuerySet":
        """What is meant: neither exercise, test nor draft, and not put aside by the feed's own rule."""
        return self.filter(status="Actual", is_refused=False)

    def in_force(self, at: datetime) -> "MessageQuerySet":
        """Real warnings that hold at ``at``: sent, not replaced or cancelled, not expired."""
        return self.real().filter(
            msg_type__in=("Alert", "Update"), ended_at=None, expires_at__gt=at, sent_at__lte=at
        )

    def public(self) -> "MessageQuerySet":
        return self.ours().real().filter(scope="Public")


class Message(models.Model):
    """One CAP message.  ``feed`` is where it came from, None for ours.  ``document`` are its very bytes.

    ``ended_at`` is set by a later message (``ended_by``): an update replaces, a cancellation cancels.  ``expires_at``
    is when its last part ends; where it says nothing, a day after it was sent.
    """

    id = models.BigAutoField(primary_key=True)
    feed = models.ForeignKey(Feed, models.PROTECT, null=True, related_name="messages")
    warning = models.OneToOneField(Warning, models.PROTECT, null=True, related_name="message")
    org = models.ForeignKey(Org, models.PROTECT, related_name="+")
    org_path = models.CharField(max_length=255)
    identifier = models.CharField(max_length=255)
    sender = models.CharField(max_length=255)
    sent_at = models.DateTimeField()
    sent_text = models.CharField(max_length=40)
    received_at = models.DateTimeField()
    status = models.CharField(max_length=10)
    msg_type = models.CharField(max_length=8)
    scope = models.CharField(max_length=10)
    level = models.PositiveSmallIntegerField(null=True)  # None: the message does not say
    event = models.CharField(max_length=200)
    headline = models.CharField(max_length=400, blank=True)
    headline_en = models.CharField(max_length=400, blank=True)
    sender_name = models.CharField(max_length=200, blank=True)
    area_desc = models.CharField(max_length=400, blank=True)
    expires_at = models.DateTimeField()
    references = models.JSONField(default=list)  # [{"sender", "identifier"}]
    shapes = models.JSONField(default=list)  # rings of [lon, lat]
    divisions = ArrayField(models.CharField(max_length=20), default=list)
    document = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    source_url = models.CharField(max_length=1000, blank=True)
    problems = models.JSONField(default=list)  # [{"rule", "path", "line", "column", "facts"}]
    worst = models.CharField(max_length=8, blank=True)
    signature = models.CharField(max_length=12, default="none")
    certificate = models.CharField(max_length=300, blank=True)
    is_refused = models.BooleanField(default=False)
    refusal = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="ended")
    ended_how = models.CharField(max_length=8, blank=True)  # Update or Cancel

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("Message")
        verbose_name_plural = _("Messages")
        constraints = [
            models.UniqueConstraint(
                fields=["feed", "sender", "identifier", "sent_at"],
                name="one_message_each",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(fields=["-sent_at", "-id"], name="cap_message_recent"),
            models.Index(
                fields=["expires_at"],
                condition=Q(ended_at=None, status="Actual", is_refused=False),
                name="cap_message_in_force",
            ),
            models.Index(F("sender"), F("identifier"), name="cap_message_identity"),
        ]

    def __str__(self) -> str:
        return self.headline or self.identifier

    @property
    def label(self) -> str:
        """The headline in the language of the moment."""
        chinese = (get_language() or "zh").startswith("zh")
        return (self.headline if chinese else self.headline_en or self.headline) or self.event
