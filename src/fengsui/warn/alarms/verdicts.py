"""What people found out about an alarm: the verdict of its disposal loop once that is closed, as SQL that all share."""

NONE, REAL, FALSE, TEST = range(4)
# What the cause of a closed disposal loop says about its alarm; other causes judge nothing.
COUNTS_AS = {
    "real": REAL,
    "process": REAL,
    "instrument": FALSE,
    "communication": FALSE,
    "setpoint": FALSE,
    "maintenance": TEST,
}
FALSE_OUTCOME = "false_alarm"

# Beside a table of alarms ``a``: its closed loop ``l``, and the verdict of that; the last cause that was given counts.
LOOP = "LEFT JOIN loops_loop l ON l.key = 'alarm:' || a.key AND l.closed_at IS NOT NULL"
VERDICT = f"""CASE WHEN l.id IS NULL THEN {NONE} WHEN l.outcome = '{FALSE_OUTCOME}' THEN {FALSE} ELSE coalesce((
        SELECT CASE d.data ->> 'cause' {" ".join(f"WHEN '{c}' THEN {v}" for c, v in COUNTS_AS.items())} ELSE {NONE} END
        FROM loops_deed d WHERE d.loop_id = l.id AND d.data ->> 'cause' IS NOT NULL ORDER BY d.id DESC LIMIT 1), {NONE})
    END"""  # noqa: S608 - our own words
