"""A draft of rules as a file: each rule with its parameters and which datastreams it is for.

    rules:
      - {name: level-high, kind: h, setpoint: 8.5, deadband: 0.3, on_delay: 10s, observed_property: level}
      - {kind: silent, window: 10m, site: plant-1}

``site``, ``datastream`` and ``observed_property`` narrow a rule down; one without any is for every datastream.  The
parameters are those of scenario files (``docs/rules.md``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from fengsui.warn.engine import RuleTable
from fengsui.warn.engine.rules import CODES
from fengsui.warn.rules import BadRule, Values, check
from fengsui.warn.rules.durations import BadDuration, parse_ms
from fengsui.warn.rules.scenario import ALIASES, RULE_KEYS, BadScenario

SELECTORS = {"site": "site_code", "datastream": "code", "observed_property": "observed_property"}


@dataclass(frozen=True, slots=True)
class DraftRule:
    """``where`` is a column of ``facts.streams`` → what it must be."""

    name: str
    values: Values
    where: dict[str, str]


def read(path: Path) -> list[DraftRule]:
    """The rules of a file.  Raises BadScenario, OSError."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path.name}: {str(error).splitlines()[0]}") from error
    given = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(given, list) or not given:
        raise BadScenario(f"{path.name}: needs rules, a list with at least one")
    return [rule(entry, f"rules[{i}]") for i, entry in enumerate(given)]


def table(rules: list[DraftRule], streams: pa.Table) -> tuple[RuleTable, np.ndarray]:
    """The rules for every datastream they are for, and for each rule id (its row) its place in ``rules``.

    Raises BadScenario for a rule that is for no datastream at all.
    """
    ids = streams["datastream"].to_numpy().astype(np.int64)
    parts: list[tuple[np.ndarray, int, Values]] = []
    for number, one in enumerate(rules):
        fits = np.ones(len(ids), bool)
        for name, wanted in one.where.items():
            fits &= np.array([text == wanted for text in streams[name].to_pylist()], bool)
        if not fits.any():
            raise BadScenario(f"rules[{number}] ({one.name}): no datastream fits")
        parts.append((ids[fits], number, one.values))

    def column(name: str) -> np.ndarray:
        return np.concatenate([np.full(len(d), float(getattr(v, name) or 0.0)) for d, _, v in parts])

    datastream = np.concatenate([d for d, _, _ in parts])
    setpoint = [np.full(len(d), np.nan if v.setpoint is None else v.setpoint) for d, _, v in parts]
    made = RuleTable(
        rule_id=np.arange(len(datastream)),
        datastream_id=datastream,
        kind=np.concatenate([np.full(len(d), CODES.index(v.kind), np.int64) for d, _, v in parts]),
        setpoint=np.concatenate(setpoint),
        deadband=column("deadband"),
        **{name: column(name).astype(np.int64) for name in ("on_delay_ms", "off_delay_ms", "window_ms")},
        armed_ms=np.zeros(len(datastream), np.int64),
    )
    return made, np.concatenate([np.full(len(d), number, np.int64) for d, number, _ in parts])


def rule(entry: Any, place: str) -> DraftRule:
    """One rule; ``place`` is named in what is wrong with it.  Raises BadScenario."""
    known = {"name", *SELECTORS, *RULE_KEYS}
    if not isinstance(entry, dict) or (unknown := sorted(set(map(str, entry)) - known)):
        what = unknown[0] if isinstance(entry, dict) else entry
        raise BadScenario(f"{place}: {what!r} is not known; known: {', '.join(sorted(known))}")
    kind = ALIASES.get(str(entry.get("kind", "")), str(entry.get("kind", "")))
    parameters: dict[str, Any] = {}
    try:
        for key, name in RULE_KEYS.items():
            if key != "kind" and key in entry:
                parameters[name] = parse_ms(entry[key]) if name.endswith("_ms") else entry[key]
        values = check(kind, parameters)
    except (BadRule, BadDuration) as error:
        raise BadScenario(f"{place}: {error}") from error
    where = {column: str(entry[key]) for key, column in SELECTORS.items() if key in entry}
    return DraftRule(str(entry.get("name", kind)), values, where)
