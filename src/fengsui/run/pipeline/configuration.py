"""What a partition works under: datastreams, rules and policy; read whole once, then what changed.

At a start it comes from the file that the state names, and only what changed since is read from the database: three
million datastreams with their rules take the database most of a minute, the file a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from fengsui.govern.catalogue import columns as catalogue_columns
from fengsui.govern.catalogue.columns import Columns
from fengsui.govern.checks import CheckPolicy
from fengsui.run.pipeline.partition import Snapshot, Stored
from fengsui.stores import changes
from fengsui.warn.alarms import loader
from fengsui.warn.engine import Rules, compile_tables, replace_rules
from fengsui.warn.engine.moving import NOBODY, Watches
from fengsui.warn.engine.rules import Forms, finish
from fengsui.warn.expressions import in_force
from fengsui.warn.expressions.in_force import InForce
from fengsui.warn.fences import loader as fences
from fengsui.warn.scenarios import loader as scenario_rules

FORMAT = 1
READ_ALL = 0.25  # of the datastreams changed: from here on reading everything is the shorter way
OF_COLUMNS = ("datastream", "site", "range_min", "range_max", "frozen_after_ms", "stopped_ms", "site_id")
OF_RULES = ("first", "rule_id", "raise_at", "form")


@dataclass(slots=True)
class Configuration:
    """Registry, rules and policy as read together; ``stored.numbers`` are the change counters they stand for.

    Only counters ever change: when what they count turned out to be the same.
    """

    columns: Columns
    rules: Rules
    policy: CheckPolicy
    stored: Stored
    watches: Watches = NOBODY
    moving: int = -1  # the change counter that ``watches`` stand for; they are read whole, and are in no file
    scenarios: InForce = in_force.NONE
    scenario: int = -1  # the same of ``scenarios``


def load(partition: int, partitions: int) -> Configuration:
    """All of it.  Counters first: a change during reading leads to another reading."""
    *numbers, moving, scenario = counters()
    columns = catalogue_columns.load(partition, partitions)
    rules = compile_tables(loader.rule_tables(partition, partitions), columns.datastream)
    watches = fences.load(partition, partitions)
    scenarios = scenario_rules.load(partition, partitions)
    policy = catalogue_columns.load_policy()
    stored = Stored((numbers[0], numbers[1]))
    return Configuration(columns, rules, policy, stored, watches, moving, scenarios, scenario)


def follow(known: Configuration, partition: int, partitions: int) -> Configuration:
    """What is in force now, by reading what changed since ``known``; ``known`` itself when nothing of it did."""
    slots, ruled, moving, scenario = counters()
    numbers = slots, ruled
    if numbers[0] < known.stored.numbers[0] or numbers[1] < known.stored.numbers[1]:
        return load(partition, partitions)  # another database, or an older one brought back
    policy = catalogue_columns.load_policy()
    columns = known.columns
    if numbers[0] != known.stored.numbers[0]:
        columns = catalogue_columns.load(partition, partitions)
        columns = known.columns if columns.same_as(known.columns) else columns
    touched = loader.touched_since(known.stored.numbers[1])
    if touched is None or len(touched) > READ_ALL * columns.n_slots + 1000:
        return load(partition, partitions)
    rules = known.rules
    fresh = columns.datastream[known.columns.slots(columns.datastream) < 0]
    asked = np.union1d(fresh, touched[columns.slots(touched) >= 0]).astype(np.int32)
    if len(asked) or columns is not known.columns:
        part = compile_tables([loader.rules_of(asked)], asked)
        if columns is not known.columns or not part.same_as(known.rules.of(asked)):
            rules = replace_rules(known.rules, columns.datastream, part)
    watches = known.watches
    if moving != known.moving or columns is not known.columns:
        watches = fences.load(partition, partitions)
    scenarios = known.scenarios
    ruled_anew = rules is not known.rules and scenarios.waits_for_rules
    if scenario != known.scenario or columns is not known.columns or ruled_anew:
        scenarios = scenario_rules.load(partition, partitions)
        scenarios = known.scenarios if scenarios.same_as(known.scenarios) else scenarios
    if (
        columns is known.columns
        and rules is known.rules
        and policy == known.policy
        and watches is known.watches
        and scenarios is known.scenarios
    ):
        known.stored.numbers, known.scenario = numbers, scenario
        return known
    same = columns is known.columns and rules is known.rules
    stored = Stored(numbers, known.stored.file if same else "")
    return Configuration(columns, rules, policy, stored, watches, moving, scenarios, scenario)


def changed_since(known: Configuration) -> bool:
    """Whether ``follow`` has anything to look at."""
    return (
        counters() != (*known.stored.numbers, known.moving, known.scenario)
        or catalogue_columns.load_policy() != known.policy
    )


def counters() -> tuple[int, int, int, int]:
    """The numbers of "slots", "rules", "moving" and "scenarios"."""
    found = changes.numbers()
    return tuple(found.get(name, 0) for name in ("slots", "rules", "moving", "scenarios"))  # type: ignore[return-value]


def parts(snapshot: Snapshot) -> dict[str, np.ndarray]:
    """The configuration of a snapshot as ``stores.checkpoints.states.save`` writes it; the policy is never kept."""
    columns, rules = snapshot.columns, snapshot.state.rules
    return {
        "format": np.array(FORMAT),
        "partitions": np.array(snapshot.partitions),
        "numbers": np.array(snapshot.stored.numbers),
        **{f"columns.{name}": getattr(columns, name) for name in OF_COLUMNS},
        "columns.org_path": np.array(columns.org_path, np.str_),
        **{f"rules.{name}": getattr(rules, name) for name in OF_RULES},
        **{f"forms.{f.name}": getattr(rules.forms, f.name) for f in fields(Forms)},
    }


def recall(
    found: Mapping[str, np.ndarray], file: str, partitions: int, policy: CheckPolicy
) -> Configuration | None:
    """The configuration that ``parts`` gave; None when it is that of another version or division."""
    if int(found["format"]) != FORMAT or int(found["partitions"]) != partitions:
        return None
    slots, rules = (int(n) for n in found["numbers"])
    columns = catalogue_columns.arrange(
        [found[f"columns.{name}"] for name in OF_COLUMNS[:-1]],
        found["columns.site_id"],
        found["columns.org_path"].tolist(),
    )
    forms = Forms(*(found[f"forms.{f.name}"] for f in fields(Forms)))
    first, rule_id, raise_at, form = (found[f"rules.{name}"] for name in OF_RULES)
    compiled = finish(columns.datastream, first, rule_id, raise_at, form, forms)
    return Configuration(columns, compiled, policy, Stored((slots, rules), file))
