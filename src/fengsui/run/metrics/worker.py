"""What the role worker counts, and what it looks up in the database and on the disk every ten seconds.

Everybody's numbers (jobs, history, database, disk) come from the worker because it has the database at hand, whichever
database it is.  With several workers each says them: take ``max`` over ``id``.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fengsui.run import settings
from fengsui.run.metrics.samples import Sample, by, one

LOOK_S = 10.0
JOBS = "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1"
HISTORY = "SELECT coalesce(sum(bytes), 0), coalesce(sum(rows), 0), count(*) FROM history_segment"
DATABASE = """
SELECT pg_database_size(datname), xact_commit, xact_rollback
FROM pg_stat_database WHERE datname = current_database()
"""
CONNECTIONS = """
SELECT coalesce(state, 'none'), count(*)
FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1
"""


class WorkerMeter:
    """``look`` runs in the thread with the database; ``samples`` in the event loop."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter({"handled": 0, "failed": 0, "put_off": 0, "dead": 0})
        self.escalations = 0
        self._looked_at = -LOOK_S
        self._seen: list[Sample] = []

    def handed(self, done: Any) -> None:
        """Count what one drain of the outbox did."""
        for result in self.events:
            self.events[result] += getattr(done, result)

    def escalated(self, number: int) -> None:
        self.escalations += number

    def look(self) -> None:
        """Look again, when the last look is old.  Raises DatabaseError and OSError."""
        if time.monotonic() - self._looked_at < LOOK_S:
            return
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(JOBS)
            jobs = {"todo": 0, "doing": 0, "failed": 0, **dict(cursor.fetchall())}
            cursor.execute(HISTORY)
            size, readings, segments = cursor.fetchone()
            cursor.execute(DATABASE)
            database, commits, rollbacks = cursor.fetchone()
            cursor.execute(CONNECTIONS)
            connections = dict(cursor.fetchall())
        disk = shutil.disk_usage(settings.home())
        self._seen = [
            *by("jobs", "state", jobs),
            one("history_bytes", size),
            one("history_readings", readings),
            one("history_segments", segments),
            one("db_size_bytes", database),
            one("db_commits", commits),
            one("db_rollbacks", rollbacks),
            *by("db_connections", "state", connections),
            one("disk_free_bytes", disk.free),
            one("disk_size_bytes", disk.total),
        ]
        self._looked_at = time.monotonic()

    def samples(self, lag: dict[str, Any]) -> Iterator[Sample]:
        """``lag`` is that of the heartbeat."""
        if lag:
            yield one("outbox_pending", lag["outbox"])
            yield one("outbox_age_seconds", lag["outbox_ms"] / 1000)
            yield one("outbox_dead", lag["outbox_dead"])
            yield one("loops_overdue", lag["overdue"])
        yield from by("outbox_events", "result", self.events)
        yield one("loops_escalated", self.escalations)
        yield from self._seen
