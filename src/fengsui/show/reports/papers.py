"""A trend report in words: blocks (headings, tables, pictures) from its figures, and the blocks as PDF and Word.

The page of a report shows the same blocks, so that screen and paper say the same.
"""

import base64
import datetime
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typst
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from fengsui.sense.conform.pdf import chinese_font
from fengsui.show.reports import drawing
from fengsui.show.reports.errors import BadTemplate
from fengsui.show.reports.models import Period
from fengsui.show.reports.word import STANDARD

TEMPLATE = Path(__file__).with_name("trend.typ")
WORD_PROGRAM = "fengsui.show.reports.word"
WORD_CPU_SECONDS, WORD_SECONDS = 20, 120  # time of a core; whatever else the machine does
DASH = "—"
PNG_PPI = 200

Block = dict[str, Any]


def title(figures: dict[str, Any], language: str) -> str:
    """The organisation, the kind of report and its span."""
    with translation.override(language):
        return f"{_named(figures['org'])} {_period(figures['period'])} {_span(figures)}"


def blocks(
    figures: dict[str, Any], language: str, outlines: Sequence[Any] = (), font: str = "sans-serif"
) -> list[Block]:
    """What a report says, from top to bottom."""
    with translation.override(language):
        return [
            _about(figures),
            _heading(_("In short")), *_short(figures),
            _heading(_("Figures, beside the span before")), _figures(figures),
            _heading(_("Alarms")), _alarm_chart(figures, font),
            _heading(_("By county")), *_counties(figures),
            _heading(_("Sites by risk")), _levels(figures), _map(figures, outlines, font),
            _heading(_("The highest risks")), _worst(figures),
            _heading(_("What changed, and why")), *_changed(figures),
        ]  # fmt: skip


def pdf(
    figures: dict[str, Any], language: str, outlines: Sequence[Any], folders: Sequence[Path] = ()
) -> bytes:
    """Raises NoFont."""
    font = chinese_font(folders)
    shown = {
        "font": font, "lang": "zh" if language.startswith("zh") else "en", "title": title(figures, language),
        "foot": _foot(figures),
        "blocks": blocks(figures, language, outlines, font),
    }  # fmt: skip
    return bytes(_set(TEMPLATE.read_bytes(), "pdf", folders, report=json.dumps(shown, ensure_ascii=False)))


def word(
    figures: dict[str, Any],
    language: str,
    outlines: Sequence[Any],
    folders: Sequence[Path] = (),
    template: bytes | None = None,
) -> bytes:
    """The same as a Word file from ``template``, else from the standard one; pictures as PNG.

    Raises NoFont; BadTemplate, which names the fault.
    """
    font = chinese_font(folders)
    made = blocks(figures, language, outlines, font)
    for block in made:
        if block["kind"] == "picture":
            block["png"] = base64.b64encode(png(block.pop("svg"), folders)).decode()
    with translation.override(language):
        context = {
            "title": title(figures, language), "org": _named(figures["org"]), "period": _period(figures["period"]),
            "span": _span(figures), "made": _instant(figures["made"]), "foot": _foot(figures), "blocks": made,
            "figures": figures,
        }  # fmt: skip
    return fill(STANDARD.read_bytes() if template is None else template, context, figures["made"])


def fill(template: bytes, context: dict[str, Any], made: str) -> bytes:
    """Have a Word template filled by a process of its own.  Raises BadTemplate."""
    asked = {
        "template": base64.b64encode(template).decode(), "context": context, "made": made, "seconds": WORD_CPU_SECONDS,
    }  # fmt: skip
    command = [sys.executable, "-I", "-m", WORD_PROGRAM]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=WORD_SECONDS,
            cwd="/",
            env={},
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        answer = {}
    if "docx" in answer:
        return base64.b64decode(answer["docx"])
    raise BadTemplate(_fault(**{"fault": "too_much", "part": "", "near": "", "said": ""} | answer))


def _fault(fault: str, part: str, near: str, said: str) -> str:
    """What is wrong with a template, where, and what to do."""
    what = {
        "not_word": _("This is no Word document (.docx). Save the template in Word as “Word document”."),
        "too_large": _("Unpacked the template is larger than 100 MB. Take large pictures out."),
        "live": _("The template holds a macro or an embedded object. Take it out."),
        "outside": _("The template fetches something from elsewhere. Embed pictures, and detach other templates."),
        "no_field": _("The template names no field of the report, so nothing of it would be in the file. Begin with the standard template."),  # noqa: E501
        "syntax": _("A field or instruction is not written right."),
        "unknown_name": _("The template names something that a report does not have."),
        "forbidden": _("The template asks for something that a template may not do."),
        "broken": _("Filled in, the document is not whole: “for” and “endfor”, “if” and “endif” stand in different paragraphs, rows or cells than they should."),  # noqa: E501
        "too_much": _("Filling the template took too much time or memory."),
        "failed": _("The template cannot be filled."),
    }[fault]  # fmt: skip
    parts = {"body": _("text"), "header": _("header"), "footer": _("footer"), "footnotes": _("footnotes")}
    where = [parts.get(part, part), f"“{near}”" if near else ""]
    more = " ".join(one for one in where if one)
    return " ".join(one for one in (what, f"[{more}]" if more else "", said) if one)


def png(svg: str, folders: Sequence[Path] = ()) -> bytes:
    """A picture of a report, drawn by typst."""
    page = (
        b"#set page(width: 180mm, height: auto, margin: 2mm)\n"
        b'#image(bytes(sys.inputs.svg), format: "svg", width: 100%)\n'
    )
    return bytes(_set(page, "png", folders, svg=svg))


def _set(source: bytes, form: Any, folders: Sequence[Path], **inputs: str) -> Any:
    fonts = typst.Fonts(font_paths=[str(one) for one in folders])
    more: dict[str, Any] = {"ppi": PNG_PPI} if form == "png" else {}
    return typst.compile(source, format=form, font_paths=fonts, sys_inputs=inputs, **more)


# ---- the parts ----------------------------------------------------------------------------------------------------


def _about(figures: dict[str, Any]) -> Block:
    said = _("Made %(at)s from the records of this platform; %(n)s sites.")
    words = said % {"at": _instant(figures["made"]), "n": figures["sites"]}
    own = _("The risk index is this platform's own (%(weights)s).") % {"weights": figures["weights"]}
    return _text(f"{words} {own}", small=True)


def _short(figures: dict[str, Any]) -> list[Block]:
    now, before, risk = figures["now"], figures["before"], figures["risk"]
    said = [
        _("%(n)s alarms were raised (%(change)s against the span before), %(red)s of them red.")
        % {
            "n": now["alarms_all"],
            "change": _signed(now["alarms_all"] - before["alarms_all"]),
            "red": now["alarms"][0],
        },
        _("Commitments: %(given)s of %(obliged)s site-days, %(missing)s missing.")
        % {
            "given": now["commitments"]["given"] + now["commitments"]["late"],
            "obliged": now["commitments"]["obliged"],
            "missing": now["commitments"]["missing"],
        },
        _("Patrols: %(done)s at %(covered)s sites, %(found)s findings, %(overdue)s answers overdue.")
        % {
            "done": now["patrols"]["done"],
            "covered": now["patrols"]["covered"],
            "found": now["patrols"]["findings"],
            "overdue": now["patrols"]["overdue"],
        },
        _(
            "Risk: a colour up %(up)s times, down %(down)s times; at the end %(red)s sites are red, %(orange)s orange."
        )
        % {"up": risk["up"], "down": risk["down"], "red": risk["levels"][0], "orange": risk["levels"][1]},
    ]
    if figures["worst"]:
        top = figures["worst"][0]
        why = ", ".join(f"{_term(one)} {_points(one['milli'])}" for one in top["why"])
        said.append(
            _("Highest: %(site)s with %(index)s points: %(why)s.")
            % {"site": _named(top), "index": _points(top["index"]), "why": why or DASH}
        )
    return [_text(one) for one in said]


def _figures(figures: dict[str, Any]) -> Block:
    now, before = figures["now"], figures["before"]
    levels = (_("red"), _("orange"), _("yellow"), _("blue"))
    rows = [[_("Alarms"), *_pair(now["alarms_all"], before["alarms_all"])]]
    rows += [
        [_("Alarms, %(level)s") % {"level": levels[n]}, *_pair(now["alarms"][n], before["alarms"][n])]
        for n in range(4)
    ]
    rows += [
        [_("Acknowledged"), *_pair(now["acked"], before["acked"])],
        [_("Time to acknowledge, median"), _time(now["median_ack_s"]), _time(before["median_ack_s"]), DASH],
        [_("Time to acknowledge, nine of ten"), _time(now["p90_ack_s"]), _time(before["p90_ack_s"]), DASH],
        [_("On-line rate of measurements"), _share(now["online"]), _share(before["online"]), DASH],
        [
            _("Commitment rate"),
            _share(now["commitments"]["rate"]),
            _share(before["commitments"]["rate"]),
            DASH,
        ],
        [_("Commitments missing"), *_pair(now["commitments"]["missing"], before["commitments"]["missing"])],
        [_("Commitments given late"), *_pair(now["commitments"]["late"], before["commitments"]["late"])],
        [_("Patrols"), *_pair(now["patrols"]["done"], before["patrols"]["done"])],
        [_("Findings of patrols"), *_pair(now["patrols"]["findings"], before["patrols"]["findings"])],
        [_("Findings closed"), *_pair(now["patrols"]["closed"], before["patrols"]["closed"])],
    ]
    return _table([_("Figure"), _("This span"), _("Span before"), _("Moved by")], rows, (1, 2, 3))


def _alarm_chart(figures: dict[str, Any], font: str) -> Block:
    words = ", ".join(f"{label}: {sum(counts)}" for label, *counts in figures["days"])
    alt = (
        _("Alarms by day and level: %(what)s")
        if figures["period"] != "day"
        else _("Alarms by hour and level: %(what)s")
    )
    return {"kind": "picture", "svg": drawing.bars(figures["days"], font), "alt": alt % {"what": words}}


def _counties(figures: dict[str, Any]) -> list[Block]:
    rows = [
        [_named(one) or DASH, str(one["alarms"]), str(one["acked"]), _time(one["median_ack_s"]), _share(one["flood"]),
         str(one["stale"]), str(one["real"]), str(one["false"])]
        for one in figures["counties"]
    ]  # fmt: skip
    if not rows:
        return [_text(_("No alarm in any county."))]
    head = [
        _("County"),
        _("Alarms"),
        _("Acknowledged"),
        _("Median"),
        _("Time in flood"),
        _("Longer than 24 hours"),
        _("Real"),
        _("False"),
    ]
    return [_table(head, rows, tuple(range(1, 8)))]


def _levels(figures: dict[str, Any]) -> Block:
    risk = figures["risk"]
    head = [_("Sites"), _("Red"), _("Orange"), _("Yellow"), _("Blue")]
    rows = [
        [_("at the end"), *map(str, risk["levels"])],
        [_("at the beginning"), *map(str, risk["levels_before"])],
    ]
    return _table(head, rows, (1, 2, 3, 4))


def _map(figures: dict[str, Any], outlines: Sequence[Any], font: str) -> Block:
    chinese = (translation.get_language() or "zh").startswith("zh")
    sites = [[lon, lat, level, zh if chinese else en] for lon, lat, level, zh, en in figures["map"]]
    red, orange = (sum(one[2] == n for one in sites) for n in (1, 2))
    alt = _("Map of the sites by risk: %(red)s red, %(orange)s orange of %(n)s")
    return {
        "kind": "picture",
        "svg": drawing.site_map(sites, outlines, font),
        "alt": alt % {"red": red, "orange": orange, "n": len(sites)},
    }


def _worst(figures: dict[str, Any]) -> Block:
    rows = [
        [_named(one), _level(one["level"]), _points(one["index"]), str(one["alarms"]), str(one["missed"]),
         ", ".join(f"{_term(w)} {_points(w['milli'])}" for w in one["why"]) or DASH]
        for one in figures["worst"]
    ]  # fmt: skip
    head = [_("Site"), _("Level"), _("Index"), _("Alarms"), _("Missed commitments"), _("Made of")]
    return _table(head, rows, (2, 3, 4))


def _changed(figures: dict[str, Any]) -> list[Block]:
    if not figures["changed"]:
        return [_text(_("No site has another index than at the beginning."))]
    rows = [
        [_named(one), f"{_points(one['index_before'])} → {_points(one['index'])}", _level(one["level"]),
         ", ".join(f"{_term(w)} {_signed_points(w['milli'])}" for w in one["why"]) or DASH]
        for one in figures["changed"]
    ]  # fmt: skip
    return [_table([_("Site"), _("Index"), _("Level"), _("Because of")], rows, (1,))]


# ---- words --------------------------------------------------------------------------------------------------------


def _heading(words: str) -> Block:
    return {"kind": "heading", "text": words}


def _text(words: str, small: bool = False) -> Block:
    return {"kind": "text", "text": words, "small": small}


def _table(head: list[str], rows: list[list[str]], numbers: Sequence[int]) -> Block:
    return {"kind": "table", "head": head, "rows": rows, "numbers": list(numbers)}


def _named(row: dict[str, Any]) -> str:
    chinese = (translation.get_language() or "zh").startswith("zh")
    return str(row["name"] if chinese else row.get("name_en") or row["name"])


def _term(row: dict[str, Any]) -> str:
    return str(row["zh" if (translation.get_language() or "zh").startswith("zh") else "en"])


def _period(period: str) -> str:
    return {
        "day": _("Daily risk report"),
        "week": _("Weekly risk report"),
        "month": _("Monthly risk report"),
    }[period]


def _foot(figures: dict[str, Any]) -> str:
    return f"{figures['org']['code']} {figures['from'][:10]} {figures['period']}"


def _span(figures: dict[str, Any]) -> str:
    begin, end = (datetime.datetime.fromisoformat(figures[name]) for name in ("from", "to"))
    first = timezone.localdate(begin)
    last = timezone.localdate(end - datetime.timedelta(microseconds=1))
    return first.isoformat() if first == last else f"{first.isoformat()} – {last.isoformat()}"


def _instant(text: str) -> str:
    return timezone.localtime(datetime.datetime.fromisoformat(text)).strftime("%Y-%m-%d %H:%M")


def _pair(now: int, before: int) -> list[str]:
    return [str(now), str(before), _signed(now - before)]


def _signed(n: int) -> str:
    return f"+{n}" if n > 0 else str(n)


def _points(milli: int) -> str:
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


def _signed_points(milli: int) -> str:
    return f"+{_points(milli)}" if milli > 0 else _points(milli)


def _share(part: float | None) -> str:
    return DASH if part is None else f"{part:.1%}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return DASH
    if seconds < 120:
        return _("%(n)s s") % {"n": f"{seconds:.0f}"}
    return _("%(n)s min") % {"n": f"{seconds / 60:.1f}"}


def _level(n: int) -> str:
    return str((_("Red"), _("Orange"), _("Yellow"), _("Blue"))[n - 1])


def is_period(text: str) -> bool:
    return text in Period.values
