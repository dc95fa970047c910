"""The kinds that ship, one JSON file each, and the definitions in force by code and version.

A new kind is a file here.  A bureau changes a kind with ``services.edit_kind``; what it changed is never overwritten
by a newer file, while a kind nobody touched follows the file.
"""

import json
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fengsui.loops.errors import UnknownKind
from fengsui.loops.kinds.definition import Definition, read

if TYPE_CHECKING:
    from fengsui.loops.models import Kind

FOLDER = Path(__file__).parent
SHIPPED = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@cache
def shipped(code: str) -> dict[str, Any]:
    """The definition of a kind as shipped.  Raises UnknownKind."""
    if code not in SHIPPED:
        raise UnknownKind(f"no kind of loop {code!r} is shipped")
    return json.loads((FOLDER / f"{code}.json").read_text("utf-8"))


def install() -> list[str]:
    """Bring the shipped kinds into the database; returns the codes that were new or followed their file."""
    from fengsui.loops import services

    return [code for code in SHIPPED if services.install_kind(code, shipped(code))]


def current(code: str) -> "Kind":
    """The kind as it is now; a shipped one is installed when it is missing.  Raises UnknownKind."""
    from fengsui.loops.models import Kind

    if (kind := Kind.objects.filter(pk=code).first()) is None:
        if code not in SHIPPED:
            raise UnknownKind(f"there is no kind of loop {code!r}")
        install()
        kind = Kind.objects.get(pk=code)
    return kind


def in_force(kind: "Kind") -> Definition:
    """The definition of a kind as it is now."""
    return _read(json.dumps(kind.definition, sort_keys=True))


def at_version(code: str, version: int) -> Definition:
    """The definition a loop was opened under: later edits of the kind do not move the loops that are running."""
    return at_versions([(code, version)])[code, version]


def at_versions(wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Definition]:
    """The same for many loops with one query.  Raises UnknownKind."""
    from fengsui.loops.models import KindChange

    pairs = set(wanted)
    changes = KindChange.objects.filter(kind_id__in={code for code, _ in pairs})
    rows = changes.values_list("kind_id", "version", "definition")
    found = {(code, version): values for code, version, values in rows if (code, version) in pairs}
    if missing := pairs - found.keys():
        raise UnknownKind(f"no definition is kept for {sorted(missing)}")
    return {pair: _read(json.dumps(values, sort_keys=True)) for pair, values in found.items()}


@lru_cache(maxsize=256)
def _read(text: str) -> Definition:
    return read(json.loads(text))
