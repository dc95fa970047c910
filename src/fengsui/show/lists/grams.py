"""Finding a part of a name, Chinese or Latin, through an index.

PostgreSQL's pg_trgm drops every character that the database's locale does not call a letter, and the embedded
database has the C locale: Chinese would find nothing.  So we cut the text ourselves, in the database: two
characters where one of them is not ASCII, three where all are.  ``fengsui_grams(code, name, name_en)``
(migration portal 0001) has a GIN index for sites, datastreams and organisations.
"""

import unicodedata
from itertools import pairwise
from typing import Any, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db.models import Func, Model, Q, QuerySet, TextField, Value

M = TypeVar("M", bound=Model)
WORDS = 6  # of one query; more do not narrow it further
LONGEST = 80


def words(q: str) -> list[str]:
    """The words of a query as they are compared: NFKC, lower case, no control characters."""
    text = unicodedata.normalize("NFKC", q[: 4 * LONGEST]).lower()
    text = "".join(c if c.isprintable() else " " for c in text)[:LONGEST]
    return text.split()[:WORDS]


def matching(rows: QuerySet[M], q: str) -> QuerySet[M]:
    """The rows (with columns code, name, name_en) that hold every word of ``q`` somewhere in code or names.

    A word too short to be cut (one Chinese character, two ASCII ones) is looked for at the beginnings only.
    """
    long = [w for w in words(q) if can_be_cut(w)]
    short = [w for w in words(q) if not can_be_cut(w)]
    if not long and not short:
        return rows.none()
    if long:
        rows = rows.alias(
            grams=Grams("code", "name", "name_en"), searched=Searched("code", "name", "name_en")
        )
    for word in long:
        rows = rows.filter(grams__contains=Cut(Value(word)), searched__contains=word)
    for word in short:
        starts = Q()
        for form in {word, word.upper(), word.capitalize()}:
            starts |= Q(code__startswith=form) | Q(name__startswith=form) | Q(name_en__startswith=form)
        rows = rows.filter(starts)
    return rows


def can_be_cut(word: str) -> bool:
    """Whether the database finds a piece of ``word`` to look up (the rule of ``fengsui_cut``)."""
    return any(not (a + b).isascii() for a, b in pairwise(word)) or any(
        word[i : i + 3].isascii() and len(word[i : i + 3]) == 3 for i in range(len(word))
    )


class Grams(Func):
    function = "fengsui_grams"
    output_field: Any = ArrayField(TextField())


class Cut(Func):
    function = "fengsui_cut"
    output_field: Any = ArrayField(TextField())


class Searched(Func):
    function = "fengsui_searched"
    output_field: Any = TextField()
