"""Scenarios: rules, samples and what is expected, in a file that a duty officer can read; run by the real
engine.

    rule: {kind: level, setpoint: 8.5, deadband: 0.3, on_delay: 10s}
    samples: {every: 5s, series: tank-1, values: [8.0, 8.6, 8.6, 8.6, 8.1]}
    expect: [{at: 15s, raised: tank-1}, {at: 20s, cleared: tank-1}]

The whole format is in ``docs/rules.md``.  No files here: ``parse`` takes the document as mappings and lists,
and is handed what reads a CSV column or the rules of a site.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fengsui.base.errors import BadInput
from fengsui.warn.engine import Events, RuleRow, State, compile_rules, step, sweep
from fengsui.warn.rules import BadRule, Values, check
from fengsui.warn.rules.durations import BadDuration, parse_ms, words

ALIASES = {"level": "h"}  # "kind: level" says high, as most level alarms are
RULE_KEYS = {
    "kind": "kind",
    "setpoint": "setpoint",
    "deadband": "deadband",
    "on_delay": "on_delay_ms",
    "off_delay": "off_delay_ms",
    "window": "window_ms",
}
QUALITY = {"good": 0, "uncertain": 1, "bad": 2}
WHAT = {"raised": 1, "cleared": 2}
SAID = {number: word for word, number in WHAT.items()}


class BadScenario(BadInput):
    """A scenario that cannot be run as it is written; the message names the place."""

    code = "warn.bad_scenario"


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule of the scenario; ``series`` is None when it applies to every series."""

    name: str
    series: str | None
    values: Values


@dataclass(frozen=True, slots=True)
class Sample:
    series: str
    time_ms: int
    value: float
    quality: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of ``expect``; ``rule`` and ``value`` are None where the file leaves them open."""

    time_ms: int
    what: int
    series: str
    rule: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing the engine said."""

    time_ms: int
    what: int
    series: str
    rule: str
    value: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """``expect`` is None when the file does not say; ``is_dated``: times are instants, not spans from the
    start.
    """

    name: str
    rules: tuple[NamedRule, ...]
    samples: tuple[Sample, ...]
    until_ms: int | None = None
    expect: tuple[Expected, ...] | None = None
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, beside what was expected, in the order of time."""

    scenario: Scenario
    happened: tuple[Happened, ...]
    met: tuple[tuple[Expected, Happened], ...]
    missing: tuple[Expected, ...]
    unexpected: tuple[Happened, ...]

    @property
    def ok(self) -> bool:
        return not self.missing and not self.unexpected


ReadColumn = Callable[[Mapping[str, Any]], tuple[Sequence[int], Sequence[float]]]
RulesOfSite = Callable[[str], Sequence[NamedRule]]


def parse(
    document: Any,
    *,
    read_column: ReadColumn | None = None,
    rules_of_site: RulesOfSite | None = None,
) -> Scenario:
    """A scenario out of a loaded YAML document.  Raises BadScenario.

    ``read_column`` is given a ``samples`` entry with ``csv`` and returns times in ms and values;
    ``rules_of_site`` is given the ``site`` code and returns its rules, named, with datastream codes as
    series.
    """
    top = _mapping(document, "the file", {"name", "rule", "rules", "site", "samples", "until", "expect"})
    if sum(key in top for key in ("rule", "rules", "site")) != 1:
        raise BadScenario("the file needs exactly one of rule, rules and site")
    if "site" in top:
        if rules_of_site is None:
            raise BadScenario("site: the rules of a site are not at hand here")
        rules = tuple(rules_of_site(str(top["site"])))
    else:
        listed = [("rule", top["rule"])] if "rule" in top else _listed(top["rules"], "rules")
        rules = tuple(_rule(entry, place) for place, entry in listed)
    if "samples" not in top:
        raise BadScenario("the file needs samples")
    samples: list[Sample] = []
    is_dated = False
    for place, entry in _listed(top["samples"], "samples"):
        found, dated = _samples(entry, place, read_column)
        samples += found
        is_dated |= dated
    series = {s.series for s in samples}
    for rule in rules:
        if rule.series is not None and rule.series not in series and "site" not in top:
            raise BadScenario(f"rule {rule.name}: there are no samples of series {rule.series}")
    first = min((s.time_ms for s in samples), default=0) if is_dated else 0
    until = _when(top["until"], "until", first) if "until" in top else None
    expect = None
    if "expect" in top:
        names = {rule.name for rule in rules}
        expect = tuple(
            sorted(
                (
                    _expected(entry, place, first, series, names)
                    for place, entry in _listed(top["expect"], "expect")
                ),
                key=lambda e: e.time_ms,
            )
        )
    return Scenario(str(top.get("name", "")), rules, tuple(samples), until, expect, is_dated)


def run(scenario: Scenario) -> Outcome:
    """Run the samples through the engine, then look at the clock once, at ``until`` (by default the last
    sample).
    """
    series = sorted({s.series for s in scenario.samples})
    slots = {name: i for i, name in enumerate(series)}
    rows: list[RuleRow] = []
    names: list[tuple[str, str]] = []  # of each rule row: rule, series
    for rule in scenario.rules:
        for name in series if rule.series is None else [rule.series]:
            if name in slots:
                v = rule.values
                rows.append(
                    RuleRow(
                        len(rows),
                        slots[name],
                        v.kind,
                        v.setpoint,
                        v.deadband,
                        v.on_delay_ms,
                        v.off_delay_ms,
                        v.window_ms,
                    )
                )
                names.append((rule.name, name))
    rules = compile_rules(rows, {i: i for i in range(len(series))})
    state = State.fresh(rules)
    ordered = sorted(scenario.samples, key=lambda s: (slots[s.series], s.time_ms))
    events = step(
        state,
        np.array([slots[s.series] for s in ordered], np.int64),
        np.array([s.time_ms for s in ordered], np.int64),
        np.array([s.value for s in ordered], np.float64),
        np.array([s.quality for s in ordered], np.uint8),
        rules,
    )
    end = scenario.until_ms
    if end is None:
        end = max((s.time_ms for s in ordered), default=0)
    events = Events.join([events, sweep(state, end + 1, rules)])  # + 1: what is due at ``until`` is told
    happened = tuple(
        sorted(
            (
                Happened(t, what, names[rule_id][1], names[rule_id][0], value)
                for rule_id, what, t, value in zip(
                    events.rule_id.tolist(),
                    events.what.tolist(),
                    events.time_ms.tolist(),
                    events.value.tolist(),
                    strict=True,
                )
            ),
            key=lambda h: (h.time_ms, h.series, h.rule, h.what),
        )
    )
    return _compare(scenario, happened)


def _compare(scenario: Scenario, happened: tuple[Happened, ...]) -> Outcome:
    if scenario.expect is None:
        return Outcome(scenario, happened, (), (), ())
    left = list(happened)
    met, missing = [], []
    strictest_first = sorted(scenario.expect, key=lambda e: (e.rule is None, e.value is None))
    for expected in strictest_first:
        found = next((h for h in left if _fits(expected, h)), None)
        if found is None:
            missing.append(expected)
        else:
            left.remove(found)
            met.append((expected, found))
    met.sort(key=lambda pair: pair[0].time_ms)
    missing.sort(key=lambda e: e.time_ms)
    return Outcome(scenario, happened, tuple(met), tuple(missing), tuple(left))


def _fits(expected: Expected, h: Happened) -> bool:
    return (
        (expected.time_ms, expected.what, expected.series) == (h.time_ms, h.what, h.series)
        and expected.rule in (None, h.rule)
        and (expected.value is None or bool(np.isclose(expected.value, h.value, rtol=1e-6, atol=1e-9)))
    )


def when(scenario: Scenario, time_ms: int) -> str:
    """An instant of the scenario as its file would write it."""
    if not scenario.is_dated:
        return words(time_ms)
    return (
        datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
    )


# ---- reading the document
# ---------------------------------------------------------------------------------------


def _mapping(given: Any, place: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise BadScenario(f"{place}: expected a mapping, found {given!r}")
    if unknown := [str(key) for key in given if key not in known]:
        raise BadScenario(
            f"{place}: {', '.join(unknown)} is not known here; known are {', '.join(sorted(known))}"
        )
    return given


def _listed(given: Any, place: str) -> list[tuple[str, Any]]:
    entries = [] if given is None else given if isinstance(given, list) else [given]
    return [(f"{place}[{i}]", entry) for i, entry in enumerate(entries)]


def _rule(given: Any, place: str) -> NamedRule:
    entry = _mapping(given, place, {"name", "series", *RULE_KEYS})
    kind = str(entry.get("kind", ""))
    kind = ALIASES.get(kind, kind)
    parameters: dict[str, Any] = {}
    for key, name in RULE_KEYS.items():
        if key == "kind" or key not in entry:
            continue
        parameters[name] = _span(entry[key], f"{place}.{key}") if name.endswith("_ms") else entry[key]
    try:
        values = check(kind, parameters)
    except BadRule as error:
        said = "; ".join(str(p).replace("_ms:", ":") for p in error.problems)
        raise BadScenario(f"{place}: {said}") from error
    series = entry.get("series")
    return NamedRule(str(entry.get("name", kind)), None if series is None else str(series), values)


def _samples(given: Any, place: str, read_column: ReadColumn | None) -> tuple[list[Sample], bool]:
    if isinstance(given, Mapping) and "csv" in given:
        entry = _mapping(given, place, {"csv", "series", "time", "value", "separator", "every", "start"})
        if read_column is None:
            raise BadScenario(f"{place}: files are not read here")
        if "value" not in entry or ("time" in entry) == ("every" in entry):
            raise BadScenario(f"{place}: a csv needs value (a column) and either time (a column) or every")
        if "every" in entry:
            entry = {
                **entry,
                "every_ms": _span(entry["every"], f"{place}.every"),
                "start_ms": _span(entry.get("start", 0), f"{place}.start"),
            }
        times, values = read_column(entry)
        series = str(entry.get("series", entry["value"]))
        found = [Sample(series, int(t), float(v)) for t, v in zip(times, values, strict=True)]
        return found, "time" in entry
    entry = _mapping(given, place, {"series", "every", "start", "values", "at", "quality"})
    series = str(entry.get("series", "series"))
    default = _quality(entry.get("quality", "good"), f"{place}.quality")
    if "at" in entry:
        if {"every", "values", "start"} & set(entry):
            raise BadScenario(f"{place}: at stands alone, without every, start and values")
        if not isinstance(entry["at"], Mapping):
            raise BadScenario(f"{place}.at: expected times and values, such as {{0s: 8.0, 5s: 8.6}}")
        pairs = [(_span(t, f"{place}.at"), value) for t, value in entry["at"].items()]
    else:
        if "every" not in entry or not isinstance(entry.get("values"), list):
            raise BadScenario(f"{place}: needs every and values, or at, or csv")
        every = _span(entry["every"], f"{place}.every")
        start = _span(entry.get("start", 0), f"{place}.start")
        if every <= 0:
            raise BadScenario(f"{place}.every: must be above zero")
        pairs = [(start + i * every, value) for i, value in enumerate(entry["values"])]
    samples = []
    for t, value in pairs:
        if value != "gap":  # nothing was sent
            number, quality = _value(value, default, f"{place} at {words(t)}")
            samples.append(Sample(series, t, number, quality))
    return samples, False


def _value(given: Any, default: int, place: str) -> tuple[float, int]:
    """A number, nothing (no value), or ``{value: 8.6, quality: bad}``."""
    if isinstance(given, Mapping):
        entry = _mapping(given, place, {"value", "quality"})
        number, _ = _value(entry.get("value"), default, place)
        return number, _quality(entry.get("quality", "good"), place)
    if given is None:
        return float("nan"), default
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise BadScenario(
            f"{place}: {given!r} is not a value; write a number, ~ (no value), gap (nothing sent) or "
            "{value: 8.6, quality: bad}"
        )
    return float(given), default


def _quality(given: Any, place: str) -> int:
    if given not in QUALITY:
        raise BadScenario(f"{place}: quality is one of {', '.join(QUALITY)}, not {given!r}")
    return QUALITY[given]


def _expected(given: Any, place: str, first_ms: int, series: set[str], rules: set[str]) -> Expected:
    entry = _mapping(given, place, {"at", "raised", "cleared", "rule", "value"})
    turned = [word for word in WHAT if word in entry]
    if "at" not in entry or len(turned) != 1:
        raise BadScenario(f"{place}: needs at and one of raised and cleared")
    name = str(entry[turned[0]])
    if name not in series:
        raise BadScenario(f"{place}: there are no samples of series {name}")
    rule = entry.get("rule")
    if rule is not None and str(rule) not in rules:
        raise BadScenario(f"{place}: there is no rule {rule}; there are {', '.join(sorted(rules))}")
    value = entry.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise BadScenario(f"{place}.value: {value!r} is not a number")
    return Expected(
        _when(entry["at"], f"{place}.at", first_ms),
        WHAT[turned[0]],
        name,
        None if rule is None else str(rule),
        None if value is None else float(value),
    )


def _span(given: Any, place: str) -> int:
    try:
        return parse_ms(given)
    except BadDuration as error:
        raise BadScenario(f"{place}: {error}") from error


def _when(given: Any, place: str, first_ms: int) -> int:
    """A span from the first sample, or an instant (UTC unless it says otherwise)."""
    if isinstance(given, str):
        try:
            return instant_ms(given)
        except ValueError:
            pass
    if isinstance(given, datetime):
        return instant_ms(given.isoformat())
    return first_ms + _span(given, place)


def instant_ms(text: str) -> int:
    """An ISO 8601 instant as ms UTC; without a zone it is taken as UTC.  Raises ValueError."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
