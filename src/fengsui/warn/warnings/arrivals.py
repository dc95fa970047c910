"""Messages as rows: ours as they go out, others' as they come in, and what each does to those before it.

Idempotent: the same sender, identifier and time is the same message.  An update replaces and a cancellation cancels
what it refers to, whether it arrives after it or before; a test cancels no warning, and a feed only its own messages.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from fengsui.people.orgs.models import Org
from fengsui.stores import outbox
from fengsui.warn.cap import china, lint
from fengsui.warn.cap import message as cap
from fengsui.warn.cap.checks import Checked
from fengsui.warn.cap.rules import Problem, worst
from fengsui.warn.warnings.models import Feed, Message, Warning

UNSAID = timedelta(hours=24)  # how long a message holds that does not say when it ends
LEVEL_OF_SEVERITY = {"Extreme": 1, "Severe": 2, "Moderate": 3, "Minor": 4}
ENDS = ("Update", "Cancel")
MOST_KEPT_PROBLEMS = 100
MOST_REFERENCES = 500


def keep(
    checked: Checked,
    document: bytes,
    *,
    org: Org,
    received_at: datetime,
    feed: Feed | None = None,
    warning: Warning | None = None,
    source_url: str = "",
    problems: Iterable[Problem] = (),
) -> tuple[Message, bool]:
    """The message as a row, and whether it is new.  Raises ValueError for one without identity."""
    alert = checked.alert
    if alert is None:
        raise ValueError("a message without identity")
    row = _row(checked, document, org, received_at, feed, warning, source_url, [*problems, *checked.problems])
    known = Message.objects.filter(
        feed=feed, sender=row.sender, identifier=row.identifier, sent_at=row.sent_at
    ).first()
    if known is not None:
        return known, False
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _apply(row)
            outbox.add("warning.message", message_id=row.pk)
    except IntegrityError:  # another worker, this very moment
        return Message.objects.get(
            feed=feed, sender=row.sender, identifier=row.identifier, sent_at=row.sent_at
        ), False
    return row, True


def _row(
    checked: Checked,
    document: bytes,
    org: Org,
    received_at: datetime,
    feed: Feed | None,
    warning: Warning | None,
    source_url: str,
    problems: list[Problem],
) -> Message:
    alert = checked.alert
    assert alert is not None
    info, english = alert.info("zh"), alert.info("en")
    refusal = ""
    if feed is not None and feed.must_be_signed and checked.verdict.state != "valid":
        refusal = f"signature: {checked.verdict.state}"
    elif checked.verdict.state == "invalid":
        refusal = "signature: invalid"
    return Message(
        feed=feed,
        warning=warning,
        org=org,
        org_path=org.path,
        identifier=_cut(alert.identifier, 255),
        sender=_cut(alert.sender, 255),
        sent_at=alert.sent,
        sent_text=(alert.sent_text or alert.sent.isoformat())[:40],
        received_at=received_at,
        status=alert.status,
        msg_type=alert.msg_type,
        scope=alert.scope,
        level=level(info),
        event=_cut(info.event if info else "", 200),
        headline=_cut(info.headline or info.event if info else "", 400),
        headline_en=_cut(english.headline if english and english.language.startswith("en") else "", 400),
        sender_name=_cut(info.sender_name if info else "", 200),
        area_desc=_cut("、".join(area.desc for area in info.areas) if info else "", 400),
        expires_at=expires(alert),
        references=[
            {"sender": one.sender, "identifier": one.identifier} for one in alert.references[:MOST_REFERENCES]
        ],
        shapes=[[[lon, lat] for lat, lon in ring] for area in _areas(alert) for ring in lint.rings(area)][
            :200
        ],
        divisions=_divisions(alert, by_name=checked.version == "notice"),
        document=document,
        sha256=hashlib.sha256(document).hexdigest(),
        source_url=_cut(source_url, 1000),
        problems=[plain(one) for one in problems[:MOST_KEPT_PROBLEMS]],
        worst=worst(problems),
        signature=checked.verdict.state,
        certificate=_cut(checked.verdict.subject, 300),
        is_refused=bool(refusal),
        refusal=refusal,
    )


def _apply(row: Message) -> None:
    """What ``row`` ends, and whether something that came before it ends it."""
    if row.is_refused:
        return
    if row.msg_type in ENDS:
        for one in row.references:
            Message.objects.filter(
                feed=row.feed,
                sender=one["sender"],
                identifier=one["identifier"],
                status=row.status,
                is_refused=False,
                sent_at__lte=row.sent_at,
                ended_at=None,
            ).exclude(pk=row.pk).update(ended_at=row.sent_at, ended_by=row, ended_how=row.msg_type)
    before = (
        Message.objects.filter(
            feed=row.feed,
            msg_type__in=ENDS,
            status=row.status,
            is_refused=False,
            sent_at__gte=row.sent_at,
            references__contains=[{"sender": row.sender, "identifier": row.identifier}],
        )
        .exclude(pk=row.pk)
        .order_by("sent_at")
        .first()
    )
    if before is not None:
        row.ended_at, row.ended_by, row.ended_how = before.sent_at, before, before.msg_type
        row.save(update_fields=["ended_at", "ended_by", "ended_how"])


def level(info: cap.Info | None) -> int | None:
    """1 red … 4 blue: by its colour where it says one, else by its severity; None where it says neither."""
    if info is None:
        return None
    for pair in info.parameters:
        if pair.name == china.COLOUR and pair.value in china.LEVEL_OF:
            return china.LEVEL_OF[pair.value]
    return LEVEL_OF_SEVERITY.get(info.severity)


def expires(alert: cap.Alert) -> datetime:
    """When the last part of it ends."""
    ends = [info.expires or alert.sent + UNSAID for info in alert.infos]
    return max(ends, default=alert.sent + UNSAID)


def in_force(org_path: str, at: datetime, event: str = "") -> list[lint.InForce]:
    """Warnings that hold at ``at`` and concern whoever works at ``org_path``: theirs, and those above and below."""
    above = [org_path[: i + 1] for i, c in enumerate(org_path) if c == "/" and i]
    rows = Message.objects.in_force(at).filter(Q(org_path__in=above) | Q(org_path__startswith=org_path))
    if event:
        rows = rows.filter(event=event)
    return [
        lint.InForce(
            identifier=row.identifier,
            event=row.event,
            severity={1: "Extreme", 2: "Severe", 3: "Moderate", 4: "Minor"}.get(row.level or 0, "Unknown"),
            headline=row.headline,
            areas=(
                cap.Area(
                    row.area_desc,
                    tuple(tuple((lat, lon) for lon, lat in ring) for ring in row.shapes),
                    (),
                    tuple(cap.Pair(china.DIVISION, code) for code in row.divisions),
                ),
            ),
        )
        for row in rows.order_by("-sent_at")[:500]
    ]


def plain(problem: Problem) -> dict[str, Any]:
    """A problem as a row keeps it."""
    return {
        "rule": problem.rule,
        "path": problem.path,
        "line": problem.line,
        "column": problem.column,
        "facts": {name: _cut(str(value), 200) for name, value in problem.facts.items()},
    }


def _divisions(alert: cap.Alert, by_name: bool) -> list[str]:
    """Codes that it names.  A notice has words only: the smallest organisations of the tree whose names are in them."""
    codes = {p.value for area in _areas(alert) for p in area.geocodes if p.name == china.DIVISION}
    if by_name and not codes:
        words = "".join(area.desc for area in _areas(alert))
        rows = Org.objects.exclude(division_code="").values_list("name", "depth", "division_code")
        named = [(depth, code) for name, depth, code in rows if len(name) > 1 and name in words]
        codes = {code for depth, code in named if depth == max(named)[0]}
    return sorted(codes)[:500]


def _areas(alert: cap.Alert) -> list[cap.Area]:
    """Every area once: parts in other languages repeat them."""
    return list({(area.polygons, area.circles, area.geocodes): area for area in alert.areas()}.values())


def _cut(text: str, most: int) -> str:
    text = text.replace("\x00", "")
    return text if len(text) <= most else text[: most - 1] + "…"
