"""A hydrological station of SL 651-2014 in HEX/BCD or ASCII: mode M2, queries (M4), pictures (M3), and named faults.

It reports rain, level and voltage, repeats what is not confirmed, keeps the link alive, and answers what it is asked.
Stations begin with 00999, which no station of SL 502 does that we know.
"""

from datetime import UTC, datetime
from decimal import Decimal

from fengsui.sense.codecs import sl651, sl651_body
from fengsui.sense.codecs import sl651_words as words
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.sl651 import Frame
from fengsui.sense.simulators.device import Fault, Kind, Options
from fengsui.sense.simulators.picture import PICTURE as JPEG
from fengsui.sense.simulators.reporter import Reporter, stream_faults

ENCODINGS = ("hex", "ascii")
CENTRE, PASSWORD = 1, "03E8"
RIVER = 0x48
TIMED, KEEP_ALIVE, PICTURE = 0x32, 0x2F, 0x36
ELEMENTS = {0x20: (0.0, 3.0), 0x26: (1200.0, 1300.0), 0x39: (11.0, 13.0), 0x38: (12.2, 12.9)}
PACKET_BYTES = 300
PATIENCE = 4  # reports that an unconfirmed picture is waited for
VERSION = b"FENGSUI-SIM 1.0"


def _fails(*ids: str) -> frozenset[str]:
    return frozenset(f"sl651.{one}" for one in ids)


_HOSTILE = tuple(f"hostile.{one}" for one in ("noise", "overlong", "echo", "burst"))
FAULTS = {
    **stream_faults("sl651", _HOSTILE, slow="stream.slow", two="stream.two_at_once", redial="hostile.half"),
    "bad-crc": Fault(
        Term("定时报 CRC 错误", "timed reports with a wrong CRC"),
        _fails(
            "report.arrives", "report.head", "report.elements", "report.confirmed", "report.sent_again",
            "report.serial", "bad.confirmation", "frames.all_good",
        ),
    ),
    "crc-low-first": Fault(
        Term("CRC 低字节在前", "the CRC with its low byte first"), _fails("report.head", "frames.all_good")
    ),
    "unknown-element": Fault(
        Term("用附录C以外的标识符", "an element that annex C has not"), _fails("report.elements", "query.realtime")
    ),
    "duplicate": Fault(Term("报文发两次", "reports are sent twice"), _fails("report.confirmed")),
    "no-resend": Fault(Term("从不重发", "never sends again"), _fails("report.sent_again", "bad.confirmation")),
    "any-confirmation": Fault(Term("不核对流水号", "takes any confirmation"), _fails("bad.confirmation")),
    "same-serial": Fault(
        Term("流水号不变", "always the same serial"),
        _fails("report.confirmed", "report.sent_again", "report.serial", "bad.confirmation"),
    ),
    "odd-keep-alive": Fault(Term("链路维持报带要素", "a keep-alive with elements"), _fails("keep_alive")),
    "lost-packet": Fault(Term("图片缺一包", "a packet of a picture is left out"), _fails("picture.packets")),
    "no-packet-again": Fault(Term("不理会 NAK", "does not hear NAK"), _fails("picture.again")),
    "no-query": Fault(Term("查询的要素不全", "asked, it leaves out the time of observation"), _fails("query.realtime")),
    "no-element": Fault(Term("不应答 3A", "no answer to 3A"), _fails("query.element")),
    "no-version": Fault(Term("不应答 45", "no answer to 45"), _fails("query.version", "stream.two_at_once")),
    "no-state": Fault(Term("状态报无 45 要素", "a state without element 45"), _fails("query.state")),
    "no-clock": Fault(Term("不应答 51", "no answer to 51"), _fails("clock.get", "clock.set")),
    "deaf-clock": Fault(Term("不接受校时", "the clock is not set"), _fails("clock.set")),
    "any-crc": Fault(Term("不检查 CRC", "does not check the CRC"), _fails("bad.crc")),
    "any-length": Fault(Term("不检查长度", "does not check the length"), _fails("bad.length")),
    "any-centre": Fault(Term("不核对中心站地址", "does not check the centre"), _fails("bad.centre")),
    "any-station": Fault(Term("不核对遥测站地址", "does not check the station"), _fails("bad.station")),
    "any-password": Fault(Term("不核对密码", "does not check the password"), _fails("bad.password")),
    "any-function": Fault(Term("应答保留功能码", "answers a reserved function"), _fails("bad.function")),
    "any-direction": Fault(Term("接受上行报文", "takes what has the uplink's form"), _fails("hostile.echo")),
}  # fmt: skip


class Station(Reporter):
    """``pictures`` the packets of its last picture, until they are confirmed."""

    tolerates = {"any-crc": "crc", "any-length": "length"}

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.in_ascii = options.variant == "ascii"
        self.station = (options.identity or f"00999{options.number:05d}").upper()
        self.password = (options.password or PASSWORD).upper()
        self.serial = 0
        self.offset_ms = -86_400_000 if self.fault == "deaf-clock" else 0
        self.packets: list[bytes] = []
        self.reports = self.pictured = 0

    # -- frames out -------------------------------------------------------------------------------------------------

    def _at(self, now_ms: int) -> datetime:
        return datetime.fromtimestamp((now_ms + self.offset_ms) // 1000, UTC)

    def _next(self) -> int:
        self.serial = 1 if self.fault == "same-serial" else self.serial % 65_535 + 1
        return self.serial

    def _frame(self, function: int, body: bytes) -> bytes:
        data = sl651.encode(
            down=False,
            centre=CENTRE,
            station=self.station,
            password=self.password,
            function=function,
            body=body,
            end=words.ETX,
            in_ascii=self.in_ascii,
        )
        if self.fault == "bad-crc" and function == TIMED:
            data = data[:-1] + bytes([data[-1] ^ 0x01])
        if self.fault == "crc-low-first" and function == TIMED and not self.in_ascii:
            data = data[:-2] + data[:-3:-1]
        return data + (b"\x00\xff?" if self.fault == "noise" else b"")

    def _observed(self, serial: int, now_ms: int, codes: list[int], function: int) -> bytes:
        """The body of a report or of an answer with elements, in the station's encoding."""
        at = self._at(now_ms)
        values = {
            code: Decimal(f"{self.options.values.at(f'{code:02X}', now_ms, *ELEMENTS[code]):.3f}")
            for code in codes
        }
        if self.in_ascii:
            return _in_ascii(serial, at, self.station, values)
        elements = [sl651_body.element(code, value) for code, value in values.items()]
        if self.fault == "unknown-element":
            elements.append(b"\x7f\x08\x01")
        body = sl651_body.report(serial, at, self.station, RIVER, at, elements)
        if self.fault == "no-query" and function == 0x37:
            body = body[:16] + b"".join(elements)
        return body

    # -- reports ----------------------------------------------------------------------------------------------------

    def greet(self, now_ms: int) -> list[bytes]:
        body = sl651_body.opening(self._next(), self._at(now_ms), self.in_ascii)
        if self.fault == "odd-keep-alive":
            body += sl651_body.element(0x38, Decimal("12.5"))
        return [self._frame(KEEP_ALIVE, body)]

    def report(self, now_ms: int) -> list[bytes]:
        """A timed report each period, and with every other one a picture; one on its way is not waited for for ever."""
        self.reports += 1
        serial = self._next()
        data = self._frame(TIMED, self._observed(serial, now_ms, list(ELEMENTS), TIMED))
        self.awaits((TIMED, serial), data, now_ms)
        said = [data, data] if self.fault == "duplicate" else [data]
        due = not self.packets or self.reports > self.pictured + PATIENCE
        if self.reports % 2 == 0 and due and not self.in_ascii:
            self.pictured = self.reports
            said += self._picture(now_ms)
        return said

    def _picture(self, now_ms: int) -> list[bytes]:
        at = self._at(now_ms)
        body = sl651_body.report(self._next(), at, self.station, RIVER, at, [b"\xf3\xf3" + JPEG])
        self.packets = sl651.split(
            body,
            PACKET_BYTES,
            down=False,
            centre=CENTRE,
            station=self.station,
            password=self.password,
            function=PICTURE,
        )
        lost = self.fault == "lost-packet"
        return [one for number, one in enumerate(self.packets, 1) if not (lost and number == 2)]

    # -- the centre's frames ------------------------------------------------------------------------------------------

    def obey(self, frame: Frame, now_ms: int) -> list[bytes]:
        if frame.station.upper() != self.station and self.fault != "any-station":
            return []
        if frame.centre != CENTRE and self.fault != "any-centre":
            return []
        if frame.password.upper() != self.password and self.fault != "any-password":
            return []
        if not frame.down and self.fault != "any-direction":
            return []
        if frame.end in (words.EOT, words.ESC, words.ACK):
            self._confirmed(frame)
            return []
        if frame.end == words.NAK:
            return self._again(frame)
        if frame.end != words.ENQ:
            return []
        if frame.function == 0x4A and self.fault != "deaf-clock":
            told = sl651_body.read(frame).sent_at
            if told is not None:
                self.offset_ms = round(told.timestamp() * 1000) - now_ms // 1000 * 1000
        known = frame.function in (0x37, 0x3A, 0x45, 0x46, 0x4A, 0x51)
        if not known and self.fault != "any-function":
            return []
        silent = {"no-element": 0x3A, "no-version": 0x45, "no-clock": 0x51}.get(self.fault)
        return [] if frame.function == silent else [self._answer(frame.function, now_ms, frame)]

    def _confirmed(self, frame: Frame) -> None:
        if frame.function == PICTURE:
            self.packets = []
        if self.fault == "any-confirmation":
            self.unconfirmed.clear()
        self.unconfirmed.pop((frame.function, sl651_body.read(frame).serial), None)

    def _again(self, frame: Frame) -> list[bytes]:
        """The packet that is missing once more, which ends with ETX."""
        number = frame.number or 0
        if self.fault == "no-packet-again" or not 1 <= number <= len(self.packets):
            return []
        (packet,) = sl651.feed(self.packets[number - 1]).frames
        return [
            sl651.encode(
                down=False,
                centre=CENTRE,
                station=self.station,
                password=self.password,
                function=PICTURE,
                body=packet.body,
                end=words.ETX,
                packet=(len(self.packets), number),
            )
        ]

    def _answer(self, function: int, now_ms: int, frame: Frame | None = None) -> bytes:
        serial = self._next()
        body = sl651_body.opening(serial, self._at(now_ms), self.in_ascii)
        if function == 0x37:
            body = self._observed(serial, now_ms, list(ELEMENTS), function)
        elif function == 0x3A and frame is not None:
            wanted = [int(item.code, 16) for item in sl651_body.read(frame).items if item.kind == "asked"]
            body = self._observed(serial, now_ms, [code for code in wanted if code in ELEMENTS], function)
        elif function in (0x45, 0x46) and not self.in_ascii:
            body += b"\xf1\xf1" + bytes.fromhex(self.station)
            if function == 0x45:
                body += bytes([len(VERSION)]) + VERSION
            elif self.fault != "no-state":
                body += b"\x45\x20\x00\x00\x00\x80"  # the door is closed, all else is well
        return self._frame(function, body)


def _in_ascii(serial: int, at: datetime, station: str, values: dict[int, Decimal]) -> bytes:
    """A report as text: the signs of annex C, each value in the decimals it has there."""
    local = at.astimezone(sl651_body.CHINA)
    told = [f"ST {station} {chr(RIVER)}", f"TT {local:%y%m%d%H%M}"]
    for code, value in values.items():
        known = words.ELEMENTS[code]
        told.append(f"{known.sign} {value:.{known.decimals}f}")
    return sl651_body.opening(serial, at, True) + (" ".join(told) + " ").encode()


KIND = Kind(sl651.CODEC, Station, FAULTS, variants=ENCODINGS)
