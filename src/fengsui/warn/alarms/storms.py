"""When a site raises more alarms than anybody can take in: begun where alarms are recorded, ended by the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from fengsui.stores import clock
from fengsui.warn.folding.storm import FLOOD_FROM, WINDOW_MS, is_storm

SITES = "SELECT DISTINCT site_id FROM alarms_alarm WHERE id = ANY(%s) AND raised_at > %s"
RAISED = (
    "SELECT site_id, count(*) FROM alarms_alarm WHERE site_id = ANY(%s) AND raised_at > %s GROUP BY site_id"
)
BEGIN = """
INSERT INTO alarms_storm AS s (site_id, began_at, raised, peak)
SELECT u.site, %s, u.n, u.n FROM unnest(%s::int[], %s::int[]) u (site, n) ORDER BY u.site
ON CONFLICT (site_id) WHERE ended_at IS NULL
DO UPDATE SET raised = excluded.raised, peak = greatest(s.peak, excluded.raised)
"""
OPEN = "SELECT id, site_id FROM alarms_storm WHERE ended_at IS NULL ORDER BY site_id FOR UPDATE SKIP LOCKED"
NOW = """
UPDATE alarms_storm s SET raised = u.n, ended_at = CASE WHEN u.over THEN %s::timestamptz END
FROM unnest(%s::bigint[], %s::int[], %s::bool[]) u (id, n, over)
WHERE s.id = u.id AND (s.raised <> u.n OR u.over)
"""


def follow(cursor: Any, raised: Sequence[int]) -> None:
    """Alarms with these ids were just raised: a storm may begin, or have grown."""
    now = clock.now()
    since = now - timedelta(milliseconds=WINDOW_MS)
    cursor.execute(SITES, [list(raised), since])
    sites = [row[0] for row in cursor.fetchall()]
    if not sites:
        return
    cursor.execute(RAISED, [sites, since])
    many = [(site, n) for site, n in cursor.fetchall() if n >= FLOOD_FROM]
    if many:
        cursor.execute(BEGIN, [now, [site for site, _ in many], [n for _, n in many]])


@transaction.atomic
def settle(now: datetime) -> int:
    """End the storms that are over; returns how many ended."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN)
        storms = cursor.fetchall()
        if not storms:
            return 0
        cursor.execute(RAISED, [[site for _, site in storms], now - timedelta(milliseconds=WINDOW_MS)])
        counts: dict[int, int] = dict(cursor.fetchall())
        found = [counts.get(site, 0) for _, site in storms]
        over = [not is_storm(n, was_storm=True) for n in found]
        cursor.execute(NOW, [now, [pk for pk, _ in storms], found, over])
        return sum(over)
