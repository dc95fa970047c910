"""From what a device measured, by the codes of its protocol, to a canonical batch of its site.

A reading whose code nobody mapped stays in the batch, refused as UNMAPPED with what was sent; the code is noted for the
page of unmapped codes.  A code that is mapped to nothing is counted and left out: that is what the row is for.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fengsui.base.batch import Batch, Refused
from fengsui.base.errors import BadFrame
from fengsui.base.quality import Quality, Reason
from fengsui.sense.codecs.measured import Measured
from fengsui.sense.codecs.readings_json import MAX_TIME_MS, text
from fengsui.sense.gateways import door
from fengsui.sense.gateways.field.adapter import Identity
from fengsui.sense.gateways.field.identities import UNWANTED, Identities
from fengsui.sense.gateways.publisher import ClockUnsure

KEPT_BYTES = 240  # of refused bytes, as hex digits: what quarantine keeps of a text


@dataclass(slots=True)
class Unmapped:
    """A reading of a code that nobody mapped."""

    device: int
    protocol: str
    code: str
    unit: str
    value: float
    received_ms: int


@dataclass(slots=True)
class Entered:
    batch: Batch
    unmapped: list[Unmapped]
    unwanted: int
    accepted: int


def source_of(protocol: str, device_code: str) -> str:
    """What a batch says of its sender."""
    return f"{protocol}:{device_code}"


def require_sure_time(measured: Iterable[tuple[Identity, Measured]]) -> None:
    """Hear what time devices think it is.  Raises ClockUnsure when that is not to be judged yet.

    A reading without a time of its own says nothing.  All devices are heard, also when one's time is unsure.
    """
    newest: dict[str, int] = {}
    for identity, one in measured:
        if one.time_ms is not None and 0 <= one.time_ms <= MAX_TIME_MS:
            source = source_of(identity.protocol, identity.device_code)
            newest[source] = max(one.time_ms, newest.get(source, 0))
    unsure = None
    for source, at in newest.items():
        try:
            door.require_sure_time(source, np.array([at], np.int64))
        except ClockUnsure as error:
            unsure = error
    if unsure is not None:
        raise unsure


def enter(
    measured: Iterable[tuple[Identity, Measured]],
    identities: Identities,
    received_ms: int,
    admit: door.Admit = door.admit_all,
) -> list[Entered]:
    """Readings as batches, one for each device among them, in the order in which they came."""
    by_device: dict[int, tuple[Identity, list[Measured]]] = {}
    for identity, one in measured:
        by_device.setdefault(identity.id, (identity, []))[1].append(one)
    return [_enter(identity, rows, identities, received_ms, admit) for identity, rows in by_device.values()]


def _enter(
    identity: Identity, rows: list[Measured], identities: Identities, received_ms: int, admit: door.Admit
) -> Entered:
    ids: list[int] = []
    times: list[int] = []
    values: list[float] = []
    qualities: list[int] = []
    reasons: list[int] = []
    refused: dict[int, Refused] = {}
    sent: list[Measured] = []
    unmapped: list[Unmapped] = []
    unwanted = 0
    for one in rows:
        meaning = identities.meaning(identity, one.code, one.unit)
        if meaning is UNWANTED:
            unwanted += 1
            continue
        at = received_ms if one.time_ms is None else one.time_ms
        reason, stream, value = 0, -1, one.value
        if not 0 <= at <= MAX_TIME_MS or math.isinf(value):
            reason = Reason.UNPARSABLE
        elif meaning is None:
            reason = Reason.UNMAPPED
            unmapped.append(
                Unmapped(identity.device, identity.protocol, one.code[:96], one.unit, value, received_ms)
            )
        elif meaning.wrong_unit:
            reason, stream = Reason.UNIT, meaning.id
        else:
            stream, value = meaning.id, value * meaning.factor + meaning.offset
        sent.append(one)
        ids.append(stream)
        times.append(at)
        values.append(value)
        qualities.append(Quality.BAD if value != value and one.quality == Quality.GOOD else one.quality)
        reasons.append(reason)
    batch = Batch(
        identity.site, source_of(identity.protocol, identity.device_code), received_ms,
        np.array(ids, np.int32), np.array(times, np.int64), np.array(values, np.float64),
        np.array(qualities, np.uint8), np.array(reasons, np.uint8), refused,
    )  # fmt: skip
    held = batch.reason.copy()
    admit(batch, received_ms)
    batch.reason = np.where(held != 0, held, batch.reason)
    for row in np.flatnonzero((batch.reason > 0) & (batch.reason < 20)).tolist():
        one = sent[row]
        shown = "null" if one.value != one.value else repr(one.value)
        when = "" if one.time_ms is None else str(one.time_ms)
        refused[row] = Refused(text(one.code), when, shown, one.unit)
    return Entered(batch, unmapped, unwanted, len(batch) - len(refused))


def kept(frame: BadFrame, site: int, source: str, protocol: str, received_ms: int) -> Batch:
    """Refused bytes as one refused reading: the reason beside the protocol's name, the bytes as hex digits.

    ``site`` 0: of a sender that nobody knows.
    """
    shown = frame.data[:KEPT_BYTES].hex().upper() + ("…" if len(frame.data) > KEPT_BYTES else "")
    return Batch(
        site, source, received_ms, np.array([-1], np.int32), np.array([0]), np.array([np.nan]),
        np.zeros(1, np.uint8), np.array([Reason.UNPARSABLE], np.uint8),
        {0: Refused(text(f"{protocol}: {frame.reason}"), "", shown, "")},
    )  # fmt: skip
