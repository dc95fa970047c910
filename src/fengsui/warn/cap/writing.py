"""CAP 1.2 as bytes, strictly: what cannot be written as the standard wants it is not written.

UTF-8, one element a line, no attributes, elements in the order of the schema.  ``write`` reads what it wrote with the
reader of this folder and raises ``CannotWrite`` with every error found: so nothing goes out that our own check refuses.
"""

from collections.abc import Iterable
from datetime import datetime

from fengsui.base.errors import BadInput
from fengsui.warn.cap import message as m
from fengsui.warn.cap import shapes, times
from fengsui.warn.cap.reading import read_alert
from fengsui.warn.cap.rules import ERROR, Problem
from fengsui.warn.cap.tree import Refused, parse

_NOT_XML = {c: None for c in (*range(0x20), 0xFFFE, 0xFFFF) if c not in (0x09, 0x0A, 0x0D)}


class CannotWrite(BadInput):
    """An alert that would not be a CAP 1.2 message; ``problems`` says why, each with its rule."""

    code = "warn.cannot_write_cap"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        said = "; ".join(f"{one.path}: {one.what().en}" for one in self.problems)
        super().__init__(said)


def write(alert: m.Alert) -> bytes:
    """``alert`` as a document.  Raises CannotWrite."""
    data = draft(alert)
    tree = parse(data)
    if isinstance(tree, Refused):
        rule = "xml.too_large" if tree.reason == "too_large" else "xml.not_well_formed"
        raise CannotWrite([Problem(rule, "", tree.line, tree.column, {"message": tree.message})])
    if errors := [one for one in read_alert(tree.root).problems if one.severity == ERROR]:
        raise CannotWrite(errors)
    return data


def draft(alert: m.Alert) -> bytes:
    """The same, whatever is wrong with it: for the check of something that is still being written."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>', f'<alert xmlns="{m.CAP_1_2}">']
    put = _Put(out, 1)
    put("identifier", alert.identifier, True)
    put("sender", alert.sender, True)
    put("sent", alert.sent_text if _is_strict(alert) else _moment(alert.sent), True)
    put("status", alert.status, True)
    put("msgType", alert.msg_type, True)
    put("source", alert.source)
    put("scope", alert.scope, True)
    put("restriction", alert.restriction)
    put("addresses", _list(alert.addresses))
    for code in alert.codes:
        put("code", code)
    put("note", alert.note)
    put("references", " ".join(f"{r.sender},{r.identifier},{r.sent}" for r in alert.references))
    put("incidents", _list(alert.incidents))
    for info in alert.infos:
        _info(put, info)
    out.append("</alert>\n")
    return "\n".join(out).encode("utf-8", "replace")


class _Put:
    """Adds one element a line; text that is empty is left out unless it is needed."""

    def __init__(self, out: list[str], depth: int) -> None:
        self.out, self.depth = out, depth

    def __call__(self, name: str, text: str | None, needed: bool = False) -> None:
        if text or needed:
            self.out.append(f"{' ' * self.depth}<{name}>{escaped(text or '')}</{name}>")

    def inside(self, name: str) -> "_Put":
        self.out.append(f"{' ' * self.depth}<{name}>")
        return _Put(self.out, self.depth + 1)

    def end(self, name: str) -> None:
        self.out.append(f"{' ' * self.depth}</{name}>")

    def pair(self, name: str, pair: m.Pair) -> None:
        self.out.append(
            f"{' ' * self.depth}<{name}><valueName>{escaped(pair.name)}</valueName>"
            f"<value>{escaped(pair.value)}</value></{name}>"
        )


def _info(alert: _Put, info: m.Info) -> None:
    put = alert.inside("info")
    put("language", info.language)
    for category in info.categories:
        put("category", category, True)
    put("event", info.event, True)
    for response in info.responses:
        put("responseType", response, True)
    put("urgency", info.urgency, True)
    put("severity", info.severity, True)
    put("certainty", info.certainty, True)
    put("audience", info.audience)
    for pair in info.event_codes:
        put.pair("eventCode", pair)
    for name, at in (("effective", info.effective), ("onset", info.onset), ("expires", info.expires)):
        put(name, None if at is None else _moment(at))
    put("senderName", info.sender_name)
    put("headline", info.headline)
    put("description", info.description)
    put("instruction", info.instruction)
    put("web", info.web)
    put("contact", info.contact)
    for pair in info.parameters:
        put.pair("parameter", pair)
    for resource in info.resources:
        inner = put.inside("resource")
        inner("resourceDesc", resource.desc, True)
        inner("mimeType", resource.mime_type, True)
        inner("size", None if resource.size is None else str(resource.size))
        inner("uri", resource.uri)
        inner("derefUri", resource.deref_uri)
        inner("digest", resource.digest)
        put.end("resource")
    for area in info.areas:
        _area(put, area)
    alert.end("info")


def _area(info: _Put, area: m.Area) -> None:
    put = info.inside("area")
    put("areaDesc", area.desc, True)
    for polygon in area.polygons:
        put("polygon", shapes.write_polygon(polygon), True)
    for circle in area.circles:
        put("circle", shapes.write_circle(circle), True)
    for pair in area.geocodes:
        put.pair("geocode", pair)
    for name, feet in (("altitude", area.altitude_ft), ("ceiling", area.ceiling_ft)):
        put(name, None if feet is None else shapes.write_number(feet))
    info.end("area")


def escaped(text: str) -> str:
    """``text`` for between two tags; characters that XML cannot hold are dropped."""
    text = text.translate(_NOT_XML)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _list(tokens: Iterable[str]) -> str:
    return " ".join(f'"{one}"' if any(c.isspace() for c in one) else one for one in tokens)


def _moment(at: datetime) -> str:
    return times.write(at.replace(microsecond=0))


def _is_strict(alert: m.Alert) -> bool:
    at, broken = times.read(alert.sent_text)
    return at == alert.sent and not broken
