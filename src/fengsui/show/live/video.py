"""Asking the role video over the bus: to show a camera, to move it, for a still picture.  Who may is decided before."""

import re
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from fengsui.base.errors import BadInput, FengsuiError
from fengsui.sense.gateways.gb28181.platform import VideoRefused
from fengsui.sense.gateways.gb28181.transport import NoAnswer
from fengsui.show.live.hub import NotConnected, hub

SUBJECT = "video.ask"
PATIENCE_S = 30.0  # a call, its first picture and decoding it
FILE = re.compile(r"(?:index\.m3u8|open-\d{1,6}\.mp4|part-\d{1,9}\.m4s)")
STREAM = re.compile(r"[0-9a-f]{24}")
TYPES = {".m3u8": "application/vnd.apple.mpegurl", ".mp4": "video/mp4", ".m4s": "video/iso.segment"}
_SAID: dict[str, type[FengsuiError]] = {kind.code: kind for kind in (VideoRefused, NoAnswer, BadInput)}


class NoVideo(FengsuiError):
    """The role video does not answer: it is not up, or another one works."""

    code = "show.no_video"


def ask(do: str, **about: Any) -> dict[str, Any]:
    """What the role answers.  Raises NoVideo, VideoRefused, NoAnswer and BadInput."""
    try:
        data = hub().ask(SUBJECT, msgspec.msgpack.encode({"do": do, **about}), PATIENCE_S)
        told: dict[str, Any] = msgspec.msgpack.decode(data)
    except (NotConnected, msgspec.DecodeError):
        raise NoVideo from None
    if "error" in told:
        raise _SAID.get(str(told["error"]), FengsuiError)(str(told.get("message", "")))
    return told


def segment(camera: int, stream: str, name: str) -> tuple[bytes, str] | None:
    """A file of a stream of a camera and its type; None when there is none of that name."""
    if not STREAM.fullmatch(stream) or not FILE.fullmatch(name):
        return None
    path = Path(settings.VIDEO_ROOT) / str(camera) / stream / name
    try:
        return path.read_bytes(), TYPES[path.suffix]
    except OSError:
        return None
