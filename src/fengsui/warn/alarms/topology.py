"""Relations of assets and rules of folding as ``folding`` wants them, read again when they changed.

A thing is the asset 2·id, a site 2·id + 1: relations name either.
"""

from dataclasses import dataclass
from typing import Any

from fengsui.sense.devices.relations import CONTAINED
from fengsui.warn.folding import DEFAULTS, FoldRule, Topology, read_table

KEY = """
SELECT coalesce((SELECT string_agg(name || number, ' ' ORDER BY name) FROM changes_change
                 WHERE name IN ('relations', 'folding', 'registry')), ''),
       coalesce((SELECT max(id) FROM devices_assetrelation), 0), coalesce((SELECT max(id) FROM alarms_foldtable), 0)
"""
ACTIVE = "(SELECT * FROM devices_assetrelation WHERE is_active)"
EDGES = f"""
SELECT kind, 2 * upstream_thing_id, coalesce(2 * thing_id, 2 * site_id + 1) FROM {ACTIVE} r
WHERE upstream_thing_id IS NOT NULL
UNION ALL SELECT 'contains', c.* FROM ({CONTAINED.format(relations=ACTIVE)}) c
UNION ALL SELECT DISTINCT 'neighbour', 2 * a.thing_id, 2 * b.thing_id FROM {ACTIVE} r
JOIN devices_datastream a ON a.site_id = r.upstream_site_id
JOIN devices_datastream b ON b.site_id = r.site_id AND b.observed_property_id = a.observed_property_id
WHERE r.kind = 'neighbour' AND r.upstream_thing_id IS NULL
"""  # noqa: S608 - our own fragments
TABLE = "SELECT rows FROM alarms_foldtable ORDER BY since DESC, id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Known:
    """``reach_ms``: an episode that cleared longer ago than this explains nothing, and nothing explains it anew."""

    key: tuple[Any, ...]
    topology: Topology
    rules: tuple[FoldRule, ...]
    reach_ms: int


_known: Known | None = None


def known(cursor: Any) -> Known:
    """What is in force now; one small query while nothing changed."""
    global _known
    cursor.execute(KEY)
    key = cursor.fetchone()
    if _known is None or _known.key != key:
        cursor.execute(EDGES)
        topology = Topology(cursor.fetchall())
        cursor.execute(TABLE)
        row = cursor.fetchone()
        rules = DEFAULTS if row is None else read_table(_rows(row[0]))
        reach = max((r.before_ms + r.after_ms + r.linger_ms for r in rules), default=0)
        _known = Known(key, topology, rules, reach)
    return _known


def _rows(value: Any) -> Any:
    import json

    return json.loads(value) if isinstance(value, str) else value
