"""Forms of the pages.  What is allowed is decided by the services; a form only carries what was typed."""

import datetime
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from fengsui.base.errors import FengsuiError
from fengsui.sense.devices.models import Datastream
from fengsui.show.words import problem, say
from fengsui.warn.alarms.models import Kind, Priority, Rule
from fengsui.warn.rules import BadRule

NUMBERS = ("setpoint", "deadband")
SECONDS = ("on_delay", "off_delay", "window")  # typed in seconds, kept in milliseconds


class RuleForm(forms.Form):
    """Everything of a rule that people may change.  Durations are typed in seconds."""

    kind = forms.ChoiceField(label=_("Kind"), choices=Kind.choices)
    setpoint = forms.FloatField(label=_("Setpoint"), required=False)
    deadband = forms.FloatField(label=_("Deadband"), required=False)
    on_delay = forms.FloatField(label=_("On-delay, seconds"), required=False)
    off_delay = forms.FloatField(label=_("Off-delay, seconds"), required=False)
    window = forms.FloatField(
        label=_("Window, seconds"), required=False, help_text=_("For rate of change, frozen and silent.")
    )
    priority = forms.ChoiceField(label=_("Level"), choices=Priority.choices)
    is_enabled = forms.BooleanField(label=_("In force"), required=False)
    basis = forms.CharField(
        label=_("Basis"),
        required=False,
        max_length=200,
        help_text=_("Where the number comes from: standard and clause."),
    )
    reason = forms.CharField(label=_("Reason for the change"), max_length=200)
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, max_value=2**31 - 1)

    def __init__(
        self, data: Any = None, *, rule: Rule | None = None, datastream: Datastream | None = None
    ) -> None:
        initial = _typed(rule) if rule else {"is_enabled": True, "priority": Priority.YELLOW, "deadband": 0}
        super().__init__(data, initial=initial)
        if rule is not None:
            del self.fields["kind"]
        self.unit = (rule.datastream if rule else datastream).unit  # type: ignore[union-attr]
        for name, field in self.fields.items():
            if not isinstance(field.widget, forms.HiddenInput):
                field.widget.attrs["aria-describedby"] = f"id_{name}-error"

    def values(self) -> dict[str, Any]:
        """As the service takes them."""
        cleaned = self.cleaned_data
        values: dict[str, Any] = {name: cleaned[name] for name in ("setpoint", "basis")}
        values["deadband"] = cleaned["deadband"] or 0
        for name in SECONDS:
            values[f"{name}_ms"] = round((cleaned[name] or 0) * 1000)
        return values | {"priority": int(cleaned["priority"]), "is_enabled": cleaned["is_enabled"]}

    def refuse(self, error: FengsuiError) -> None:
        """Show a service's refusal at the fields it speaks of."""
        if not isinstance(error, BadRule):
            self.add_error(None, say(error))
            return
        for found in error.problems:
            name = found.field.removesuffix("_ms")
            self.add_error(name if name in self.fields else None, problem(found))


class CorrectionForm(forms.Form):
    """What to change of held readings before they are sent again; what is left empty stays as it was sent."""

    value = forms.FloatField(label=_("Value"), required=False)
    time = forms.DateTimeField(
        label=_("Time"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
    )
    shift = forms.FloatField(
        label=_("Shift the time by seconds"),
        required=False,
        min_value=-(10**9),
        max_value=10**9,
        help_text=_("For a clock that was wrong: 28800 is eight hours later."),
    )
    unit = forms.CharField(label=_("Unit in which it was sent"), required=False, max_length=20)
    datastream = forms.IntegerField(label=_("Datastream"), required=False, max_value=2**31 - 1)
    note = forms.CharField(label=_("Note"), required=False, max_length=300)

    def offer(self, streams: Iterable[Datastream]) -> None:
        """Let the datastream be chosen from those of the site."""
        choices = [("", "—"), *((s.pk, f"{s.code} {s.name}") for s in streams)]
        self.fields["datastream"].widget = forms.Select(choices=choices)

    def correction(self) -> dict[str, Any]:
        """The fields of ``quarantine.services.Correction``."""
        cleaned = self.cleaned_data
        return {
            "value": cleaned["value"],
            "time": cleaned["time"],
            "shift": datetime.timedelta(seconds=cleaned["shift"] or 0),
            "datastream_id": cleaned["datastream"],
            "unit": cleaned["unit"],
        }


def _typed(rule: Rule) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: getattr(rule, name) for name in (*NUMBERS, "priority", "is_enabled", "basis")
    }
    for name in SECONDS:
        seconds = getattr(rule, f"{name}_ms") / 1000
        values[name] = int(seconds) if seconds == int(seconds) else seconds
    return values | {"version": rule.version}
