"""Trend reports in the admin: to look at."""

from django.contrib import admin

from fengsui.people.audit.admin import ReadOnlyAdmin, ReadOnlyInline
from fengsui.show.reports.models import ReportMail, ReportOrder, TrendReport, WordTemplate


class MailInline(ReadOnlyInline):
    model = ReportMail
    fields = ["to", "asked_at", "asked_by", "sent_at"]


@admin.register(TrendReport)
class TrendReportAdmin(ReadOnlyAdmin):
    view_action = "report.view"
    path_field = "org__path"
    list_display = ["org", "period", "begin", "made_at", "actor_name"]
    list_select_related = ["org"]
    inlines = [MailInline]


@admin.register(ReportOrder)
class ReportOrderAdmin(ReadOnlyAdmin):
    view_action = "report.view"
    path_field = "org__path"
    list_display = ["org", "period", "recipients", "since", "actor_name", "stopped_at"]
    list_select_related = ["org"]


@admin.register(WordTemplate)
class WordTemplateAdmin(ReadOnlyAdmin):
    view_action = "report.view"
    path_field = "org__path"
    list_display = ["org", "language", "name", "since", "actor_name", "withdrawn_at"]
    list_select_related = ["org"]
