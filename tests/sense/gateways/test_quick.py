"""The short way of the HTTP gateway gives the answers of the long one, however a message is cut, and loses nothing."""

import asyncio
import base64
import contextlib
import json

import nats
import numpy as np
import pytest
import uvicorn

from fengsui.sense.gateways import http, quick
from fengsui.sense.gateways.publisher import Publisher
from fengsui.sense.gateways.registry import Registry, load
from fengsui.sense.gateways.repeats import Repeats
from fengsui.stores.changes import in_thread

from .conftest import SECRET, free_port
from .test_publisher import stored

NOW = 1_772_323_200_000


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Raw:
    """A device with a socket and no manners."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @staticmethod
    def request(value, time=NOW, secret=SECRET, more="") -> bytes:
        body = json.dumps({"time": time, "datastreams": {"PT-101": value, "TT-101": 21.5}}).encode()
        token = base64.b64encode(f"dev-1:{secret}".encode()).decode()
        return (
            f"POST /api/v1/readings HTTP/1.1\r\nHost: gateway\r\nAuthorization: Basic {token}\r\n"
            f"Content-Type: application/json\r\n{more}Content-Length: {len(body)}\r\nAccept: */*\r\n\r\n"
        ).encode() + body

    async def answer(self) -> tuple[int, dict, dict[str, str]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        headers.pop("date")
        return (
            int(first.split()[1]),
            json.loads(await self.reader.readexactly(int(headers["content-length"]))),
            headers,
        )

    async def say(self, *pieces: bytes):
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0.001)
        return await self.answer()


@contextlib.asynccontextmanager
async def serving(url, snapshot, **publisher_options):
    """A gateway with the short way: yields (connect, gate, bus connection, server)."""
    nc = await nats.connect(url)
    publisher = Publisher(nc, 1, 1, **publisher_options)
    repeats = Repeats(lambda now: (NOW - 10**9, NOW + 10**9))
    application = http.app(Registry(snapshot), publisher, repeats=repeats)
    gate, port = application.gate, free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            application, port=port, http=quick.protocol_of(gate), lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    writers = []

    async def connect() -> Raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return Raw(reader, writer)

    yield connect, gate, nc, server
    for writer in writers:
        writer.close()
    server.should_exit = True
    await task
    await publisher.close(1)
    await nc.close()


@pytest.fixture
def snapshot(plant):
    return load()


async def taught(connect) -> Raw:
    """A device whose message is known: the first goes the long way."""
    device = await connect()
    assert (await device.say(Raw.request(1, NOW - 1)))[0] == 200
    return device


async def values(nc) -> list[float]:
    return [float(v) for m in await stored(nc) for b in m.batches for v in b.value[b.datastream > 0][:1]]


@pytest.mark.django_db(transaction=True)
async def test_a_repeated_message_gets_the_same_answer_by_the_short_way(clean_bus, snapshot):
    async with serving(clean_bus, snapshot) as (connect, gate, nc, _server):
        device = await connect()
        answers = [
            await device.say(Raw.request(10.5 * i, NOW + i)) for i in range(12)
        ]  # of other lengths too
        assert all(answer == (200, {"accepted": 2}, answers[0][2]) for answer in answers)
        assert gate.repeats.taken == 11
        assert (gate.counts.requests, gate.counts.accepted, gate.answers[200]) == (12, 24, 12)
        batches = [b for m in await stored(nc) for b in m.batches]
        assert [b.value.tolist() for b in batches] == [[10.5 * i, 21.5] for i in range(12)]
        assert [np.unique(b.time_ms).tolist() for b in batches] == [[NOW + i] for i in range(12)]
        assert {b.source for b in batches} == {"dev-1"}


@pytest.mark.django_db(transaction=True)
async def test_a_message_cut_anywhere_is_read_whole(clean_bus, snapshot):
    async with serving(clean_bus, snapshot) as (connect, gate, nc, _server):
        device = await taught(connect)
        message = Raw.request(5)
        for cut in range(1, len(message), 7):
            one = Raw.request(5 + cut, NOW + cut)
            assert (await device.say(one[:cut], one[cut:]))[0] == 200
        single = Raw.request(7, NOW + 1000)
        assert (await device.say(*(single[i : i + 1] for i in range(0, len(single)))))[0] == 200
        assert len(await values(nc)) == gate.counts.requests
        assert gate.repeats.taken == gate.counts.requests - 1


@pytest.mark.django_db(transaction=True)
async def test_messages_sent_without_waiting_are_answered_in_order(clean_bus, snapshot):
    async with serving(clean_bus, snapshot) as (connect, _gate, nc, _server):
        device = await taught(connect)
        sent = b"".join(Raw.request("x" if i == 3 else i, NOW + i) for i in range(6))  # one cannot be read
        device.writer.write(sent[:-5])
        await asyncio.sleep(0.05)
        device.writer.write(sent[-5:])
        assert [(await device.answer())[0] for _ in range(6)] == [200, 200, 200, 422, 200, 200]
        assert len(await stored(nc)) >= 6


@pytest.mark.django_db(transaction=True)
async def test_what_is_not_plain_goes_the_long_way(clean_bus, snapshot):
    async with serving(clean_bus, snapshot) as (connect, gate, _nc, _server):
        device = await taught(connect)
        taken = gate.repeats.taken
        for message, status in (
            (
                Raw.request(9_999),
                200,
            ),  # out of range: whether that is refused is the admission's to say, none here
            (Raw.request(1, NOW + 10**12), 200),
            (Raw.request(1, secret="wrong"), 401),
            (Raw.request(1, more="Content-Encoding: br\r\n"), 415),
            (b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n", 200),
            (Raw.request("many"), 422),
        ):
            assert (await device.say(message))[0] == status
        assert gate.repeats.taken == taken
        assert (await device.say(Raw.request(2, NOW + 5)))[0] == 200


@pytest.mark.django_db(transaction=True)
async def test_a_device_that_may_no_longer_send_is_refused_at_its_next_message(clean_bus, snapshot):
    from fengsui.sense.devices.models import Device

    async with serving(clean_bus, snapshot) as (connect, gate, _nc, _server):
        device = await taught(connect)
        assert (await device.say(Raw.request(2, NOW + 1)))[0] == 200
        await asyncio.to_thread(in_thread, lambda: Device.objects.update(is_active=False))
        gate.registry.snapshot = await asyncio.to_thread(in_thread, load)
        assert (await device.say(Raw.request(3, NOW + 2)))[0] == 401


@pytest.mark.django_db(transaction=True)
async def test_a_bus_that_is_away_is_said_as_by_the_long_way_and_the_device_may_go_on(clean_bus, snapshot):
    async with serving(clean_bus, snapshot, patience_s=0.3) as (connect, gate, _nc, _server):
        device = await taught(connect)

        async def nobody(*_arguments, **_named):
            await asyncio.sleep(0.05)
            raise nats.errors.TimeoutError

        publish, gate.publisher._js.publish = gate.publisher._js.publish, nobody
        short = await device.say(Raw.request(2, NOW + 1))
        long = await (await connect()).say(Raw.request(9_999, NOW + 2))
        assert short == long
        assert (short[0], short[2]["retry-after"]) == (503, "2")
        assert gate.counts.busy == 2
        gate.publisher._js.publish = publish
        assert (await device.say(Raw.request(3, NOW + 3)))[0] == 200


@pytest.mark.django_db(transaction=True)
async def test_who_hangs_up_before_the_answer_has_sent_all_the_same(clean_bus, snapshot):
    async with serving(clean_bus, snapshot) as (connect, _gate, nc, _server):
        device = await taught(connect)
        device.writer.write(Raw.request(77, NOW + 1))
        await device.writer.drain()
        device.writer.close()
        other = await connect()
        while 77.0 not in await values(nc):
            assert (await other.say(Raw.request(3, NOW + 2)))[0] == 200


@pytest.mark.django_db(transaction=True)
async def test_a_gateway_that_stops_answers_what_is_under_way(clean_bus, snapshot):
    async with serving(clean_bus, snapshot) as (connect, gate, _nc, server):
        device = await taught(connect)
        gate.publisher._group_s = 0.5
        device.writer.write(Raw.request(5, NOW + 1))
        await until(lambda: gate.publisher.lag["queued_bytes"])
        server.should_exit = True
        status, body, headers = await device.answer()
        assert (status, body, headers["connection"]) == (200, {"accepted": 2}, "close")
        assert await device.reader.read() == b""


@pytest.mark.django_db(transaction=True)
async def test_the_rest_of_a_message_that_never_comes_is_left_to_the_long_way(
    clean_bus, snapshot, monkeypatch
):
    monkeypatch.setattr(quick, "PART_S", 0.05)
    async with serving(clean_bus, snapshot) as (connect, gate, nc, _server):
        device = await taught(connect)
        message = Raw.request(4, NOW + 1)
        device.writer.write(message[:-3])
        await until(lambda: gate.counts.requests > 1)
        assert gate.repeats.taken == 0
        assert (await device.say(message[-3:]))[0] == 200
        assert (await values(nc))[-1] == 4.0


def test_a_head_is_known_again_whatever_length_it_announces():
    head = quick._Head(b"POST /x\r\nContent-Length: ", b"\r\nA: b\r\n\r\n", {})
    whole = b"POST /x\r\nContent-Length: 12\r\nA: b\r\n\r\n"
    assert head.measure(whole + b"{}") == (len(whole), len(whole) + 12)
    assert all(head.measure(whole[:cut]) == (0, 0) for cut in range(1, len(whole)))
    for other in (
        whole.replace(b"12", b"1x"),
        whole.replace(b"A", b"B"),
        b"GET" + whole,
        whole.replace(b"12", b"1" * 9),
    ):
        assert head.measure(other) is None
