"""Random compound rules and readings, and the two engines side by side."""

import math

import numpy as np
from hypothesis import strategies as st

from fengsui.warn.expressions import CompoundRow, Input, Memory, Rows, check, parse, tabulate
from fengsui.warn.expressions.kernel import step, sweep
from fengsui.warn.expressions.plain import PlainRule
from fengsui.warn.expressions.table import CLEARED, RAISED, Watched

START_MS = 1_790_000_000_000
INPUTS = {
    "x": Input("m", 60_000), "y": Input("m", 20_000), "pump": Input("1", 60_000), "wind": Input("°", 60_000),
    "t": Input("°C", 60_000),
}  # fmt: skip
STREAM = {"x": 11, "y": 12, "pump": 13, "wind": 14, "t": 15}
WATCHED = (Watched(901, 11, "hh"), Watched(902, 11, "h"), Watched(903, 12, "hh"))

_numbers = st.sampled_from(["0", "1", "2.5", "-1", "3"])
_spans = st.sampled_from(["1s", "5s", "16s", "30s", "1m"])
_lengths = st.one_of(
    st.sampled_from(
        ["x", "y", "x + y", "x - y", "abs(x - y)", "highest(x, y)", "lowest(x, y, 2 m)", "x * 2"]
    ),
    st.builds(
        "{}({}, {})".format,
        st.sampled_from(["min", "max", "mean", "sum", "delta"]),
        st.sampled_from("xy"),
        _spans,
    ),
)
_simple = st.one_of(
    st.builds("{} {} {} m".format, _lengths, st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), _numbers),
    st.builds("{} {} {} m deadband 0.5 m".format, _lengths, st.sampled_from(["<", ">="]), _numbers),
    st.builds("{} cm > y deadband 50 cm".format, st.sampled_from(["100", "250"])),
    st.builds("rate(x, {}) > {} m/min".format, _spans, _numbers),
    st.builds("count({}, {}) >= 2".format, st.sampled_from("xy"), _spans),
    st.builds("silent({}, {})".format, st.sampled_from("xy"), _spans),
    st.builds("age({}) > 10 s".format, st.sampled_from("xy")),
    st.builds("delta(t, {}) > 1 K".format, _spans),
    st.sampled_from([
        "pump is on", "pump is off", "alarm(x)", "alarm(x, hh)", "not alarm(y, hh, h)", "t > 274.15 K",
        "sector(wind, 300 °, 40 °)", "time(00:00, 12:00)", "day(mon, tue, wed)", "x / y > 1", "x > 0", "true", "false",
    ]),
)  # fmt: skip


def _joined(inner):
    return st.one_of(
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
        st.builds("not ({})".format, inner),
        st.builds("({}) for {}".format, inner, _spans),
        st.builds("at_least(2, {}, {}, {})".format, inner, inner, inner),
    )


conditions = st.recursive(_simple, _joined, max_leaves=4)
texts = st.tuples(
    st.builds("({}) or highest(x, 0 m) > 99 m".format, conditions), st.none() | conditions, st.sampled_from([0, 5_000]),
    st.sampled_from([0, 7_000]),
)  # fmt: skip


def compiled(texts_of_rules):
    """CompoundRows of (when, clear, for, clear for), and one PlainRule each."""
    rows, plain = [], []
    for number, (when, clear, for_ms, clear_for_ms) in enumerate(texts_of_rules):
        second = None if clear is None else (clear, parse(clear))
        checked = check(when, parse(when), INPUTS, clear=second)
        rows.append(CompoundRow(number + 1, 1, checked, STREAM, for_ms, clear_for_ms, 480, START_MS))
        plain.append(PlainRule(checked, for_ms, clear_for_ms, 480, START_MS))
    return rows, plain


_reading = st.tuples(
    st.sampled_from(sorted(STREAM)), st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 3.0, -1.0, 10.0, math.nan]),
    st.sampled_from([0, 0, 0, 2]),
)  # fmt: skip
_alarm = st.tuples(st.integers(0, 2), st.booleans())
groups = st.lists(
    st.tuples(st.integers(0, 40), st.lists(_reading, max_size=4), st.lists(_alarm, max_size=1)),
    min_size=1,
    max_size=25,
)


def arrivals(found):
    """(time, readings by name, alarms that change) of each group: the time goes on in steps of half a second, and
    sometimes back.
    """
    now, standing, out = START_MS, set(), []
    for gap, readings, alarms in found:
        now += (gap - 2) * 500 if gap < 39 else 70_000
        changed = []
        for place, up in alarms:
            if up != (place in standing):
                standing ^= {place}
                changed.append((place, up))
        if readings or changed:
            out.append((now, {name: (value, quality) for name, value, quality in readings}, changed))
    return out


def columns(table, arrived, first=0):
    """The groups as the kernel takes them."""
    place = {int(stream): i for i, stream in enumerate(table.stream)}
    rows = []
    for number, (now, readings, alarms) in enumerate(arrived, first):
        for name, (value, quality) in readings.items():
            if STREAM[name] in place:
                rows.append((number, now, 0, place[STREAM[name]], value, quality))
        for at, up in alarms:
            rows.append((number, now, 1 if up else 2, at, math.nan, 0))
    by_column = list(zip(*rows, strict=True)) or [()] * 6
    kinds = (np.int64, np.int64, np.uint8, np.int32, np.float64, np.uint8)
    return Rows(*(np.array(column, kind) for column, kind in zip(by_column, kinds, strict=True)))


def of_kernel(table, memory, arrived, until_ms=None):
    told = step(table, memory, columns(table, arrived))
    found = [said(told)]
    if until_ms is not None:
        found.append(said(sweep(table, memory, until_ms)))
    return [one for part in found for one in part]


def said(told):
    return [
        (int(rule), int(t), None if math.isnan(v) else v, int(what) in (RAISED, CLEARED))
        for rule, t, v, what in zip(told.rule, told.time_ms, told.value, told.what, strict=True)
    ]


def of_plain(rows, plain, arrived, until_ms=None):
    """What the oracle says, sorted as the kernel says it within a group."""
    found = []
    for now, readings, alarms in arrived:
        for number, (row, rule) in enumerate(zip(rows, plain, strict=True)):
            mine = {name: r for name, r in readings.items() if name in row.checked.names}
            asked = {(name, kind) for name, kinds in row.checked.alarms for kind in kinds}
            changes = {}
            for place, up in alarms:
                key = (
                    next(n for n, s in STREAM.items() if s == WATCHED[place].datastream),
                    WATCHED[place].kind,
                )
                if key in asked:
                    changes[key] = 1 if up else -1
            if mine or changes:
                found += [(number, s) for s in rule.take(now, mine, changes)]
    if until_ms is not None:
        for number, rule in enumerate(plain):
            found += [(number, s) for s in rule.until(until_ms)]
    return [(number, s.time_ms, None if math.isnan(s.value) else s.value, s.turned) for number, s in found]


def table_of(rows):
    return tabulate(rows, WATCHED)


__all__ = [
    "Memory",
    "arrivals",
    "columns",
    "compiled",
    "groups",
    "of_kernel",
    "of_plain",
    "said",
    "table_of",
    "texts",
]
