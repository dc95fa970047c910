"""The data policy, for operators at the root of the tree.  A row is made or ended, through services; never changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from fengsui.base.errors import BadInput
from fengsui.govern.retention import services
from fengsui.govern.retention.models import Hold, Policy
from fengsui.people.audit.admin import AuditedAdmin, ReadOnlyAdmin
from fengsui.stores.history.models import Deletion


class EndForm(forms.ModelForm):
    """Of a row that is in force: only its end can be said."""

    def clean_end_reason(self) -> str:
        reason = str(self.cleaned_data["end_reason"]).strip()
        if not reason:
            raise forms.ValidationError(_("Say why: it is kept with the policy."))
        return reason


class PolicyForm(forms.ModelForm):
    class Meta:
        model = Policy
        fields = (
            "org",
            "site_kind",
            "observed_property",
            "raw_days",
            "minute_days",
            "hour_days",
            "media_days",
            "reason",
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            try:
                services.check(*(data[name] for name in ("reason", "raw_days", "minute_days", "hour_days")))
                services.check_media(data["media_days"], data["observed_property"])
            except BadInput as error:
                self.add_error(None, str(error))
        return data

    def validate_constraints(self) -> None:
        """One for the same readings is ended by this one."""


class HoldForm(forms.ModelForm):
    class Meta:
        model = Hold
        fields = ("site", "from_at", "to_at", "reason")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and not data["from_at"] < data["to_at"]:
            self.add_error("to_at", _("The beginning must be before the end."))
        return data


class DecisionAdmin(AuditedAdmin):
    view_action = edit_action = "retention.edit"
    actions = None
    decision = ("made_at", "made_by", "ended_at", "ended_by")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            kwargs |= {"form": EndForm, "fields": ["end_reason"]}
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        asked = self.form.Meta.fields
        return asked if obj is None else (*asked, *self.decision, "end_reason")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        shown = (*self.form.Meta.fields, *self.decision)
        return shown if obj.ended_at is None else (*shown, "end_reason")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.ended_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            services.end(request.user, obj, form.cleaned_data["end_reason"])
            return
        made = self.make(request, form.cleaned_data)
        obj.pk, obj.made_at, obj.made_by = made.pk, made.made_at, made.made_by
        obj._state.adding = False

    def make(self, request: HttpRequest, data: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _record(self, request: HttpRequest, what: str, obj: Any, **detail: Any) -> None:
        """The services do."""


@admin.register(Policy)
class PolicyAdmin(DecisionAdmin):
    form = PolicyForm
    list_display = (
        "__str__",
        "raw_days",
        "minute_days",
        "hour_days",
        "media_days",
        "made_at",
        "made_by",
        "reason",
        "ended_at",
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    list_select_related = ("org", "observed_property")

    def make(self, request: HttpRequest, data: dict[str, Any]) -> Policy:
        return services.decide(request.user, **data)


@admin.register(Hold)
class HoldAdmin(DecisionAdmin):
    form = HoldForm
    list_display = ("__str__", "site", "from_at", "to_at", "made_by", "reason", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    list_select_related = ("site",)
    autocomplete_fields = ("site",)

    def make(self, request: HttpRequest, data: dict[str, Any]) -> Hold:
        return services.hold(request.user, **data)


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin):
    view_action = "retention.edit"
    list_display = ("at", "kind", "day", "partition", "rows", "freed_bytes")
    list_filter = ("kind",)
    ordering = ("-id",)
    exclude = ("tally",)
    show_full_result_count = False
