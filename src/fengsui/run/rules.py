"""The command ``fengsui rules``: run scenario files against rules, as the engine would."""

import argparse
import csv
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fengsui.warn.rules import KINDS, describe
from fengsui.warn.rules.durations import words
from fengsui.warn.rules.kind import Sentence
from fengsui.warn.rules.scenario import (
    SAID,
    BadScenario,
    Expected,
    Happened,
    NamedRule,
    Outcome,
    Scenario,
    instant_ms,
    parse,
    when,
)
from fengsui.warn.rules.scenario import (
    run as run_scenario,
)

HELP = "test rules with scenario files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="action", required=True)
    test = sub.add_parser(
        "test", help="run scenario files; exit 1 if what happens is not what a file expects"
    )
    test.add_argument("files", nargs="+", type=Path, metavar="FILE.yml")
    test.add_argument("-q", "--quiet", action="store_true", help="print only what does not fit")
    sub.add_parser("kinds", help="list the kinds of rules and their parameters")


def run(args: argparse.Namespace) -> int:
    if args.action == "kinds":
        for kind in KINDS.values():
            print(f"{kind.code:<7} {kind.name}: {kind.summary}; takes {', '.join(kind.takes)}")
        return 0
    outcomes: list[Outcome] = []
    broken = 0
    for path in args.files:
        try:
            found = [run_scenario(s) for s in scenarios(path)]
        except (BadScenario, OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            broken += 1
            continue
        outcomes += found
        for outcome in found:
            if not (args.quiet and outcome.ok):
                print("\n".join(report(path, outcome)))
    met, missing = sum(len(o.met) for o in outcomes), sum(len(o.missing) for o in outcomes)
    unexpected = sum(len(o.unexpected) for o in outcomes)
    print(
        f"{len(outcomes)} scenarios: {met} as expected, {missing} missing, {unexpected} unexpected"
        + (f"; {broken} files cannot be read" if broken else "")
    )
    return 2 if broken else int(not all(o.ok for o in outcomes))


def scenarios(path: Path) -> list[Scenario]:
    """The scenarios of a file, one a YAML document.  Raises BadScenario, OSError, YAMLError."""
    documents = [d for d in yaml.safe_load_all(path.read_text("utf-8")) if d is not None]
    if not documents:
        raise BadScenario("the file is empty")
    return [
        parse(d, read_column=lambda entry: read_column(path.parent, entry), rules_of_site=rules_of_site)
        for d in documents
    ]


def report(path: Path, outcome: Outcome) -> list[str]:
    """What happened beside what was expected, a line each, in the order of time."""
    scenario = outcome.scenario
    lines = [f"{'ok  ' if outcome.ok else 'FAIL'} {path}" + (f": {scenario.name}" if scenario.name else "")]
    for rule in scenario.rules:
        lines.append(
            f"       {rule.series or 'every series'} {rule.name}: {_sentence(describe(rule.values))}"
        )
    if scenario.expect is None:
        told = [(h.time_ms, f"       {_line(scenario, h)}") for h in outcome.happened]
        told.append((1 << 62, f"       nothing was expected: {len(outcome.happened)} events listed"))
    else:
        told = [(h.time_ms, f"  ok   {_line(scenario, h)}") for _, h in outcome.met]
        told += [
            (e.time_ms, f"  -    {_line(scenario, e)}   expected, did not happen") for e in outcome.missing
        ]
        told += [
            (h.time_ms, f"  +    {_line(scenario, h)}   happened, not expected") for h in outcome.unexpected
        ]
    return lines + [line for _, line in sorted(told, key=lambda pair: pair[0])]


def read_column(folder: Path, entry: Mapping[str, Any]) -> tuple[Sequence[int], Sequence[float]]:
    """Times (ms) and values of one column of a CSV file, in order of time.  Raises BadScenario.

    Times are ISO 8601 or numbers of seconds; a cell that is not a number is a reading without a value.
    """
    path = folder / str(entry["csv"])
    separator = str(entry.get("separator", ","))
    if len(separator) != 1:
        raise BadScenario(f"{path.name}: the separator is one character, not {separator!r}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, delimiter=separator)
            wanted = [str(entry[key]) for key in ("value", "time") if key in entry]
            if absent := [name for name in wanted if name not in (rows.fieldnames or ())]:
                raise BadScenario(
                    f"{path.name} has no column {', '.join(absent)}; it has {', '.join(rows.fieldnames or ())}"
                )
            readings = [
                (_time_ms(path, number, row, entry), _number(row[str(entry["value"])]))
                for number, row in enumerate(rows)
            ]
    except OSError as error:
        raise BadScenario(f"{path}: {error.strerror}") from error
    readings.sort(key=lambda reading: reading[0])
    return [t for t, _ in readings], [v for _, v in readings]


def _time_ms(path: Path, number: int, row: Mapping[str, str], entry: Mapping[str, Any]) -> int:
    if "every_ms" in entry:
        return int(entry["start_ms"] + number * entry["every_ms"])
    text = (row[str(entry["time"])] or "").strip()
    try:
        return round(float(text) * 1000)
    except ValueError:
        pass
    try:
        return instant_ms(text)
    except ValueError:
        raise BadScenario(f"{path.name} row {number + 2}: {text!r} is not a time") from None


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def rules_of_site(code: str) -> Sequence[NamedRule]:
    """The rules in force at a site of this installation, for a file that says ``site:``."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.warn.alarms.loader import rules_of_site as load

    rules = [NamedRule(values.kind, series, values) for series, values in load(code)]
    if not rules:
        raise BadScenario(f"site: there is no site {code} with rules in force")
    return rules


def _line(scenario: Scenario, said: Expected | Happened) -> str:
    value = "" if said.value is None or math.isnan(said.value) else f"  {said.value:.6g}"
    return f"{when(scenario, said.time_ms):>8}  {SAID[said.what]:<7} {said.series} {said.rule or ''}{value}".rstrip()


def _sentence(sentence: Sentence) -> str:
    values = {
        name: words(value) if name.endswith("_ms") else f"{value:g}"
        for name, value in sentence.values.items()
    }
    return sentence.text % values
