"""Devices that speak field protocols: codes that nobody mapped, what they mean, and commands to a device."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from fengsui.sense.devices import commands
from fengsui.sense.devices.mapping import map_code
from fengsui.sense.devices.models import Device, UnmappedCode
from fengsui.show.api import shapes
from fengsui.show.api.found import one
from fengsui.show.lists import unmapped as lists

router = Router(tags=["devices"])


class UnmappedOut(Schema):
    id: int
    site: str
    device: str
    protocol: str
    code: str
    unit: str
    count: int
    last_value: float | None
    first_at_ms: int
    last_at_ms: int


class UnmappedPage(Schema):
    items: list[UnmappedOut]
    next: str | None


class MapIn(Schema):
    datastream: str = ""
    observed_property: str = ""
    unit: str = ""
    factor: float = 1.0
    shift: float = 0.0
    whole_site: bool = False


class MappingOut(Schema):
    id: int
    protocol: str
    code: str
    datastream: str
    observed_property: str
    unit: str
    factor: float
    shift: float


class CommandIn(Schema):
    command: str
    arguments: dict[str, str | float] = {}
    protocol: str = ""
    wait_s: float = 15.0


class CommandOut(Schema):
    outcome: str  # answered, refused, sent, timeout, disconnected or not_connected
    protocol: str
    said: list[Any]


@router.get("unmapped", response=UnmappedPage)
def list_unmapped(
    request: HttpRequest, protocol: str = "", site: str = "", q: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Codes that devices sent and nobody mapped, last seen first."""
    page = lists.unmapped_page(
        request.user, protocol=protocol, site=site, q=q, cursor=cursor or None, size=size
    )
    return {"items": [_shape(row) for row in page.items], "next": page.next}


@router.post("unmapped/{int:pk}/map", response={201: MappingOut})
def map_unmapped(request: HttpRequest, pk: int, body: MapIn) -> Status[Any]:
    """Say what a code means, for its device or for its whole site; neither target: it is known and not wanted."""
    seen = one(lists.unmapped(request.user), pk=pk)
    return Status(201, map_code(request.user, seen, **body.dict()))


@router.post("devices/{code}/command", response=CommandOut)
def send_command(request: HttpRequest, code: str, body: CommandIn) -> dict[str, Any]:
    """Send a command to a connected device and wait for its answer, ``wait_s`` seconds and 120 at most."""
    device = one(Device.objects.visible_to(request.user).select_related("site"), code=code)
    made = commands.command(
        request.user, device, body.command, body.arguments, body.protocol, min(max(body.wait_s, 0.1), 120.0)
    )
    return {"outcome": made.outcome, "protocol": made.protocol, "said": made.said}


def _shape(row: UnmappedCode) -> dict[str, Any]:
    return {
        "id": row.pk, "site": row.device.site.code, "device": row.device.code, "protocol": row.protocol,
        "code": row.code, "unit": row.unit, "count": row.count, "last_value": row.last_value,
        "first_at_ms": shapes.ms(row.first_at), "last_at_ms": shapes.ms(row.last_at),
    }  # fmt: skip
