"""The compiled engine: one pass over the readings.  Its meaning is that of ``plain.step_plain``, its oracle.

It takes the state over: columns change in place, which is what makes it fast.  No lock is held while it runs
(nogil), and the compiled code is kept on disk, so that a role starts in a fraction of a second.
"""

from typing import Any

import numpy as np
from numba import njit

from fengsui.warn.engine.events import CLEARED, NOTHING, RAISED, Events, columns
from fengsui.warn.engine.rules import FROZEN, LEVEL, RATE, SILENT, RuleRow, Rules, compile_rules
from fengsui.warn.engine.state import LATER, RUNNING, TOLD, State
from fengsui.warn.rules import silent
from fengsui.warn.rules.memory import KEPT, NEVER

BAD = 2  # base.quality.Quality.BAD as a plain number for the compiler
FAR = np.iinfo(np.int64).max
ROOM = 256  # events that a call makes room for at first
BLOCK = 64  # stored readings of one datastream that are passed over or stepped together


def step(
    state: State,
    slot: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
    rules: Rules,
) -> Events:
    """Advance ``state`` by the readings; return what was raised and cleared.  Terms: ISA-18.2 / IEC 62682.

    Columns of equal length n: ``slot`` int32 or int64, ``time_ms`` int64 UTC, ``value`` float64, ``quality``
    uint8; rows sorted by (slot, time), or at least each slot's rows by time.  A reading not later than the
    last one seen of its slot, or of a slot that does not exist, is ignored.  A bad or missing value (quality
    bad, not finite) neither raises nor clears; it is heard, though, so it ends a silence.  ``state`` is taken
    over and changed in place.  Raises ValueError if ``rules`` are not those of the state: ``carry_over``
    first.
    """
    return _drive(_run, (np.ascontiguousarray(slot, np.int64),), time_ms, value, quality, state, rules)


def skim(
    state: State,
    datastream: np.ndarray,
    slot_of: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
    rules: Rules,
) -> Events:
    """``step`` over stored readings, where those of a datastream lie together: the same state, the same events.

    ``datastream`` int32 [n]; ``slot_of`` int64 says the slot of each, its last entry (-1) that of all that are higher.
    Readings of one datastream are looked at BLOCK at a time.  Where no value of a block leaves the calm band, no
    gap reaches the shortest silence and nothing of the slot runs, a step would change only what was heard last; so
    that alone is done.  A slot with a rate or a frozen rule, which remember every reading, is always stepped.
    """
    datastream = np.ascontiguousarray(datastream, np.int32)
    own = (
        datastream,
        np.ascontiguousarray(slot_of, np.int64),
        np.empty(len(datastream), np.int64),
        rules.wait_ms,
    )
    return _drive(_skim, own, time_ms, value, quality, state, rules)


def _drive(
    run: Any,
    own: tuple[np.ndarray, ...],
    time_ms: np.ndarray,
    value: np.ndarray,
    quality: np.ndarray,
    state: State,
    rules: Rules,
) -> Events:
    """Call the compiled part until it is through, each time with room for more events and cells."""
    if rules is not state.rules:
        raise ValueError("these are not the rules of this state: carry the state over first")
    readings = (
        np.ascontiguousarray(time_ms, np.int64),
        np.ascontiguousarray(value, np.float64),
        np.ascontiguousarray(quality, np.uint8),
    )
    n = len(readings[0])
    forms, cells = rules.forms, state.cells
    parts: list[Events] = []
    done, room = 0, max(ROOM, n // 8)
    while done < n:
        cells.make_room(rules.most)  # a row may need a cell for each of its rules
        out = columns(room)
        done, said = run(
            done,
            *own,
            *readings,
            rules.first,
            rules.first_other,
            rules.first_ring,
            rules.first_mark,
            rules.calm_low,
            rules.calm_high,
            rules.raise_at,
            rules.form,
            forms.family,
            forms.sign,
            forms.deadband,
            forms.on_delay_ms,
            forms.off_delay_ms,
            forms.window_ms,
            forms.armed_ms,
            state.last_ms,
            state.last_value,
            state.busy,
            state.cell,
            cells.active,
            cells.since_ms,
            cells.started_ms,
            cells.peak_value,
            cells.peak_ms,
            cells.spare,
            cells.spares,
            state.good_ms,
            state.mark_ms,
            state.mark_value,
            state.kept_ms,
            state.kept_value,
            state.kept_next,
            out.rule_id,
            out.what,
            out.time_ms,
            out.value,
            out.started_ms,
            out.peak_value,
            out.peak_ms,
            out.row,
        )
        if said:
            said_now = out.take(slice(0, said))
            said_now.rule_id[:] = rules.rule_id[said_now.rule_id]  # the compiled part speaks of places
            parts.append(said_now)
        room *= 2  # a row may need more room than there is at all
    return Events.join(parts) if parts else NOTHING


def sweep(state: State, now_ms: int, rules: Rules) -> Events:
    """Raise what has been silent for too long at ``now_ms``; ``state`` is changed in place.

    The time of the event is the last reading's time plus the window, whenever the sweep comes, so the
    episode's key does not depend on it.  Call it only when everything received up to ``now_ms`` has been
    stepped.  Raises ValueError as ``step`` does.
    """
    if rules is not state.rules:
        raise ValueError("these are not the rules of this state: carry the state over first")
    parts: list[np.ndarray] = []
    at, room = 0, ROOM + rules.most
    while at < rules.n_slots:
        found = np.empty(room, np.int64)
        at, n = _late(
            at,
            now_ms,
            rules.first,
            rules.wait_ms,
            rules.form,
            rules.forms.family,
            rules.forms.window_ms,
            rules.forms.armed_ms,
            state.last_ms,
            state.busy,
            state.look_ms,
            state.cell,
            found,
        )
        parts.append(found[:n])
        room *= 4
    which = np.concatenate(parts) if parts else np.empty(0, np.int64)
    if not len(which):
        return NOTHING
    memory, turns = silent.sweep(
        rules.terms(which), state.memory(which), now_ms, state.last_ms[rules.slot(which)]
    )
    state.put(which, memory)
    which = which[turns.raised]
    said = columns(len(which))
    said.rule_id[:] = rules.rule_id[which]
    said.what[:] = RAISED
    said.time_ms[:] = said.started_ms[:] = turns.started_ms[turns.raised]
    said.value[:] = said.peak_value[:] = np.nan
    said.peak_ms[:] = NEVER
    said.row[:] = -1
    return said.take(np.lexsort((said.rule_id, said.time_ms)))


def warm_up() -> None:
    """Load the compiled code from its cache, or compile it (seconds, once a machine): call it before being
    ready.
    """
    rules = compile_rules([RuleRow(1, 1, "h", 1.0)], {1: 0})
    one = np.zeros(1, np.int64)
    state = State.fresh(rules)
    step(state, one, one, np.ones(1), np.zeros(1, np.uint8), rules)
    sweep(state, 0, rules)


@njit(cache=True, nogil=True, error_model="numpy")
def _run(  # type: ignore[no-untyped-def]  # the compiler finds the types
    begin,
    slot,
    time_ms,
    value,
    quality,
    first,
    first_other,
    first_ring,
    first_mark,
    calm_low,
    calm_high,
    raise_at,
    form,
    family,
    sign,
    deadband,
    on_delay_ms,
    off_delay_ms,
    window_ms,
    armed_ms,
    last_ms,
    last_value,
    busy,
    cell,
    active,
    since_ms,
    started_ms,
    peak_value,
    peak_ms,
    spare,
    spares,
    good_ms,
    mark_ms,
    mark_value,
    kept_ms,
    kept_value,
    kept_next,
    e_rule,
    e_what,
    e_time_ms,
    e_value,
    e_started_ms,
    e_peak_value,
    e_peak_ms,
    e_row,
):  # pragma: no cover - compiled
    """Go on at row ``begin``; return the row at which the room for events or the cells ended (or n), and how many
    were said.
    """
    said = 0
    room = e_rule.shape[0]
    n_slots = last_ms.shape[0]
    for i in range(begin, slot.shape[0]):
        s = slot[i]
        t = time_ms[i]
        if s < 0 or s >= n_slots or t <= last_ms[s]:
            continue
        r, other, end = np.int64(first[s]), np.int64(first_other[s]), np.int64(first[s + 1])
        if room - said < 2 * (end - r) or spares[0] < end - r:
            return i, said
        before = last_ms[s]
        v = value[i]
        last_ms[s] = t
        last_value[s] = v
        if busy[s] & (TOLD | LATER):
            busy[s] &= RUNNING
        known = quality[i] != BAD and np.isfinite(v)
        if known and (busy[s] != 0 or not (calm_low[s] < v < calm_high[s])):
            running = 0
        else:
            r = other  # nothing can change for the level rules
            running = -1
        ring = np.int64(first_ring[s])
        mark = np.int64(first_mark[s])
        while r < end:
            k = form[r]
            kind = family[k]
            c = cell[r]
            stands = c >= 0 and active[c]
            if kind <= RATE:
                x = v
                measure = v
                judged = known
                if kind == RATE:
                    g = ring
                    ring += 1
                    if not known:
                        r += 1
                        continue
                    at = 0 + kept_next[g]
                    limit = t - window_ms[k]
                    newest = -1
                    for q in range(KEPT):  # from the oldest on
                        j = at + q
                        if j >= KEPT:
                            j -= KEPT
                        if kept_ms[g, j] == NEVER:
                            continue
                        if kept_ms[g, j] > limit:
                            break
                        newest = j
                    judged = newest >= 0
                    if judged:
                        x = (v - kept_value[g, newest]) / ((t - kept_ms[g, newest]) / 1000.0)
                        judged = np.isfinite(x)
                        measure = abs(x)
                    j = at - 1
                    if j < 0:
                        j = KEPT - 1
                    keep_every = -(-window_ms[k] // (KEPT - 1))
                    if kept_ms[g, j] == NEVER or t - kept_ms[g, j] >= keep_every:
                        kept_ms[g, at] = t
                        kept_value[g, at] = v
                        at += 1
                        kept_next[g] = 0 if at == KEPT else at
                else:
                    measure = sign[k] * v
                if judged:
                    if stands:
                        if measure >= raise_at[r] - deadband[k]:
                            since_ms[c] = NEVER
                            worst = abs(peak_value[c]) if kind == RATE else sign[k] * peak_value[c]
                            if measure > worst:
                                peak_value[c] = x
                                peak_ms[c] = t
                        else:
                            if since_ms[c] == NEVER:
                                since_ms[c] = t
                            if t - since_ms[c] >= off_delay_ms[k]:
                                e_rule[said] = r
                                e_what[said] = CLEARED
                                e_time_ms[said] = t
                                e_value[said] = x
                                e_started_ms[said] = started_ms[c]
                                e_peak_value[said] = peak_value[c]
                                e_peak_ms[said] = peak_ms[c]
                                e_row[said] = i
                                said += 1
                                spare[spares[0]] = c
                                spares[0] += 1
                                c = cell[r] = -1
                    elif measure >= raise_at[r]:
                        if c < 0:
                            spares[0] -= 1
                            c = cell[r] = spare[spares[0]]
                            active[c] = False
                            since_ms[c] = t
                            started_ms[c] = NEVER
                            peak_value[c] = x
                            peak_ms[c] = t
                        else:
                            worst = abs(peak_value[c]) if kind == RATE else sign[k] * peak_value[c]
                            if measure > worst:
                                peak_value[c] = x
                                peak_ms[c] = t
                        if t - since_ms[c] >= on_delay_ms[k]:
                            active[c] = True
                            since_ms[c] = NEVER
                            started_ms[c] = t
                            e_rule[said] = r
                            e_what[said] = RAISED
                            e_time_ms[said] = t
                            e_value[said] = x
                            e_started_ms[said] = t
                            e_peak_value[said] = peak_value[c]
                            e_peak_ms[said] = peak_ms[c]
                            e_row[said] = i
                            said += 1
                    elif c >= 0:
                        spare[spares[0]] = c
                        spares[0] += 1
                        c = cell[r] = -1
                    if running >= 0 and kind == LEVEL and c >= 0:
                        running += 1
            elif kind == FROZEN:
                m = mark
                mark += 1
                if known:
                    lapsed = good_ms[m] != NEVER and t - good_ms[m] > window_ms[k]
                    if mark_ms[m] == NEVER or (lapsed and not stands):
                        mark_ms[m] = t
                        mark_value[m] = v
                    elif abs(v - mark_value[m]) > raise_at[r]:
                        mark_ms[m] = t
                        mark_value[m] = v
                        if stands:
                            e_rule[said] = r
                            e_what[said] = CLEARED
                            e_time_ms[said] = t
                            e_value[said] = v
                            e_started_ms[said] = started_ms[c]
                            e_peak_value[said] = peak_value[c]
                            e_peak_ms[said] = peak_ms[c]
                            e_row[said] = i
                            said += 1
                            spare[spares[0]] = c
                            spares[0] += 1
                            cell[r] = -1
                    elif not stands and t - mark_ms[m] >= window_ms[k]:
                        spares[0] -= 1
                        c = cell[r] = spare[spares[0]]
                        active[c] = True
                        since_ms[c] = NEVER
                        started_ms[c] = t
                        peak_value[c] = v
                        peak_ms[c] = t
                        e_rule[said] = r
                        e_what[said] = RAISED
                        e_time_ms[said] = t
                        e_value[said] = v
                        e_started_ms[said] = t
                        e_peak_value[said] = v
                        e_peak_ms[said] = t
                        e_row[said] = i
                        said += 1
                    good_ms[m] = t
            elif kind == SILENT:
                start = NEVER
                if stands:
                    start = started_ms[c]
                else:
                    start = max(before, armed_ms[k])
                    if start != NEVER:
                        start += window_ms[k]
                        if t > start:
                            e_rule[said] = r
                            e_what[said] = RAISED
                            e_time_ms[said] = start
                            e_value[said] = np.nan
                            e_started_ms[said] = start
                            e_peak_value[said] = np.nan
                            e_peak_ms[said] = NEVER
                            e_row[said] = i
                            said += 1
                if start != NEVER and t > start:
                    e_rule[said] = r
                    e_what[said] = CLEARED
                    e_time_ms[said] = t
                    e_value[said] = v
                    e_started_ms[said] = start
                    e_peak_value[said] = np.nan
                    e_peak_ms[said] = NEVER
                    e_row[said] = i
                    said += 1
                    if stands:
                        spare[spares[0]] = c
                        spares[0] += 1
                        cell[r] = -1
            r += 1
        if running >= 0:
            busy[s] = RUNNING if running > 0 else 0
    return slot.shape[0], said


@njit(cache=True, nogil=True, error_model="numpy")
def _skim(  # type: ignore[no-untyped-def]
    begin,
    datastream,
    slot_of,
    slot,
    wait_ms,
    time_ms,
    value,
    quality,
    first,
    first_other,
    first_ring,
    first_mark,
    calm_low,
    calm_high,
    raise_at,
    form,
    family,
    sign,
    deadband,
    on_delay_ms,
    off_delay_ms,
    window_ms,
    armed_ms,
    last_ms,
    last_value,
    busy,
    cell,
    active,
    since_ms,
    started_ms,
    peak_value,
    peak_ms,
    spare,
    spares,
    good_ms,
    mark_ms,
    mark_value,
    kept_ms,
    kept_value,
    kept_next,
    e_rule,
    e_what,
    e_time_ms,
    e_value,
    e_started_ms,
    e_peak_value,
    e_peak_ms,
    e_row,
):  # pragma: no cover - compiled
    """As ``_run``, passing over blocks in which nothing can happen; ``slot`` is filled in where they are stepped."""
    said = 0
    n = datastream.shape[0]
    most = slot_of.shape[0] - 1
    i = begin
    while i < n:
        d = datastream[i]
        s = slot_of[d if d < most else most]
        end = min(i + BLOCK, n)
        others = 0
        for one in datastream[i:end]:  # a slice has no place below 0: the loop becomes one of many at a time
            others += one != d
        if others:
            end = i + 1
            while datastream[end] == d:
                end += 1
        if s < 0:
            i = end
            continue
        still = (
            busy[s] == 0
            and last_ms[s] != NEVER
            and time_ms[i] > last_ms[s]
            and first_ring[s] == first_ring[s + 1]
            and first_mark[s] == first_mark[s + 1]
        )
        if still:
            for r in range(first_other[s], first[s + 1]):  # silences that were told end with the next reading
                still &= cell[r] < 0
        if still:
            wait = np.int64(wait_ms[s]) if wait_ms[s] > 0 else FAR
            if time_ms[i] - last_ms[s] > wait:
                still = False
            else:
                low, high = calm_low[s], calm_high[s]
                inside = 0
                for v in value[i:end]:
                    inside += (low < v) & (v < high)
                near = 0
                before, after = time_ms[i : end - 1], time_ms[i + 1 : end]
                for j in range(len(after)):
                    gap = after[j] - before[j]
                    near += (gap > 0) & (gap <= wait)
                still = inside == end - i and near == end - i - 1
        if still:
            last_ms[s] = time_ms[end - 1]
            last_value[s] = value[end - 1]
            i = end
            continue
        for j in range(i, end):
            slot[j] = s
        i, more = _run(
            i,
            slot[:end],
            time_ms,
            value,
            quality,
            first,
            first_other,
            first_ring,
            first_mark,
            calm_low,
            calm_high,
            raise_at,
            form,
            family,
            sign,
            deadband,
            on_delay_ms,
            off_delay_ms,
            window_ms,
            armed_ms,
            last_ms,
            last_value,
            busy,
            cell,
            active,
            since_ms,
            started_ms,
            peak_value,
            peak_ms,
            spare,
            spares,
            good_ms,
            mark_ms,
            mark_value,
            kept_ms,
            kept_value,
            kept_next,
            e_rule[said:],
            e_what[said:],
            e_time_ms[said:],
            e_value[said:],
            e_started_ms[said:],
            e_peak_value[said:],
            e_peak_ms[said:],
            e_row[said:],
        )
        said += more
        if i < end:
            return i, said
    return n, said


@njit(cache=True, nogil=True)
def _late(  # type: ignore[no-untyped-def]
    begin, now_ms, first, wait_ms, form, family, window_ms, armed_ms, last_ms, busy, look_ms, cell, found
):  # pragma: no cover - compiled
    """Which silent rules are overdue, from slot ``begin`` on; return the slot at which the room ended (or n), and how
    many.  A slot of which nothing more can be told before its next reading is passed over from now on; one that is
    late only by the shortest of its rules, or was armed a moment ago, until something may be due.
    """
    n = 0
    passed = TOLD | LATER
    if begin > 0 or now_ms >= look_ms[0]:  # some that were put off may be due: look at all of them again
        passed = TOLD
    if begin == 0 and passed == TOLD:
        look_ms[0] = FAR
    for s in range(begin, last_ms.shape[0]):
        if wait_ms[s] == 0 or last_ms[s] >= now_ms - wait_ms[s] or busy[s] & passed:
            continue
        if found.shape[0] - n < first[s + 1] - first[s]:
            return s, n
        told = True
        r = np.int64(first[s + 1]) - 1
        while r >= first[s] and family[form[r]] == SILENT:
            base = max(last_ms[s], armed_ms[form[r]])
            if cell[r] < 0 and base != NEVER:
                if now_ms - base > window_ms[form[r]]:
                    found[n] = r
                    n += 1
                else:
                    told = False
                    look_ms[0] = min(look_ms[0], base + window_ms[form[r]] + 1)
            r -= 1
        busy[s] |= TOLD if told else LATER
    return last_ms.shape[0], n
