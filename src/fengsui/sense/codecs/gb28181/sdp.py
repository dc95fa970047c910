"""Session descriptions (RFC 4566) with the lines of GB/T 28181: ``y=`` the SSRC, ``f=`` the format of the picture.

Source: GB/T 28181-2016, 9.2 and annex F (2022: annex G), RFC 4145 for ``setup`` and ``connection``.
"""

import ipaddress
import re
from dataclasses import dataclass, field

from fengsui.base.errors import BadFrame

MAX_BYTES = 16_384
MAX_LINES = 256
PLAY, PLAYBACK, DOWNLOAD, TALK = "Play", "Playback", "Download", "Talk"
UDP, TCP = "RTP/AVP", "TCP/RTP/AVP"
PS, MPEG4, H264, SVAC, H265 = 96, 97, 98, 99, 100
_NAMES = {PS: "PS/90000", H264: "H264/90000", MPEG4: "MPEG4/90000", H265: "H265/90000"}
_SSRC = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Session:
    """What one side says: where it sends or takes the stream and in what form."""

    name: str  # of PLAY, PLAYBACK, DOWNLOAD, TALK
    owner: str = ""
    address: str = ""
    port: int = 0
    transport: str = UDP
    payloads: tuple[int, ...] = (PS,)
    kind: str = "video"
    direction: str = ""  # recvonly, sendonly, sendrecv
    setup: str = ""  # active or passive, over TCP
    ssrc: str = ""  # ten digits
    format: str = ""  # the line f=
    start_s: int = 0  # t=: of a recording, seconds since 1970
    end_s: int = 0
    speed: int = 0  # downloadspeed
    maps: dict[int, str] = field(default_factory=dict)
    other: tuple[str, ...] = ()  # lines this reader has no name for

    @property
    def is_tcp(self) -> bool:
        return self.transport.upper() == TCP


def decode(body: bytes) -> Session | BadFrame:
    """Read a session.  Never raises; the first media line counts, as the standard has one."""
    if len(body) > MAX_BYTES:
        return BadFrame("length", body[:256], f"a session of {len(body)} bytes; {MAX_BYTES} at most")
    text = _text(body)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MAX_LINES or not lines or not lines[0].startswith("v="):
        return BadFrame("sdp", body[:256], "a session begins with v= and has a bounded number of lines")
    told: dict = {"maps": {}}
    other: list[str] = []
    media_seen = False
    for line in lines[1:]:
        key, _, value = line.partition("=")
        value = value.strip()
        if key == "m" and media_seen:
            other.append(line)
            break
        media_seen = media_seen or key == "m"
        if not _line(key, value, told):
            other.append(line)
    if not media_seen:
        return BadFrame("sdp", body[:256], "a session without a line m=")
    return Session(**{"name": "", **told}, other=tuple(other))


def encode(session: Session) -> bytes:
    """The lines in the order of the standard, each ended by CR LF."""
    family = "IP6" if ":" in session.address else "IP4"
    lines = [
        "v=0",
        f"o={session.owner or '-'} 0 0 IN {family} {session.address}",
        f"s={session.name}",
        *([f"u={session.owner}:0"] if session.name in (PLAYBACK, DOWNLOAD) else []),
        f"c=IN {family} {session.address}",
        f"t={session.start_s} {session.end_s}",
        f"m={session.kind} {session.port} {session.transport} {' '.join(map(str, session.payloads))}",
        *([f"a={session.direction}"] if session.direction else []),
    ]
    for payload in session.payloads:
        name = session.maps.get(payload) or _NAMES.get(payload)
        if name:
            lines.append(f"a=rtpmap:{payload} {name}")
    if session.is_tcp and session.setup:
        lines += [f"a=setup:{session.setup}", "a=connection:new"]
    if session.speed:
        lines.append(f"a=downloadspeed:{session.speed}")
    if session.ssrc:
        lines.append(f"y={session.ssrc}")
    if session.format:
        lines.append(f"f={session.format}")
    return ("\r\n".join(lines) + "\r\n").encode("gb18030")


def ssrc(is_history: bool, domain: str, number: int) -> str:
    """The ten digits of ``y=``: 0 live or 1 history, digits 4 to 8 of the domain, a number of four digits."""
    return f"{int(is_history)}{domain[3:8]:0>5}{number % 10_000:04d}"


def _line(key: str, value: str, told: dict) -> bool:
    """Take one line into ``told``; False when it says nothing we know."""
    if key == "o":
        parts = value.split()
        told["owner"] = parts[0] if parts else ""
        if len(parts) == 6 and "address" not in told and _is_address(parts[5]):
            told["address"] = parts[5]
        return len(parts) == 6
    if key == "s":
        told["name"] = value
        return True
    if key == "c":
        parts = value.split()
        if len(parts) == 3 and _is_address(parts[2].split("/")[0]):
            told["address"] = parts[2].split("/")[0]
            return True
        return False
    if key == "t":
        parts = value.split()
        if len(parts) == 2 and all(_is_number(one, 20) for one in parts):
            told["start_s"], told["end_s"] = int(parts[0]), int(parts[1])
            return True
        return False
    if key == "m":
        return _media(value, told)
    if key == "a":
        return _attribute(value, told)
    if key == "y" and _SSRC.fullmatch(value):
        told["ssrc"] = value.zfill(10)
        return True
    if key == "f":
        told["format"] = value
        return True
    return False


def _media(value: str, told: dict) -> bool:
    parts = value.split()
    if len(parts) < 4 or not _is_number(parts[1], 5) or int(parts[1]) > 65_535:
        return False
    told["kind"], told["port"], told["transport"] = parts[0], int(parts[1]), parts[2].upper()
    told["payloads"] = tuple(int(one) for one in parts[3:] if _is_number(one, 3) and int(one) < 128)
    return True


def _attribute(value: str, told: dict) -> bool:
    name, _, rest = value.partition(":")
    if name in ("recvonly", "sendonly", "sendrecv", "inactive"):
        told["direction"] = name
    elif name == "setup" and rest in ("active", "passive", "actpass", "holdconn"):
        told["setup"] = rest
    elif name == "connection":
        pass
    elif name == "downloadspeed" and _is_number(rest, 4):
        told["speed"] = int(rest)
    elif name == "rtpmap":
        number, _, codec = rest.partition(" ")
        if not _is_number(number, 3) or int(number) > 127:
            return False
        told["maps"][int(number)] = codec.strip()
    else:
        return False
    return True


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("gb18030", "replace")
