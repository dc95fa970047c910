"""XML as a tree that keeps where everything stands, read without any of XML's dangers.

No document type, hence no entities of anybody's making; bounded in bytes, depth and number of nodes; nothing is ever
loaded.  Everything that canonical XML (``c14n``) needs is kept: prefixes, comments, instructions, order.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

MAX_BYTES = 2 << 20
MAX_DEPTH = 64
MAX_NODES = 200_000
MAX_ATTRIBUTES = 64  # of one element
XML_SPACE = "http://www.w3.org/XML/1998/namespace"

_DECLARED = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHINESE = {"gb2312", "gbk", "gb18030", "gb_2312-80", "cp936", "x-gbk"}  # what expat cannot read by itself


@dataclass(slots=True)
class Comment:
    text: str


@dataclass(slots=True)
class Instruction:
    target: str
    data: str


@dataclass(slots=True, frozen=True)
class Attribute:
    prefix: str
    local: str
    space: str
    value: str


@dataclass(slots=True, eq=False)
class Element:
    """``space`` is the namespace; ``declared`` what this element's own xmlns attributes say, by prefix."""

    prefix: str
    local: str
    space: str
    attributes: list[Attribute]
    declared: dict[str, str]
    line: int
    column: int
    parent: "Element | None" = field(default=None, repr=False)
    number: int = 1  # among the children of its parent that have the same name
    counts: dict[str, int] = field(default_factory=dict, repr=False)  # of children, by name
    children: "list[Element | str | Comment | Instruction]" = field(default_factory=list, repr=False)

    @property
    def elements(self) -> "list[Element]":
        return [child for child in self.children if isinstance(child, Element)]

    @property
    def text(self) -> str:
        """The element's own text, as written."""
        return "".join(child for child in self.children if isinstance(child, str))

    @property
    def name(self) -> str:
        return f"{self.prefix}:{self.local}" if self.prefix else self.local

    def first(self, local: str) -> "Element | None":
        return next((one for one in self.elements if one.local == local), None)

    def all(self, local: str) -> "list[Element]":
        return [one for one in self.elements if one.local == local]

    def words(self, local: str) -> str:
        """The text of the first child of that name, without blanks around it; "" where there is none."""
        found = self.first(local)
        return "" if found is None else found.text.strip()

    def attribute(self, local: str) -> str:
        return next((one.value for one in self.attributes if one.local == local and not one.prefix), "")

    def walk(self) -> "Iterator[Element]":
        """This element and all below it, in the order of the document."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.elements))

    def scope(self) -> dict[str, str]:
        """Every namespace that is in force here, by prefix; "" is the default one."""
        above = {} if self.parent is None else self.parent.scope()
        return {prefix: uri for prefix, uri in (above | self.declared).items() if uri or prefix}

    def path(self) -> str:
        """An XPath without prefixes: ``/alert/info[2]/area[1]``; the number only where there are several."""
        if self.parent is None:
            return f"/{self.local}"
        place = f"[{self.number}]" if self.parent.counts.get(self.local, 0) > 1 else ""
        return f"{self.parent.path()}/{self.local}{place}"


@dataclass(slots=True)
class Tree:
    """A document.  ``before`` and ``after`` are comments and instructions outside the root."""

    root: Element
    before: list[Comment | Instruction]
    after: list[Comment | Instruction]
    encoding: str  # as declared, lower case; "" where nothing is said
    is_shifted: bool  # blanks or a stray mark stood before the XML declaration


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that are not read.  ``reason`` is too_large, doctype, too_deep, too_many or not_well_formed."""

    reason: str
    line: int = 0
    column: int = 0
    message: str = ""


class _Stop(Exception):
    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.reason, self.message = reason, message


def parse(data: bytes) -> Tree | Refused:
    """The tree of ``data``, or why there is none.  Never raises."""
    if len(data) > MAX_BYTES:
        return Refused("too_large", message=str(len(data)))
    shifted = data.lstrip(b" \t\r\n")
    is_shifted = len(shifted) != len(data) and shifted.startswith(b"<?xml")
    if is_shifted:
        data = shifted
    declared = _DECLARED.match(data.removeprefix(b"\xef\xbb\xbf"))
    encoding = declared[1].decode().lower() if declared else ""
    override = None
    if encoding in _CHINESE:
        try:
            data, override = data.decode("gb18030").encode(), "utf-8"
        except UnicodeDecodeError as error:
            return Refused("not_well_formed", message=f"not {encoding} at byte {error.start}")
    builder = _Builder(override)
    try:
        builder.parser.Parse(data, True)
        if builder.root is None:
            raise _Stop("not_well_formed", "no element found")
    except _Stop as stop:
        return Refused(stop.reason, *builder.place(), stop.message)
    except expat.ExpatError as error:
        message = expat.errors.messages.get(error.code, "")
        return Refused("not_well_formed", error.lineno, error.offset + 1, message)
    except (ValueError, LookupError) as error:  # an encoding that nobody knows, half a character
        return Refused("not_well_formed", *builder.place(), str(error)[:200])
    return Tree(builder.root, builder.before, builder.after, encoding, is_shifted)


class _Builder:
    def __init__(self, encoding: str | None) -> None:
        self.root: Element | None = None
        self.before: list[Comment | Instruction] = []
        self.after: list[Comment | Instruction] = []
        self.open: list[Element] = []
        self.scopes: list[dict[str, str]] = [{"xml": XML_SPACE}]
        self.nodes = 0
        self.parser: Any = expat.ParserCreate(encoding)
        self.parser.ordered_attributes = True
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.CommentHandler = lambda text: self._aside(Comment(text))
        self.parser.ProcessingInstructionHandler = lambda target, data: self._aside(Instruction(target, data))

    def place(self) -> tuple[int, int]:
        return self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1

    def _doctype(self, *_given: Any) -> None:
        raise _Stop("doctype")

    def _count(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _Stop("too_many")

    def _start(self, name: str, given: list[str]) -> None:
        self._count()
        if len(self.open) >= MAX_DEPTH:
            raise _Stop("too_deep")
        if len(given) > 2 * MAX_ATTRIBUTES:
            raise _Stop("too_many")
        pairs = list(zip(given[::2], given[1::2], strict=True))
        declared = {}
        for key, value in pairs:
            if key == "xmlns":
                declared[""] = value
            elif key.startswith("xmlns:"):
                declared[key[6:]] = value
        scope = self.scopes[-1] | declared if declared else self.scopes[-1]
        prefix, local = _split(name)
        attributes = []
        for key, value in pairs:
            if key == "xmlns" or key.startswith("xmlns:"):
                continue
            before, after = _split(key)
            attributes.append(Attribute(before, after, self._uri(before, scope) if before else "", value))
        above = self.open[-1] if self.open else None
        uri = self._uri(prefix, scope) if prefix else scope.get("", "")
        element = Element(prefix, local, uri, attributes, declared, *self.place(), above)
        if above is not None:
            above.children.append(element)
            element.number = above.counts[local] = above.counts.get(local, 0) + 1
        else:
            self.root = element
        self.open.append(element)
        self.scopes.append(scope)

    def _uri(self, prefix: str, scope: dict[str, str]) -> str:
        if not scope.get(prefix):
            raise _Stop("not_well_formed", f"the prefix {prefix} is not declared")
        return scope[prefix]

    def _end(self, _name: str) -> None:
        self.open.pop()
        self.scopes.pop()

    def _text(self, text: str) -> None:
        if not self.open:
            return
        children = self.open[-1].children
        if children and isinstance(children[-1], str):
            children[-1] += text
        else:
            self._count()
            children.append(text)

    def _aside(self, node: Comment | Instruction) -> None:
        self._count()
        if self.open:
            self.open[-1].children.append(node)
        else:
            (self.before if self.root is None else self.after).append(node)


def _split(name: str) -> tuple[str, str]:
    prefix, colon, local = name.partition(":")
    return (prefix, local) if colon else ("", name)
