"""What a data steward does with held readings: correct and replay them, or dismiss them.

A replayed reading goes through the bus like any other, in a batch of its own with the source "steward:<name>", so
every check and the ledger see it.  The held row stays, as "replayed", with what was put in its place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.base.quality import Reason
from fengsui.govern.quarantine.errors import BadCorrection
from fengsui.govern.quarantine.models import CheckPolicy, Held, HeldQuerySet, Resolution
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.codecs.readings_json import parse_time
from fengsui.sense.devices.models import Datastream
from fengsui.stores import outbox

MOST_AT_ONCE = 100_000
NOTE = 300
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Correction:
    """What to change before a replay; what is None or empty stays as it was sent.

    ``unit`` says in which unit the values were sent, for rows whose own is unknown; they are converted from it.
    """

    value: float | None = None
    time: datetime | None = None
    shift: timedelta = timedelta()
    datastream_id: int | None = None
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the resolution."""
        kept = {k: v for k, v in asdict(self).items() if v}
        if self.value is not None:
            kept["value"] = self.value
        if self.time is not None:
            kept["time"] = self.time.isoformat()
        if self.shift:
            kept["shift"] = self.shift.total_seconds()
        return kept


@dataclass(frozen=True, slots=True)
class Ready:
    """A held reading as it will be sent again."""

    datastream: int
    time_ms: int
    value: float


def held_visible_to(user: Any) -> HeldQuerySet:
    """What ``user`` may see of the quarantine."""
    return Held.objects.visible_to(user)


@transaction.atomic
def replay(
    actor: Any, rows: HeldQuerySet | Iterable[int], correction: Correction | None = None, note: str = ""
) -> Resolution:
    """Correct held readings and send them again.  All of them, or none and BadCorrection that says why.

    ``rows`` is a filter or a list of ids; those that are not held any more are passed over.  Raises NotAllowed.
    """
    correction = correction or Correction()
    held = _locked(actor, rows)
    ready: dict[int, Ready] = {}
    wrong: dict[int, str] = {}
    streams = _streams(held, correction)
    for row in held:
        try:
            ready[row.pk] = corrected(row, correction, streams)
        except BadCorrection as error:
            wrong[row.pk] = str(error)
    if wrong:
        first = next(iter(wrong.values()))
        message = _("%(count)s of %(all)s readings cannot be sent again like this: %(first)s") % {
            "count": len(wrong),
            "all": len(held),
            "first": first,
        }
        raise BadCorrection(message, wrong)
    resolution = _resolve(actor, held, Resolution.Kind.REPLAY, note, correction)
    for row in held:
        row.resolution = asdict(ready[row.pk])
    _close(held, resolution, Held.Status.REPLAYED)
    outbox.add("quarantine.replay", resolution_id=resolution.pk)
    return resolution


@transaction.atomic
def dismiss(actor: Any, rows: HeldQuerySet | Iterable[int], note: str) -> Resolution:
    """Say that held readings are of no use, and why.  Raises NotAllowed, BadCorrection (no reason given)."""
    if not note.strip():
        raise BadCorrection(_("Say why: it is kept with the readings."))
    held = _locked(actor, rows)
    resolution = _resolve(actor, held, Resolution.Kind.DISMISS, note, Correction())
    _close(held, resolution, Held.Status.DISMISSED)
    return resolution


@transaction.atomic
def edit_policy(actor: Any, **values: int) -> CheckPolicy:
    """Change the clock tolerances (ms); in force within seconds.  Raises NotAllowed, BadCorrection."""
    access.require(actor, "code.edit")
    policy, _made = CheckPolicy.objects.select_for_update().get_or_create(pk="default")
    for name, value in values.items():
        if name not in ("future_tolerance_ms", "late_after_ms", "refuse_older_than_ms") or value < 0:
            raise BadCorrection(_("%(name)s cannot be %(value)s.") % {"name": name, "value": value})
        setattr(policy, name, value)
    if policy.refuse_older_than_ms < policy.late_after_ms:
        raise BadCorrection(_("What is late must be younger than what is refused."))
    policy.save()
    audit.record(actor, "policy.edited", "checks", values=values)
    return policy


def corrected(row: Held, correction: Correction, streams: "Streams") -> Ready:
    """The reading to send for one held row.  Raises BadCorrection when something is missing."""
    if row.site_id == 0:
        raise BadCorrection(_("a whole message that could not be read"))
    stream = streams.find(row, correction)
    time_ms = _time_of(row, correction)
    value = correction.value if correction.value is not None else _value_of(row)
    moved = correction.datastream_id or correction.time or correction.shift
    if row.reason == Reason.CONFLICT and not moved:
        raise BadCorrection(_("history holds another value at this time already"))
    if correction.value is None:
        value = _converted(value, row, correction, stream.unit)
    return Ready(stream.id, time_ms, value)


@dataclass(frozen=True, slots=True)
class Stream:
    """What a replay must know of a datastream."""

    id: int
    site: int
    unit: str


class Streams:
    """The datastreams of the sites of some held rows, by id and by the name that was sent."""

    def __init__(self, found: Iterable[tuple[int, int, str, str]]) -> None:
        self._by_id: dict[int, Stream] = {}
        self._by_code: dict[tuple[int, str], Stream] = {}
        for pk, site, code, unit in found:
            self._by_id[pk] = self._by_code[site, code] = Stream(pk, site, unit)

    def find(self, row: Held, correction: Correction) -> Stream:
        """Where the reading belongs.  Raises BadCorrection."""
        wanted = correction.datastream_id or row.datastream_id
        stream = self._by_id.get(wanted) if wanted else self._by_code.get((row.site_id, row.sent_code))
        if stream is None:
            raise BadCorrection(
                _("no active datastream %(name)s at this site") % {"name": wanted or row.sent_code}
            )
        if stream.site != row.site_id:
            raise BadCorrection(_("the datastream belongs to another site"))
        return stream


def _streams(held: Sequence[Held], correction: Correction) -> Streams:
    sites = {row.site_id for row in held}
    found = Datastream.objects.filter(site__in=sites, is_active=True)
    return Streams(found.values_list("pk", "site_id", "code", "unit"))


def _time_of(row: Held, correction: Correction) -> int:
    if correction.time is not None:
        return _ms(correction.time)
    if row.observed_at is not None:
        return _ms(row.observed_at) + round(correction.shift.total_seconds() * 1000)
    sent = parse_time(row.sent_time)
    if sent is None and row.sent_time.strip("-").isdigit():
        sent = parse_time(int(row.sent_time))
    if sent is None:
        raise BadCorrection(_("the time %(time)s cannot be read") % {"time": row.sent_time or "–"})
    return sent + round(correction.shift.total_seconds() * 1000)


def _value_of(row: Held) -> float:
    if row.value is not None:
        return row.value
    try:
        value = float(row.sent_value)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise BadCorrection(_("the value %(value)s cannot be read") % {"value": row.sent_value or "–"})
    return value


def _converted(value: float, row: Held, correction: Correction, unit: str) -> float:
    """From the unit it was sent in, where the gateway could not convert it."""
    sent = correction.unit or (row.sent_unit if row.reason in (Reason.UNIT, Reason.UNMAPPED) else "")
    if not sent:
        return value
    try:
        return float(units.convert(value, sent, unit))
    except UnknownUnit as error:
        raise BadCorrection(str(error)) from error


def _locked(actor: Any, rows: HeldQuerySet | Iterable[int]) -> list[Held]:
    """The rows that are still held, locked; all within what ``actor`` may resolve."""
    chosen = rows if isinstance(rows, HeldQuerySet) else Held.objects.filter(pk__in=list(rows))
    waiting = chosen.filter(status=Held.Status.HELD).order_by("pk").select_for_update(of=("self",))
    held = list(waiting[: MOST_AT_ONCE + 1])
    if len(held) > MOST_AT_ONCE:
        raise BadCorrection(_("At most %(most)s readings at once.") % {"most": MOST_AT_ONCE})
    if not held:
        raise BadCorrection(_("None of these readings is held any more."))
    for path in sorted({row.org_path for row in held}):
        access.require(actor, "quarantine.resolve", path)
    return held


def _resolve(actor: Any, held: Sequence[Held], kind: Any, note: str, correction: Correction) -> Resolution:
    if len(note) > NOTE:
        raise BadCorrection(_("At most %(most)s characters.") % {"most": NOTE})
    resolution = Resolution.objects.create(
        kind=kind,
        actor=actor,
        actor_name=str(actor)[:150],
        made_at=timezone.now(),
        note=note.strip(),
        correction=correction.as_json(),
        rows=len(held),
        done_at=timezone.now() if kind == Resolution.Kind.DISMISS else None,
    )
    by_path: dict[str, list[int]] = {}
    for row in held:
        by_path.setdefault(row.org_path, []).append(row.pk)
    for path, ids in sorted(by_path.items()):
        audit.record(
            actor,
            "quarantine.replayed" if kind == Resolution.Kind.REPLAY else "quarantine.dismissed",
            resolution,
            org_path=path,
            rows=len(ids),
            first_id=ids[0],
            last_id=ids[-1],
            note=note.strip(),
            correction=resolution.correction,
        )
    return resolution


def _close(held: Sequence[Held], resolution: Resolution, status: Any) -> None:
    for row in held:
        row.status, row.resolved_by = status, resolution.actor
        row.resolved_at, row.resolved_in = resolution.made_at, resolution
    columns = ["status", "resolved_by", "resolved_at", "resolved_in", "resolution"]
    Held.objects.bulk_update(held, columns, batch_size=2000)


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
