"""The statements of ``episodes``: put together from our own fragments only; values are parameters."""
# ruff: noqa: S608

EPOCH = "(timestamptz 'epoch' + {} * interval '1 millisecond')"

EVENTS = """unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::bigint[], %s::float8[], %s::bigint[],
    %s::bigint[], %s::text[]) AS e(rule_id, time_ms, value, started_ms, peak_value, peak_ms, received_ms, grounds)"""
KEY = "e.rule_id || ':' || e.started_ms"

RAISE = f"""
INSERT INTO alarms_alarm (key, rule_id, rule_version, datastream_id, site_id, org_id, org_path, kind,
    priority, setpoint, raised_at, raised_value, peak_value, peak_at, shelved_until, is_suppressed,
    received_at, grounds, ack_note, created_at)
SELECT {KEY}, r.id, r.version, d.id, s.id, s.org_id, s.org_path,
    CASE WHEN e.grounds IS NULL THEN r.kind ELSE 'scenario' END, r.priority, r.setpoint,
    {EPOCH.format("e.started_ms")}, e.value, e.peak_value, {EPOCH.format("e.peak_ms")},
    CASE WHEN r.shelved_until > clock_timestamp() THEN r.shelved_until END, d.stopped_at IS NOT NULL,
    {EPOCH.format("e.received_ms")}, e.grounds::jsonb, '', clock_timestamp()
FROM {EVENTS}
JOIN alarms_rule r ON r.id = e.rule_id AND r.shadow_of_id IS NULL
JOIN devices_datastream d ON d.id = r.datastream_id
JOIN devices_site s ON s.id = d.site_id
ORDER BY e.started_ms, e.rule_id
ON CONFLICT (key) DO NOTHING
RETURNING id, key, shelved_until IS NULL AND NOT is_suppressed
"""

CLEAR = f"""
WITH mine AS (
    SELECT a.id, e.* FROM {EVENTS} JOIN alarms_alarm a ON a.key = {KEY}
    WHERE a.cleared_at IS NULL ORDER BY a.id FOR UPDATE OF a
)
UPDATE alarms_alarm a SET cleared_at = greatest({EPOCH.format("e.time_ms")}, a.raised_at),
    cleared_value = e.value, peak_value = coalesce(e.peak_value, a.peak_value),
    peak_at = coalesce({EPOCH.format("e.peak_ms")}, a.peak_at)
FROM mine e
WHERE a.id = e.id
RETURNING a.id, a.key
"""

END_OLDER = """
UPDATE alarms_alarm a SET cleared_at = n.raised_at
FROM (SELECT rule_id, max(raised_at) AS raised_at FROM alarms_alarm WHERE id = ANY(%s) GROUP BY rule_id) n
WHERE a.rule_id = n.rule_id AND a.cleared_at IS NULL AND a.raised_at < n.raised_at
RETURNING a.id, a.key
"""

PEAKS = f"""
UPDATE alarms_alarm a SET peak_value = e.peak_value, peak_at = {EPOCH.format("e.peak_ms")}
FROM {EVENTS}
WHERE a.key = {KEY} AND a.cleared_at IS NULL AND e.peak_value IS NOT NULL
    AND (a.peak_value, a.peak_at) IS DISTINCT FROM (e.peak_value, {EPOCH.format("e.peak_ms")})
"""

END_UNKNOWN = f"""
UPDATE alarms_alarm SET cleared_at = greatest({EPOCH.format("%s")}, raised_at), refold_at = clock_timestamp()
WHERE cleared_at IS NULL AND site_id %% %s = %s AND key <> ALL(%s)
    AND kind <> ALL(ARRAY['detector', 'truth'])
RETURNING id, key
"""

RULES = """
SELECT r.id, r.shadow_of_id IS NOT NULL, d.thing_id FROM alarms_rule r
JOIN devices_datastream d ON d.id = r.datastream_id WHERE r.id = ANY(%s)
"""

MS = "round(extract(epoch FROM {}) * 1000)::bigint"
OF_PART = f"""
SELECT a.id, a.key, 2 * d.thing_id, a.kind, p.code, a.priority, {MS.format("a.raised_at")},
    {MS.format("a.cleared_at")}, a.org_path, a.is_suppressed OR coalesce(a.shelved_until > %s, false),
    a.parent_id, a.cause_id, a.fold_rule, {MS.format("a.refold_at")},
    NOT a.is_suppressed AND a.shelved_until IS NULL
FROM alarms_alarm a JOIN devices_datastream d ON d.id = a.datastream_id
JOIN devices_observedproperty p ON p.id = d.observed_property_id
WHERE """
PART = f"""
{OF_PART} a.cleared_at IS NULL AND d.thing_id = ANY(%s)
UNION ALL {OF_PART} a.cleared_at >= %s AND d.thing_id = ANY(%s)
"""
FOLDED_OF = f"""
{OF_PART.replace("%s", "clock_timestamp()")} a.cleared_at IS NULL AND a.parent_id IS NOT NULL
    AND d.thing_id = ANY(%s) FOR UPDATE OF a
"""
FOLD = """
UPDATE alarms_alarm a SET parent_id = n.parent, cause_id = n.cause, fold_rule = n.rule, fold_relation = n.relation,
    fold_hops = n.hops, fold_lag_ms = n.lag,
    folded_at = CASE WHEN n.parent IS NULL THEN NULL WHEN a.parent_id = n.parent THEN coalesce(a.folded_at, %s)
        ELSE %s END
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::int[], %s::bigint[])
    AS n(id, parent, cause, rule, relation, hops, lag)
WHERE a.id = n.id
"""
COUNT = """
UPDATE alarms_alarm p SET folded_count = c.n
FROM (SELECT u.id, count(a.id) AS n FROM unnest(%s::bigint[]) u(id)
      LEFT JOIN alarms_alarm a ON a.parent_id = u.id GROUP BY u.id) c
WHERE p.id = c.id AND p.folded_count <> c.n
RETURNING p.id, p.key
"""
LOOK_AGAIN = f"""
UPDATE alarms_alarm a SET refold_at = {EPOCH.format("n.at")}
FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, at) WHERE a.id = n.id
"""
DEEDS_NOTED = """
INSERT INTO alarms_deed (alarm_id, at, what, actor_name, note)
SELECT n.id, %s, %s, '', n.note FROM unnest(%s::bigint[], %s::text[]) AS n(id, note) ORDER BY n.id
"""
MOVED = """
SELECT coalesce(sum(number) FILTER (WHERE name IN ('relations', 'folding')), 0)::bigint,
    coalesce(sum(number) FILTER (WHERE name = %s), 0)::bigint FROM changes_change
"""
FOLLOW = """
INSERT INTO changes_change (name, number) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET number = excluded.number
"""
ACTIVE_THINGS = """
SELECT DISTINCT d.thing_id FROM alarms_alarm a JOIN devices_datastream d ON d.id = a.datastream_id
WHERE a.cleared_at IS NULL
"""
DUE = f"""
SELECT a.id, d.thing_id, {MS.format("a.raised_at")} FROM alarms_alarm a
JOIN devices_datastream d ON d.id = a.datastream_id WHERE a.refold_at <= %s
"""
LOOKED_AT = "UPDATE alarms_alarm SET refold_at = NULL WHERE id = ANY(%s) AND refold_at <= %s"

RAISE_SHADOW = f"""
INSERT INTO alarms_shadowepisode (key, rule_id, raised_at, raised_value, peak_value, peak_at, grounds)
SELECT {KEY}, e.rule_id, {EPOCH.format("e.started_ms")}, e.value, e.peak_value, {EPOCH.format("e.peak_ms")},
    e.grounds::jsonb
FROM {EVENTS}
ORDER BY e.started_ms, e.rule_id
ON CONFLICT (key) DO NOTHING
RETURNING id
"""

CLEAR_SHADOW = f"""
UPDATE alarms_shadowepisode a SET cleared_at = greatest({EPOCH.format("e.time_ms")}, a.raised_at),
    cleared_value = e.value, peak_value = coalesce(e.peak_value, a.peak_value),
    peak_at = coalesce({EPOCH.format("e.peak_ms")}, a.peak_at)
FROM {EVENTS}
WHERE a.key = {KEY} AND a.cleared_at IS NULL
"""

END_OLDER_SHADOW = END_OLDER.replace("alarms_alarm", "alarms_shadowepisode")

END_UNKNOWN_SHADOW = f"""
UPDATE alarms_shadowepisode a SET cleared_at = greatest({EPOCH.format("%s")}, raised_at)
FROM alarms_rule r JOIN devices_datastream d ON d.id = r.datastream_id
WHERE r.id = a.rule_id AND a.cleared_at IS NULL AND d.site_id %% %s = %s AND a.key <> ALL(%s)
"""

DEED = """
INSERT INTO alarms_deed (alarm_id, at, what, actor_name, note)
SELECT id, {what}_at, '{what}', '', %s FROM alarms_alarm WHERE id = ANY(%s) ORDER BY id
"""
DEEDS = {what: DEED.format(what=what) for what in ("raised", "cleared")}
