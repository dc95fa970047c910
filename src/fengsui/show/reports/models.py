"""Trend reports as rows: who wants which, what was made, to whom it went."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org


class Period(models.TextChoices):
    DAY = "day", _("Daily")
    WEEK = "week", _("Weekly")
    MONTH = "month", _("Monthly")


class OfOrgQuerySet(models.QuerySet[Any]):
    """Rows of an organisation: who holds ``report.view`` at it or above; below it is not enough."""

    def visible_to(self, user: Any) -> "OfOrgQuerySet":
        return self.filter(access.rows_where(user, "report.view", "org__path"))


class ReportOrder(models.Model):
    """A report that is made by itself when its period is over, and sent.  Never edited: a new one takes its place."""

    org = models.ForeignKey(
        Org, on_delete=models.CASCADE, related_name="report_orders", verbose_name=_("Organisation")
    )
    period = models.CharField(_("period"), max_length=8, choices=Period)
    recipients = ArrayField(models.EmailField(), default=list, blank=True, verbose_name=_("sent to"))
    language = models.CharField(_("language"), max_length=10, default="zh-hans")
    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    stopped_at = models.DateTimeField(null=True)
    stopped_by = models.CharField(max_length=150, blank=True)

    objects = OfOrgQuerySet.as_manager()

    class Meta:
        ordering = ["org", "period"]
        verbose_name = _("Order of trend reports")
        verbose_name_plural = _("Orders of trend reports")
        constraints = [
            models.UniqueConstraint(
                fields=["org", "period"], condition=Q(stopped_at=None), name="one_order_a_period"
            )
        ]

    def __str__(self) -> str:
        return f"{self.org} {self.get_period_display()}"


class WordTemplate(models.Model):
    """An organisation's own Word template for its reports and those of everything below that has none.

    Never edited: a new one takes its place.  It was filled once before it became a row.
    """

    org = models.ForeignKey(
        Org, on_delete=models.CASCADE, related_name="word_templates", verbose_name=_("Organisation")
    )
    language = models.CharField(_("language"), max_length=10)
    name = models.CharField(max_length=200)
    file = models.FileField(_("file"), upload_to="reports/templates")
    sha256 = models.CharField(max_length=64)
    since = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, blank=True)

    objects = OfOrgQuerySet.as_manager()

    class Meta:
        ordering = ["org__path", "language", "-since"]
        verbose_name = _("Word template")
        verbose_name_plural = _("Word templates")
        constraints = [
            models.UniqueConstraint(
                fields=["org", "language"], condition=Q(withdrawn_at=None), name="one_template_a_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.org} {self.name}"


class TrendReport(models.Model):
    """One report as it was made: its figures and both files.  A span may have several; the newest is the last word."""

    org = models.ForeignKey(
        Org, on_delete=models.PROTECT, related_name="trend_reports", verbose_name=_("Organisation")
    )
    period = models.CharField(_("period"), max_length=8, choices=Period)
    begin = models.DateField()
    made_at = models.DateTimeField()
    actor_name = models.CharField(max_length=150)
    language = models.CharField(max_length=10)
    figures = models.JSONField()
    pdf = models.FileField(upload_to="reports/%Y/%m")
    pdf_sha256 = models.CharField(max_length=64)
    docx = models.FileField(upload_to="reports/%Y/%m")
    docx_sha256 = models.CharField(max_length=64)
    by_order = models.BooleanField(default=False)
    word_template = models.ForeignKey(
        WordTemplate, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("Word template")
    )
    word_fault = models.TextField(_("why the standard template"), blank=True, db_default="", default="")

    objects = OfOrgQuerySet.as_manager()

    class Meta:
        ordering = ["-made_at", "-pk"]
        verbose_name = _("Trend report")
        verbose_name_plural = _("Trend reports")
        indexes = [
            models.Index(fields=["org", "period", "begin"], name="trend_report_span"),
            models.Index(fields=["-made_at", "-id"], name="trend_report_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.org} {self.get_period_display()} {self.begin}"


class ReportMail(models.Model):
    """A report on its way to one address; ``sent_at`` None: not yet."""

    report = models.ForeignKey(TrendReport, on_delete=models.CASCADE, related_name="mails")
    to = models.EmailField()
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("Mail of a report")
        verbose_name_plural = _("Mails of reports")

    def __str__(self) -> str:
        return f"{self.to} {self.report}"
