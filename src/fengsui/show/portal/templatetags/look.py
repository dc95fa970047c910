"""What every template may draw: icons, level marks, a moment with its age, and the scripts of a screen."""

import json
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _
from django_vite.templatetags.django_vite import vite_asset

from fengsui.people.orgs import access

register = template.Library()
ICONS = Path(__file__).resolve().parent.parent / "static" / "icons" / "icons.json"

# A level is always shape + colour + character (blueprint of colours: static/portal/tokens.css).
SHAPES = {
    1: "M8.2 2h7.6L22 8.2v7.6L15.8 22H8.2L2 15.8V8.2z",
    2: "M12 .8 23.2 12 12 23.2.8 12z",
    3: "M2.5 2.5h19v19h-19z",
    4: "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21z",
}
LEVEL_CHARACTER = {1: _("R"), 2: _("O"), 3: _("Y"), 4: _("B")}
LEVEL_NAME = {1: _("Red"), 2: _("Orange"), 3: _("Yellow"), 4: _("Blue")}

# (heading, its entries: address, words, icon, action that must be allowed somewhere for it to show; "" = everybody)
MENU = (
    (
        _("On duty"),
        (
            ("/desk/", _("Duty desk"), "desk", ""),
            ("/alarms/", _("Alarms"), "alarm", "alarm.view"),
            ("/warnings/", _("Warnings"), "sound", "warning.view"),
            ("/calls/", _("Call and confirm"), "check", "call.view"),
            ("/loops/", _("Loops"), "loop", "loop.view"),
        ),
    ),
    (
        _("Risk"),
        (
            ("/risk/", _("Live risk"), "layers", "risk.view"),
            ("/natural/", _("Natural hazards"), "air", "natural.view"),
            ("/hazards/", _("Major hazards"), "pin", "hazard.view"),
            ("/commitments/", _("Safety commitments"), "check", "commitment.view"),
            ("/patrols/", _("Online patrols"), "search", "patrol.view"),
            ("/reports/", _("Trend reports"), "file", "report.view"),
            ("/rules/", _("Rules"), "rule", "rule.view"),
            ("/scenarios/", _("Scenario rules"), "link", "rule.view"),
            ("/detectors/", _("Detectors"), "chart", "detector.view"),
            ("/scorecards/", _("Scorecards"), "chart", "alarm.view"),
        ),
    ),
    (
        _("Sensing"),
        (
            ("/sites/", _("Sites"), "site", "site.view"),
            ("/cameras/", _("Cameras"), "camera", "video.view"),
            ("/units/", _("Moving units"), "target", "unit.view"),
            ("/media/", _("Pictures and recordings"), "file", "media.view"),
            ("/unmapped/", _("Unmapped codes"), "link", "device.edit"),
        ),
    ),
    (
        _("Data and people"),
        (
            ("/quarantine/", _("Quarantine"), "quarantine", "quarantine.view"),
            ("/ledger/", _("Loss ledger"), "ledger", "ledger.view"),
            ("/orgs/", _("Organisations"), "org", "org.view"),
            ("/audit/", _("Audit"), "audit", "audit.view"),
        ),
    ),
)
BAR = (
    "/desk/",
    "/alarms/",
    "/warnings/",
    "/loops/",
    "/risk/",
    "/sites/",
)  # in sight on a desk; and where one is


@lru_cache
def _icons() -> dict[str, list[str]]:
    return json.loads(ICONS.read_text())


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """The line icon ``name`` of static/icons/icons.json; hidden from screen readers unless it has a ``label``."""
    paths = format_html_join("", '<path d="{}"/>', ((d,) for d in _icons()[name]))
    if label:
        return format_html(
            '<svg class="icon" viewBox="0 0 24 24" role="img" aria-label="{}">{}</svg>', label, paths
        )
    return format_html('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', paths)


@register.simple_tag
def level(number: int, words: bool = False) -> SafeString:
    """The mark of level 1 to 4: shape, colour and character; with ``words`` its name beside it."""
    number = int(number)
    mark = format_html(
        '<svg class="mark mark-{}" viewBox="0 0 24 24" role="img" aria-label="{}"><path d="{}"/>'
        '<text x="12" y="16.5" text-anchor="middle">{}</text></svg>',
        number,
        LEVEL_NAME[number],
        SHAPES[number],
        LEVEL_CHARACTER[number],
    )
    if not words:
        return mark
    return format_html(
        '<span class="level level-{}">{}<span>{}</span></span>', number, mark, LEVEL_NAME[number]
    )


@register.simple_tag
def moment(at: datetime | None, age: bool = True) -> SafeString:
    """``2026-11-23 20:41:07`` in local time, with its age beside it; a dash for None."""
    if at is None:
        return mark_safe('<span class="faint">—</span>')
    clock = timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S")
    iso = at.isoformat()
    if not age:
        return format_html('<time datetime="{}">{}</time>', iso, clock)
    return format_html(
        '<span class="moment"><time datetime="{}">{}</time> <span class="age" data-age="{}">{}</span></span>',
        iso,
        clock,
        iso,
        age_words((timezone.now() - at).total_seconds()),
    )


def age_words(seconds: float) -> str:
    """How long ago, in the largest unit that is at least one."""
    seconds = max(0, int(seconds))
    if seconds < 60:
        return ngettext("%(n)d second ago", "%(n)d seconds ago", seconds) % {"n": seconds}
    if seconds < 3600:
        return ngettext("%(n)d minute ago", "%(n)d minutes ago", seconds // 60) % {"n": seconds // 60}
    if seconds < 86400:
        return ngettext("%(n)d hour ago", "%(n)d hours ago", seconds // 3600) % {"n": seconds // 3600}
    return ngettext("%(n)d day ago", "%(n)d days ago", seconds // 86400) % {"n": seconds // 86400}


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> list[dict[str, object]]:
    """What this person may open, group by group, the current page marked; those with ``bar`` stand in the top bar."""
    request: HttpRequest | None = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return []
    groups: list[dict[str, object]] = []
    for heading, members in MENU:
        entries = [
            {
                "href": href,
                "words": words,
                "icon": name,
                "here": (here := request.path.startswith(href)),
                "bar": here or href in BAR,
            }
            for href, words, name, action in members
            if not action or access.paths_where(user, action)
        ]
        if entries:
            groups.append({"heading": heading, "entries": entries})
    return groups


@register.simple_tag
def other_language() -> dict[str, str]:
    """The language one click away: its code and its own name."""
    if (get_language() or settings.LANGUAGE_CODE).startswith("zh"):
        return {"code": "en", "name": "English"}
    return {"code": "zh-hans", "name": "中文"}


@register.simple_tag
def html_language() -> str:
    """The BCP 47 tag for <html lang>."""
    return "zh-Hans" if (get_language() or settings.LANGUAGE_CODE).startswith("zh") else "en"


@register.simple_tag
def screen(name: str) -> SafeString:
    """Script and style tags of ``web/src/screens/<name>/main.ts``; nothing when the front end was not built,
    so that every page still works (pages need no JavaScript; a screen's template says what is missing).
    """
    path = f"src/screens/{name}/main.ts"
    return vite_asset(path) if is_built() else SafeString("")


@register.simple_tag
def is_built() -> bool:
    """True when Vite's output is there."""
    return Path(settings.DJANGO_VITE["default"]["manifest_path"]).is_file()
