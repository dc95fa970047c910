"""Modbus/TCP, what a server must do before a polling platform: read, refuse in the standard's way, keep the stream.

Which registers a device has is its maker's choice.  Settings: ``unit`` (1), ``other_unit`` (200), ``absent`` (65535) an
address that none has; ``coils``, ``discrete``, ``holding`` and ``input`` one that can be read (0; ``none``: no
such table).  Written from memory of the application protocol V1.1b3 and the messaging guide V1.0b.
"""

from collections.abc import Callable
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Cut, Term
from fengsui.sense.codecs.modbus import framing, pdu
from fengsui.sense.codecs.modbus.framing import Frame
from fengsui.sense.codecs.modbus.pdu import Pdu
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.conform import steps
from fengsui.sense.conform.case import (
    Applies,
    Await,
    Case,
    Check,
    Clause,
    HangUp,
    Judge,
    Match,
    Scene,
    Script,
    Send,
    Step,
)

TABLES = {"coils": 1, "discrete": 2, "holding": 3, "input": 4}
ABSENT = 65535

READS = Clause("MODBUS Application Protocol V1.1b3, 6.1–6.4", from_memory=True)
EXCEPTIONS = Clause("MODBUS Application Protocol V1.1b3, 7", from_memory=True)
MBAP = Clause("MODBUS Messaging on TCP/IP V1.0b, 3.1.3", from_memory=True)


def _answers(buffer: bytes, ended: bool = False) -> Cut:
    """Only answers: what comes from a server is none of our requests, though it may look like one."""
    frames, refused, rest = framing.feed_tcp(buffer, "answer")
    return Cut(
        frames, [*refused, BadFrame("cut", rest)] if ended and rest else refused, b"" if ended else rest
    )


_CODEC = CODECS["modbus-tcp"]
CODEC = Codec(_CODEC.name, _CODEC.standard, _CODEC.title, _answers, _CODEC.describe, _CODEC.explain)


def _number(scene: Scene, name: str, default: int) -> int:
    text = scene.settings.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else default


def ask(
    function: int,
    table: str = "",
    count: int = 1,
    *,
    address: int | None = None,
    unit: int | None = None,
    keep: str = "id",
) -> Callable[[Scene], bytes]:
    """A read request with a transaction of its own, kept under ``keep``."""

    def make(scene: Scene) -> bytes:
        at = _number(scene, table, 0) if address is None else address
        body = function.to_bytes(1, "big") + at.to_bytes(2, "big") + count.to_bytes(2, "big")
        return _mbap(scene, body, unit, keep)

    return make


def _mbap(scene: Scene, body: bytes, unit: int | None = None, keep: str = "id") -> bytes:
    transaction = scene.next_serial() & 0xFFFF
    scene.kept[keep] = transaction
    one = _number(scene, "unit", 1) if unit is None else unit
    return transaction.to_bytes(2, "big") + b"\0\0" + (len(body) + 1).to_bytes(2, "big") + bytes([one]) + body


def raw(body: bytes, keep: str = "id") -> Callable[[Scene], bytes]:
    return lambda scene: _mbap(scene, body, keep=keep)


def is_answer(keep: str = "id") -> Match:
    return lambda scene, frame: frame.transaction == scene.kept.get(keep)


def values(function: int, registers: int) -> Judge:
    """The answer to ``function`` with as many registers, or at least as many bits."""

    def judge(scene: Scene, frame: Frame) -> Term | None:
        if frame.unit != _number(scene, "unit", 1):
            return Term(f"单元标识为 {frame.unit}", f"the unit is {frame.unit}")
        if frame.pdu.side != "answer" or frame.pdu.function != function:
            return Term(f"应答为 {_said(frame.pdu)}", f"the answer is {_said(frame.pdu)}")
        held = frame.pdu.fields.get("registers")
        bits = frame.pdu.fields.get("bits", [])
        if (held is not None and len(held) != registers) or (
            held is None and len(bits) != (registers + 7) // 8 * 8
        ):
            return Term("数据个数不符", "the number of values is wrong")
        return None

    return judge


def exception(function: int, *codes: int) -> Judge:
    def judge(scene: Scene, frame: Frame) -> Term | None:
        got: Pdu = frame.pdu
        if got.side == "exception" and got.function == function and got.fields["exception"] in codes:
            return None
        wanted = ", ".join(f"{code} {pdu.EXCEPTIONS[code]}" for code in codes)
        return Term(
            f"应答为 {_said(got)}，应为异常 {wanted}",
            f"the answer is {_said(got)}, should be exception {wanted}",
        )

    return judge


def _said(got: Pdu) -> str:
    return f"{got.side} {got.function} {got.fields.get('exception', '')}".strip()


def _has(table: str) -> Applies:
    return Applies(
        lambda scene: scene.settings.get(table) != "none",
        Term("设备没有此类寄存器", "the device has no such table"),
    )


def _any_table(scene: Scene) -> tuple[int, str]:
    for table in ("holding", "input", "coils", "discrete"):
        if scene.settings.get(table) != "none":
            return TABLES[table], table
    return 3, "holding"


def _good(keep: str = "probe") -> Callable[[Scene], bytes]:
    """A request that any device of these settings answers."""

    def make(scene: Scene) -> bytes:
        function, table = _any_table(scene)
        return ask(function, table, keep=keep)(scene)

    return make


_ANSWERED = Term("正常请求得到应答", "a good request is answered")


def _served(scene: Scene, frame: Frame) -> bool:
    return frame.transaction == scene.kept.get("bad") and frame.pdu.side == "answer"


PROBE = steps.Probe(
    _good(),
    lambda scene, frame: is_answer("probe")(scene, frame) and frame.pdu.side == "answer",
    Term("发送正常读请求", "send a good read"),
    _ANSWERED,
    _served,
    Term("错误请求得到了正常应答", "a wrong request was served"),
)


def _T(zh: str, en: str) -> Term:
    return Term(zh, en)


def _read(table: str, title: Term) -> Case:
    function = TABLES[table]
    return Case(
        f"modbus.read.{table}",
        READS,
        title,
        "good",
        (
            _has(table),
            Send(
                ask(function, table),
                _T(f"功能码 {function:02d}，读 1 个", f"function {function:02d}, read one"),
            ),
            Await(
                is_answer(),
                _T("同事务号的正常应答", "an answer of the same transaction"),
                values(function, 1),
            ),
        ),
        "if_supported",
    )


def _refusal(name: str, title: Term, make: Callable[[Scene], bytes], function: int, *codes: int) -> Case:
    return Case(
        f"modbus.{name}",
        EXCEPTIONS,
        title,
        "bad",
        (
            Send(make, title),
            Await(is_answer(), _T("异常应答", "an exception"), exception(function, *codes)),
            *PROBE.lives(),
        ),
    )


def _absent(scene: Scene) -> bytes:
    return ask(3, count=1, address=_number(scene, "absent", ABSENT))(scene)


def _two(scene: Scene) -> bytes:
    return _good("id")(scene) + _good("id2")(scene)


def _wrong_protocol(scene: Scene) -> bytes:
    frame = _good("bad")(scene)
    return frame[:2] + b"\x12\x34" + frame[4:]


def _short_length(scene: Scene) -> bytes:
    frame = _good("bad")(scene)
    return frame[:4] + b"\0\0" + frame[6:]


def _long_length(scene: Scene) -> bytes:
    frame = _good("bad")(scene)
    return frame[:4] + b"\xff\xff" + frame[6:]


def _half(scene: Scene) -> bytes:
    return _good("bad")(scene)[:7]


def _other_unit(scene: Scene) -> bytes:
    return ask(3, "holding", keep="bad", unit=_number(scene, "other_unit", 200))(scene)


def _hostile(name: str, title: Term, make: Callable[[Scene], bytes], *then: Step) -> Case:
    """A false header is not served; a device that closes the line must take the next call."""
    return Case(
        f"modbus.hostile.{name}",
        MBAP,
        title,
        "hostile",
        PROBE.wrong(make, title, *then, tries=steps.TRIES),
    )


CASES = (
    _read("coils", _T("读线圈", "read coils")),
    _read("discrete", _T("读离散输入", "read discrete inputs")),
    _read("holding", _T("读保持寄存器", "read holding registers")),
    _read("input", _T("读输入寄存器", "read input registers")),
    _refusal("exception.function", _T("未知功能码 65", "unknown function 65"), raw(b"\x41"), 65, 1),
    _refusal("exception.address", _T("不存在的地址", "an address that is not there"), _absent, 3, 2),
    _refusal("exception.count_zero", _T("读 0 个寄存器", "read no registers"), ask(3, "holding", 0), 3, 3),
    _refusal(
        "exception.count_large", _T("读 126 个寄存器", "read 126 registers"), ask(3, "holding", 126), 3, 3
    ),
    Case(
        "modbus.bad.unit",
        MBAP,
        _T("他人单元标识：不应答，或以网关异常应答", "another unit: no answer, or a gateway's exception"),
        "bad",
        PROBE.wrong(_other_unit, _T("单元标识 200", "unit 200")),
    ),
    Case(
        "modbus.stream.in_pieces",
        MBAP,
        _T("请求分三段到达", "a request in three pieces"),
        "good",
        (
            Send(_good("id"), _T("读请求分三段发送", "a read in three pieces"), pieces=3),
            Await(is_answer(), _ANSWERED),
        ),
    ),
    Case(
        "modbus.stream.two_at_once",
        MBAP,
        _T("一次两个请求，按事务号分别应答", "two requests at once, each answered by its transaction"),
        "good",
        (
            Send(_two, _T("两个读请求连在一起", "two reads in one piece")),
            Await(is_answer("id"), _T("第一个的应答", "the first's answer"), ever=True),
            Await(is_answer("id2"), _T("第二个的应答", "the second's answer"), ever=True),
        ),
    ),
    PROBE.burst("modbus.stream.burst", MBAP),
    _hostile("protocol", _T("协议标识不为 0", "a protocol that is not 0"), _wrong_protocol),
    _hostile("length_zero", _T("MBAP 长度为 0", "a length of 0 in the MBAP header"), _short_length),
    _hostile("length_large", _T("MBAP 长度为 65535", "a length of 65535 in the MBAP header"), _long_length),
    _hostile("half", _T("半个请求后断线", "half a request, then the line is cut"), _half, HangUp()),
    Case(
        "modbus.frames.all_good",
        MBAP,
        _T("全程设备所发字节均为正确的应答", "all bytes the device sent were good answers"),
        "good",
        (Check(steps.frames_are_good, _T("无杂乱字节、无错帧", "no noise, no bad frame")),),
    ),
)


def _no_reply(scene: Scene, frame: Any) -> list[bytes]:
    return []


def _whose(frame: Any) -> str:
    return ""


SCRIPT = Script(CODEC, CASES, _no_reply, _whose, dials=True)
