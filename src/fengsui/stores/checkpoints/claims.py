"""Who owns a partition.  Exactly one pipeline may commit to it, and it can prove that in the commit itself.

A session lock of PostgreSQL (``Lock``) makes a second pipeline wait.  Should the lock be lost with its connection, the
``owner`` and ``epoch`` of the checkpoint row still decide: a commit under an epoch that has passed changes nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

import psycopg
from django.db import connection

LOCK_CLASS = 0x46E6  # any number that is ours alone among PostgreSQL's advisory locks


class Superseded(Exception):
    """Another pipeline has claimed this partition; this one must stop and change nothing more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to commit to ``partition``, and how far it is."""

    partition: int
    owner: str
    epoch: int
    stream_seq: int
    state_seq: int
    state_file: str


class Lock:
    """A session lock on one partition, on a connection of its own, held until ``release`` or death."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._connection: psycopg.Connection[Any] | None = None

    def try_take(self) -> bool:
        """True when this process holds it now.  Raises psycopg.Error."""
        if self._connection is None or self._connection.closed:
            parameters = {k: v for k, v in connection.get_connection_params().items() if k in _KEYS}
            self._connection = psycopg.connect(**parameters, autocommit=True, application_name="fengsui-lock")
        row = self._connection.execute(
            "SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, self._partition]
        ).fetchone()
        return bool(row and row[0])

    def end_holder(self) -> None:
        """End the connection of whoever holds it: a process that hangs, a lost machine.  Raises psycopg.Error."""
        if self._connection is not None:
            self._connection.execute(
                """SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
                   AND classid = %s AND objid = %s AND objsubid = 2
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND pid <> pg_backend_pid()""",
                [LOCK_CLASS, self._partition],
            )

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_KEYS = ("dbname", "user", "password", "host", "port")


def claim(partition: int, owner: str) -> Claim:
    """Become the owner; every other one's next commit fails.  Call it with the lock in hand."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO checkpoints_checkpoint
                 (partition, stream_seq, state_seq, state_file, owner, epoch, committed_at)
               VALUES (%s, 0, 0, '', %s, 1, now())
               ON CONFLICT (partition) DO UPDATE SET owner = excluded.owner, epoch = checkpoints_checkpoint.epoch + 1
               RETURNING epoch, stream_seq, state_seq, state_file""",
            [partition, owner],
        )
        return Claim(partition, owner, *cursor.fetchone())


def next_of(held: Claim, stream_seq: int, state: tuple[int, str] | None) -> Claim:
    """The claim after a commit up to ``stream_seq``.

    ``state`` is the sequence and the file of a new state, None to leave the one before in force.
    """
    state_seq, state_file = state or (held.state_seq, held.state_file)
    return replace(
        held, epoch=held.epoch + 1, stream_seq=stream_seq, state_seq=state_seq, state_file=state_file
    )


def advance(held: Claim, after: Claim) -> None:
    """Move the checkpoint; belongs into the transaction that writes what was processed.  Raises Superseded."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE checkpoints_checkpoint
               SET epoch = %s, stream_seq = %s, state_seq = %s, state_file = %s, committed_at = now()
               WHERE partition = %s AND owner = %s AND epoch = %s""",
            [
                after.epoch,
                after.stream_seq,
                after.state_seq,
                after.state_file,
                held.partition,
                held.owner,
                held.epoch,
            ],
        )
        if cursor.rowcount != 1:
            raise Superseded(f"partition {held.partition} belongs to another pipeline now")


def is_held(partition: int, owner: str) -> bool:
    """Whether ``owner`` still owns it; if so nobody becomes the next one before the caller's transaction has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT owner FROM checkpoints_checkpoint WHERE partition = %s FOR SHARE", [partition])
        row = cursor.fetchone()
    return bool(row and row[0] == owner)


def happened(held: Claim) -> bool:
    """Whether the commit after ``held`` took effect, when the answer to it was lost.  Raises Superseded."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT owner, epoch FROM checkpoints_checkpoint WHERE partition = %s", [held.partition]
        )
        owner, epoch = cursor.fetchone() or ("", 0)
    if owner != held.owner or epoch not in (held.epoch, held.epoch + 1):
        raise Superseded(f"partition {held.partition} belongs to another pipeline now")
    return bool(epoch == held.epoch + 1)
