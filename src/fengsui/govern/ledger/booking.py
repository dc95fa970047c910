"""Counting readings at the boundaries and writing the counts down, in the transaction that makes them true.

The counts of an epoch are one small matrix: a row for each source and minute, a column for each boundary and outcome.
Rows of readings are counted by ``numpy.bincount``, never one by one.
"""

import numpy as np
from django.db import connection

BOUNDARIES = ("gateway", "pipeline", "history")
GATEWAY, PIPELINE, HISTORY = range(3)
RECEIVED, STORED, DUPLICATE, QUARANTINED = range(4)
MINUTE_MS = 60_000

LineRow = tuple[str, str, int, int, int, int, int]  # boundary, source, minute_ms, and the four counts

BOOK = """
INSERT INTO ledger_line (boundary, source, minute, received, stored, duplicate, quarantined)
SELECT b, s, to_timestamp(m / 1000), r, st, d, q
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
     AS t (b, s, m, r, st, d, q)
ON CONFLICT (boundary, source, minute) DO UPDATE SET
    received = ledger_line.received + excluded.received,
    stored = ledger_line.stored + excluded.stored,
    duplicate = ledger_line.duplicate + excluded.duplicate,
    quarantined = ledger_line.quarantined + excluded.quarantined
"""


class Counts:
    """The counts of one epoch.  A *line* is the index of a source and minute, given by ``line``."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, int], int] = {}
        self._counts = np.zeros((16, len(BOUNDARIES), 4), np.int64)

    def __len__(self) -> int:
        return len(self._lines)

    def line(self, source: str, received_ms: int) -> int:
        """The line of what ``source`` sent and we received in the minute of ``received_ms``."""
        key = (source, received_ms // MINUTE_MS)
        if (known := self._lines.get(key)) is not None:
            return known
        if len(self._lines) == len(self._counts):
            self._counts = np.concatenate((self._counts, np.zeros_like(self._counts)))
        self._lines[key] = len(self._lines)
        return self._lines[key]

    def add(self, boundary: int, outcome: int, lines: np.ndarray) -> None:
        """Count one reading for each entry of ``lines`` (int [n])."""
        if len(lines):
            counted = np.bincount(lines)
            self._counts[: len(counted), boundary, outcome] += counted

    def add_each(self, boundary: int, outcome: int, lines: np.ndarray, numbers: np.ndarray) -> None:
        """Count ``numbers`` (int64 [k]) readings on ``lines`` (int [k], one may come again)."""
        np.add.at(self._counts[:, boundary, outcome], lines, numbers)

    def add_one(self, boundary: int, outcome: int, line: int, number: int = 1) -> None:
        """Count ``number`` readings on one line."""
        self._counts[line, boundary, outcome] += number

    def pass_on(self, boundary: int, outcome: int, to_boundary: int, to_outcome: int) -> None:
        """What left one boundary arrives at the next."""
        self._counts[:, to_boundary, to_outcome] += self._counts[:, boundary, outcome]

    def totals(self) -> list[list[int]]:
        """By boundary and outcome, all sources and minutes together."""
        totals: list[list[int]] = self._counts.sum(axis=0).tolist()
        return totals

    def rows(self) -> list[LineRow]:
        """What is not zero, in one order for everybody (no deadlock between partitions)."""
        out: list[LineRow] = []
        for (source, minute), line in self._lines.items():
            for boundary, counts in zip(BOUNDARIES, self._counts[line].tolist(), strict=True):
                if any(counts):
                    out.append((boundary, source, minute * MINUTE_MS, *counts))
        return sorted(out)


def book(rows: list[LineRow]) -> None:
    """Add the counts to the ledger; belongs into the transaction of the epoch."""
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(BOOK, [list(column) for column in zip(*rows, strict=True)])
