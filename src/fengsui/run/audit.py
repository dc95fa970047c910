"""The command ``fengsui audit``: prove that nobody changed the audit trail, and hand it out.

Printing the last id and hash lets you note them elsewhere: ``verify --head ID:HASH`` later also proves that nothing
was cut off the end.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

HELP = "verify or export the audit trail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", required=True)
    verify = deeds.add_parser(
        "verify", help="walk the hash chain; exit 1 at the first entry that does not fit"
    )
    verify.add_argument("--head", metavar="ID:HASH", help="an entry noted earlier: it must still be there")
    verify.add_argument("--file", type=Path, help="check an exported file instead of the database")
    verify.add_argument("--json", action="store_true", help="for programs")
    export = deeds.add_parser("export", help="write entries as JSON lines, oldest first")
    export.add_argument("--since", type=datetime.fromisoformat, metavar="TIME", help="ISO 8601 with offset")
    export.add_argument("--until", type=datetime.fromisoformat, metavar="TIME", help="ISO 8601 with offset")
    export.add_argument("--output", type=Path, help="a file; default: standard output")


def run(args: argparse.Namespace) -> int:
    """0 whole, 1 broken, 2 wrong use, 3 no database."""
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import OperationalError
    from psycopg_pool import PoolTimeout

    try:
        return _verify(args) if args.deed == "verify" else _export(args)
    except (OperationalError, PoolTimeout):
        print("fengsui audit: the database does not answer; is `fengsui db` running?", file=sys.stderr)
        return 3


def _verify(args: argparse.Namespace) -> int:
    from fengsui.people.audit import services

    if args.file is not None:
        broken = services.first_broken_line(_lines(args.file))
        return _tell(
            args, broken, "" if broken is None else "its content or place was changed", str(args.file)
        )
    head = None
    if args.head:
        number, _, noted = args.head.partition(":")
        if not number.isdigit() or len(noted) != 64:
            print("fengsui audit: --head wants ID:HASH as `verify` printed it", file=sys.stderr)
            return 2
        head = (int(number), noted)
    found = services.verify(head=head)
    what = f"{found.entries} entries, head {found.head_id}:{found.head_hash}"
    return _tell(args, found.broken_id, found.why, what)


def _tell(args: argparse.Namespace, broken: int | None, why: str, what: str) -> int:
    if args.json:
        print(json.dumps({"whole": broken is None, "broken_id": broken, "why": why, "what": what}))
    elif broken is None:
        print(f"audit trail whole: {what}")
    else:
        print(f"audit trail BROKEN at entry {broken}: {why}", file=sys.stderr)
    return 0 if broken is None else 1


def _export(args: argparse.Namespace) -> int:
    from fengsui.people import audit
    from fengsui.people.audit import services

    if any(t is not None and t.tzinfo is None for t in (args.since, args.until)):
        print("fengsui audit: times need an offset, such as 2026-11-23T00:00:00+08:00", file=sys.stderr)
        return 2
    audit.record(None, "audit.exported", since=args.since, until=args.until)
    out = args.output.open("w", encoding="utf-8") if args.output else sys.stdout
    count = 0
    for line in services.export(since=args.since, until=args.until):
        out.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")
        count += 1
    if args.output:
        out.close()
        print(f"{count} entries written to {args.output}", file=sys.stderr)
    return 0


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for text in file:
            if text.strip():
                yield json.loads(text)
