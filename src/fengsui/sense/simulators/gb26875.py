"""A transmission device of GB/T 26875.3-2011 with one fire system of a few detectors, and named faults.

It sends states and values of its parts and of itself, repeats what is not confirmed, and answers requests.  Addresses
begin with 53494D ("SIM" in ASCII) in hex digits.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fengsui.sense.codecs import gb26875
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.gb26875 import ANSWER, CONFIRM, CONTROL, DENY, REQUEST, SEND, Frame
from fengsui.sense.simulators.device import Fault, Kind, Options
from fengsui.sense.simulators.reporter import Reporter, stream_faults

FIRST_ADDRESS = 0x53494D000000
CENTRE = 1
SYSTEM = {"system_type": 1, "system_addr": 0}
PARTS = {
    1: "１号楼一层大厅烟感",
    2: "１号楼二层走廊烟感",
    3: "１号楼地下水泵房压力",
}  # addresses and what they are
DETECTOR, PRESSURE_SWITCH = 42, 99
PRESSURE, PRESSURE_STEP = 4, 10  # kind of value; tenths of a MPa
NORMAL = 1  # bit 0: in operation


def _fails(*ids: str) -> frozenset[str]:
    return frozenset(f"gb26875.{one}" for one in ids)


_HOSTILE = tuple(f"hostile.{one}" for one in ("noise", "overlong", "objects", "empty", "burst"))
_DATA = ("data.arrives", "data.head", "data.objects", "data.confirmed", "data.sent_again", "bad.confirmation")
FAULTS = {
    **stream_faults("gb26875", _HOSTILE, slow="stream.slow", two="stream.two_at_once", redial="hostile.half"),
    "bad-checksum": Fault(Term("数据校验和错误", "data with a wrong sum"), _fails(*_DATA, "frames.all_good")),
    "no-time": Fault(
        Term("时间标签无效", "the header's time is none"), _fails("data.head", "frames.all_good")
    ),
    "wrong-text": Fault(
        Term("说明不是 GB 18030", "descriptions that are not GB 18030"), _fails("data.objects")
    ),
    "duplicate": Fault(Term("数据发两次", "data are sent twice"), _fails("data.confirmed")),
    "no-resend": Fault(Term("从不重发", "never sends again"), _fails("data.sent_again", "bad.confirmation")),
    "any-confirmation": Fault(Term("不核对流水号", "takes any confirmation"), _fails("bad.confirmation")),
    "odd-serials": Fault(Term("流水号跳号", "serials leap"), _fails("serial.rises")),
    "wrong-type": Fault(Term("状态应答的类型不符", "answers 81 with another type"), _fails("read.device")),
    "no-system": Fault(Term("否认读系统状态", "denies 61"), _fails("read.system")),
    "no-version": Fault(Term("不应答 85", "no answer to 85"), _fails("read.version", "stream.two_at_once")),
    "no-configuration": Fault(Term("不应答 86", "no answer to 86"), _fails("read.configuration")),
    "no-clock": Fault(Term("不应答 88", "no answer to 88"), _fails("read.clock", "clock.set")),
    "deaf-clock": Fault(Term("不接受校时", "the clock is not set"), _fails("clock.set")),
    "same-addresses": Fault(
        Term("确认的地址不交换", "confirms without changing the addresses"), _fails("clock.set", "duty.check")
    ),
    "any-checksum": Fault(Term("不检查校验和", "does not check the sum"), _fails("bad.checksum")),
    "any-length": Fault(Term("不检查长度", "does not check the length"), _fails("bad.length", "bad.end")),
    "any-address": Fault(Term("不核对目的地址", "does not check the address"), _fails("bad.address")),
    "any-type": Fault(Term("接受未知类型", "takes any type"), _fails("bad.type")),
    "dies-of-objects": Fault(Term("对象数目不符后失聪", "deaf after a wrong count"), _fails(*_HOSTILE[2:])),
    "dies-of-empty": Fault(Term("收到空单元后失聪", "deaf after an empty unit"), _fails(*_HOSTILE[3:])),
}


class Transmitter(Reporter):
    """One device.  Objects are made from what the options say is measured."""

    tolerates = {"any-checksum": "checksum", "any-length": "length"}

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.address = int(options.identity) if options.identity else FIRST_ADDRESS + options.number
        self.serial = -1
        self.offset_ms = -86_400_000 if self.fault == "deaf-clock" else 0
        self.reports = 0

    # -- frames out -------------------------------------------------------------------------------------------------

    def _at(self, now_ms: int) -> datetime:
        return datetime.fromtimestamp((now_ms + self.offset_ms) // 1000, UTC)

    def _bytes(
        self, serial: int, command: int, kind: int, objects: Sequence[Mapping[str, Any]], now_ms: int
    ) -> bytes:
        unit = gb26875.unit(kind, objects) if kind else b""
        if self.fault == "wrong-text" and kind == 2:
            unit = unit.replace("烟感".encode("gb18030"), b"\x81\x30\xff\xff")
        data = gb26875.encode(
            serial=serial, at=self._at(now_ms), source=self.address, target=CENTRE, command=command, unit=unit
        )
        if self.fault == "no-time" and command == SEND:
            data = data[:6] + b"\xff" + data[7:]
            data = data[:-3] + bytes([gb26875.checksum(data[2:-3])]) + data[-2:]
        if self.fault == "bad-checksum" and kind in (2, 3):
            data = data[:-3] + bytes([data[-3] ^ 0x55]) + data[-2:]
        return data + (b"\x00\xff?" if self.fault == "noise" else b"")

    # -- reports ----------------------------------------------------------------------------------------------------

    def greet(self, now_ms: int) -> list[bytes]:
        return [self._data(21, [{"status": NORMAL, "time": self._at(now_ms)}], now_ms)]

    def report(self, now_ms: int) -> list[bytes]:
        """In turn: states of the parts, an analogue value, the device's own state."""
        self.reports += 1
        at = self._at(now_ms)
        if self.reports % 2:
            found = self._data(2, self._parts(at), now_ms)
        else:
            found = self._data(3, [self._pressure(at, now_ms)], now_ms)
        return [found, found] if self.fault == "duplicate" else [found]

    def _data(self, kind: int, objects: Sequence[Mapping[str, Any]], now_ms: int) -> bytes:
        self.serial = (self.serial + (3 if self.fault == "odd-serials" and self.reports else 1)) & 0xFFFF
        return self.awaits(self.serial, self._bytes(self.serial, SEND, kind, objects, now_ms), now_ms)

    def _parts(self, at: datetime) -> list[dict[str, Any]]:
        return [
            {
                **SYSTEM,
                "component_type": DETECTOR,
                "component_addr": address,
                "status": NORMAL,
                "description": PARTS[address],
                "time": at,
            }
            for address in (1, 2)
        ]

    def _pressure(self, at: datetime, now_ms: int) -> dict[str, Any]:
        mpa = self.options.values.at("pressure_mpa", now_ms, 0.4, 1.2)
        return {
            **SYSTEM,
            "component_type": PRESSURE_SWITCH,
            "component_addr": 3,
            "analog_type": PRESSURE,
            "analog_raw": round(mpa * PRESSURE_STEP),
            "time": at,
        }

    # -- the centre's frames ------------------------------------------------------------------------------------------

    def deafens(self, frame: Frame) -> bool:
        unit = frame.unit
        return (self.fault == "dies-of-objects" and unit[1:2] == b"\xff") or (
            self.fault == "dies-of-empty" and not unit and frame.command == REQUEST
        )

    def obey(self, frame: Frame, now_ms: int) -> list[bytes]:
        if frame.target != self.address and self.fault != "any-address":
            return []
        if frame.command == CONFIRM:
            if self.fault == "any-confirmation":
                self.unconfirmed.clear()
            self.unconfirmed.pop(frame.serial, None)
            return []
        unit = gb26875.read_unit(frame.unit)
        if frame.command == CONTROL:
            return self._control(frame, unit, now_ms)
        if frame.command != REQUEST:
            return []
        silent = {"no-version": 85, "no-configuration": 86, "no-clock": 88}.get(self.fault, -1)
        if unit.type == silent:
            return []
        kind, objects = self._asked(unit, now_ms)
        if not kind:
            return [self._bytes(frame.serial, DENY, 0, (), now_ms)]
        return [self._bytes(frame.serial, ANSWER, kind, objects, now_ms)]

    def _asked(self, unit: gb26875.Unit, now_ms: int) -> tuple[int, list[dict[str, Any]]]:
        """Type and objects of the answer; type 0: it is denied."""
        at = self._at(now_ms)
        whole = bool(unit.objects) and len(unit.objects) == unit.count
        state = {"status": NORMAL, "time": at}
        if unit.type == 61 and whole and self.fault != "no-system":
            return 1, [{**SYSTEM, **state}]
        if unit.type == 81:
            return (28, [{"time": at}]) if self.fault == "wrong-type" else (21, [state])
        if unit.type == 85:
            return 25, [{"version": "1.0"}]
        if unit.type == 86:
            return 26, [{"description": "模拟用户信息传输装置"}]
        if unit.type == 88:
            return 28, [{"time": at}]
        return (21, [state]) if self.fault == "any-type" and unit.type == 200 else (0, [])

    def _control(self, frame: Frame, unit: gb26875.Unit, now_ms: int) -> list[bytes]:
        if unit.type not in (90, 91) or not unit.objects:
            return [self._bytes(frame.serial, DENY, 0, (), now_ms)]
        told = unit.objects[0].get("time")
        if unit.type == 90 and told and self.fault != "deaf-clock":
            self.offset_ms = round(datetime.fromisoformat(told).timestamp() * 1000) - now_ms // 1000 * 1000
        if self.fault == "same-addresses":
            return [
                gb26875.encode(
                    serial=frame.serial,
                    at=self._at(now_ms),
                    source=frame.source,
                    target=frame.target,
                    command=CONFIRM,
                )
            ]
        return [self._bytes(frame.serial, CONFIRM, 0, (), now_ms)]


KIND = Kind(gb26875.CODEC, Transmitter, FAULTS)
