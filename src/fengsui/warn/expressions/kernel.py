"""Compound rules, compiled: readings in, what rules say out.  Its meaning is that of ``plain``, its oracle.

It takes the memory over and changes it in place.  What rules say depends on the order of groups only, never on how many
of them come in one call.  No lock is held while it runs.
"""

from dataclasses import fields

import numpy as np
from numba import njit

from fengsui.warn.expressions.memory import Memory
from fengsui.warn.expressions.table import CODES, Rows, Table, Told
from fengsui.warn.rules.memory import NEVER

REPEAT_MS = 60_000  # how often a value that stays is told again
LATER = np.iinfo(np.int64).max
OF_TABLE = (
    "for_ms", "clear_for_ms", "offset_min", "armed_ms", "listens", "begin", "code", "a", "b", "c", "term", "latch",
    "rule_terms", "of_stream", "told", "window_of", "window_ms", "of_alarm", "alarm_told", "alarm_of", "rule_inputs",
    "inputs",
)  # fmt: skip
(
    CONST, VALUE, MIN, MAX, MEAN, SUM, COUNT, DELTA, RATE, AGE, SILENT, ALARM, TIME, DAY, SECTOR, NEG, ABS, ADD, SUB,
    MUL, DIV, HIGHEST, LOWEST, LT, LE, GT, GE, EQ, NE, ON, OFF, AND, OR, NOT, VOTE, FOR,
) = range(len(CODES))  # fmt: skip
PARTS, RING = 16, 33
STACK = 64
BAD = 2


def step(table: Table, memory: Memory, rows: Rows) -> Told:
    """What rules say of ``rows``; ``memory`` is brought up to date."""
    if not len(rows) or not len(table):
        return _told(np.empty((0, 5), np.int64), np.empty(0), np.empty(0))
    said, values, causes = _run(
        np.ascontiguousarray(rows.group, np.int64), np.ascontiguousarray(rows.time_ms, np.int64),
        np.ascontiguousarray(rows.what, np.uint8), np.ascontiguousarray(rows.place, np.int32),
        np.ascontiguousarray(rows.value, np.float64), np.ascontiguousarray(rows.quality, np.uint8), -1,
        _of_table(table), _of_memory(memory),
    )  # fmt: skip
    return _told(said, values, causes)


def sweep(table: Table, memory: Memory, now_ms: int) -> Told:
    """What time alone changed up to ``now_ms``, at the instants at which it did; ``memory`` is brought up to date.

    Call it when everything received up to then has been stepped.
    """
    if not len(table) or not (memory.due_ms <= now_ms).any():
        return _told(np.empty((0, 5), np.int64), np.empty(0), np.empty(0))
    i64, byte = np.empty(0, np.int64), np.empty(0, np.uint8)
    said, values, causes = _run(
        i64, i64, byte, np.empty(0, np.int32), np.empty(0), byte, now_ms, _of_table(table), _of_memory(memory)
    )
    return _told(said, values, causes)


def warm_up() -> None:
    """Compile now, or load what an earlier process compiled."""
    from fengsui.warn.expressions.checking import Input, check
    from fengsui.warn.expressions.parsing import parse
    from fengsui.warn.expressions.table import CompoundRow, tabulate

    text = "silent(x, 1m)"
    table = tabulate([CompoundRow(1, 1, check(text, parse(text), {"x": Input()}), {"x": 1})])
    memory, one = Memory.fresh(table), np.ones(1)
    step(
        table,
        memory,
        Rows(one, one, np.zeros(1, np.uint8), np.zeros(1, np.int32), one, np.zeros(1, np.uint8)),
    )
    sweep(table, memory, 61_000)


def _of_table(table: Table) -> tuple[np.ndarray, ...]:
    return tuple(getattr(table, name) for name in OF_TABLE)


def _of_memory(memory: Memory) -> tuple[np.ndarray, ...]:
    return tuple(getattr(memory, f.name) for f in fields(Memory))


def _told(said: np.ndarray, values: np.ndarray, causes: np.ndarray) -> Told:
    return Told(said[:, 0], said[:, 1], values, said[:, 2], said[:, 3], said[:, 4], causes)


@njit(cache=True, nogil=True, error_model="numpy")
def _run(group, time_ms, what, place, value, quality, sweep_ms, tab, mem):  # type: ignore[no-untyped-def]
    """Groups of rows one after the other; with ``sweep_ms`` the rules that are due until then."""
    listens, of_stream, told, window_of, window_ms = tab[4], tab[13], tab[14], tab[15], tab[16]
    of_alarm, alarm_told = tab[17], tab[18]
    heard_ms, good_ms, good_value = mem[0], mem[1], mem[2]
    part, low, high, total, number, last_value, last_ms = (
        mem[3],
        mem[4],
        mem[5],
        mem[6],
        mem[7],
        mem[8],
        mem[9],
    )
    now_ms, due_ms, alarm = mem[10], mem[15], mem[21]
    said = np.empty((64, 5), np.int64)
    values = np.empty(64, np.float64)
    causes = np.empty(64, np.float64)
    count, caused = 0, 0
    n_rules = len(now_ms)
    stack = np.empty(STACK, np.float64)
    if sweep_ms >= 0:
        for r in range(n_rules):
            while due_ms[r] <= sweep_ms:
                now_ms[r] = max(now_ms[r], due_ms[r])
                if count == len(values):
                    said, values = _grown(said, values)
                before, count = count, _judge(r, -1, stack, said, values, count, tab, mem)
                if count > before and said[before, 2] == 1:
                    causes, caused = _explained(r, before, said, causes, caused, tab, mem)
    touched = np.empty(n_rules, np.int32)
    marked = np.zeros(n_rules, np.bool_)
    i, n = 0, len(group)
    while i < n:
        end, t = i, time_ms[i]
        found = 0
        while end < n and group[end] == group[i]:
            t = max(t, time_ms[end])
            p = place[end]
            if what[end] == 0:
                for q in range(of_stream[p], of_stream[p + 1]):
                    r = told[q]
                    if not marked[r]:
                        marked[r] = True
                        touched[found] = r
                        found += 1
            else:
                for q in range(of_alarm[p], of_alarm[p + 1]):
                    r = alarm_told[q]
                    if not marked[r]:
                        marked[r] = True
                        touched[found] = r
                        found += 1
            end += 1
        touched[:found].sort()
        for q in range(found):  # what time alone did before these came
            r = touched[q]
            while listens[r] and due_ms[r] < t:
                now_ms[r] = max(now_ms[r], due_ms[r])
                if count == len(values):
                    said, values = _grown(said, values)
                before, count = count, _judge(r, group[i], stack, said, values, count, tab, mem)
                if count > before and said[before, 2] == 1:
                    causes, caused = _explained(r, before, said, causes, caused, tab, mem)
        for j in range(i, end):
            p = place[j]
            if what[j] != 0:
                alarm[p] = what[j] == 1
                continue
            at = time_ms[j]
            if at <= heard_ms[p]:
                continue
            heard_ms[p] = at
            v = value[j]
            if quality[j] == BAD or not np.isfinite(v):
                continue
            good_ms[p], good_value[p] = at, v
            for w in range(window_of[p], window_of[p + 1]):
                width = (window_ms[w] + PARTS - 1) // PARTS
                which = at // width
                k = which % RING
                if part[w, k] != which:
                    part[w, k] = which
                    low[w, k] = high[w, k] = v
                    total[w, k] = 0.0
                    number[w, k] = 0
                low[w, k] = min(low[w, k], v)
                high[w, k] = max(high[w, k], v)
                total[w, k] += v
                number[w, k] += 1
                last_value[w, k], last_ms[w, k] = v, at
        for q in range(found):
            r = touched[q]
            marked[r] = False
            now_ms[r] = max(now_ms[r], t)
            if count == len(values):
                said, values = _grown(said, values)
            before, count = count, _judge(r, group[i], stack, said, values, count, tab, mem)
            if count > before and said[before, 2] == 1:
                causes, caused = _explained(r, before, said, causes, caused, tab, mem)
        i = end
    return said[:count], values[:count], causes[:caused]


@njit(cache=True, nogil=True)
def _grown(said, values):  # type: ignore[no-untyped-def]
    n = len(values)
    more, many = np.empty((4 * n, 5), np.int64), np.empty(4 * n, np.float64)
    more[:n], many[:n] = said, values
    return more, many


@njit(cache=True, nogil=True, error_model="numpy")
def _explained(r, row, said, causes, caused, tab, mem):  # type: ignore[no-untyped-def]
    """Note why ``r`` was raised just now; returns the notes, grown where they must, and how long they are."""
    rule_terms, rule_inputs, inputs = tab[12], tab[20], tab[21]
    good_value, cause_value, cause_true, cause_input = mem[2], mem[18], mem[19], mem[22]
    first, end = rule_terms[r], rule_terms[r + 1]
    needed = caused + 2 * (end - first) + rule_inputs[r + 1] - rule_inputs[r]
    if needed > len(causes):
        more = np.empty(4 * needed, np.float64)
        more[:caused] = causes[:caused]
        causes = more
    said[row, 4] = caused
    for k in range(first, end):
        causes[caused] = cause_value[k]
        caused += 1
    for k in range(first, end):
        causes[caused] = cause_true[k]
        caused += 1
    for k in range(rule_inputs[r], rule_inputs[r + 1]):
        cause_input[k] = causes[caused] = good_value[inputs[k]]
        caused += 1
    return causes, caused


@njit(cache=True, nogil=True, error_model="numpy")
def _judge(r, group, stack, said, values, count, tab, mem):  # type: ignore[no-untyped-def]
    """Evaluate one rule at its clock; returns how many things were said in all."""
    for_ms, clear_for_ms, listens, begin, rule_terms = tab[0], tab[1], tab[4], tab[5], tab[12]
    now_ms, told_ms, told_value, active, since_ms, due_ms = (
        mem[10],
        mem[11],
        mem[12],
        mem[13],
        mem[14],
        mem[15],
    )
    now = now_ms[r]
    due = LATER
    when, due = _evaluate(r, begin[2 * r], begin[2 * r + 1], now, due, stack, tab, mem)
    if begin[2 * r + 2] > begin[2 * r + 1]:
        clear, due = _evaluate(r, begin[2 * r + 1], begin[2 * r + 2], now, due, stack, tab, mem)
    else:
        clear = 1.0 - when
    was = active[r]
    wanted = clear if was else when
    delay = clear_for_ms[r] if was else for_ms[r]
    if wanted == 1.0 and since_ms[r] == NEVER:
        since_ms[r] = now
    elif wanted == 0.0:
        since_ms[r] = NEVER
    turned = wanted == 1.0 and now - since_ms[r] >= delay and now > told_ms[r]
    value = np.nan
    if turned:
        active[r] = not was
        since_ms[r] = NEVER
        value = 1.0 if active[r] else 0.0
        if active[r]:
            term_value, term_true, cause_value, cause_true = mem[16], mem[17], mem[18], mem[19]
            for k in range(rule_terms[r], rule_terms[r + 1]):
                cause_value[k], cause_true[k] = term_value[k], term_true[k]
    elif not np.isnan(wanted):
        value = 1.0 if was else 0.0
    if listens[r]:
        if since_ms[r] != NEVER:
            end = since_ms[r] + (clear_for_ms[r] if active[r] else for_ms[r])
            if end > now:
                due = min(due, end)
        due_ms[r] = due
    before = told_value[r]
    same = value == before or (np.isnan(value) and np.isnan(before))
    if now > told_ms[r] and (turned or not same or told_ms[r] == NEVER or now - told_ms[r] >= REPEAT_MS):
        told_ms[r], told_value[r] = now, value
        said[count, 0], said[count, 1], said[count, 3], said[count, 4] = r, now, group, -1
        said[count, 2] = 0 if not turned else (1 if active[r] else 2)
        values[count] = value
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(r, first, end, now, due, stack, tab, mem):  # type: ignore[no-untyped-def]
    """The value of a program, and the next instant at which time alone changes it."""
    offset_min, armed_ms, code, a, b, c, term, latch = (
        tab[2],
        tab[3],
        tab[6],
        tab[7],
        tab[8],
        tab[9],
        tab[10],
        tab[11],
    )
    window_ms, alarm_of = tab[16], tab[19]
    heard_ms, good_ms, good_value = mem[0], mem[1], mem[2]
    term_value, term_true, latch_ms, alarm = mem[16], mem[17], mem[20], mem[21]
    top = -1
    for i in range(first, end):
        o = code[i]
        shown = np.nan
        if o == CONST:
            top += 1
            stack[top] = c[i]
        elif o == VALUE:
            top += 1
            s = a[i]
            fresh = good_ms[s] != NEVER and now - good_ms[s] <= c[i]
            stack[top] = good_value[s] if fresh else np.nan
        elif o <= RATE:
            s = b[i]
            fresh = good_ms[s] != NEVER and now - good_ms[s] <= c[i]
            top += 1
            if not fresh and o != COUNT:
                stack[top] = np.nan
            elif o <= COUNT:
                stack[top] = _window(o, a[i], now, window_ms[a[i]], mem)
            else:
                stack[top] = _change(o, a[i], s, now, window_ms[a[i]], mem)
        elif o == AGE:
            top += 1
            stack[top] = (now - good_ms[a[i]]) / 1000.0 if good_ms[a[i]] != NEVER else np.nan
        elif o == SILENT:
            top += 1
            since = max(heard_ms[a[i]], armed_ms[r])
            if since == NEVER:
                stack[top] = np.nan
            else:
                stack[top] = 1.0 if now - since >= c[i] else 0.0
                shown = (now - since) / 1000.0
                limit = since + np.int64(c[i])
                if limit > now:
                    due = min(due, limit)
        elif o == ALARM:
            top += 1
            stack[top] = 0.0
            for k in range(a[i], b[i]):
                if alarm[alarm_of[k]]:
                    stack[top] = 1.0
            shown = stack[top]
        elif o == TIME:
            minute = (now // 60_000 + offset_min[r]) % 1440
            top += 1
            after, before = minute >= a[i], minute < b[i]
            inside = after and before if a[i] < b[i] else after or before
            stack[top] = 1.0 if inside else 0.0
        elif o == DAY:
            day = ((now // 60_000 + offset_min[r]) // 1440 + 3) % 7
            top += 1
            stack[top] = float((a[i] >> day) & 1)
        elif o == SECTOR:
            x, lower, upper = stack[top - 2], stack[top - 1], stack[top]
            top -= 2
            shown = x
            if np.isnan(x) or np.isnan(lower) or np.isnan(upper):
                stack[top] = np.nan
            else:
                stack[top] = 1.0 if (x - lower) % c[i] <= (upper - lower) % c[i] else 0.0
        elif o == NEG:
            stack[top] = -stack[top]
        elif o == ABS:
            stack[top] = abs(stack[top])
        elif o <= DIV:
            x, y = stack[top - 1], stack[top]
            top -= 1
            if o == ADD:
                x = x + y
            elif o == SUB:
                x = x - y
            elif o == MUL:
                x = x * y
            elif y == 0.0:
                x = np.nan
            else:
                x = x / y
            stack[top] = x if np.isfinite(x) else np.nan
        elif o <= LOWEST:
            x, y = stack[top - 1], stack[top]
            top -= 1
            if np.isnan(x):
                stack[top] = y
            elif not np.isnan(y):
                stack[top] = max(x, y) if o == HIGHEST else min(x, y)
        elif o <= NE:
            band = 0.0
            if b[i] > 0:
                band = stack[top]
                top -= 1
            x, y = stack[top - 1], stack[top]
            top -= 1
            shown = y if a[i] == 1 else x
            if np.isnan(x) or np.isnan(y):
                stack[top] = np.nan
            else:
                if b[i] > 0 and latch_ms[latch[i]] != NEVER:
                    y += -band if o >= GT else band
                if o == LT:
                    so = x < y
                elif o == LE:
                    so = x <= y
                elif o == GT:
                    so = x > y
                elif o == GE:
                    so = x >= y
                elif o == EQ:
                    so = x == y
                else:
                    so = x != y
                if b[i] > 0:
                    latch_ms[latch[i]] = 1 if so else NEVER
                stack[top] = 1.0 if so else 0.0
        elif o <= OFF:
            shown = stack[top]
            if not np.isnan(shown):
                stack[top] = 1.0 if (shown >= 0.5) == (o == ON) else 0.0
        elif o == AND:
            x, y = stack[top - 1], stack[top]
            top -= 1
            stack[top] = 0.0 if x == 0.0 or y == 0.0 else x * y
        elif o == OR:
            x, y = stack[top - 1], stack[top]
            top -= 1
            stack[top] = 1.0 if x == 1.0 or y == 1.0 else x + y
        elif o == NOT:
            stack[top] = 1.0 - stack[top]
        elif o == VOTE:
            sure, unknown = 0, 0
            for k in range(b[i]):
                x = stack[top - k]
                if np.isnan(x):
                    unknown += 1
                elif x == 1.0:
                    sure += 1
            top -= b[i] - 1
            stack[top] = 1.0 if sure >= a[i] else (0.0 if sure + unknown < a[i] else np.nan)
        elif o == FOR:
            k = latch[i]
            x = stack[top]
            if x == 0.0:
                latch_ms[k] = NEVER
            elif x == 1.0:
                if latch_ms[k] == NEVER:
                    latch_ms[k] = now
                stack[top] = 1.0 if now - latch_ms[k] >= c[i] else 0.0
            if latch_ms[k] != NEVER:
                limit = latch_ms[k] + np.int64(c[i])
                if limit > now:
                    due = min(due, limit)
        if term[i] >= 0:
            term_value[term[i]] = shown
            term_true[term[i]] = stack[top]
    return stack[top], due


@njit(cache=True, nogil=True, error_model="numpy")
def _window(o, w, now, window_ms, mem):  # type: ignore[no-untyped-def]
    """Lowest, highest, mean, sum or number of what a window holds."""
    part, low, high, total, number = mem[3], mem[4], mem[5], mem[6], mem[7]
    last = now // ((window_ms + PARTS - 1) // PARTS)
    found = 0
    lowest, highest, all_of_it = np.inf, -np.inf, 0.0
    for which in range(last - PARTS + 1, last + 1):
        k = which % RING
        if part[w, k] == which:
            found += number[w, k]
            lowest, highest = min(lowest, low[w, k]), max(highest, high[w, k])
            all_of_it += total[w, k]
    if o == COUNT:
        return float(found)
    if found == 0:
        return np.nan
    if o == MIN:
        return lowest
    if o == MAX:
        return highest
    return all_of_it if o == SUM else all_of_it / found


@njit(cache=True, nogil=True, error_model="numpy")
def _change(o, w, s, now, window_ms, mem):  # type: ignore[no-untyped-def]
    """How the newest reading differs from the newest that is a window old, two windows at most."""
    part, last_value, last_ms = mem[3], mem[8], mem[9]
    last = now // ((window_ms + PARTS - 1) // PARTS)
    for back in range(PARTS, RING):
        which = last - back
        k = which % RING
        if part[w, k] == which:
            if last_ms[w, k] < now - 2 * window_ms:
                return np.nan
            by = mem[2][s] - last_value[w, k]
            if o == DELTA:
                return by
            passed = (mem[1][s] - last_ms[w, k]) / 1000.0
            return by / passed if passed > 0 else np.nan
    return np.nan
