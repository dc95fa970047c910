"""All checks that need only the reading, its datastream and the clock, in one compiled pass over many batches.

What it means is said by ``judge_plain``, out of the checks of this folder one by one; a test holds the two equal.
"""

from dataclasses import dataclass, replace

import numba
import numpy as np

from fengsui.base.quality import Quality, Reason
from fengsui.govern.checks.clock import CheckPolicy, check_clock
from fengsui.govern.checks.known import check_known, check_stopped
from fengsui.govern.checks.reasons import FIRST_FLAG, first_reason, is_refused, mark
from fengsui.govern.checks.value import check_missing, check_range

REACH_MS = 50 * 366 * 86_400_000  # how old a reading may be for whose time a person vouches
LAST_REASON = int(max(Reason))
NEVER = int(np.iinfo(np.int64).min)
_BAD = int(Quality.BAD)
_UNKNOWN, _WRONG_SITE, _STOPPED, _RANGE, _TOO_LATE, _FUTURE = (
    int(r)
    for r in (
        Reason.UNKNOWN_DATASTREAM,
        Reason.WRONG_SITE,
        Reason.STOPPED,
        Reason.RANGE,
        Reason.TOO_LATE,
        Reason.FUTURE,
    )
)
_LATE, _CORRECTED, _NO_VALUE = int(Reason.LATE), int(Reason.CORRECTED), int(Reason.NO_VALUE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of ``s`` datastreams by slot, and of ``d`` ids which slot they have."""

    slot_of: np.ndarray  # int32 [d], -1 where there is none
    site: np.ndarray  # int32 [s]
    range_min: np.ndarray  # float64 [s]
    range_max: np.ndarray  # float64 [s]
    stopped_ms: np.ndarray  # int64 [s], the greatest int64 where it is in service


@dataclass(frozen=True, slots=True)
class Sent:
    """``n`` rows of ``k`` batches in order of arrival, as they came."""

    start: np.ndarray  # int64 [k + 1]: the rows of batch b are start[b] to start[b + 1]
    site: np.ndarray  # int32 [k]
    received_ms: np.ndarray  # int64 [k], a sane epoch
    vouched: np.ndarray  # bool [k]: a person vouches for the times of the batch
    datastream: np.ndarray  # int32 [n]
    time_ms: np.ndarray  # int64 [n], any value
    value: np.ndarray  # float64 [n]
    quality: np.ndarray  # uint8 [n]
    reason: np.ndarray  # uint8 [n]: what the door said


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of each row, and what is to be said of each batch."""

    slot: np.ndarray  # int32 [n], -1 where the datastream is unknown
    batch: np.ndarray  # int32 [n]: which batch a row came in
    quality: np.ndarray  # uint8 [n], a Quality; BAD where there is no value
    reason: np.ndarray  # uint8 [n]: the first refusal, else the first flag, else 0
    at_door: np.ndarray  # int64 [k]: rows the door refused
    refused: np.ndarray  # int64 [k]: rows refused in all
    observed_ms: np.ndarray  # int64 [k]: the newest time among the rows that pass, NEVER when there is none


def judge(sent: Sent, facts: Facts, policy: CheckPolicy) -> Judged:
    """The verdicts, in one pass."""
    n, k = len(sent.datastream), len(sent.site)
    out = Judged(
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.uint8),
        np.empty(n, np.uint8),
        np.zeros(k, np.int64),
        np.zeros(k, np.int64),
        np.empty(k, np.int64),
    )
    _judge(
        sent.start, sent.site, sent.received_ms, sent.vouched, sent.datastream, sent.time_ms, sent.value,
        sent.quality, sent.reason, facts.slot_of, facts.site, facts.range_min, facts.range_max, facts.stopped_ms,
        policy.future_tolerance_ms, policy.late_after_ms, policy.refuse_older_than_ms,
        out.slot, out.batch, out.quality, out.reason, out.at_door, out.refused, out.observed_ms,
    )  # fmt: skip
    return out


def judge_plain(sent: Sent, facts: Facts, policy: CheckPolicy) -> Judged:
    """The same by the checks one after the other: the meaning of ``judge``."""
    k = len(sent.site)
    batch = np.repeat(np.arange(k, dtype=np.int32), np.diff(sent.start))
    received, vouched = sent.received_ms[batch], sent.vouched[batch]
    ids = sent.datastream
    inside = (ids >= 0) & (ids < len(facts.slot_of))
    slot = np.full(len(ids), -1, np.int32)
    slot[inside] = facts.slot_of[ids[inside]]
    door = np.where(sent.reason > LAST_REASON, np.uint8(0), sent.reason)
    quality = np.minimum(sent.quality, np.uint8(_BAD))
    at_door = np.where(is_refused(door), door, np.uint8(0))
    reasons = [at_door, check_known(slot, sent.site[batch], facts.site)]
    if len(facts.site):
        place = np.maximum(slot, 0)
        reach = replace(policy, late_after_ms=REACH_MS, refuse_older_than_ms=REACH_MS)
        clock = check_clock(sent.time_ms, received, policy)
        reasons += [
            check_stopped(sent.time_ms, facts.stopped_ms[place]),
            check_range(sent.value, quality, facts.range_min[place], facts.range_max[place]),
            check_missing(sent.value),
            mark(vouched, Reason.CORRECTED),
            np.where(vouched, check_clock(sent.time_ms, received, reach), clock),
            door,
        ]
    reason = first_reason(*reasons)
    refused = is_refused(reason)
    observed = np.full(k, NEVER, np.int64)
    np.maximum.at(observed, batch[~refused], sent.time_ms[~refused])
    return Judged(
        slot,
        batch,
        np.where(np.isnan(sent.value), np.uint8(_BAD), quality),
        reason,
        np.bincount(batch[is_refused(door)], minlength=k),
        np.bincount(batch[refused], minlength=k),
        observed,
    )


@numba.njit(cache=True, nogil=True)
def _judge(  # type: ignore[no-untyped-def]
    start, site, received_ms, vouched, datastream, time_ms, value, quality, reason,
    slot_of, site_of_slot, range_min, range_max, stopped_ms, future_ms, late_ms, refuse_ms,
    out_slot, out_batch, out_quality, out_reason, at_door, refused, observed,
):  # fmt: skip
    ids = len(slot_of)
    for b in range(len(site)):
        received, trusted, newest, of_site = received_ms[b], vouched[b], NEVER, site[b]
        latest = received + future_ms
        late = received - (REACH_MS if trusted else late_ms)
        too_late = received - (REACH_MS if trusted else refuse_ms)
        for i in range(start[b], start[b + 1]):
            ds, t, v = datastream[i], time_ms[i], value[i]
            s = slot_of[ds] if 0 <= ds < ids else np.int32(-1)
            door = reason[i] if reason[i] <= LAST_REASON else np.uint8(0)
            q = quality[i] if quality[i] < _BAD else np.uint8(_BAD)
            missing = np.isnan(v)
            out_slot[i], out_batch[i] = s, b
            out_quality[i] = np.uint8(_BAD) if missing else q
            if 0 < door < FIRST_FLAG:
                at_door[b] += 1
                why = door
            elif s < 0:
                why = np.uint8(_UNKNOWN)
            elif site_of_slot[s] != of_site:
                why = np.uint8(_WRONG_SITE)
            elif t >= stopped_ms[s]:
                why = np.uint8(_STOPPED)
            elif (v < range_min[s] or v > range_max[s] or np.isinf(v)) and q < _BAD:
                why = np.uint8(_RANGE)
            elif t > latest:
                why = np.uint8(_FUTURE)
            elif t < too_late:
                why = np.uint8(_TOO_LATE)
            elif missing:
                why = np.uint8(_NO_VALUE)
            elif trusted:
                why = np.uint8(_CORRECTED)
            elif t < late:
                why = np.uint8(_LATE)
            else:
                why = door
            out_reason[i] = why
            if 0 < why < FIRST_FLAG:
                refused[b] += 1
            elif t > newest:
                newest = t
        observed[b] = newest


def warm_up() -> None:
    """Compile now, or load what an earlier process compiled."""
    one, byte, i32 = np.zeros(1, np.int64), np.zeros(1, np.uint8), np.zeros(1, np.int32)
    sent = Sent(np.array([0, 1]), i32, one, np.zeros(1, bool), i32, one, np.zeros(1), byte, byte)
    judge(sent, Facts(i32, i32, np.zeros(1), np.ones(1), one + 1), CheckPolicy())
