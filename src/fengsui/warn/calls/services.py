"""What can be done with calls: begin them for a message, call the next in line, deliver, confirm, record, stop.

A place's line is its responsible persons in their order, then those of the organisations above it, up to the one that
sent the warning.  Each has the time that the kind of loop ``call_confirm`` gives for the level; whoever confirms first
ends it.  Everything is rows, so a worker that is killed and started again goes on where it was.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from fengsui.loops import kinds
from fengsui.loops import services as loops
from fengsui.loops.models import Loop
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Membership, Org, OrgKind
from fengsui.stores import clock, outbox
from fengsui.warn.calls import channels, codes, covered
from fengsui.warn.calls.errors import BadCall, CallOver, ChannelFailed, NoSuchCode
from fengsui.warn.calls.models import Call, Callout, Contact, Delivery, DeliveryState, How
from fengsui.warn.cap import china
from fengsui.warn.warnings.models import Message

log = structlog.get_logger()

KIND = "call_confirm"
DELIVER = "call.deliver"  # topic of the outbox
ROLES = (
    "safety_officer",
    "duty_officer",
    "commander",
    "regulator",
)  # who may confirm for a place in the portal
LEFT_TO = ("duty_officer", "commander")  # of whoever sent the warning, when nobody in the line is left
TRIES = 3
AGAIN_S = (20, 60)  # after the first and the second failure
BATCH = 1000
COLOURS = {1: "Red", 2: "Orange", 3: "Yellow", 4: "Blue"}


@dataclass(slots=True)
class Chased:
    """What one look at the clock did: calls made, places where nobody is left, places that are over, tries again."""

    called: int = 0
    exhausted: int = 0
    ended: int = 0
    again: int = 0


# ---- beginning --------------------------------------------------------------------------------------------------


def published(message_id: int) -> int:
    """A message of ours went out: call for it where its level asks for that; returns how many places are called.

    An exercise is called like the real thing and says that it is one; for a test nobody is called.  What it replaces
    or cancels is no longer called.
    """
    message = Message.objects.select_related("org").filter(pk=message_id).first()
    if message is None:
        return 0
    end_over(clock.now())
    wanted = kinds.in_force(kinds.current(KIND)).opens_at_levels
    if message.level not in wanted or message.status not in ("Actual", "Exercise"):
        return 0
    return begin(message)


def start(actor: Any, message: Message) -> int:
    """Call for a message by hand: of any level, also one of somebody else's.  Raises NotAllowed, CallOver."""
    access.require(actor, "call.start", message.org_path, message)
    with transaction.atomic():
        n = begin(message)
        audit.record(actor, "call.started", message, org_path=message.org_path, places=n)
    return n


@transaction.atomic
def begin(message: Message) -> int:
    """Open a callout for each place it covers, and call the first in each line.  Again changes nothing.

    Raises CallOver for a message that holds no longer.
    """
    held = Message.objects.select_for_update(of=("self",)).select_related("org").get(pk=message.pk)
    now = clock.now()
    if held.ended_at is not None or held.expires_at <= now or held.msg_type not in ("Alert", "Update"):
        raise CallOver(_("This warning holds no longer."))
    there = set(Callout.objects.filter(message=held).values_list("org_id", flat=True))
    book = _Book(held.org)
    found = [one for one in covered.places(held, book.with_contacts) if one.org.pk not in there]
    if not found:
        return 0
    level = held.level or 4
    step = kinds.in_force(kinds.current(KIND)).step("calling")
    limit_s = step.limit(level) or 600
    zh, en = (
        "【演练】" if held.status == "Exercise" else "",
        "[exercise] " if held.status == "Exercise" else "",
    )
    opened = loops.open_loops(
        KIND,
        [
            loops.Opening(
                key=_key(held.pk, one.org.pk),
                title=f"{zh}叫应 · {one.org.name} · {held.headline or held.event}",
                title_en=f"{en}Call · {one.org.name_en or one.org.name} · "
                f"{held.headline_en or held.headline or held.event}",
                org=one.org,
                level=level,
                at=now,
                about={"message_id": held.pk},
            )
            for one in found
        ],
    )
    rows = [
        Callout(
            message=held,
            org=one.org,
            org_path=one.org.path,
            county_id=book.county(one.org),
            loop=opened[_key(held.pk, one.org.pk)],
            level=level,
            limit_s=limit_s,
            why=one.why,
            opened_at=now,
            next_at=now,
        )
        for one in found
    ]
    Callout.objects.bulk_create(rows, batch_size=BATCH)
    _call_next(rows, book, now, quietly=True)
    log.info("calls.begun", message=held.pk, places=len(rows))
    return len(rows)


# ---- the clock --------------------------------------------------------------------------------------------------


def chase(now: datetime | None = None, limit: int = 500) -> Chased:
    """Call the next where the time of the last is over; stop where the warning is; try again what failed.

    Any number of workers may do so: rows are locked, never shared.
    """
    now = now or clock.now()
    done = Chased(ended=end_over(now, limit))
    with transaction.atomic():
        rows = list(
            Callout.objects.open()
            .filter(next_at__lte=now)
            .select_for_update(of=("self",), skip_locked=True)
            .select_related("org", "message__org", "loop")
            .order_by("next_at", "id")[:limit]
        )
        by_sender: dict[int, list[Callout]] = defaultdict(list)
        for row in rows:
            by_sender[row.message.org_id].append(row)
        for group in by_sender.values():
            called, exhausted = _call_next(group, _Book(group[0].message.org), now)
            done.called += called
            done.exhausted += exhausted
    with transaction.atomic():
        late = list(
            Delivery.objects.filter(again_at__lte=now)
            .select_for_update(skip_locked=True)
            .order_by("again_at")[:limit]
        )
        Delivery.objects.filter(pk__in=[one.pk for one in late]).update(again_at=None)
        done.again = outbox.add_many(DELIVER, [{"delivery_id": one.pk} for one in late])
    return done


@transaction.atomic
def end_over(now: datetime, limit: int = 500) -> int:
    """Stop calling for what is replaced, cancelled or expired; returns how many places that were."""
    rows = list(
        Callout.objects.over(now)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("message")
        .order_by("id")[:limit]
    )
    for row in rows:
        how = {"Update": "replaced", "Cancel": "cancelled"}.get(row.message.ended_how, "expired")
        row.ended_at, row.ended_why, row.next_at = now, how, None
        row.save(update_fields=["ended_at", "ended_why", "next_at"])
        key = _key(row.message_id, row.org_id)
        loops.note_fact(key, "over", how, at=now)
        loops.follow(key, "end", actor="platform", at=now, note=how)
    return len(rows)


def deliver(delivery_id: int) -> None:
    """Hand one message to its channel; what fails is kept with the reason and tried again twice.

    The row is locked meanwhile, and the message carries a key: killed in between, the same message is sent again and
    known by its key.
    """
    with transaction.atomic():
        row = (
            Delivery.objects.select_for_update(of=("self",))
            .select_related("call__callout__message", "call__callout__org")
            .filter(pk=delivery_id, state__in=(DeliveryState.WAITING, DeliveryState.FAILED))
            .first()
        )
        if row is None or row.attempts >= TRIES:
            return
        callout = row.call.callout
        if callout.confirmed_at is not None or callout.ended_at is not None:
            row.state, row.again_at = DeliveryState.LEFT, None
            row.save(update_fields=["state", "again_at"])
            return
        row.attempts += 1
        try:
            row.receipt = channels.send(row.channel, said(row.call))[:120]
            row.state, row.sent_at, row.error = DeliveryState.SENT, clock.now(), ""
        except ChannelFailed as error:
            row.state, row.error = DeliveryState.FAILED, str(error)[:300]
            if row.attempts < TRIES:
                row.again_at = clock.now() + timedelta(seconds=AGAIN_S[row.attempts - 1])
            log.warning(
                "calls.failed", channel=row.channel, delivery=row.pk, attempt=row.attempts, error=row.error
            )
        row.save()


def said(call: Call) -> channels.Said:
    """What one person is told: who warns of what, by when to confirm, and how.  In the platform's language."""
    callout = call.callout
    message, code = callout.message, codes.of(callout.pk, call.number)
    link = f"{settings.PUBLIC_URL}/confirm/{code}/" if settings.PUBLIC_URL else ""
    with translation.override(settings.LANGUAGE_CODE):
        chinese = settings.LANGUAGE_CODE.startswith("zh")
        headline = message.headline if chinese else message.headline_en or message.headline
        place = callout.org.name if chinese else callout.org.name_en or callout.org.name
        due = f"{timezone.localtime(call.due_at):%m-%d %H:%M}"
        colour = china.COLOUR_ZH[COLOURS[callout.level]] if chinese else COLOURS[callout.level].lower()
        title = _("Confirm: %(colour)s warning for %(place)s") % {"colour": colour, "place": place}
        if message.status == "Exercise":
            title = _("[EXERCISE] %(title)s") % {"title": title}
        more = sum(1 for one in together(call) if one.pk != call.pk and one.at == call.at)
        if more:
            title = _("%(title)s and %(n)s more places") % {"title": title, "n": more}
        lines = [
            title,
            headline or message.event,
            _("Confirm before %(due)s that you have it: %(link)s") % {"due": due, "link": link}
            if link
            else _("Confirm before %(due)s that you have it.") % {"due": due},
            _("One-time code: %(code)s") % {"code": codes.shown(code)},
        ]
    return channels.Said(
        key=f"call-{call.pk}",
        name=call.name,
        phone=call.phone,
        email=call.email,
        title=title,
        text="\n".join(lines),
        level=callout.level,
        code=code,
        link=link,
        expires=message.expires_at.isoformat(),
    )


# ---- confirming -------------------------------------------------------------------------------------------------


def confirm(actor: Any, callout: Callout, note: str = "") -> Callout:
    """In the portal, by somebody of the place or above it.  Raises NotAllowed, WrongStep, CallOver."""
    _require_calling(callout)
    with transaction.atomic():
        loop = loops.act(actor, callout.loop_id, "confirm", note=note, at=clock.now())
        return _confirmed(callout.pk, at=loop.closed_at, by=str(actor), how=How.PORTAL, user=actor)


def confirm_by_code(text: str) -> tuple[Callout, bool]:
    """By the one-time code of a call; its callout, and whether this confirmed anything.

    It confirms every place for which the same person was asked about the same message: they were told of all at once.
    Whoever has the code needs no account.  A code that was used, or whose place confirmed another way, changes
    nothing.  Raises NoSuchCode, CallOver.
    """
    call = by_code(text)
    with transaction.atomic():
        asked = list(
            Callout.objects.open()
            .filter(pk__in=[one.callout_id for one in together(call)])
            .select_for_update(of=("self",))
            .order_by("pk")
        )
        now = clock.now()
        calls = {one.callout_id: one for one in together(call)}
        for held in asked:
            key = _key(held.message_id, held.org_id)
            loops.follow(key, "confirm", actor=str(call), at=now, note=_("one-time code"))
            done = _confirmed(held.pk, at=now, by=str(call), how=How.CODE, call=calls[held.pk])
            audit.record(
                f"one-time code of {call}"[:150],
                "call.confirmed",
                done,
                org_path=done.org_path,
                number=calls[held.pk].number,
            )
    call.callout.refresh_from_db()
    if not asked and call.callout.confirmed_at is None:
        _require_calling(call.callout)
    return call.callout, bool(asked)


def together(call: Call) -> list[Call]:
    """Every call of the same message to the same person, this one first."""
    others = Call.objects.none()
    if call.contact_id is not None:
        others = (
            Call.objects.filter(contact=call.contact_id, callout__message=call.callout.message_id)
            .exclude(pk=call.pk)
            .select_related("callout__org")
            .order_by("pk")
        )
    return [call, *others]


def by_code(text: str) -> Call:
    """The call with this one-time code.  Raises NoSuchCode."""
    code = codes.read(text)
    call = (
        Call.objects.select_related("callout__message", "callout__org", "org")
        .filter(code_sha256=codes.sha256(code))
        .first()
        if code
        else None
    )
    if call is None:
        raise NoSuchCode(_("There is no call with this code. Compare it with the message you got."))
    return call


def record_phone(
    actor: Any, callout: Callout, *, who: str, spoke_at: datetime | None = None, note: str = ""
) -> Callout:
    """Keep that ``actor`` spoke with ``who`` by phone at ``spoke_at`` and heard that the warning has arrived.

    Raises NotAllowed, BadCall, WrongStep, CallOver.
    """
    access.require(actor, "call.record", callout.org_path, callout)
    who, now = who.replace("\x00", "").strip(), clock.now()
    spoke_at = spoke_at or now
    if not who:
        raise BadCall(_("Say who spoke."))
    if len(who) > 100:
        raise BadCall(_("At most %(most)s characters.") % {"most": 100})
    if not callout.opened_at - timedelta(minutes=1) <= spoke_at <= now + timedelta(minutes=1):
        raise BadCall(_("The call was between the beginning of the calls and now."))
    _require_calling(callout)
    at = f"{timezone.localtime(spoke_at):%Y-%m-%d %H:%M:%S}"
    words = _("Spoke with %(who)s at %(at)s.") % {"who": who, "at": at}
    with transaction.atomic():
        loops.act(actor, callout.loop_id, "record_call", note=f"{words} {note}".strip(), at=now)
        return _confirmed(
            callout.pk,
            at=min(max(spoke_at, callout.opened_at), now),
            by=who,
            how=How.PHONE,
            recorded_by=str(actor),
        )


def loop_acted(loop_id: int, action: str, actor: Any, at: datetime) -> None:
    """Somebody acted in the loop itself, on its own page: the callout follows.  Again changes nothing."""
    callout = Callout.objects.filter(loop_id=loop_id).first()
    if callout is None or callout.state in ("confirmed", "ended"):
        return
    loop = Loop.objects.get(pk=loop_id)
    if loop.outcome == "confirmed":
        how = How.PHONE if action == "record_call" else How.PORTAL
        recorded = str(actor) if how == How.PHONE else ""
        _confirmed(callout.pk, at=at, by=str(actor or ""), how=how, user=actor, recorded_by=recorded)
    elif loop.outcome == "ended":
        Callout.objects.filter(pk=callout.pk, confirmed_at=None, ended_at=None).update(
            ended_at=at, ended_why="stopped", next_at=None
        )


# ---- within -----------------------------------------------------------------------------------------------------


class _Book:
    """Who is responsible below and above one organisation, read once for many places."""

    def __init__(self, top: Org) -> None:
        above = [int(part) for part in top.path.strip("/").split("/") if part]
        self.top = top
        self.orgs = {org.pk: org for org in Org.objects.filter(path__startswith=top.path)}
        self.above = set(above)
        self.contacts: dict[int, list[Contact]] = defaultdict(list)
        rows = Contact.objects.filter(org__path__startswith=top.path, is_active=True)
        for contact in rows.order_by("order", "pk"):
            self.contacts[contact.org_id].append(contact)
        self.with_contacts = set(self.contacts)
        self.accounts = set(
            Membership.objects.filter(org__path__startswith=top.path, role__in=ROLES, user__is_active=True)
            .values_list("org_id", flat=True)
            .distinct()
        )

    def chain(self, org: Org) -> list[Org]:
        """The place and what is above it, up to whoever sent the warning."""
        ids = [int(part) for part in org.path.strip("/").split("/")]
        return [self.orgs[pk] for pk in reversed(ids) if pk in self.orgs]

    def line(self, org: Org) -> list[Contact]:
        return [contact for one in self.chain(org) for contact in self.contacts.get(one.pk, ())]

    def county(self, org: Org) -> int | None:
        return next((one.pk for one in self.chain(org) if one.kind == OrgKind.COUNTY), None)


def _call_next(rows: list[Callout], book: _Book, now: datetime, *, quietly: bool = False) -> tuple[int, int]:
    """Call the next in the line of each; (calls made, lines that ended).  ``quietly``: the loops were just opened."""
    asked: dict[int, set[int]] = defaultdict(set)
    for callout_id, contact_id in Call.objects.filter(callout__in=rows).values_list(
        "callout_id", "contact_id"
    ):
        if contact_id is not None:
            asked[callout_id].add(contact_id)
    calls: list[Call] = []
    exhausted = 0
    for row in rows:
        line = [one for one in book.line(row.org) if one.pk not in asked[row.pk]]
        if not line:
            row.next_at, row.exhausted_at = None, now
            exhausted += 1
            loops.tell_next(
                _key(row.message_id, row.org_id), book.top, LEFT_TO, at=now, data={"nobody_left": True}
            )
            continue
        contact = line[0]
        row.called += 1
        due = now + timedelta(seconds=row.limit_s)
        row.next_at = due
        calls.append(
            Call(
                callout=row, contact=contact, org=book.orgs[contact.org_id], number=row.called, name=contact.name,
                post=contact.post, phone=contact.phone, email=contact.email, at=now, due_at=due,
                code_sha256=codes.sha256(codes.of(row.pk, row.called)),
            )
        )  # fmt: skip
        if not (quietly and contact.org_id == row.org_id):
            loops.tell_next(
                _key(row.message_id, row.org_id), book.orgs[contact.org_id], ROLES, at=now,
                data={"person": str(contact), "number": row.called},
            )  # fmt: skip
    Callout.objects.bulk_update(rows, ["next_at", "exhausted_at", "called"], batch_size=BATCH)
    Call.objects.bulk_create(calls, batch_size=BATCH)
    first = {call.contact_id: call for call in reversed(calls)}  # a person asked for many places is told once
    deliveries = [
        Delivery(
            call=call,
            channel=channel,
            state=DeliveryState.SENT if channel == "portal" else DeliveryState.WAITING,
            sent_at=now if channel == "portal" else None,
        )
        for call in first.values()
        for channel in channels.usable(
            phone=call.phone, email=call.email, has_accounts=call.org_id in book.accounts
        )
    ]
    Delivery.objects.bulk_create(deliveries, batch_size=BATCH)
    outbox.add_many(
        DELIVER, [{"delivery_id": one.pk} for one in deliveries if one.state == DeliveryState.WAITING]
    )
    return len(calls), exhausted


def _confirmed(
    callout_id: int,
    *,
    at: datetime | None,
    by: str,
    how: Any,  # a How
    call: Call | None = None,
    user: Any = None,
    recorded_by: str = "",
) -> Callout:
    """The row follows its loop, in the caller's transaction or one of its own; the first confirmation stands."""
    with transaction.atomic():
        row = (
            Callout.objects.select_for_update(of=("self",))
            .select_related("org", "message")
            .get(pk=callout_id)
        )
        if row.confirmed_at is not None:
            return row
        row.confirmed_at, row.confirmed_by, row.how = at or clock.now(), by[:200], how
        row.recorded_by, row.next_at = recorded_by[:150], None
        if call is not None:
            row.confirmed_above = call.org_id != row.org_id
        elif user is not None:
            row.confirmed_above = (
                not any(path == row.org_path for path, _role in access.held(user)) and not recorded_by
            )
        row.save()
        if call is not None:
            Call.objects.filter(pk=call.pk).update(confirmed_at=row.confirmed_at)
    return row


def _require_calling(callout: Callout) -> None:
    if callout.confirmed_at is not None:
        raise CallOver(_("This place has confirmed already."))
    if callout.ended_at is not None:
        raise CallOver(_("This place is no longer called: the warning is over."))


def _key(message_id: int, org_id: int) -> str:
    return f"call:{message_id}:{org_id}"
