"""The command ``fengsui bench``: measure, and print figures by name with machine and date."""

import argparse
import datetime
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from fengsui.run.benches.figure import Figure

HELP = "measure, and print figures by name"
BENCHES = (
    "pipeline",
    "engine",
    "decode",
    "state",
    "history",
    "lists",
    "spine",
    "start",
    "peers",
    "scale",
    "push",
    "api",
    "frames",
    "recovery",
    "sta",
    "connections",
    "units",
    "map",
    "detectors",
    "backtest",
    "risk",
    "cap",
    "natural",
    "scenarios",
    "flood",
    "scorecard",
)
HEAD = """# Benchmarks

The last figures of each bench: `make bench` measures all but the long ones (`soak`, `sustained`),
`fengsui bench NAME --write docs/benchmarks.md` one. Medians, with the extremes beside them. The machine is shared:
two figures of different days that differ by less than a factor of two are equal.
"""
LONG = ("soak", "sustained")  # by name only: they say nothing in seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="all", choices=["list", "all", *BENCHES, *LONG])
    parser.add_argument("--seconds", type=float, default=20, help="how long a measurement runs (default 20)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", type=Path, help="also write a Markdown page")


def run(args: argparse.Namespace) -> int:
    if args.name == "list":
        for name in (*BENCHES, *LONG):
            print(f"{name:<8} {_module(name).ABOUT}")
        return 0
    results: dict[str, list[Figure]] = {}
    for name in BENCHES if args.name == "all" else [args.name]:
        print(f"{name}: {_module(name).ABOUT} …", file=sys.stderr, flush=True)
        results[name] = _module(name).bench(args.seconds)
        if not args.json:
            print("\n".join(_lines(results[name])), flush=True)
    if args.json:
        figures = {name: [f.as_dict() for f in found] for name, found in results.items()}
        print(json.dumps({"machine": machine(), "figures": figures}, ensure_ascii=False, indent=1))
    if args.write:
        before = args.write.read_text() if args.write.exists() else ""
        args.write.write_text(page(results, before))
    return 0


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def machine() -> dict[str, Any]:
    """What was measured on, and when."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def page(results: dict[str, list[Figure]], before: str = "") -> str:
    """``docs/benchmarks.md``: the last figures of each bench with machine and date; ``before`` has the others'."""
    sections = {part.split("\n", 1)[0].strip(): part for part in before.split("\n## ")[1:]}
    sections |= {name: _section(name, figures) for name, figures in results.items()}
    order = [name for name in (*BENCHES, *LONG) if name in sections]
    out = [HEAD, *(f"## {sections[name].strip()}\n" for name in order)]
    return "\n".join(out)


def _section(name: str, figures: list[Figure]) -> str:
    on = machine()
    return "\n".join(
        [
            name,
            "",
            f"{_sentence(_module(name).ABOUT)}",
            "",
            f"{on['date']}: {on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB, {on['system']}, "
            f"Python {on['python']}.",
            "",
            "| figure | median | low – high | unit | |",
            "|---|---|---|---|---|",
            *(
                f"| {f.name} | {_text(f.value)} | {_text(f.low)} – {_text(f.high)} | {f.unit} | {f.note} |"
                for f in figures
            ),
        ]
    )


def _lines(figures: list[Figure]) -> list[str]:
    width = max((len(f.name) for f in figures), default=0)
    return [
        f"  {f.name:<{width}}  {_text(f.value):>12} {f.unit:<12} {_text(f.low)} – {_text(f.high)}  {f.note}".rstrip()
        for f in figures
    ]


def _text(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _module(name: str) -> Any:
    return importlib.import_module(f"fengsui.run.benches.{name}")
