"""Forms of the pages.  What is allowed is decided by the services; a form only carries what was typed."""

import datetime
import json
import re
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from fengsui.base.errors import FengsuiError
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream
from fengsui.sense.moving.models import UnitKind
from fengsui.show.words import problem, say
from fengsui.warn.alarms.models import Kind, Priority, Rule
from fengsui.warn.fences.models import ANYWHERE, Fence, RoadClass, ShapeKind, What
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


_SPAN = re.compile(r"([1-7])(?:-([1-7]))?\s+(\d\d:\d\d)\s*-\s*(\d\d:\d\d)")


class FenceForm(forms.Form):
    """A fence as it is typed or drawn; ``values`` are as the service takes them."""

    org = forms.ModelChoiceField(queryset=Org.objects.none(), label=_("Organisation"))
    name = forms.CharField(label=_("Name"), max_length=80)
    name_en = forms.CharField(label=_("Name in English"), max_length=80, required=False)
    shape = forms.ChoiceField(label=_("Form"), choices=ShapeKind.choices)
    radius_m = forms.FloatField(
        label=_("Radius, metres"), required=False, help_text=_("Of a circle, or to each side of a corridor.")
    )
    geometry = forms.CharField(
        label=_("Geometry"),
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_(
            "GeoJSON in WGS 84, longitude first: Polygon, Point or LineString. Draw it on the map or paste it."
        ),
    )
    road_class = forms.ModelChoiceField(
        queryset=RoadClass.objects.all(), label=_("Class of road"), required=False
    )
    valid_from = forms.DateTimeField(
        label=_("In force from"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    valid_until = forms.DateTimeField(
        label=_("In force until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    weekly = forms.CharField(
        label=_("Hours of the week"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One span a line, 1 is Monday: 1-5 08:00-18:00. Empty: always."),
    )
    is_active = forms.BooleanField(label=_("In force"), required=False)

    def __init__(self, data: Any = None, *, orgs: Any, fence: Fence | None = None) -> None:
        initial = (
            _drawn(fence) if fence else {"is_active": True, "shape": ShapeKind.POLYGON, "org": orgs.first()}
        )
        super().__init__(data, initial=initial)
        self.fields["org"].queryset = orgs
        if fence is not None:
            del self.fields["org"]
        for name, field in self.fields.items():
            field.widget.attrs["aria-describedby"] = f"id_{name}-error"

    def clean_geometry(self) -> Any:
        try:
            return json.loads(self.cleaned_data["geometry"])
        except ValueError as error:
            raise forms.ValidationError(_("This is not JSON.")) from error

    def clean_weekly(self) -> list[list[Any]]:
        out: list[list[Any]] = []
        for line in filter(None, map(str.strip, self.cleaned_data["weekly"].splitlines())):
            found = _SPAN.fullmatch(line)
            if found is None:
                raise forms.ValidationError(_("Write each line as 1-5 08:00-18:00."))
            first, last = int(found[1]), int(found[2] or found[1])
            out += [[day, found[3], found[4]] for day in range(first, last + 1)]
        return out

    def values(self) -> dict[str, Any]:
        """As the service takes them."""
        cleaned = self.cleaned_data
        names = (
            "name",
            "name_en",
            "shape",
            "radius_m",
            "geometry",
            "valid_from",
            "valid_until",
            "weekly",
            "is_active",
        )
        road = cleaned["road_class"]
        return {name: cleaned[name] for name in names} | {"road_class_id": road.pk if road else None}


class FenceRuleForm(forms.Form):
    """A rule of a fence.  Durations are typed in seconds."""

    what = forms.ChoiceField(label=_("What must not happen"), choices=What.choices)
    limit = forms.FloatField(
        label=_("Limit"), required=False, min_value=0,
        help_text=_("km/h, seconds stopped or silent, or metres inside that count."),
    )  # fmt: skip
    deadband = forms.FloatField(
        label=_("Deadband"), required=False, min_value=0,
        help_text=_("Metres or km/h that the way back must exceed; empty: as usual."),
    )  # fmt: skip
    on_delay = forms.FloatField(label=_("On-delay, seconds"), required=False, min_value=0)
    off_delay = forms.FloatField(label=_("Off-delay, seconds"), required=False, min_value=0)
    priority = forms.ChoiceField(label=_("Level"), choices=Priority.choices, initial=Priority.YELLOW)
    unit_kinds = forms.MultipleChoiceField(
        label=_("Only kinds of units"), choices=UnitKind.choices, required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip

    def __init__(self, data: Any = None, *, has_fence: bool = True) -> None:
        super().__init__(data)
        self.fields["what"].choices = [c for c in What.choices if has_fence or c[0] in ANYWHERE]

    def values(self) -> dict[str, Any]:
        """As the service takes them; what was left empty is as usual for its kind."""
        cleaned = self.cleaned_data
        values: dict[str, Any] = {"priority": int(cleaned["priority"]), "unit_kinds": cleaned["unit_kinds"]}
        for name in ("limit", "deadband"):
            if cleaned[name] is not None:
                values[name] = cleaned[name]
        for name in ("on_delay", "off_delay"):
            if cleaned[name] is not None:
                values[f"{name}_ms"] = round(1000 * cleaned[name])
        return values


def _drawn(fence: Fence) -> dict[str, Any]:
    names = ("name", "name_en", "shape", "radius_m", "road_class", "valid_from", "valid_until", "is_active")
    lines = [f"{day} {begin}-{end}" for day, begin, end in fence.weekly]
    return {name: getattr(fence, name) for name in names} | {
        "geometry": json.dumps(fence.geometry),
        "weekly": "\n".join(lines),
    }
