"""The command ``fengsui status``: which role is up, since when, and its lag."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Collection
from typing import Any

from fengsui.run import settings
from fengsui.stores import clock
from fengsui.stores.bus import connect, read_roles

HELP = "which role is up, since when, and its lag"
OWN = {
    "bus": "FENGSUI_NATS_URL",
    "db": "FENGSUI_DATABASE_URL",
}  # what these settings name is not a role of ours
EXPECTED = ("bus", "db", "gateway", "pipeline", "web", "worker")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    roles = asyncio.run(_ask())
    if args.json:
        print(json.dumps({"ok": healthy(roles), "roles": roles}, ensure_ascii=False))
    else:
        print("\n".join(lines(roles)))
    return 0 if healthy(roles) else 1


async def _ask() -> list[dict[str, Any]]:
    own = {role for role, name in OWN.items() if settings.value(name)}
    try:
        return complete(await ask(settings.nats_url()), own)
    except TimeoutError as error:
        print(f"fengsui status: {error}", file=sys.stderr)
        return complete([], own)


async def ask(nats_url: str) -> list[dict[str, Any]]:
    """What every role answers now on the bus at ``nats_url``.  Raises TimeoutError when there is no bus."""
    client = await connect(nats_url, "status", wait_s=2)
    try:
        return await read_roles(client)
    finally:
        await client.close()


def complete(answers: list[dict[str, Any]], own: Collection[str] = ()) -> list[dict[str, Any]]:
    """The answers, and a row with ``ready`` false for each expected role that gave none.

    A PostgreSQL or NATS of your ``own`` has no role of ours; it is not expected to answer.
    """
    seen = {answer["role"] for answer in answers}
    missing = [role for role in EXPECTED if role not in seen and role not in own]
    return sorted(
        [*answers, *({"role": role, "ready": False, "lag": {}} for role in missing)],
        key=lambda r: str(r["role"]),
    )


def healthy(roles: list[dict[str, Any]]) -> bool:
    """Every expected role answers and is ready."""
    return all(role["ready"] for role in roles)


def lines(roles: list[dict[str, Any]]) -> list[str]:
    """One line a role, for people."""
    out = []
    for role in roles:
        if "since_ms" not in role:
            out.append(f"{role['role']:<10} down")
            continue
        seconds = max(0, round(clock.now_ms() / 1000 - role["since_ms"] / 1000))
        state = "up" if role["ready"] else "starting"
        lag = "  ".join(f"{name} {number}" for name, number in role["lag"].items())
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(role["since_ms"] / 1000))
        out.append(
            f"{role['role']:<10} {state:<9} pid {role['pid']:<8} since {since} ({seconds} s)  {lag}".rstrip()
        )
    return out
