"""Scenario rules in force as the pipeline wants them."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import structlog
from django.conf import settings
from django.utils import timezone

from fengsui.base.errors import BadInput
from fengsui.warn.alarms.models import Rule
from fengsui.warn.expressions import Checked, CompoundRow, Input, check, parse, tabulate
from fengsui.warn.expressions.in_force import NONE, About, InForce
from fengsui.warn.expressions.table import Watched, alarms_of
from fengsui.warn.scenarios.models import Binding, ScenarioRule

log = structlog.get_logger()
COLUMNS = (
    "pk", "version", "expression", "clear", "parameters", "for_ms", "clear_for_ms", "armed_at", "datastream_id",
    "rule_id", "code", "name", "name_en", "cause", "cause_en",
)  # fmt: skip


def load(partition: int = 0, partitions: int = 1) -> InForce:
    """The scenario rules in force of a partition (site id modulo ``partitions``), and drafts in shadow beside them.

    One that does not check any more (a unit was changed, a datastream taken out of use) is left out and named in the
    log: it is not in force, the others are.
    """
    rows = ScenarioRule.every.filter(
        is_enabled=True, withdrawn_at=None, site__is_active=True, rule__withdrawn_at=None, rule__is_enabled=True,
        datastream__is_active=True,
    ).order_by("pk")  # fmt: skip
    if partitions > 1:
        rows = rows.extra(where=["scenarios_scenariorule.site_id %% %s = %s"], params=[partitions, partition])
    found = list(rows.values_list(*COLUMNS))
    if not found:
        return NONE
    bound = _bindings([row[0] for row in found])
    ahead = offset_min()
    listed, stream, ordinary, about = [], [], [], []
    for (
        pk,
        version,
        when,
        clear,
        parameters,
        for_ms,
        clear_for_ms,
        armed_at,
        own,
        rule,
        code,
        *words,
    ) in found:
        names = bound.get(pk, [])
        inputs = tuple((b.name, b.datastream.unit or "1", b.max_age_ms) for b in names)
        try:
            checked = checked_of(when, clear, inputs, tuple(sorted(parameters.items())))
        except BadInput as error:
            log.error("scenario.not_in_force", scenario=pk, code=code, error=str(error))
            continue
        by_name = {b.name: b for b in names}
        listed.append(
            CompoundRow(
                pk, version, checked, {name: by_name[name].datastream_id for name in checked.names}, for_ms,
                clear_for_ms, ahead, round(armed_at.timestamp() * 1000),
            )
        )  # fmt: skip
        stream.append(own)
        ordinary.append(rule)
        said = dict(zip(("name", "name_en", "cause", "cause_en"), words, strict=True))
        said |= {"scenario": pk, "version": version, "expression": when, "parameters": parameters}
        about.append(About(said, tuple(_named(by_name[name]) for name in checked.names)))
    asked = alarms_of(listed)
    rules = Rule.objects.filter(
        datastream__in={d for d, _ in asked},
        kind__in={k for _, k in asked},
        withdrawn_at=None,
        is_enabled=True,
    )
    found_rules = rules.order_by("pk").values_list("pk", "datastream_id", "kind")
    watched = [Watched(*row) for row in found_rules if row[1:] in asked]
    table = tabulate(listed, watched)
    _compile()
    own, alarms = np.array(stream, np.int32), np.array(ordinary, np.int64)
    return InForce(table, own, alarms, tuple(about), (tuple(listed), tuple(watched)))


@lru_cache(maxsize=4096)
def checked_of(
    when: str, clear: str, inputs: tuple[tuple[str, str, int], ...], parameters: tuple[tuple[str, str], ...]
) -> Checked:
    """A rule's expressions with their names resolved; ``inputs`` are (name, unit, max_age_ms).  Raises BadExpression.

    Most rules come from the library and say the same of things in the same units: those are checked once.
    """
    known: Mapping[str, Input] = {name: Input(unit, age) for name, unit, age in inputs}
    second = (clear, parse(clear)) if clear.strip() else None
    return check(when, parse(when), known, dict(parameters), second)


def _bindings(scenarios: list[int]) -> dict[int, list[Binding]]:
    rows = Binding.objects.filter(scenario__in=scenarios).select_related("datastream")
    ordered = rows.order_by("scenario_id", "name")
    return {pk: list(mine) for pk, mine in groupby(ordered, key=lambda b: b.scenario_id)}


def _named(binding: Binding) -> dict[str, Any]:
    stream = binding.datastream
    return {
        "name": binding.name, "datastream": stream.pk, "zh": stream.name, "en": stream.name_en or stream.name,
        "unit": stream.unit, "decimals": stream.decimals,
    }  # fmt: skip


def offset_min() -> int:
    """Local time ahead of UTC, as it is now; China has no summer time."""
    offset = timezone.now().astimezone(ZoneInfo(settings.TIME_ZONE)).utcoffset()
    return round(offset.total_seconds() / 60) if offset else 0


def _compile() -> None:
    """The kernel, in the loader's thread: whoever has no scenario rules never waits for it nor holds it."""
    from fengsui.warn.expressions.kernel import warm_up

    warm_up()
