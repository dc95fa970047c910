"""The command ``fengsui history``: are the files whole, what if one is not, and what does the data policy delete."""

import argparse
import contextlib
import json
import sys
from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fengsui.stores import clock

if TYPE_CHECKING:
    from fengsui.stores.history.catalogue import Catalogue

HELP = "check or repair the files of history; what the data policy deletes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", required=True)
    verify = deeds.add_parser(
        "verify", help="compare every file with the catalogue; exit 1 when one is damaged"
    )
    verify.add_argument("--json", action="store_true", help="for programs")
    repair = deeds.add_parser(
        "repair", help="put damaged files aside, list what is readable, say what is lost by source and minute"
    )
    repair.add_argument("--json", action="store_true", help="for programs")
    retention = deeds.add_parser(
        "retention", help="the data policy in force, its holds, and what it deleted so far"
    )
    retention.add_argument(
        "--dry-run", action="store_true", help="count what is due now, day by day; nothing is deleted"
    )
    retention.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """0 whole, 1 something is damaged or lost, 2 a pipeline runs, 3 no database."""
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import OperationalError
    from psycopg_pool import PoolTimeout

    try:
        return {"verify": _verify, "repair": _repair, "retention": _retention}[args.deed](args)
    except (OperationalError, PoolTimeout):
        print("fengsui history: the database does not answer; is `fengsui db` running?", file=sys.stderr)
        return 3


def _verify(args: argparse.Namespace) -> int:
    from fengsui.stores.history import integrity
    from fengsui.stores.history.catalogue import Catalogue

    found = integrity.verify(Catalogue.default())
    if args.json:
        body = {"whole": found.whole, "files": found.files, "bytes": found.bytes}
        print(json.dumps(body | {"findings": [asdict(f) for f in found.findings]}, ensure_ascii=False))
    else:
        for f in found.findings:
            print(f"{f.what:<9} {f.path}{f' ({f.rows} rows, {f.day})' if f.rows else ''}: {f.advice}")
        verdict = "History is whole" if found.whole else "HISTORY IS DAMAGED"
        print(f"{verdict}: {found.files} files, {found.bytes} bytes, {len(found.findings)} findings.")
    return 0 if found.whole else 1


def _repair(args: argparse.Namespace) -> int:
    from fengsui.stores.history import integrity
    from fengsui.stores.history.catalogue import Catalogue

    catalogue = Catalogue.default()
    damaged = [f.path for f in integrity.verify(catalogue).findings if f.what != integrity.STRANGER]
    with contextlib.ExitStack() as held:
        busy = _take_partitions(held, damaged)
        if busy:
            print(
                f"fengsui history: a pipeline serves partition {', '.join(map(str, busy))}, which has damaged files. "
                "Stop it, run this again, and start it: readings wait on the bus meanwhile.",
                file=sys.stderr,
            )
            return 2
        return _repair_held(args, catalogue, damaged)


def _take_partitions(held: contextlib.ExitStack, damaged: list[str]) -> list[int]:
    """Lock the partitions of damaged files, as a pipeline does that serves them; returns those that one does serve."""
    from fengsui.stores.checkpoints import claims
    from fengsui.stores.history.models import Segment, Tier

    busy = []
    found = {
        *Segment.objects.filter(path__in=damaged).values_list("partition", flat=True),
        *Tier.objects.filter(path__in=damaged).values_list("partition", flat=True),
    }
    for partition in sorted(found):
        lock = claims.Lock(partition)
        held.callback(lock.release)
        if not lock.try_take():
            busy.append(partition)
    return busy


def _repair_held(args: argparse.Namespace, catalogue: "Catalogue", damaged: list[str]) -> int:
    from django.db import transaction

    from fengsui.people import audit
    from fengsui.stores.history import integrity
    from fengsui.stores.history.models import Segment

    spans = Segment.objects.filter(path__in=damaged).values_list("first_received_ms", "last_received_ms")
    spans = list(spans)
    done = integrity.repair(catalogue, damaged)
    lost = _lost(min(s[0] for s in spans), max(s[1] for s in spans)) if spans else []
    if done:
        with transaction.atomic():
            audit.record(None, "history.repaired", files=[asdict(r) for r in done])
    if args.json:
        print(json.dumps({"repaired": [asdict(r) for r in done], "lost": lost}, ensure_ascii=False))
    else:
        for r in done:
            print(f"{r.path}: put aside under {integrity.DAMAGED}/; {r.kept} readings kept, {r.lost} lost")
        for line in lost:
            print(f"LOST {line['minute']} {line['source']}: {line['lost']} readings")
        print(f"{len(done)} segments repaired, {sum(r.lost for r in done)} readings lost.")
    return 1 if any(r.lost for r in done) else 0


def _lost(first_ms: int, last_ms: int) -> list[dict[str, object]]:
    """What the ledger misses in the files now, by source and minute of arrival."""
    from fengsui.govern.ledger import services

    minute = timedelta(minutes=1)
    from_at = datetime.fromtimestamp(first_ms // 60_000 * 60, UTC)
    to_at = datetime.fromtimestamp(last_ms // 60_000 * 60, UTC) + minute
    found = services.statement(from_at, to_at, is_open_from=to_at + minute, deep=True)
    return [
        {
            "source": e.source,
            "minute": f"{e.minute:%Y-%m-%dT%H:%MZ}",
            "lost": e.history.stored - (e.found or 0) - e.deleted,
        }
        for e in found.entries
        if e.history.stored > (e.found or 0) + e.deleted
    ]


def _retention(args: argparse.Namespace) -> int:
    from fengsui.govern.retention import services
    from fengsui.govern.retention.models import Hold, Policy
    from fengsui.stores.history.retention import totals

    body: dict[str, Any] = {
        "policy": [
            {
                "for": str(row), "raw_days": row.raw_days, "minute_days": row.minute_days,
                "hour_days": row.hour_days,
                "media_days": row.media_days, "by": row.made_by, "at": row.made_at.isoformat(), "why": row.reason,
            }
            for row in Policy.objects.in_force().select_related("org", "observed_property")
        ],
        "holds": [
            {
                "site": row.site and row.site.code, "from": row.from_at.isoformat(), "to": row.to_at.isoformat(),
                "by": row.made_by, "at": row.made_at.isoformat(), "why": row.reason,
            }
            for row in Hold.objects.in_force().select_related("site")
        ],
        "deleted": {kind: {"rows": rows, "bytes": size} for kind, (rows, size) in totals().items()},
    }  # fmt: skip
    if args.dry_run:
        body["due"] = _due(services.keep_of())
    if args.json:
        print(json.dumps(body, ensure_ascii=False))
        return 0
    for row in body["policy"]:
        kept = ", ".join(
            f"{what} {_days(row[f'{what}_days'])}" for what in ("raw", "minute", "hour", "media")
        )
        print(f"{row['for']}: {kept} ({row['by']}, {row['at'][:10]}: {row['why']})")
    if not body["policy"]:
        print("There is no data policy: nothing is ever deleted.")
    for row in body["holds"]:
        where = row["site"] or "all sites"
        print(f"HELD {where} from {row['from']} to {row['to']} ({row['by']}, {row['at'][:10]}: {row['why']})")
    for kind, numbers in body["deleted"].items():
        print(f"deleted so far: {numbers['rows']} {kind} rows, {numbers['bytes']} bytes")
    for row in body.get("due", ()):
        print(f"due {row['day']} {row['kind']}: {row['rows']} rows in {row['files']} files")
    if args.dry_run:
        print(f"{sum(row['rows'] for row in body['due'])} rows are due; the pipelines delete them.")
    return 0


def _due(keep: Any) -> list[dict[str, Any]]:
    """What would go now, by day and kind.  Aggregates that readings leave when they go are not in it."""
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.stores.history.retention import count_due, due_files

    catalogue = Catalogue.default()
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for due in due_files(keep, clock.now().date()):
        try:
            rows = count_due(catalogue, due)
        except FileNotFoundError:
            continue  # merged meanwhile, and in the list again under another name
        if rows:
            at = sums[due.day.isoformat(), due.kind]
            at[0], at[1] = at[0] + rows, at[1] + 1
    return [
        {"day": day, "kind": kind, "rows": rows, "files": files}
        for (day, kind), (rows, files) in sorted(sums.items())
    ]


def _days(days: int | None) -> str:
    return "for ever" if days is None else f"{days} days"
