"""One partition in memory: messages in, alarms and an epoch out.  No sockets, no database, no clock.

The state (``latest`` of the checks, ``state`` of the engine) follows from the messages alone, in their order; how
they were grouped, and where the stream was cut and read again, changes nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from fengsui.base import batch as wire
from fengsui.base.batch import Batch, Message
from fengsui.base.errors import BadBatch
from fengsui.base.quality import Quality
from fengsui.govern import checks
from fengsui.govern.catalogue.columns import Columns
from fengsui.govern.checks import CheckPolicy, Judged, Latest
from fengsui.govern.ledger import booking
from fengsui.govern.ledger.booking import Counts
from fengsui.govern.quarantine.holding import HeldRows
from fengsui.run.pipeline.epoch import Behind, Epoch, Poison, conflicting
from fengsui.run.pipeline.gather import Gathered, gather, ordered
from fengsui.stores.checkpoints.states import Parts
from fengsui.stores.checkpoints.writers import Writers
from fengsui.stores.history.rows import Rows
from fengsui.warn.alarms.episodes import EventRow, event_rows
from fengsui.warn.engine import (
    RAISED,
    Events,
    RuleRow,
    Rules,
    RuleTable,
    State,
    compile_rules,
    moving,
    step,
    sweep,
)
from fengsui.warn.engine.events import NOTHING
from fengsui.warn.engine.moving import Memory, Places, Watches
from fengsui.warn.engine.state import Frozen
from fengsui.warn.expressions import cause as causes
from fengsui.warn.expressions import in_force
from fengsui.warn.expressions.in_force import InForce, Placed
from fengsui.warn.expressions.memory import Memory as ScenarioMemory
from fengsui.warn.expressions.table import RAISED as SCENARIO_RAISED
from fengsui.warn.expressions.table import Told

STEWARD = "steward:"  # source of readings that a person corrected and replayed
FENCES = "fences"  # source of readings that are made here, out of positions
SCENARIOS = "scenarios"  # and out of what scenario rules say


class UnknownDatastreams(Exception):
    """Ids that this partition does not know and did not expect: the registry may have grown.  Nothing was changed."""

    def __init__(self, ids: frozenset[int]) -> None:
        super().__init__(f"{len(ids)} unknown datastreams")
        self.ids = ids


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message of the stream; ``at_ms`` is when the bus had it, ``message_id`` its Nats-Msg-Id."""

    seq: int
    at_ms: int
    message_id: str
    data: bytes
    trace: str = ""  # traceparent, when its way is watched


@dataclass(slots=True)
class Stored:
    """Registry and rules as numbers of the change counters, and the file that keeps them, once there is one."""

    numbers: tuple[int, int] = (-1, -1)
    file: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after message ``seq``, apart from what happens next, and the configuration it was under."""

    seq: int
    partitions: int
    columns: Columns
    latest: Latest
    state: Frozen
    stored: Stored
    moving: dict[str, np.ndarray] = field(default_factory=dict)
    scenarios: dict[str, np.ndarray] = field(default_factory=dict)

    def parts(self) -> dict[str, np.ndarray]:
        """What ``stores.checkpoints.states.save`` writes."""
        return {
            "partitions": np.array(self.partitions),
            "configuration": np.array(self.stored.file),
            **{f"latest.{f.name}": getattr(self.latest, f.name) for f in fields(Latest)},
            **{f"engine.{name}": column for name, column in self.state.parts().items()},
            **{f"moving.{name}": column for name, column in self.moving.items()},
            **{f"scenarios.{name}": column for name, column in self.scenarios.items()},
        }


class Partition:
    """``columns``, ``rules`` and ``policy`` are replaced by ``adopt``; everything else follows from ``take``."""

    def __init__(
        self,
        columns: Columns,
        rules: Rules,
        policy: CheckPolicy,
        partitions: int = 1,
        watches: Watches = moving.NOBODY,
        scenarios: InForce = in_force.NONE,
    ) -> None:
        self.columns, self.rules, self.policy = columns, rules, policy
        self.places = _places(watches, columns)
        self.moving = Memory.fresh(len(watches))
        self.scenarios = _placed(scenarios, columns)
        self.heard = ScenarioMemory.fresh(scenarios.table)
        self.latest = Latest.fresh(columns.n_slots)
        self.state = State.fresh(self.rules)
        self.partitions = self.partitions_before = partitions  # before: when the restored state was saved
        self.seq = 0  # the last message taken
        self.booked_seq = 0  # messages up to it were booked by an earlier process: they only teach the state
        self.total = 0  # readings taken since the start
        self.writers = Writers()
        self.epoch = Epoch()
        self.missing_ids: frozenset[int] = frozenset()  # unknown ids that were looked for and are not there
        self.stored = Stored()

    # ---- starting and changing ------------------------------------------------------------------------------------

    def restore(self, parts: Parts, seq: int, at_ms: int) -> list[EventRow]:
        """Go on from a checkpoint's state.  Returns the ends of episodes that are not watched any more.

        All of it or, when it raises BadState, ValueError or KeyError, nothing.
        """
        engine = parts.under("engine.")
        latest = Latest(*(parts[f"latest.{f.name}"] for f in fields(Latest)))
        partitions_before = int(parts["partitions"])
        if self.stored.file and str(parts["configuration"]) == self.stored.file:
            state, said = State.placed(engine, self.rules), NOTHING
        else:
            was = State.of(engine)
            latest = latest.moved(*_moves(was.rules.datastream, self.columns))
            state, said = was.carry_over(self.rules, at_ms)
        remembered = Memory.of(parts.under("moving."), self.places.watches.unit)
        heard = ScenarioMemory.of(parts.under("scenarios."), self.scenarios.rules.table)
        self.latest, self.state, self.moving, self.heard = latest, state, remembered, heard
        self._tell_standing()
        self.seq, self.partitions_before = seq, partitions_before
        return event_rows(said)

    def unheard(self) -> np.ndarray:
        """The datastreams (int32) of which no reading is known."""
        return self.columns.datastream[self.latest.time_ms == checks.NEVER]

    def remember(self, datastream: np.ndarray, time_ms: np.ndarray, value: np.ndarray) -> None:
        """Take the newest readings from history, when the state is lost: so that nothing is stored twice."""
        slot = self.columns.slots(datastream)
        known = slot >= 0
        self.latest.time_ms[slot[known]] = time_ms[known]
        self.latest.value[slot[known]] = value[known]

    def adopt(
        self,
        columns: Columns,
        rules: Rules,
        policy: CheckPolicy,
        at_ms: int,
        stored: Stored | None = None,
        watches: Watches | None = None,
        scenarios: InForce | None = None,
    ) -> list[EventRow]:
        """Go on under another registry, other rules, watches or policy.  Returns ends of episodes, as ``restore``."""
        before = self.places.watches
        watches = before if watches is None else watches
        if columns is not self.columns or watches is not before:
            self.places = _places(watches, columns)
            self.moving = self.moving.moved(before.unit, watches.unit)
        was = self.scenarios.rules
        scenarios = was if scenarios is None else scenarios
        if columns is not self.columns or scenarios is not was:
            self.scenarios = _placed(scenarios, columns)
        if scenarios is not was:
            self.heard = self.heard.carried(was.table, scenarios.table)
        if columns is not self.columns:
            self.latest = self.latest.moved(*_moves(self.columns.datastream, columns))
        self.columns, self.rules, self.policy, self.stored = columns, rules, policy, stored or Stored()
        if rules is not self.state.rules:
            self.state, said = self.state.carry_over(rules, at_ms)
            events = event_rows(said)
        else:
            events = []
        self._tell_standing()
        self.missing_ids = frozenset()
        return events

    # ---- readings -------------------------------------------------------------------------------------------------

    def take(self, arrived: Sequence[Arrived]) -> list[EventRow]:
        """Check, judge and book the readings of messages in order; returns what the engine said.

        Messages seen before are passed over.  Raises UnknownDatastreams before anything is changed.
        """
        arrived = [a for a in arrived if a.seq > self.seq]
        decoded = [(a, self._decode(a)) for a in arrived]
        again = [m for a, m in decoded if a.seq <= self.booked_seq and isinstance(m, Message)]
        fresh = [(a, m) for a, m in decoded if a.seq > self.booked_seq]
        looked_at = self._look([m for _a, m in fresh if isinstance(m, Message)])
        if looked_at is not None:
            self._require_known(*looked_at)
        if (known := self._look(again)) is not None:
            # the engine spoke of these before the restart, and all of it was booked
            self._put_in(*known, Epoch())
        events: list[EventRow] = []
        if fresh:
            for a, m in fresh:
                self._note_writer(a, m)
            if looked_at is not None:
                events = self._put_in(*looked_at, self.epoch)
            self.epoch.messages += len(fresh)
        if arrived:
            self.seq = self.epoch.seq = arrived[-1].seq
        return events

    def sweep(self, now_ms: int) -> list[EventRow]:
        """Look at the clock: which datastreams are silent, and which scenario rules time alone changed.

        What those say by the clock makes alarms and is no reading: nothing arrived that could be booked.
        """
        said = event_rows(sweep(self.state, now_ms, self.rules))
        if not len(self.scenarios.rules):
            return said
        from fengsui.warn.expressions.kernel import sweep as sweep_scenarios

        told = sweep_scenarios(self.scenarios.rules.table, self.heard, now_ms)
        if not len(told):
            return said
        slot = self.columns.slots(self.scenarios.rules.stream[told.rule])
        known = np.flatnonzero(slot >= 0)
        known = known[np.argsort(slot[known], kind="stable")]
        events = step(
            self.state,
            slot[known],
            told.time_ms[known],
            told.value[known],
            _quality(told.value[known]),
            self.rules,
        )
        return said + self._explained(event_rows(events), told)

    def standing(self) -> list[EventRow]:
        """Every episode that is active."""
        return self._explained(event_rows(self.state.standing()))

    def close_epoch(self) -> Epoch:
        """The epoch so far, to be committed; the next begins."""
        done = self.epoch
        done.writers = self.writers.take_moved()
        self.epoch = Epoch(seq=self.seq)
        return done

    def snapshot(self) -> Snapshot:
        """The state now, as a copy."""
        return Snapshot(
            self.seq,
            self.partitions,
            self.columns,
            self.latest.copy(),
            self.state.freeze(),
            self.stored,
            self.moving.parts(self.places.watches.unit),
            self.heard.parts(self.scenarios.rules.table) if len(self.scenarios.rules) else {},
        )

    def latest_of(self, site_id: int, since: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The newest readings of a site as columns: ids, time_ms, value, quality, reason.

        Only those whose time differs from ``since`` (int64, by datastream of the site) when it is given.
        """
        slots = self.columns.slots_of_site(site_id)
        time_ms = self.latest.time_ms[slots]
        which = time_ms != checks.NEVER
        if since is not None and len(since) == len(time_ms):
            which &= time_ms != since
        return {
            "ids": self.columns.datastream[slots][which],
            "time_ms": time_ms[which],
            "value": self.latest.value[slots][which],
            "quality": self.latest.quality[slots][which],
            "reason": self.latest.reason[slots][which],
        }

    def positions(self, since: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """The newest position of each unit as columns: unit, org, time_ms, lon, lat, kmh, deg (NaN: not told).

        Only those whose time differs from ``since`` (int64, by unit) when it is given.
        """
        watches, last = self.places.watches, self.moving.last_ms
        which = last != moving.NEVER
        if since is not None and len(since) == len(last):
            which &= last != since
        at = np.flatnonzero(which)
        told = {}
        for name, role in (("kmh", moving.KMH), ("deg", moving.DEG)):
            slot = self.places.of_unit[at, role]
            now = (slot >= 0) & (
                self.latest.time_ms[slot] == last[at]
            )  # -1 looks at the last slot, and is put aside
            told[name] = np.where(now, self.latest.value[slot], np.nan)
        return {
            "unit": watches.unit[at],
            "org": watches.org[at],
            "time_ms": last[at],
            "lon": self.moving.lon[at],
            "lat": self.moving.lat[at],
            "kmh": told["kmh"] * watches.factor[at],
            "deg": told["deg"],
        }

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _decode(self, arrived: Arrived) -> Message | BadBatch:
        try:
            message = wire.decode(arrived.data)
            for batch in message.batches:
                checks.check_batch(batch)
        except BadBatch as error:
            return error
        return message

    def _look(self, messages: Sequence[Message]) -> tuple[Gathered, Judged] | None:
        """The rows of messages and what the checks say of them; changes nothing."""
        batches = [b for m in messages for b in m.batches if len(b)]
        return self._judged(batches) if batches else None

    def _judged(self, batches: Sequence[Batch]) -> tuple[Gathered, Judged]:
        rows = gather(batches, [b.source.startswith(STEWARD) for b in batches])
        columns = self.columns
        facts = checks.Facts(
            columns.slot_of, columns.site, columns.range_min, columns.range_max, columns.stopped_ms
        )
        return rows, checks.judge(rows.sent, facts, self.policy)

    def _require_known(self, rows: Gathered, judged: Judged) -> None:
        if not judged.refused.any():
            return
        lost = (judged.slot < 0) & (rows.sent.datastream >= 0) & (rows.sent.reason == 0)
        unknown = frozenset(np.unique(rows.sent.datastream[lost]).tolist())
        if not unknown <= self.missing_ids:
            raise UnknownDatastreams(unknown)

    def _note_writer(self, a: Arrived, message: Message | BadBatch) -> None:
        if isinstance(message, Message):
            self.writers.note(message.gateway, message.number)
            return
        gateway, number = _written_by(a.message_id)
        if gateway:
            self.writers.note(gateway, number)
        self.epoch.poison.append(Poison(a.seq, gateway, a.at_ms, str(message), a.data))
        line = self.epoch.counts.line(POISONED, a.at_ms)
        self.epoch.counts.add_one(booking.GATEWAY, booking.RECEIVED, line)
        self.epoch.counts.add_one(booking.GATEWAY, booking.QUARANTINED, line)

    def _put_in(self, rows: Gathered, judged: Judged, epoch: Epoch) -> list[EventRow]:
        """Book the rows, order those that pass, part them by what their datastream said before, step the engine."""
        batches = rows.batches
        source = np.array([epoch.source(b.source) for b in batches], np.int32)
        line = np.array([epoch.counts.line(b.source, b.received_ms) for b in batches], np.int64)
        arrived = np.diff(rows.sent.start)
        _book(epoch.counts, line, arrived, judged)
        self._hear(epoch, batches, judged.observed_ms)
        epoch.size += len(rows)
        self.total += len(rows)
        slot, batch, time_ms = judged.slot, judged.batch, rows.sent.time_ms
        if judged.refused.any():
            refused = checks.is_refused(judged.reason)
            epoch.held.append(_held(rows, judged, source, np.flatnonzero(refused)))
            accepted = np.flatnonzero(~refused)
            place = accepted[checks.arrival_order(slot[accepted], batch[accepted], time_ms[accepted])]
        else:
            place = checks.arrival_order(slot, batch, time_ms)
        out, slots = ordered(rows, judged, source, place)
        verdict = checks.split(
            self.latest, slots, out.time_ms, out.value, out.quality, out.reason, self.columns.frozen_after_ms
        )
        new = verdict == checks.NEW
        if new.all():
            epoch.counts.add_each(booking.PIPELINE, booking.STORED, line, arrived - judged.refused)
            kept = out
        else:
            lines = line[batch[place]]
            self._put_aside(epoch, out, verdict, lines, rows.sent.site[batch[place]], place)
            epoch.counts.add(booking.PIPELINE, booking.STORED, lines[new])
            kept, slots = out.take(new), slots[new]
        epoch.rows.append(kept)
        events = step(self.state, slots, kept.time_ms, kept.value, kept.quality, self.rules)
        said = event_rows(events, kept.received_ms) if len(events) else []
        if len(self.places.slot) or len(self.scenarios.rules):
            of = batch[place]
            of = of if new.all() else of[new]
            if len(self.places.slot):
                said += self._watch(batches, kept, slots, of, epoch)
            if len(self.scenarios.rules):
                said += self._evaluate(batches, kept, slots, of, events, epoch)
        return said

    def _watch(
        self, batches: Sequence[Batch], kept: Rows, slots: np.ndarray, of: np.ndarray, epoch: Epoch
    ) -> list[EventRow]:
        """Readings of the watches over the units that moved: made here, then checked, stored and judged as any other.

        Only positions that are new and in order make some, as only those are judged.
        """
        seen = moving.positions(self.places, slots, of, kept.time_ms, kept.value, kept.quality)
        if seen is None:
            return []
        self.moving, made = moving.derive(self.places.watches, self.moving, seen)
        known = self.columns.slots(made.datastream) >= 0
        position, stream, value = made.position[known], made.datastream[known], made.value[known]
        return self._make(FENCES, batches, seen.batch[position], stream, seen.time_ms[position], value, epoch)

    def _evaluate(
        self, batches: Sequence[Batch], kept: Rows, slots: np.ndarray, of: np.ndarray, events: Events, epoch: Epoch
    ) -> list[EventRow]:  # fmt: skip
        """What scenario rules say of readings that were just judged, and of the alarms that began or ended with them.

        It is made into readings of the rules' own datastreams; only those that are new and in order make some.
        """
        found = self.scenarios.rows(
            slots,
            of,
            kept.time_ms,
            kept.value,
            kept.quality,
            events.rule_id,
            events.row,
            events.what == RAISED,
        )
        if found is None:
            return []
        from fengsui.warn.expressions.kernel import step as step_scenarios

        rows, batch_of = found
        rules = self.scenarios.rules
        told = step_scenarios(rules.table, self.heard, rows)
        stream = rules.stream[told.rule]
        known = self.columns.slots(stream) >= 0
        said = self._make(
            SCENARIOS, batches, batch_of[told.group[known]], stream[known], told.time_ms[known], told.value[known],
            epoch,
        )  # fmt: skip
        return self._explained(said, told)

    def _explained(self, said: list[EventRow], told: Told | None = None) -> list[EventRow]:
        """The events; with each raising of a scenario rule goes its cause."""
        place, rules = self.scenarios.of_ordinary, self.scenarios.rules
        if not place or not any(e.rule_id in place for e in said):
            return said
        at: dict[tuple[int, int], int] = {}
        if told is not None:
            raised = np.flatnonzero(told.what == SCENARIO_RAISED).tolist()
            at = {(int(told.rule[i]), int(told.time_ms[i])): i for i in raised}
        out = []
        for event in said:
            rule = place.get(event.rule_id, -1)
            if rule < 0 or event.what != RAISED or event.cause is not None:
                out.append(event)
                continue
            i = at.get((rule, event.started_ms), -1)
            found = causes.of_told(rules.table, told, i) if told is not None and i >= 0 else None
            found = found or causes.standing(rules.table, self.heard, rule)
            cause = json.dumps(self.scenarios.told(rule, found), ensure_ascii=False)
            out.append(event._replace(cause=cause))
        return out

    def _tell_standing(self) -> None:
        """What scenario rules know of ordinary alarms is what the engine knows."""
        if len(self.heard.alarm):
            self.scenarios.stand(self.heard, self.state.standing().rule_id)

    def _make(
        self, name: str, batches: Sequence[Batch], source: np.ndarray, stream: np.ndarray, time_ms: np.ndarray,
        value: np.ndarray, epoch: Epoch,
    ) -> list[EventRow]:  # fmt: skip
        """Readings [n] that are made here, each out of a batch (its place in ``batches``): booked as any other."""
        if not len(stream):
            return []
        order = np.argsort(source, kind="stable")
        starts = np.flatnonzero(np.append(True, np.diff(source[order]) != 0))
        out = []
        for rows in np.split(order, starts[1:]):
            sent = batches[int(source[rows[0]])]
            vouched = STEWARD if sent.source.startswith(STEWARD) else ""
            out.append(
                Batch(
                    sent.site, vouched + name, sent.received_ms, stream[rows], time_ms[rows], value[rows],
                    _quality(value[rows]), np.zeros(len(rows), np.uint8),
                )
            )  # fmt: skip
        return self._put_in(*self._judged(out), epoch)

    def _hear(self, epoch: Epoch, batches: Sequence[Batch], observed_ms: np.ndarray) -> None:
        for batch, time_ms in zip(batches, observed_ms.tolist(), strict=True):
            received, before = epoch.heard.get(batch.site, (batch.received_ms, checks.NEVER))
            epoch.heard[batch.site] = (max(received, batch.received_ms), max(before, time_ms))

    def _put_aside(
        self,
        epoch: Epoch,
        out: Rows,
        verdict: np.ndarray,
        line: np.ndarray,
        site: np.ndarray,
        arrival: np.ndarray,
    ) -> None:
        epoch.counts.add(booking.PIPELINE, booking.DUPLICATE, line[verdict == checks.DUPLICATE])
        conflict = verdict == checks.CONFLICT
        epoch.counts.add(booking.PIPELINE, booking.QUARANTINED, line[conflict])
        if conflict.any():
            epoch.held.append(conflicting(out.take(conflict), site[conflict]))
        behind = np.flatnonzero(verdict == checks.BEHIND)
        if len(behind):
            behind = behind[np.argsort(arrival[behind], kind="stable")]
            epoch.behind.append(Behind(out.take(behind), line[behind], site[behind]))


POISONED = "bus"  # source of messages that are no batch


def compile_for(columns: Columns, rule_rows: Iterable[RuleRow] | RuleTable) -> Rules:
    """The rules of a partition in the engine's form.  Takes a moment; any thread may do it."""
    return compile_rules(rule_rows, columns.datastream)


def _places(watches: Watches, columns: Columns) -> Places:
    slots = columns.slots(watches.stream.reshape(-1)).reshape(watches.stream.shape)
    return Places.of(watches, slots, columns.n_slots)


def _placed(scenarios: InForce, columns: Columns) -> Placed:
    return Placed.of(scenarios, columns.slots(scenarios.table.stream), columns.n_slots)


def _quality(value: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(value), Quality.GOOD, Quality.BAD).astype(np.uint8)


def _moves(before: np.ndarray, columns: Columns) -> tuple[int, np.ndarray, np.ndarray]:
    """For ``Latest.moved``: how many slots there are, and which were where of those there were ``before``."""
    slot = columns.slots(before)
    old = np.flatnonzero(slot >= 0)
    return columns.n_slots, old, slot[old]


def _book(counts: Counts, line: np.ndarray, arrived: np.ndarray, judged: Judged) -> None:
    """The boundary ``gateway``, and ``pipeline`` as far as it is known before the rows are put in order; by batch."""
    passed = arrived - judged.at_door
    counts.add_each(booking.GATEWAY, booking.RECEIVED, line, arrived)
    counts.add_each(booking.GATEWAY, booking.QUARANTINED, line, judged.at_door)
    counts.add_each(booking.GATEWAY, booking.STORED, line, passed)
    counts.add_each(booking.PIPELINE, booking.RECEIVED, line, passed)
    counts.add_each(booking.PIPELINE, booking.QUARANTINED, line, judged.refused - judged.at_door)


def _held(rows: Gathered, judged: Judged, source: np.ndarray, which: np.ndarray) -> HeldRows:
    place = {int(row): i for i, row in enumerate(which)} if rows.refused else {}
    sent, batch = rows.sent, judged.batch[which]
    return HeldRows(
        judged.reason[which],
        sent.site[batch],
        source[batch],
        sent.received_ms[batch],
        sent.time_ms[which],
        sent.datastream[which],
        sent.value[which],
        {place[row]: refused for row, refused in rows.refused.items() if row in place},
    )


def _written_by(message_id: str) -> tuple[str, int]:
    """Gateway and number from a Nats-Msg-Id "gateway:partition:number"; ("", 0) when it is something else."""
    gateway, _partition, number = [*message_id.rsplit(":", 2), "", "", ""][:3]
    return (gateway[:40], int(number)) if number.isdigit() and len(number) < 19 else ("", 0)
