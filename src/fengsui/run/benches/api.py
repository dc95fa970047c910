"""Requests a second and latency of the main API calls, in the province of ``benches.lists``.

Each call is asked by eight clients at once for its share of the time; the clients run here, on the same cores.
"""

import asyncio
import time

import httpx

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import NOTE, PROVINCE, province

ABOUT = (
    "main API calls with 150,000 datastreams and 50,000 sites, eight clients at once: requests/s, p50, p99"
)
CLIENTS = 8
CALLS = {
    "who am I": "/api/v1/me",
    "sites": "/api/v1/sites",
    "one site": "/api/v1/sites/S012345",
    "standing alarms": "/api/v1/alarms?standing=true",
    "timeline of a week": "/api/v1/alarms/timeline?hours=168",
    "loops": "/api/v1/loops",
    "map of a county": "/api/v1/map/sites?bbox=111.2,30.6,111.8,30.9&zoom=10",
    "map of the province": f"/api/v1/map/sites?{PROVINCE}&zoom=6",
    "search": "/api/v1/search?q=反应器",
}


def bench(seconds: float) -> list[Figure]:
    with province() as (url, sessions):
        return asyncio.run(_measure(url, sessions["province"], max(1.0, seconds / len(CALLS))))


async def _measure(url: str, key: str, seconds: float) -> list[Figure]:
    out: list[Figure] = []
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=url, cookies={"sessionid": key}, timeout=60, limits=limits, trust_env=False
    ) as client:
        for name, path in CALLS.items():
            await _ask(client, path, time.monotonic())  # the first time is in ``lists``
            began = time.monotonic()
            done = await asyncio.gather(*(_ask(client, path, began + seconds) for _ in range(CLIENTS)))
            taken = time.monotonic() - began
            all_ms = sorted(ms for one in done for ms in one)
            note = f"{NOTE}; {CLIENTS} clients" if not out else ""
            out.append(figure(name, "requests/s", len(all_ms) / taken, note))
            out.append(figure(f"{name}, p50", "ms", all_ms[len(all_ms) // 2]))
            out.append(figure(f"{name}, p99", "ms", all_ms[len(all_ms) * 99 // 100]))
    return out


async def _ask(client: httpx.AsyncClient, path: str, until: float) -> list[float]:
    """Ask one after the other, once at least; how long each took (ms)."""
    out: list[float] = []
    while not out or time.monotonic() < until:
        began = time.monotonic()
        answer = await client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        out.append((time.monotonic() - began) * 1000)
    return out
