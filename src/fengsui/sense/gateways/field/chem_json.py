"""Sealed JSON of hazardous chemicals in conversation: ``appId`` says who speaks, and the seal proves it.

The secret of an identity is its seal, ``algorithm-mode-text:key`` with the key (and for CBC ``:iv``) in hex digits:
``aes-ecb-base64:00112233445566778899aabbccddeeff``; rows that are not sealed with it are refused.  The type of device
may name the columns of a reading, ``CODE,VALUE,TIME``.  What a platform answers is not known and not made up.
"""

import json
from collections.abc import Mapping
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import chem_json as codec
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.gateways.field.adapter import (
    NOT_READABLE,
    UNKNOWN_DEVICE,
    WRONG_PASSWORD,
    Adapter,
    Asked,
    BadCommand,
    Find,
    Heard,
    Identity,
)


class Session:
    """One connection."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._secret = ""  # the last one, and its seal: a connection speaks for one plant
        self._seal: codec.Seal | None = None

    def take(self, frame: codec.Record, now_ms: int) -> Heard:
        identity = self._find(frame.app_id)
        heard = Heard(_raw(frame), frame.app_id, identity)
        if identity is None:
            heard.problem = UNKNOWN_DEVICE
            return heard
        if identity.secret != self._secret:
            self._secret, self._seal = identity.secret, seal_of(identity.secret)
        seal = self._seal
        opened = not isinstance(frame.data, str) or frame.data.lstrip()[:1] in ("[", "{")
        if identity.secret and (seal is None or opened):
            heard.problem = WRONG_PASSWORD
            return heard
        rows = codec.rows(frame, seal)
        if isinstance(rows, BadFrame):
            heard.problem = WRONG_PASSWORD if identity.secret else NOT_READABLE
            return heard
        measured, heard.refused = codec.readings(rows, _columns(identity.model))
        heard.readings = [one._replace(device=frame.app_id) for one in measured]
        return heard

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        return []

    def end(self, now_ms: int) -> list[BadFrame]:
        return []

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        raise BadCommand("no commands are known for sealed JSON of hazardous chemicals")


def seal_of(secret: str) -> codec.Seal | None:
    """The seal that a secret says; None when it says none."""
    how, _, keys = secret.partition(":")
    key, _, iv = keys.partition(":")
    parts: list[Any] = how.split("-")
    if (
        len(parts) != 3
        or parts[0] not in ("aes", "sm4")
        or parts[1] not in ("ecb", "cbc")
        or parts[2] not in ("base64", "hex")
    ):
        return None
    try:
        return codec.Seal(bytes.fromhex(key), parts[0], parts[1], bytes.fromhex(iv), parts[2])
    except ValueError:
        return None


def _columns(model: str) -> codec.Columns:
    names = model.split(",")
    return codec.Columns(*names) if len(names) == 3 else codec.Columns()


def _raw(frame: codec.Record) -> bytes:
    about = {
        "appId": frame.app_id,
        "serviceId": frame.service_id,
        "dataId": frame.data_id,
        "data": frame.data,
    }
    return json.dumps(about, ensure_ascii=False, default=str).encode("utf-8", "replace")


ADAPTER = Adapter(CODECS["chem-json"], Session, longest=codec.MAX_RECORD + 2)
