"""``fengsui report``: make a trend report, list those that were made."""

import argparse
import sys
from datetime import date
from pathlib import Path

from fengsui.base.errors import FengsuiError

HELP = "make a trend report (day, week or month) as PDF and Word, list reports, make what is due"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    trend = verbs.add_parser("trend", help="make the report of the span that holds a day, and keep it")
    trend.add_argument("--org", required=True, metavar="CODE", help="everything below this organisation")
    trend.add_argument("--period", choices=("day", "week", "month"), required=True)
    trend.add_argument(
        "--at", type=date.fromisoformat, metavar="DAY", help="2026-11-26; yesterday unless given"
    )
    trend.add_argument("--language", choices=("zh-hans", "en"), default="zh-hans")
    trend.add_argument("--out", type=Path, metavar="FOLDER", help="also write both files here")
    verbs.add_parser("list", help="the newest reports")
    verbs.add_parser("due", help="make what was ordered and whose period is over")


def run(args: argparse.Namespace) -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.show.reports import services
    from fengsui.stores import clock

    try:
        if args.verb == "list":
            return _list()
        if args.verb == "due":
            print(f"{services.make_due(clock.now())} reports made")
            return 0
        return _trend(args)
    except FengsuiError as error:
        print(f"fengsui report: {error.code}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"fengsui report: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def _list() -> int:
    from fengsui.show.reports.models import TrendReport

    for row in TrendReport.objects.select_related("org").defer("figures")[:50]:
        made = f"{row.made_at:%Y-%m-%dT%H:%M}Z"
        print(f"{row.pk:>6}  {row.org.code:<16} {row.period:<6} {row.begin}  {made}  {row.pdf.name}")
    return 0


def _trend(args: argparse.Namespace) -> int:
    from datetime import timedelta

    from django.utils import timezone

    from fengsui.people.orgs.models import Org
    from fengsui.show.reports import services
    from fengsui.stores import clock

    org = Org.objects.filter(code=args.org).first()
    if org is None:
        print(f"fengsui report: there is no organisation {args.org}", file=sys.stderr)
        return 1
    day = args.at or timezone.localdate(clock.now()) - timedelta(days=1)
    row = services.make(None, org, args.period, day, args.language)
    print(f"report {row.pk}: {row.pdf.path} {row.docx.path}")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        for stored, ending in ((row.pdf, "pdf"), (row.docx, "docx")):
            with stored.open("rb") as opened:
                (args.out / services.file_name(row, ending)).write_bytes(opened.read())
    return 0
