"""Whole columns out of the database: each comes as one string of bytes, and no row becomes a Python object."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from django.db import connection

SENDS = {"int4": ">i4", "int8": ">i8", "float8": ">f8"}


def read(
    columns: Mapping[str, tuple[str, str]], source: str, given: Sequence[Any] = ()
) -> dict[str, np.ndarray]:
    """Columns of one order: name → (expression, type: int4, int8 or float8), of ``source`` (FROM … WHERE …).

    A column must stay under 1 GB, which is what a field of a row holds.  Raises psycopg.Error.
    """
    sums = ", ".join(f"string_agg({kind}send({sql}), ''::bytea)" for sql, kind in columns.values())
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:  # Django's own speaks text only
        sent = cursor.execute(f"SELECT {sums} {source}", given, binary=True).fetchone()
    assert sent is not None
    return {
        name: np.frombuffer(column or b"", SENDS[kind]).astype(SENDS[kind].replace(">", "="))
        for (name, (_sql, kind)), column in zip(columns.items(), sent, strict=True)
    }
