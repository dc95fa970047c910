"""Whatever dies, and when: nothing the bus accepted is lost, stored twice or alarmed twice, and the ledger balances."""

import asyncio
import itertools
import random
import threading
import time

import duckdb
import numpy as np
import psycopg
import pytest

from fengsui.base.quality import Reason
from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run

SITES, STREAMS = 8, 25
PERIOD_S = 0.02  # between messages: many in each epoch, and no more than two cores can take
KILLS = 6
DAY = 86_400_000

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline-crash")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    made = Plant(tmp_path_factory.mktemp("plant") / "var", FENGSUI_EPOCH_MS="400")
    try:
        made.register(SITES, STREAMS)
        made.start_pipeline()
        wait_until(
            lambda: any(r["ready"] for r in made.roles()), 60, lambda: f"the pipeline is ready\n{made.tail()}"
        )
        yield made
    finally:
        made.close()


class Load(threading.Thread):
    """A gateway that writes readings of every site, fifty times a second, and knows what the bus accepted."""

    def __init__(self, plant: Plant, name: str, repeat: float = 0.0):
        super().__init__()
        self.plant, self.name_, self.repeat = plant, name, repeat
        self.sent: dict[int, list[tuple[int, float]]] = {site: [] for site in range(1, SITES + 1)}
        self.ending = threading.Event()
        self.random = random.Random(name)
        self.seq = self.messages = self.rows = 0
        self.start()

    def run(self) -> None:
        asyncio.run(self._write())

    async def _write(self) -> None:
        async with Writer(self.plant, self.name_) as writer:
            time_ms = now_ms()
            ended = False
            while not ended:
                ended = self.ending.is_set()
                time_ms = max(time_ms + 1, now_ms())
                value = 10.0 if ended else float(self.random.choice((10, 20, 48.5, 60)))
                batches = [
                    batch(site, self.ids(site), time_ms, value, source=self.name_) for site in self.sent
                ]
                self.seq = await writer.write(*batches)
                self.messages += 1
                self.rows += SITES * STREAMS
                for sent in self.sent.values():
                    sent.append((time_ms, value))
                if self.random.random() < self.repeat:  # a gateway that was not sure sends it all again
                    self.seq = await writer.write(*batches)
                    self.rows += SITES * STREAMS
                await asyncio.sleep(PERIOD_S)

    @staticmethod
    def ids(site: int) -> list[int]:
        return list(range((site - 1) * STREAMS + 1, site * STREAMS + 1))

    def stop(self) -> None:
        self.ending.set()
        self.join(30)
        assert not self.is_alive()

    def episodes(self, site: int) -> list[tuple[int, int | None]]:
        """(raised, cleared) of the high alarm, worked out by hand."""
        out: list[tuple[int, int | None]] = []
        active = False
        for time_ms, value in self.sent[site]:
            if not active and value >= 50:
                active = True
                out.append((time_ms, None))
            elif active and value < 49:
                active = False
                out[-1] = (out[-1][0], time_ms)
        return out


def check(plant: Plant, load: Load) -> None:
    """History, alarms and ledger are exactly what the load says they must be."""
    plant.wait_committed(load.seq, 120)
    files = plant.segments()
    rows = duckdb.sql(
        f"SELECT datastream, epoch_ms(time), coalesce(value, digits / divisor) FROM read_parquet({files})"
        f" WHERE source = '{load.name_}'"
        " ORDER BY ALL"
    ).fetchall()
    expected = sorted((d, t, v) for site, sent in load.sent.items() for d in load.ids(site) for t, v in sent)
    assert len(rows) == len(expected), f"{len(rows)} stored, {len(expected)} accepted by the bus"
    assert rows == expected
    for site in load.sent:
        first, last = load.sent[site][0][0], load.sent[site][-1][0]
        found = plant.sql(
            """SELECT round(extract(epoch FROM raised_at) * 1000)::bigint,
                      round(extract(epoch FROM cleared_at) * 1000)::bigint
               FROM alarms_alarm WHERE site_id = %s AND raised_at BETWEEN to_timestamp(%s / 1000.0) AND
               to_timestamp(%s / 1000.0) ORDER BY 1""",
            [site, first, last],
        )
        assert [tuple(row) for row in found] == load.episodes(site), f"alarms of site {site}"
    code, ledger = plant.ledger("--deep", "--source", load.name_)
    assert code == 0, [line for line in ledger["lines"] if line["problems"]]
    assert all(not line["problems"] for line in ledger["lines"])
    pipeline = ledger["totals"]["pipeline"]
    assert pipeline["received"] == load.rows
    assert pipeline["stored"] == len(expected)
    assert pipeline["duplicate"] == load.rows - len(expected)
    assert ledger["missing"] == []
    told = plant.sql(
        "SELECT payload->>'key', topic, count(*) FROM outbox_event WHERE topic LIKE 'alarm.%' GROUP BY 1, 2"
    )
    assert {count for _key, _topic, count in told} <= {1}, "somebody is told twice"


def ready(plant: Plant) -> bool:
    return any(r["ready"] and r["pid"] == plant.pipeline.pid for r in plant.roles())


def test_kill_9_at_random_instants_under_load(plant):
    load = Load(plant, "kills", repeat=0.05)
    instant = random.Random(2026)
    recovery = []
    try:
        for kill in range(KILLS):
            if kill % 3 != 2:  # every third one dies before it has started properly
                began = time.monotonic()
                wait_until(lambda: ready(plant), 60, lambda: f"the pipeline is back\n{plant.tail()}")
                recovery.append(time.monotonic() - began)
                time.sleep(instant.uniform(0.3, 2.5))
            else:
                time.sleep(instant.uniform(0.5, 3.0))
            plant.kill_pipeline()
            plant.start_pipeline()
        wait_until(lambda: ready(plant), 60, lambda: f"the pipeline is back\n{plant.tail()}")
        time.sleep(1)
    finally:
        load.stop()
    print(
        f"{load.messages} messages, {load.rows} readings; ready again after", [f"{s:.1f} s" for s in recovery]
    )
    check(plant, load)


def test_the_database_dies_under_load(plant):
    load = Load(plant, "database")
    try:
        for _ in range(2):
            time.sleep(1.5)
            plant.restart_db()
            time.sleep(2.5)
        wait_until(lambda: _answers(plant), 60, "the database is back")
    finally:
        load.stop()
    check(plant, load)
    assert plant.pipeline.poll() is None, plant.tail()


def test_it_stops_in_time_without_a_database_and_loses_nothing(plant):
    load = Load(plant, "stopped")
    try:
        time.sleep(1)
        plant.db.kill()
        plant.db.wait(10)
        time.sleep(1.5)
        began = time.monotonic()
        plant.pipeline.terminate()
        plant.pipeline.wait(15)
        print(f"stopped in {time.monotonic() - began:.1f} s without a database")
        plant.db = plant._start("db")
        plant.start_pipeline()
        wait_until(lambda: ready(plant), 60, lambda: f"the pipeline is back\n{plant.tail()}")
    finally:
        load.stop()
    check(plant, load)


def test_the_bus_dies_under_load(plant):
    load = Load(plant, "bus", repeat=0.02)
    try:
        for _ in range(2):
            time.sleep(1.5)
            plant.bus.kill()
            plant.bus.wait(10)
            time.sleep(0.5)
            plant.bus = plant._start("bus")
            time.sleep(2)
    finally:
        load.stop()
    check(plant, load)
    assert plant.pipeline.poll() is None, plant.tail()


def test_merging_while_killed_keeps_every_reading(plant):
    load = Load(plant, "merged")  # epochs until there are enough to merge, if no test before has left them
    try:
        wait_until(lambda: _levels(plant) > 0, 60, lambda: f"segments were merged\n{plant.tail()}")
    finally:
        load.stop()
    check(plant, load)
    for _ in range(2):
        plant.kill_pipeline()
        plant.start_pipeline()
        wait_until(lambda: ready(plant), 60, "the pipeline is back")
    code, ledger = plant.ledger("--deep")
    assert all(not line["problems"] for line in ledger["lines"])
    assert code == 0
    rows = duckdb.sql(f"SELECT datastream, time FROM read_parquet({plant.segments()})")
    assert rows.aggregate("count(*) - count(DISTINCT (datastream, time))").fetchall() == [(0,)]
    listed = {name.rsplit("/", 1)[1] for name in plant.segments()}
    wait_until(
        lambda: listed <= {f.name for f in (plant.home / "history").rglob("*.parquet")},
        5,
        "listed files exist",
    )


def test_a_million_late_readings_do_not_hold_up_the_live_ones(plant):
    site, rows, pieces = SITES, 1_000_000, 10
    datastream = np.repeat(Load.ids(site), rows // STREAMS)
    late = now_ms() - 2 * DAY
    time_ms = late + np.tile(np.arange(rows // STREAMS) * 1000, STREAMS)
    value = np.arange(rows) % 40.0
    now = now_ms()

    async def upload():
        async with Writer(plant, f"upload-{now_ms()}") as writer:
            for part in np.array_split(np.arange(rows), pieces):
                seq = await writer.write(
                    batch(
                        site, datastream[part], time_ms[part], value[part], source="upload", received_ms=now
                    )
                )
            return seq

    load = Load(plant, "beside")
    try:
        time.sleep(1)
        began = time.monotonic()
        plant.wait_committed(run(upload()), 120)
        print(f"a million late readings in {time.monotonic() - began:.1f} s")
    finally:
        load.stop()
    check(plant, load)
    latency = plant.one(
        """SELECT max(extract(epoch FROM created_at - received_at)) FROM alarms_alarm
           WHERE received_at >= to_timestamp(%s / 1000.0)""",
        [now],
    )
    assert latency is not None, "an alarm was raised meanwhile"
    print(f"slowest alarm meanwhile: {latency:.2f} s")
    found = duckdb.sql(
        f"""SELECT count(*), sum(coalesce(value, digits / divisor)), min(reason), max(reason)
            FROM read_parquet({plant.segments()})
            WHERE source = 'upload'"""
    ).fetchall()[0]
    assert found == (rows, value.sum(), Reason.LATE, Reason.LATE)
    plant.wait_committed(run(upload()), 120)  # all of it again
    code, ledger = plant.ledger("--deep", "--source", "upload")
    assert code == 0
    assert ledger["totals"]["pipeline"] == {
        "received": 2 * rows,
        "stored": rows,
        "duplicate": rows,
        "quarantined": 0,
    }


def _answers(plant: Plant) -> bool:
    try:
        return plant.one("SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def _levels(plant: Plant) -> int:
    return plant.one("SELECT coalesce(max(level), 0) FROM history_segment")


def test_the_expected_episodes_alternate():
    """The load's own arithmetic, so that the other tests mean something."""
    load = Load.__new__(Load)
    load.sent = {1: [(1, 60.0), (2, 60.0), (3, 49.5), (4, 48.5), (5, 60.0)]}
    assert load.episodes(1) == [(1, 4), (5, None)]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(load.episodes(1)))
