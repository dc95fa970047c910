"""Keyset paging: a page starts after the last row seen, so page 1,000 costs what page 1 costs.

A cursor is the ordering columns of that row, base64url of a JSON list.  It names a place, not a right: what is
listed is filtered again on every page.
"""

import base64
import binascii
import datetime
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from fengsui.base.errors import BadInput

SIZE = 50
LARGEST = 500
NOT_OURS = "this cursor was not given out by this list; start from the first page"
M = TypeVar("M", bound=Model)


class BadCursor(BadInput):
    """A ``cursor`` that this list did not give out."""

    code = "show.bad_cursor"


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows in order and the cursor of the next page, or None at the end."""

    items: list[M]
    next: str | None


def page(rows: QuerySet[M], order: tuple[str, ...], cursor: str | None = None, size: int = SIZE) -> Page[M]:
    """One page of ``rows`` in ``order`` (column names, "-" before a falling one; the last one unique).

    Columns must not be null.  Raises BadCursor.
    """
    size = max(1, min(size, LARGEST))
    if cursor:
        try:
            rows = rows.filter(_after(order, _values(cursor, len(order))))
        except (ValueError, TypeError, ValidationError):
            raise BadCursor(NOT_OURS) from None
    found = list(rows.order_by(*order)[: size + 1])
    return Page(found[:size], _cursor(found[size - 1], order) if len(found) > size else None)


def _after(order: tuple[str, ...], values: list[Any]) -> Q:
    first, value = order[0], values[0]
    # the bound on the leading column alone is what lets the database start inside the index
    bound = Q(**{f"{first.lstrip('-')}__{'lte' if first.startswith('-') else 'gte'}": value})
    return bound & _beyond(order, values)


def _beyond(order: tuple[str, ...], values: list[Any]) -> Q:
    name, value = order[0].lstrip("-"), values[0]
    beyond = Q(**{f"{name}__{'lt' if order[0].startswith('-') else 'gt'}": value})
    if len(order) == 1:
        return beyond
    return beyond | (Q(**{name: value}) & _beyond(order[1:], values[1:]))


def _cursor(row: Model, order: tuple[str, ...]) -> str:
    values = []
    for name in order:
        value: Any = row
        for part in name.lstrip("-").split("__"):
            value = getattr(value, part)
        values.append({"at": value.isoformat()} if isinstance(value, datetime.datetime) else value)
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _values(cursor: str, count: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != count:
            raise ValueError
        return [_value(v) for v in values]
    except (ValueError, TypeError, KeyError, binascii.Error):
        raise ValueError("not a cursor") from None


def _value(value: Any) -> str | int | float | datetime.datetime:
    if isinstance(value, dict):
        return datetime.datetime.fromisoformat(value["at"])
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    if isinstance(value, str) and "\0" in value:
        raise ValueError
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError
    return value
