"""Canonical XML of a tree: the bytes that a signature is made over.

Source: W3C Canonical XML 1.0 and Exclusive XML Canonicalization 1.0, both with and without comments.  Attributes in
``xml:`` are handed down as 1.0 says; 1.1 differs from it only in ``xml:id`` and ``xml:base``, which CAP has not.
"""

from collections.abc import Collection

from fengsui.warn.cap.tree import XML_SPACE, Attribute, Comment, Element, Instruction, Tree

INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE_1_1 = "http://www.w3.org/2006/12/xml-c14n11"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
COMMENTS = "WithComments"
# algorithm → (exclusive, with comments)
ALGORITHMS = {
    INCLUSIVE: (False, False),
    f"{INCLUSIVE}#{COMMENTS}": (False, True),
    INCLUSIVE_1_1: (False, False),
    f"{INCLUSIVE_1_1}#{COMMENTS}": (False, True),
    EXCLUSIVE: (True, False),
    f"{EXCLUSIVE}{COMMENTS}": (True, True),
}


def canonical(
    what: Tree | Element,
    algorithm: str,
    *,
    without: Element | None = None,
    prefixes: Collection[str] = (),
) -> bytes:
    """``what`` as canonical bytes, ``without`` one element (the enveloped signature) and all below it.

    ``prefixes`` are those that exclusive canonicalization treats as inclusive ones do ("" is the default namespace).
    Raises KeyError for an algorithm that is not in ``ALGORITHMS``.
    """
    exclusive, comments = ALGORITHMS[algorithm]
    writer = _Writer(exclusive, comments, without, frozenset(prefixes))
    if isinstance(what, Tree):
        for node in what.before:
            if comments or isinstance(node, Instruction):
                writer.aside(node)
                writer.out.append("\n")
        writer.element(what.root, {}, True)
        for node in what.after:
            if comments or isinstance(node, Instruction):
                writer.out.append("\n")
                writer.aside(node)
    else:
        writer.element(what, {}, True)
    return "".join(writer.out).encode()


class _Writer:
    def __init__(
        self, exclusive: bool, comments: bool, without: Element | None, prefixes: frozenset[str]
    ) -> None:
        self.out: list[str] = []
        self.exclusive, self.comments, self.without, self.prefixes = exclusive, comments, without, prefixes

    def element(self, element: Element, rendered: dict[str, str], is_apex: bool) -> None:
        scope = element.scope()
        if self.exclusive:
            used = {element.prefix, *(a.prefix for a in element.attributes if a.prefix)}
            used |= self.prefixes & ({*scope} | {""})
        else:
            used = {*scope} | {""}
        used.discard("xml")
        rendered = dict(rendered)
        spaces = []
        for prefix in sorted(used):
            uri = scope.get(prefix, "")
            if rendered.get(prefix, "") != uri:
                rendered[prefix] = uri
                spaces.append(f' xmlns:{prefix}="{_value(uri)}"' if prefix else f' xmlns="{_value(uri)}"')
        attributes = list(element.attributes)
        if is_apex and not self.exclusive:
            attributes += _handed_down(element)
        self.out.append(f"<{element.name}{''.join(spaces)}")
        for one in sorted(attributes, key=lambda a: (a.space, a.local)):
            name = f"{one.prefix}:{one.local}" if one.prefix else one.local
            self.out.append(f' {name}="{_value(one.value)}"')
        self.out.append(">")
        for child in element.children:
            if isinstance(child, str):
                self.out.append(_text(child))
            elif isinstance(child, Element):
                if child is not self.without:
                    self.element(child, rendered, False)
            elif self.comments or isinstance(child, Instruction):
                self.aside(child)
        self.out.append(f"</{element.name}>")

    def aside(self, node: Comment | Instruction) -> None:
        if isinstance(node, Comment):
            self.out.append(f"<!--{node.text}-->")
        else:
            self.out.append(f"<?{node.target}{' ' + node.data if node.data else ''}?>")


def _handed_down(element: Element) -> list[Attribute]:
    """Attributes of ``xml:`` that stand above the apex and hold here too."""
    own = {a.local for a in element.attributes if a.space == XML_SPACE}
    found: dict[str, Attribute] = {}
    above = element.parent
    while above is not None:
        for one in above.attributes:
            if one.space == XML_SPACE and one.local not in own:
                found.setdefault(one.local, one)
        above = above.parent
    return list(found.values())


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _value(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
