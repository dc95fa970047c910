"""Devices without manners: as many messages a second as they are told to, or as the gateway takes.

A process of its own.  Every site says the same values in turn, each with its own credentials and the time of the
moment; what is sent was written before the clock starts, so that the load costs little beside what it loads.
"""

import argparse
import asyncio
import base64
import json
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import uvloop

from fengsui.run.benches.fill import SECRET

VARIANTS = 16
CLOCK = b"1000000000000"  # thirteen digits, replaced by the time


def bodies(datastreams: int) -> list[tuple[bytes, bytes]]:
    """Messages of one instant, cut where the time stands: a random walk with two decimals, never an alarm."""
    rng = np.random.default_rng(7)
    walk = 20 + np.cumsum(rng.normal(0, 0.05, (VARIANTS, datastreams)), axis=0)
    made = []
    for row in walk.tolist():
        values = ",".join(f'"T{n:04d}":{v:.2f}' for n, v in enumerate(row))
        made.append((b'{"time":', f',"datastreams":{{{values}}}}}'.encode()))
    return made


def alarming(body: tuple[bytes, bytes], high: bool) -> tuple[bytes, bytes]:
    """The same with the first datastream beyond its limit, or far below it."""
    before, after = body
    head, _, rest = after.partition(b',"T0001"')
    return before, head[: head.rindex(b":") + 1] + (b"90.00" if high else b"10.00") + b',"T0001"' + rest


@dataclass(slots=True)
class Flood:
    """``rate`` messages a second over all connections; 0: as many as the gateway takes."""

    host: str
    port: int
    sites: int
    datastreams: int
    connections: int
    rate: float
    alarm_sites: int
    accepted: int = 0
    other: dict[int, int] = field(default_factory=dict)
    latency: list[float] = field(default_factory=list)
    late_s: float = 0.0
    _bodies: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def run(self, seconds: float) -> float:
        """Send for ``seconds``; returns how long it really was."""
        self._bodies = bodies(self.datastreams)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(self.connections):
                group.create_task(self._connection(number, began, began + seconds))
        return time.perf_counter() - began

    async def _connection(self, number: int, began: float, until: float) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        mine = list(range(number, self.sites, self.connections))
        heads = {site: self._head(site) for site in mine}
        every = self.connections / self.rate if self.rate else 0.0
        count = 0
        while (now := time.perf_counter()) < until:
            due = began + (count + number / self.connections) * every
            if due > now:
                await asyncio.sleep(due - now)
                continue
            self.late_s = max(self.late_s, now - due if every else 0.0)
            site = mine[count % len(mine)]
            body = self._bodies[(count + site) % VARIANTS]
            wall = time.time()
            if site < self.alarm_sites:
                body = alarming(body, int(wall / 2) % 2 == 1)
            writer.writelines([heads[site], body[0], b"%013d" % (wall * 1000), body[1]])
            status = await self._answer(reader)
            if status == 200:
                self.accepted += 1
            else:
                self.other[status] = self.other.get(status, 0) + 1
            if (count + number) % 16 == 15:
                self.latency.append(time.perf_counter() - now)
            count += 1
        writer.close()

    def _head(self, site: int) -> bytes:
        token = base64.b64encode(f"s{site:04d}-gw:{SECRET}".encode()).decode()
        length = sum(map(len, self._bodies[0])) + len(CLOCK)
        if any(sum(map(len, body)) + len(CLOCK) != length for body in self._bodies):
            raise ValueError("the variants must be of one length")
        return (
            f"POST /api/v1/readings HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Basic {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        return int(head[9:12])


def main() -> None:
    """Prints what was accepted as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sites", type=int, required=True)
    parser.add_argument("--datastreams", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, default=0, help="messages a second; 0: as many as are taken")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--alarm-sites", type=int, default=0)
    args = parser.parse_args()
    parts = urlsplit(args.url)
    flood = Flood(
        parts.hostname or "127.0.0.1", parts.port or 80, args.sites, args.datastreams,
        min(args.connections, args.sites), args.rate, args.alarm_sites,
    )  # fmt: skip
    took = uvloop.run(flood.run(args.seconds))
    latency = np.percentile(flood.latency or [0], [50, 99]).tolist()
    json.dump(
        {
            "seconds": took, "messages": flood.accepted, "other": flood.other, "late_s": flood.late_s,
            "answer_ms": [1000 * x for x in latency], "cpu_s": time.process_time(),
        },
        sys.stdout,
    )  # fmt: skip


if __name__ == "__main__":
    main()
