"""Each gateway instance numbers its messages 1, 2, 3 … per partition: a number that was passed over is a loss."""

from dataclasses import dataclass

from django.db import connection


@dataclass(slots=True)
class Seen:
    """The last number of a writer and how many were passed over in all."""

    number: int = 0
    missing: int = 0


class Writers:
    """The writers of one partition as far as they were read."""

    def __init__(self, seen: dict[str, Seen] | None = None) -> None:
        self._seen = seen or {}
        self._moved: set[str] = set()

    @classmethod
    def read(cls, partition: int) -> "Writers":
        """As committed."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT gateway, number, missing FROM checkpoints_writer WHERE partition = %s", [partition]
            )
            return cls({gateway: Seen(number, missing) for gateway, number, missing in cursor.fetchall()})

    def note(self, gateway: str, number: int) -> int:
        """A message was read; returns how many before it are missing.  A repeat is neither new nor missing."""
        seen = self._seen.setdefault(gateway, Seen())
        gap = max(number - seen.number - 1, 0)
        if number > seen.number:
            seen.number = number
            seen.missing += gap
            self._moved.add(gateway)
        return gap

    def take_moved(self) -> list[tuple[str, int, int]]:
        """(gateway, number, missing) of the writers that moved since the last call."""
        rows = [(g, self._seen[g].number, self._seen[g].missing) for g in sorted(self._moved)]
        self._moved.clear()
        return rows


def write(partition: int, moved: list[tuple[str, int, int]]) -> None:
    """Keep what ``take_moved`` gave; belongs into the transaction of its epoch."""
    if not moved:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO checkpoints_writer (gateway, partition, number, missing, seen_at)
               SELECT g, %s, n, m, now() FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS t (g, n, m)
               ON CONFLICT (gateway, partition) DO UPDATE
               SET number = excluded.number, missing = excluded.missing, seen_at = excluded.seen_at""",
            [partition, *(list(column) for column in zip(*moved, strict=True))],
        )
