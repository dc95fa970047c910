"""Rules compiled for the engine: columns, those of a datastream side by side (compressed sparse rows).

A *slot* is the place of a datastream in the columns of one partition.  Within a slot the level rules come
first, so that a reading inside the calm band of its slot passes them all with two comparisons.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from fengsui.warn.rules import BadRule, check
from fengsui.warn.rules.kind import MAX_MS, PARAMETERS
from fengsui.warn.rules.level import SIGN
from fengsui.warn.rules.memory import NEVER, Terms

LEVEL, RATE, FROZEN, SILENT = range(4)
UNKNOWN = 255
FORMS_KEPT = 65_536  # with more, those that nobody has any more are looked for
FAMILY = {"hh": LEVEL, "h": LEVEL, "l": LEVEL, "ll": LEVEL, "rate": RATE, "frozen": FROZEN, "silent": SILENT}
CODES = tuple(FAMILY)  # a kind in a column is its place here


class RuleRow(NamedTuple):
    """One rule as it comes from the database; ``armed_ms`` is when it was made or switched on (silent only)."""

    rule_id: int
    datastream_id: int
    kind: str
    setpoint: float | None = None
    deadband: float = 0.0
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    window_ms: int = 0
    armed_ms: int = NEVER


@dataclass(frozen=True, slots=True, eq=False)
class RuleTable:
    """Many rules in columns of equal length, as ``RuleRow`` is one; ``kind`` is a place in ``CODES``."""

    rule_id: np.ndarray  # int64
    datastream_id: np.ndarray  # int64
    kind: np.ndarray  # int64, UNKNOWN where it is none of CODES
    setpoint: np.ndarray  # float64, NaN where there is none
    deadband: np.ndarray  # float64
    on_delay_ms: np.ndarray  # int64
    off_delay_ms: np.ndarray  # int64
    window_ms: np.ndarray  # int64
    armed_ms: np.ndarray  # int64

    @classmethod
    def of(cls, rows: Iterable[RuleRow]) -> "RuleTable":
        """The rows in columns."""
        by_field = list(zip(*rows, strict=True)) or [()] * len(RuleRow._fields)
        columns = dict(zip(RuleRow._fields, by_field, strict=True))
        columns["kind"] = tuple(CODES.index(k) if k in CODES else UNKNOWN for k in columns["kind"])
        floats = ("setpoint", "deadband")
        return cls(**{n: np.array(c, np.float64 if n in floats else np.int64) for n, c in columns.items()})

    def __len__(self) -> int:
        return len(self.rule_id)

    def take(self, which: np.ndarray) -> "RuleTable":
        """The rules at ``which`` (indices or a mask)."""
        return RuleTable(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


class Refused(NamedTuple):
    """A rule that makes no sense, and why."""

    rule_id: int
    why: str
    datastream_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Forms:
    """Everything of a rule but its setpoint.  Few: most rules share theirs with thousands of others."""

    family: np.ndarray  # uint8 [k]: LEVEL, RATE, FROZEN, SILENT
    sign: np.ndarray  # float64 [k]
    deadband: np.ndarray  # float64 [k]
    on_delay_ms: np.ndarray  # int64 [k]
    off_delay_ms: np.ndarray  # int64 [k]
    window_ms: np.ndarray  # int64 [k]
    armed_ms: np.ndarray  # int64 [k]: of silent rules only, else NEVER

    def __len__(self) -> int:
        return len(self.family)

    def take(self, which: np.ndarray) -> "Forms":
        """The forms at ``which`` (indices or a mask)."""
        return Forms(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def join(parts: "Iterable[Forms]") -> "Forms":
        """All of them, one after the other."""
        listed = [_NO_FORMS, *parts]
        return Forms(*(np.concatenate([getattr(p, f.name) for p in listed]) for f in fields(Forms)))


_NO_FORMS = Forms(
    np.empty(0, np.uint8), *(np.empty(0) for _ in range(2)), *(np.empty(0, np.int64) for _ in range(4))
)


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The rules in force: ``r`` rules over ``n`` slots, those of a slot by family, then by id.

    A rule costs 14 bytes, a slot 40: its form is kept once for all rules that share it.
    """

    datastream: np.ndarray  # int32 [n]: which datastream a slot belongs to
    first: np.ndarray  # int32 [n + 1]: rules of slot s are first[s] … first[s + 1]
    rule_id: np.ndarray  # int32 [r], int64 where an id needs it
    raise_at: np.ndarray  # float64 [r]
    form: np.ndarray  # uint16 [r], uint32 where there are many: its place in ``forms``
    forms: Forms
    # what follows from these
    first_other: np.ndarray  # int32 [n]: the first rule of slot s that is not a level rule
    first_ring: np.ndarray  # int32 [n + 1]: rings of kept readings, one a rate rule, before slot s
    first_mark: np.ndarray  # int32 [n + 1]: marks, one a frozen rule, before slot s
    calm_low: np.ndarray  # float64 [n]: strictly between these no level rule of the slot is beyond
    calm_high: np.ndarray  # float64 [n]
    wait_ms: np.ndarray  # int32 [n]: the shortest window of its silent rules, 0 where there is none
    most: int  # rules of the slot that has most
    refused: tuple[Refused, ...] = ()  # rules that make no sense; they are not in force

    def __len__(self) -> int:
        return len(self.rule_id)

    @property
    def n_slots(self) -> int:
        """How many slots there are."""
        return len(self.datastream)

    @property
    def n_rings(self) -> int:
        """How many rate rules there are."""
        return int(self.first_ring[-1])

    @property
    def n_marks(self) -> int:
        """How many frozen rules there are."""
        return int(self.first_mark[-1])

    @property
    def nbytes(self) -> int:
        """Room taken."""
        columns = [getattr(self, f.name) for f in fields(self)]
        columns += [getattr(self.forms, f.name) for f in fields(self.forms)]
        return sum(c.nbytes for c in columns if isinstance(c, np.ndarray))

    def family(self, which: np.ndarray) -> np.ndarray:
        """The family of the rules at ``which``."""
        return self.forms.family[self.form[which]]

    def slot(self, which: np.ndarray) -> np.ndarray:
        """The slot of the rules at ``which``; int64."""
        return np.searchsorted(self.first, which, side="right") - 1

    def of_family(self, family: int) -> np.ndarray:
        """Where the rules of a family are, rising: the order of the rings of rate rules, the marks of frozen ones."""
        return np.flatnonzero((self.forms.family == family)[self.form])

    def ring(self, which: np.ndarray) -> np.ndarray:
        """The ring of each rate rule at ``which``."""
        slot = self.slot(which)
        return self.first_ring[slot] + (which - self.first_other[slot])

    def mark(self, which: np.ndarray) -> np.ndarray:
        """The mark of each frozen rule at ``which``."""
        slot = self.slot(which)
        rates = self.first_ring[slot + 1] - self.first_ring[slot]
        return self.first_mark[slot] + (which - self.first_other[slot] - rates)

    def of(self, datastream: np.ndarray) -> "Rules":
        """The rules of these datastreams (all known) alone, in these slots."""
        first, at = self._at(places(self.datastream, datastream))
        mine = set(datastream.tolist()) if self.refused else set()
        refused = tuple(bad for bad in self.refused if bad.datastream_id in mine)
        return finish(
            datastream, first, self.rule_id[at], self.raise_at[at], self.form[at], self.forms, refused
        )

    def _at(self, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the rules of slots are (int64 [k]), and where those of each begin among them (int32 [slots + 1])."""
        begin = self.first[slot].astype(np.int64)
        first = np.zeros(len(slot) + 1, np.int32)
        np.cumsum(self.first[slot + 1] - begin, out=first[1:])
        return first, np.repeat(begin - first[:-1], np.diff(first)) + np.arange(first[-1])

    def same_as(self, other: "Rules") -> bool:
        """Whether both say the same, in the same slots."""
        return (
            np.array_equal(self.datastream, other.datastream)
            and np.array_equal(self.first, other.first)
            and np.array_equal(self.rule_id, other.rule_id)
            and np.array_equal(self.raise_at, other.raise_at)
            and self.refused == other.refused
            and all(
                np.array_equal(
                    getattr(self.forms, f.name)[self.form], getattr(other.forms, f.name)[other.form]
                )
                for f in fields(Forms)
            )
        )

    def terms(self, which: np.ndarray) -> Terms:
        """The terms of the rules at ``which``, for the plain definitions."""
        form, raise_at = self.form[which], self.raise_at[which]
        return Terms(
            self.forms.sign[form],
            raise_at,
            raise_at - self.forms.deadband[form],
            self.forms.on_delay_ms[form],
            self.forms.off_delay_ms[form],
            self.forms.window_ms[form],
            self.forms.armed_ms[form],
        )


def compile_rules(
    rows: Iterable[RuleRow] | RuleTable, slot_of_datastream: Mapping[int, int] | np.ndarray
) -> Rules:
    """The rules of one partition.  Slots are 0 … n-1, each used once; rows of other datastreams are passed
    over.  ``slot_of_datastream`` as an array: the datastream of each slot.

    A row that makes no rule (no setpoint, an unknown kind …) is not in force and is named in ``refused``: one
    bad rule must not silence the others.  Raises ValueError if the slots are not 0 … n-1.
    """
    table = rows if isinstance(rows, RuleTable) else RuleTable.of(rows)
    return compile_tables([table], _by_slot(slot_of_datastream))


def compile_tables(tables: Iterable[RuleTable], datastream: np.ndarray) -> Rules:
    """The same out of several tables, each packed before the next is asked for.  ``datastream`` of each slot."""
    lookup = _Lookup(datastream)
    packed = [_pack(table, lookup) for table in chain([RuleTable.of([])], tables)]
    forms, renamed = _fold(Forms.join([p.forms for p in packed]))
    begin = np.cumsum([0, *(len(p.forms) for p in packed)])
    form = [renamed[p.form + np.uint32(at)] for p, at in zip(packed, begin[:-1].tolist(), strict=True)]
    slot, rule_id, raise_at = (
        np.concatenate([getattr(p, name) for p in packed]) for name in ("slot", "rule_id", "raise_at")
    )
    refused = tuple(sorted(bad for p in packed for bad in p.refused))
    del packed
    return arrange(datastream, slot, rule_id, raise_at, np.concatenate(form), forms, refused)


class _Packed(NamedTuple):
    slot: np.ndarray
    rule_id: np.ndarray
    raise_at: np.ndarray
    form: np.ndarray
    forms: Forms
    refused: list[Refused]


class _Lookup:
    """The slot of a datastream, for many at once."""

    def __init__(self, datastream: np.ndarray) -> None:
        self._order = None if (datastream[1:] > datastream[:-1]).all() else np.argsort(datastream)
        self._ids = datastream if self._order is None else datastream[self._order]

    def slots(self, wanted: np.ndarray) -> np.ndarray:
        """int32 [k], -1 where there is none."""
        if not len(self._ids):
            return np.full(len(wanted), -1, np.int32)
        at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        slot = at if self._order is None else self._order[at]
        return np.where(self._ids[at] == wanted, slot, -1).astype(np.int32)


def _pack(table: RuleTable, lookup: _Lookup) -> _Packed:
    slot = lookup.slots(table.datastream_id)
    mine = slot >= 0
    if not mine.all():
        table, slot = table.take(mine), slot[mine]
    good = _plainly_good(table)
    refused = []
    for i in np.flatnonzero(~good).tolist():
        try:
            check(_kind(table, i), {name: _given(table, name, i) for name in PARAMETERS})
            good[i] = True
        except BadRule as error:
            refused.append(Refused(int(table.rule_id[i]), str(error), int(table.datastream_id[i])))
    if refused:
        table, slot = table.take(good), slot[good]
    forms, form = _forms(table)
    rule_id = table.rule_id
    if _is_small(rule_id):
        rule_id = rule_id.astype(np.int32)
    return _Packed(slot, rule_id, forms.sign[form] * np.nan_to_num(table.setpoint), form, forms, refused)


def _is_small(rule_id: np.ndarray) -> bool:
    return not len(rule_id) or (int(rule_id.min()) >= -(1 << 31) and int(rule_id.max()) < 1 << 31)


def arrange(
    datastream: np.ndarray,
    slot: np.ndarray,
    rule_id: np.ndarray,
    raise_at: np.ndarray,
    form: np.ndarray,
    forms: Forms,
    refused: tuple[Refused, ...] = (),
) -> Rules:
    """Rules out of columns in any order: sorted, with what follows from them."""
    family = forms.family[form]
    if len(slot) and int(rule_id.min()) >= 0 and int(rule_id.max()) < 1 << 31 and len(datastream) < 1 << 30:
        key = slot.astype(np.int64) << 33
        key |= family.astype(np.int64) << 31
        key |= rule_id
        order = None if (key[1:] > key[:-1]).all() else np.argsort(key)
    else:
        order = np.lexsort((rule_id, family, slot))
    if order is not None:
        slot, rule_id, raise_at, form = slot[order], rule_id[order], raise_at[order], form[order]
    first = np.zeros(len(datastream) + 1, np.int32)
    np.cumsum(np.bincount(slot, minlength=len(datastream)), out=first[1:])
    return finish(datastream, first, rule_id, raise_at, form, forms, refused)


def finish(
    datastream: np.ndarray,
    first: np.ndarray,
    rule_id: np.ndarray,
    raise_at: np.ndarray,
    form: np.ndarray,
    forms: Forms,
    refused: tuple[Refused, ...] = (),
) -> Rules:
    """Rules out of sorted columns, with what follows from them."""
    from fengsui.warn.engine.packing import derive

    first_other, first_ring, first_mark, calm_low, calm_high, wait_ms, most = derive(
        first, np.ascontiguousarray(form, np.uint32), np.ascontiguousarray(raise_at, np.float64),
        forms.family, forms.sign, forms.window_ms,
    )  # fmt: skip
    return Rules(
        np.ascontiguousarray(datastream, np.int32),
        first,
        np.ascontiguousarray(rule_id, np.int32 if _is_small(rule_id) else np.int64),
        np.ascontiguousarray(raise_at, np.float64),
        np.ascontiguousarray(form, _number_of(forms)),
        forms,
        first_other,
        first_ring,
        first_mark,
        calm_low,
        calm_high,
        wait_ms,
        most,
        refused,
    )


def replace_rules(old: Rules, datastream: np.ndarray, part: Rules) -> Rules:
    """The rules of ``datastream`` (int32 [n], the new slots): those of ``part`` for the slots it names, else the old.

    ``part`` speaks of all rules of its datastreams, which may be none.
    """
    from fengsui.warn.engine.packing import splice

    if (kept := _replace_terms(old, datastream, part)) is not None:
        return kept
    from_old, from_new = places(old.datastream, datastream), places(part.datastream, datastream)
    counts = np.where(
        from_new >= 0,
        np.append(np.diff(part.first), 0)[from_new],
        np.where(from_old >= 0, np.append(np.diff(old.first), 0)[from_old], 0),
    )
    first = np.zeros(len(datastream) + 1, np.int32)
    np.cumsum(counts, out=first[1:])
    forms, renamed = _fold(Forms.join([old.forms, part.forms]))
    rule_id, raise_at, form = splice(
        first,
        from_old, old.first, old.rule_id, old.raise_at, renamed[old.form],
        from_new, part.first, part.rule_id, part.raise_at, renamed[part.form.astype(np.int64) + len(old.forms)],
    )  # fmt: skip
    used = np.bincount(form, minlength=len(forms)) > 0
    if not used.all():  # a form that nobody has any more
        forms, form = forms.take(used), (np.cumsum(used) - 1).astype(np.uint32)[form]
    return finish(datastream, first, rule_id, raise_at, form, forms, _still_refused(old, datastream, part))


def _number_of(forms: Forms) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if len(forms) <= 1 << 16 else np.uint32


def _replace_terms(old: Rules, datastream: np.ndarray, part: Rules) -> Rules | None:
    """``replace_rules`` when only terms changed, as they mostly do: every rule keeps its place.  None: one does not."""
    if datastream is not old.datastream and not np.array_equal(datastream, old.datastream):
        return None
    slot = places(datastream, part.datastream)
    if (slot < 0).any():
        return None
    first, at = old._at(slot)
    forms, renamed = _fold(Forms.join([old.forms, part.forms]))
    if (
        len(forms) > FORMS_KEPT
        or _number_of(forms) is not old.form.dtype.type
        or not np.array_equal(first, part.first)
    ):
        return None
    theirs = len(old.forms)  # those of ``old`` come first and keep their numbers
    form = renamed[part.form.astype(np.int64) + theirs]
    before = old.form[at]
    if not (
        np.array_equal(old.rule_id[at], part.rule_id)
        and np.array_equal(forms.family[before], forms.family[form])
        and np.array_equal(forms.sign[before], forms.sign[form])
    ):
        return None
    columns = {
        name: getattr(old, name).copy() for name in ("raise_at", "form", "calm_low", "calm_high", "wait_ms")
    }
    columns["raise_at"][at], columns["form"][at] = part.raise_at, form
    for name in ("calm_low", "calm_high", "wait_ms"):
        columns[name][slot] = getattr(part, name)
    return replace(old, forms=forms, refused=_still_refused(old, datastream, part), **columns)


def _still_refused(old: Rules, datastream: np.ndarray, part: Rules) -> tuple[Refused, ...]:
    of = np.array([bad.datastream_id for bad in old.refused], np.int64)
    stays = (places(datastream, of) >= 0) & (places(part.datastream, of) < 0)
    kept = [bad for bad, stay in zip(old.refused, stays.tolist(), strict=True) if stay]
    return tuple(sorted([*kept, *part.refused]))


def places(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each of ``wanted`` is in ``ids`` (unique, in any order), -1 where it is not; int64."""
    if not len(ids) or not len(wanted):
        return np.full(len(wanted), -1, np.int64)
    if ids is wanted or (len(ids) == len(wanted) and np.array_equal(ids, wanted)):
        return np.arange(len(ids))
    order = None if (ids[1:] > ids[:-1]).all() else np.argsort(ids)
    ordered = ids if order is None else ids[order]
    at = np.minimum(np.searchsorted(ordered, wanted), len(ids) - 1)
    found = ordered[at] == wanted
    return np.where(found, at if order is None else order[at], -1)


def _by_slot(slot_of_datastream: Mapping[int, int] | np.ndarray) -> np.ndarray:
    if isinstance(slot_of_datastream, np.ndarray):
        return slot_of_datastream
    n = len(slot_of_datastream)
    slots = np.fromiter(slot_of_datastream.values(), np.int64, n)
    if n and (slots.min() < 0 or slots.max() >= n or len(np.unique(slots)) != n):
        raise ValueError(f"the slots of {n} datastreams must be 0 to {n - 1}, each once")
    datastream = np.full(n, -1, np.int32)
    datastream[slots] = np.fromiter(slot_of_datastream.keys(), np.int64, n)
    return datastream


def _forms(table: RuleTable) -> tuple[Forms, np.ndarray]:
    """The forms of rules that are good, and which each has."""
    family = _FAMILIES[table.kind]
    every = Forms(
        family,
        _SIGNS[table.kind],
        table.deadband,
        table.on_delay_ms,
        table.off_delay_ms,
        table.window_ms,
        np.where(family == SILENT, table.armed_ms, NEVER),
    )
    return _fold(every)


def _fold(every: Forms) -> tuple[Forms, np.ndarray]:
    """Equal forms once, and which each of ``every`` is."""
    from fengsui.warn.engine.packing import distinct

    whole = [every.family.astype(np.int64), every.sign.astype(np.int64)]
    whole += [np.ascontiguousarray(every.deadband + 0.0).view(np.int64)]
    whole += [
        np.ascontiguousarray(c, np.int64)
        for c in (every.on_delay_ms, every.off_delay_ms, every.window_ms, every.armed_ms)
    ]
    form, rows = distinct(*whole)
    return every.take(rows), form


_FAMILIES = np.array([FAMILY[code] for code in CODES], np.uint8)
_SIGNS = np.array([SIGN.get(code, 1.0) for code in CODES])


def _kind(table: RuleTable, i: int) -> str:
    code = int(table.kind[i])
    return CODES[code] if 0 <= code < len(CODES) else "unknown"


def _given(table: RuleTable, name: str, i: int) -> float | None:
    number = float(getattr(table, name)[i])
    return None if name == "setpoint" and np.isnan(number) else number


def _plainly_good(t: RuleTable) -> np.ndarray:
    """Rows that ``check`` would surely pass; the few others are asked one by one: asking all takes seconds."""
    known = (t.kind >= 0) & (t.kind < len(CODES))
    family = np.where(known, _FAMILIES[np.where(known, t.kind, 0)], UNKNOWN)
    delays = np.maximum(t.on_delay_ms, t.off_delay_ms)
    whole = (np.minimum(t.on_delay_ms, t.off_delay_ms) >= 0) & (t.deadband >= 0) & np.isfinite(t.deadband)
    whole &= (delays <= MAX_MS) & (t.window_ms >= 0) & (t.window_ms <= MAX_MS)
    bare = whole & (delays == 0) & (t.deadband == 0) & (t.window_ms > 0)
    finite, absent = np.isfinite(t.setpoint), np.isnan(t.setpoint)
    level = whole & (family == LEVEL) & finite & (t.window_ms == 0)
    rate = whole & (family == RATE) & finite & (t.setpoint > 0) & (t.deadband < t.setpoint)
    frozen = bare & (family == FROZEN) & (absent | (finite & (t.setpoint >= 0)))
    return level | rate | frozen | (bare & (family == SILENT) & absent)
