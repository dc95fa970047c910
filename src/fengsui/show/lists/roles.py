"""Which role is up: what the roles answer on the bus, and a row for each expected one that is silent."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from fengsui.show.live.hub import NotConnected, hub
from fengsui.stores import clock


@dataclass(frozen=True, slots=True)
class Status:
    ok: bool
    at_ms: int
    roles: list[dict[str, Any]]

    @property
    def full(self) -> list[dict[str, Any]]:
        """Machines with a disk that has no room, each with the fullest one: host, free and least in bytes."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.roles:
            free, least = row["lag"].get("disk_free"), row["lag"].get("disk_least")
            if free is not None and least is not None and free < least:
                kept = found.setdefault(row["host"], {"host": row["host"], "free": free, "least": least})
                kept["free"] = min(kept["free"], free)
        return list(found.values())

    @property
    def clocks(self) -> list[dict[str, Any]]:
        """Machines whose clock has jumped and is not believed: host, and by how many ms it is off."""
        found = {
            row["host"]: row["lag"]["clock_off_ms"] for row in self.roles if "clock_off_ms" in row["lag"]
        }
        return [{"host": host, "off_ms": off, "behind_ms": -off} for host, off in found.items()]


def status() -> Status:
    """Ask now; takes up to a second.  A role that does not answer is not up."""
    try:
        answers = hub().roles()
    except NotConnected:
        answers = []
    seen = {answer["role"] for answer in answers}
    rows = [_row(answer) for answer in answers]
    for role in settings.ROLES:
        if role not in seen:
            rows.append(_row({"role": role, "ready": role == "db" and not answers and _database_answers()}))
    rows.sort(key=lambda row: (row["role"], row["instance"]))
    return Status(all(row["ready"] for row in rows), clock.now_ms(), rows)


def _row(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "role": answer["role"],
        "instance": answer.get("instance", ""),
        "host": answer.get("host", ""),
        "since_ms": answer.get("since_ms"),
        "at_ms": answer.get("at_ms"),
        "ready": bool(answer.get("ready")),
        "lag": answer.get("lag") or {},
    }


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
