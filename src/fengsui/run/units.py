"""``fengsui units``: import moving units, rows of positions and fences; add rules to fences."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from fengsui.run import django_setup, settings

HELP = "import moving units, rows of positions (satellite terminals) and fences; add rules to fences"
SHOWN = 100
PIECE = 20_000  # rows made durable at once
SOURCE = "positions:import"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    read = verbs.add_parser(
        "import", help="read a CSV or xlsx file of units; with one bad row nothing is changed"
    )
    read.add_argument("file", type=Path)
    read.add_argument("--org", default="", help="code of the organisation; by default the root of the tree")
    read.add_argument("--dry-run", action="store_true", help="list every bad row and change nothing")
    rows = verbs.add_parser(
        "positions",
        help="rows of terminal, time, lon, lat, speed, course (CSV or JSON) onto the bus; good rows are taken",
    )
    rows.add_argument("file", type=Path, help="- reads standard input")
    fences = verbs.add_parser(
        "fences", help="read fences from GeoJSON; with one bad feature nothing is changed"
    )
    fences.add_argument("file", type=Path)
    fences.add_argument("--org", default="", help="code of the organisation; by default the root of the tree")
    rule = verbs.add_parser("rule", help="add a rule to a fence, or (-) to an organisation everywhere")
    rule.add_argument("fence", help="code of the fence, or -")
    rule.add_argument("what", choices=("enter", "leave", "inside", "speed", "dwell", "silent"))
    rule.add_argument("--org", default="", help="with -: code of the organisation; by default the root")
    rule.add_argument("--limit", type=float, help="km/h, seconds, or metres inside that count")
    rule.add_argument("--deadband", type=float, help="metres or km/h")
    rule.add_argument("--on-delay", type=float, metavar="S")
    rule.add_argument("--off-delay", type=float, metavar="S")
    rule.add_argument("--level", type=int, choices=(1, 2, 3, 4), default=3, help="1 red … 4 blue (default 3)")
    rule.add_argument("--kinds", default="", help="only these kinds of units, comma between them")


def run(args: argparse.Namespace) -> int:
    """0 done, 1 something was refused, 2 wrong use, 3 no bus."""
    django_setup.setup()
    return {"import": _import, "positions": _positions, "fences": _fences, "rule": _rule}[args.verb](args)


def _import(args: argparse.Namespace) -> int:
    from fengsui.base.errors import BadInput
    from fengsui.sense.moving import services

    org = _org(args.org)
    if org is None:
        return 2
    try:
        with args.file.open("rb") as file:
            report = services.import_units(None, org, file, args.dry_run)
    except (BadInput, OSError) as error:
        print(f"fengsui units: {error}", file=sys.stderr)
        return 2
    for bad in report.bad[:SHOWN]:
        print(bad)
    print(report.summary())
    return 1 if report.bad_count else 0


def _fences(args: argparse.Namespace) -> int:
    from fengsui.base.errors import BadInput
    from fengsui.warn.fences import services

    org = _org(args.org)
    if org is None:
        return 2
    try:
        done = services.import_geojson(None, org, json.loads(args.file.read_bytes()))
    except (BadInput, ValueError, OSError) as error:
        print(f"fengsui units: {error}", file=sys.stderr)
        return 1
    print(f"{len(done)} fences: {', '.join(fence.code for fence in done[:20])}")
    return 0


def _rule(args: argparse.Namespace) -> int:
    from fengsui.base.errors import BadInput
    from fengsui.warn.fences import services
    from fengsui.warn.fences.models import Fence

    fence = None if args.fence == "-" else Fence.objects.select_related("org").filter(code=args.fence).first()
    org = _org(args.org) if args.fence == "-" else None
    if fence is None and org is None:
        if args.fence != "-":
            print(f"fengsui units: there is no fence {args.fence}", file=sys.stderr)
        return 2
    values: dict[str, Any] = {"priority": args.level, "unit_kinds": [k for k in args.kinds.split(",") if k]}
    values |= {name: getattr(args, name) for name in ("limit", "deadband") if getattr(args, name) is not None}
    for name in ("on_delay", "off_delay"):
        if (seconds := getattr(args, name)) is not None:
            values[f"{name}_ms"] = round(1000 * seconds)
    try:
        made = services.create_rule(None, args.what, values, fence=fence, org=org)
    except BadInput as error:
        print(f"fengsui units: {error}", file=sys.stderr)
        return 1
    print(f"rule {made.pk}: {made.watches.count()} units are watched")
    return 0


def _positions(args: argparse.Namespace) -> int:
    from nats.errors import Error

    from fengsui.base.errors import BadInput

    try:
        data = sys.stdin.buffer.read() if str(args.file) == "-" else args.file.read_bytes()
        rows = _rows(data)
    except (BadInput, ValueError, OSError) as error:
        print(f"fengsui units: {error}", file=sys.stderr)
        return 2
    try:
        refused, bad = asyncio.run(_enter(rows))
    except (Error, OSError, TimeoutError) as error:
        print(
            f"fengsui units: the bus does not answer ({error!r}); is `fengsui up` running?", file=sys.stderr
        )
        return 3
    for number, why in bad[:SHOWN]:
        print(f"row {number}: {why}")
    print(f"{len(rows)} rows, {len(rows) - refused} taken, {refused} refused")
    return 1 if refused else 0


def _rows(data: bytes) -> list[Any]:
    from fengsui.sense.moving import positions

    if data.lstrip()[:1] not in (b"[", b"{"):
        return positions.rows_of_csv(data)
    found = json.loads(data)
    rows = found.get("positions") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise positions.BadPositions("JSON is a list of rows, or an object with the list “positions”")
    return rows


async def _enter(rows: list[Any]) -> tuple[int, list[tuple[int, str]]]:
    """Through the same doors as every reading; returns how many rows were refused, and the first of them."""
    import numpy as np

    from fengsui.base.batch import Batch
    from fengsui.base.quality import Reason
    from fengsui.run.intake import Intake
    from fengsui.sense.gateways import door
    from fengsui.sense.moving import positions
    from fengsui.sense.moving.models import Unit
    from fengsui.stores.bus import connect
    from fengsui.stores.changes import in_thread

    def known() -> dict[str, Unit]:
        found = Unit.objects.filter(is_active=True).exclude(terminal="").select_related("speed")
        return {unit.terminal: unit for unit in found}

    nc = await connect(settings.nats_url(), "units", wait_s=10)
    intake = Intake(nc, f"units-{door.now_ms()}")
    try:
        await intake.start()
        units = await asyncio.to_thread(in_thread, known)
        refused, bad = 0, []
        for first in range(0, len(rows), PIECE):
            read = positions.read(rows[first : first + PIECE], units)
            refused += read.bad_count
            bad += [(first + row.row, row.why) for row in read.bad]
            sites = np.unique(read.site).tolist()
            batches, places = [], []
            for site in sites:
                at = np.flatnonzero(read.site == site)
                at = at[np.argsort(read.time_ms[at], kind="stable")]
                n = len(at)
                batches.append(
                    Batch(
                        site, SOURCE, door.now_ms(), read.datastream[at], read.time_ms[at], read.value[at],
                        np.zeros(n, np.uint8), np.zeros(n, np.uint8),
                    )
                )  # fmt: skip
                places.append(at)
            await intake.take(batches)
            for batch, at in zip(batches, places, strict=True):
                lost = np.flatnonzero(batch.reason > 0)
                for row in np.unique(read.row[at[lost]]).tolist():
                    refused += 1
                    reason = int(batch.reason[lost[read.row[at[lost]] == row]].max())
                    bad.append((first + row, door.WORDS[Reason(reason)]))
        return refused, bad
    finally:
        await intake.close()
        await nc.close()


def _org(code: str) -> Any:
    from fengsui.people.orgs.models import Org

    org = Org.objects.filter(code=code).first() if code else Org.objects.order_by("depth", "path").first()
    if org is None:
        print(f"fengsui units: there is no organisation {code or 'at all'}", file=sys.stderr)
    return org
