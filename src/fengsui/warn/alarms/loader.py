"""Rules as the engine and the scenario runner want them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db import connection

from fengsui.stores import columns
from fengsui.warn.alarms.models import EVERY, Rule
from fengsui.warn.engine import RuleTable
from fengsui.warn.engine.rules import CODES, UNKNOWN
from fengsui.warn.rules import BadRule, Values, check

KIND = " ".join(f"WHEN '{code}' THEN {place}" for place, code in enumerate(CODES))
COLUMNS = {
    "rule_id": ("r.id", "int4"),
    "datastream_id": ("r.datastream_id", "int4"),
    "kind": (f"CASE r.kind {KIND} ELSE {UNKNOWN} END", "int4"),
    "setpoint": ("coalesce(r.setpoint, 'NaN')", "float8"),
    "deadband": ("r.deadband", "float8"),
    "on_delay_ms": ("r.on_delay_ms", "int4"),
    "off_delay_ms": ("r.off_delay_ms", "int4"),
    "window_ms": ("r.window_ms", "int4"),
    "armed_ms": (
        "CASE r.kind WHEN 'silent' THEN (date_part('epoch', r.armed_at) * 1000)::int8 ELSE 0 END",
        "int8",
    ),
}
IN_FORCE = "r.is_enabled AND r.withdrawn_at IS NULL"
A_TIME = 2_000_000  # rules read with one query
BY_ID = f"FROM alarms_rule r WHERE {IN_FORCE} AND r.id BETWEEN %s AND %s"
OURS = " AND EXISTS (SELECT FROM devices_datastream d WHERE d.id = r.datastream_id AND d.site_id %% %s = %s)"
# OFFSET 0 makes the database go by the index: it would rather read the whole table.
BY_DATASTREAM = f"""FROM unnest(%s::int[]) t (id)
CROSS JOIN LATERAL (SELECT * FROM alarms_rule r WHERE r.datastream_id = t.id AND {IN_FORCE} OFFSET 0) r
"""  # noqa: S608 - our own fragments


def rule_tables(partition: int = 0, partitions: int = 1) -> Iterator[RuleTable]:
    """The rules in force of a partition (site id modulo ``partitions``), for ``compile_tables``, some at a time.

    Rules of datastreams that are not active are among them; they have no slot.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(id), max(id) FROM alarms_rule")
        first, last = cursor.fetchone()
    if first is None:
        return
    for begin in range(first, last + 1, A_TIME):
        ours = ([partitions, partition], OURS) if partitions > 1 else ([], "")
        yield _read(BY_ID + ours[1], [begin, begin + A_TIME - 1, *ours[0]])


def rules_of(datastream: np.ndarray) -> RuleTable:
    """The rules in force of these datastreams (int [k])."""
    return _read(BY_DATASTREAM, [datastream.tolist()])


def touched_since(number: int) -> np.ndarray | None:
    """The datastreams whose rules changed after the counter "rules" was at ``number``; None: any may have."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datastream_id FROM alarms_ruletouch WHERE number > %s", [number])
        found = np.array([row[0] for row in cursor], np.int32)
    return None if EVERY in found else found


def _read(source: str, given: list[Any]) -> RuleTable:
    found = columns.read(COLUMNS, source, given)
    return RuleTable(**{n: c.astype(np.int64) if c.dtype == np.int32 else c for n, c in found.items()})


def rules_of_site(code: str) -> list[tuple[str, Values]]:
    """The rules in force at a site as (datastream code, parameters), for scenarios that say ``site:``."""
    found = []
    rules = Rule.objects.in_force().filter(datastream__site__code=code).select_related("datastream")
    for rule in rules.order_by("datastream__code", "pk"):
        parameters = {
            "setpoint": rule.setpoint,
            "deadband": rule.deadband,
            "on_delay_ms": rule.on_delay_ms,
            "off_delay_ms": rule.off_delay_ms,
            "window_ms": rule.window_ms,
        }
        try:
            found.append((rule.datastream.code, check(rule.kind, parameters)))
        except BadRule:
            continue  # the engine refuses it too, and says so when it compiles
    return found
