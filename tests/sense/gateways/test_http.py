"""POST /api/v1/readings on a real server, a real bus and a real database."""

import asyncio
import base64
import contextlib
import gzip
import json
import re
import time
from pathlib import Path

import httpx
import msgspec
import nats
import numpy as np
import pytest
import uvicorn

from fengsui.base.quality import Reason
from fengsui.people.audit.models import Entry
from fengsui.sense.devices.models import Datastream
from fengsui.sense.gateways import http
from fengsui.sense.gateways.publisher import Publisher
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import Registry, load
from fengsui.stores.changes import in_thread

from .conftest import SECRET, free_port, make_site
from .test_publisher import stored

NOW = 1_772_323_200_000
DOCS = Path(__file__).parents[3] / "docs/protocols/http.md"


@contextlib.asynccontextmanager
async def serving(url, snapshot, admit=http.door.admit_all, publisher_options=None, **options):
    """A gateway on a free port: yields (client, bus connection, application, port)."""
    nc = await nats.connect(url)
    publisher = Publisher(nc, 1, 5, **(publisher_options or {}))
    refusals = Refusals()
    application = http.app(Registry(snapshot), publisher, admit, refusals, **options)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(application, port=port, lifespan="off", log_config=None, access_log=False)
    )
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client, nc, application, port
    server.should_exit = True
    await task
    await publisher.close()
    await refusals.close()
    await nc.close()


async def test_a_full_disk_turns_away_before_the_body_is_read_and_ends_by_itself(plant, clean_bus):
    from fengsui.stores.bus import Disk

    full = Disk("db-1", 1, "/data", 50 << 20, 100 << 20, True)
    async with serving(clean_bus, await asyncio.to_thread(in_thread, load)) as (
        client,
        nc,
        application,
        _port,
    ):
        publisher = application.gate.publisher
        publisher.room.hear(full)
        answer = await post(client, {"time": NOW, "datastreams": {"PT-101": 1}})
        assert (answer.status_code, answer.json()["code"]) == (503, "sense.disk_full")
        assert "db-1 has 50 MiB free" in answer.json()["message"]
        assert int(answer.headers["retry-after"]) >= 1
        health = await client.get("/healthz")
        assert (health.status_code, health.json()["disk_full"]["host"]) == (503, "db-1")
        assert publisher.turned_away == 1
        assert await stored(nc) == []
        publisher.room.hear(msgspec.structs.replace(full, free=200 << 20, is_full=False))
        assert (await post(client, {"time": NOW, "datastreams": {"PT-101": 1}})).status_code == 200
        assert len(await stored(nc)) == 1


async def post(client, message, auth=("dev-1", SECRET), **options):
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    return await client.post(http.PATH, content=data, auth=auth, headers=headers, **options)


def examples() -> list[tuple[bytes, int, dict]]:
    blocks = re.findall(r"```json (\w+)\n(.*?)```", DOCS.read_text(), re.S)
    pairs = list(zip(blocks[::2], blocks[1::2], strict=True))
    assert all(question[0] == "request" for question, _ in pairs)
    return [(question[1].encode(), int(answer[0]), json.loads(answer[1])) for question, answer in pairs]


async def test_every_example_of_the_page_is_answered_as_it_says(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot) as (client, *_):
        assert len(examples()) >= 6
        for sent, status, answer in examples():
            response = await post(client, sent)
            assert (response.status_code, response.json()) == (status, answer), sent


async def test_what_is_answered_200_is_on_the_bus_in_the_datastreams_own_unit(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    ids = await asyncio.to_thread(in_thread, lambda: dict(Datastream.objects.values_list("code", "id")))
    async with serving(clean_bus, snapshot) as (client, nc, *_):
        response = await post(
            client, {"time": NOW, "datastreams": {"PT-101": 2.7, "TT-101": 20}, "units": {"PT-101": "MPa"}}
        )
        assert response.json() == {"accepted": 2}
        [message] = await stored(nc)
        [batch] = message.batches
        assert (batch.site, batch.source) == (plant.pk, "dev-1")
        assert dict(zip(batch.datastream.tolist(), batch.value.tolist(), strict=True)) == {
            ids["PT-101"]: pytest.approx(2700),
            ids["TT-101"]: 20,
        }
        assert abs(batch.received_ms - time.time() * 1000) < 5000


async def test_refused_readings_travel_in_the_batch_with_what_was_sent(plant, clean_bus):
    def admit(batch, now_ms):
        batch.reason[batch.value > 4000] = Reason.RANGE

    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot, admit) as (client, nc, *_):
        name = "<b>x</b>'; DROP TABLE devices_site;--"
        response = await post(client, {"time": NOW, "datastreams": {"PT-101": 1, name: 2, "TT-101": 9999}})
        assert response.status_code == 422
        assert [(r["index"], r["datastream"], r["code"]) for r in response.json()["refused"]] == [
            (1, name, "unknown_datastream"),
            (2, "TT-101", "range"),
        ]
        [message] = await stored(nc)
        [batch] = message.batches
        assert batch.reason.tolist() == [0, Reason.UNKNOWN_DATASTREAM, Reason.RANGE]
        assert batch.refused[1].code == name
        assert (batch.refused[2].value, batch.refused[2].time) == ("9999.0", "2026-03-01T00:00:00.000Z")


async def test_bearer_and_gzip(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    body = gzip.compress(json.dumps({"time": NOW, "datastreams": {"PT-101": 1}}).encode())
    async with serving(clean_bus, snapshot) as (client, *_):
        headers = {"Authorization": f"Bearer dev-1.{SECRET}", "Content-Encoding": "gzip"}
        assert (await post(client, body, auth=None, headers=headers)).json() == {"accepted": 1}
        for broken in (body[:-5], body + b"x", b"plain"):
            response = await post(client, broken, headers={"Content-Encoding": "gzip"})
            assert (response.status_code, response.json()["code"]) == (400, "sense.bad_payload")


async def test_wrong_credentials_are_refused_counted_and_audited_once(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot) as (client, nc, application, _):
        good = {"time": NOW, "datastreams": {"PT-101": 1}}
        for auth in [("dev-1", "wrong")] * 5 + [("ghost", SECRET), ("dev-1", "")]:
            response = await post(client, good, auth=auth)
            assert response.status_code == 401
            assert response.headers["www-authenticate"].startswith("Basic")
        assert (await post(client, good, auth=None)).status_code == 401
        for header in (
            "Basic !!!",
            "Basic",
            "Digest x",
            "Bearer x",
            "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        ):
            assert (await post(client, good, auth=None, headers={"Authorization": header})).status_code == 401
        assert application.gate.refusals.counts["device.login"] >= 7
        assert await stored(nc) == []
    entries = await asyncio.to_thread(
        in_thread, lambda: list(Entry.objects.filter(action="device.login", actor_name="device dev-1"))
    )
    assert sum(e.detail["times"] for e in entries) == 6
    assert len(entries) <= 2
    assert {(e.ok, e.org_path, e.source_ip) for e in entries} == {(False, "/1/", "127.0.0.1")}


async def test_a_device_publishing_for_another_site_is_refused_and_audited_and_nothing_crosses(
    plant, clean_bus
):
    other = await asyncio.to_thread(in_thread, make_site, "plant-2", "dev-2", {"PT-101": ("kPa", None, None)})
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot) as (client, nc, *_):
        response = await post(client, {"site": "plant-2", "time": NOW, "datastreams": {"PT-101": 1}})
        assert (response.status_code, response.json()["code"]) == (403, "sense.wrong_site")
        [message] = await stored(nc)
        [batch] = message.batches
        assert batch.site == plant.pk != other.pk
        assert batch.reason.tolist() == [Reason.WRONG_SITE]
        assert batch.datastream.tolist() == [-1]
        assert batch.refused[0].code == "plant-2/PT-101"
    entry = await asyncio.to_thread(in_thread, lambda: Entry.objects.get(action="readings.publish"))
    assert (entry.ok, entry.actor_name, entry.detail["sent_site"]) == (False, "device dev-1", "plant-2")


async def test_an_oversized_body_is_refused_by_name_of_the_limit_packed_or_not(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot, max_body_bytes=100_000) as (client, nc, application, _):
        big = b'{"time":1,"datastreams":{"a":1}}' + b" " * 20_000_000
        bomb = gzip.compress(b" " * 50_000_000)
        assert len(bomb) < 100_000

        async def drip():
            for i in range(0, len(big), 100_000):
                yield big[i : i + 100_000]

        answers = [
            await post(client, big),
            await post(client, bomb, headers={"Content-Encoding": "gzip"}),
            await client.post(
                http.PATH,
                content=drip(),
                auth=("dev-1", SECRET),
                headers={"Content-Type": "application/json"},
            ),
        ]
        for response in answers:
            assert (response.status_code, response.json()["code"]) == (413, "sense.too_large")
            assert "100000 bytes" in response.json()["message"]
        assert await stored(nc) == []
        assert application.gate.held_bytes == 0


async def test_other_forms_are_told_what_is_wanted(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot) as (client, *_):
        good = {"time": NOW, "datastreams": {"PT-101": 1}}
        assert (await post(client, good, headers={"Content-Type": "text/csv"})).status_code == 415
        assert (await post(client, good, headers={"Content-Encoding": "br"})).status_code == 415
        assert (await client.get(http.PATH)).status_code == 405
        assert (await client.get("/else")).status_code == 404
        health = await client.get("/healthz")
        assert health.status_code == 200
        assert health.json()["ready"] is True


async def test_an_unreadable_body_is_named_and_kept(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot) as (client, nc, *_):
        response = await post(client, b'{"time": 1, "datastreams": {"PT-101": }}\x00')
        assert (response.status_code, response.json()["code"]) == (400, "sense.bad_payload")
        assert "line 1 column" in response.json()["message"]
        [message] = await stored(nc)
        [batch] = message.batches
        assert batch.reason.tolist() == [Reason.UNPARSABLE]
        assert batch.refused[0].value.startswith('{"time": 1')
        assert "\x00" not in batch.refused[0].value


async def test_a_bus_that_is_away_is_503_with_retry_after(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    async with serving(clean_bus, snapshot, publisher_options={"patience_s": 0.3}) as (client, nc, *_):
        await nc.jetstream().delete_stream("READINGS")
        response = await post(client, {"time": NOW, "datastreams": {"PT-101": 1}})
        assert (response.status_code, response.json()["code"]) == (503, "sense.busy")
        assert int(response.headers["retry-after"]) >= 1
        from fengsui.stores import bus

        await bus.ensure(nc, 256 << 20)


async def test_before_the_registry_is_read_nobody_is_refused_for_good(clean_bus):
    from fengsui.sense.gateways.registry import Snapshot

    async with serving(clean_bus, Snapshot()) as (client, *_):
        assert (await post(client, {"time": NOW, "datastreams": {"PT-101": 1}})).status_code == 503
        assert (await client.get("/healthz")).status_code == 503


async def test_a_million_rows_in_one_body_are_stored_and_one_more_is_told_the_limit(plant, clean_bus):
    snapshot = await asyncio.to_thread(in_thread, load)
    n = 1_000_000
    body = b'{"time":[' + b",".join(b"%d" % (NOW + i) for i in range(n)) + b'],"datastreams":{"PT-101":['
    body += b",".join([b"1.5"] * n) + b"]}}"
    async with serving(clean_bus, snapshot) as (client, nc, *_):
        slow = asyncio.create_task(post(client, body))
        await asyncio.sleep(0.2)
        assert (await post(client, {"time": NOW, "datastreams": {"TT-101": 1}})).status_code == 200
        response = await slow
        assert response.json() == {"accepted": n}
        rows = [b for m in await stored(nc) for b in m.batches if len(b) > 1]
        assert np.array_equal(np.concatenate([b.time_ms for b in rows]), np.arange(NOW, NOW + n))
        more = body.replace(b'"time":[', b'"time":[1,').replace(b'"PT-101":[', b'"PT-101":[1,')
        response = await post(client, more)
        assert response.status_code == 400
        assert "more than 1000000 readings" in response.json()["message"]
