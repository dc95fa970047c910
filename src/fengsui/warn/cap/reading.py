"""Alerts out of bytes: CAP 1.0, 1.1 and 1.2, alone or in Atom, RSS and EDXL-DE, with everything that is wrong in them.

Tolerant: what is certain is read although it is written wrongly, and each departure is a ``Problem`` at its place.
What is not certain is not guessed.  An alert whose identity (identifier, sender, sent) cannot be read is no alert.
Source: CAP 1.2 (OASIS, 1 July 2010) and the schemas of its versions.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fengsui.base import codes
from fengsui.base.errors import BadInput
from fengsui.warn.cap import message as m
from fengsui.warn.cap import shapes, times
from fengsui.warn.cap.rules import Problem
from fengsui.warn.cap.schema import DEPRECATED, ENUMS, LATER, LAYOUTS, PAIR, XMLDSIG, Field
from fengsui.warn.cap.tree import Comment, Element, Instruction, Refused, Tree

MOST_PROBLEMS = 500
HEADLINE = 160  # characters; 3.2.2
LONGEST_ID = 255
LONGEST_LIFE = timedelta(days=366)
XSI = "http://www.w3.org/2001/XMLSchema-instance"
DIVISION_NAMES = ("gb2260", "gb/t 2260", "gb/t2260", "cn:gb2260")  # valueNames that mean GB/T 2260

_ID_BAD = re.compile(r"[\s,<&]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}\Z|[xi](?:-[A-Za-z0-9]{1,8}){1,4}\Z")
_URI_BAD = re.compile(r"""[\s<>"{}|\\^`\x00-\x1f]""")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.")
_MIME = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:\s*;.{0,200})?\Z")
_HEX40 = re.compile(r"[0-9A-Fa-f]{40}\Z")
_INTEGER = re.compile(r"\d{1,18}\Z", re.ASCII)
_DECIMAL = re.compile(r"[-+]?\d{1,12}(?:\.\d{0,12})?\Z", re.ASCII)
_HTML = re.compile(
    r"</?(?:a|b|i|u|p|br|hr|em|ul|ol|li|div|img|tr|td|span|font|table|strong|center|h[1-6])(?:\s[^<>]*)?/?>",
    re.I,
)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,6}|#x[0-9A-Fa-f]{1,5});")
_HAN = re.compile(r"[\u3400-\u9fff]")
_TOKEN = re.compile(r'"([^"]*)"|(\S+)')


@dataclass(frozen=True, slots=True)
class Found:
    """One alert of a document.  ``alert`` is None where it has no identity; ``element`` is what it was read from."""

    alert: m.Alert | None
    version: str
    problems: tuple[Problem, ...]
    element: Element


class Problems:
    """Gathers problems, a bounded number of them."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, rule: str, at: Element, **facts: Any) -> None:
        if len(self.found) < MOST_PROBLEMS:
            self.found.append(Problem(rule, at.path(), at.line, at.column, facts))

    def sorted(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda p: (p.line, p.column)))


def of_tree(tree: Tree | Refused) -> list[Problem]:
    """What is wrong with a document before anything in it is looked at."""
    if isinstance(tree, Refused):
        rule = {"too_many": "xml.too_deep"}.get(tree.reason, f"xml.{tree.reason}")
        return [Problem(rule, "", tree.line, tree.column, {"message": tree.message, "bytes": tree.message})]
    problems = []
    if tree.encoding not in ("", "utf-8", "us-ascii"):
        problems.append(Problem("xml.encoding", "", 1, 1, {"encoding": tree.encoding}))
    if tree.is_shifted:
        problems.append(Problem("xml.shifted", "", 1, 1))
    return problems


def read_alert(element: Element) -> Found:
    """The alert that ``element`` is."""
    problems = Problems()
    version = m.VERSIONS.get(element.space, "")
    if not version:
        problems.add("schema.namespace", element, space=element.space)
    elif version != "1.2":
        problems.add("schema.old_version", element, version=version)
    if element.local != "alert":
        problems.add("schema.case", element, element=element.local, right="alert")
    alert = _Reader(version or "1.2", element, problems).alert()
    return Found(alert, version or "1.2", problems.sorted(), element)


class _Values:
    """The children of an element, read: by name, in order."""

    def __init__(self) -> None:
        self.by_name: dict[str, list[Any]] = {}

    def add(self, name: str, value: Any) -> None:
        self.by_name.setdefault(name, []).append(value)

    def all(self, name: str) -> tuple[Any, ...]:
        return tuple(self.by_name.get(name, ()))

    def one(self, name: str, default: Any = "") -> Any:
        found = self.by_name.get(name)
        return found[0] if found else default


class _Reader:
    def __init__(self, version: str, root: Element, problems: Problems) -> None:
        self.version, self.root, self.problems = version, root, problems
        self.layout = LAYOUTS[version]
        self.add = problems.add
        self.kinds: dict[str, Callable[[Element], Any]] = {
            "text": self._text, "value": lambda e: e.text.strip(), "id": self._id, "time": self._time,
            "enum": self._enum, "list": self._list, "references": self._references, "language": self._language,
            "uri": self._uri, "mime": self._mime, "integer": self._integer, "decimal": self._decimal,
            "base64": self._base64, "digest": self._digest, "polygon": self._polygon, "circle": self._circle,
            "pair": self._pair, "old_pair": self._old_pair, "group": self._group,
        }  # fmt: skip

    # ---- structure -------------------------------------------------------------------------------------------

    def values(self, element: Element, fields: tuple[Field, ...]) -> _Values:
        """Read the children of ``element`` as ``fields`` say, and say what does not fit."""
        by_name = {field.name: i for i, field in enumerate(fields)}
        lower = {name.lower(): name for name in by_name}
        values = _Values()
        counts: dict[str, int] = {}
        farthest = -1
        signed = False
        self._attributes(element)
        if stray := "".join(c for c in element.children if isinstance(c, str)).strip():
            self.add("schema.text", element, element=element.local, text=stray)
        for child in element.elements:
            if child.space == XMLDSIG:
                signed = element is self.root and child.local == "Signature"
                if not signed:
                    self.add("schema.foreign", child, element=child.name)
                continue
            if child.space != self.root.space:
                self.add("schema.foreign", child, element=child.name)
                continue
            name = child.local
            if name not in by_name:
                if name.lower() not in lower:
                    self.add("schema.unknown", child, element=name, parent=element.local)
                    continue
                name = lower[name.lower()]
                self.add("schema.case", child, element=child.local, right=name)
            if signed:
                self.add("signature.place", child)
                signed = False
            place = by_name[name]
            if place < farthest:
                self.add("schema.order", child, element=name, before=fields[farthest].name)
            farthest = max(farthest, place)
            field = fields[place]
            counts[name] = counts.get(name, 0) + 1
            if field.most == 1 and counts[name] == 2:
                count = sum(1 for one in element.elements if one.local.lower() == name.lower())
                self.add("schema.repeated", child, element=name, count=count)
            values.add(name, self._value(child, field))
        for field in fields:
            if counts.get(field.name, 0) < field.least:
                self.add("schema.missing", element, element=field.name)
        return values

    def _value(self, child: Element, field: Field) -> Any:
        if field.kind in ("group", "pair", "old_pair"):
            return self.kinds[field.kind](child)
        self._attributes(child)
        for inner in child.elements:
            self.add("schema.unknown", inner, element=inner.name, parent=field.name)
        if not child.text.strip():
            if field.kind != "value" and (
                field.least or field.kind not in ("text", "uri", "list", "references")
            ):
                self.add("schema.empty", child, element=field.name)
            else:
                self.add("schema.empty_optional", child, element=field.name)
            return None if field.kind in ("time", "integer", "decimal", "polygon", "circle") else ""
        return self.kinds[field.kind](child)

    def _attributes(self, element: Element) -> None:
        for one in element.attributes:
            if one.space != XSI and one.prefix != "xml":
                self.add("schema.attribute", element, element=element.local, attribute=one.local)

    # ---- kinds of content ------------------------------------------------------------------------------------

    def _text(self, element: Element) -> str:
        text = element.text.strip()
        if _HTML.search(text):
            self.add("text.html", element, element=element.local)
        if found := _ENTITY.search(text):
            self.add("text.entity", element, element=element.local, value=found[0])
        return text

    def _id(self, element: Element) -> str:
        text = element.text.strip()
        if _ID_BAD.search(text):
            self.add("id.characters", element, element=element.local, value=text)
        if len(text) > LONGEST_ID:
            self.add("id.long", element, element=element.local, count=len(text))
        return text

    def _time(self, element: Element) -> tuple[datetime, str] | None:
        text = element.text.strip()
        at, broken = times.read(text)
        for rule in broken:
            if rule != "time.fraction" or self.version == "1.2":
                self.add(rule, element, value=text)
        return None if at is None else (at, text)

    def _enum(self, element: Element) -> str:
        name = next(known for known in ENUMS if known.lower() == element.local.lower())
        known, text = ENUMS[name], element.text.strip()
        right = text if text in known else next((one for one in known if one.lower() == text.lower()), "")
        if not right and (right := DEPRECATED.get((name, text.lower()), "")):
            if self.version != "1.0":
                self.add("enum.deprecated", element, value=text, right=right)
        elif not right:
            self.add("enum.unknown", element, element=name, value=text, known=", ".join(known))
        elif right != text:
            self.add("enum.case", element, element=name, value=text, right=right)
        later = {pair for version, pairs in LATER.items() if version >= self.version for pair in pairs}
        if self.version != "1.2" and (name, right) in later:
            self.add("enum.later", element, value=right, version=self.version)
        return right

    def _list(self, element: Element) -> tuple[str, ...]:
        text = element.text
        if text.count('"') % 2:
            self.add("list.quotes", element, element=element.local)
        return tuple(quoted or plain for quoted, plain in _TOKEN.findall(text))

    def _references(self, element: Element) -> tuple[m.Reference, ...]:
        found: dict[m.Reference, None] = {}
        for token in _triplets(element.text.split()):
            parts = token.removesuffix(" ;").split(",")
            if len(parts) != 3 or not all(parts):
                self.add("reference.form", element, value=token)
                continue
            if token not in element.text:
                self.add("reference.blanks", element, value=token)
            at, broken = times.read(parts[2])
            if at is None or [rule for rule in broken if rule not in ("time.utc",)]:
                self.add("reference.time", element, value=parts[2])
            one = m.Reference(*parts)
            if one in found:
                self.add("reference.repeated", element, value=token)
            else:
                found[one] = None
        return tuple(found)

    def _language(self, element: Element) -> str:
        text = element.text.strip()
        if not _LANGUAGE.match(text):
            self.add("language.form", element, value=text)
        return text

    def _uri(self, element: Element) -> str:
        text = element.text.strip()
        if _URI_BAD.search(text):
            self.add("uri.form", element, element=element.local, value=text)
        elif not _SCHEME.match(text) and not (element.parent and element.parent.words("derefUri")):
            self.add("uri.relative", element, element=element.local, value=text)
        return text

    def _mime(self, element: Element) -> str:
        text = element.text.strip()
        if not _MIME.match(text):
            self.add("mime.form", element, value=text)
        return text

    def _integer(self, element: Element) -> int | None:
        text = element.text.strip()
        if not _INTEGER.match(text):
            self.add("number.form", element, element=element.local, value=text)
            return None
        return int(text)

    def _decimal(self, element: Element) -> float | None:
        text = element.text.strip()
        if not _DECIMAL.match(text):
            self.add("number.form", element, element=element.local, value=text)
            return None
        return float(text)

    def _base64(self, element: Element) -> str:
        text = "".join(element.text.split())
        if _decoded(text) is None:
            self.add("deref.form", element)
        return text

    def _digest(self, element: Element) -> str:
        text = element.text.strip()
        if not _HEX40.match(text):
            self.add("digest.form", element, value=text)
        return text

    def _polygon(self, element: Element) -> tuple[m.Point, ...] | None:
        text = element.text.strip()
        points, broken = shapes.read_polygon(text)
        for rule in broken:
            self.add(rule, element, value=text, count=len(points or ()))
        return points

    def _circle(self, element: Element) -> m.Circle | None:
        text = element.text.strip()
        circle, broken = shapes.read_circle(text)
        for rule in broken:
            self.add(rule, element, value=circle.radius_km if circle and rule == "circle.radius" else text)
        return circle

    def _pair(self, element: Element) -> m.Pair | None:
        text = "".join(c for c in element.children if isinstance(c, str)).strip()
        if not element.elements and text:
            self.add("schema.pair", element, element=element.local)
            name, equals, value = text.partition("=")
            return m.Pair(name.strip(), value.strip()) if equals else m.Pair("", text)
        values = self.values(element, PAIR)
        return m.Pair(values.one("valueName"), values.one("value"))

    def _old_pair(self, element: Element) -> m.Pair | None:
        """``name=value`` as CAP 1.0 has it; the newer form is understood too."""
        if element.elements:
            return self._pair(element)
        name, equals, value = element.text.strip().partition("=")
        if not equals:
            self.add("schema.pair", element, element=element.local)
        return m.Pair(name.strip(), value.strip())

    def _group(self, element: Element) -> Any:
        name = element.local.lower()
        return {"info": self._info, "area": self._area, "resource": self._resource}[name](element)

    # ---- the parts -------------------------------------------------------------------------------------------

    def alert(self) -> m.Alert | None:
        element = self.root
        values = self.values(element, self.layout["alert"])
        identifier, sender, sent = values.one("identifier"), values.one("sender"), values.one("sent", None)
        scope, msg_type, status = values.one("scope"), values.one("msgType"), values.one("status")
        references = values.one("references", ()) or ()
        infos = tuple(info for info in values.all("info") if info is not None)
        self._scope(element, scope, values)
        self._note(element, status, msg_type, values.one("note"))
        self._reference(element, msg_type, references, identifier, sender, sent)
        if not values.all("info") and msg_type in ("Alert", "Update"):
            self.add("info.missing", element)
        self._infos(element, infos, sent)
        if not (identifier and sender and sent):
            return None
        return m.Alert(
            identifier=identifier,
            sender=sender,
            sent=sent[0],
            sent_text=sent[1],
            status=status,
            msg_type=msg_type,
            scope=scope,
            source=values.one("source"),
            restriction=values.one("restriction"),
            addresses=values.one("addresses", ()) or (),
            codes=tuple(code for code in values.all("code") if code),
            note=values.one("note"),
            references=references,
            incidents=values.one("incidents", ()) or (),
            infos=infos,
        )

    def _scope(self, element: Element, scope: str, values: _Values) -> None:
        restriction, addresses = values.one("restriction"), values.one("addresses")
        if scope == "Restricted" and not restriction:
            self.add("scope.restriction_missing", element)
        if restriction and scope in ("Public", "Private"):
            self.add("scope.restriction", _child(element, "restriction"), scope=scope)
        if scope == "Private" and not addresses:
            self.add("scope.addresses_missing", element)
        if addresses and scope in ("Public", "Restricted"):
            self.add("scope.addresses", _child(element, "addresses"), scope=scope)

    def _note(self, element: Element, status: str, msg_type: str, note: str) -> None:
        if status == "Exercise" and not note:
            self.add("note.exercise", element)
        if msg_type == "Error" and not note:
            self.add("note.error", element)

    def _reference(
        self,
        element: Element,
        msg_type: str,
        references: tuple[m.Reference, ...],
        identifier: str,
        sender: str,
        sent: tuple[datetime, str] | None,
    ) -> None:
        at = _child(element, "references")
        if not references and msg_type in ("Update", "Cancel", "Ack", "Error") and not at.text.strip():
            self.add("reference.missing", element, type=msg_type)
        if references and msg_type == "Alert":
            self.add("reference.unexpected", at)
        for one in references:
            if (one.sender, one.identifier) == (sender, identifier):
                self.add("reference.self", at)
                continue
            then, _broken = times.read(one.sent)
            if then is not None and sent is not None and then > sent[0]:
                self.add("reference.later", at, value=one.sent)

    def _infos(self, element: Element, infos: tuple[m.Info, ...], sent: tuple[datetime, str] | None) -> None:
        places = [one for one in element.elements if one.local.lower() == "info"]
        for info, at in zip(infos, places, strict=False):
            if sent is not None and info.expires is not None and info.expires <= sent[0]:
                self.add("time.expired_when_sent", _child(at, "expires"))
            if sent is not None and info.expires is not None and info.expires - sent[0] > LONGEST_LIFE:
                self.add("time.long", _child(at, "expires"), days=(info.expires - sent[0]).days)
        said: dict[str, str] = {}  # words → the language in which they were met first
        for info, at in zip(infos, places, strict=False):
            if not (words := info.headline + info.description):
                continue
            before = said.setdefault(words, info.language)
            if before.lower().split("-")[0] != info.language.lower().split("-")[0]:
                self.add("info.same_text", at, one=before, other=info.language)

    def _info(self, element: Element) -> m.Info:
        values = self.values(element, self.layout["info"])
        moments = {name: values.one(name, None) for name in ("effective", "onset", "expires")}
        effective, onset, expires = (None if one is None else one[0] for one in moments.values())
        language = values.one("language") or "en-US"
        headline, description = values.one("headline"), values.one("description")
        for name, at in (("onset", onset), ("effective", effective)):
            if expires is not None and at is not None and expires < at:
                self.add("time.order", _child(element, "expires"), earlier=name)
                break
        if expires is None and not element.all("expires"):
            self.add("time.no_end", element)
        if (
            language.lower().startswith("en")
            and len(_HAN.findall(headline + description + values.one("event"))) > 3
        ):
            self.add("language.mismatch", element, value=language)
        if not headline and not description:
            self.add("info.no_headline", element)
        if len(headline) > HEADLINE:
            self.add("text.long", _child(element, "headline"), count=len(headline))
        if not values.one("instruction"):
            self.add("info.no_instruction", element)
        responses = values.all("responseType")
        for name in ("category", "responseType"):
            given = [one for one in values.all(name) if one]
            for one in sorted({one for one in given if given.count(one) > 1}):
                self.add("enum.repeated", element, element=name, value=one)
        if "None" in responses and len(set(responses)) > 1:
            other = next(one for one in responses if one != "None")
            self.add("info.contradiction", element, one="None", other=other)
        elif "AllClear" in responses and {"Shelter", "Evacuate"} & set(responses):
            other = next(one for one in responses if one in ("Shelter", "Evacuate"))
            self.add("info.contradiction", element, one="AllClear", other=other)
        if not values.all("area"):
            self.add("area.missing", element)
        return m.Info(
            categories=tuple(one or "Other" for one in values.all("category")) or ("Other",),
            event=values.one("event"),
            urgency=values.one("urgency") or "Unknown",
            severity=values.one("severity") or "Unknown",
            certainty=values.one("certainty") or "Unknown",
            language=language,
            responses=tuple(one for one in responses if one),
            audience=values.one("audience"),
            event_codes=_pairs(values, "eventCode"),
            effective=effective,
            onset=onset,
            expires=expires,
            sender_name=values.one("senderName"),
            headline=headline,
            description=description,
            instruction=values.one("instruction"),
            web=values.one("web"),
            contact=values.one("contact"),
            parameters=_pairs(values, "parameter"),
            resources=tuple(values.all("resource")),
            areas=tuple(values.all("area")),
        )

    def _resource(self, element: Element) -> m.Resource:
        values = self.values(element, self.layout["resource"])
        carried = _decoded(values.one("derefUri")) if values.one("derefUri") else None
        size, digest = values.one("size", None), values.one("digest")
        if carried is not None:
            if size is not None and size != len(carried):
                self.add("size.mismatch", _child(element, "size"), given=size, real=len(carried))
            real = hashlib.sha1(carried, usedforsecurity=False).hexdigest()
            if _HEX40.match(digest) and digest.lower() != real:
                self.add("digest.mismatch", _child(element, "digest"))
        return m.Resource(
            desc=values.one("resourceDesc"),
            mime_type=values.one("mimeType"),
            size=size,
            uri=values.one("uri"),
            deref_uri=values.one("derefUri"),
            digest=digest,
        )

    def _area(self, element: Element) -> m.Area:
        values = self.values(element, self.layout["area"])
        altitude, ceiling = values.one("altitude", None), values.one("ceiling", None)
        if ceiling is not None and altitude is None:
            self.add("area.ceiling_alone", _child(element, "ceiling"))
        if ceiling is not None and altitude is not None and ceiling < altitude:
            self.add("area.ceiling_below", _child(element, "ceiling"))
        geocodes = _pairs(values, "geocode")
        if not (values.all("polygon") or values.all("circle") or geocodes):
            self.add("area.words_only", element)
        for pair, at in zip(values.all("geocode"), element.all("geocode"), strict=False):
            if pair is not None and pair.name.lower() in DIVISION_NAMES and not is_division(pair.value):
                self.add("geocode.division", at, value=pair.value)
        return m.Area(
            desc=values.one("areaDesc"),
            polygons=tuple(one for one in values.all("polygon") if one is not None),
            circles=tuple(one for one in values.all("circle") if one is not None),
            geocodes=geocodes,
            altitude_ft=altitude,
            ceiling_ft=ceiling,
        )


def is_division(code: str) -> bool:
    """Is it a code of GB/T 2260 or GB/T 10114?"""
    try:
        codes.level(code)
    except BadInput:
        return False
    return True


def _pairs(values: _Values, name: str) -> tuple[m.Pair, ...]:
    return tuple(pair for pair in values.all(name) if pair is not None)


def _child(element: Element, name: str) -> Element:
    """The child of that name, however its case is; the element itself where there is none."""
    return next((one for one in element.elements if one.local.lower() == name.lower()), element)


def _triplets(tokens: list[str]) -> Iterator[str]:
    """Triplets: those parted by blanks after their commas put together, those strung together by commas cut apart.

    What was not written so is not found in the text: " ;" at the end marks those that were cut apart.
    """
    held = ""
    for token in tokens:
        held += token
        if held.endswith(",") or held.count(",") < 2:
            continue
        parts, held = held.split(","), ""
        if (
            len(parts) > 3
            and len(parts) % 3 == 0
            and all(times.read(parts[i])[0] for i in range(2, len(parts), 3))
        ):
            yield from (",".join(parts[i : i + 3]) + " ;" for i in range(0, len(parts), 3))
        else:
            yield ",".join(parts)
    if held:
        yield held


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


__all__ = ["Comment", "Found", "Instruction", "Problems", "is_division", "of_tree", "read_alert"]
