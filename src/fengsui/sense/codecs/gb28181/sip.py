"""SIP messages (RFC 3261) as GB/T 28181 uses them: over TCP out of a stream, over UDP one a datagram, and back.

A message is a start line, header lines, an empty line and a body of Content-Length bytes.  What is none is refused with
a reason; CR and LF between messages are keep-alive (RFC 5626, 3.5.1) and skipped.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import scan
from fengsui.sense.codecs.frame import Cut

MAX_HEAD = 16_384
MAX_BODY = 262_144  # a catalogue of some hundred cameras over TCP
MAX_HEADERS = 128
VERSION = "SIP/2.0"
MANSCDP = "Application/MANSCDP+xml"
SDP = "application/sdp"
MANSRTSP = "Application/MANSRTSP"
METHODS = (
    "REGISTER", "MESSAGE", "INVITE", "ACK", "BYE", "CANCEL", "SUBSCRIBE", "NOTIFY", "INFO", "OPTIONS", "UPDATE",
    "PRACK", "REFER", "PUBLISH",
)  # fmt: skip
REQUIRED = ("via", "from", "to", "call-id", "cseq")
_REQUIRED = frozenset(REQUIRED)
PHRASES = {
    100: "Trying", 200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 413: "Request Entity Too Large",
    415: "Unsupported Media Type", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 489: "Bad Event", 500: "Server Internal Error", 501: "Not Implemented",
    503: "Service Unavailable",
}  # fmt: skip
COMPACT = {
    "v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type",
    "k": "Supported", "s": "Subject", "o": "Event", "u": "Allow-Events", "e": "Content-Encoding",
}  # fmt: skip

_REQUEST = rb"(?:" + b"|".join(m.encode() for m in METHODS) + rb") sips?:[!-~]{1,512} SIP/2\.0"
_STATUS = rb"SIP/2\.0 [1-6][0-9]{2}(?: [^\r\n]{0,256})?"
_MARK = re.compile(rb"(?:" + _REQUEST + rb"|" + _STATUS + rb")\r\n")
_START = re.compile(rb"(?:([A-Z]+) (sips?:[!-~]+) SIP/2\.0|SIP/2\.0 ([1-6][0-9]{2})(?: ([^\r\n]*))?)\Z")
_NAME = re.compile(r"([A-Za-z0-9.!%*_+`'~-]{1,64})[ \t]*\Z")


def _beginnings(word: bytes) -> bytes:
    """A pattern of every beginning of ``word`` that ends the buffer, the whole word included."""
    return b"|".join(re.escape(word[:n]) + rb"\Z" for n in range(len(word), 0, -1))


_BEGUN = re.compile(
    b"|".join(
        [
            rb"(?:"
            + b"|".join(m.encode() for m in METHODS)
            + rb") sips?:[!-~]{0,512}(?: (?:S(?:I(?:P(?:/(?:2(?:\.(?:0\r?)?)?)?)?)?)?)?)?\Z",
            rb"SIP/2\.0 [1-6][0-9]{0,2}(?: [^\r\n]{0,256})?\r?\Z",
            *(_beginnings(m.encode() + b" sips") for m in METHODS),
            _beginnings(b"SIP/2.0 "),
        ]
    )
)


@dataclass(frozen=True, slots=True)
class Message:
    """A request (``method`` and ``uri``) or a response (``status`` and ``phrase``).

    ``headers`` in the order of the message; names as sent, compact ones written out.
    """

    method: str = ""
    uri: str = ""
    status: int = 0
    phrase: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    raw: bytes = b""
    departures: tuple[str, ...] = ()

    @property
    def is_request(self) -> bool:
        return bool(self.method)

    def header(self, name: str) -> str:
        """The first header of that name, in any case of letters; "" when there is none."""
        low = name.lower()
        for key, value in self.headers:
            if key == name or key.lower() == low:
                return value
        return ""

    def all(self, name: str) -> list[str]:
        low = name.lower()
        return [value for key, value in self.headers if key.lower() == low]

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method; (0, "") when it cannot be read."""
        number, _, method = self.header("CSeq").strip().partition(" ")
        return (int(number), method.strip().upper()) if _is_number(number) else (0, "")

    @property
    def call_id(self) -> str:
        return self.header("Call-ID")

    @property
    def branch(self) -> str:
        """Of the topmost Via: what names the transaction."""
        return parameter(self.header("Via"), "branch")

    @property
    def device(self) -> str:
        """The user part of From: who says it."""
        return user_of(self.header("From"))

    @property
    def target(self) -> str:
        """The user part of To."""
        return user_of(self.header("To"))

    @property
    def expires(self) -> int | None:
        """Seconds of Expires, or of the parameter in Contact."""
        for text in (parameter(self.header("Contact"), "expires"), self.header("Expires").strip()):
            if _is_number(text):
                return int(text)
        return None

    @property
    def content_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip().lower()


class _Read(NamedTuple):
    """A head: what a Message has of it, and its Content-Length.  A Message is made when its body is there."""

    method: str
    uri: str
    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...]
    departures: tuple[str, ...]
    length: int | None


class _Head(NamedTuple):
    size: int  # of the whole message; 0: this is none
    body_at: int
    read: _Read | None
    why: str


# ---- reading ----------------------------------------------------------------------------------------------------


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole message off a stream.  Never raises."""
    cut = scan.cut(
        buffer, ended, mark=_MARK, begun=_BEGUN, head=_head, fits=_fits, frame=_frame, refusal=_refusal
    )  # fmt: skip
    if cut.refused:
        return Cut(cut.frames, [one for one in cut.refused if one.data.strip(b"\r\n")], cut.rest)
    return cut


def read_datagram(data: bytes) -> Message | BadFrame:
    """One datagram is one message, its body all that follows the empty line.  Never raises.

    A Content-Length that says something else is kept among the departures: senders count characters of GB 18030, and
    the datagram's own length cannot lie.
    """
    begin = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\r\n\r\n", begin, begin + MAX_HEAD)
    if not _MARK.match(data, begin) or end < 0:
        return BadFrame(
            "noise" if end < 0 else "start", data, "not a SIP message: no start line and empty line"
        )
    if len(data) - end - 4 > MAX_BODY:
        return BadFrame("length", data, f"a body of more than {MAX_BODY} bytes")
    read = _headers(data[begin:end])
    if isinstance(read, str):
        return BadFrame("head", data, read)
    body, departures = data[end + 4 :], list(read.departures)
    length = read.length
    if length is None:
        departures += ["no_content_length"] if body else []
    elif length != len(body):
        if length < len(body) and not body[length:].strip(b"\r\n\0 "):
            body = body[:length]
        else:
            departures.append("content_length")
    return _whole(read, body, data, tuple(departures))


def _head(buffer: bytes, at: int) -> _Head | None:
    end = buffer.find(b"\r\n\r\n", at, at + MAX_HEAD)
    if end < 0:
        return None if len(buffer) - at < MAX_HEAD else _Head(0, 0, None, "the head has no end")
    read = _headers(buffer[at:end])
    if isinstance(read, str):
        return _Head(end + 4 - at, end + 4 - at, None, read)
    length = read.length
    if length is not None and length > MAX_BODY:
        return _Head(
            end + 4 - at, end + 4 - at, None, f"a body of {length} bytes is announced; {MAX_BODY} at most"
        )
    return _Head(end + 4 - at + (length or 0), end + 4 - at, read, "")


def _fits(buffer: bytes, at: int, head: _Head) -> bool:
    return head.read is not None and len(buffer) >= at + head.size


def _frame(raw: bytes, head: _Head) -> Message:
    assert head.read is not None, "only what fits becomes a message"
    return _whole(head.read, raw[head.body_at :], raw, head.read.departures)


def _refusal(raw: bytes, span: bytes, head: _Head) -> BadFrame:
    if head.read is None:
        return BadFrame("head", raw, head.why)
    return BadFrame("cut", raw, "the message ends before its Content-Length", {"size": head.size})


def _headers(head: bytes) -> _Read | str:
    """Start line and header lines; or why they are none."""
    if b"\r\n " in head or b"\r\n\t" in head:
        lines = re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")  # folded lines are one (RFC 3261, 7.3.1)
    else:
        lines = head.split(b"\r\n")
    start = _START.match(lines[0])
    if start is None:
        return "the start line is none of SIP/2.0"
    another = head.find(b"SIP/2.0 ", 1) > 0 or b" SIP/2.0\r\n" in head[len(lines[0]) :] + b"\r\n"
    if another and _MARK.search(head + b"\r\n", 1):
        return "another message begins within the head"
    if len(lines) - 1 > MAX_HEADERS:
        return f"more than {MAX_HEADERS} header lines"
    headers: list[tuple[str, str]] = []
    first: dict[str, str] = {}
    for line in _texts(lines[1:]):
        written, colon, said = line.partition(":")
        named = _named(written if len(written) <= 64 else written.rstrip(" \t")[:65]) if colon else None
        if named is None:
            return f"not a header line: {line[:80]}"
        name, low = named
        value = said.strip()
        headers.append((name, value))
        if low not in first:
            first[low] = value
    if not first.keys() >= _REQUIRED:
        return f"without the header {', '.join(name for name in REQUIRED if name not in first)}"
    departures = () if parameter(first["via"], "branch") else ("no_branch",)
    said = first.get("content-length", "")
    length = int(said) if _is_number(said) else None
    if start[1]:
        return _Read(start[1].decode(), start[2].decode(), 0, "", tuple(headers), departures, length)
    return _Read("", "", int(start[3]), _text(start[4] or b""), tuple(headers), departures, length)


@lru_cache(maxsize=256)
def _named(written: str) -> tuple[str, str] | None:
    """A header's name, written out where it is compact, and the same in small letters; None where it is no name."""
    found = _NAME.match(written)
    if found is None:
        return None
    name = COMPACT.get(found[1].lower(), found[1])
    return name, name.lower()


def _whole(m: _Read, body: bytes, raw: bytes, departures: tuple[str, ...]) -> Message:
    return Message(m.method, m.uri, m.status, m.phrase, m.headers, body, raw, departures)


# ---- parts of headers -------------------------------------------------------------------------------------------

_URI = re.compile(r"sips?:([^@;>\s]*)@([^;>?\s]+)")


def user_of(header: str) -> str:
    """``34020000001320000001`` of ``"name" <sip:34020000001320000001@3402000000>;tag=1``; "" if there is none."""
    found = _URI.search(header)
    return found[1] if found else ""


def uri_of(header: str) -> str:
    """The URI of a name-addr or addr-spec, without the header's own parameters."""
    found = re.search(r"<([^>]*)>", header)
    return found[1] if found else header.partition(";")[0].strip()


def host_of(uri: str) -> tuple[str, int] | None:
    """Host and port (5060 when none is said) of a SIP URI; None when it cannot be read."""
    found = _URI.search(uri)
    if found is None:
        return None
    host, port = found[2], ""
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = rest.lstrip(":")
    elif ":" in host:
        host, _, port = host.rpartition(":")
    if not port:
        return host, 5060
    return (host, int(port)) if _is_number(port) and 0 < int(port) < 65_536 else None


def parameter(header: str, name: str) -> str:
    """The value of ``;name=value``, outside of the angle brackets; "" when there is none."""
    found = _parameter(name).search(_IN_BRACKETS.sub("", header) if "<" in header else header)
    return found[1] if found else ""


_IN_BRACKETS = re.compile(r"<[^>]*>")


@cache
def _parameter(name: str) -> re.Pattern[str]:
    return re.compile(rf';\s*{re.escape(name)}\s*=\s*"?([^";,\s]*)', re.IGNORECASE)


def with_tag(header: str, tag: str) -> str:
    """A To or From with a tag, the one it has or this one."""
    return header if parameter(header, "tag") else f"{header};tag={tag}"


# ---- writing ----------------------------------------------------------------------------------------------------


def encode(message: Message) -> bytes:
    """The bytes of a message; Content-Length is that of its body.  Raises ValueError for line breaks in a header."""
    start = (
        f"{message.method} {message.uri} {VERSION}"
        if message.method
        else f"{VERSION} {message.status} {message.phrase or PHRASES.get(message.status, 'Unknown')}"
    )
    lines = [start, *(f"{n}: {v}" for n, v in message.headers if n.lower() != "content-length")]
    lines.append(f"Content-Length: {len(message.body)}")
    for line in lines:
        if "\r" in line or "\n" in line:
            raise ValueError("a header with a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + message.body


def request(
    method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b"", content_type: str = ""
) -> Message:
    """A request; ``headers`` hold at least Via, From, To, Call-ID and CSeq."""
    told = [*headers, ("Max-Forwards", "70")]
    if content_type:
        told.append(("Content-Type", content_type))
    return Message(method, uri, headers=tuple(told), body=body)


def reply(
    asked: Message,
    status: int,
    *,
    tag: str = "",
    more: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "",
    received: tuple[str, int] | None = None,
) -> Message:
    """The response to a request: Via, From, To, Call-ID and CSeq are its own (RFC 3261, 8.2.6).

    ``received``: where the request came from, said in the topmost Via (RFC 3581).
    """
    headers: list[tuple[str, str]] = []
    for number, via in enumerate(asked.all("Via")):
        headers.append(("Via", _answered(via, received) if number == 0 and received else via))
    to = asked.header("To")
    headers += [
        ("From", asked.header("From")),
        ("To", with_tag(to, tag) if tag and status != 100 else to),
        ("Call-ID", asked.call_id),
        ("CSeq", asked.header("CSeq")),
        *more,
    ]
    if content_type:
        headers.append(("Content-Type", content_type))
    return Message(status=status, phrase=PHRASES.get(status, ""), headers=tuple(headers), body=body)


def _answered(via: str, received: tuple[str, int]) -> str:
    host, port = received
    via = re.sub(r";\s*rport(\s*=\s*[0-9]*)?(?=;|,|\s|\Z)", f";rport={port}", via)
    return via if parameter(via, "received") else f"{via};received={host}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _texts(lines: list[bytes]) -> list[str]:
    """Lines without CR LF as text, all of them at once where they are UTF-8."""
    try:
        return b"\r\n".join(lines).decode().split("\r\n") if lines else []
    except UnicodeDecodeError:
        return [_text(line) for line in lines]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")
