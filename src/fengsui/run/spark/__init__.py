"""The command ``fengsui spark``: questions to all of history, in process or on a Spark cluster, with equal answers."""

import argparse
import sys
from pathlib import Path

from fengsui.run import django_setup

HELP = "aggregates, statistics and back-tests over all of history, in process or on Apache Spark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="action", required=True)
    aggregates = sub.add_parser("aggregates", help="lowest, highest, mean, first and last of each span")
    aggregates.add_argument(
        "--every", default="1h", help="length of a span, such as 1m, 1h or 1d (default %(default)s)"
    )
    statistics = sub.add_parser("statistics", help="sites, readings, availability and alarms by division")
    backtest = sub.add_parser("backtest", help="what a draft of rules would have raised")
    backtest.add_argument("rules", type=Path, metavar="RULES.yml")
    for each in (aggregates, statistics, backtest):
        each.add_argument(
            "--from", dest="from_at", required=True, metavar="TIME", help="ISO 8601; UTC if it names no zone"
        )
        each.add_argument("--to", dest="to_at", required=True, metavar="TIME")
        each.add_argument("--engine", choices=("auto", "local", "spark"), default="auto")
        each.add_argument(
            "--master", default="local[*]", help="address of the Spark cluster (default %(default)s)"
        )
        each.add_argument(
            "--conf", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark"
        )
        each.add_argument("--out", type=Path, help="FILE.csv or FILE.parquet; CSV on the screen without it")


def run(args: argparse.Namespace) -> int:
    from fengsui.base.errors import BadInput
    from fengsui.run.spark import answers, engines
    from fengsui.warn.rules.durations import parse_ms
    from fengsui.warn.rules.scenario import instant_ms

    try:
        from_ms, to_ms = instant_ms(args.from_at), instant_ms(args.to_at)
        every_ms = parse_ms(args.every) if args.action == "aggregates" else 1
        if from_ms >= to_ms or every_ms <= 0:
            raise ValueError("--from must be before --to, and --every more than nothing")
        if args.out and args.out.suffix not in (".csv", ".parquet"):
            raise ValueError(f"--out {args.out}: a name that ends in .csv or .parquet")
        conf = dict(pair.split("=", 1) for pair in args.conf)
    except (ValueError, BadInput) as error:
        print(f"fengsui spark: {error}", file=sys.stderr)
        return 2
    django_setup.setup()
    try:
        with engines.choose(args.engine, from_ms, to_ms, args.master, conf) as engine:
            print(f"on {engine.name}", file=sys.stderr)
            if args.action == "aggregates":
                table = answers.aggregates(engine, from_ms, to_ms, every_ms)
            elif args.action == "statistics":
                table = answers.statistics(engine, from_ms, to_ms)
            else:
                table = answers.backtest(engine, from_ms, to_ms, args.rules)
    except engines.Missing as missing:
        print(f"fengsui spark: {missing}", file=sys.stderr)
        return 3
    except (BadInput, OSError) as error:
        print(f"fengsui spark: {error}", file=sys.stderr)
        return 2
    answers.write(table, args.out)
    return 0
