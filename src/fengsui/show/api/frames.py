"""Frames of field protocols, explained field by field: for suppliers' engineers, and programs that look at captures."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.people.orgs import access
from fengsui.sense.codecs.explained import Explained
from fengsui.sense.codecs.frame import Row, Term
from fengsui.sense.codecs.registry import CODECS
from fengsui.show.lists.frames import pasted

router = Router(tags=["devices"])


class TermOut(Schema):
    zh: str
    en: str


class ProtocolOut(Schema):
    name: str
    standard: str
    title: TermOut


class ProtocolsOut(Schema):
    items: list[ProtocolOut]


class FrameIn(Schema):
    protocol: str
    hex: str | None = None
    text: str | None = None


class RowOut(Schema):
    offset: int  # of its first byte, in the frame
    hex: str
    name: TermOut
    meaning: TermOut


class FrameOut(Schema):
    ok: bool
    hex: str
    departures: list[str]
    fields: dict[str, Any]  # by the standard's names; ``refused`` among them where ok is false
    rows: list[RowOut]


class FramesOut(Schema):
    protocol: ProtocolOut
    items: list[FrameOut]
    left_off: int  # frames and refusals beyond the limits


@router.get("frames/protocols", response=ProtocolsOut)
def list_protocols(request: HttpRequest) -> dict[str, Any]:
    """The protocols whose frames can be explained."""
    access.require(request.user, "device.view")
    return {"items": list(CODECS.values())}


@router.post("frames/decode", response=FramesOut)
def decode_frames(request: HttpRequest, body: FrameIn) -> dict[str, Any]:
    """Explain frames given in ``hex`` digits or as ``text``, field by field; what is refused has its reason.

    65,536 bytes, 200 frames and 5,000 rows at most.  Nothing is kept.
    """
    access.require(request.user, "device.view")
    found = pasted(body.protocol, hex=body.hex, text=body.text)
    return {
        "protocol": found.codec,
        "items": [_shape(one) for one in found.found],
        "left_off": found.left_off,
    }


def _shape(one: Explained) -> dict[str, Any]:
    return {
        "ok": one.refused is None,
        "hex": one.raw.hex().upper(),
        "departures": list(one.departures),
        "fields": one.fields,
        "rows": [_row(row) for row in one.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    meaning = row.meaning if isinstance(row.meaning, Term) else Term(row.meaning, row.meaning)
    return {
        "offset": row.offset,
        "hex": row.data.hex().upper(),
        "name": row.name._asdict(),
        "meaning": meaning._asdict(),
    }
