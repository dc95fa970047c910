"""The command ``fengsui ledger``: is every reading that we received stored, a duplicate, or in quarantine?"""

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fengsui.run import django_setup, settings
from fengsui.stores import clock

if TYPE_CHECKING:
    from fengsui.govern.ledger.services import Count, Entry, Statement

HELP = "the loss ledger: prints it, and fails if a line does not balance"
EVERY_LINE = 60  # up to this many entries each line is printed; more are summed up by minute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minutes", type=int, default=60, help="the last so many minutes (default %(default)s)"
    )
    parser.add_argument("--from", dest="from_at", metavar="TIME", help="ISO 8601, instead of --minutes")
    parser.add_argument("--to", dest="to_at", metavar="TIME", help="ISO 8601 (default: now)")
    parser.add_argument("--source", help="only this source, each line")
    parser.add_argument("--deep", action="store_true", help="count the readings in the Parquet files too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    now = clock.now()
    try:
        to_at = _instant(args.to_at) if args.to_at else now + timedelta(minutes=1)
        from_at = _instant(args.from_at) if args.from_at else now - timedelta(minutes=args.minutes)
    except ValueError as error:
        print(f"fengsui ledger: {error}; write times like 2026-01-31T08:00+08:00", file=sys.stderr)
        return 2
    from_at = from_at.replace(second=0, microsecond=0)
    django_setup.setup()
    from fengsui.govern.ledger import services

    heard, oldest = asyncio.run(_oldest_waiting())
    found = services.statement(
        from_at,
        to_at,
        is_open_from=services.open_from(now, oldest),
        sources=[args.source] if args.source else None,
        deep=args.deep,
    )
    if args.json:
        print(json.dumps(_as_json(found, from_at, to_at, args.deep), ensure_ascii=False))
    else:
        print("\n".join(_as_text(found, from_at, to_at, bool(args.source))))
        if not heard:
            print("The bus does not answer: minutes may be open for longer than shown.", file=sys.stderr)
    return 0 if found.balances else 1


async def _oldest_waiting() -> tuple[bool, datetime | None]:
    """Whether the bus answers, and when it got the oldest message that is not committed yet (None: nothing waits)."""
    from nats.errors import Error
    from nats.js.errors import NotFoundError

    from fengsui.stores.bus import READINGS, connect

    try:
        client = await connect(settings.nats_url(), "ledger", wait_s=2)
    except (TimeoutError, OSError, Error):
        return False, None
    try:
        state = (await client.jetstream().stream_info(READINGS)).state
        if not state.messages:
            return True, None
        message = await client.jetstream().get_msg(READINGS, seq=state.first_seq)
        return True, message.time
    except NotFoundError:
        return True, None
    except (Error, TimeoutError):
        return False, None
    finally:
        await client.close()


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.astimezone()


def _as_json(found: "Statement", from_at: datetime, to_at: datetime, deep: bool) -> dict[str, Any]:
    from fengsui.govern.ledger.models import Boundary
    from fengsui.govern.ledger.services import totals

    return {
        "from": from_at.isoformat(),
        "to": to_at.isoformat(),
        "balances": found.balances,
        "deep": deep,
        "totals": {boundary: asdict(count) for boundary, count in totals(found.entries).items()},
        "lines": [
            {
                "boundary": boundary,
                "source": e.source,
                "minute": e.minute.isoformat(),
                **asdict(e.at(boundary)),
                **({"found": e.found, "deleted": e.deleted} if deep and boundary == Boundary.HISTORY else {}),
                "state": e.state,
                "problems": e.problems,
            }
            for e in found.entries
            for boundary in Boundary.values
        ],
        "missing": [asdict(m) for m in found.missing],
    }


def _as_text(found: "Statement", from_at: datetime, to_at: datetime, each: bool) -> list[str]:
    from fengsui.govern.ledger.services import totals

    out = [f"Loss ledger from {from_at:%Y-%m-%d %H:%M} to {to_at:%Y-%m-%d %H:%M} UTC", ""]
    out.append(
        f"{'minute':<17} {'boundary':<9} {'received':>12} {'stored':>12} {'duplicate':>10} {'quarantined':>11}  "
    )
    if each or len(found.entries) <= EVERY_LINE:
        for e in found.entries:
            out += _block(
                f"{e.minute:%Y-%m-%d %H:%M}", {b: e.at(b) for b in totals([])}, f"{e.state}  {e.source}"
            )
    else:
        minutes: dict[datetime, list[Entry]] = defaultdict(list)
        for e in found.entries:
            minutes[e.minute].append(e)
        for minute, entries in minutes.items():
            states = {e.state for e in entries}
            state = next(s for s in ("unbalanced", "open", "balanced") if s in states)
            out += _block(f"{minute:%Y-%m-%d %H:%M}", totals(entries), f"{state}  {len(entries)} sources")
    out += _block("total", totals(found.entries), f"{len(found.entries)} sources and minutes")
    out.append("")
    for e in found.unbalanced:
        out.append(f"UNBALANCED {e.minute:%Y-%m-%d %H:%M} {e.source}: {', '.join(e.problems)}{_recounted(e)}")
    for m in found.missing:
        out.append(f"MISSING {m.messages} messages of gateway {m.gateway}, partition {m.partition}")
    is_open = sum(e.state == "open" for e in found.entries)
    verdict = "The ledger balances." if found.balances else "THE LEDGER DOES NOT BALANCE."
    out.append(
        f"{verdict} {len(found.entries) - is_open - len(found.unbalanced)} balanced, {is_open} open, "
        f"{len(found.unbalanced)} unbalanced; {sum(m.messages for m in found.missing)} messages missing."
    )
    return out


def _block(name: str, counts: "dict[str, Count]", note: str) -> list[str]:
    out = []
    for boundary, c in counts.items():
        numbers = f"{c.received:>12} {c.stored:>12} {c.duplicate:>10} {c.quarantined:>11}"
        out.append(f"{name:<17} {boundary:<9} {numbers}  {note}".rstrip())
        name, note = "", ""
    return out


def _recounted(e: "Entry") -> str:
    if e.found is None:
        return ""
    deleted = f", {e.deleted} deleted by policy" if e.deleted else ""
    return f"; {e.found} found in files{deleted}, {e.history.stored} booked"
