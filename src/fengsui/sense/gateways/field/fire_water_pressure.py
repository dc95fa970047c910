"""Fire-water pressure terminals in conversation: the terminal id says who speaks; there is no password.

The vendor wants an answer within five seconds and does not describe it; none is made up, so a terminal keeps its
records and sends them again, and they end once in history.
"""

from collections.abc import Mapping
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import fire_water_pressure as codec
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.gateways.field.adapter import (
    UNKNOWN_DEVICE,
    Adapter,
    Asked,
    BadCommand,
    Find,
    Heard,
    Identity,
)


class Session:
    """One connection or sender of datagrams."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def take(self, frame: codec.Frame, now_ms: int) -> Heard:
        measured = codec.readings(frame)
        name = measured[0].device
        heard = Heard(frame.raw, name, self._find(name))
        if heard.identity is None:
            heard.problem = UNKNOWN_DEVICE
        else:
            heard.readings = measured
        return heard

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        return []

    def end(self, now_ms: int) -> list[BadFrame]:
        return []

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        raise BadCommand("no commands are known for fire-water pressure terminals")


ADAPTER = Adapter(CODECS["fire-water-pressure"], Session, longest=codec.LONGEST, udp=True)
