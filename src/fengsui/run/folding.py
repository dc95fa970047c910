"""``fengsui folding``: the rules by which alarms are folded into their causes, in force and to be."""

import argparse
import sys
from pathlib import Path

from fengsui.base.errors import FengsuiError

HELP = "show, check and change the rules by which alarms are folded into their causes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    rules = verbs.add_parser("rules", help="print the rules in force, check a file, or put it in force")
    rules.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="CSV, like the rules that are printed"
    )
    rules.add_argument("--reason", default="", help="put FILE in force, and why")
    rules.add_argument("--user", default="", help="who decides it (needs fold.edit at a root of the tree)")


def run(args: argparse.Namespace) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.people.accounts.models import User
    from fengsui.warn.alarms import fold_table

    try:
        if args.file is None:
            print(fold_table.as_csv(fold_table.in_force()), end="")
            return 0
        text = args.file.read_text("utf-8-sig")
        if not args.reason:
            print(f"{len(fold_table.from_csv(text))} rules are good; nothing was changed")
            return 0
        user = User.objects.filter(username=args.user, is_active=True).first()
        if user is None:
            print("fengsui folding: name with --user who decides it", file=sys.stderr)
            return 1
        made = fold_table.put_in_force(user, text, args.reason)
        print(f"{len(made.rows)} rules in force since {made.since.isoformat()}")
        return 0
    except FengsuiError as error:
        for line in getattr(error, "problems", (str(error),)):
            print(f"fengsui folding: {line}", file=sys.stderr)
        return 1
    except (OSError, UnicodeDecodeError) as error:
        print(f"fengsui folding: {args.file}: {error}", file=sys.stderr)
        return 2
