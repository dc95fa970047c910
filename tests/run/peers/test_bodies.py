"""What peers are sent is the same work in each of their forms."""

import math
import os
import struct

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from fengsui.run.benches.peers import arrays, bodies, figures, postgres
from fengsui.run.benches.peers.result import NO_RULES, Result
from fengsui.run.benches.peers.work import BLOCKS, HIGH, SETPOINT, Work
from fengsui.sense.codecs.readings_json import decode

SITE, TURN = 1, 3


@pytest.fixture(scope="module")
def work() -> Work:
    return Work.make(sites=2, tags=3, instants=4)


def wanted(work):
    """(tag, time) → value of the request."""
    values = work.values(SITE, TURN)
    return {
        (code, at): values[i, j]
        for i, at in enumerate(work.times_ms(TURN))
        for j, code in enumerate(work.codes)
    }


def test_the_work_goes_forward_in_time_and_every_other_request_is_above_the_limit(work):
    assert work.times_ms(TURN)[-1] < work.times_ms(TURN + 1)[0]
    assert [float(work.values(0, turn).max()) >= SETPOINT for turn in range(4)] == [False, True] * BLOCKS
    assert (work.values(0, 1)[:, 0] == HIGH).all()
    later = work.again(work.times_ms(10_000)[-1])
    assert later.times_ms(0)[0] > work.times_ms(10_000)[-1]


def test_columnar_json_is_read_by_the_real_codec(work):
    draft = decode(bodies.columns_json(work)(SITE, TURN))
    assert draft.site == work.site(SITE) and not draft.message
    codes = np.array(draft.codes)[draft.code]
    found = {(c, t): v for c, t, v in zip(codes, draft.time_ms, draft.value, strict=True)}
    assert found == wanted(work)


def test_influx_lines_name_every_datastream_once_an_instant(work):
    found = {}
    for line in bodies.influx_lines(work)(SITE, TURN).decode().split("\n"):
        series, fields, at = line.split(" ")
        assert series == f"plant,site={work.site(SITE)}"
        for code, value in (pair.split("=") for pair in fields.split(",")):
            found[code, int(at)] = float(value)
    assert found == wanted(work)


def test_remote_write_holds_the_same_readings_and_only_its_times_change(work):
    body = bodies.remote_write(work)
    body(SITE, TURN - 2)  # the same block at another time, before
    found = {}
    for series in messages(unpacked(body(SITE, TURN)), 1):
        labels = {
            next(messages(label, 1)).decode(): next(messages(label, 2)).decode()
            for label in messages(series, 1)
        }
        assert labels["__name__"] == "plant" and labels["site"] == work.site(SITE)
        for sample in messages(series, 2):
            assert sample[0] == 0x09 and sample[9] == 0x10
            at = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(sample[10:]))
            found[labels["tag"], at] = struct.unpack("<d", sample[1:9])[0]
    assert found == wanted(work)


def test_postgres_takes_the_rows_and_its_trigger_judges_each(work):
    with psycopg.connect(os.environ["FENGSUI_DATABASE_URL"]) as connection:
        connection.execute("CREATE SCHEMA peers_here; SET search_path TO peers_here")
        connection.execute(postgres.TABLES)
        connection.execute("INSERT INTO rule SELECT g, %s FROM generate_series(0, 5) g", [SETPOINT])
        with connection.cursor().copy("COPY reading FROM STDIN (FORMAT binary)") as copy:
            copy.write(postgres.rows(work, SITE, TURN))
        stored = connection.execute(
            "SELECT datastream, (extract(epoch FROM at) * 1000)::bigint, value FROM reading"
        ).fetchall()
        alarms = connection.execute("SELECT datastream, value FROM alarm").fetchall()
        connection.rollback()
    assert {(f"T{d - SITE * work.tags:04d}", at): value for d, at, value in stored} == wanted(work)
    assert alarms == [(SITE * work.tags, HIGH)] * work.instants


def test_a_peer_that_is_missing_is_named_and_one_that_only_stores_stands_beside_our_store():
    found = figures(
        [
            Result("Fengsui", "whole platform", 400.0),
            Result("Fengsui", "store only", 600.0),
            Result("Lake", "store only", 200.0, lacks=f"{NO_RULES}, no sync"),
            Result("River", "with rules", 100.0),
            Result("Sea", "", 0.0, note="not measured: it is not here"),
        ]
    )
    value = {f.name: f.value for f in found}
    assert value["Fengsui, store only over Lake, store only"] == 3
    assert value["Fengsui, whole platform over River, with rules"] == 4
    assert value["Sea"] == 0 and not any("over Sea" in name for name in value)
    assert next(f for f in found if f.name == "Sea").note == "not measured: it is not here"
    assert all(math.isfinite(f.value) for f in found)


def unpacked(block: bytes) -> bytes:
    """A snappy block; its length stands in front as a varint."""
    size = sum(
        (byte & 0x7F) << 7 * i
        for i, byte in enumerate(block[: 1 + next(i for i in range(5) if block[i] < 128)])
    )
    return pa.decompress(block, decompressed_size=size, codec="snappy", asbytes=True)


def messages(data: bytes, number: int):
    """The contents of the length-delimited fields ``number`` of a protobuf message."""
    at = 0
    while at < len(data):
        field, at = data[at] >> 3, at + 1
        size = shift = 0
        while True:
            byte, at = data[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 128:
                break
        if field == number:
            yield data[at : at + size]
        at += size


def test_stream_engines_judge_every_value_of_a_message(work, tmp_path):
    sent = arrays.write(work, tmp_path / "in", 2)
    lines = [line for path in sorted((tmp_path / "in").iterdir()) for line in path.read_bytes().splitlines()]
    assert len(lines) == sent == 2 * work.sites
    found = arrays.judged(lines)
    assert found.column("above").to_pylist() == [0, 0, work.instants, work.instants]
    assert found.column("time").to_pylist()[-1] == work.times_ms(1)
    assert found.column("value").to_pylist()[1] == work.values(1, 0).T.ravel().tolist()
