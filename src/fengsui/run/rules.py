"""The command ``fengsui rules``: rules against scenario files and history, by the engine that runs live."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from fengsui.warn.rules import KINDS, describe
from fengsui.warn.rules.durations import parse_ms, words
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

HELP = "test rules with scenario files, and over what was stored"
DAY_MS = 86_400_000
MOST_LINES = 20  # of a list on the screen; --json has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sub = parser.add_subparsers(dest="action", required=True)
    test = sub.add_parser(
        "test", help="run scenario files; exit 1 if what happens is not what a file expects"
    )
    test.add_argument("files", nargs="+", type=Path, metavar="FILE.yml")
    test.add_argument("-q", "--quiet", action="store_true", help="print only what does not fit")
    sub.add_parser("kinds", help="list the kinds of rules and their parameters")
    back = sub.add_parser("backtest", help="what a draft would have raised, beside the rules of today")
    back.add_argument("rules", metavar="RULES.yml|RULE", help="a draft as in docs/spark.md, or a rule's id")
    back.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="what is to be other in that rule")
    back.add_argument(
        "--from", dest="from_at", required=True, metavar="TIME", help="ISO 8601; UTC if it names no zone"
    )
    back.add_argument("--to", dest="to_at", required=True, metavar="TIME")
    back.add_argument("--site", default="", metavar="CODE", help="only datastreams of this site")
    back.add_argument(
        "--lead", default="1d", help="read so much before --from, so that what stood is known (default 1d)"
    )
    back.add_argument("--json", action="store_true", help="everything, as JSON")
    score = sub.add_parser("scorecard", help="how rules, sites or organisations did: alarms as they were")
    score.add_argument(
        "--from", dest="from_at", required=True, metavar="TIME", help="ISO 8601; UTC if it names no zone"
    )
    score.add_argument("--to", dest="to_at", required=True, metavar="TIME")
    score.add_argument("--by", choices=("rule", "site", "organisation", "county", "kind"), default="rule")
    score.add_argument("--json", action="store_true", help="every figure, as JSON")


def run(args: argparse.Namespace) -> int:
    if args.action == "kinds":
        for kind in KINDS.values():
            print(f"{kind.code:<7} {kind.name}: {kind.summary}; takes {', '.join(kind.takes)}")
        return 0
    if args.action == "backtest":
        return _backtest(args)
    if args.action == "scorecard":
        return _scorecard(args)
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


def _backtest(args: argparse.Namespace) -> int:
    """0: compared; 1: there is no reading to compare over; 2: the question cannot be read."""
    from fengsui.base.errors import BadInput
    from fengsui.run import backtest, django_setup
    from fengsui.run.spark import draft, facts

    try:
        from_ms, to_ms = instant_ms(args.from_at), instant_ms(args.to_at)
        lead_ms = parse_ms(args.lead)
        if from_ms >= to_ms or lead_ms < 0:
            raise ValueError("--from must be before --to")
        if wrong := [pair for pair in args.changes if "=" not in pair]:
            raise ValueError(f"{wrong[0]!r}: write NAME=VALUE, such as setpoint=8.5 or on_delay=30s")
        if args.changes and not args.rules.isdecimal():
            raise ValueError("changes are for a rule's id; write them into the file instead")
        django_setup.setup()
        if args.rules.isdecimal():
            rule = _stored_rule(int(args.rules), args.site)
            changes = {key: yaml.safe_load(text) for key, _, text in (c.partition("=") for c in args.changes)}
            today, drafted = backtest.of_today(backtest.changed(rule, changes), rule.pk)
        else:
            read = draft.read(Path(args.rules))
            today, drafted = backtest.of_today(backtest.chosen(read, facts.streams(), args.site))
        days = _Days(from_ms - lead_ms, to_ms)
        answer = backtest.compare(today, drafted, from_ms, to_ms, lead_ms, progress=days)
    except backtest.NoReadings:
        streams = len(set(drafted.table.datastream_id.tolist()))
        print(
            f"fengsui rules: no reading of {streams} datastreams is stored from {args.from_at} to {args.to_at};"
            " ask for another span (fengsui history verify says what there is)",
            file=sys.stderr,
        )
        return 1
    except (ValueError, BadInput, OSError, yaml.YAMLError) as error:
        print(f"fengsui rules: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(backtest.as_data(answer), ensure_ascii=False))
    else:
        print("\n".join(_compared(answer, backtest.by_datastream(answer))))
    return 0


def _scorecard(args: argparse.Namespace) -> int:
    try:
        from_ms, to_ms = instant_ms(args.from_at), instant_ms(args.to_at)
        if from_ms >= to_ms:
            raise ValueError("--from must be before --to")
    except ValueError as error:
        print(f"fengsui rules: {error}", file=sys.stderr)
        return 2
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.sense.devices.models import Site
    from fengsui.show.lists.scorecard import scorecard
    from fengsui.warn.alarms.models import Occurrence

    scores = scorecard(Site.objects.all(), from_ms, to_ms, args.by, Occurrence.objects.all())
    if args.json:
        print(json.dumps([asdict(score) for score in scores], ensure_ascii=False))
        return 0
    if not scores:
        print("no alarm stood in this span")
        return 0
    print(
        f"{'alarms':>8}{'a day':>9}{'in 10 min':>11}{'flood':>9}{'chatter':>9}{'> 24 h':>8}{'acked':>7}{'after':>9}"
        f"{'real':>6}{'false':>7}{'missed':>8}"
    )
    for score in scores:
        b, v = score.burden, score.verdicts
        missed = "" if v.missed is None else v.missed
        after = "" if score.median_ack_s is None else words(round(score.median_ack_s) * 1000)
        print(
            f"{b.alarms:>8}{b.per_day:>9.2f}{b.peak_10_min:>11}{b.flood_share:>9.2%}{b.chattering:>9}{b.stale:>8}"
            f"{score.acked:>7}{after:>9}{v.real:>6}{v.false:>7}{missed:>8}  {' '.join(score.of)}"
        )
    return 0


def _stored_rule(pk: int, site: str) -> Any:
    from fengsui.warn.alarms.models import Rule

    rule = Rule.objects.select_related("datastream__site").filter(pk=pk).first()
    if rule is None or (site and rule.datastream.site.code != site):
        raise BadScenario(f"there is no rule {pk}" + (f" at site {site}" if site else ""))
    return rule


class _Days:
    """Says on the error channel how far a back-test has come, once a day of history."""

    def __init__(self, from_ms: int, to_ms: int) -> None:
        self._from_ms, self._to_ms, self._day = from_ms, to_ms, -1

    def __call__(self, readings: int, at_ms: int) -> None:
        if at_ms // DAY_MS > self._day:
            self._day = at_ms // DAY_MS
            share = min((at_ms - self._from_ms) / (self._to_ms - self._from_ms), 1)
            print(f"{_instant(at_ms)[:10]}: {share:.0%}, {readings:,} readings", file=sys.stderr, flush=True)


def _compared(answer: Any, streams: list[dict[str, Any]]) -> list[str]:
    """The comparison as lines for a person."""
    a, b = answer.today.burden, answer.draft.burden
    lines = [
        f"{_instant(answer.from_ms)} – {_instant(answer.to_ms)}: {answer.readings:,} readings of "
        f"{answer.heard} of {answer.datastreams} datastreams"
    ]
    if answer.refused:
        lines.append(f"{answer.refused} rules make no sense and were not evaluated")
    share = "{:.2%}".format
    rows: list[tuple[str, Any, Any]] = [
        ("rules", answer.today.rules, answer.draft.rules),
        ("alarms", a.alarms, b.alarms),
        ("that only this side has", int(answer.today.only.sum()), int(answer.draft.only.sum())),
        ("alarms a day", f"{a.per_day:.2f}", f"{b.per_day:.2f}"),
        ("most in a day", max(a.days), max(b.days)),
        ("alarms per 10 min", f"{a.per_10_min:.3f}", f"{b.per_10_min:.3f}"),
        ("most in 10 min", a.peak_10_min, b.peak_10_min),
        ("  when", _worst(a), _worst(b)),
        ("10-min periods with more than 10", share(a.over_10_share), share(b.over_10_share)),
        ("time in flood", share(a.flood_share), share(b.flood_share)),
        ("share of the 10 most frequent", share(a.top_share), share(b.top_share)),
        ("rules that chatter", a.chattering, b.chattering),
        ("longer than 24 h", a.stale, b.stale),
        ("longest", words(a.longest_ms), words(b.longest_ms)),
        ("standing at the end", a.standing, b.standing),
    ]
    lines += [f"{'':34}{'today':>24}{'draft':>24}"]
    lines += [f"{name:34}{x!s:>24}{y!s:>24}" for name, x, y in rows]
    lines.append("who would have been called first")
    lines += [
        f"  {w['organisation']}: {w['today']} today, {w['draft']} draft; {', '.join(w['roles'])} ({w['people']} people)"
        for w in answer.woken[:MOST_LINES]
    ] or ["  nobody"]
    if streams:
        lines.append("datastreams, those that change most first")
    lines += [
        f"  {s['site']} {s['datastream']}: {s['today']} today, {s['draft']} draft"
        for s in streams[:MOST_LINES]
    ]
    if len(streams) > MOST_LINES:
        lines.append(f"  and {len(streams) - MOST_LINES} more; --json has all")
    return lines


def _worst(side: Any) -> str:
    return "" if side.peak_at_ms is None else _instant(side.peak_at_ms)


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
