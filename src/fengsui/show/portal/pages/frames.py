"""Explain a frame: paste bytes of a field protocol, see them field by field, each with its bytes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from fengsui.base.errors import FengsuiError
from fengsui.loops.services import in_language
from fengsui.sense.codecs.explained import Explained, is_text
from fengsui.sense.codecs.frame import Row, Term
from fengsui.sense.codecs.registry import CODECS
from fengsui.show.lists.frames import MOST_BYTES, MOST_DIGITS, either, pasted
from fengsui.show.portal.pages.page import page, show
from fengsui.show.words import refusal, say

BYTES_SHOWN = 96  # of one field
MEANING_SHOWN = 600  # characters
TONES = 6  # colours of fields, in turn
AS = ("auto", "hex", "text")
_LINE_ENDS = str.maketrans({"\r": "␍", "\n": "␊"})


@require_http_methods(["GET", "HEAD", "POST"])
@page("device.view")
def explain_frame(request: HttpRequest) -> HttpResponse:
    given = request.POST.get("frame", "")
    how = request.POST.get("as", "auto")
    wanted = request.POST.get("protocol") or request.GET.get("protocol", "")
    context: dict[str, Any] = {
        "protocols": [
            {"name": one.name, "standard": one.standard, "title": _in_language(one.title)}
            for one in CODECS.values()
        ],
        "protocol": wanted if wanted in CODECS else next(iter(CODECS)),
        "given": _safe(given[:MOST_DIGITS]),
        "how": how if how in AS else "auto",
        "most": MOST_BYTES,
        "longest": MOST_DIGITS,
    }
    if request.method != "POST":
        return show(request, "frames", context)
    try:
        found = pasted(wanted, **(either(given) if context["how"] == "auto" else {context["how"]: given}))
    except FengsuiError as error:
        return show(request, "frames", context | {"problem": say(error)}, status=422)
    context["frames"] = [_shown(number, one) for number, one in enumerate(found.found, 1)]
    context["left_off"] = found.left_off
    return show(request, "frames", context)


def _shown(number: int, one: Explained) -> dict[str, Any]:
    text = is_text(one.rows)
    refused = one.refused
    return {
        "number": number,
        "size": len(one.raw),
        "departures": one.departures,
        "reason": refused.reason if refused else "",
        "why": refusal(refused.reason) if refused else "",
        "message": _safe(str(refused)) if refused else "",
        "facts": {name: _safe(str(value)) for name, value in refused.facts.items()} if refused else {},
        "rows": [_row(number, index, row, text) for index, row in enumerate(one.rows)],
    }


def _row(number: int, index: int, row: Row, text: bool) -> dict[str, Any]:
    kept = row.data[:BYTES_SHOWN]
    meaning = _in_language(row.meaning) if isinstance(row.meaning, Term) else row.meaning
    return {
        "id": f"{number}-{index}",
        "tone": index % TONES + 1,
        "offset": row.offset,
        "size": len(row.data),
        "bytes": _text(kept) if text else kept.hex(" ").upper(),
        "more": len(row.data) - len(kept),
        "name": _in_language(row.name),
        "meaning": _safe(meaning[:MEANING_SHOWN]) + ("…" if len(meaning) > MEANING_SHOWN else ""),
    }


def _in_language(term: Term) -> str:
    return in_language(term.zh, term.en)


def _text(data: bytes) -> str:
    return data.decode("ascii").translate(_LINE_ENDS)


def _safe(text: str) -> str:
    """Without half characters and control characters, which no page can carry."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(one if one.isprintable() or one in "\r\n\t" else "·" for one in whole)
