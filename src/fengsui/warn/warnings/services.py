"""What people do with public warnings: draft, submit, review, send back, approve, update, cancel.

Each service is one transaction, one deed, one audit entry; approval leaves ``warning.approved`` in the outbox, whose
handler signs and publishes exactly once (``publish``).  Four eyes: whoever wrote in a draft does not review it, and
whoever wrote or reviewed does not approve it.  What is approved is the content whose fingerprint was submitted.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.stores import clock, outbox
from fengsui.warn.alarms.grounds import by
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.cap import china, lint, signature, times, writing
from fengsui.warn.cap.checks import check
from fengsui.warn.cap.message import Alert
from fengsui.warn.cap.rules import ERROR, Problem
from fengsui.warn.warnings import arrivals, content, keys
from fengsui.warn.warnings.errors import BadWarning, NotFit, SameEyes, WrongState
from fengsui.warn.warnings.models import LEVELS, Deed, Issuer, Message, Population, State, Warning

NOTE = 300
DRAFT, REVIEW, APPROVAL, APPROVED, PUBLISHED, DISCARDED = State.values
STATUSES = ("Actual", "Exercise", "Test")
DEFAULT_LIFE = timedelta(hours=12)
LIFE_OF_END = timedelta(hours=24)  # how long a cancellation itself is shown


# ---- drafting -----------------------------------------------------------------------------------------------


@transaction.atomic
def create_draft(
    actor: Any,
    issuer: Issuer,
    values: Mapping[str, Any],
    *,
    msg_type: str = "Alert",
    about: Message | None = None,
    alarm: Alarm | None = None,
) -> Warning:
    """A new draft.  ``values``: level, event_type, status, onset_at, expires_at and the fields of ``Content``.

    Raises NotAllowed, BadWarning.
    """
    access.require(actor, "warning.draft", issuer.org, issuer)
    warning = Warning(
        issuer=issuer,
        org=issuer.org,
        org_path=issuer.org.path,
        msg_type=msg_type,
        about=about,
        alarm=alarm,
        made_at=clock.now(),
        writers=[actor.pk],
    )
    _set(warning, values)
    warning.save()
    _note(actor, warning, "drafted", "")
    return warning


@transaction.atomic
def edit(actor: Any, warning: Warning, values: Mapping[str, Any]) -> Warning:
    """Change a draft.  Raises NotAllowed, BadWarning, WrongState when it is no draft or was changed meanwhile."""
    access.require(actor, "warning.draft", warning.org_path, warning)
    held = _locked(warning, DRAFT)
    _set(held, values)
    if actor.pk not in held.writers:
        held.writers = [*held.writers, actor.pk]
    held.version += 1
    held.save()
    _note(actor, held, "edited", "")
    return held


@transaction.atomic
def discard(actor: Any, warning: Warning, note: str = "") -> Warning:
    """Give a draft up.  It stays in the record."""
    access.require(actor, "warning.draft", warning.org_path, warning)
    held = _locked(warning, DRAFT)
    return _move(actor, held, DISCARDED, "discarded", note)


def suggested(alarm: Alarm) -> dict[str, Any]:
    """What a draft about ``alarm`` begins with: words a person corrects, never sends as they are."""
    site, made, kind = alarm.site, by(alarm.grounds), alarm.get_kind_display()
    at = f"{alarm.raised_at.astimezone(times.BEIJING):%Y-%m-%d %H:%M}"
    if made is not None:
        headline = f"{site.name}{made.name}（{kind}）"
        said = _("%(site)s, %(time)s, %(kind)s “%(name)s”: %(cause)s")
        described = said % {
            "site": site.name,
            "time": at,
            "kind": kind,
            "name": made.name,
            "cause": made.text,
        }
    else:
        headline = f"{site.name}{alarm.datastream.name}{kind}"
        described = _("%(site)s: %(stream)s was %(value)s %(unit)s at %(time)s.") % {
            "site": site.name,
            "stream": alarm.datastream.name,
            "value": "–" if alarm.peak_value is None else f"{alarm.peak_value:.6g}",
            "unit": alarm.datastream.unit,
            "time": at,
        }
    return {
        "level": alarm.priority,
        "headline": headline,
        "description": described,
        "area_desc": _("within 1 km of %(site)s") % {"site": site.name},
        "circles": [(site.longitude, site.latitude, 1.0)] if site.longitude is not None else [],
        "expires_at": clock.now() + DEFAULT_LIFE,
        "urgency": "Immediate",
        "certainty": "Observed",
    }


@transaction.atomic
def follow_up(actor: Any, message: Message, msg_type: str) -> Warning:
    """A draft that updates or cancels ``message``, with its whole content and the right reference.

    One that is open already is given back.  Raises NotAllowed, WrongState when the message is over or not ours.
    """
    before = message.warning
    if before is None or message.feed_id is not None:
        raise WrongState(_("Only our own warnings are updated or cancelled here."))
    access.require(actor, "warning.draft", message.org_path, before)
    held = Message.objects.select_for_update(of=("self",)).get(pk=message.pk)
    if held.ended_at is not None:
        raise WrongState(_("It has been replaced or cancelled already."))
    waiting = Warning.objects.open().filter(about=held, msg_type=msg_type).first()
    if waiting is not None:
        return waiting
    said = content.read(before.content)
    values: dict[str, Any] = said.plain() | {
        "level": before.level,
        "event_type": before.event_type,
        "status": before.status,
        "onset_at": before.onset_at,
        "expires_at": before.expires_at,
    }
    if msg_type == "Cancel":
        event, colour = held.event, china.COLOUR_ZH[content.COLOURS[before.level]]
        at = f"{clock.now().astimezone(times.BEIJING):%Y年%m月%d日%H时%M分}"
        kind = content.event_kinds().get(before.event_type)
        values |= {
            "headline": f"{before.issuer.name}解除{event}{colour}预警",
            "description": f"{before.issuer.name}{at}解除{event}{colour}预警。",
            "instruction": "",
            "responses": (),
            "onset_at": None,
            "expires_at": clock.now() + LIFE_OF_END,
        }
        if said.headline_en and kind is not None:
            issuer = before.issuer.name_en or before.issuer.name
            words = f"{content.COLOUR_EN[before.level]} warning of {kind.en.lower()}"
            values |= {
                "headline_en": f"{issuer} cancels its {words}",
                "description_en": f"{issuer} has cancelled its {words}.",
                "instruction_en": "",
            }
    return create_draft(actor, before.issuer, values, msg_type=msg_type, about=held)


# ---- from draft to publication ------------------------------------------------------------------------------


def as_it_would_be(warning: Warning, at: datetime) -> Alert:
    """The message if it went out at ``at``, under a number that is free."""
    number, sent = _next_number(warning.issuer, at)
    return content.to_alert(warning, number, sent)


def findings(warning: Warning, at: datetime | None = None) -> list[lint.Finding]:
    """What the linter says of it now."""
    at = at or clock.now()
    alert = as_it_would_be(warning, at)
    kind = alert.infos[0].event if alert.infos else ""
    return lint.lint(
        alert, now=at, in_force=arrivals.in_force(warning.org_path, at, kind), people=_people(warning)
    )


def standard_problems(warning: Warning, at: datetime | None = None) -> tuple[Problem, ...]:
    """What our own check says of the message that it would be."""
    at = at or clock.now()
    document = check(writing.draft(as_it_would_be(warning, at)), now=at)
    return document.all_problems()


@transaction.atomic
def submit(actor: Any, warning: Warning, note: str = "") -> Warning:
    """Send a draft for review.  Raises NotAllowed, WrongState, NotFit with what stops it."""
    access.require(actor, "warning.draft", warning.org_path, warning)
    held = _locked(warning, DRAFT)
    _require_fit(held)
    held.content_sha256 = content.fingerprint(held)
    held.reviewed_by = held.approved_by = None
    if actor.pk not in held.writers:
        held.writers = [*held.writers, actor.pk]
    return _move(actor, held, REVIEW, "submitted", note)


def review(actor: Any, warning: Warning, note: str = "") -> Warning:
    """Pass a draft on for approval.  Raises NotAllowed, SameEyes, WrongState."""
    access.require(actor, "warning.review", warning.org_path, warning)
    _require_other(actor, warning, warning.writers, "warning.review")
    with transaction.atomic():
        held = _locked(warning, REVIEW)
        held.reviewed_by = actor
        return _move(actor, held, APPROVAL, "reviewed", note)


@transaction.atomic
def send_back(actor: Any, warning: Warning, note: str) -> Warning:
    """Back to whoever writes, with a reason.  Raises NotAllowed, WrongState, BadWarning without a reason."""
    action = "warning.review" if warning.state == REVIEW else "warning.approve"
    access.require(actor, action, warning.org_path, warning)
    if not note.strip():
        raise BadWarning(_("Say what has to change."))
    held = _locked(warning, REVIEW, APPROVAL)
    held.reviewed_by = None
    return _move(actor, held, DRAFT, "returned", note)


def approve(actor: Any, warning: Warning, note: str = "") -> Warning:
    """Let it go out.  Raises NotAllowed, SameEyes, WrongState, NotFit when time has overtaken it.

    It is published by the handler of ``warning.approved``, within a second or two where a worker runs.
    """
    access.require(actor, "warning.approve", warning.org_path, warning)
    _require_other(actor, warning, [*warning.writers, warning.reviewed_by_id], "warning.approve")
    with transaction.atomic():
        held = _locked(warning, APPROVAL)
        if content.fingerprint(held) != held.content_sha256:
            raise WrongState(_("Its content is not what was submitted; send it back."))
        if held.about is not None:
            about = Message.objects.select_for_update(of=("self",)).get(pk=held.about_id)
            waits = Warning.objects.filter(about=about, state=APPROVED).exists()
            if about.ended_at is not None or waits:
                raise WrongState(_("What it is about has been replaced or cancelled meanwhile."))
        _require_fit(held)
        held.approved_by, held.approved_at = actor, clock.now()
        held = _move(actor, held, APPROVED, "approved", note)
        outbox.add("warning.approved", warning_id=held.pk)
        return held


@transaction.atomic
def publish(warning_id: int) -> Message | None:
    """Sign and publish an approved warning; the same again changes nothing.  Raises BadKey, CannotWrite.

    The message gets its number and its time here, so that it was never sent before it was signed.
    """
    warning = (
        Warning.objects.select_for_update(of=("self",))
        .select_related("issuer", "org", "about")
        .filter(pk=warning_id)
        .first()
    )
    if warning is None or warning.state != APPROVED:
        return None
    Issuer.objects.select_for_update().get(pk=warning.issuer_id)  # one number after another
    key, certificate = keys.signing()
    now = clock.now()
    number, sent = _next_number(warning.issuer, now)
    data = signature.sign(writing.write(content.to_alert(warning, number, sent)), key, certificate)
    document = check(data, trusted=[certificate])
    message, _is_new = arrivals.keep(
        document.alerts[0], data, org=warning.org, received_at=now, warning=warning
    )
    warning.state = PUBLISHED
    warning.version += 1
    warning.save(update_fields=["state", "version"])
    Deed.objects.create(warning=warning, at=now, what="published", note=number)
    outbox.add("warning.published", message_id=message.pk)
    audit.record(None, "warning.published", warning, org_path=warning.org_path, identifier=number)
    return message


# ---- parts --------------------------------------------------------------------------------------------------


def _set(warning: Warning, values: Mapping[str, Any]) -> None:
    level, status = values.get("level", warning.level), str(values.get("status", warning.status))
    if level not in [number for number, _name in LEVELS]:
        raise BadWarning(_("A level is 1 to 4."))
    if status not in STATUSES:
        raise BadWarning(_("A warning is actual, an exercise or a test."))
    event_type = str(values.get("event_type", warning.event_type) or "").strip()
    if event_type and event_type not in content.event_kinds():
        raise BadWarning(_("“%(code)s” is no kind of event in the table.") % {"code": event_type[:20]})
    warning.level, warning.status, warning.event_type = level, status, event_type
    warning.onset_at = values.get("onset_at", warning.onset_at)
    warning.expires_at = values.get("expires_at", warning.expires_at)
    warning.content = content.read(warning.content | dict(values)).plain()


def _require_fit(warning: Warning) -> None:
    stops = [one.words for one in lint.stops(findings(warning))]
    if not warning.event_type:
        stops.append(lint.Term("没有选择事件种类", "no kind of event is chosen"))
    errors = [one.what() for one in standard_problems(warning) if one.severity == ERROR]
    if stops or errors:
        from django.utils.translation import get_language

        chinese = (get_language() or "zh").startswith("zh")
        raise NotFit("; ".join(one.zh if chinese else one.en for one in [*stops, *errors]))


def _require_other(actor: Any, warning: Warning, others: list[Any], action: str) -> None:
    if actor.pk in others:
        audit.refuse(actor, action, warning, org_path=warning.org_path, why=SameEyes.code)
        raise SameEyes(_("Somebody else has to do this: four eyes."))


def _locked(warning: Warning, *states: str) -> Warning:
    held = (
        Warning.objects.select_for_update(of=("self",))
        .select_related("issuer", "org", "about")
        .get(pk=warning.pk)
    )
    if held.state not in states:
        raise WrongState(_("It is in another state by now: %(state)s.") % {"state": held.get_state_display()})
    if held.version != warning.version:
        raise WrongState(_("Somebody changed it meanwhile; look at it again."))
    return held


def _move(actor: Any, warning: Warning, state: str, what: str, note: str) -> Warning:
    warning.state = state
    warning.version += 1
    warning.save()
    _note(actor, warning, what, note)
    return warning


def _note(actor: Any, warning: Warning, what: str, note: str) -> None:
    note = note.replace("\x00", "").strip()
    if len(note) > NOTE:
        raise BadWarning(_("At most %(most)s characters.") % {"most": NOTE})
    Deed.objects.create(warning=warning, at=clock.now(), what=what, actor_name=str(actor)[:150], note=note)
    audit.record(
        actor,
        f"warning.{what}",
        warning,
        org_path=warning.org_path,
        version=warning.version,
        note=note,
        content=warning.content_sha256 or None,
    )


def _next_number(issuer: Issuer, now: datetime) -> tuple[str, datetime]:
    """The next free identifier and the second in it: ten go into one second, the eleventh into the next."""
    sent = now.replace(microsecond=0)
    while True:
        taken = set(
            Message.objects.filter(
                feed=None,
                sender=issuer.code,
                identifier__startswith=china.identifier(issuer.code, sent, 0)[:-1],
            ).values_list("identifier", flat=True)
        )
        for digit in range(10):
            number = china.identifier(issuer.code, sent, digit)
            if number not in taken:
                return number, sent
        sent += timedelta(seconds=1)


def _people(warning: Warning) -> int | None:
    """How many live in its divisions, where every one of them is in the table; None otherwise."""
    wanted = content.read(warning.content).divisions
    rows = Population.objects.filter(division_code__in=wanted)
    if not wanted or rows.count() != len(wanted):
        return None
    return int(rows.aggregate(n=Sum("people"))["n"] or 0)


def issuers_for(user: Any) -> Any:
    """The issuers in whose name ``user`` may draft."""
    return Issuer.objects.filter(access.rows_where(user, "warning.draft", "org__path"), is_active=True)


__all__ = [
    "Org",
    "approve",
    "create_draft",
    "discard",
    "edit",
    "findings",
    "follow_up",
    "publish",
    "review",
    "submit",
]
