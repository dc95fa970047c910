"""Devices that post readings over HTTP at a steady rate and remember what they were told "yes" about.

Each device posts its site's datastreams as one columnar message a period.  A message that gets no yes is sent
again, unchanged, until it does: what real devices do, and what makes loss and doubling visible afterwards.
"""

import argparse
import asyncio
import base64
import json
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Sender:
    """One device: its site, its credentials and the codes of its datastreams."""

    site: str
    device: str
    secret: str
    codes: list[str]
    base: float = 10.0  # value of the first datastream; the next ones are 0.01 higher each
    swing: float = (
        0.0  # added to the first datastream in every other ``swing_s``, to raise and clear an alarm
    )
    swing_s: float = 1.0
    accepted: list[int] = field(default_factory=list)  # times (ms) of messages that got a yes
    retries: int = 0
    refused: int = 0

    def message(self, time_ms: int) -> bytes:
        """The columnar message of one instant; the values follow from the instant alone."""
        values = {code: self.value(i, time_ms) for i, code in enumerate(self.codes)}
        return json.dumps({"site": self.site, "time": time_ms, "datastreams": values}).encode()

    def value(self, index: int, time_ms: int) -> float:
        high = self.swing and index == 0 and int(time_ms / 1000 / self.swing_s) % 2
        return round(self.base + index * 0.01 + time_ms % 1000 / 1e6 + (self.swing if high else 0), 6)


class Load:
    """Runs the senders until ``stop`` is set; each sends every ``period_s``, evenly spread."""

    def __init__(self, url: str, senders: list[Sender], period_s: float = 1.0):
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.senders = senders
        self.period_s = period_s
        self.late_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for number, sender in enumerate(self.senders):
                group.create_task(self._send(sender, self.period_s * number / len(self.senders), stop))

    async def _send(self, sender: Sender, offset_s: float, stop: asyncio.Event) -> None:
        connection = _Connection(self.host, self.port, sender)
        next_at = time.time() + offset_s
        while not stop.is_set():
            await asyncio.sleep(max(0, next_at - time.time()))
            self.late_s = max(self.late_s, time.time() - next_at)
            time_ms = time.time_ns() // 1_000_000
            body = sender.message(time_ms)
            while (status := await connection.post(body)) != 200:
                if status in (400, 401, 403, 413, 415, 422):
                    sender.refused += 1
                    break
                sender.retries += 1
                await asyncio.sleep(0.1)
            else:
                sender.accepted.append(time_ms)
            next_at = max(next_at + self.period_s, time.time() - self.period_s)
        connection.close()


class _Connection:
    """A kept-alive HTTP/1.1 connection; any failure is status 0 and the next post connects anew."""

    def __init__(self, host: str, port: int, sender: Sender):
        token = base64.b64encode(f"{sender.device}:{sender.secret}".encode()).decode()
        self.head = (
            f"POST /api/v1/readings HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Basic {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(self, body: bytes, seconds: float = 15) -> int:
        try:
            async with asyncio.timeout(seconds):
                if self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
                assert self.reader is not None
                self.writer.write(f"{self.head}{len(body)}\r\n\r\n".encode() + body)
                head = await self.reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length")
                    ),
                    0,
                )
                await self.reader.readexactly(length)
                if b"connection: close" in head.lower():
                    self.close()
                return int(head.split(b" ", 2)[1])
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            self.close()
            return 0

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def main() -> None:
    """A process of its own: senders as JSON on standard input, what was accepted as JSON on standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--period", type=float, default=1.0)
    args = parser.parse_args()
    senders = [Sender(**row) for row in json.load(sys.stdin)]
    load = Load(args.url, senders, args.period)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(args.seconds, stop.set)
        await load.run(stop)

    asyncio.run(run())
    json.dump(
        {
            "late_s": load.late_s,
            "senders": [
                {"site": s.site, "accepted": s.accepted, "retries": s.retries, "refused": s.refused}
                for s in senders
            ],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
