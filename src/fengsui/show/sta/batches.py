"""``POST /$batch``: several requests in one, as multipart/mixed or as JSON.  OGC 18-088, 11; OData 4.0, 11.7.

The parts of a change set are one transaction: either all of its entities are kept or none.  A later part speaks of what
an earlier one made by ``$`` and its Content-ID.  Observations go to the bus when the change set around them is kept.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from django.db import transaction
from django.http import HttpResponse

from fengsui.base.errors import FengsuiError
from fengsui.show.sta.odata.errors import BadQuery

MOST = 1_000
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,100})"|([^\s;"]{1,100}))', re.IGNORECASE)
_LINE = re.compile(r"(GET|POST|PATCH|PUT|DELETE)\s+(\S+)(?:\s+HTTP/1\.\d)?\s*")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, alone or as a part of a batch: ``path`` behind the root, ``kind`` the Content-Type."""

    method: str
    path: str
    query: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A request of a batch and its name; parts of one ``group`` stand or fall together."""

    asked: Asked
    name: str
    group: str


Later = list[Callable[[], None]]  # what waits until the entities of a request are kept; raises FengsuiError
Answer = Callable[[Asked, Later], HttpResponse]


class _Failed(Exception):
    """Ends the transaction of a change set."""


def answer(
    asked: Asked, root: str, one: Answer, refusal: Callable[[FengsuiError], HttpResponse]
) -> HttpResponse:
    """The answer to a batch; ``one`` answers each part and never raises for a bad one.  Raises BadQuery."""
    kind = asked.kind.partition(";")[0].strip().lower()
    if kind == "application/json":
        parts = _of_json(asked.data, root)
        out = [
            {"id": part.name, "status": done.status_code, **_headers(done), **_body(done)}
            for part, done in _done(parts, root, one, refusal)
        ]
        return HttpResponse(msgspec.json.encode({"responses": out}), content_type="application/json")
    if kind != "multipart/mixed":
        raise BadQuery("a batch is multipart/mixed or application/json")
    parts = list(_of_multipart(asked.data, asked.kind, root))
    if len(parts) > MOST:
        raise BadQuery(f"a batch has {MOST} parts at most")
    return _multipart(_done(parts, root, one, refusal))


# ---- doing ----------------------------------------------------------------------------------------------------


def _done(
    parts: list[Part], root: str, one: Answer, refusal: Callable[[FengsuiError], HttpResponse]
) -> list[tuple[Part, HttpResponse]]:
    """Every part with its answer.  A change set of which a part fails is answered by that part alone."""
    out: list[tuple[Part, HttpResponse]] = []
    made: dict[str, str] = {}
    at = 0
    while at < len(parts):
        group = parts[at].group
        stop = at + 1
        while group and stop < len(parts) and parts[stop].group == group:
            stop += 1
        later: list[Later] = []
        out += (
            _together(parts[at:stop], made, root, one, later)
            if group
            else [_alone(parts[at], made, root, one, later)]
        )
        for i, deeds in enumerate(later[: len(later) if out[-1][1].status_code < 400 else 0]):
            place = len(out) - len(later) + i
            try:
                for deed in deeds:
                    deed()
            except FengsuiError as error:
                out[place] = out[place][0], refusal(error)
        at = stop
    return out


def _alone(
    part: Part, made: dict[str, str], root: str, one: Answer, later: list[Later]
) -> tuple[Part, HttpResponse]:
    later.append([])
    done = one(_meant(part.asked, made), later[-1])
    if part.name and done.has_header("Location"):
        made[part.name] = done["Location"].removeprefix(root + "/")
    return part, done


def _together(
    parts: list[Part], made: dict[str, str], root: str, one: Answer, later: list[Later]
) -> list[tuple[Part, HttpResponse]]:
    known = dict(made)
    out: list[tuple[Part, HttpResponse]] = []
    try:
        with transaction.atomic():
            for part in parts:
                out.append(_alone(part, known, root, one, later))
                if out[-1][1].status_code >= 400:
                    raise _Failed
    except _Failed:
        return out[-1:]
    made |= known
    return out


def _meant(asked: Asked, made: dict[str, str]) -> Asked:
    """``$1/Datastreams`` and {"@iot.id": "$1"} as what part 1 made."""
    path = asked.path
    head, slash, rest = path.partition("/")
    if head.startswith("$") and head[1:] in made:
        path = made[head[1:]] + slash + rest
    if not made or b'"$' not in asked.data:
        return replace(asked, path=path)
    try:
        body = msgspec.json.decode(asked.data)
    except msgspec.DecodeError:
        return replace(asked, path=path)
    return replace(asked, path=path, data=msgspec.json.encode(_named(body, made)))


def _named(value: Any, made: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_named(one, made) for one in value]
    if not isinstance(value, dict):
        return value
    out = {name: _named(one, made) for name, one in value.items()}
    key = value.get("@iot.id")
    if isinstance(key, str) and key.startswith("$") and key[1:] in made:
        there = made[key[1:]]
        said = there[there.index("(") + 1 : -1]
        out["@iot.id"] = int(said) if said.isdigit() else said.strip("'")
    return out


# ---- reading --------------------------------------------------------------------------------------------------


def _address(url: str, root: str) -> tuple[str, str]:
    """Path behind the root and query of an absolute or relative address."""
    split = urlsplit(url)
    path = unquote(split.path)
    base = urlsplit(root).path
    if path.startswith(base + "/"):
        return path[len(base) + 1 :], split.query
    return re.sub(r"^/?(?:v1\.[01]/)?", "", path), split.query


def _of_json(data: bytes, root: str) -> list[Part]:
    try:
        said = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadQuery(f"the body is no JSON: {error}") from None
    requests = said.get("requests") if isinstance(said, dict) else None
    if not isinstance(requests, list) or len(requests) > MOST:
        raise BadQuery(f'a batch is {{"requests": [...]}} with {MOST} at most')
    out = []
    for one in requests:
        if not isinstance(one, dict) or not all(isinstance(one.get(n), str) for n in ("id", "method", "url")):
            raise BadQuery("a request of a batch has id, method and url, all texts")
        path, query = _address(one["url"], root)
        headers = one.get("headers") if isinstance(one.get("headers"), dict) else {}
        kinds = [str(v) for k, v in headers.items() if k.lower() == "content-type"]  # type: ignore[union-attr]
        body = msgspec.json.encode(one["body"]) if "body" in one else b""
        asked = Asked(one["method"].upper(), path, query, (kinds or ["application/json"])[0], body)
        out.append(Part(asked, one["id"], str(one.get("atomicityGroup") or "")))
    return out


def _of_multipart(data: bytes, kind: str, root: str, group: str = "") -> Iterator[Part]:
    for number, (headers, content) in enumerate(_parts(data, kind)):
        inner = headers.get("content-type", "")
        if inner.lower().startswith("multipart/mixed"):
            if group:
                raise BadQuery("a change set has no change set inside")
            yield from _of_multipart(content, inner, root, f"set {number}")
        elif inner.lower().startswith("application/http"):
            yield Part(_http(content, root), headers.get("content-id", ""), group)
        else:
            raise BadQuery("a part of a batch is application/http, or multipart/mixed for a change set")


def _parts(data: bytes, kind: str) -> Iterator[tuple[dict[str, str], bytes]]:
    found = _BOUNDARY.search(kind)
    if found is None:
        raise BadQuery("multipart/mixed needs its boundary")
    mark = b"--" + (found[1] or found[2]).encode()
    data = b"\r\n" + data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    pieces = data.split(b"\r\n" + mark)
    if len(pieces) < 2 or not any(piece.startswith(b"--") for piece in pieces[1:]):
        raise BadQuery("the batch is cut: its closing boundary is missing")
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        yield _headed(piece.lstrip(b" \t").removeprefix(b"\r\n"))


def _headed(data: bytes) -> tuple[dict[str, str], bytes]:
    if data.startswith(b"\r\n"):
        return {}, data[2:]
    head, _, content = data.partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, content


def _http(data: bytes, root: str) -> Asked:
    first, _, rest = data.lstrip(b"\r\n").partition(b"\r\n")
    found = _LINE.fullmatch(first.decode("utf-8", "replace"))
    if found is None:
        raise BadQuery(
            f"a part begins with its method and address, not {first[:60].decode('utf-8', 'replace')}"
        )
    headers, content = _headed(rest)
    path, query = _address(found[2], root)
    return Asked(
        found[1], path, query, headers.get("content-type", "application/json"), content.strip(b"\r\n")
    )


# ---- writing --------------------------------------------------------------------------------------------------


def _headers(done: HttpResponse) -> dict[str, Any]:
    return {"location": done["Location"]} if done.has_header("Location") else {}


def _body(done: HttpResponse) -> dict[str, Any]:
    if not done.content:
        return {}
    if "json" in done.get("Content-Type", ""):
        return {"body": msgspec.Raw(done.content)}
    return {"body": done.content.decode("utf-8", "replace")}


def _multipart(done: list[tuple[Part, HttpResponse]]) -> HttpResponse:
    outer, inner = "batch_fengsui", "changeset_fengsui"
    chunks: list[str] = []
    at = 0
    while at < len(done):
        part, one = done[at]
        if not part.group:
            chunks.append(f"--{outer}\r\n{_written(part, one)}")
            at += 1
            continue
        group = []
        name = part.group
        while at < len(done) and done[at][0].group == name:
            group.append(done[at])
            at += 1
        if len(group) == 1 and group[0][1].status_code >= 400:  # a change set that failed is one answer
            chunks.append(f"--{outer}\r\n{_written(*group[0])}")
            continue
        inside = "".join(f"--{inner}\r\n{_written(*one)}" for one in group)
        chunks.append(
            f"--{outer}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n{inside}--{inner}--\r\n"
        )
    text = "".join(chunks) + f"--{outer}--\r\n"
    return HttpResponse(text.encode(), content_type=f"multipart/mixed; boundary={outer}")


def _written(part: Part, done: HttpResponse) -> str:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if part.name:
        head.append(f"Content-ID: {re.sub(r'[^ -~]', '', part.name)}")
    lines = [f"HTTP/1.1 {done.status_code} {done.reason_phrase}"]
    lines += [
        f"{name}: {done[name]}"
        for name in ("Content-Type", "Location")
        if done.has_header(name) and done.content
    ]
    if done.has_header("Location") and not done.content:
        lines.append(f"Location: {done['Location']}")
    content = done.content.decode("utf-8", "replace")
    return "\r\n".join([*head, "", *lines, "", content, ""])
