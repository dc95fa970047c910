"""A Modbus/TCP server with four tables of a plausible process, and named faults."""

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Cut, Term
from fengsui.sense.codecs.modbus import framing
from fengsui.sense.codecs.modbus.framing import Frame
from fengsui.sense.codecs.modbus.pdu import Pdu
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.simulators.device import Fault, Kind, Options

UNIT = 1
SIZE = 1000  # addresses 0 to 999 of each table
BURST = 20
TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


def _fails(*ids: str) -> frozenset[str]:
    return frozenset(f"modbus.{one}" for one in ids)


_HEADERS = ("hostile.protocol", "hostile.length_zero", "hostile.length_large")
FAULTS = {
    **{
        f"no-{name}": Fault(
            Term(f"功能码 {code} 不应答", f"no answer to function {code}"), _fails(f"read.{case}")
        )
        for code, name, case in ((1, "coils", "coils"), (2, "discrete", "discrete"), (4, "input", "input"))
    },
    "wrong-count": Fault(Term("多答一个寄存器", "a register too many"), _fails("read.holding", "read.input")),
    "no-function-error": Fault(
        Term("未知功能码不应答", "silent upon unknown functions"), _fails("exception.function")
    ),
    "any-address": Fault(Term("任何地址都应答", "any address is answered"), _fails("exception.address")),
    "any-count": Fault(
        Term("个数不检查", "the count is not checked"),
        _fails("exception.count_zero", "exception.count_large"),
    ),
    "wrong-exception": Fault(
        Term("异常码总为 4", "always exception 4"),
        _fails("exception.function", "exception.address", "exception.count_zero", "exception.count_large"),
    ),
    "any-unit": Fault(Term("任何单元标识都应答", "any unit is answered"), _fails("bad.unit")),
    "no-reassembly": Fault(Term("不拼接分段请求", "does not join pieces"), _fails("stream.in_pieces")),
    "first-only": Fault(
        Term("只应答第一个请求", "answers the first of several"), _fails("stream.two_at_once")
    ),
    "dies-of-burst": Fault(Term("请求过多后失聪", "deaf after a burst"), _fails("stream.burst", *_HEADERS)),
    "noise": Fault(Term("应答后有杂乱字节", "noise behind answers"), _fails("frames.all_good")),
    "one-call": Fault(Term("断线后不再接受连接", "takes one call only"), _fails("hostile.half")),
    "any-header": Fault(Term("不检查 MBAP", "does not check the MBAP header"), _fails(*_HEADERS)),
}


def _requests(buffer: bytes, ended: bool = False) -> Cut:
    """Only requests: that is all a server hears."""
    frames, refused, rest = framing.feed_tcp(buffer, "request")
    return Cut(
        frames, [*refused, BadFrame("cut", rest)] if ended and rest else refused, b"" if ended else rest
    )


class Server:
    """One server.  Registers hold tenths; bits say whether a value is above the middle of what is usual."""

    def __init__(self, options: Options) -> None:
        self.options, self.fault = options, options.fault
        self.due_ms: int | None = None
        self.calls = 0
        self.deaf = False

    def kept(self, rest: bytes) -> bytes:
        return b"" if self.fault == "no-reassembly" else rest

    def redials(self) -> bool:
        return True

    def opened(self, now_ms: int) -> list[bytes]:
        self.calls += 1
        self.deaf = self.fault == "one-call" and self.calls > 1
        return []

    def tick(self, now_ms: int) -> list[bytes]:
        return []

    def heard(self, frames: list[Frame], refused: list[BadFrame], now_ms: int) -> list[bytes]:
        said: list[bytes] = []
        if self.fault == "any-header":
            said += [
                self._say(
                    Frame("tcp", UNIT, self._read(3, 0, 1, now_ms), int.from_bytes(one.data[:2], "big"))
                )
                for one in refused
            ]
        if self.fault == "dies-of-burst" and len(frames) >= BURST:
            self.deaf = True
        if self.deaf:
            return []
        mine = [one for one in frames if one.unit == UNIT or self.fault == "any-unit"]
        for frame in mine[:1] if self.fault == "first-only" else mine:
            answer = self._answer(frame.pdu, now_ms)
            if answer is not None:
                said.append(self._say(Frame("tcp", frame.unit, answer, frame.transaction)))
        return said

    def _say(self, frame: Frame) -> bytes:
        return framing.encode(frame) + (b"\xff" * 6 if self.fault == "noise" else b"")

    def _answer(self, asked: Pdu, now_ms: int) -> Pdu | None:
        silent = {"no-coils": 1, "no-discrete": 2, "no-input": 4, "no-function-error": 65}
        if silent.get(self.fault) == asked.function:
            return None
        if asked.function not in TABLES:
            return self._exception(asked.function, 1)
        address, count = asked.fields["address"], asked.fields["count"]
        if "illegal_count" in asked.fields:
            if self.fault != "any-count":
                return self._exception(asked.function, 3)
            count = 1
        if address + count > SIZE and self.fault != "any-address":
            return self._exception(asked.function, 2)
        return self._read(asked.function, address, count, now_ms)

    def _exception(self, function: int, code: int) -> Pdu:
        return Pdu(function, "exception", {"exception": 4 if self.fault == "wrong-exception" else code})

    def _read(self, function: int, address: int, count: int, now_ms: int) -> Pdu:
        names = [f"{TABLES[function]}{at}" for at in range(address, address + count)]
        values = [self.options.values.at(name, now_ms, 0.0, 100.0) for name in names]
        if function in (1, 2):
            return Pdu(function, "answer", {"bits": [value > 50 for value in values]})
        registers = [max(0, min(0xFFFF, round(value * 10))) for value in values]
        return Pdu(function, "answer", {"registers": registers + [0] * (self.fault == "wrong-count")})


_CODEC = CODECS["modbus-tcp"]
KIND = Kind(
    Codec(_CODEC.name, _CODEC.standard, _CODEC.title, _requests, _CODEC.describe, _CODEC.explain),
    Server,
    FAULTS,
    listens=True,
)
