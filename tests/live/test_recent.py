"""A reading is visible as soon as the pipeline took it, and stays so while it is committed and merged: once, always."""

import asyncio
import threading
import time

import nats.errors
import numpy as np
import pytest

from fengsui.base.quality import Reason
from fengsui.stores.history import queries, recent
from fengsui.stores.history.recent import Recent, question
from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run

HOUR = 3_600_000
FOUR = np.array([4], np.int32)
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("recent")]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """``start(epoch_ms)`` is a plant of two sites of three datastreams whose pipeline commits that often."""
    made = []

    def begin(epoch_ms: int) -> Plant:
        plant = Plant(tmp_path_factory.mktemp("recent") / "var", FENGSUI_EPOCH_MS=str(epoch_ms))
        made.append(plant)
        plant.register(2, 3)
        plant.start_pipeline()
        wait_until(lambda: any(r["ready"] for r in plant.roles()), 60, f"ready\n{plant.tail()}")
        return plant

    yield begin
    for plant in made:
        plant.close()


async def ask(writer: Writer, ids, from_ms: int, to_ms: int) -> Recent:
    said = await writer.nc.request("recent.0", question(ids, from_ms, to_ms), timeout=5)
    return Recent.of(said.data)


async def taken(writer: Writer, ids, t: int, rows: int) -> Recent:
    deadline = time.monotonic() + 20
    while len((found := await ask(writer, ids, t - HOUR, t + HOUR)).table) < rows:
        assert time.monotonic() < deadline, found.table.to_pylist()
        await asyncio.sleep(0.01)
    return found


def test_readings_are_told_before_they_are_committed_late_ones_too(start):
    plant = start(600_000)
    t = now_ms()

    async def go():
        async with Writer(plant) as writer:
            await writer.write(batch(1, [1, 2, 3], t, [5.0, 60.0, 7.0], source="dev-a"))
            await writer.write(batch(1, [2], t - 5000, [4.0], source="dev-b"))
            await writer.nc.publish("recent.0", b"not a question")
            return await taken(writer, [1, 2, 5], t, 3)

    before = now_ms()
    found = run(go())
    assert plant.segments() == []
    assert found.is_fresh
    assert found.as_of_ms > before
    rows = [(r["datastream"], r["value"], r["reason"], r["source"]) for r in found.table.to_pylist()]
    assert rows == [(1, 5.0, 0, "dev-a"), (2, 60.0, 0, "dev-a"), (2, 4.0, Reason.LATE, "dev-b")]


def test_a_series_that_is_read_while_it_is_written_committed_and_merged_has_no_gap_and_no_double(start):
    plant = start(60)
    t, done, counts = now_ms() - 1000, threading.Event(), []

    async def write():
        async with Writer(plant) as writer:
            for i in range(2000):
                await writer.write(batch(2, [4, 5], t + i, i / 4))
        done.set()

    async def read():
        async with Writer(plant, "reader") as reader:
            while not counts or counts[-1] < 2000:
                try:
                    hot = (await ask(reader, [4], t, t + HOUR)).table
                except nats.errors.NoRespondersError:
                    continue
                files = await asyncio.to_thread(plant.segments)
                try:
                    stored = await asyncio.to_thread(queries.read, files, FOUR, t, t + HOUR)
                except OSError:
                    continue  # merged and deleted meanwhile: a reader asks again
                values = recent.merged(stored, hot)["value"].to_pylist()
                assert values == [i / 4 for i in range(len(values))]
                assert len(values) >= (counts[-1] if counts else 0), "a reading was visible and is not"
                counts.append(len(values))
                assert not done.is_set() or len(counts) < 5000, f"only {len(values)} of 2000 are visible"

    async def both():
        await asyncio.gather(write(), read())

    run(both())
    partial = [n for n in counts if 0 < n < 2000]
    assert len(partial) > 20
    assert len(plant.segments()) >= 1
