"""One row that this user sees, or NotFound."""

from typing import Any

from django.db.models import QuerySet

from fengsui.show.api.errors import NotFound


def one(rows: QuerySet[Any], **which: Any) -> Any:
    """The row of ``rows`` that ``which`` names.  Raises NotFound, also for values that no row can have."""
    if any(isinstance(v, int) and not -(2**63) <= v < 2**63 for v in which.values()):
        raise NotFound
    if any(isinstance(v, str) and "\0" in v for v in which.values()):
        raise NotFound
    row = rows.filter(**which).first()
    if row is None:
        raise NotFound
    return row
