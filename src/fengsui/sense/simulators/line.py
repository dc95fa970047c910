"""The socket of a simulated device: it dials and dials again, or listens, and hears and speaks for the device."""

import asyncio
import contextlib
import time

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec
from fengsui.sense.gateways import datagrams
from fengsui.sense.gateways.datagrams import Reader, Writer
from fengsui.sense.simulators.device import Device

CHUNK = 64 << 10
REDIAL_S = 0.5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def dial(device: Device, codec: Codec, host: str, port: int, redial_s: float = REDIAL_S) -> None:
    """Call the platform and call again, until cancelled or until the device wants no more."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port, limit=CHUNK)
            await serve(device, codec, reader, writer)
            if not device.redials():
                return
        await asyncio.sleep(redial_s)


async def listen(device: Device, codec: Codec, host: str, port: int) -> asyncio.Server:
    """Wait to be called.  Raises OSError."""
    serving: set[asyncio.Task[None]] = set()

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(device, codec, reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    return await asyncio.start_server(called, host, port, limit=CHUNK)


async def dial_udp(device: Device, codec: Codec, host: str, port: int) -> None:
    """Speak to the platform over UDP, until cancelled.  Raises OSError when the address is none."""
    serving: list[asyncio.Task[None]] = []
    peer, ours = await datagrams.resolved(host, port)
    socket, _address = await datagrams.bound(_serving(device, codec, serving), ours, 0)
    try:
        socket.converse(peer)
        while serving:
            await asyncio.wait(serving)
            serving = [task for task in serving if not task.done()]
    finally:
        for task in serving:
            task.cancel()
        socket.close()


async def listen_udp(device: Device, codec: Codec, host: str, port: int) -> tuple[datagrams.Datagrams, int]:
    """Wait to be spoken to over UDP; the socket and its port.  Raises OSError."""
    socket, address = await datagrams.bound(_serving(device, codec, []), host, port)
    return socket, address[1]


def _serving(device: Device, codec: Codec, serving: list[asyncio.Task[None]]) -> datagrams.Called:
    def called(reader: Reader, writer: Writer) -> None:
        serving.append(asyncio.create_task(serve(device, codec, reader, writer, udp=True)))

    return called


async def serve(device: Device, codec: Codec, reader: Reader, writer: Writer, udp: bool = False) -> None:
    """One connection, or one peer over UDP, until it ends."""
    rest = b""
    reading: asyncio.Task[bytes] | None = None
    try:
        await _say(writer, device.opened(now_ms()))
        while True:
            reading = reading or asyncio.create_task(reader.read(CHUNK))
            wait_s = None if device.due_ms is None else max(0.0, (device.due_ms - now_ms()) / 1000)
            await asyncio.wait({reading}, timeout=wait_s)
            if reading.done():
                data, reading = reading.result(), None
                if not data:
                    return
                cut = codec.feed(rest + data, ended=udp)
                rest = device.kept(cut.rest)
                refused: list[BadFrame] = cut.refused
                await _say(writer, device.heard(cut.frames, refused, now_ms()))
            if device.due_ms is not None and device.due_ms <= now_ms():
                await _say(writer, device.tick(now_ms()))
    except OSError:
        return
    finally:
        if reading is not None:
            reading.cancel()
        writer.close()


async def _say(writer: Writer, said: list[bytes]) -> None:
    for data in said:
        writer.write(data)
    await writer.drain()
