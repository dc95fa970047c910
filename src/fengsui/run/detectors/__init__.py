"""The command ``fengsui detectors``: score the detectors on public benchmarks."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HELP = "score the detectors of abnormal conditions on public benchmarks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="action", required=True)
    one = sub.add_parser(
        "evaluate",
        help="score a folder laid out like TEP, SKAB, NAB or BATADAL by that benchmark's own metric",
    )
    one.add_argument("folder", type=Path)
    one.add_argument(
        "--train",
        type=Path,
        metavar="FOLDER",
        help="where normal operation is, if not in FOLDER (TEP, BATADAL)",
    )
    one.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from fengsui.run.detectors.evaluate import evaluate
    from fengsui.run.detectors.sets import BadSet

    try:
        found = evaluate(args.folder, args.train)
    except BadSet as error:
        print(f"fengsui detectors: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, ensure_ascii=False, indent=1) if args.json else "\n".join(report(found)))
    return 0


def report(found: dict[str, Any]) -> list[str]:
    """The figures in lines, for people."""
    lines = [f"{found['dataset']}: {found['detector']['name']}, {len(found['files'])} files"]
    flat = found["figures"]
    if found["dataset"] == "nab":
        flat = {"course": flat}
    for name, figures in flat.items():
        lines.append(f"  {name:<16} " + "  ".join(f"{key} {_text(value)}" for key, value in figures.items()))
    for row in found["table"]:
        words = [
            f"{key} {_text(row[key])}"
            for key in row
            if key not in ("t2", "q", "t2_or_q", "combined", "contributing")
        ]
        words += [f"{key} {_text(value)}" for key, value in row.get("combined", {}).items()]
        words += [f"{c['datastream']} {c['share']:.0%}" for c in row.get("contributing", [])]
        lines.append("    " + "  ".join(words))
    if "truth" in found:
        lines.append(
            "  truth            " + "  ".join(f"{k} {_text(v)}" for k, v in found["truth"]["found"].items())
        )
        lines.append(f"                   accused of good {_text(found['truth']['accused_good'])}")
    if found.get("not_scored"):
        lines.append(f"  not scored, no labels: {', '.join(found['not_scored'])}")
    return lines


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
