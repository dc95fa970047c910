"""The pipeline as a process, on a real bus and a real database: what goes in comes out once."""

import asyncio
import json
import time

import duckdb
import msgspec
import numpy as np
import pytest

from fengsui.base.quality import Reason
from fengsui.run.pipeline import hot
from tests.conftest import wait_until
from tests.live.plant import Plant, Writer, batch, now_ms, run

SITES, STREAMS = 12, 10
HOUR, DAY, YEAR = 3_600_000, 86_400_000, 365 * 86_400_000

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Twelve sites of ten datastreams; the first of each has a high alarm at 50.  The pipeline runs."""
    made = Plant(tmp_path_factory.mktemp("plant") / "var", FENGSUI_EPOCH_MS="300")
    try:
        made.register(SITES, STREAMS)
        made.start_pipeline()
        wait_until(lambda: any(r["ready"] for r in made.roles()), 60, f"the pipeline is ready\n{made.tail()}")
        yield made
    finally:
        made.close()


def ids(site: int) -> list[int]:
    return list(range((site - 1) * STREAMS + 1, site * STREAMS + 1))


def stored(plant: Plant, site: int) -> list[tuple[int, int, float, int]]:
    """(datastream, time_ms, value, reason) of a site, read without any code of ours."""
    wanted = ", ".join(map(str, ids(site)))
    return duckdb.sql(
        f"""SELECT datastream, epoch_ms(time), coalesce(value, digits / divisor), reason
            FROM read_parquet({plant.segments()})
            WHERE datastream IN ({wanted}) ORDER BY 1, 2"""
    ).fetchall()


def held(plant: Plant, site: int) -> dict[int, int]:
    return dict(
        plant.sql("SELECT reason, count(*) FROM quarantine_held WHERE site_id = %s GROUP BY 1", [site])
    )


def balance(plant: Plant, source: str, **expected: int) -> None:
    """The ledger of a source balances, files counted too, and its pipeline line has these numbers."""
    code, ledger = plant.ledger("--deep", "--source", source)
    assert all(not line["problems"] for line in ledger["lines"]), ledger["lines"]
    assert code == 0
    assert {k: ledger["totals"]["pipeline"][k] for k in expected} == expected


def test_a_batch_becomes_history_an_alarm_a_ledger_line_and_a_site_status(plant):
    t = now_ms()

    async def go():
        async with Writer(plant, "gw-a") as writer:
            for i, value in enumerate((10, 60, 70, 10)):
                seq = await writer.write(batch(1, ids(1), t + i, value, source="a"))
            return seq

    plant.wait_committed(run(go()))
    assert stored(plant, 1) == [
        (d, t + i, v, 0) for d in ids(1) for i, v in enumerate((10.0, 60.0, 70.0, 10.0))
    ]
    ((key, peak, raised, cleared, received),) = plant.sql(
        """SELECT key, peak_value, extract(epoch FROM raised_at) * 1000, extract(epoch FROM cleared_at) * 1000,
                  received_at IS NOT NULL FROM alarms_alarm WHERE site_id = 1"""
    )
    assert (key, peak, int(raised), int(cleared), received) == (f"1:{t + 1}", 70, t + 1, t + 3, True)
    balance(plant, "a", received=40, stored=40, duplicate=0, quarantined=0)
    assert plant.one("SELECT last_received_at IS NOT NULL FROM devices_sitestatus WHERE site_id = 1")


def test_again_contradicting_late_and_corrected_readings_each_find_their_place(plant):
    t = now_ms()
    d = ids(2)[0]

    async def go():
        async with Writer(plant, "gw-b") as writer:
            await writer.write(batch(2, [d, d], [t, t + 10], [1, 2], source="b"))
            await writer.write(batch(2, [d, d], [t, t + 10], [1, 2], source="b"))  # all again
            await writer.write(batch(2, [d], t + 10, 3, source="b"))  # contradicts the newest
            await writer.write(batch(2, [d, d], [t + 5, t + 5], [7, 7], source="b"))  # late, twice
            seq = await writer.write(batch(2, [d], t + 5, 8, source="b"))  # contradicts the late one
            plant.wait_committed(seq)
            await writer.write(batch(2, [d, d], [t, t + 5], [1, 9], source="b"))  # against the files
            await writer.write(batch(2, [d], t - 60 * DAY, 4, source="b"))
            return await writer.write(batch(2, [d], t - 60 * DAY, 4, source="steward:ann"))

    plant.wait_committed(run(go()))
    assert stored(plant, 2) == [
        (d, t - 60 * DAY, 4.0, Reason.CORRECTED),
        (d, t, 1.0, 0),
        (d, t + 5, 7.0, Reason.LATE),
        (d, t + 10, 2.0, 0),
    ]
    assert held(plant, 2) == {Reason.CONFLICT: 3, Reason.TOO_LATE: 1}
    balance(plant, "b", received=11, stored=3, duplicate=4, quarantined=4)
    balance(plant, "steward:ann", received=1, stored=1)


def test_a_clock_ten_years_off_and_nonsense_are_held_with_their_reason(plant):
    t, d = now_ms(), ids(3)

    async def go():
        async with Writer(plant, "gw-c") as writer:
            odd = batch(
                3, [d[0], d[1], 1, 10**6, -1, d[2], d[3]], t, [5, 5, 5, 5, 5, 2000, np.nan], source="c"
            )
            odd.time_ms[0], odd.time_ms[1] = t + 10 * YEAR, t - 10 * YEAR
            await writer.write(odd)
            wild = batch(3, d, t, np.inf, source="c")
            wild.time_ms[:5] = [2**63 - 1, -(2**63), 0, -1, t]
            wild.quality[:] = 99
            wild.reason[:] = 200
            return await writer.write(wild)

    plant.wait_committed(run(go()))
    reasons = held(plant, 3)
    assert reasons[Reason.FUTURE] >= 1
    assert reasons[Reason.TOO_LATE] >= 1
    assert reasons[Reason.WRONG_SITE] == 1
    assert reasons[Reason.UNKNOWN_DATASTREAM] == 2
    assert reasons[Reason.RANGE] >= 1
    assert [row[3] for row in stored(plant, 3) if np.isnan(row[2])] == [Reason.NO_VALUE]
    code, ledger = plant.ledger("--deep", "--source", "c")
    assert code == 0
    assert ledger["totals"]["gateway"]["received"] == 17


def test_a_poisoned_message_is_kept_and_does_not_stop_the_stream(plant):
    t = now_ms()
    poison = [
        b"",
        b"\xc1not msgpack",
        msgspec.msgpack.encode([99, "g", 1, []]),
        b"\x94\x01\xa1g\x01\x91\x97" * 9,
    ]

    async def go():
        async with Writer(plant, "gw-d") as writer:
            await writer.write(batch(4, ids(4), t, 1, source="d"))
            for data in poison:
                writer.number += 1
                await writer.raw(data)
            bad_time = batch(4, ids(4), t + 1, 1, source="d", received_ms=2**62)
            await writer.write(bad_time)
            return await writer.write(batch(4, ids(4), t + 1, 2, source="d"))

    seq = run(go())
    plant.wait_committed(seq)
    assert len(stored(plant, 4)) == 20
    kept = {f.read_bytes() for f in (plant.home / "quarantine").iterdir()}
    assert set(poison) <= kept
    assert plant.one("SELECT count(*) FROM quarantine_held WHERE site_id = 0 AND source = 'bus'") == 5
    balance(plant, "d", received=20, stored=20)
    code, ledger = plant.ledger("--source", "bus")
    assert (code, ledger["missing"]) == (0, [])
    assert ledger["totals"]["gateway"] == {"received": 5, "stored": 0, "duplicate": 0, "quarantined": 5}


def test_messages_again_and_out_of_order_change_nothing_but_the_count_of_duplicates(plant):
    t = now_ms()
    messages = [batch(5, ids(5), t + i, 20 + i % 7, source="e") for i in range(60)]
    order = np.random.default_rng(5).permutation(np.repeat(np.arange(60), 2))

    async def go():
        async with Writer(plant, "gw-e") as writer:
            for i in order:
                seq = await writer.write(messages[i])
            return seq

    plant.wait_committed(run(go()))
    rows = stored(plant, 5)
    assert [row[:3] for row in rows] == [(d, t + i, 20.0 + i % 7) for d in ids(5) for i in range(60)]
    balance(plant, "e", received=1200, stored=600, duplicate=600, quarantined=0)


def test_a_new_datastream_and_a_new_rule_are_in_force_at_once(plant):
    async def go():
        async with Writer(plant, "gw-f") as writer:
            new = plant.one(
                """INSERT INTO devices_datastream (site_id, thing_id, observed_property_id, code, name, name_en, unit,
                       period_ms, decimals, is_active, stopped_reason)
                   SELECT site_id, thing_id, observed_property_id, 'new', 'new', '', 'm', 1000, 2, true, ''
                   FROM devices_datastream WHERE id = %s RETURNING id""",
                [ids(6)[0]],
            )
            await writer.write(batch(6, [new], now_ms(), 99, source="f"))
            plant.sql("UPDATE alarms_rule SET setpoint = 15 WHERE datastream_id = %s", [ids(6)[0]])
            began = time.monotonic()
            while not plant.sql("SELECT 1 FROM alarms_alarm WHERE site_id = 6"):
                assert time.monotonic() - began < 5, plant.tail()
                await writer.write(batch(6, ids(6), now_ms(), 20, source="f"))
                await asyncio.sleep(0.05)
            plant.sql("UPDATE devices_datastream SET stopped_at = now() WHERE id = %s", [ids(6)[1]])
            while Reason.STOPPED not in held(plant, 6):
                assert time.monotonic() - began < 10, plant.tail()
                await writer.write(batch(6, ids(6), now_ms(), 20, source="f"))
                await asyncio.sleep(0.05)
            return writer.seq

    plant.wait_committed(run(go()))
    assert Reason.UNKNOWN_DATASTREAM not in held(plant, 6)
    code, _ledger = plant.ledger("--deep", "--source", "f")
    assert code == 0


def test_a_change_that_is_no_business_of_the_pipeline_does_not_stop_it(plant):
    before = plant.log.read_text().count("pipeline.configured")
    plant.sql("UPDATE devices_site SET name = 'Another name'")
    time.sleep(2.5)  # two looks at the counters
    assert plant.log.read_text().count("pipeline.configured") == before
    plant.sql("UPDATE devices_datastream SET range_max = range_max + 1")
    wait_until(
        lambda: plant.log.read_text().count("pipeline.configured") > before, 5, "a new range is in force"
    )


def test_latest_values_frames_and_alarms_reach_who_asks(plant):
    t = now_ms()

    async def go():
        async with Writer(plant, "gw-g") as writer:
            frames, alarms = [], []

            async def frame(message):
                frames.append(json.loads(message.data))

            async def alarm(message):
                alarms.append((message.headers["Nats-Msg-Id"], json.loads(message.data)))

            await writer.nc.subscribe("live.readings.7", cb=frame)
            await writer.nc.subscribe("live.alarm", cb=alarm)
            await writer.nc.publish("live.watch", json.dumps({"site_ids": [7, 8], "seconds": 30}).encode())
            await writer.nc.publish("live.watch", b"not json")
            await writer.write(batch(7, ids(7), t, 60, source="g"))
            began = time.monotonic()
            while not (frames and alarms):
                assert time.monotonic() - began < 5, plant.tail()
                await asyncio.sleep(0.02)
            answer = await writer.nc.request("latest.0", msgspec.msgpack.encode({"site": 7}), timeout=2)
            nobody = await writer.nc.request("latest.0", msgspec.msgpack.encode({"site": 999}), timeout=2)
            return frames, alarms, msgspec.msgpack.decode(answer.data), msgspec.msgpack.decode(nobody.data)

    frames, alarms, latest, nobody = run(go())
    assert frames[0]["site"] == 7
    assert dict(zip(frames[0]["ids"], frames[0]["v"], strict=True)) == dict.fromkeys(ids(7), 60.0)
    ((msg_id, payload),) = [a for a in alarms if a[1]["site"]["id"] == 7]
    assert msg_id == f"alarm:7:{t}:raised"
    assert payload["state"] == "active_unacked"
    columns = {name: np.frombuffer(latest[name], kind).tolist() for name, kind in hot.LATEST.items()}
    assert columns == {
        "ids": ids(7),
        "time_ms": [t] * 10,
        "value": [60.0] * 10,
        "quality": [0] * 10,
        "reason": [0] * 10,
    }
    assert nobody["ids"] == b""


def test_a_datastream_that_says_nothing_raises_a_silent_alarm_and_the_next_reading_clears_it(plant):
    plant.sql(
        """INSERT INTO alarms_rule (datastream_id, kind, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
               is_enabled, basis, shelved_reason, version)
           VALUES (%s, 'silent', 0, 0, 0, 1500, 3, true, '', '', 1)""",
        [ids(8)[0]],
    )

    def alarms():
        return plant.sql("SELECT cleared_at IS NULL FROM alarms_alarm WHERE site_id = 8 AND kind = 'silent'")

    wait_until(lambda: alarms() == [(True,)], 10, "silence is noticed")
    run(_one(plant, batch(8, ids(8), now_ms(), 1, source="h")))
    wait_until(lambda: alarms() and alarms()[0] == (False,), 5, "the reading clears it")
    plant.sql("UPDATE alarms_rule SET is_enabled = false WHERE kind = 'silent'")


def test_a_second_pipeline_waits_and_takes_over(plant):
    first = plant.pipeline
    plant.start_pipeline("--partition", "0")  # told to serve it, whatever the bus says
    second = plant.pipeline
    try:
        wait_until(
            lambda: "pipeline.partition_taken" in plant.tail(), 30, "the second one says that it waits"
        )
        run(_one(plant, batch(9, ids(9), now_ms(), 1, source="i"), "gw-i"))
        first.kill()
        first.wait(10)
        seq = run(_one(plant, batch(9, ids(9), now_ms() + 1, 2, source="i"), "gw-i2"))
        plant.wait_committed(seq)
    finally:
        plant.pipeline = second
    assert len(stored(plant, 9)) == 20
    balance(plant, "i", received=20, stored=20)


def test_a_lost_state_is_rebuilt_from_history_and_nothing_is_stored_twice(plant):
    t = now_ms()
    first = batch(10, ids(10), t, 5, source="j")
    plant.wait_committed(run(_one(plant, first, "gw-j")))
    plant.kill_pipeline()
    for file in (plant.home / "states").iterdir():
        file.write_bytes(b"damaged")
    plant.start_pipeline()
    seq = run(_one(plant, first, "gw-j2"))
    plant.wait_committed(seq)
    assert "pipeline.state_lost" in plant.tail()
    assert len(stored(plant, 10)) == 10
    balance(plant, "j", received=20, stored=10, duplicate=10)


def test_a_clean_stop_leaves_nothing_on_the_bus(plant):
    seq = run(_one(plant, batch(11, ids(11), now_ms(), 5, source="k"), "gw-k"))
    assert plant.stop_pipeline() == 0, plant.tail()
    assert plant.committed_seq() >= seq

    async def waiting():
        async with Writer(plant) as writer:
            return (await writer.js.stream_info("READINGS")).state.messages

    assert run(waiting()) == 0
    plant.start_pipeline()
    plant.wait_committed(run(_one(plant, batch(11, ids(11), now_ms(), 6, source="k"), "gw-k2")))
    assert len(stored(plant, 11)) == 20


async def _one(plant: Plant, what, gateway: str = "gw-one") -> int:
    async with Writer(plant, f"{gateway}-{now_ms()}") as writer:
        return await writer.write(what)
