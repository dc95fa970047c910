"""Which configuration changed: counters that database triggers raise, polled by roles that keep a copy in memory.

    class Migration(migrations.Migration):
        dependencies = [("changes", "0002_bump"), …]
        operations = [changes.bump_on_change("alarms_rule", "rules")]

The triggers fire once a statement, whoever made the change: a service, the admin, an import or psql.  A counter becomes
visible when its transaction commits, never before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

import structlog
from django.db import DatabaseError, connection
from django.db.migrations import RunSQL  # by name: "migrations" would be shadowed by our own sub-package

log = structlog.get_logger()
T = TypeVar("T")

POLL_S = 1.0


def bump_on_change(table: str, name: str) -> RunSQL:
    """A migration operation: INSERT, UPDATE, DELETE or TRUNCATE on ``table`` moves the counter ``name`` by one.

    The migration must depend on ("changes", "0002_bump").  Several counters on one table are fine.
    Raises ValueError for names that are not plain words.
    """
    for word in (table, name):
        if not word.isidentifier():
            raise ValueError(f"not a plain word: {word!r}")
    trigger = f"changes_{name}"
    return RunSQL(
        f"CREATE TRIGGER {trigger} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION changes_bump('{name}');",
        f"DROP TRIGGER {trigger} ON {table};",
    )


def numbers() -> dict[str, int]:
    """Every counter as it is now; a counter that never moved is missing and counts as 0."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, number FROM changes_change")
        return dict(cursor.fetchall())


class ChangeWatch:
    """Tells which of ``names`` (all, when none are given) moved since it last told.

    The first look only remembers, unless ``since`` says what the caller already has.  A watch belongs to one task.
    """

    def __init__(self, *names: str, since: dict[str, int] | None = None) -> None:
        self.names = frozenset(names)
        self.known: dict[str, int] | None = None if since is None else dict(since)

    def look(self) -> set[str]:
        """Read the counters in this thread.  Raises DatabaseError when the database is away."""
        return self._compare(numbers())

    async def poll(self) -> set[str]:
        """The same from a coroutine, in a thread that gives its connection back."""
        return self._compare(await asyncio.to_thread(in_thread, numbers))

    async def follow(self, every_s: float = POLL_S) -> AsyncIterator[set[str]]:
        """Yield each non-empty set of moved counters, for ever.  A database that is away is waited for."""
        away = False
        while True:
            try:
                moved = await self.poll()
                away = False
            except (DatabaseError, OSError) as error:
                moved = set()
                if not away:
                    away = True
                    log.warning("changes.away", error=repr(error))
            if moved:
                yield moved
            await asyncio.sleep(every_s)

    def _compare(self, now: dict[str, int]) -> set[str]:
        if self.names:
            now = {name: now.get(name, 0) for name in self.names}
        before, self.known = self.known, now
        if before is None:
            return set()
        return {name for name in now.keys() | before.keys() if now.get(name, 0) != before.get(name, 0)}


def in_thread(deed: Callable[..., T], *arguments: object) -> T:
    """Run ``deed`` and close this thread's connection after it, so that no pool thread keeps one."""
    try:
        return deed(*arguments)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def bump(names: Iterable[str]) -> None:
    """Move counters by hand, for a change that no table shows."""
    with connection.cursor() as cursor:
        for name in sorted(set(names)):  # one order for everybody: no deadlock
            cursor.execute(
                "INSERT INTO changes_change (name, number) VALUES (%s, 1)"
                " ON CONFLICT (name) DO UPDATE SET number = changes_change.number + 1",
                [name],
            )
