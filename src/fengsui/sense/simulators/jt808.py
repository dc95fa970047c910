"""A terminal of JT/T 808-2013 or -2019 on a vehicle that goes round in a circle, and named faults.

It registers, logs in with the code it was given, says where it is, sends a batch and a picture in subpackages after
each log-in, and obeys.  Phone numbers begin with 99, as no mobile number does.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.jt808 import frame as frames
from fengsui.sense.codecs.jt808.frame import Frame
from fengsui.sense.codecs.jt808.message import RESULTS, body, decode
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.simulators.device import Fault, Kind, Options
from fengsui.sense.simulators.picture import PICTURE
from fengsui.sense.simulators.reporter import Reporter, stream_faults

FORMS = ("2019", "2013")
CENTRE, RADIUS_DEG, ROUND_S = (121.4737, 31.2304), 0.02, 600
MEASURED = {"speed_km_h": (20.0, 80.0), "fuel_l": (30.0, 80.0), "altitude_m": (3.0, 9.0)}
PACKET_BYTES = 512
DAY_MS = 86_400_000
PICTURES_KEPT, SHOWN = 100, 28  # of them in one answer: what fits a frame


def _fails(*ids: str) -> frozenset[str]:
    return frozenset(f"jt808.{one}" for one in ids)


_HOSTILE = (
    *(f"hostile.{one}" for one in ("noise", "flags", "overlong", "packets", "burst")),
    "bad.registration",
)
FAULTS = {
    **stream_faults(
        "jt808", _HOSTILE, slow="stream.slow", two="stream.two_at_once", redial="bad.registration hostile.half"
    ),
    "bad-checksum": Fault(
        Term("位置信息校验码错误", "positions with a wrong check byte"),
        _fails(
            "position.arrives", "position.confirmed", "position.sent_again", "bad.confirmation",
            "serial.rises", "frames.all_good",
        ),
    ),
    "wrong-form": Fault(Term("注册消息缺字段", "registration without its last fields"), _fails("register.arrives")),
    "old-login": Fault(Term("2019 版鉴权用 2013 格式", "log-in in the form of 2013"), _fails("login.code")),
    "odd-heartbeat": Fault(Term("心跳带消息体", "a heart-beat with a body"), _fails("heartbeat")),
    "repeats-time-query": Fault(Term("不断重复 0x0004", "repeats 0x0004 for ever"), _fails("time.query")),
    "stale-clock": Fault(
        Term("位置时间为昨天", "positions of yesterday"), _fails("position.arrives", "poll.position")
    ),
    "unknown-item": Fault(Term("附加信息用保留标识", "an item of a reserved id"), _fails("position.items")),
    "duplicate": Fault(Term("位置发两次", "positions are sent twice"), _fails("position.confirmed")),
    "no-resend": Fault(
        Term("从不重发", "never sends again"), _fails("position.sent_again", "bad.confirmation")
    ),
    "any-confirmation": Fault(
        Term("不核对应答流水号", "takes any confirmation"), _fails("bad.confirmation")
    ),
    "odd-serials": Fault(Term("流水号跳号", "serials leap"), _fails("serial.rises")),
    "wrong-count": Fault(Term("批量上传条数不符", "a batch with a wrong count"), _fails("batch")),
    "lost-packet": Fault(Term("分包缺一包", "a subpackage is left out"), _fails("packets", "serial.rises")),
    "no-packet-again": Fault(Term("不理会 0x8003", "does not hear 0x8003"), _fails("packets.again")),
    "old-position": Fault(Term("查询得到旧位置", "asked, it tells an old position"), _fails("poll.position")),
    "no-parameters": Fault(
        Term("不应答 0x8104", "no answer to 0x8104"), _fails("parameters.get", "stream.two_at_once")
    ),
    "no-interval": Fault(Term("没有参数 0x0001", "has no parameter 0x0001"), _fails("parameters.some")),
    "forgets-parameters": Fault(Term("不保存参数", "forgets parameters"), _fails("parameters.set")),
    "no-attributes": Fault(Term("不应答 0x8107", "no answer to 0x8107"), _fails("attributes")),
    "no-track": Fault(Term("不应答 0x8202", "no answer to 0x8202"), _fails("track")),
    "fails-text": Fault(Term("文本信息失败", "texts fail"), _fails("text")),
    "no-unescape": Fault(Term("不还原转义", "does not take escapes back"), _fails("stream.escaped")),
    "any-checksum": Fault(Term("不检查校验码", "does not check the check byte"), _fails("bad.checksum")),
    "any-escape": Fault(Term("接受错误转义", "takes any escape"), _fails("bad.escape")),
    "any-length": Fault(
        Term("不检查长度", "does not check the length"), _fails("bad.length_short", "bad.length_long")
    ),
    "any-message": Fault(Term("接受未知消息", "takes any message"), _fails("bad.message")),
    "any-phone": Fault(Term("不核对终端手机号", "does not check the phone number"), _fails("bad.phone")),
    "any-registration": Fault(
        Term("接受重放的注册应答", "takes a replayed answer to its registration"), _fails("bad.registration")
    ),
    "dies-of-packets": Fault(
        Term("收到异常分包后失聪", "deaf after an odd subpackage"), _fails(*_HOSTILE[3:])
    ),
}  # fmt: skip


class Terminal(Reporter):
    """``code`` that it was given, "" before it has registered · ``sent`` the subpackages of its last picture."""

    tolerates = {"any-checksum": "checksum"}

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.is_2019 = options.variant != "2013"
        self.phone = (options.identity or f"99{options.number:09d}").rjust(20 if self.is_2019 else 12, "0")
        self.code = ""
        self.serial = -1
        self.registering: int | None = None
        self.parameters: dict[str, Any] = {
            "heartbeat_interval_s": max(1, round(options.period_s)),
            "interval_s": max(1, round(options.period_s)),
            "highest_speed_km_h": 100,
            "plate": "模拟" + f"{options.number:05d}",
        }
        if self.fault == "no-interval":
            del self.parameters["heartbeat_interval_s"]
        self.query = b""
        self.sent: list[Frame] = []
        self.streaming = False
        self.offset_ms = 0
        self.pictures: list[tuple[int, int]] = []  # number and time, oldest first

    # -- frames out -------------------------------------------------------------------------------------------------

    def _frame(self, message_id: int, fields: Mapping[str, Any]) -> Frame:
        self.serial = (
            self.serial + (3 if self.fault == "odd-serials" and message_id == 0x0200 else 1)
        ) & 0xFFFF
        data = body(message_id, fields, self.is_2019)
        return Frame(message_id, self.phone, self.serial, data, self.is_2019, int(self.is_2019))

    def _bytes(self, frame: Frame) -> bytes:
        return frames.encode(frame) + (b"\x00\xff?" if self.fault == "noise" else b"")

    def _say(self, message_id: int, fields: Mapping[str, Any]) -> bytes:
        return self._bytes(self._frame(message_id, fields))

    def _awaited(self, message_id: int, fields: Mapping[str, Any], now_ms: int) -> bytes:
        """A message that is sent again until it is confirmed."""
        frame = self._frame(message_id, fields)
        return self.awaits(frame.serial, self._bytes(frame), now_ms)

    # -- reports ----------------------------------------------------------------------------------------------------

    def greet(self, now_ms: int) -> list[bytes]:
        self.streaming = False
        self.unconfirmed.clear()
        return [self._log_in()] if self.code else [self._register()]

    def _register(self) -> bytes:
        fields = {
            "province": 31,
            "city": 115,
            "maker": "SIM01",
            "model": "FENGSUI-SIM",
            "terminal_id": f"S{self.options.number:06d}",
            "plate_colour": 2,
            "plate": self.parameters["plate"],
        }
        frame = self._frame(0x0100, fields)
        if self.fault == "wrong-form":
            frame = replace(frame, body=frame.body[:20])
        self.registering = frame.serial
        return self._bytes(frame)

    def _log_in(self) -> bytes:
        fields = {"code": self.code}
        if self.is_2019:
            fields |= {"imei": f"SIM{self.options.number:012d}", "software_version": "1.0"}
        frame = self._frame(0x0102, fields)
        if self.fault == "old-login":
            frame = replace(frame, body=self.code.encode())
        return self._bytes(frame)

    def _logged_in(self, now_ms: int) -> list[bytes]:
        self.streaming = True
        self.report_ms = now_ms + round(self.options.period_s * 1000)
        heartbeat = self._frame(0x0002, {})
        if self.fault == "odd-heartbeat":
            heartbeat = replace(heartbeat, body=b"\1")
        said = [self._bytes(heartbeat)]
        if self.is_2019:
            self.query = self._say(0x0004, {})
            said.append(self.query)
        said += self.report(now_ms)
        earlier = [self._location(now_ms - 10_000 * n) for n in (3, 2, 1)]
        batch = self._frame(0x0704, {"kind": 1, "locations": earlier})
        if self.fault == "wrong-count":
            batch = replace(batch, body=b"\0\x09" + batch.body[2:])
        said.append(self.awaits(batch.serial, self._bytes(batch), now_ms))
        return said + self._picture(1, 1, now_ms, now_ms)

    def _picture(self, number: int, event: int, at_ms: int, now_ms: int) -> list[bytes]:
        fields = {
            "media_id": number,
            "event": event,
            "channel": 1,
            "location": self._location(at_ms),
            "data": PICTURE,
        }
        self.sent = frames.split(self._frame(0x0801, fields), PACKET_BYTES)
        self.serial = self.sent[-1].serial
        parts = [one for one in self.sent if self.fault != "lost-packet" or one.index != 2]
        return [self.awaits(one.serial, self._bytes(one), now_ms) for one in parts]

    def _location(self, now_ms: int, items: bool = False) -> dict[str, Any]:
        """Where it is: a circle in ten minutes, each device at a place of its own on it."""
        angle = (now_ms / 1000 / ROUND_S + self.options.number * 0.618) * math.tau
        at_ms = now_ms + self.offset_ms - (DAY_MS if self.fault == "stale-clock" else 0)
        values = {
            name: self.options.values.at(name, now_ms, low, high) for name, (low, high) in MEASURED.items()
        }
        found: dict[str, Any] = {
            "status": 0b11 | 1 << 18 | 1 << 19,
            "longitude": self.options.values.at("longitude", now_ms, CENTRE[0], CENTRE[0])
            + RADIUS_DEG * math.sin(angle),
            "latitude": self.options.values.at("latitude", now_ms, CENTRE[1], CENTRE[1])
            + RADIUS_DEG * math.cos(angle),
            "altitude_m": round(values["altitude_m"]),
            "speed_km_h": values["speed_km_h"],
            "direction_deg": round(math.degrees(angle) + 90) % 360,
            "time": datetime.fromtimestamp(at_ms // 1000, UTC),
        }
        if items:
            found["additional"] = {
                "mileage_km": round(now_ms / 3_600_000 % 100_000, 1),
                "fuel_l": values["fuel_l"],
                "signal_strength": 25,
                "satellite_count": 12,
            }
            if self.fault == "unknown-item":
                found["additional"]["item_0x50"] = b"\1\2"
        return found

    def report(self, now_ms: int) -> list[bytes]:
        frame = self._frame(0x0200, self._location(now_ms, items=True))
        data = self._bytes(frame)
        if self.fault == "bad-checksum":
            plain = frames.unescaped(data[1:-1])
            wrong = plain[:-1] + bytes([plain[-1] ^ 0x55])
            data = b"\x7e" + wrong.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"
        self.awaits(frame.serial, data, now_ms)
        return [data, data] if self.fault == "duplicate" else [data]

    # -- the platform's messages -------------------------------------------------------------------------------------

    def deafens(self, frame: Frame) -> bool:
        return self.fault == "dies-of-packets" and frame.total > 1000

    def tolerated(self, refused: BadFrame) -> Frame | None:
        if self.fault == "any-length" and refused.reason == "length":
            plain = frames.unescaped(refused.data.strip(b"\x7e"))
            end = 15 if self.is_2019 else 10
            return Frame(
                plain[0] << 8 | plain[1],
                plain[end - len(self.phone) // 2 : end].hex(),
                plain[end] << 8 | plain[end + 1],
                b"",
                self.is_2019,
            )
        if self.fault == "any-escape" and refused.reason == "escape":
            cut = frames.feed(refused.data.replace(b"\x7d\x05", b"\x7d\x01"), ended=True)
            return cut.frames[0] if cut.frames else None
        found: Frame | None = super().tolerated(refused)
        return found

    def obey(self, frame: Frame, now_ms: int) -> list[bytes]:
        if frame.total or (frame.phone != self.phone and self.fault != "any-phone"):
            return []
        if self.fault == "no-unescape" and b"\x7d\x01\x7d\x02" in frame.raw:
            return []
        fields = decode(frame).fields
        known = _HANDLERS.get(frame.message_id)
        if known is not None:
            return known(self, frame, fields, now_ms)
        done = "success" if self.fault == "any-message" else "not_supported"
        return [self._general(frame, done)]

    def _general(self, frame: Frame, done: str = "success") -> bytes:
        fields = {"reply_serial": frame.serial, "reply_id": frame.message_id, "result": RESULTS[done]}
        return self._say(0x0001, fields)

    def _confirmed(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        if self.fault == "any-confirmation":
            self.unconfirmed.clear()
        self.unconfirmed.pop(fields.get("reply_serial", -1), None)
        if fields.get("reply_id") != 0x0102:
            return []
        if fields.get("result") == RESULTS["success"]:
            return self._logged_in(now_ms)
        self.code = ""
        return [self._register()]

    def _registered(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        awaited = fields.get("reply_serial") == self.registering
        if fields.get("result") != 0 or not (awaited or self.fault == "any-registration"):
            return []
        self.registering = None
        was, self.code = self.code, fields.get("code", "")
        return [] if was else [self._log_in()]

    def _time(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        at = fields.get("time")
        if isinstance(at, datetime):
            told_ms = round(at.timestamp() * 1000)
            self.offset_ms = told_ms - now_ms if abs(told_ms - now_ms) > 1000 else 0
        return []

    def _again(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        if self.fault == "no-packet-again" or not self.sent or fields["first_serial"] != self.sent[0].serial:
            return []
        return [self._bytes(one) for one in self.sent if one.index in fields["indices"]]

    def _polled(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        said = []
        if self.fault == "repeats-time-query":
            said.append(self.query)
        at_ms = now_ms - (DAY_MS if self.fault == "old-position" else 0)
        return [*said, self._say(0x0201, {"reply_serial": frame.serial, "location": self._location(at_ms)})]

    def _all(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        if self.fault == "no-parameters":
            return []
        return [self._say(0x0104, {"reply_serial": frame.serial, "parameters": self.parameters})]

    def _some(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        wanted = fields.get("ids", [])
        held = {name: value for name, value in self.parameters.items() if _NUMBERS.get(name) in wanted}
        return [self._say(0x0104, {"reply_serial": frame.serial, "parameters": held})]

    def _set(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        if self.fault != "forgets-parameters":
            self.parameters.update(
                {name: value for name, value in fields.get("parameters", {}).items() if name in _NUMBERS}
            )
        return [self._general(frame)]

    def _attributes(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        if self.fault == "no-attributes":
            return []
        told = {
            "terminal_type": 1 << 2,
            "maker": "SIM01",
            "model": "FENGSUI-SIM",
            "terminal_id": f"S{self.options.number:06d}",
            "iccid": "0" * 20,
            "hardware_version": "1.0",
            "firmware_version": "1.0",
            "gnss": 0b11,
            "network": 1 << 5,
        }
        return [self._say(0x0107, told)]

    def _track(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        return [] if self.fault == "no-track" else [self._general(frame)]

    def _photographed(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        """It has a camera on channel 1; what it takes it stores, or uploads at once."""
        told: dict[str, Any] = {"reply_serial": frame.serial, "result": 2}
        if fields.get("channel") == 1:
            newest = self.pictures[-1][0] if self.pictures else 0
            taken = [newest + n + 1 for n in range(min(fields.get("command", 0), PICTURES_KEPT))]
            self.pictures = [*self.pictures, *((number, now_ms) for number in taken)][-PICTURES_KEPT:]
            told |= {"result": 0, "media_ids": taken}
        said = [self._say(0x0805, told)]
        if not fields.get("store"):
            for number in told.get("media_ids", []):
                said += self._picture(number, 0, now_ms, now_ms)
        return said

    def _wanted(self, fields: Mapping[str, Any], now_ms: int) -> list[tuple[int, int]]:
        """What it has stored of its one channel between the times asked for: number and time."""
        start, end = fields.get("from"), fields.get("to")
        after = start.timestamp() * 1000 if isinstance(start, datetime) else 0
        before = end.timestamp() * 1000 if isinstance(end, datetime) else now_ms
        if fields.get("media_type") or fields.get("event") or fields.get("channel", 0) > 1:
            return []
        return [(number, at_ms) for number, at_ms in self.pictures if after <= at_ms <= before]

    def _upload(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        """All that is wanted (0x8803), or the one that is named (0x8805); "failure" when it is not there."""
        wanted = self._wanted(fields, now_ms)
        if frame.message_id == 0x8805:
            wanted = [one for one in self.pictures if one[0] == fields.get("media_id")]
        said = [self._general(frame, "success" if wanted else "failure")]
        for number, at_ms in wanted[-SHOWN:]:
            said += self._picture(number, 0, at_ms, now_ms)
        if fields.get("then") == 1:
            self.pictures = [one for one in self.pictures if one not in wanted]
        return said

    def _medium(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        """0x8800: the packets of the last picture that the platform names again."""
        indices = fields.get("indices") or ()
        return [self._bytes(one) for one in self.sent if one.index in indices]

    def _searched(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        """The newest that fit one frame."""
        items = [
            {"media_id": number, "media_type": 0, "channel": 1, "event": 0, "location": self._location(at_ms)}
            for number, at_ms in self._wanted(fields, now_ms)
        ]
        return [self._say(0x0802, {"reply_serial": frame.serial, "items": items[-SHOWN:]})]

    def _text(self, frame: Frame, fields: Mapping[str, Any], now_ms: int) -> list[bytes]:
        return [self._general(frame, "failure" if self.fault == "fails-text" else "success")]


_NUMBERS = {
    "heartbeat_interval_s": 0x0001,
    "interval_s": 0x0029,
    "highest_speed_km_h": 0x0055,
    "plate": 0x0083,
}
_HANDLERS = {
    0x8001: Terminal._confirmed,
    0x8003: Terminal._again,
    0x8004: Terminal._time,
    0x8100: Terminal._registered,
    0x8103: Terminal._set,
    0x8104: Terminal._all,
    0x8106: Terminal._some,
    0x8107: Terminal._attributes,
    0x8201: Terminal._polled,
    0x8202: Terminal._track,
    0x8300: Terminal._text,
    0x8800: Terminal._medium,
    0x8801: Terminal._photographed,
    0x8802: Terminal._searched,
    0x8803: Terminal._upload,
    0x8805: Terminal._upload,
}
KIND = Kind(CODECS["jt808"], Terminal, FAULTS, variants=FORMS)
