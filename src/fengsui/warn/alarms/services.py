"""What people do with alarms and rules, and what time does.  Each is one transaction, one audit entry, its
events.

Events left in the outbox, each with ``alarm_id`` and ``key``: ``alarm.raised`` (people are to be told),
``alarm.cleared``, ``alarm.acked``, ``alarm.shelved``, ``alarm.unshelved``, ``alarm.suppressed``,
``alarm.unsuppressed``.  What the engine says is recorded by ``record_events``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream
from fengsui.stores import outbox
from fengsui.warn.alarms import folding, storms
from fengsui.warn.alarms.episodes import EventRow, event_rows, reconcile, record_events, record_peaks
from fengsui.warn.alarms.errors import BadNote, BadShelving, RuleChanged, RuleWithdrawn
from fengsui.warn.alarms.life import is_announced, live_payload, live_payloads
from fengsui.warn.alarms.models import ONE_EACH, Alarm, Deed, Priority, Rule, RuleChange
from fengsui.warn.rules import BadRule, Problem, check
from fengsui.warn.rules.kind import PARAMETERS, gettext_noop
from fengsui.warn.rules.level import OUTWARDS, check_order

MAX_SHELF = timedelta(hours=12)  # ISA-18.2: shelving has a maximum time; one shift here
NOTE, REASON = 300, 200  # lengths of the columns
KEYS_KEPT = 200  # of alarms acknowledged together, in the audit trail; each alarm has its own deed
EDITABLE = (*PARAMETERS, "priority", "is_enabled", "basis")

# ---- alarms ------------------------------------------------------------------------------------------------


@transaction.atomic
def ack(actor: Any, alarm: Alarm, note: str = "") -> Alarm:
    """Acknowledge: somebody knows.  A second time changes nothing.  Raises NotAllowed, BadNote."""
    note = _words(note, NOTE)
    access.require(actor, "alarm.ack", alarm.org_path, alarm)
    return _ack(actor, alarm, note)


@transaction.atomic
def ack_by_loop(actor: Any, alarm: Alarm, note: str = "") -> Alarm:
    """Acknowledge because the alarm's loop was acknowledged; the loop has asked whether ``actor`` may."""
    return _ack(actor, alarm, note[:NOTE])


def _ack(actor: Any, alarm: Alarm, note: str) -> Alarm:
    alarm = Alarm.objects.select_for_update(of=("self",)).get(pk=alarm.pk)
    if alarm.acked_at is not None:
        return alarm
    alarm.acked_at, alarm.acked_by, alarm.ack_note = timezone.now(), actor, note
    alarm.save(update_fields=["acked_at", "acked_by", "ack_note"])
    Deed.objects.create(alarm=alarm, at=alarm.acked_at, what="acked", actor_name=_name(actor), note=note)
    outbox.add(
        "alarm.acked", alarm_id=alarm.pk, key=alarm.key, actor_id=actor.pk if actor else None, note=note
    )
    audit.record(actor, "alarm.acked", alarm, note=note)
    return alarm


@transaction.atomic
def ack_children(actor: Any, alarm: Alarm, note: str = "") -> int:
    """Acknowledge everything that is folded into ``alarm`` and that ``actor`` may acknowledge; returns how many.

    One entry in the audit trail, one deed with each alarm.  Raises NotAllowed, BadNote.
    """
    note = _words(note, NOTE)
    access.require(actor, "alarm.ack", alarm.org_path, alarm)
    mine = Alarm.objects.filter(access.rows_where(actor, "alarm.ack"), parent=alarm, acked_at=None)
    rows = list(mine.order_by("pk").select_for_update(of=("self",)))
    if not rows:
        return 0
    now = timezone.now()
    Alarm.objects.filter(pk__in=[row.pk for row in rows]).update(acked_at=now, acked_by=actor, ack_note=note)
    _note(rows, "acked", now, _name(actor), note)
    keys = [row.key for row in rows]
    audit.record(
        actor, "alarm.children_acked", alarm, note=note, children=len(keys), keys=keys[:KEYS_KEPT],
        more=max(0, len(keys) - KEYS_KEPT),
    )  # fmt: skip
    return len(keys)


# ---- the shelf ---------------------------------------------------------------------------------------------


@transaction.atomic
def shelve(actor: Any, rule: Rule, until: datetime, reason: str) -> Rule:
    """Put a rule's alarms aside until ``until``: recorded, not announced.  It comes back by itself
    (``settle``).

    Raises NotAllowed, BadShelving (no reason, past, longer than MAX_SHELF), RuleWithdrawn.
    """
    access.require(actor, "alarm.shelve", _path_of(rule), rule)
    reason, now = reason.strip(), timezone.now()
    if not reason or len(reason) > REASON:
        raise BadShelving(_("Say why, in at most %(most)s characters.") % {"most": REASON})
    if until <= now:
        raise BadShelving(_("The end must be in the future."))
    if until > now + MAX_SHELF + timedelta(seconds=5):  # a form asked for just MAX_SHELF a moment ago
        hours = MAX_SHELF // timedelta(hours=1)
        raise BadShelving(
            _("At most %(hours)s hours; shelve again if it is still needed.") % {"hours": hours}
        )
    rule = _locked(rule)
    rule.shelved_until, rule.shelved_by, rule.shelved_reason = until, actor, reason
    rule.save(update_fields=["shelved_until", "shelved_by", "shelved_reason"])
    alarms = _standing(Q(rule=rule))
    Alarm.objects.filter(pk__in=[a.pk for a in alarms]).update(shelved_until=until, refold_at=now)
    _note(alarms, "shelved", now, _name(actor), reason)
    audit.record(
        actor, "alarm.shelved", rule, org_path=_path_of(rule), until=until.isoformat(), reason=reason
    )
    return rule


@transaction.atomic
def unshelve(actor: Any, rule: Rule, reason: str = "") -> Rule:
    """Take a rule off the shelf; what is still active is announced now.  Raises NotAllowed, BadNote."""
    access.require(actor, "alarm.shelve", _path_of(rule), rule)
    reason = _words(reason, REASON)
    rule = _locked(rule)
    if rule.shelved_until is None:
        return rule
    rule.shelved_until, rule.shelved_by, rule.shelved_reason = None, None, ""
    rule.save(update_fields=["shelved_until", "shelved_by", "shelved_reason"])
    _take_off(_standing(Q(rule=rule, shelved_until__isnull=False)), timezone.now(), _name(actor), reason)
    audit.record(actor, "alarm.unshelved", rule, org_path=_path_of(rule), reason=reason)
    return rule


def settle(now: datetime) -> int:
    """What time and the registry do to alarms; the worker calls it every few seconds.  Returns how many
    changed.

    Shelves whose time is up come back.  Alarms of datastreams declared out of service are suppressed, and
    those of datastreams back in service are not.  An alarm that is active and announced again is raised to
    people then.  Folding follows relations and time, and storms end.
    """
    storms.settle(now)
    return _shelves_expire(now) + _follow_service(now) + folding.settle(now)


@transaction.atomic
def _shelves_expire(now: datetime) -> int:
    due = list(Rule.objects.select_for_update(skip_locked=True).filter(shelved_until__lte=now).order_by("pk"))
    Rule.objects.filter(pk__in=[r.pk for r in due]).update(
        shelved_until=None, shelved_by=None, shelved_reason=""
    )
    alarms = _standing(Q(shelved_until__lte=now), skip_locked=True)
    _take_off(alarms, now, "", "")
    return len(alarms)


@transaction.atomic
def _follow_service(now: datetime) -> int:
    stopped = Q(datastream__stopped_at__isnull=False)
    alarms = _standing(
        (stopped & Q(is_suppressed=False)) | (~stopped & Q(is_suppressed=True)), skip_locked=True
    )
    into = [a for a in alarms if not a.is_suppressed]
    out_of = [a for a in alarms if a.is_suppressed]
    Alarm.objects.filter(pk__in=[a.pk for a in into]).update(is_suppressed=True, refold_at=now)
    Alarm.objects.filter(pk__in=[a.pk for a in out_of]).update(is_suppressed=False, refold_at=now)
    for alarm in out_of:
        alarm.is_suppressed = False
    _note(into, "suppressed", now, "", "")
    _note(out_of, "unsuppressed", now, "", "")
    _announce(out_of, now)
    return len(alarms)


def _take_off(alarms: list[Alarm], now: datetime, actor_name: str, reason: str) -> None:
    Alarm.objects.filter(pk__in=[a.pk for a in alarms]).update(shelved_until=None, refold_at=now)
    for alarm in alarms:
        alarm.shelved_until = None
    _note(alarms, "unshelved", now, actor_name, reason)
    _announce(alarms, now)


def _announce(alarms: Iterable[Alarm], now: datetime) -> None:
    """Tell people of alarms that were quiet until now and are still active."""
    loud = [a for a in alarms if a.cleared_at is None and is_announced(a, now)]
    outbox.add_many("alarm.raised", [{"alarm_id": a.pk, "key": a.key} for a in loud])


def _note(alarms: list[Alarm], what: str, at: datetime, actor_name: str, note: str) -> None:
    Deed.objects.bulk_create(
        Deed(alarm=alarm, at=at, what=what, actor_name=actor_name, note=note) for alarm in alarms
    )
    outbox.add_many(f"alarm.{what}", [{"alarm_id": a.pk, "key": a.key} for a in alarms])


def _standing(which: Q, skip_locked: bool = False) -> list[Alarm]:
    """Standing alarms, locked in order of their ids."""
    rows = Alarm.objects.standing().filter(which).order_by("pk")
    return list(rows.select_for_update(of=("self",), skip_locked=skip_locked))


# ---- rules -------------------------------------------------------------------------------------------------


@transaction.atomic
def create_rule(
    actor: Any, datastream: Datastream, kind: str, values: Mapping[str, Any], reason: str = ""
) -> Rule:
    """A new rule, in force within seconds.  ``values`` are any of EDITABLE; ``actor`` None is the platform itself.

    Raises NotAllowed, BadRule, BadNote.
    """
    if actor is not None:
        access.require(actor, "rule.edit", datastream.site.org_path, datastream)
    reason = _words(reason, REASON)
    Datastream.objects.select_for_update().get(
        pk=datastream.pk
    )  # one at a time: the levels must stay in order
    rule = Rule(datastream=datastream, kind=kind)
    _set(rule, values)
    rule.save()
    _remember(actor, "rule.created", rule, reason)
    return rule


@transaction.atomic
def edit_rule(actor: Any, rule: Rule, values: Mapping[str, Any], reason: str) -> Rule:
    """Change some of EDITABLE; the rule keeps its id, its history and its standing alarm.

    Raises NotAllowed, BadNote (no reason), BadRule, RuleWithdrawn, RuleChanged when ``rule`` is older than
    the stored one.
    """
    access.require(actor, "rule.edit", _path_of(rule), rule)
    reason = _words(reason, REASON, needed=True)
    Datastream.objects.select_for_update().get(pk=rule.datastream_id)
    stored = _locked(rule)
    if stored.version != rule.version:
        raise RuleChanged(
            _("Version %(yours)s was edited; it is version %(now)s now. Look at it again.")
            % {"yours": rule.version, "now": stored.version}
        )
    before = _snapshot(stored)
    _set(stored, values)
    after = _snapshot(stored)
    if after == before:
        return stored
    stored.version += 1
    stored.save(update_fields=[*EDITABLE, "version"])
    _remember(
        actor,
        "rule.edited",
        stored,
        reason,
        changed={name: [before[name], value] for name, value in after.items() if before[name] != value},
    )
    return stored


@transaction.atomic
def withdraw_rule(actor: Any, rule: Rule, reason: str) -> Rule:
    """Take a rule out of force for good; it stays as history, and its standing alarm is cleared by the
    engine.

    Raises NotAllowed, BadNote (no reason).  A second time changes nothing.
    """
    access.require(actor, "rule.edit", _path_of(rule), rule)
    reason = _words(reason, REASON, needed=True)
    stored = Rule.objects.select_for_update(of=("self",)).get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        return stored
    stored.withdrawn_at, stored.is_enabled = timezone.now(), False
    stored.version += 1
    stored.save(update_fields=["withdrawn_at", "is_enabled", "version"])
    Rule.every.filter(shadow_of=stored, withdrawn_at=None).update(
        withdrawn_at=stored.withdrawn_at, is_enabled=False
    )
    _remember(actor, "rule.withdrawn", stored, reason)
    return stored


def _set(rule: Rule, values: Mapping[str, Any]) -> None:
    """Put ``values`` into ``rule``, or raise BadRule with every problem."""
    problems = [
        Problem(name, gettext_noop("cannot be set; a rule has %(known)s"), {"known": ", ".join(EDITABLE)})
        for name in values
        if name not in EDITABLE
    ]
    parameters = {name: values.get(name, getattr(rule, name)) for name in PARAMETERS}
    try:
        checked = check(rule.kind, parameters)
    except BadRule as error:
        raise BadRule([*problems, *error.problems]) from error
    for name in PARAMETERS:
        setattr(rule, name, getattr(checked, name))
    priority = values.get("priority", rule.priority)
    if str(priority) not in [str(p) for p in Priority.values]:
        problems.append(Problem("priority", gettext_noop("is 1 (red) to 4 (blue)"), {}))
    else:
        rule.priority = int(priority)
    rule.basis = str(values.get("basis", rule.basis)).strip()
    if len(rule.basis) > REASON:
        problems.append(Problem("basis", gettext_noop("at most %(most)s characters"), {"most": REASON}))
    if not isinstance(values.get("is_enabled", rule.is_enabled), bool):
        problems.append(Problem("is_enabled", gettext_noop("is true or false"), {}))
    else:
        rule.is_enabled = values.get("is_enabled", rule.is_enabled)
    problems += _beside_the_others(rule)
    if problems:
        raise BadRule(problems)


def _beside_the_others(rule: Rule) -> list[Problem]:
    """Problems of the rule together with the others of its datastream."""
    others = list(Rule.objects.filter(datastream=rule.datastream_id, withdrawn_at=None))
    others = [other for other in others if other.pk not in (rule.pk, rule.shadow_of_id)]
    if rule.kind in ONE_EACH and any(o.kind == rule.kind for o in others):
        return [
            Problem("kind", gettext_noop("the datastream has a %(kind)s rule already"), {"kind": rule.kind})
        ]
    if rule.kind not in OUTWARDS:
        return []
    levels = {o.kind: o.setpoint for o in others if o.kind in OUTWARDS and o.setpoint is not None}
    assert rule.setpoint is not None
    levels[rule.kind] = rule.setpoint
    return check_order(levels, rule.datastream.range_min, rule.datastream.range_max)


def _remember(actor: Any, action: str, rule: Rule, reason: str, **detail: Any) -> None:
    RuleChange.objects.create(
        rule=rule,
        version=rule.version,
        at=timezone.now(),
        actor_name=_name(actor),
        reason=reason,
        values=_snapshot(rule),
    )
    audit.record(actor, action, rule, org_path=_path_of(rule), reason=reason, version=rule.version, **detail)


def keep(rule: Rule) -> None:
    """Make sure that what ``rule`` says now is in its history: one that was loaded has none yet."""
    RuleChange.objects.get_or_create(
        rule=rule, version=rule.version, defaults={"at": rule.armed_at, "values": _snapshot(rule)}
    )


def _snapshot(rule: Rule) -> dict[str, Any]:
    return {"kind": rule.kind, **{name: getattr(rule, name) for name in EDITABLE}}


def _locked(rule: Rule) -> Rule:
    stored = Rule.objects.select_for_update(of=("self",)).select_related("datastream__site").get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        raise RuleWithdrawn(_("This rule was withdrawn; make a new one."))
    return stored


def _path_of(rule: Rule) -> str:
    return rule.datastream.site.org_path


def _name(actor: Any) -> str:
    return str(actor)[:150] if actor else ""


def words(text: str, needed: bool = False) -> str:
    """A reason as it is kept.  Raises BadNote: too long, or missing where it is ``needed``."""
    return _words(text, REASON, needed)


def put(rule: Rule, values: Mapping[str, Any]) -> None:
    """Put ``values`` (some of EDITABLE) into ``rule``; nothing is stored.  Raises BadRule with every problem."""
    _set(rule, values)


def _words(text: str, most: int, needed: bool = False) -> str:
    text = text.strip()
    if len(text) > most:
        raise BadNote(_("At most %(most)s characters.") % {"most": most})
    if needed and not text:
        raise BadNote(_("Say why: it is kept with the change."))
    return text


__all__ = [
    "EDITABLE",
    "MAX_SHELF",
    "EventRow",
    "ack",
    "ack_by_loop",
    "ack_children",
    "create_rule",
    "edit_rule",
    "event_rows",
    "live_payload",
    "live_payloads",
    "reconcile",
    "record_events",
    "record_peaks",
    "settle",
    "shelve",
    "unshelve",
    "withdraw_rule",
]
