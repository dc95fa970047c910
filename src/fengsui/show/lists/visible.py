"""Who sees which rows: ``access.rows_where`` for querysets, and the same for statements written by hand."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from fengsui.people.orgs import access

M = TypeVar("M", bound=Model)


def visible_to(rows: QuerySet[M], user: Any, action: str, field: str = "org_path") -> QuerySet[M]:
    """Only the rows at or below an organisation where ``user`` may do ``action``."""
    if not access.paths_where(user, action):
        return rows.none()
    return rows.filter(access.rows_where(user, action, field))


def path_where(paths: list[str], column: str) -> tuple[str, list[str]]:
    """Path prefixes as SQL text and parameters: ``[""]`` is everything, ``[]`` nothing."""
    if not paths:
        return "false", []
    if "" in paths:
        return "true", []
    return "(" + " OR ".join([f"{column} LIKE %s"] * len(paths)) + ")", [path + "%" for path in paths]
