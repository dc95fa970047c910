"""The form of a warning's draft.  What is allowed is decided by the services; it only carries what was typed.

Places are typed longitude first, as everywhere in the platform: ``111.30,30.70 111.40,30.70 111.40,30.80``, one polygon
a line; ``111.30,30.70 2.5`` is a circle of 2.5 km.
"""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from fengsui.base.errors import FengsuiError
from fengsui.show.words import say
from fengsui.warn.cap import message as cap
from fengsui.warn.cap.shapes import write_number
from fengsui.warn.warnings import content
from fengsui.warn.warnings.models import LEVELS, Issuer, Warning

STATUSES = [("Actual", _("Actual")), ("Exercise", _("Exercise")), ("Test", _("Test"))]
MOMENTS = ("onset_at", "expires_at")


def _term(word: str) -> str:
    term = cap.WORDS[word]
    return term.zh if (get_language() or "zh").startswith("zh") else term.en


def _choices(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(word, _term(word)) for word in words]


def _moment() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


def _long(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class WarningForm(forms.Form):
    """Everything of a draft.  ``divisions`` are those to choose from: (code, name)."""

    issuer = forms.ModelChoiceField(Issuer.objects.none(), label=_("Issuer"), empty_label=None)
    level = forms.TypedChoiceField(label=_("Level"), choices=LEVELS, coerce=int)
    event_type = forms.ChoiceField(label=_("Event"))
    status = forms.ChoiceField(label=_("Meant as"), choices=STATUSES)
    onset_at = forms.DateTimeField(label=_("Begins"), required=False, widget=_moment())
    expires_at = forms.DateTimeField(label=_("Expires"), required=False, widget=_moment())
    urgency = forms.ChoiceField(label=_("Urgency"))
    certainty = forms.ChoiceField(label=_("Certainty"))
    headline = forms.CharField(label=_("Headline"), required=False, max_length=160)
    description = forms.CharField(label=_("What happens"), required=False, widget=_long(4))
    responses = forms.MultipleChoiceField(
        label=_("What to do, in one word"), required=False, widget=forms.CheckboxSelectMultiple
    )
    instruction = forms.CharField(label=_("What people should do"), required=False, widget=_long(4))
    area_desc = forms.CharField(label=_("Area in words"), required=False, max_length=400)
    divisions = forms.MultipleChoiceField(label=_("Divisions"), required=False)
    division_codes = forms.CharField(
        label=_("Other division codes"),
        required=False,
        help_text=_("6, 9 or 12 digits, separated by blanks."),
    )
    polygons = forms.CharField(
        label=_("Polygons"),
        required=False,
        widget=_long(3),
        help_text=_("One a line: longitude,latitude longitude,latitude … The ring is closed by itself."),
    )
    circles = forms.CharField(
        label=_("Circles"),
        required=False,
        widget=_long(2),
        help_text=_("One a line: longitude,latitude radius in kilometres."),
    )
    contact = forms.CharField(label=_("Contact"), required=False, max_length=200)
    web = forms.CharField(label=_("Web address"), required=False, max_length=200)
    note = forms.CharField(
        label=_("Note"), required=False, max_length=400, help_text=_("For an exercise: which one it is.")
    )
    headline_en = forms.CharField(label=_("Headline in English"), required=False, max_length=160)
    description_en = forms.CharField(label=_("What happens, in English"), required=False, widget=_long(3))
    instruction_en = forms.CharField(
        label=_("What people should do, in English"), required=False, widget=_long(3)
    )
    area_desc_en = forms.CharField(label=_("Area in English"), required=False, max_length=400)
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, max_value=2**31 - 1)

    def __init__(
        self,
        data: Any = None,
        *,
        issuers: Any,
        divisions: list[tuple[str, str]],
        warning: Warning | None = None,
        initial: dict[str, Any] | None = None,
    ) -> None:
        first = {"status": "Actual", "level": 3, "urgency": "Expected", "certainty": "Likely"}
        known = {code for code, _name in divisions}
        held = typed(warning.content, known) | _row(warning) if warning else typed(initial or {}, known)
        super().__init__(data, initial=first | (initial or {} if warning is None else {}) | held)
        if warning is None:
            issuer_field: Any = self.fields["issuer"]
            issuer_field.queryset = issuers
        else:
            del self.fields["issuer"]
        if warning is not None and warning.msg_type == "Cancel":
            for name in ("responses", "urgency", "certainty", "onset_at"):
                del self.fields[name]
        kinds = content.event_kinds().values()
        chinese = (get_language() or "zh").startswith("zh")
        self._choose(
            "event_type", [("", "—"), *((k.code, f"{k.zh if chinese else k.en} {k.code}") for k in kinds)]
        )
        self._choose("urgency", _choices(cap.URGENCIES))
        self._choose("certainty", _choices(cap.CERTAINTIES))
        self._choose("responses", _choices(cap.RESPONSES))
        self._choose("divisions", divisions)
        for name, field in self.fields.items():
            if not isinstance(field.widget, forms.HiddenInput | forms.CheckboxSelectMultiple):
                field.widget.attrs["aria-describedby"] = f"id_{name}-error"

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        if name in self.fields:
            field: Any = self.fields[name]
            field.choices = choices

    def clean_polygons(self) -> list[list[tuple[float, float]]]:
        rings = []
        for number, line in enumerate(str(self.cleaned_data["polygons"]).splitlines(), 1):
            if line.strip():
                rings.append([_pair(part, number) for part in line.split()])
        return rings

    def clean_circles(self) -> list[tuple[float, float, float]]:
        found = []
        for number, line in enumerate(str(self.cleaned_data["circles"]).splitlines(), 1):
            parts = line.split()
            if not parts:
                continue
            if len(parts) != 2:
                raise forms.ValidationError(_("Line %(n)s: longitude,latitude radius") % {"n": number})
            lon, lat = _pair(parts[0], number)
            found.append((lon, lat, _number(parts[1], number)))
        return found

    def values(self) -> dict[str, Any]:
        """As the services take them."""
        cleaned = dict(self.cleaned_data)
        more = cleaned.pop("division_codes", "").replace(",", " ").replace("，", " ").split()
        cleaned["divisions"] = [*cleaned.get("divisions", ()), *more]
        for name in ("issuer", "version"):
            cleaned.pop(name, None)
        return cleaned

    def refuse(self, error: FengsuiError) -> None:
        self.add_error(None, say(error))


def typed(values: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Content as it is typed."""
    found = dict(values)
    found["polygons"] = "\n".join(
        " ".join(f"{write_number(lon)},{write_number(lat)}" for lon, lat in ring)
        for ring in values.get("polygons", ())
    )
    found["circles"] = "\n".join(
        f"{write_number(lon)},{write_number(lat)} {write_number(km)}"
        for lon, lat, km in values.get("circles", ())
    )
    codes = list(values.get("divisions", ()))
    found["divisions"] = [code for code in codes if code in known]
    found["division_codes"] = " ".join(code for code in codes if code not in known)
    return found


def _row(warning: Warning) -> dict[str, Any]:
    names = ("level", "event_type", "status", *MOMENTS, "version")
    return {
        name: timezone.localtime(value) if name in MOMENTS and value else value
        for name in names
        for value in [getattr(warning, name)]
    }


def _pair(text: str, line: int) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise forms.ValidationError(_("Line %(n)s: longitude,latitude") % {"n": line})
    return _number(parts[0], line), _number(parts[1], line)


def _number(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e6 < value < 1e6:
        raise forms.ValidationError(_("Line %(n)s: “%(text)s” is no number") % {"n": line, "text": text[:20]})
    return value
