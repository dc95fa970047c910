"""``POST /api/v1/readings``: a raw ASGI application that answers only when the bus has the readings on disk.

The schema and every answer are described with examples in docs/protocols/http.md.
"""

import asyncio
import base64
import binascii
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import structlog

from fengsui.base import tracing
from fengsui.base.batch import Batch
from fengsui.sense.codecs.readings_json import BadPayload, Draft, decode
from fengsui.sense.gateways import door
from fengsui.sense.gateways.publisher import NOT_IN_TIME, Busy, Publisher
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import DeviceRow, Registry, SiteRow
from fengsui.sense.gateways.repeats import Repeats
from fengsui.stores.clock import process_clock

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger()

PATH = "/api/v1/readings"
MAX_BODY_BYTES = 64 << 20
BODIES_BYTES = 256 << 20  # bodies held at the same time, all senders together
BODY_TIMEOUT_S = 60.0
BIG_BYTES = 128 << 10  # decoded in a thread, so that others are answered meanwhile
NAMED = 10_000  # refused readings named in one answer; all of them are in quarantine
LATE_BODY = msgspec.json.encode({"code": Busy.code, "message": NOT_IN_TIME})


class Counts(msgspec.Struct):
    """What this process has answered since it started."""

    requests: int = 0
    accepted: int = 0
    refused: int = 0
    busy: int = 0


class Refusal(Exception):
    """Ends a request with this status and message."""

    def __init__(self, status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Gate:
    """What all requests of one process share."""

    def __init__(
        self,
        registry: Registry,
        publisher: Publisher,
        admit: door.Admit = door.admit_all,
        refusals: Refusals | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        repeats: Repeats | None = None,
    ) -> None:
        self.registry, self.publisher, self.admit = registry, publisher, admit
        self.repeats = repeats
        self.refusals = refusals or Refusals()
        self.max_body_bytes = max_body_bytes
        self.counts = Counts()
        self.answers: Counter[int] = Counter()  # by status
        self.held_bytes = self.received_bytes = 0
        self.one_big = asyncio.Lock()


def app(
    registry: Registry,
    publisher: Publisher,
    admit: door.Admit = door.admit_all,
    refusals: Refusals | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    repeats: Repeats | None = None,
) -> App:
    """The application: POST PATH, and GET /healthz for the gateway's own port."""
    gate = Gate(registry, publisher, admit, refusals, max_body_bytes, repeats)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        gate.counts.requests += 1
        held = _Held()
        try:
            with tracing.root("gateway.request", path=scope["path"]):
                status, body = await _route(gate, scope, receive, held)
            headers: tuple[tuple[bytes, bytes], ...] = ()
        except Refusal as answer:
            status, headers = answer.status, answer.headers
            body = {"code": answer.code, "message": answer.message}
        except Busy as busy:
            gate.counts.busy += 1
            status, headers = 503, ((b"retry-after", str(busy.retry_after_s).encode()),)
            body = {"code": busy.code, "message": str(busy)}
        except _Gone:
            return
        finally:
            gate.held_bytes -= held.bytes
            gate.received_bytes += held.bytes
        gate.answers[status] += 1
        await _send(send, status, body, headers)

    application.gate = gate  # type: ignore[attr-defined]
    return application


async def _route(gate: Gate, scope: Scope, receive: Receive, held: "_Held") -> tuple[int, Any]:
    if scope["path"] == "/healthz":
        return _health(gate)
    if scope["path"] != PATH:
        raise Refusal(404, "sense.not_found", f"there is {PATH} and /healthz here")
    if scope["method"] != "POST":
        raise Refusal(405, "sense.method", f"only POST {PATH}", (b"allow", b"POST"))
    if not gate.registry.loaded:
        raise Busy("the gateway does not know its devices yet; send the readings again in a moment")
    headers = {name: value for name, value in scope["headers"]}
    address = scope["client"][0] if scope.get("client") else None
    device, site = device_of(gate, headers, address)
    gate.publisher.require_room()  # before the body is read: it will be sent again, perhaps many times
    data = await _body(gate, headers, receive, held)
    if gate.repeats is not None and not process_clock().is_apart:
        plain = gate.repeats.enter(data, site, gate.registry.streams(site.id), device.code, door.now_ms())
        if plain is not None:
            await gate.publisher.publish(plain)
            gate.counts.accepted += len(plain)
            return 200, {"accepted": len(plain)}
    if len(data) <= BIG_BYTES:
        draft = decode(data)
    else:
        async with gate.one_big:
            draft = await asyncio.to_thread(decode, data)
    received_ms = door.now_ms()
    if isinstance(draft, BadPayload):
        gate.counts.refused += 1
        await gate.publisher.publish(door.unreadable(data, site, device.code, received_ms))
        raise Refusal(400, draft.code, str(draft))
    door.require_sure_time(device.code, draft.time_ms)
    if draft.site not in (None, site.code):
        await _refuse_other_site(gate, draft, site, device, address, received_ms)
    entered = await _enter(gate, draft, site, device, received_ms)
    await gate.publisher.publish(entered.batch)
    refused = len(entered.batch.refused)
    gate.counts.accepted += entered.accepted
    gate.counts.refused += refused
    if not refused:
        if gate.repeats is not None:
            gate.repeats.learn(data, draft, site, gate.registry.streams(site.id), device.code)
        return 200, {"accepted": entered.accepted}
    return 422, {
        "accepted": entered.accepted,
        "refused_count": refused,
        "refused": entered.refusals(NAMED),
    }


async def _enter(
    gate: Gate, draft: Draft, site: SiteRow, device: DeviceRow, received_ms: int
) -> door.Entered:
    streams = gate.registry.streams(site.id)
    arguments = (draft, site, streams, device.code, received_ms, gate.admit)
    if len(draft) <= 20_000:
        return door.enter(*arguments)
    async with gate.one_big:
        return await asyncio.to_thread(door.enter, *arguments)


async def _refuse_other_site(
    gate: Gate, draft: Draft, site: SiteRow, device: DeviceRow, address: str | None, received_ms: int
) -> None:
    gate.counts.refused += len(draft)
    gate.refusals.note(
        "readings.publish", device.code, address, org_path=site.org_path, by="http", why="wrong_site",
        site=site.code, sent_site=draft.site, readings=len(draft),
    )  # fmt: skip
    kept: Batch = door.wrong_site(draft, site, device.code, received_ms)
    await gate.publisher.publish(kept)
    raise Refusal(403, "sense.wrong_site", f"device {device.code} may publish for site {site.code} only")


def device_of(
    gate: Gate, headers: dict[bytes, bytes], address: str | None, *, note: bool = True
) -> tuple[DeviceRow, SiteRow]:
    """The device that sends and its site, from Basic device:secret or Bearer device.secret.

    Raises Refusal; ``note`` says whether a wrong secret is audited (once for each message).
    """
    code, secret = _credentials(headers.get(b"authorization", b""))
    device = gate.registry.authenticate(code, secret)
    if device is None:
        known = gate.registry.snapshot.devices.get(code)
        own = gate.registry.site_of(known) if known else None
        if note and (code or secret):
            gate.refusals.note("device.login", code, address, org_path=own.org_path if own else "", by="http")
        raise Refusal(
            401,
            "sense.unauthorized",
            "device code and secret are needed and must be right",
            (b"www-authenticate", b'Basic realm="fengsui"'),
        )
    site = gate.registry.site_of(device)
    if site is None or not site.is_active:
        raise Refusal(403, "sense.site_inactive", f"the site of device {device.code} is out of use")
    return device, site


def _credentials(header: bytes) -> tuple[str, str]:
    kind, _, rest = header.partition(b" ")
    rest = rest.strip()
    if kind.lower() == b"basic":
        try:
            rest = base64.b64decode(rest, validate=True)
        except (binascii.Error, ValueError):
            return "", ""
        code, _, secret = rest.decode("utf-8", "replace").partition(":")
        return code, secret
    if kind.lower() == b"bearer":
        code, _, secret = rest.decode("utf-8", "replace").partition(".")
        return code, secret
    return "", ""


# ---- the body -------------------------------------------------------------------------------------------------


class _Held:
    """Bytes of one request's body, counted until it is answered."""

    bytes = 0


class _Gone(Exception):
    """The sender hung up before its body was whole."""


async def _body(gate: Gate, headers: dict[bytes, bytes], receive: Receive, held: _Held) -> bytes:
    """The whole body, unpacked.  Never holds more than the limits, whatever the sender announces or packs."""
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Refusal(415, "sense.media_type", "Content-Type must be application/json")
    packing = headers.get(b"content-encoding", b"identity").strip().lower()
    if packing not in (b"identity", b"gzip", b""):
        raise Refusal(415, "sense.media_type", "Content-Encoding may be gzip or none")
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > gate.max_body_bytes:
        raise _too_large(gate)
    unpack = zlib.decompressobj(wbits=31) if packing == b"gzip" else None
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            more = True
            while more:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise _Gone
                more = event.get("more_body", False)
                chunk = event.get("body", b"")
                if unpack is not None:
                    chunk = unpack.decompress(chunk, gate.max_body_bytes - size + 1)
                size += len(chunk)
                held.bytes += len(chunk)
                gate.held_bytes += len(chunk)
                chunks.append(chunk)
                if size > gate.max_body_bytes:
                    raise _too_large(gate)
                if gate.held_bytes > BODIES_BYTES:
                    raise Busy("too much is being sent at the same time; send the readings again later")
    except zlib.error:
        raise Refusal(400, "sense.bad_payload", "the body is not gzip") from None
    except TimeoutError:
        raise Refusal(408, "sense.slow", f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from None
    if unpack is not None and (not unpack.eof or unpack.unused_data):
        raise Refusal(400, "sense.bad_payload", "the gzip body is cut or has something after its end")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(gate: Gate) -> Refusal:
    """No ``Connection: close`` here: the server reads on and drops the rest, or the sender would see a reset."""
    limit = gate.max_body_bytes
    return Refusal(
        413,
        "sense.too_large",
        f"the body is larger than {limit} bytes (unpacked): send the readings in several requests",
    )


def _health(gate: Gate) -> tuple[int, dict]:
    full = gate.publisher.room.full
    ready = gate.registry.loaded and gate.publisher.connected and full is None
    return (200 if ready else 503), {
        "role": "gateway",
        "ready": ready,
        **({} if full is None else {"disk_full": msgspec.structs.asdict(full)}),
        "lag": gate.publisher.lag,
        "counts": msgspec.structs.asdict(gate.counts),
    }


async def _send(send: Send, status: int, body: Any, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    data = msgspec.json.encode(body)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(data)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": data})
