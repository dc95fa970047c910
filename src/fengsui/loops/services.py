"""What can be done with loops: open, act, assign, escalate, and change what a kind is.

Each service is one transaction that leaves a deed, an audit entry when a person did it, and events in the outbox:
``live`` for the screens, ``loop.acted`` for those whose own rows follow the loop.  A refusal is audited: call the
services outside a transaction (inside a request that is taken care of), or the entry is rolled back with it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput, NotAllowed
from fengsui.loops import evidence as proof
from fengsui.loops import kinds
from fengsui.loops.errors import ChangedMeanwhile, Incomplete, SamePerson, WrongStep
from fengsui.loops.kinds import definition as schema
from fengsui.loops.kinds.definition import Action, Definition, Rung, Step
from fengsui.loops.models import Deed, Evidence, Kind, KindChange, Loop
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org, Role
from fengsui.stores import outbox
from fengsui.stores.files import sync

MAX_NOTE = 4000
MAX_MEASURE = 2000
OPENED, ASSIGNED, ESCALATED, NOTED = "opened", "assigned", "escalated", "noted"


@dataclass(frozen=True, slots=True)
class Offer:
    """An action of the step a loop is in, as seen by one person.  ``why_not`` is "" when they may do it, otherwise
    the code of the error they would get.
    """

    code: str
    zh: str
    en: str
    to: str | None
    requires: tuple[str, ...]
    why_not: str

    @property
    def allowed(self) -> bool:
        return not self.why_not

    @property
    def label(self) -> str:
        return in_language(self.zh, self.en)


# ---- opening --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opening:
    """What a loop is to be about.  ``level`` is 1 red … 4 blue; limits count from ``at``."""

    key: str
    title: str
    org: Org
    level: int
    at: datetime
    title_en: str = ""
    about: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def open_loop(
    *,
    kind: str,
    key: str,
    title: str,
    org: Org,
    level: int,
    at: datetime,
    title_en: str = "",
    about: dict[str, Any] | None = None,
    actor: Any = None,
) -> Loop:
    """Open a loop of ``kind`` about ``key`` at ``org``, or return the one that is there.  ``level`` is 1 red … 4 blue.

    ``at`` is when it became true that something has to be done: limits count from it.  Raises UnknownKind, BadInput.
    """
    opening = Opening(key, title, org, level, at, title_en, about or {})
    return open_loops(kind, [opening], actor=actor)[key]


@transaction.atomic
def open_loops(kind: str, openings: Iterable[Opening], *, actor: Any = None) -> dict[str, Loop]:
    """The same for many, in a few statements; returns every loop by its key, also those that were there."""
    wanted = {opening.key: opening for opening in openings}
    if bad := sorted({o.level for o in wanted.values()} - {1, 2, 3, 4}):
        raise BadInput(_("A level is 1 to 4, not %(level)s.") % {"level": bad[0]})
    found = _by_key(wanted)
    if len(found) == len(wanted):
        return found
    row = kinds.current(kind)
    definition = kinds.in_force(row)
    desks: dict[str, Org] = {}
    new = [_draft(row, definition, o, desks) for key, o in wanted.items() if key not in found]
    try:
        with transaction.atomic():
            Loop.objects.bulk_create(new)
    except IntegrityError:  # somebody else opened one of them in this moment
        new = [loop for loop in new if _insert(loop)]
    Deed.objects.bulk_create(_deed_of(loop, definition.start, OPENED, loop.opened_at, actor) for loop in new)
    outbox.add_many("live", [_told(loop, definition) for loop in new])
    if actor is not None:
        for loop in new:
            audit.record(actor, "loop.opened", loop, kind=kind, level=loop.level)
    opened = {loop.key: loop for loop in new}
    late = [key for key in wanted if key not in found and key not in opened]
    return found | opened | (_by_key(late) if late else {})


# ---- acting ---------------------------------------------------------------------------------------------------


def act(
    actor: Any,
    loop: Loop | int,
    action: str,
    *,
    note: str = "",
    data: dict[str, Any] | None = None,
    files: Iterable[Any] = (),
    version: int | None = None,
    at: datetime | None = None,
) -> Loop:
    """Do ``action`` in the step that the loop is in, and return the loop after it.

    ``data`` may hold ``cause`` (a code of the kind's dictionary) and ``measure`` (text).  ``files`` are Django files or
    ``(name, bytes)``.  ``version``, when given, must be the loop's.  Raises NotAllowed or SamePerson (audited),
    WrongStep, ChangedMeanwhile, Incomplete, EvidenceRefused, BadInput.
    """
    loop_id = loop.pk if isinstance(loop, Loop) else loop
    seen = Loop.objects.get(pk=loop_id)
    access.require(actor, "loop.act", seen.org_path, seen)
    checked = proof.check(files)
    stored: list[Evidence] = []
    try:
        with transaction.atomic():
            held = _lock(loop_id)
            definition = kinds.at_version(held.kind_id, held.kind_version)
            step, what = _find(held, definition, action)
            if version is not None and version != held.version:
                raise ChangedMeanwhile(_("Somebody acted in this loop meanwhile; look at it again."))
            _permit(actor, held, step, what)
            words, values = _content(held, definition, what, note, data or {}, checked)
            at = max(at or timezone.now(), held.step_since)
            deed = _move(held, definition, step, what, at, actor, words, values)
            for file in checked:
                stored.append(_store(deed, file))
            _tell(held)
            outbox.add("loop.acted", **_acted(held, deed))
            audit.record(
                actor,
                f"loop.{action}",
                held,
                step=step.code,
                to=held.step,
                key=held.key,
                **values,
                evidence=[{"name": e.name, "sha256": e.sha256, "size": e.size} for e in stored],
            )
    except NotAllowed as refusal:
        _forget_files(stored)
        audit.refuse(actor, f"loop.{action}", seen, why=refusal.code, step=seen.step)
        raise
    except BaseException:
        _forget_files(stored)
        raise
    finally:
        proof.close(checked)
    return held


@transaction.atomic
def follow(key: str, action: str, *, actor: Any, at: datetime, note: str = "") -> Loop | None:
    """Do ``action`` because ``actor`` already did as much to what the loop is about, and was allowed to there.

    Does nothing, and returns None, when there is no such loop or its step has no such action: idempotent.
    """
    loop = Loop.objects.select_for_update(of=("self",)).select_related("kind", "org").filter(key=key).first()
    if loop is None or loop.closed_at is not None:
        return None
    definition = kinds.at_version(loop.kind_id, loop.kind_version)
    step = definition.step(loop.step)
    what = step.action(action)
    if what is None or what.requires:
        return None
    deed = _move(loop, definition, step, what, max(at, loop.step_since), actor, _words(note, MAX_NOTE), {})
    _tell(loop)
    outbox.add("loop.acted", **_acted(loop, deed))
    return loop


@transaction.atomic
def note_fact(key: str, fact: str, value: Any, *, at: datetime) -> Loop | None:
    """Keep that ``fact`` became true of what the loop is about.  Returns None when nothing changed."""
    loop = Loop.objects.select_for_update(of=("self",)).select_related("kind", "org").filter(key=key).first()
    if loop is None or fact in loop.facts:
        return None
    loop.facts[fact] = value
    loop.version += 1
    loop.save(update_fields=["facts", "version"])
    _deed(loop, loop.step, NOTED, at, None, data={fact: value})
    _tell(loop)
    return loop


@transaction.atomic
def pause(keys: Iterable[str], *, at: datetime, why: str) -> int:
    """Tell nobody above of these loops until ``resume``: what they are about is handled elsewhere.  Returns how many.

    They stay open, and whoever acts in one starts its limits again.
    """
    wanted = Loop.objects.open().filter(key__in=list(keys)).exclude(escalate_at=None)
    return _hold(wanted, at, {"paused": why}, lambda loop: None)


@transaction.atomic
def resume(keys: Iterable[str], *, at: datetime) -> int:
    """The limits of paused loops count again; one that has passed meanwhile is told at once.  Returns how many."""
    wanted = Loop.objects.open().filter(key__in=list(keys), escalate_at=None).exclude(due_at=None)
    return _hold(wanted, at, {"resumed": True}, lambda loop: max(loop.due_at, at))


def _hold(wanted: Any, at: datetime, data: dict[str, Any], when: Callable[[Any], datetime | None]) -> int:
    rows = list(wanted.select_for_update(of=("self",)).select_related("kind", "org").order_by("pk"))
    for loop in rows:
        loop.escalate_at, loop.version = when(loop), loop.version + 1
    Loop.objects.bulk_update(rows, ["escalate_at", "version"], batch_size=1000)
    Deed.objects.bulk_create(_deed_of(loop, loop.step, NOTED, at, None, data=data) for loop in rows)
    outbox.add_many("live", [_told(loop) for loop in rows])
    return len(rows)


def assign(actor: Any, loop: Loop | int, user: Any, *, note: str = "", at: datetime | None = None) -> Loop:
    """Ask ``user`` by name (None: whoever holds the role).  Raises NotAllowed, BadInput, WrongStep when closed."""
    loop_id = loop.pk if isinstance(loop, Loop) else loop
    seen = Loop.objects.get(pk=loop_id)
    access.require(actor, "loop.assign", seen.org_path, seen)
    with transaction.atomic():
        held = _lock(loop_id)
        if held.closed_at is not None:
            raise WrongStep(_("This loop is closed."))
        if user is not None and not access.may(user, "loop.act", held.org_path):
            raise BadInput(_("%(who)s may not act in this loop.") % {"who": user})
        if held.assignee_id == (user.pk if user is not None else None):
            return held
        held.assignee = user
        held.version += 1
        held.save(update_fields=["assignee", "version"])
        whom = {"assignee_id": user.pk, "assignee": str(user)} if user is not None else {"assignee_id": None}
        _deed(held, held.step, ASSIGNED, at or timezone.now(), actor, note=_words(note, MAX_NOTE), data=whom)
        _tell(held)
        audit.record(actor, "loop.assigned", held, **whom)
    return held


def offers(user: Any, loop: Loop) -> list[Offer]:
    """The actions of the loop's step, and whether ``user`` may do each."""
    definition = kinds.at_version(loop.kind_id, loop.kind_version)
    step = definition.step(loop.step)
    may_act = access.may(user, "loop.act", loop.org_path)
    found = []
    for action in step.actions:
        try:
            if not may_act:
                raise NotAllowed("")
            _permit(user, loop, step, action)
            why_not = ""
        except NotAllowed as refusal:
            why_not = refusal.code
        found.append(
            Offer(action.code, action.zh, action.en, action.to, needed(loop, definition, action), why_not)
        )
    return found


def needed(loop: Loop, definition: Definition, action: Action) -> tuple[str, ...]:
    """What ``action`` requires of the loop as it is now: note, cause, measure, evidence."""
    wanted = list(action.requires)
    if action.note_unless and action.note_unless not in loop.facts and "note" not in wanted:
        wanted.append("note")
    return tuple(wanted)


# ---- deadlines ------------------------------------------------------------------------------------------------


def escalate_overdue(now: datetime, limit: int = 200) -> int:
    """Tell the next rung of every loop whose limit has passed; returns how many were told.

    Each loop is told once a period, whatever the number of workers: the row is locked, and the next period begins at
    ``now``.  After the last rung, that rung is told again each time its own limit passes.
    """
    told = 0
    while True:
        with transaction.atomic():
            late = list(
                Loop.objects.open()
                .filter(escalate_at__lte=now)
                .select_for_update(of=("self",), skip_locked=True)
                .select_related("kind", "org")
                .order_by("escalate_at", "id")[:limit]
            )
            known = kinds.at_versions((loop.kind_id, loop.kind_version) for loop in late)
            places: dict[tuple[str, str], Org] = {}
            for loop in late:
                _escalate(loop, now, known[loop.kind_id, loop.kind_version], places)
        told += len(late)
        if len(late) < limit:
            return told


@transaction.atomic
def tell_next(key: str, org: Org, roles: Iterable[str], *, at: datetime, data: dict[str, Any]) -> Loop | None:
    """Keep that the next in line was told, where whoever owns the loop walks the line itself (a kind without ladder).

    From now on it is also asked of ``roles`` at ``org``.  Returns None when the loop is closed or not there.
    """
    loop = Loop.objects.select_for_update(of=("self",)).select_related("kind", "org").filter(key=key).first()
    if loop is None or loop.closed_at is not None:
        return None
    loop.escalation += 1
    loop.escalated_to, loop.escalated_roles = org, sorted(roles)
    loop.version += 1
    loop.save(update_fields=["escalation", "escalated_to", "escalated_roles", "version"])
    told = {"rung": loop.escalation, "org_id": org.pk, "org": org.name, "org_en": org.name_en}
    _deed(loop, loop.step, ESCALATED, at, None, data={**told, "roles": loop.escalated_roles, **data})
    _tell(loop)
    return loop


# ---- kinds ----------------------------------------------------------------------------------------------------


def edit_kind(
    actor: Any, kind: Kind | str, definition: dict[str, Any], *, reason: str, version: int | None = None
) -> Kind:
    """Change what a kind is, for the loops opened from now on.

    Kinds hold everywhere, so the right must be held at the root.  Raises NotAllowed (audited), BadDefinition,
    ChangedMeanwhile, BadInput without a reason.
    """
    _require_everywhere(actor, "loop.kind.edit", kind)
    reason = _words(reason, 200)
    if not reason:
        raise BadInput(_("Say why."))
    read = schema.read(definition)
    with transaction.atomic():
        row = Kind.objects.select_for_update().get(pk=kind if isinstance(kind, str) else kind.pk)
        if version is not None and version != row.version:
            raise ChangedMeanwhile(_("Somebody changed this kind meanwhile; look at it again."))
        values = schema.plain(read)
        if values == row.definition:
            return row
        before = row.version
        _set_kind(row, read, str(actor.get_username()), reason)
        audit.record(actor, "loop.kind.edited", row, before=before, version=row.version, reason=reason)
    return row


def create_kind(actor: Any, code: str, definition: dict[str, Any], *, reason: str) -> Kind:
    """Add a kind.  Raises like ``edit_kind``; BadInput when the code is taken."""
    _require_everywhere(actor, "loop.kind.edit", code)
    read = schema.read(definition)
    reason = _words(reason, 200)
    if not reason:
        raise BadInput(_("Say why."))
    with transaction.atomic():
        if Kind.objects.filter(pk=code).exists():
            raise BadInput(_("There is already a kind %(code)s.") % {"code": code})
        row = Kind(code=code, version=0)
        _set_kind(row, read, str(actor.get_username()), reason)
        audit.record(actor, "loop.kind.created", row, reason=reason)
    return row


@transaction.atomic
def install_kind(code: str, definition: dict[str, Any]) -> bool:
    """Bring a shipped kind into the database, unless a person has changed it there; True when something was written."""
    read = schema.read(definition)
    Kind.objects.bulk_create(
        [Kind(code=code, name=read.zh, name_en=read.en, definition={}, version=0)], ignore_conflicts=True
    )
    row = Kind.objects.select_for_update().get(pk=code)
    if row.definition == schema.plain(read) or row.changes.exclude(actor_name="").exists():
        return False
    _set_kind(row, read, "", "as shipped")
    return True


# ---- faces ----------------------------------------------------------------------------------------------------


def in_language(zh: str, en: str) -> str:
    """One of two texts, by the language of the moment."""
    return zh if (get_language() or "zh").startswith("zh") else en or zh


def live_payload(loop: Loop, definition: Definition | None = None) -> dict[str, Any]:
    """What screens get of a loop: subject ``live.loop``, Nats-Msg-Id ``loop:<id>:<version>``."""
    definition = definition or kinds.at_version(loop.kind_id, loop.kind_version)
    step = definition.step(loop.step)
    return {
        "type": "loop",
        "id": loop.pk,
        "key": loop.key,
        "version": loop.version,
        "kind": loop.kind_id,
        "kind_name": definition.zh,
        "kind_name_en": definition.en,
        "title": loop.title,
        "title_en": loop.title_en,
        "org": {"id": loop.org_id, "code": loop.org.code, "name": loop.org.name, "name_en": loop.org.name_en},
        "org_path": loop.org_path,
        "level": loop.level,
        "step": loop.step,
        "step_name": step.zh,
        "step_name_en": step.en,
        "step_since_ms": _ms(loop.step_since),
        "due_at_ms": _ms(loop.due_at),
        "assignee": str(loop.assignee) if loop.assignee_id else None,
        "escalation": loop.escalation,
        "escalate_at_ms": _ms(loop.escalate_at),
        "escalated_to": {
            "id": loop.escalated_to_id,
            "name": loop.escalated_to.name,
            "name_en": loop.escalated_to.name_en,
        }
        if loop.escalated_to
        else None,
        "about": loop.about,
        "facts": loop.facts,
        "opened_at_ms": _ms(loop.opened_at),
        "closed_at_ms": _ms(loop.closed_at),
        "outcome": loop.outcome,
    }


# ---- within ---------------------------------------------------------------------------------------------------


def _by_key(keys: Iterable[str]) -> dict[str, Loop]:
    rows = Loop.objects.filter(key__in=list(keys)).select_related("kind", "org")
    return {loop.key: loop for loop in rows}


def _draft(row: Kind, definition: Definition, opening: Opening, desks: dict[str, Org]) -> Loop:
    loop = Loop(
        kind=row,
        kind_version=row.version,
        key=opening.key,
        title=opening.title[:200],
        title_en=opening.title_en[:200],
        org=opening.org,
        org_path=opening.org.path,
        level=opening.level,
        opened_at=opening.at,
        about=opening.about,
    )
    step = definition.step(definition.start)
    if opening.org.path not in desks:
        desks[opening.org.path] = place(step.desk, opening.org)
    _enter(loop, definition, step, opening.at, desks[opening.org.path])
    return loop


def _insert(loop: Loop) -> bool:
    """Insert one loop; False when its key was taken in this moment."""
    try:
        with transaction.atomic():
            loop.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _lock(loop_id: int) -> Loop:
    return Loop.objects.select_for_update(of=("self",)).select_related("kind", "org").get(pk=loop_id)


def _find(loop: Loop, definition: Definition, action: str) -> tuple[Step, Action]:
    step = definition.step(loop.step)
    what = step.action(action)
    if what is None:
        name = definition.action(action)
        words = {
            "action": in_language(name.zh, name.en) if name else action,
            "step": in_language(step.zh, step.en),
        }
        raise WrongStep(_("“%(action)s” is not possible in step “%(step)s”.") % words)
    return step, what


def _permit(actor: Any, loop: Loop, step: Step, action: Action) -> None:
    """Raise NotAllowed without a role of the action (or of the rung that was told), SamePerson for four eyes."""
    held = access.roles_at(actor, loop.org_path)
    wanted = set(step.roles if action.roles is None else action.roles)
    told = set()
    if loop.escalated_to is not None:
        told = set(loop.escalated_roles) & access.roles_at(actor, loop.escalated_to.path)
    if not (held & wanted or told or getattr(actor, "is_superuser", False)):
        roles = ", ".join(str(label) for role, label in Role.choices if role in wanted)
        raise NotAllowed(_("This is for: %(roles)s.") % {"roles": roles})
    if action.other_than:
        last = (
            Deed.objects.filter(loop=loop, action__in=action.other_than)
            .order_by("-id")
            .values_list("actor_id", flat=True)
            .first()
        )
        if last is not None and last == actor.pk:
            raise SamePerson(_("Somebody else has to do this: you did what is to be checked."))


def _content(
    loop: Loop,
    definition: Definition,
    action: Action,
    note: str,
    data: dict[str, Any],
    files: list[proof.Checked],
) -> tuple[str, dict[str, Any]]:
    """Note and data of a deed, cleaned.  Raises BadInput, Incomplete."""
    if unknown := sorted(set(data) - {"cause", "measure"}):
        raise BadInput(_("Not known here: %(names)s.") % {"names": ", ".join(unknown)})
    words = _words(note, MAX_NOTE)
    values = {name: _words(text, MAX_MEASURE) for name, text in data.items() if text not in (None, "")}
    values = {name: text for name, text in values.items() if text}
    has = {"note": bool(words), "evidence": bool(files), **{name: True for name in values}}
    wanted = list(needed(loop, definition, action))
    if (code := values.get("cause")) is not None:
        if (cause := definition.cause(code)) is None:
            raise BadInput(_("The cause %(code)s is not in the dictionary.") % {"code": code})
        if cause.needs_note and "note" not in wanted:
            wanted.append("note")
    if missing := [name for name in wanted if not has.get(name)]:
        raise Incomplete(missing)
    return words, values


def _words(text: Any, longest: int) -> str:
    if not isinstance(text, str):
        raise BadInput(_("Text is expected."))
    text = text.replace("\x00", "").strip()
    if len(text) > longest:
        raise BadInput(
            _("%(count)s characters; at most %(most)s are kept.") % {"count": len(text), "most": longest}
        )
    return text


def _enter(loop: Loop, definition: Definition, step: Step, at: datetime, desk: Org | None = None) -> None:
    """Put the loop into ``step``: who is asked, until when, and nobody above told yet."""
    loop.step, loop.step_since = step.code, at
    loop.desk = None if step.final else desk or place(step.desk, loop.org)
    loop.roles = list(step.roles)
    loop.escalation, loop.escalated_to, loop.escalated_roles = 0, None, []
    seconds = step.limit(loop.level)
    loop.due_at = None if seconds is None else _clock(loop, definition, step, at) + timedelta(seconds=seconds)
    loop.escalate_at = loop.due_at if definition.rungs(loop.level) else None
    if step.final:
        loop.closed_at, loop.outcome = at, step.code
        loop.due_at = loop.escalate_at = None
        loop.assignee = None


def _clock(loop: Loop, definition: Definition, step: Step, at: datetime) -> datetime:
    """When the limit of ``step`` began to run."""
    if step.clock is None or step.clock == step.code:
        return at
    if step.clock == definition.start:
        return loop.opened_at
    entered = Deed.objects.filter(loop=loop, to_step=step.clock).exclude(step=step.clock)
    return entered.order_by("-id").values_list("at", flat=True).first() or at


def _move(
    loop: Loop,
    definition: Definition,
    step: Step,
    action: Action,
    at: datetime,
    actor: Any,
    note: str,
    values: dict[str, Any],
) -> Deed:
    if action.to is not None and action.to != step.code:
        _enter(loop, definition, definition.step(action.to), at)
        loop.assignee = None
    loop.version += 1
    loop.save()
    return _deed(loop, step.code, action.code, at, actor, note=note, data=values)


def _escalate(loop: Loop, now: datetime, definition: Definition, places: dict[tuple[str, str], Org]) -> None:
    rungs = definition.rungs(loop.level)
    if not rungs:
        loop.escalate_at = None
        loop.save(update_fields=["escalate_at"])
        return
    rung = rungs[min(loop.escalation, len(rungs) - 1)]
    where = (rung.to, loop.org.path)
    org = places.get(where) or places.setdefault(where, place(rung.to, loop.org))
    loop.escalation += 1
    loop.escalated_to, loop.escalated_roles = org, list(rung.roles)
    loop.escalate_at = now + timedelta(seconds=_rung_limit(rung, loop.level))
    loop.version += 1
    loop.save(update_fields=["escalation", "escalated_to", "escalated_roles", "escalate_at", "version"])
    late_s = int((now - loop.due_at).total_seconds()) if loop.due_at else 0
    told = {"rung": loop.escalation, "org_id": org.pk, "org": org.name, "org_en": org.name_en}
    _deed(loop, loop.step, ESCALATED, now, None, data={**told, "roles": list(rung.roles), "late_s": late_s})
    outbox.add("live", **_told(loop, definition))


def _rung_limit(rung: Rung, level: int) -> int:
    return rung.limit_s[str(level)]  # type: ignore[index]


def place(where: str, org: Org) -> Org:
    """The organisation that ``where`` (own, up:2, nearest:county) means for a loop of ``org``."""
    if where == "own":
        return org
    ids = [int(part) for part in org.path.split("/") if part]
    if where.startswith("up:"):
        wanted = ids[max(0, len(ids) - 1 - int(where[3:]))]
        return org if wanted == org.pk else Org.objects.get(pk=wanted)
    above = Org.objects.filter(pk__in=ids, kind=where.removeprefix("nearest:")).order_by("-depth").first()
    return above or org


def _deed(
    loop: Loop,
    step: str,
    action: str,
    at: datetime,
    actor: Any,
    note: str = "",
    data: dict[str, Any] | None = None,
) -> Deed:
    deed = _deed_of(loop, step, action, at, actor, note, data)
    deed.save(force_insert=True)
    return deed


def _deed_of(
    loop: Loop,
    step: str,
    action: str,
    at: datetime,
    actor: Any,
    note: str = "",
    data: dict[str, Any] | None = None,
) -> Deed:
    person = actor if hasattr(actor, "pk") else None
    return Deed(
        loop=loop,
        step=step,
        to_step=loop.step,
        action=action,
        at=at,
        actor=person,
        actor_name=str(actor)[:150] if actor is not None else "",
        note=note,
        data=data or {},
    )


def _store(deed: Deed, file: proof.Checked) -> Evidence:
    row = Evidence(
        deed=deed,
        name=file.name,
        sha256=file.sha256,
        size=file.size,
        content_type=file.content_type,
    )
    row.file.save(f"file.{file.ending}", File(file.body), save=False)
    sync(row.file.path)
    row.save()
    return row


def _forget_files(stored: Iterable[Evidence]) -> None:
    for row in stored:
        row.file.storage.delete(row.file.name)


def _tell(loop: Loop) -> None:
    outbox.add("live", **_told(loop))


def _told(loop: Loop, definition: Definition | None = None) -> dict[str, Any]:
    return {
        "subject": "live.loop",
        "payload": live_payload(loop, definition),
        "msg_id": f"loop:{loop.pk}:{loop.version}",
    }


def _acted(loop: Loop, deed: Deed) -> dict[str, Any]:
    return {
        "loop_id": loop.pk,
        "kind": loop.kind_id,
        "key": loop.key,
        "action": deed.action,
        "from_step": deed.step,
        "to_step": deed.to_step,
        "actor_id": deed.actor_id,
        "at": deed.at,
        "note": deed.note[:300],
        "outcome": loop.outcome,
    }


def _set_kind(row: Kind, read: Definition, actor_name: str, reason: str) -> None:
    row.name, row.name_en = read.zh[:80], read.en
    row.definition = schema.plain(read)
    row.version += 1
    row.save()
    KindChange.objects.create(
        kind=row,
        version=row.version,
        at=timezone.now(),
        actor_name=actor_name,
        reason=reason,
        definition=row.definition,
    )


def _require_everywhere(actor: Any, action: str, obj: Kind | str) -> None:
    roots = list(Org.objects.filter(parent=None).values_list("path", flat=True))
    for path in roots or [None]:
        access.require(actor, action, path, obj)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
