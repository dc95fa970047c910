"""Why a level is what it is, in the words of the reader: numbers of a statement as sentences."""

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from fengsui.warn.naturals.exposure import Hazard

KINDS = {
    "rain": gettext_lazy("Rain"),
    "stage": gettext_lazy("River or reservoir stage"),
    "fire": gettext_lazy("Fire weather"),
    "tailings": gettext_lazy("Tailings pond"),
    "quake": gettext_lazy("Earthquake"),
    "typhoon": gettext_lazy("Typhoon"),
    "warning": gettext_lazy("Public warning"),
}
REACHED = {
    "guarantee": gettext_lazy("the guarantee stage is reached"),
    "near_guarantee": gettext_lazy("close to the guarantee stage"),
    "warning": gettext_lazy("the warning stage is reached"),
    "near_warning": gettext_lazy("close to the warning stage"),
    "": gettext_lazy("below its marks; held until it has stayed so"),
}


def why(hazard: Hazard) -> list[str]:
    """Sentences, the decisive one first."""
    return _SAID[hazard.kind](hazard.why) if hazard.kind in _SAID else []


def _rain(facts: dict[str, Any]) -> list[str]:
    said = []
    if "hours" in facts:
        said.append(
            _("%(fell)s mm in %(hours)s h, at least %(mm)s")
            % {"fell": _n(facts["sums"][str(facts["hours"])]), "hours": facts["hours"], "mm": _n(facts["mm"])}
        )
    sums = " · ".join(f"{hours} h {_n(mm)} mm" for hours, mm in facts["sums"].items())
    return [*said, sums, _read(facts)]


def _stage(facts: dict[str, Any]) -> list[str]:
    marks = _("%(stage)s m; warning stage %(warning)s m, guarantee stage %(guarantee)s m") % {
        "stage": _n(facts["stage_m"]), "warning": _n(facts["warning_m"]), "guarantee": _n(facts["guarantee_m"]),
    }  # fmt: skip
    rise = _("rises %(rise)s m an hour") if facts["rise_m_h"] >= 0 else _("falls %(rise)s m an hour")
    said = [str(REACHED[facts["reached"]]), marks, rise % {"rise": _n(abs(facts["rise_m_h"]))}]
    if facts.get("in_h"):
        said.append(_("reached in %(hours)s h at this rise") % {"hours": _n(facts["in_h"])})
    if facts.get("datum"):
        said.append(_("datum: %(datum)s") % {"datum": facts["datum"]})
    return [*said, _read(facts)]


def _fire(facts: dict[str, Any]) -> list[str]:
    codes = " · ".join(
        f"{name.upper()} {_n(facts[name])}" for name in ("fwi", "ffmc", "dmc", "dc", "isi", "bui")
    )
    weather = _("noon of %(day)s: %(temp)s °C, %(humidity)s %%, wind %(wind)s km/h, rain %(rain)s mm") % {
        "day": facts["day"], "temp": _n(facts["temperature_c"]), "humidity": _n(facts["humidity"]),
        "wind": _n(facts["wind_km_h"]), "rain": _n(facts["rain_mm"]),
    }  # fmt: skip
    return [codes, weather]


def _tailings(facts: dict[str, Any]) -> list[str]:
    chinese = _is_chinese()
    return [
        f"{part['name'] if chinese else part['name_en']} {_n(part['value'])} {part['unit']}".strip()
        for part in sorted(facts["parts"], key=lambda part: part["level"])
    ]


def _quake(facts: dict[str, Any]) -> list[str]:
    at = timezone.localtime(datetime.fromtimestamp(facts["origin_ms"] / 1000, UTC)).strftime(
        "%Y-%m-%d %H:%M:%S"
    )
    said = [_("M %(magnitude)s at %(at)s") % {"magnitude": _n(facts["magnitude"]), "at": at}]
    if facts["depth_km"] is not None:
        said.append(_("depth %(km)s km") % {"km": _n(facts["depth_km"])})
    if facts["status"] != "reviewed":
        said.append(_("not reviewed yet"))
    return [*said, _("intensity is estimated from magnitude and distance")]


def _typhoon(facts: dict[str, Any]) -> list[str]:
    said = [
        _("centre %(lon)s, %(lat)s, wind %(wind)s m/s")
        % {
            "lon": f"{facts['longitude']:.1f}",
            "lat": f"{facts['latitude']:.1f}",
            "wind": _n(facts["wind_m_s"]),
        },
        _("circles of grades 7, 10 and 12 reach %(km)s km")
        % {"km": " / ".join(_n(round(km)) for km in facts["radius_km"])},
    ]
    if facts["estimated"]:
        said.append(_("circles are estimated from the wind"))
    if facts["forecast_by"]:
        said.append(_("forecast: %(by)s") % {"by": facts["forecast_by"]})
    else:
        said.append(_("no forecast: its last motion goes on"))
    return said


_SAID = {
    "rain": _rain, "stage": _stage, "fire": _fire, "tailings": _tailings, "quake": _quake, "typhoon": _typhoon,
}  # fmt: skip


def _read(facts: dict[str, Any]) -> str:
    at = timezone.localtime(datetime.fromtimestamp(facts["at_ms"] / 1000, UTC))
    return _("read at %(at)s") % {"at": at.strftime("%m-%d %H:%M")}


def _n(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def _is_chinese() -> bool:
    return (get_language() or "zh").startswith("zh")
