"""Polling a Modbus device on loopback: a server of the test's own that can misbehave in every way devices do."""

import asyncio
import math
import socket
from contextlib import asynccontextmanager

import pytest
import structlog

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.modbus.framing import Frame, encode, feed_ascii, feed_rtu, feed_tcp
from fengsui.sense.codecs.modbus.pdu import Pdu
from fengsui.sense.codecs.modbus.points import BadPoint, Point
from fengsui.sense.gateways import modbus
from fengsui.sense.gateways.modbus import Device, Poller

FEED = {"tcp": feed_tcp, "rtu": feed_rtu, "ascii": feed_ascii}
LEVEL = Point("level", "holding", 0, "float32", "CDAB")
COUNT = Point("count", "input", 4)
RUN = Point("run", "coil", 9, "bool")
HIDDEN = Point("hidden", "holding", 1000)


class Server:
    """A device: registers count up from their address; ``before`` and ``after`` are put around each answer."""

    def __init__(self, framing="tcp"):
        self.framing, self.asked, self.connections = framing, [], 0
        self.before = self.after = b""
        self.is_silent, self.is_cut, self.pieces, self.shift = False, False, 1, 0

    async def serve(self, reader, writer):
        self.connections += 1
        rest = b""
        try:
            while data := await reader.read(1000):
                frames, _, rest = FEED[self.framing](rest + data, "request")
                for frame in frames:
                    self.asked.append(
                        (frame.pdu.function, frame.pdu.fields["address"], frame.pdu.fields["count"])
                    )
                    if self.is_cut:
                        return
                    if not self.is_silent:
                        await self.send(writer, frame)
        except OSError:
            pass
        finally:
            writer.close()

    async def send(self, writer, frame):
        said = Frame(
            self.framing, frame.unit, self.answer(frame.pdu), (frame.transaction + self.shift) & 0xFFFF
        )
        data = self.before + encode(said) + self.after
        size = -(-len(data) // self.pieces)
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)

    def answer(self, pdu):
        address, count = pdu.fields["address"], pdu.fields["count"]
        if address >= 1000:
            return Pdu(pdu.function, "exception", {"exception": 2})
        if pdu.function in (1, 2):
            return Pdu(
                pdu.function, "answer", {"bits": [n % 2 == 1 for n in range(address, address + count)]}
            )
        # registers 0 and 1 are 12.5 as CDAB; the others hold their own address
        held = {0: 0x0000, 1: 0x4148}
        return Pdu(
            pdu.function, "answer", {"registers": [held.get(n, n) for n in range(address, address + count)]}
        )


@asynccontextmanager
async def running(server, port=0):
    listener = await asyncio.start_server(server.serve, "127.0.0.1", port)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


def device(port, *points, **more):
    return Device("pump-1", "127.0.0.1", port, points=points, **{"timeout_s": 0.5, "period_s": 0.01, **more})


async def nobody(_):
    raise AssertionError("not asked for")


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("pieces", [1, 7])
async def test_every_point_is_asked_for_and_read(framing, pieces):
    server = Server(framing)
    server.pieces = pieces
    async with running(server) as port:
        poller = Poller(device(port, LEVEL, COUNT, RUN, framing=framing), nobody, now_ms=lambda: 77)
        polled = await poller.poll()
        again = await poller.poll()
    assert polled.values == again.values == {"level": 12.5, "count": 4.0, "run": 1.0}
    assert (polled.device, polled.time_ms, polled.failed, polled.refused) == ("pump-1", 77, {}, [])
    assert server.connections == 1
    assert sorted(server.asked) == sorted([(3, 0, 2), (4, 4, 1), (1, 9, 1)] * 2)
    poller._close()


async def test_an_exception_costs_its_own_points_and_says_which():
    async with running(Server()) as port:
        poller = Poller(device(port, LEVEL, HIDDEN), nobody)
        polled = await poller.poll()
        poller._close()
    assert polled.values["level"] == 12.5
    assert math.isnan(polled.values["hidden"])
    assert polled.failed == {"hidden": "exception: illegal_data_address"}


async def test_a_silent_device_has_no_values_and_a_new_connection_the_next_time():
    server = Server()
    server.is_silent = True
    async with running(server) as port:
        poller = Poller(device(port, COUNT, timeout_s=0.05), nobody)
        polled = await poller.poll()
        assert polled.failed == {"count": "no answer in time"}
        assert math.isnan(polled.values["count"])
        server.is_silent = False
        assert (await poller.poll()).values == {"count": 4.0}
        poller._close()
    assert server.connections == 2


async def test_noise_and_answers_to_others_are_refused_and_the_answer_is_found():
    server = Server("rtu")
    server.before = encode(Frame("rtu", 9, Pdu(4, "answer", {"registers": [1]})))
    async with running(server) as port:
        poller = Poller(device(port, COUNT, framing="rtu"), nobody)
        polled = await poller.poll()
        poller._close()
    assert polled.values == {"count": 4.0}
    assert [bad.reason for bad in polled.refused] == ["answer to nobody"]
    assert polled.refused[0].data == server.before


async def test_a_device_that_only_makes_noise_is_hung_up_on():
    server = Server("rtu")
    server.before = bytes([0, 0x99]) * 60_000
    async with running(server) as port:
        poller = Poller(device(port, COUNT, framing="rtu", timeout_s=30), nobody)
        polled = await poller.poll()
    assert polled.failed == {"count": "nothing but noise"}
    assert sum(len(bad.data) for bad in polled.refused) <= 2 * modbus.NOISE_BYTES


async def test_an_answer_to_another_request_is_not_taken():
    server = Server()
    server.shift = 1
    async with running(server) as port:
        poller = Poller(device(port, COUNT, timeout_s=0.05), nobody)
        polled = await poller.poll()
    assert math.isnan(polled.values["count"])
    assert [type(bad) for bad in polled.refused] == [BadFrame]
    assert polled.failed == {"count": "no answer in time"}


async def test_a_device_that_hangs_up_is_said_and_dialled_again():
    server = Server()
    server.is_cut = True
    async with running(server) as port:
        poller = Poller(device(port, COUNT), nobody)
        assert (await poller.poll()).failed == {"count": "connection closed by the device"}
        server.is_cut = False
        assert (await poller.poll()).values == {"count": 4.0}
        poller._close()


async def test_a_device_that_is_not_there_is_not_dialled_at_every_poll(monkeypatch):
    monkeypatch.setattr(modbus, "CONNECT_PAUSE_S", (600.0, 600.0))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    poller = Poller(device(port, COUNT), nobody)
    assert (await poller.poll()).failed == {"count": "not connected"}
    server = Server()
    async with running(server, port):
        assert (await poller.poll()).failed == {"count": "not connected"}
        assert server.connections == 0
        poller._wait_until = -math.inf  # ten minutes later
        polled = await poller.poll()
        assert polled.values == {"count": 4.0}
        poller._close()


async def test_polls_follow_each_other_until_cancelled_and_the_connection_is_closed():
    server, taken, enough = Server(), [], asyncio.Event()

    async def take(polled):
        taken.append(polled)
        if len(taken) == 5:
            enough.set()

    async with running(server) as port:
        poller = Poller(device(port, COUNT), take)
        task = asyncio.create_task(poller.run())
        async with asyncio.timeout(10):
            await enough.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert poller._stream is None
    assert all(polled.values == {"count": 4.0} for polled in taken)
    assert [polled.time_ms for polled in taken] == sorted(polled.time_ms for polled in taken)


async def test_a_poll_that_takes_longer_than_its_period_is_not_overtaken():
    under_way = most = 0
    enough = asyncio.Event()

    async def take(_):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        under_way -= 1
        if poller.skipped >= 3:
            enough.set()

    async with running(Server()) as port:
        poller = Poller(device(port, COUNT, period_s=0.01), take)
        task = asyncio.create_task(poller.run())
        async with asyncio.timeout(10):
            await enough.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert most == 1


async def test_what_is_wrong_is_logged_when_it_changes():
    server = Server()
    server.is_cut = True
    with structlog.testing.capture_logs() as logs:
        async with running(server) as port:
            poller = Poller(device(port, COUNT), nobody)
            for is_cut in (True, True, False, False):
                server.is_cut = is_cut
                await poller.poll()
            poller._close()
    assert [entry["event"] for entry in logs] == ["modbus.unanswered", "modbus.answered"]


def test_a_code_may_stand_once():
    with pytest.raises(BadPoint, match="twice"):
        device(1, COUNT, COUNT)
