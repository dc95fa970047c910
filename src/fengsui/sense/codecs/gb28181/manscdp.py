"""MANSCDP bodies: the XML of queries, responses, notifications and control of GB/T 28181.

Texts are GB 2312 by the standard of 2016, GB 18030 by that of 2022, and UTF-8 in the field: what is declared is
honoured, and what does not fit it is tried as GB 18030 and noted.  No document type, no entities of one's own, bounded
in bytes, depth and number.  Source: GB/T 28181-2016, annex A; names of elements from open implementations.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from fengsui.base.errors import BadFrame

MAX_BYTES = 262_144
MAX_DEPTH = 16
MAX_ELEMENTS = 20_000
CHINA = timezone(timedelta(hours=8))  # times of the standard are local and say no zone
ROOTS = ("Query", "Control", "Notify", "Response")
_DECLARATION = re.compile(rb"\A\s*<\?xml[^>]{0,200}?\?>", re.DOTALL)
_ENCODING = re.compile(rb"encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,20})[\"']")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ROOT = re.compile(rf"[ \t\r\n]*<({'|'.join(ROOTS)})>")
_LEAF = re.compile(r"<([A-Za-z][A-Za-z0-9]{0,63})>([^<>&\x00-\x1f\ud800-\udfff\ufffe\uffff]*)</\1>")
FLAT = 4096  # characters; longer than any list of leaves is
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?(Z|[+-]\d{2}:?\d{2})?\Z"
)
_USUAL_TIME = re.compile(  # of _TIME, what datetime itself reads
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\Z"
)

NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})  # shared: most elements have none


@dataclass(slots=True)
class Node:
    """An element: its name, its own text, its children in order."""

    name: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)
    attributes: Mapping[str, str] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """The text of the first child of each name: quicker than ``find`` for several."""
        out: dict[str, str] = {}
        for one in self.children:
            if one.name not in out:
                out[one.name] = one.text
        return out

    def child(self, name: str) -> "Node | None":
        for one in self.children:
            if one.name == name:
                return one
        return None

    def find(self, *path: str) -> str:
        """The text at a path of names; "" when there is none."""
        node = self
        for name in path:
            for one in node.children:
                if one.name == name:
                    node = one
                    break
            else:
                return ""
        return node.text


@dataclass(frozen=True, slots=True)
class Document:
    """``kind`` is one of ROOTS, ``command`` its CmdType.  ``number`` is SN, None where it cannot be read."""

    root: Node
    charset: str
    departures: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.root.name

    @property
    def command(self) -> str:
        return self.root.find("CmdType")

    @property
    def number(self) -> int | None:
        return whole(self.root.find("SN"))

    @property
    def device(self) -> str:
        return self.root.find("DeviceID")

    def find(self, *path: str) -> str:
        return self.root.find(*path)

    def items(self, *path: str) -> list[Node]:
        """The elements ``Item`` of the list at a path such as ``DeviceList``."""
        node: Node | None = self.root
        for name in path:
            node = node.child(name) if node else None
        return [one for one in node.children if one.name == "Item"] if node else []


class _Refused(Exception):
    """Why a document is refused, on the way out of the parser."""


def decode(body: bytes) -> Document | BadFrame:
    """Read a body.  Never raises."""
    if len(body) > MAX_BYTES:
        return BadFrame("length", body[:256], f"{len(body)} bytes of XML; {MAX_BYTES} at most")
    text, charset, departures = _text(body)
    try:
        root = _flat(text) or _tree(text)
    except _Refused as why:
        return BadFrame("xml", body[:4096], str(why))
    except expat.ExpatError as error:
        return BadFrame("xml", body[:4096], f"not well-formed: {error}")
    if root.name not in ROOTS or not root.find("CmdType"):
        return BadFrame("manscdp", body[:4096], "the root is none of the standard's, or has no CmdType")
    return Document(root, charset, departures)


def encode(
    kind: str,
    command: str,
    number: int,
    device: str,
    fields: Iterable[tuple[str, Any]] = (),
    charset: str = "GB2312",
) -> bytes:
    """A document.  A field is (name, text or number), (name, list of fields), or (name, list of fields, attributes).

    None leaves a field out.  Letters that ``charset`` lacks make it GB 18030.  Raises ValueError for what XML cannot
    hold.
    """
    rows = [("CmdType", command), ("SN", number), ("DeviceID", device), *fields]
    inside = "".join(_written(row) for row in rows)
    if _CONTROL.search(inside) or any("\ud800" <= one <= "\udfff" for one in inside):
        raise ValueError("a character that XML cannot hold")
    for name in dict.fromkeys((charset, "GB18030")):
        try:
            declaration = f'<?xml version="1.0" encoding="{name}"?>\r\n'
            return f"{declaration}<{kind}>\r\n{inside}</{kind}>\r\n".encode(name)
        except UnicodeEncodeError:
            continue
    raise ValueError("a character that no charset of the standard has")


def whole(text: str) -> int | None:
    """A whole number; None for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def real(text: str) -> float | None:
    """A finite number; None for anything else."""
    try:
        value = float(text.strip()) if len(text) <= 40 else float("nan")
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


def instant(text: str) -> datetime | None:
    """A time of the standard (``2010-11-11T19:46:17``, China's unless it says a zone); None for anything else."""
    text = text.strip()
    if _USUAL_TIME.match(text):
        try:
            return datetime.fromisoformat(f"{text}+08:00")
        except ValueError:
            return None
    found = _TIME.match(text[:40])
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(one) for one in found.groups()[:6])
    zone: timezone = CHINA
    if found[8] == "Z":
        zone = timezone(timedelta())
    elif found[8]:
        sign, digits = found[8][0], found[8][1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        if offset >= timedelta(hours=24):
            return None
        zone = timezone(-offset if sign == "-" else offset)
    try:
        return datetime(
            year, month, day, hour, minute, second, int((found[7] or "0").ljust(6, "0")), tzinfo=zone
        )
    except ValueError:
        return None


def written(at: datetime) -> str:
    """An aware time as the standard writes it: China's, to the second."""
    return at.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M:%S")


def as_dict(node: Node) -> Any:
    """An element as plain values: its text, or a dict of its children; those that repeat are lists."""
    if not node.children:
        return node.text
    out: dict[str, Any] = {}
    for child in node.children:
        value = as_dict(child)
        if child.name in out:
            before = out[child.name]
            out[child.name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            out[child.name] = value
    return out


def _text(body: bytes) -> tuple[str, str, tuple[str, ...]]:
    """The text without its declaration, the charset it is in, and what departs from the declaration."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    declaration = _DECLARATION.match(body)
    name, tried = _declared(declaration[0]) if declaration else ("UTF-8", "utf-8")
    inside = (body[declaration.end() :] if declaration else body).rstrip(b"\0")
    notes = () if name in ("UTF-8", "UTF8") or tried == "gb18030" else ("charset",)
    if inside.isascii():
        return inside.decode("ascii"), _charset(tried, name), notes
    for charset in (tried, "gb18030" if tried == "utf-8" else "utf-8"):
        try:
            text = inside.decode(charset)
        except UnicodeDecodeError:
            notes = ("charset",)
            continue
        return text, _charset(charset, name), notes
    return inside.decode(tried, "replace"), name, ("charset", "letters_lost")


def _charset(codec: str, declared: str) -> str:
    return "UTF-8" if codec == "utf-8" else "GB18030" if declared == "GB18030" else "GB2312"


@lru_cache(maxsize=64)
def _declared(declaration: bytes) -> tuple[str, str]:
    """The charset that an XML declaration names, and the codec to try first."""
    declared = _ENCODING.search(declaration)
    name = declared[1].decode().upper() if declared else "UTF-8"
    return name, "gb18030" if name in ("GB2312", "GBK", "GB18030", "GB_2312-80") else "utf-8"


def _flat(text: str) -> Node | None:
    """A root of leaves, as every notification is: no attributes, entities, comments, or breaks within a text.

    What this reads the parser reads alike, three times slower; None for everything else.
    """
    root = _ROOT.match(text) if len(text) <= FLAT else None
    if root is None:
        return None
    inside = text[root.end() :].rstrip(" \t\r\n")
    end = f"</{root[1]}>"
    if not inside.endswith(end):
        return None
    parts = _LEAF.split(inside[: -len(end)])
    if "".join(parts[::3]).strip(" \t\r\n"):
        return None
    leaves = [
        Node(name, said.strip(), [], NO_ATTRIBUTES)
        for name, said in zip(parts[1::3], parts[2::3], strict=True)
    ]
    return Node(root[1], "", leaves, NO_ATTRIBUTES) if leaves else None


def _tree(text: str) -> Node:
    """Raises _Refused and ExpatError."""
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    top = Node("")
    stack = [top]
    count = 0

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS:
            raise _Refused(f"more than {MAX_ELEMENTS} elements")
        if len(stack) > MAX_DEPTH:
            raise _Refused(f"elements deeper than {MAX_DEPTH}")
        node = Node(name[:64], "", [], NO_ATTRIBUTES)
        if attributes:
            node.attributes = {k[:64]: v[:256] for k, v in list(attributes.items())[:8]}
        stack[-1].children.append(node)
        stack.append(node)

    def end(_name: str) -> None:
        node = stack.pop()
        node.text = node.text.strip() if not node.children else ""

    def data(piece: str) -> None:
        stack[-1].text += piece

    def refuse(*_: Any) -> None:
        raise _Refused("a document type or an entity of its own is not taken")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    return top.children[0]


def _written(row: Any, depth: int = 0) -> str:
    name, value, *more = row
    if value is None:
        return ""
    attributes = "".join(
        f' {k}="{escape(str(v), {chr(34): "&quot;"})}"' for k, v in (more[0] if more else {}).items()
    )
    if isinstance(value, list | tuple | Iterator):
        inside = "".join(_written(one, depth + 1) for one in value)
        return f"<{name}{attributes}>\r\n{inside}</{name}>\r\n"
    return f"<{name}{attributes}>{escape(str(value))}</{name}>\r\n"
