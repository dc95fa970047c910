"""How values, names, states and durations are written on pages."""

import datetime
import math
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from fengsui.govern.ledger.models import Boundary
from fengsui.show import words
from fengsui.show.portal.templatetags.look import moment
from fengsui.stores import clock
from fengsui.warn.alarms.grounds import by
from fengsui.warn.alarms.models import ALARM_KINDS
from fengsui.warn.calls import channels
from fengsui.warn.cap import message as cap

register = template.Library()
FRESH_BADGE = {"live": "badge-ok", "late": "badge-warn", "stale": "badge-stale", "never": "badge-stale"}
DASH = "—"


@register.filter
def named(row: Any) -> str:
    """The name of a row in the language of the moment."""
    if row is None:
        return ""
    name_en = getattr(row, "name_en", "")
    return str(row.name if (get_language() or "zh").startswith("zh") else name_en or row.name)


@register.filter
def source_name(hazard: Any) -> str:
    """Who says so, in the language of the moment."""
    return str(hazard.source if (get_language() or "zh").startswith("zh") else hazard.source_en)


@register.filter
def term(words: Any) -> str:
    """The words of the language of the moment of ``{"zh": …, "en": …}``."""
    return str(words["zh" if (get_language() or "zh").startswith("zh") else "en"]) if words else ""


@register.filter
def clause(text: str) -> str:
    """A clause as the tables name it, with the mark of what is from memory in the language of the moment."""
    return text.replace("[from memory]", _("[from memory]"))


@register.filter
def points(milli: int) -> str:
    """Thousandths of a point as points, as few decimals as say it exactly."""
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


@register.filter
def hit_name(hit: dict[str, Any]) -> str:
    """``named`` of a search hit."""
    return str(hit["name"] if (get_language() or "zh").startswith("zh") else hit["name_en"] or hit["name"])


@register.filter
def number(value: float | None, decimals: int = 2) -> str:
    """A value with as many decimals as its datastream says; a dash for none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{min(int(decimals), 9)}f}"


@register.filter
def amount(value: float | None) -> str:
    """A count or a rate, thousands apart; a dash for none."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.1f}"


@register.filter
def boundary(name: str) -> str:
    """The name of a boundary of the ledger."""
    return str(Boundary(name).label)


@register.filter
def plain(value: float | None) -> str:
    """A setpoint as it was typed: no trailing zeros."""
    return DASH if value is None else f"{value:.10g}"


@register.filter
def setpoint(row: Any) -> str:
    """The setpoint of a rule or an alarm with its unit: a rate is per second, silence has no setpoint."""
    if row.setpoint is None:
        return DASH
    unit = row.datastream.unit
    return (
        f"{plain(row.setpoint)} {unit}/s" if row.kind == "rate" and unit else f"{plain(row.setpoint)} {unit}"
    )


@register.filter
def duration(ms: int | None) -> str:
    """Milliseconds in the largest units that say it exactly enough."""
    if ms is None:
        return DASH
    seconds = ms / 1000
    if seconds < 120:
        return _("%(n)s s") % {"n": f"{seconds:g}"}
    if seconds < 7200:
        return _("%(n)s min") % {"n": f"{seconds / 60:.4g}"}
    if seconds < 172_800:
        return _("%(n)s h") % {"n": f"{seconds / 3600:.4g}"}
    return _("%(n)s d") % {"n": f"{seconds / 86400:.4g}"}


@register.simple_tag
def moment_ms(at_ms: int | None) -> SafeString:
    """``moment`` of an instant in ms UTC."""
    return moment(None if at_ms is None else datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC))


@register.simple_tag
def fresh(freshness: str) -> SafeString:
    """The badge that says how old data is; never green when it is old."""
    return format_html('<span class="badge {}">{}</span>', FRESH_BADGE[freshness], words.FRESHNESS[freshness])


@register.simple_tag
def alarm_state(state: str) -> SafeString:
    return format_html('<span class="state state-{}">{}</span>', state, words.ALARM_STATES[state])


@register.filter
def lasting(seconds: float | None) -> str:
    """Seconds as ``duration`` says milliseconds."""
    return duration(None if seconds is None else round(seconds) * 1000)


@register.filter
def alarm_kind(kind: str) -> str:
    """The kind of an alarm in words."""
    return str(dict(ALARM_KINDS).get(kind, kind))


@register.filter
def cause(grounds: Any) -> str:
    """Why a scenario rule or detector raised, in a sentence; "" where a limit did."""
    found = by(grounds)
    return found.text if found else ""


@register.filter
def unlocalised(value: float) -> str:
    """A number as HTML and SVG write it, whatever the language."""
    return f"{value:.6g}"


@register.filter
def learnt_from(version: Any) -> str:
    """What a trained version learnt from: a span of history in local time, or the name of a recorded series."""
    begins, ends = (str(version.about.get(key, "")) for key in ("from", "to"))
    try:
        return " – ".join(
            timezone.localtime(datetime.datetime.fromisoformat(text)).strftime("%Y-%m-%d %H:%M")
            for text in (begins, ends)
        )
    except ValueError:
        return begins


@register.filter
def figures(version: Any) -> str:
    """What a trained version is made of, in a line."""
    about = version.about
    parts = [_("%(n)s datastreams judged") % {"n": sum(about["used"])}]
    if "components" in about:
        parts.append(
            _("%(n)s components, %(lags)s past rows") % {"n": about["components"], "lags": about["lags"]}
        )
        parts.append(_("false-alarm budget %(share)s") % {"share": f"{about['alpha']:.0%}"})
    if "ewma" in about:
        parts.append(
            _("EWMA weight %(w)s, width %(l)s; CUSUM slack %(k)s, limit %(h)s")
            % {
                "w": about["ewma"]["weight"],
                "l": about["ewma"]["width"],
                "k": about["cusum"]["slack"],
                "h": about["cusum"]["limit"],
            }
        )
    if "day" in about:
        parts.append(_("%(n)s rows a day") % {"n": about["day"]} if about["day"] else _("no daily course"))
        parts.append(_("risk %(share)s") % {"share": f"{about['risk']:.1%}"})
    return ", ".join(parts)


@register.filter
def share(part: float | None) -> str:
    """A share 0 … 1 in percent."""
    return DASH if part is None else f"{part:.1%}"


@register.filter
def reason(number: int) -> str:
    return words.reason(number)


@register.filter
def quality(number: int) -> str:
    return words.quality(number)


@register.filter
def deed(what: str) -> str:
    return str(words.DEEDS.get(what, what))


@register.filter
def role(name: str) -> str:
    return str(words.ROLES.get(name, name))


@register.filter
def overdue_by(at: datetime.datetime) -> int:
    """Milliseconds since ``at``; negative while it is still to come."""
    return round((clock.now() - at).total_seconds() * 1000)


WARNING_BADGE = {
    "in_force": "badge-warn",
    "cancelled": "badge-ok",
    "cancel": "badge-ok",
    "exercise": "badge-drill",
    "test": "badge-drill",
    "refused": "badge-bad",
}


@register.simple_tag
def warning_state(state: str) -> SafeString:
    """Where a message is in its life; an exercise never looks like the real thing."""
    badge = WARNING_BADGE.get(state, "badge-stale")
    return format_html('<span class="badge {}">{}</span>', badge, words.WARNING_STATES[state])


@register.filter
def warning_deed(what: str) -> str:
    return str(words.WARNING_DEEDS.get(what, what))


@register.filter
def call_channel(name: str) -> str:
    return str(channels.LABELS.get(name, name))


@register.filter
def call_end(why: str) -> str:
    """Why a place is no longer called."""
    return str(words.CALL_ENDS.get(why, why))


@register.simple_tag
def in_language(zh: str, en: str) -> str:
    """One of two texts by the language of the moment."""
    return zh if (get_language() or "zh").startswith("zh") else en or zh


@register.filter
def signature(state: str) -> str:
    return str(words.SIGNATURES.get(state, state))


@register.filter
def cap_word(word: str) -> str:
    """A word of CAP in the language of the moment."""
    term = cap.WORDS.get(word)
    if term is None:
        return word
    return term.zh if (get_language() or "zh").startswith("zh") else term.en
