"""HTTP: ``/sta/v1.1``.  A view says who asks, hands the request on and writes the answer."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from fengsui.base.errors import BadInput, FengsuiError, NotAllowed
from fengsui.sense.devices import entities
from fengsui.sense.gateways.publisher import Busy
from fengsui.show.api.errors import CsrfFailed, NoBus, NotFound, NotLoggedIn
from fengsui.show.sta import arrays, batches, doors
from fengsui.show.sta.batches import Asked, Later
from fengsui.show.sta.conformance import CLASSES
from fengsui.show.sta.model import SETS, Entity
from fengsui.show.sta.odata import address
from fengsui.show.sta.odata.errors import BadQuery, NotAnswered
from fengsui.show.sta.odata.options import NONE, parse_options
from fengsui.show.sta.reading import Found, Raw, Reader
from fengsui.show.sta.sets import Viewer
from fengsui.show.sta.writing import JSON_PATCH, Writer
from fengsui.show.words import say

ROOT = "/sta/v1.1"
STATUS: tuple[tuple[type[FengsuiError], int], ...] = (
    (NotFound, 404), (NotLoggedIn, 401), (NotAllowed, 403), (CsrfFailed, 403), (NoBus, 503), (Busy, 503),
    (NotAnswered, 501), (entities.StillUsed, 409), (BadInput, 400), (FengsuiError, 409),
)  # fmt: skip


@csrf_exempt  # a session's writes are checked by doors; who sends a password or secret needs no token
def service(request: HttpRequest, path: str | None = None) -> HttpResponse:
    """Every address of the service."""
    try:
        viewer = doors.viewer_of(request)
        answer = handle(viewer, request, path or "")
    except FengsuiError as error:
        answer = refusal(error)
    answer["Cache-Control"] = "no-store"
    return answer


def handle(viewer: Viewer, request: HttpRequest, path: str) -> HttpResponse:
    """One request of somebody known.  Raises FengsuiError."""
    data = request.read(settings.MAX_STA_BYTES + 1) if request.method in ("POST", "PATCH", "PUT") else b""
    if len(data) > settings.MAX_STA_BYTES:
        said = {
            "code": "show.sta_too_large",
            "message": f"a body may have {settings.MAX_STA_BYTES} bytes",
            "status": 413,
        }
        return body(said, 413)
    asked = Asked(
        request.method or "GET",
        path,
        request.META.get("QUERY_STRING", ""),
        request.headers.get("Content-Type", ""),
        data,
    )
    root = root_of(request)
    if asked.method == "POST" and path.strip("/") == "$batch":
        return batches.answer(asked, root, lambda part, later: _answered(viewer, root, part, later), refusal)
    return answer_to(viewer, root, asked)


def answer_to(viewer: Viewer, root: str, asked: Asked, later: Later | None = None) -> HttpResponse:
    """One request and its answer; observations wait in ``later`` when it is given.  Raises FengsuiError."""
    if asked.method in ("GET", "HEAD"):
        return read(viewer, root, asked.path, asked.query)
    segments = address.parse(asked.path)
    if asked.method == "POST" and [str(s) for s in segments] == ["CreateObservations"]:
        return body(arrays.create(Writer(viewer, Reader(viewer, root)), asked.data), 201)
    if not segments or asked.method not in ("POST", "PATCH", "PUT", "DELETE"):
        return not_allowed(("GET", "HEAD"))
    reader = Reader(viewer, root)
    writer = Writer(viewer, reader, later)
    found, rest = reader.find(segments)
    if rest:
        return not_allowed(("GET", "HEAD"))
    if found.is_list != (asked.method == "POST"):
        return not_allowed(("GET", "POST") if found.is_list else ("GET", "PATCH", "PUT", "DELETE"))
    if asked.method == "POST":
        within = reader.find(segments[:-1])[0] if len(segments) > 1 else None
        entity, key = writer.add(found, within, decoded(asked.data))
        return made(writer, entity, key)
    if asked.method == "DELETE":
        writer.remove(found)
    else:
        patch = asked.kind.partition(";")[0].strip() == JSON_PATCH
        writer.change(found, decoded(asked.data), whole=asked.method == "PUT", patch=patch)
    return HttpResponse(status=200)


def _answered(viewer: Viewer, root: str, asked: Asked, later: Later) -> HttpResponse:
    """The same where a refusal is an answer too."""
    try:
        with transaction.atomic():
            return answer_to(viewer, root, asked, later)
    except FengsuiError as error:
        return refusal(error)


def made(writer: Writer, entity: Entity, key: int | str) -> HttpResponse:
    """201, the address of what was made, and itself, unless it is an observation that the pipeline has yet to take."""
    reader = writer.reader
    here = f"{reader.root}/{entity.plural}({address.quoted(key)})"
    if entity.model is None:
        return body({"@iot.id": key, "@iot.selfLink": here}, 201, Location=here)
    row = entity.model._default_manager.get(pk=key)
    return body(reader.shaped(Found(entity, row=row), NONE), 201, Location=here)


def decoded(data: bytes) -> Any:
    """A JSON body.  Raises BadQuery."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadQuery(f"the body is no JSON: {error}") from None


def read(viewer: Viewer, root: str, path: str, query: str) -> HttpResponse:
    """GET.  Raises FengsuiError."""
    segments = address.parse(path)
    if not segments:
        return body(entrance(root))
    options = parse_options(parse_qsl(query, keep_blank_values=True))
    found = Reader(viewer, root).get(segments, options)
    if isinstance(found, Raw):
        return HttpResponse(found.text, content_type="text/plain; charset=utf-8")
    return body(found)


def entrance(root: str) -> dict[str, Any]:
    """The service's root: which sets there are and which requirements are met.  OGC 18-088, 9.2.1."""
    mqtt = f"mqtt://{settings.MQTT_ENDPOINT}"
    topics = "http://www.opengis.net/spec/iot_sensing/1.1/req"
    return {
        "value": [{"name": name, "url": f"{root}/{name}"} for name in SETS],
        "serverSettings": {
            "conformance": list(CLASSES),
            f"{topics}/create-observations-via-mqtt/observations-creation": {"endpoints": [mqtt]},
            f"{topics}/receive-updates-via-mqtt/receive-updates": {"endpoints": [mqtt]},
        },
    }


def root_of(request: HttpRequest) -> str:
    """The absolute address of the service as this client calls it."""
    return request.build_absolute_uri(ROOT)


def body(value: Any, status: int = 200, **headers: str) -> HttpResponse:
    answer = HttpResponse(msgspec.json.encode(value), content_type="application/json", status=status)
    for name, text in headers.items():
        answer[name.replace("_", "-")] = text
    return answer


def not_allowed(methods: tuple[str, ...]) -> HttpResponse:
    said = {"code": "show.sta_method", "message": f"here {', '.join(methods)} can be asked", "status": 405}
    return body(said, 405, Allow=", ".join(methods))


def status_of(error: FengsuiError) -> int:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def refusal(error: FengsuiError) -> HttpResponse:
    """An error in the one shape of the house."""
    status = status_of(error)
    answer = body({"code": error.code, "message": say(error), "status": status}, status)
    if status == 401:
        answer["WWW-Authenticate"] = 'Basic realm="fengsui", charset="UTF-8"'
    return answer
