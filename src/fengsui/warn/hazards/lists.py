"""Which substances and processes of an inventory are on a list of the state: supervised, and whatever the bureau adds.

A list that is not there is named as not there: no inventory is free of highly toxic chemicals because nobody loaded
their list.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fengsui.sense.codecs.frame import Term
from fengsui.warn.hazards.tables import List, Listed, Tables, normal

WANTED = {
    "supervised": Term("重点监管的危险化学品", "chemicals under key supervision"),
    "highly_toxic": Term("剧毒化学品", "highly toxic chemicals"),
    "explosive_precursor": Term("易制爆危险化学品", "explosive precursors"),
}


@dataclass(frozen=True, slots=True)
class Match:
    """``asked`` is on ``listed_on`` as ``entry``, found ``by`` its CAS number or name."""

    row: int
    asked: str
    listed_on: List
    entry: Listed
    by: str


def substances(asked: Iterable[tuple[int, str, str]], tables: Tables) -> list[Match]:
    """Every match of (row, name, CAS number) with every list: by CAS number, by name, by another name of table 1."""
    found = []
    for row, name, cas in asked:
        bare = normal(name)
        same = [one for one in tables.named if bare in (one.full, *one.names)]
        others = {text for one in same for text in one.names}
        numbers = {text for one in same for text in one.cas}
        for listed_on in tables.lists:
            for entry in listed_on.entries:
                if cas and cas in entry.cas:
                    by = "CAS"
                elif bare in entry.names:
                    by = "name"
                elif not cas and (others & set(entry.names) or numbers & set(entry.cas)):
                    by = "table 1"
                else:
                    continue
                found.append(Match(row, name, listed_on, entry, by))
    return found


def processes(asked: Iterable[tuple[int, str]], tables: Tables) -> tuple[list[Match], list[tuple[int, str]]]:
    """(the regulated processes among (row, name), those that are none by their name)."""
    found, others = [], []
    for row, name in asked:
        bare = normal(name)
        wanted = {bare, bare.removesuffix("工艺"), bare.removesuffix("反应"), bare.removesuffix("process")}
        entry = next(
            (
                one
                for one in tables.processes.entries
                if wanted & set(one.names) or normal(one.en) in wanted or bare == str(one.no)
            ),
            None,
        )
        if entry is None:
            others.append((row, name))
        else:
            found.append(Match(row, name, tables.processes, entry, "name"))
    return found, others


def missing(tables: Tables) -> list[Term]:
    """The lists that are wanted and not loaded."""
    there = {one.code for one in tables.lists}
    return [word for code, word in WANTED.items() if code not in there]
