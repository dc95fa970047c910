"""The role ``replay`` as a process, on a real bus and PostgreSQL."""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
from nats.js.errors import NotFoundError

from fengsui.base.batch import decode
from fengsui.run import region
from fengsui.run import replay as command
from fengsui.sense.devices.models import Site
from fengsui.stores.bus import READINGS, connect, ensure, read_roles
from tests.regions.conftest import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("readings-stream")]


@pytest.fixture
def env(fengsui_home, nowhere, yichang):
    from django.db import connection

    region.load(yichang)
    s = connection.settings_dict
    url = f"postgresql://{s['USER']}:{s['PASSWORD']}@{s['HOST']}:{s['PORT']}/{s['NAME']}"
    return {
        **os.environ,
        "FENGSUI_HOME": str(fengsui_home),
        "FENGSUI_DATABASE_URL": url,
        "FENGSUI_REGIONS": str(ROOT / "regions"),
        "FENGSUI_DATA": str(nowhere),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def stream(nats_url):
    """READINGS, empty; call it to read what it holds: source → {(datastream, time): value}."""

    async def do(deed):
        nc = await connect(nats_url, "test", wait_s=5)
        try:
            await ensure(nc, 1 << 30)
            return await deed(nc)
        finally:
            await nc.close()

    async def empty(nc):
        await nc.jetstream().purge_stream(READINGS)

    async def read(nc):
        js = nc.jetstream()
        info = await js.stream_info(READINGS)
        found, times = {}, 0
        for seq in range(info.state.first_seq, info.state.last_seq + 1):
            try:
                message = await js.get_msg(READINGS, seq)
            except NotFoundError:  # a gap left by a purge
                continue
            for batch in decode(message.data).batches:
                kept = found.setdefault(batch.source, {})
                for stream_id, at, value in zip(
                    batch.datastream.tolist(), batch.time_ms.tolist(), batch.value.tolist(), strict=True
                ):
                    times += 1
                    kept[stream_id, at] = value
        return found, times

    asyncio.run(do(empty))
    yield lambda deed=read: asyncio.run(do(deed))
    asyncio.run(do(empty))


def start(env, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "fengsui.run", "replay", *words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition, seconds=40):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.2)


def test_a_data_set_plays_onto_the_bus_as_if_measured_now(env, stream):
    before = time.time() * 1000
    done = subprocess.run(
        [sys.executable, "-m", "fengsui.run", "replay", "tep", "--run", "d00", "--site", "yc-chem",
         "--speed", "3600", "--stop", "40"],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "row 40 of 40; 2080 readings sent" in done.stderr
    found, times = stream()
    assert set(found) == {"replay:tep@yc-chem"}
    assert times == len(found["replay:tep@yc-chem"]) == 40 * 52
    instants = sorted({at for _id, at in found["replay:tep@yc-chem"]})
    assert {b - a for a, b in pairwise(instants)} == {50}
    assert before <= instants[0] <= instants[-1] <= time.time() * 1000 + 1


def test_the_schedule_survives_kill_9_without_a_duplicate_that_is_not_one(env, stream, nats_url):
    site = Site.objects.get(code="yc-pump")
    ids = set(site.datastreams.values_list("pk", flat=True))
    process = start(env, "--region", "yichang")
    try:
        wait_for(lambda: len({at for i, at in stream()[0].get("replay:skab@yc-pump", {}) if i in ids}) >= 3)

        async def roles(nc):
            return await read_roles(nc)

        assert [r["ready"] for r in stream(roles) if r["role"] == "replay"] == [True]
        process.kill()
        process.wait()
        process = start(env, "--region", "yichang")
        first = len(stream()[0]["replay:skab@yc-pump"])
        wait_for(lambda: len(stream()[0]["replay:skab@yc-pump"]) > first + 16)
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=15)
        assert process.returncode == 0, err
        assert "yc-water stays silent: batadal is not shipped" in err
    finally:
        process.kill()
        process.communicate()
    found, _times = stream()
    assert set(found) == {
        "replay:tep@yc-chem",
        "replay:skab@yc-pump",
        *(f"replay:beijing-air@yc-air-{n}" for n in (1, 2, 3)),
    }
    # FLOW never repeats a row under two times: rows played = distinct instants, each value the file's next one
    flow = site.datastreams.get(code="VOLTAGE").pk
    played = [
        v for (i, at), v in sorted(found["replay:skab@yc-pump"].items(), key=lambda kv: kv[0][1]) if i == flow
    ]
    from fengsui.sense.gateways import replay
    from tests.regions.conftest import YICHANG

    dataset = replay.read_dataset(YICHANG / "data/skab", YICHANG)
    column = [c.code for c in dataset.columns].index("VOLTAGE")
    wanted = replay.read_series(dataset, "other_5", 480, 1155).value[:, column].tolist()
    assert played == wanted[: len(played)]


def test_what_is_missing_is_said_in_one_line(env, monkeypatch, capsys):
    for name in ("FENGSUI_REGIONS", "FENGSUI_DATA"):
        monkeypatch.setenv(name, env[name])
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)

    def said(*words):
        assert command.run(parser.parse_args(words)) in (1, 2)
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["fengsui replay"], lines
        return lines[0]

    assert "no files of batadal" in said("batadal", "--site", "yc-water")
    assert "no data set 'atlantis'" in said("atlantis", "--site", "yc-water")
    assert "no region pack 'atlantis'" in said("--region", "atlantis")
    assert "--run is needed: tep has d00" in said("tep", "--site", "yc-chem")
    assert "there is no site 'nowhere'" in said("tep", "--run", "d00", "--site", "nowhere")
    assert "has none of the datastreams" in said("tep", "--run", "d00", "--site", "yc-pump")
    assert "--site says" in said("tep")
    assert "give a data set" in said()


def test_one_track_is_played_by_one_process_only(env, monkeypatch, capsys):
    for name in ("FENGSUI_REGIONS", "FENGSUI_DATA"):
        monkeypatch.setenv(name, env[name])
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with ExitStack() as held:
        command._hold(command._state("tep.d00.yc-chem"), held)
        assert command.run(parser.parse_args(["tep", "--run", "d00", "--site", "yc-chem"])) == 1
        assert "is being played already by another process" in capsys.readouterr().err
