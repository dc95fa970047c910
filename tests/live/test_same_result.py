"""The same readings give the same alarms and the same history, row for row: whoever works, and in whatever pieces.

One made stream with every kind of alarm is processed again and again, each time for sites of its own: by 1, 2 and 4
workers, in order and shuffled, with workers killed in the middle.  Order is promised for a datastream from message to
message; within a message, between datastreams and between sites it may be any.  A reading that comes behind a newer
one of its datastream is stored like the others, with the flag LATE, and is not judged (the last test).
"""

import random
import signal
import time
from dataclasses import dataclass

import duckdb
import numpy as np
import pytest

from fengsui.base.quality import Quality, Reason
from fengsui.stores.bus import partition_of
from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run

SITES, TICKS = 8, 300
STREAMS = 6  # of a site: four levels · delays · rate · frozen · silent · no rule at all
SILENT_MS = 20_000
PARTITIONS = 4

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("same-result")]

SITE_ROWS = """
INSERT INTO devices_site
    (code, name, name_en, org_id, org_path, kind, longitude, latitude, address, is_demo, is_active)
SELECT %(name)s || n, 'Site', '', o.id, o.path, 'other', 111, 30, '', false, true
FROM generate_series(1, %(sites)s) n, orgs_org o ORDER BY n;
"""
STREAM_ROWS = """
INSERT INTO devices_thing (site_id, code, name, name_en, description, properties)
SELECT id, 'tank', 'Tank', '', '', '{}' FROM devices_site WHERE code LIKE %(name)s || '%%' ORDER BY id;
INSERT INTO devices_datastream (site_id, thing_id, observed_property_id, code, name, name_en, unit, range_min,
    range_max, period_ms, decimals, is_active, stopped_reason)
SELECT s.id, t.id, p.id, 'T' || n, 'Level', '', 'm', 0, 1000, 1000, 2, true, ''
FROM devices_site s JOIN devices_thing t ON t.site_id = s.id, devices_observedproperty p,
     generate_series(1, %(streams)s) n
WHERE s.code LIKE %(name)s || '%%' ORDER BY s.id, n;
INSERT INTO alarms_rule (datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
    is_enabled, basis, shelved_reason, version, armed_at)
SELECT d.id, r.kind, r.setpoint, r.deadband, r.on_ms, r.off_ms, r.window_ms, 2, true, '', '', 1,
       to_timestamp(%(armed_ms)s / 1000.0)
FROM devices_datastream d JOIN devices_site s ON s.id = d.site_id JOIN (VALUES
    ('T1', 'hh', 80.0, 2.0, 0, 0, 0), ('T1', 'h', 60.0, 2.0, 0, 0, 0), ('T1', 'l', 30.0, 2.0, 0, 0, 0),
    ('T1', 'll', 10.0, 2.0, 0, 0, 0), ('T2', 'h', 55.0, 1.0, 3000, 2000, 0), ('T3', 'rate', 4.0, 1.0, 0, 0, 5000),
    ('T4', 'frozen', 0.0, 0.0, 0, 0, 8000), ('T5', 'silent', NULL, 0.0, 0, 0, %(silent_ms)s)
) r (code, kind, setpoint, deadband, on_ms, off_ms, window_ms) ON r.code = d.code
WHERE s.code LIKE %(name)s || '%%' ORDER BY d.id, r.kind;
"""


@dataclass(frozen=True)
class Piece:
    """Readings of one site that travel together; ``stream`` counts from 0 within the site."""

    site: int
    stream: np.ndarray
    time_ms: np.ndarray
    value: np.ndarray
    quality: np.ndarray

    def take(self, order: np.ndarray) -> "Piece":
        return Piece(
            self.site, self.stream[order], self.time_ms[order], self.value[order], self.quality[order]
        )


def made_stream(start_ms: int) -> list[list[Piece]]:
    """The pieces of each site, in order of time: one to four seconds a piece."""
    chance = np.random.default_rng(2026)
    return [_pieces(site, start_ms, chance) for site in range(SITES)]


def _pieces(site: int, start_ms: int, chance: np.random.Generator) -> list[Piece]:
    value = np.clip(50 + np.cumsum(chance.normal(0, 4, (TICKS, STREAMS)), axis=0), 1, 999)
    value[:, :2] = 50 + 49 * np.sin(np.cumsum(chance.uniform(0, 0.3, (TICKS, 2)), axis=0))
    held = np.repeat(chance.random(TICKS // 20) < 0.4, 20)
    value[held, 3] = np.repeat(value[::20, 3], 20)[held]
    value = np.round(value, 2)
    value[chance.random(value.shape) < 0.01] = np.nan
    quality = np.where(chance.random(value.shape) < 0.03, np.uint8(Quality.BAD), np.uint8(Quality.GOOD))
    sent = chance.random(value.shape) > 0.02
    for first in chance.integers(0, TICKS - 60, 3):
        sent[first : first + 30, 4] = False  # silence in the middle
    sent[-1] = True
    cuts = np.cumsum(chance.integers(1, 5, TICKS))
    out = []
    for ticks in np.split(np.arange(TICKS), cuts[cuts < TICKS]):
        tick, stream = np.nonzero(sent[ticks])
        tick = ticks[tick]
        out.append(
            Piece(site, stream, start_ms + tick * 1000 + stream, value[tick, stream], quality[tick, stream])
        )
    return out


def in_order(pieces: list[list[Piece]]) -> list[Piece]:
    """Everything by time."""
    return sorted((p for site in pieces for p in site), key=lambda p: (p.time_ms[0], p.site))


def shuffled(pieces: list[list[Piece]], seed: int) -> list[Piece]:
    """Sites anyhow among each other, rows anyhow within a piece, and one piece in fifteen sent again later."""
    chance = np.random.default_rng(seed)
    turn = chance.permutation(np.repeat(np.arange(SITES), [len(site) for site in pieces]))
    left = [list(reversed(site)) for site in pieces]
    out: list[Piece] = []
    for site in turn:
        piece = left[site].pop()
        out.append(piece.take(chance.permutation(len(piece.stream))))
        if chance.random() < 1 / 15:
            out.append(out[int(chance.integers(max(0, len(out) - 40), len(out)))])
    return out


class Factory:
    """A plant that processes the stream again and again, each time for sites that are new to it."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.workers: list = []
        self.runs = 0
        self.start_ms = (now_ms() - (TICKS + 60) * 1000) // 1000 * 1000
        self.pieces = made_stream(self.start_ms)
        self.kills = 0

    def process(self, pieces: list[Piece], workers: int, kills: int = 0) -> "Result":
        """Write it all to the bus, have it processed, and say what came of it."""
        self.runs += 1
        name = f"{chr(96 + self.runs)}-"
        first = self._register(name)
        last = run(self._write(name, pieces, *first[:2]))
        began = time.monotonic()
        self._start(workers)
        for kill in range(kills):
            self._kill_in_the_middle(random.Random(kill * 31 + self.runs), last)
        wait_until(lambda: self._done(last), 180, f"run {name} is committed\n{self.plant.tail()}")
        wait_until(lambda: self._silent(name) == SITES, 60, "the end is noticed: everything is silent")
        seconds = time.monotonic() - began
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            assert worker.wait(60) in (0, -signal.SIGTERM), (
                self.plant.tail()
            )  # the latter: it had hardly begun
        print(f"run {name} {workers} workers, {kills} kills: {len(pieces)} messages in {seconds:.1f} s")
        return Result(self.plant, name, *first)

    def _register(self, name: str) -> tuple[int, int, int]:
        """New sites; returns the first site, datastream and rule."""
        given = {"name": name, "sites": SITES, "streams": STREAMS, "silent_ms": SILENT_MS}
        given["armed_ms"] = self.start_ms - 1
        for text in (SITE_ROWS + STREAM_ROWS).split(";\n")[:-1]:
            self.plant.sql(text, given)
        return self.plant.sql(
            """SELECT min(s.id), min(d.id), min(r.id) FROM devices_site s JOIN devices_datastream d ON
               d.site_id = s.id LEFT JOIN alarms_rule r ON r.datastream_id = d.id WHERE s.code LIKE %s""",
            [name + "%"],
        )[0]

    async def _write(self, name: str, pieces: list[Piece], first_site: int, first: int) -> dict[int, int]:
        """Returns the last message of each partition."""
        writers = [Writer(self.plant, f"gw-{name}", p) for p in range(PARTITIONS)]
        for writer in writers:
            await writer.__aenter__()
        for p in pieces:
            site = first_site + p.site
            made = batch(
                site, first + p.site * STREAMS + p.stream, p.time_ms, p.value, source="dev",
                received_ms=int(p.time_ms.max()) + 200,
            )  # fmt: skip
            made.quality[:] = p.quality
            await writers[partition_of(site, len(writers))].write(made)
        for writer in writers:
            await writer.__aexit__()
        return {w.partition: w.seq for w in writers if w.seq}

    def _start(self, workers: int) -> None:
        self.workers = [self.plant._start("pipeline") for _ in range(workers)]

    def _progress(self) -> dict[int, int]:
        return dict(self.plant.sql("SELECT partition, stream_seq FROM checkpoints_checkpoint"))

    def _done(self, last: dict[int, int]) -> bool:
        found = self._progress()
        return all(found.get(partition, 0) >= seq for partition, seq in last.items())

    def _kill_in_the_middle(self, chance: random.Random, last: dict[int, int]) -> None:
        """Kill one worker as soon as anything moved since now, and start it again."""
        before = self._progress()
        wait_until(lambda: self._progress() != before or self._done(last), 120, "something is committed")
        self.kills += not self._done(last)
        number = chance.randrange(len(self.workers))
        self.workers[number].send_signal(signal.SIGKILL)
        self.workers[number].wait(10)
        self.workers[number] = self.plant._start("pipeline")

    def _silent(self, name: str) -> int:
        return self.plant.one(
            """SELECT count(*) FROM alarms_alarm a JOIN devices_site s ON s.id = a.site_id
               WHERE a.kind = 'silent' AND a.cleared_at IS NULL AND s.code LIKE %s""",
            [name + "%"],
        )


class Result:
    """What a run left behind, with numbers counted from its own first ones."""

    def __init__(self, plant: Plant, name: str, site: int, datastream: int, rule: int) -> None:
        self.alarms = plant.sql(
            """SELECT a.rule_id - %(rule)s, split_part(a.key, ':', 1)::bigint = a.rule_id, split_part(a.key, ':', 2),
                      a.datastream_id - %(datastream)s, a.site_id - %(site)s, a.kind, a.priority, a.raised_at,
                      a.raised_value, a.peak_value, a.peak_at, a.cleared_at, a.cleared_value
               FROM alarms_alarm a JOIN devices_site s ON s.id = a.site_id WHERE s.code LIKE %(name)s || '%%'
               ORDER BY 1, a.raised_at""",
            {"name": name, "site": site, "datastream": datastream, "rule": rule},
        )
        self.history = duckdb.sql(
            f"""SELECT datastream - {datastream} AS datastream, epoch_ms(time) AS time_ms,
                       nullif(coalesce(value, digits / divisor), 'NaN'::DOUBLE) AS value, quality, reason, source,
                       epoch_ms(received) AS received_ms
                FROM read_parquet({plant.segments()})
                WHERE datastream >= {datastream} AND datastream < {datastream + SITES * STREAMS} ORDER BY ALL"""
        ).fetchall()  # fmt: skip
        self.told = plant.one(
            """SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM outbox_event WHERE topic LIKE 'alarm.%%'
               GROUP BY payload->>'key', topic) t"""
        )


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    made = Plant(
        tmp_path_factory.mktemp("plant") / "var", FENGSUI_EPOCH_MS="100", FENGSUI_PARTITIONS=str(PARTITIONS)
    )
    factory = Factory(made)
    try:
        made.register(1, 1, 0)  # the organisation and the property
        yield factory
    finally:
        for worker in factory.workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait(10)
        made.close()


@pytest.fixture(scope="module")
def plain(factory) -> Result:
    """One worker, in order, undisturbed: what the others must equal."""
    return factory.process(in_order(factory.pieces), 1)


def rows(pieces: list[Piece]) -> list[tuple[int, int]]:
    return sorted(
        (p.site * STREAMS + int(s), int(t)) for p in pieces for s, t in zip(p.stream, p.time_ms, strict=True)
    )


def test_the_plain_run_stores_every_reading_and_raises_every_kind(factory, plain):
    assert [(d, t) for d, t, *_ in plain.history] == rows(in_order(factory.pieces))
    kinds = {kind: sum(a[5] == kind for a in plain.alarms) for kind in {a[5] for a in plain.alarms}}
    assert set(kinds) == {"hh", "h", "l", "ll", "rate", "frozen", "silent"}
    assert min(kinds.values()) >= SITES, kinds
    assert all(owned and int(key) == round(a.timestamp() * 1000) for _, owned, key, *_x, a in _keys(plain))


def _keys(result: Result) -> list[tuple]:
    return [(*a[:3], a[7]) for a in result.alarms]


@pytest.mark.parametrize(
    ("workers", "order", "kills"),
    [(1, "shuffled", 1), (2, "in order", 1), (4, "shuffled", 1)],
)
def test_every_other_way_leaves_the_same_alarms_and_the_same_history(factory, plain, workers, order, kills):
    pieces = in_order(factory.pieces) if order == "in order" else shuffled(factory.pieces, workers)
    found = factory.process(pieces, workers, kills)
    assert found.history == plain.history
    assert found.alarms == plain.alarms
    assert found.told == 1, "nobody is told twice"


def test_a_reading_behind_a_newer_one_is_stored_the_same_and_marked_late(factory, plain):
    chance = random.Random(7)
    pieces = in_order(factory.pieces)
    for first in range(0, len(pieces) - 40, 40):  # a few seconds apart, of the same sites
        part = pieces[first : first + 40]
        chance.shuffle(part)
        pieces[first : first + 40] = part
    found = factory.process(pieces, 1)
    assert [r[:4] for r in found.history] == [r[:4] for r in plain.history]
    flags = {(mine[4], theirs[4]) for mine, theirs in zip(found.history, plain.history, strict=True)}
    assert flags <= {(theirs, theirs) for _, theirs in flags} | {(Reason.LATE, 0)}
    assert (Reason.LATE, 0) in flags
