"""``fengsui natural``: natural hazards from files, levels as of a time, thresholds in force and to be."""

import argparse
import dataclasses
import gzip
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from fengsui.base.errors import FengsuiError

HELP = (
    "bring in notices, earthquakes, typhoons and gauges from files; judge levels; show and change thresholds"
)
KINDS = ("notices", "quakes", "storms", "gauges")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    bring = verbs.add_parser("import", help="what a feed would have brought, or gauges with their marks")
    bring.add_argument("kind", choices=KINDS)
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.add_argument("--org", required=True, metavar="CODE", help="whose it is")
    bring.add_argument("--name", default="", help="name of the feed that the file stands for")
    bring.add_argument("--user", default="", help="who does it (needs natural.edit); left out: the platform")
    bring.add_argument(
        "--play", type=datetime.fromisoformat, metavar="TIME",
        help="a recording as a demonstration: this moment of it is now",
    )  # fmt: skip
    bring.add_argument(
        "--moved", default="0,0", metavar="LON,LAT", help="with --play: degrees that it is moved by"
    )
    bring.add_argument("--only", default="", metavar="KEY", help="with --play: the one storm or earthquake")
    bring.add_argument("--dry-run", action="store_true", help="only say what would be taken")
    bring.add_argument("--json", action="store_true", help="for programs")
    judge = verbs.add_parser("judge", help="raise, change and clear levels now, or as of a time")
    judge.add_argument("--at", type=datetime.fromisoformat, metavar="TIME", help="ISO 8601 with offset")
    weights = verbs.add_parser(
        "thresholds", help="print the thresholds in force, check a file, or put it in force"
    )
    weights.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="JSON, like the shipped thresholds"
    )
    weights.add_argument("--reason", default="", help="put FILE in force, and why")
    weights.add_argument(
        "--user", default="", help="who decides it (needs natural.thresholds at a root of the tree)"
    )


def run(args: argparse.Namespace) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    try:
        return {"import": _import, "judge": _judge, "thresholds": _thresholds}[args.verb](args)
    except FengsuiError as error:
        print(f"fengsui natural: {error.code}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"fengsui natural: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def _import(args: argparse.Namespace) -> int:
    """Exit 1 where an entry was refused."""
    from fengsui.people.orgs.models import Org
    from fengsui.stores import clock
    from fengsui.warn.naturals import importing

    org = Org.objects.filter(code=args.org).first()
    actor = _user(args.user)
    if org is None or (args.user and actor is None):
        what = f"organisation {args.org}" if org is None else f"user {args.user}"
        print(f"fengsui natural: there is no {what}", file=sys.stderr)
        return 1
    play = None
    if args.play is not None:
        try:
            by_lon, by_lat = (float(part) for part in args.moved.split(","))
        except ValueError:
            print("fengsui natural: --moved takes two numbers, such as -2.4,8.9", file=sys.stderr)
            return 1
        if args.play.tzinfo is None:
            print("fengsui natural: --play needs an offset, such as 2017-08-23T12:00+08:00", file=sys.stderr)
            return 1
        play = importing.Play(round(args.play.timestamp() * 1000), by_lon, by_lat, args.only)
    raw = args.file.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    report = importing.bring(
        actor, args.kind, raw, org, clock.now(), name=args.name, dry_run=args.dry_run, play=play
    )
    taken = report.taken
    if args.json:
        print(json.dumps(dataclasses.asdict(report), ensure_ascii=False))
    else:
        for number, reason in report.why:
            print(f"{f'entry {number}: ' if number else ''}{reason}", file=sys.stderr)
        words = f"{taken.entries} entries: {taken.new} new, {taken.known} known, {taken.refused} refused"
        beats = f", {taken.beats} without content" if taken.beats else ""
        print(f"{words}{beats}; {'kept' if report.kept else 'nothing was kept'}")
    return 1 if taken.refused else 0


def _judge(args: argparse.Namespace) -> int:
    from fengsui.warn.naturals import judging

    if args.at is not None and args.at.tzinfo is None:
        print("fengsui natural: --at needs an offset, such as 2026-08-01T08:00+08:00", file=sys.stderr)
        return 1
    done = judging.evaluate(args.at)
    print(f"{done.judged} judged: {done.raised} raised, {done.changed} changed, {done.cleared} cleared")
    return 0


def _thresholds(args: argparse.Namespace) -> int:
    from fengsui.warn.natural import thresholds
    from fengsui.warn.naturals import services
    from fengsui.warn.naturals.models import ThresholdSet

    if args.file is None:
        row = ThresholdSet.objects.first()
        text = (
            thresholds.shipped_text()
            if row is None
            else json.dumps(row.document, ensure_ascii=False, indent=1)
        )
        print(text)
        return 0
    raw = args.file.read_text("utf-8")
    if not args.reason:
        read = thresholds.read(raw)
        print(f"{read.name} {read.version}: sha256 {read.sha256}; nothing was changed")
        return 0
    user = _user(args.user)
    if user is None:
        print("fengsui natural: name with --user who decides it", file=sys.stderr)
        return 1
    made = services.put_in_force(user, raw, args.reason)
    print(f"{made.name} {made.version} in force since {made.since.isoformat()}")
    return 0


def _user(name: str) -> Any:
    from fengsui.people.accounts.models import User

    return User.objects.filter(username=name, is_active=True).first() if name else None
