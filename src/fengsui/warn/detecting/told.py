"""Why a detector raised an alarm, in both languages, as it is kept with the alarm (``warn.alarms.grounds``)."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from fengsui.sense.devices.models import Datastream
from fengsui.warn.detecting.models import Finding

LANGUAGES = {"cause": "zh-hans", "cause_en": "en"}


def grounds(finding: Finding) -> dict[str, Any]:
    """The grounds of the alarm that ``finding`` is, as it stands now; it may be not stored yet."""
    detector = finding.detector
    said = {
        "detector": detector.pk, "version": finding.version, "name": detector.name,
        "name_en": detector.name_en or detector.name,
    }  # fmt: skip
    text = _words(finding)
    for name, language in LANGUAGES.items():
        with override(language):
            said[name] = text(language == "en")
    return said


def _words(finding: Finding) -> Callable[[bool], str]:
    """What to say in the language of the moment; it is given whether that is English."""
    parts = finding.parts
    if finding.kind != "truth":
        first = Datastream.objects.filter(pk=parts[0]["datastream"]).first() if parts else None
        return lambda english: _of_unit(finding, first, english)
    if len(parts) > 1 and all("datastream" in part for part in parts):
        return lambda _english: (
            _(
                "%(n)s instruments of the unit are not believed at once: it stands still, or what sends them repeats"
                " itself."
            )
            % {"n": len(parts)}
        )
    return lambda english: (
        _("What %(name)s says is not believed: its truth score fell to %(n)s of 100.")
        % {"name": _named(finding.datastream, english), "n": f"{finding.peak:.0f}"}
    )


def _of_unit(finding: Finding, first: Datastream | None, english: bool) -> str:
    said = _("The unit is not as in normal operation: %(n)s times the limit.") % {"n": f"{finding.peak:.1f}"}
    if first is None:
        return said
    more = _("Most of it is the doing of %(name)s (%(share)s).") % {
        "name": _named(first, english), "share": f"{finding.parts[0]['share']:.0%}",
    }  # fmt: skip
    return f"{said} {more}" if english else said + more


def _named(stream: Datastream, english: bool) -> str:
    return (stream.name_en or stream.name) if english else stream.name
