"""What stands where in an alert, by version: the sequence of the OASIS schemas as data.

CAP 1.2 as in its schema (checked against cap12.xsd); what 1.0 and 1.1 do differently is from memory.
"""

from dataclasses import dataclass, replace

from fengsui.warn.cap import message as m

XMLDSIG = "http://www.w3.org/2000/09/xmldsig#"


@dataclass(frozen=True, slots=True)
class Field:
    """One element: how often it may stand there (``most`` 0: any number) and how its content is read."""

    name: str
    least: int
    most: int
    kind: str = "text"


def _f(name: str, least: int, most: int, kind: str = "text") -> Field:
    return Field(name, least, most, kind)


PAIR = (_f("valueName", 1, 1), _f("value", 1, 1, "value"))
ALERT = (
    _f("identifier", 1, 1, "id"), _f("sender", 1, 1, "id"), _f("sent", 1, 1, "time"), _f("status", 1, 1, "enum"),
    _f("msgType", 1, 1, "enum"), _f("source", 0, 1), _f("scope", 1, 1, "enum"), _f("restriction", 0, 1),
    _f("addresses", 0, 1, "list"), _f("code", 0, 0), _f("note", 0, 1), _f("references", 0, 1, "references"),
    _f("incidents", 0, 1, "list"), _f("info", 0, 0, "group"),
)  # fmt: skip
INFO = (
    _f("language", 0, 1, "language"), _f("category", 1, 0, "enum"), _f("event", 1, 1),
    _f("responseType", 0, 0, "enum"), _f("urgency", 1, 1, "enum"), _f("severity", 1, 1, "enum"),
    _f("certainty", 1, 1, "enum"), _f("audience", 0, 1), _f("eventCode", 0, 0, "pair"),
    _f("effective", 0, 1, "time"), _f("onset", 0, 1, "time"), _f("expires", 0, 1, "time"),
    _f("senderName", 0, 1), _f("headline", 0, 1), _f("description", 0, 1), _f("instruction", 0, 1),
    _f("web", 0, 1, "uri"), _f("contact", 0, 1), _f("parameter", 0, 0, "pair"),
    _f("resource", 0, 0, "group"), _f("area", 0, 0, "group"),
)  # fmt: skip
RESOURCE = (
    _f("resourceDesc", 1, 1), _f("mimeType", 1, 1, "mime"), _f("size", 0, 1, "integer"), _f("uri", 0, 1, "uri"),
    _f("derefUri", 0, 1, "base64"), _f("digest", 0, 1, "digest"),
)  # fmt: skip
AREA = (
    _f("areaDesc", 1, 1), _f("polygon", 0, 0, "polygon"), _f("circle", 0, 0, "circle"),
    _f("geocode", 0, 0, "pair"), _f("altitude", 0, 1, "decimal"), _f("ceiling", 0, 1, "decimal"),
)  # fmt: skip

ENUMS: dict[str, tuple[str, ...]] = {
    "status": m.STATUSES,
    "msgType": m.MESSAGE_TYPES,
    "scope": m.SCOPES,
    "category": m.CATEGORIES,
    "responseType": m.RESPONSES,
    "urgency": m.URGENCIES,
    "severity": m.SEVERITIES,
    "certainty": m.CERTAINTIES,
}
DEPRECATED = {("certainty", "very likely"): "Likely"}  # of CAP 1.0
LATER = {
    "1.0": {("status", "Draft"), ("category", "CBRNE"), ("certainty", "Observed")},
    "1.1": {("responseType", "Avoid"), ("responseType", "AllClear")},
}  # values that a version did not have yet; from memory

Layout = dict[str, tuple[Field, ...]]
V1_2: Layout = {"alert": ALERT, "info": INFO, "resource": RESOURCE, "area": AREA}


def _with(fields: tuple[Field, ...], **changes: Field | None) -> tuple[Field, ...]:
    found = [changes.get(f.name, f) for f in fields]
    return tuple(f for f in found if f is not None)


_LOOSE_MIME = replace(RESOURCE[1], least=0)
V1_1: Layout = V1_2 | {"resource": _with(RESOURCE, mimeType=_LOOSE_MIME)}
V1_0: Layout = {
    "alert": (*ALERT[:2], _f("password", 0, 1), *ALERT[2:]),
    "info": _with(
        INFO,
        category=_f("category", 0, 0, "enum"),
        responseType=None,
        eventCode=_f("eventCode", 0, 0, "old_pair"),
        parameter=_f("parameter", 0, 0, "old_pair"),
    ),
    "resource": _with(RESOURCE, mimeType=_LOOSE_MIME),
    "area": _with(AREA, geocode=_f("geocode", 0, 0, "old_pair")),
}
LAYOUTS = {"1.0": V1_0, "1.1": V1_1, "1.2": V1_2}
