"""Kinds of loops for operators, every change through ``services``; and what the outbox could not hand over.

The outbox's page is here because ``stores`` knows no people, and an admin of ours knows who does what.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.base.errors import FengsuiError
from fengsui.loops import services
from fengsui.loops.errors import BadDefinition
from fengsui.loops.kinds import definition as schema
from fengsui.loops.models import Kind, KindChange
from fengsui.people import audit
from fengsui.people.audit.admin import AuditedAdmin, ReadOnlyAdmin, ReadOnlyInline
from fengsui.stores import outbox
from fengsui.stores.outbox.models import Event


class PrettyJSON(forms.JSONField):
    """JSON that a person can read and edit: one entry a line."""

    widget = forms.Textarea(attrs={"rows": 40, "class": "vLargeTextField", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        import json

        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


class KindForm(forms.ModelForm):
    definition = PrettyJSON(
        label=gettext_lazy("Definition"),
        help_text=gettext_lazy("Steps, roles, time limits and the escalation ladder; see docs/loops.md."),
    )
    reason = forms.CharField(label=gettext_lazy("Reason of the change"), max_length=200)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Kind
        fields = ("code", "definition")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = self.instance.version if self.instance.pk else None

    def clean_definition(self) -> dict[str, Any]:
        try:
            return schema.plain(schema.read(self.cleaned_data["definition"]))
        except BadDefinition as error:
            raise forms.ValidationError(error.problems) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        stored = Kind.objects.filter(pk=self.instance.pk).values_list("version", flat=True).first()
        if stored is not None and data.get("seen") not in (None, stored):
            raise forms.ValidationError(_("Somebody changed this kind meanwhile; look at it again."))
        return data


class ChangesInline(ReadOnlyInline):
    model = KindChange
    fields = ("version", "at", "actor_name", "reason")
    readonly_fields = fields
    ordering = ("-version",)


@admin.register(Kind)
class KindAdmin(AuditedAdmin):
    """A kind is edited as its JSON; the name is in it, and the version follows."""

    view_action = edit_action = "loop.kind.edit"
    form = KindForm
    fields = ("code", "definition", "reason", "seen")
    list_display = ("code", "name", "name_en", "version")
    inlines = (ChangesInline,)
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its loops and its history speak of it

    def save_model(self, request: HttpRequest, obj: Kind, form: Any, change: bool) -> None:
        data = form.cleaned_data
        if change:
            done = services.edit_kind(
                request.user, obj.pk, data["definition"], reason=data["reason"], version=data["seen"]
            )
        else:
            done = services.create_kind(request.user, data["code"], data["definition"], reason=data["reason"])
        obj.pk, obj.version = done.pk, done.version

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return admin.ModelAdmin.log_addition(self, request, obj, message)  # the service has audited it

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return admin.ModelAdmin.log_change(self, request, obj, message)


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("dead", _("given up")), ("waiting", _("waiting"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "dead":
            return queryset.dead()
        return queryset.waiting() if self.value() == "waiting" else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Events that wait or were given up.  An operator reads the error, then tries again or lets go."""

    list_display = ("id", "topic", "created_at", "attempts", "dead_at", "handled_at")
    list_filter = (StateFilter, "topic")
    ordering = ("-id",)
    show_full_result_count = False
    list_per_page = 50
    actions = ("try_again", "let_go")

    @admin.action(description=gettext_lazy("Try again"))
    def try_again(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        self._do(request, queryset, "outbox.retried", outbox.retry)

    @admin.action(description=gettext_lazy("Let go: take as handled"))
    def let_go(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        self._do(request, queryset, "outbox.discarded", outbox.discard)

    def _do(self, request: HttpRequest, queryset: Any, action: str, deed: Any) -> None:
        try:
            if not self._may_edit(request):
                audit.refuse(request.user, action)
                raise FengsuiError(_("This is for an operator of the whole platform."))
            ids = list(queryset.dead().values_list("pk", flat=True))
            count = deed(ids)
            if ids:
                audit.record(request.user, action, Event._meta.verbose_name_plural, events=ids)
            messages.info(request, _("%(count)s events.") % {"count": count})
        except FengsuiError as error:
            messages.error(request, str(error))
