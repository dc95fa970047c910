"""``fengsui risk``: the weights of the risk index, in force and to be; reckon now."""

import argparse
import json
import sys
from pathlib import Path

from fengsui.base.errors import FengsuiError

HELP = "show and change the weights of the live risk index, check a file of weights, reckon now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    weights = verbs.add_parser("weights", help="print the weights in force, check a file, or put it in force")
    weights.add_argument("file", nargs="?", type=Path, metavar="FILE", help="JSON, like the shipped weights")
    weights.add_argument("--reason", default="", help="put FILE in force, and why")
    weights.add_argument("--user", default="", help="who decides it (needs risk.weigh at a root of the tree)")
    verbs.add_parser("follow", help="give each site a datastream of its index, with rules for orange and red")
    verbs.add_parser("reckon", help="reckon the risk of every site now")


def run(args: argparse.Namespace) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.warn.risks import services

    try:
        if args.verb == "follow":
            from fengsui.warn.risks import series

            made = series.follow(None, services.in_force())
            print(f"{made.datastreams} datastreams and {made.rules} rules added")
            return 0
        if args.verb == "reckon":
            done = services.reckon()
            print(f"{done.sites} sites, {done.changed} changed, {done.levels} in another colour")
            return 0
        return _weights(args)
    except FengsuiError as error:
        print(f"fengsui risk: {error.code}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"fengsui risk: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def _weights(args: argparse.Namespace) -> int:
    from fengsui.people.accounts.models import User
    from fengsui.warn.risk import weights
    from fengsui.warn.risks import services
    from fengsui.warn.risks.models import WeightSet

    if args.file is None:
        row = WeightSet.objects.first()
        print(
            weights.shipped_text() if row is None else json.dumps(row.document, ensure_ascii=False, indent=1)
        )
        return 0
    text = args.file.read_text("utf-8")
    if not args.reason:
        read = weights.read(text)
        print(
            f"{read.name} {read.version}: {len(read.items)} items, sha256 {read.sha256}; nothing was changed"
        )
        return 0
    user = User.objects.filter(username=args.user, is_active=True).first()
    if user is None:
        print("fengsui risk: name with --user who decides it", file=sys.stderr)
        return 1
    made = services.put_in_force(user, text, args.reason)
    print(f"{made.name} {made.version} in force since {made.since.isoformat()}")
    return 0
