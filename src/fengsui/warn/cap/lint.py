"""Is a draft fit to be read by people who are in danger?  Five questions, and what is in force already.

*What* happens, *where*, *when*, *what to do*, *who says so*; whether it contradicts a warning in force; and how many
people it reaches.  A *stop* keeps a draft from being sent for review; a *mind* is for the reviewer to weigh.
What the standard itself asks is the work of ``checks``; this is about sense.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fengsui.base import codes
from fengsui.base.errors import BadInput
from fengsui.sense.codecs.frame import Term
from fengsui.warn.cap import message as m
from fengsui.warn.cap import shapes
from fengsui.warn.cap.china import COLOUR, DIVISION, colour_problem

STOP, MIND, GOOD = "stop", "mind", "good"
LONG = timedelta(days=7)
SHORT_TEXT = 10  # characters that say something

QUESTIONS: dict[str, Term] = {
    "what": Term("发生什么", "What happens"),
    "where": Term("在哪里", "Where"),
    "when": Term("什么时候", "When"),
    "do": Term("怎么办", "What to do"),
    "who": Term("谁发布", "Who says so"),
    "others": Term("与生效预警", "Beside warnings in force"),
    "people": Term("覆盖人数", "People covered"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer.  ``question`` is a key of ``QUESTIONS``."""

    question: str
    severity: str
    words: Term
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InForce:
    """A warning that is in force while the draft is written."""

    identifier: str
    event: str
    severity: str
    headline: str
    areas: tuple[m.Area, ...]


def lint(
    draft: m.Alert,
    *,
    now: datetime,
    in_force: Sequence[InForce] = (),
    people: int | None = None,
) -> list[Finding]:
    """An answer to every question, the stops first."""
    found: list[Finding] = []

    def say(question: str, severity: str, zh: str, en: str, **facts: Any) -> None:
        one = Finding(question, severity, Term(zh % facts, en % facts), facts)
        if one not in found:  # parts in two languages may lack the same thing
            found.append(one)

    is_cancel = draft.msg_type == "Cancel"
    for info in draft.infos:
        _what(info, say)
        if not is_cancel:
            _do(info, say)
        _who(info, say)
        _when(info, draft, now, say)
    if not draft.infos:
        say("what", STOP, "没有任何内容", "there is no content at all")
    _where(draft, say)
    if not is_cancel:
        _others(draft, in_force, say)
        if people is None:
            say(
                "people",
                MIND,
                "没有这些地区的人口数据，覆盖人数不详",
                "no population is known of these areas",
            )
        else:
            say("people", GOOD, "约 %(n)s 人", "about %(n)s people", n=f"{people:,}")
    for question in QUESTIONS:
        if question not in {one.question for one in found} and not (
            is_cancel and question in ("others", "people", "do")
        ):
            say(question, GOOD, "已说清", "is said")
    order = {STOP: 0, MIND: 1, GOOD: 2}
    return sorted(found, key=lambda one: (order[one.severity], list(QUESTIONS).index(one.question)))


def stops(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity == STOP]


def _what(info: m.Info, say: Any) -> None:
    if not info.headline:
        say("what", STOP, "没有标题", "there is no headline")
    elif info.event not in info.headline and info.event.lower() not in info.headline.lower():
        say(
            "what",
            MIND,
            "标题没有提到“%(event)s”",
            "the headline does not name “%(event)s”",
            event=info.event,
        )
    if len(info.description) < SHORT_TEXT:
        say("what", STOP, "内容没有说明发生了什么", "the description does not say what happens")
    colour = next((pair.value for pair in info.parameters if pair.name == COLOUR), "")
    if said := colour_problem(info.headline, colour):
        say(
            "what",
            STOP,
            "标题写的是%(said)s，级别却不同",
            "the headline says %(said)s, the level is another",
            said=said,
        )
    if said := colour_problem(info.description, colour):
        say(
            "what",
            MIND,
            "正文提到%(said)s，与级别不同",
            "the text speaks of %(said)s, the level is another",
            said=said,
        )


def _do(info: m.Info, say: Any) -> None:
    if len(info.instruction) < SHORT_TEXT:
        say("do", STOP, "没有说公众该怎么办", "it does not say what people should do")
    if not info.responses:
        say("do", MIND, "没有选择应对行动", "no kind of response is chosen")
    elif info.responses == ("None",) and info.severity in ("Extreme", "Severe"):
        say("do", STOP, "红色或橙色预警却说无需行动", "red or orange, and no action is asked for")


def _who(info: m.Info, say: Any) -> None:
    if not info.sender_name:
        say("who", STOP, "没有发布单位", "the sender's name is missing")
    if not info.contact and not info.web:
        say("who", MIND, "没有联系方式或网址", "neither contact nor web address")


def _when(info: m.Info, draft: m.Alert, now: datetime, say: Any) -> None:
    if info.expires is None:
        say("when", STOP, "没有失效时间", "it does not say when it expires")
        return
    if info.expires <= now:
        say("when", STOP, "失效时间已过", "it has expired already")
    begin = info.onset or info.effective or draft.sent
    if info.expires <= begin:
        say("when", STOP, "失效早于开始", "it ends before it begins")
    elif info.expires - begin > LONG:
        days = (info.expires - begin).days
        say("when", MIND, "有效期长达 %(days)s 天", "it is in force for %(days)s days", days=days)


def _where(draft: m.Alert, say: Any) -> None:
    areas = list(draft.areas())
    if not areas:
        say("where", STOP, "没有选择地区", "no area is chosen")
    for area in areas:
        if not area.desc:
            say("where", STOP, "地区没有名称", "an area has no name")
        if not (area.polygons or area.circles or area.geocodes):
            say(
                "where",
                STOP,
                "“%(area)s”没有区划代码，也没有画出范围",
                "“%(area)s” has neither code nor outline",
                area=area.desc,
            )
        if not (area.polygons or area.circles) and area.geocodes:
            say("where", GOOD, "“%(area)s”按区划发布", "“%(area)s” goes out by division code", area=area.desc)


def _others(draft: m.Alert, in_force: Sequence[InForce], say: Any) -> None:
    about = {one.identifier for one in draft.references}
    for info in draft.infos[:1]:
        for other in in_force:
            if (
                other.identifier in about
                or other.event != info.event
                or not _share_area(info.areas, other.areas)
            ):
                continue
            facts = {"headline": other.headline or other.event, "identifier": other.identifier}
            if other.severity != info.severity:
                say(
                    "others", STOP,
                    "同一地区已有级别不同的同类预警“%(headline)s”：请发更新，不要另发",
                    "“%(headline)s” is in force for the same area at another level: update it instead of adding one",
                    **facts,
                )  # fmt: skip
            else:
                say(
                    "others", MIND,
                    "同一地区已有同级同类预警“%(headline)s”",
                    "“%(headline)s” is in force for the same area at the same level",
                    **facts,
                )  # fmt: skip


def _share_area(ours: Sequence[m.Area], theirs: Sequence[m.Area]) -> bool:
    return any(overlap(one, other) for one in ours for other in theirs)


def overlap(one: m.Area, other: m.Area) -> bool:
    """Have two areas a place in common?  By division codes, by shape, and where neither is there by name."""
    codes_one, codes_other = _divisions(one), _divisions(other)
    if codes_one and codes_other and any(_related(a, b) for a in codes_one for b in codes_other):
        return True
    rings_one, rings_other = rings(one), rings(other)
    if any(shapes.overlap(a, b) for a in rings_one for b in rings_other):
        return True
    nothing = not (codes_one or rings_one) or not (codes_other or rings_other)
    return nothing and bool(one.desc) and one.desc == other.desc


def rings(area: m.Area) -> list[tuple[m.Point, ...]]:
    """Every outline of an area, circles as polygons."""
    return [p for p in area.polygons if len(p) >= 4] + [
        shapes.ring_of(c) for c in area.circles if c.radius_km >= 0
    ]


def _divisions(area: m.Area) -> list[str]:
    return [pair.value for pair in area.geocodes if pair.name == DIVISION]


def _related(a: str, b: str) -> bool:
    try:
        return codes.lies_under(a, b) or codes.lies_under(b, a)
    except BadInput:
        return a == b
