"""Query options, those of the address and those nested in ``$expand``.  OGC 18-088, 9.3.

Options of an expansion stand in brackets and are divided by ``;``: ``Datastreams($select=name;$expand=Observations)``.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fengsui.show.sta.odata.errors import BadQuery
from fengsui.show.sta.odata.expression import Node, parse, parse_order

MAX_DEPTH = 6
MAX_CHARS = 16_000
NAMES = frozenset(
    ("$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$count", "$resultFormat", "$skiptoken")
)
TOP_ONLY = frozenset(("$resultFormat", "$skiptoken"))


@dataclass(frozen=True, slots=True)
class Expansion:
    """One path of ``$expand`` and the options for what it leads to."""

    path: tuple[str, ...]
    options: "Options"


@dataclass(frozen=True, slots=True)
class Options:
    filter: Node | None = None
    select: tuple[str, ...] = ()
    expand: tuple[Expansion, ...] = ()
    order: tuple[tuple[Node, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    data_array: bool = False
    token: str = ""


NONE = Options()


def parse_options(pairs: Iterable[tuple[str, str]], depth: int = 0) -> Options:
    """The options among ``pairs`` of a query; names without ``$`` are somebody else's.  Raises BadQuery."""
    said: dict[str, str] = {}
    for name, value in pairs:
        if not name.startswith("$"):
            continue
        if name not in NAMES or (depth and name in TOP_ONLY):
            raise BadQuery(f"there is no query option {name[:40]} here")
        if name in said:
            raise BadQuery(f"{name} stands twice")
        if len(value) > MAX_CHARS:
            raise BadQuery(f"{name} is longer than {MAX_CHARS} characters")
        said[name] = value
    form = said.get("$resultFormat", "")
    if form not in ("", "dataArray"):
        raise BadQuery(f"$resultFormat may be dataArray, not {form[:40]}")
    count = said.get("$count", "false")
    if count not in ("true", "false"):
        raise BadQuery("$count is true or false")
    return Options(
        filter=parse(said["$filter"]) if said.get("$filter", "").strip() else None,
        select=_select(said["$select"]) if "$select" in said else (),
        expand=_expand(said["$expand"], depth) if "$expand" in said else (),
        order=parse_order(said["$orderby"]) if said.get("$orderby", "").strip() else (),
        top=_whole("$top", said["$top"]) if "$top" in said else None,
        skip=_whole("$skip", said.get("$skip", "0")),
        count=count == "true",
        data_array=form == "dataArray",
        token=said.get("$skiptoken", ""),
    )


def _whole(name: str, text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadQuery(f"{name} is a whole number from 0, not {text[:40]}")
    return int(text)


def _select(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise BadQuery("$select has an empty name")
    return names


def _expand(text: str, depth: int) -> tuple[Expansion, ...]:
    if depth >= MAX_DEPTH:
        raise BadQuery(f"$expand is nested more than {MAX_DEPTH} deep")
    out = []
    for item in split(text, ","):
        name, bracket, rest = item.partition("(")
        options = NONE
        if bracket:
            if not rest.rstrip().endswith(")"):
                raise BadQuery(f"$expand has no closing bracket behind {name.strip()[:40]}")
            inner = rest.rstrip()[:-1]
            pairs = [_pair(part) for part in split(inner, ";") if part.strip()]
            options = parse_options(pairs, depth + 1)
        path = tuple(part.strip() for part in name.strip().split("/"))
        if not all(path) or len(path) > MAX_DEPTH:
            raise BadQuery(f"this cannot be expanded: {name.strip()[:60] or 'an empty name'}")
        out.append(Expansion(path, options))
    return tuple(out)


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.strip().partition("=")
    if not equals or not name.startswith("$"):
        raise BadQuery(f"an option in $expand is written $name=value, not {part.strip()[:40]}")
    return name.strip(), value


def split(text: str, mark: str) -> list[str]:
    """``text`` at each ``mark`` that stands outside brackets and quotes.  Raises BadQuery."""
    out, start, depth, quoted = [], 0, 0, False
    for at, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth < 0:
                raise BadQuery("$expand has a closing bracket too many")
        elif letter == mark and depth == 0:
            out.append(text[start:at])
            start = at + 1
    if depth or quoted:
        raise BadQuery("$expand has an open bracket or quote")
    return [*out, text[start:]]
