"""GB/T 26875.3-2011, what a transmission device must do before a centre: send, repeat, answer, obey, and stay sane.

Settings: ``system_type`` (1) and ``system_addr`` (0) of a fire system that can be read.  Frame, types and objects as
in docs/protocols/gb26875.md: compared with open code, their texts from memory; so is who repeats what (10 s, three
times).  During the test somebody lets a detector change: a device in peace has nothing to send of its fire systems.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fengsui.sense.codecs import gb26875
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.gb26875 import ANSWER, CONFIRM, CONTROL, DENY, REQUEST, SEND, Frame
from fengsui.sense.codecs.measured import milliseconds
from fengsui.sense.conform import steps
from fengsui.sense.conform.case import (
    Await,
    Case,
    Clause,
    Judge,
    Match,
    Scene,
    Script,
    Send,
    Withhold,
)

SYSTEM, DEVICE, VERSION, CONFIGURATION, CLOCK = 1, 21, 25, 26, 28
FIRE_TYPES = range(1, 9)
READ = {SYSTEM: 61, DEVICE: 81, VERSION: 85, CONFIGURATION: 86, CLOCK: 88}
SET_CLOCK, CHECK_DUTY = 90, 91
UNKNOWN_TYPE = 200  # for users; this kit gives it no meaning


def _clause(text: str) -> Clause:
    return Clause(f"GB/T 26875.3-2011 {text}", from_memory=True)


FRAME = _clause("6 (数据包, frame)")
DIALOGUE = _clause("7 (通信方式, dialogue)")
UNITS = _clause("8 (应用数据单元, application data unit)")
ROBUST = Clause("GB/T 26875.3 6: 抗干扰为本平台要求 (robustness: this platform's demand)", from_memory=True)


# -- frames out -----------------------------------------------------------------------------------------------


def _at(scene: Scene) -> datetime:
    return datetime.fromtimestamp(scene.now_ms // 1000, UTC)


def command(
    kind: int,
    one: Callable[[Scene], Mapping[str, Any]] | None = None,
    keep: str = "asked",
    *,
    what: int = REQUEST,
    target: Callable[[Scene], int] | None = None,
) -> Callable[[Scene], bytes]:
    """A request or control command of one object, with a serial of its own that is kept under ``keep``."""

    def make(scene: Scene) -> bytes:
        unit = gb26875.unit(kind, [one(scene) if one else {}])
        return _sent(scene, unit, keep, what, target(scene) if target else None)

    return make


def _sent(scene: Scene, unit: bytes, keep: str, what: int = REQUEST, target: int | None = None) -> bytes:
    serial = scene.kept[keep] = scene.next_serial() & 0xFFFF
    return gb26875.encode(
        serial=serial,
        at=_at(scene),
        source=scene.kept.get("centre", 0),
        target=int(scene.identity or 0) if target is None else target,
        command=what,
        unit=unit,
        version=scene.kept.get("version", (1, 1)),
    )


def reply(scene: Scene, frame: Frame) -> list[bytes]:
    """The centre of itself: what is sent is confirmed, what is asked of it is denied."""
    steps.note(scene, _key(frame), frame)
    scene.kept.setdefault("centre", frame.target)
    scene.kept.setdefault("version", frame.version)
    if frame.command == REQUEST:
        return [gb26875.deny(frame, _at(scene))]
    return [] if scene.withhold or frame.command != SEND else [gb26875.confirm(frame, _at(scene))]


# -- frames in ------------------------------------------------------------------------------------------------


def is_data(scene: Scene, frame: Frame) -> bool:
    """What is sent of a fire system or its parts; a device in peace says only its own state."""
    return frame.command == SEND and (gb26875.read_unit(frame.unit).type or 0) in FIRE_TYPES


def is_reply(*commands: int, keep: str = "asked") -> Match:
    return lambda scene, frame: frame.command in commands and frame.serial == scene.kept.get(keep)


def head_is_right(scene: Scene, frame: Frame) -> Term | None:
    """A time, a version, an address that is not 0, a command the standard has."""
    if frame.departures:
        told = ", ".join(frame.departures)
        return Term(f"帧有偏差：{told}", f"the frame departs: {told}")
    if not frame.version[0]:
        return Term("主版本号为 0", "the main version is 0")
    return None if frame.source else Term("源地址为 0", "the source address is 0")


def objects_are_right(scene: Scene, frame: Frame) -> Term | None:
    """A type of the standard, as many objects as its count says, times and GB 18030 texts that can be read."""
    unit = gb26875.read_unit(frame.unit)
    if unit.departures or not unit.objects:
        told = ", ".join(unit.departures) or "no objects"
        return Term(f"应用数据单元不符：{told}", f"the unit departs: {told}")
    for one in unit.objects:
        if "time_hex" in one:
            return Term(f"时间 {one['time_hex']} 无效", f"time {one['time_hex']} is none")
        if "\ufffd" in one.get("description", ""):
            return Term("部件说明不是 GB 18030", "the description is not GB 18030")
    return None


def _answered(kind: int) -> Judge:
    """An answer of the type, its objects readable."""

    def judge(scene: Scene, frame: Frame) -> Term | None:
        if (wrong := objects_are_right(scene, frame)) is not None:
            return wrong
        got = gb26875.read_unit(frame.unit).type
        return (
            None
            if got == kind
            else Term(f"类型为 {got}，应为 {kind}", f"the type is {got}, should be {kind}")
        )

    return judge


def _clock_is_right(scene: Scene, frame: Frame) -> Term | None:
    if (wrong := _answered(CLOCK)(scene, frame)) is not None:
        return wrong
    told = gb26875.read_unit(frame.unit).objects[0]["time"]
    return steps.clock_is_right(milliseconds(datetime.fromisoformat(told)) if told else None, scene)


def _confirmed(scene: Scene, frame: Frame) -> Term | None:
    """The confirmation repeats serial and version, has the addresses the other way and no unit."""
    centre, device = scene.kept.get("centre", 0), int(scene.identity or 0)
    if (frame.source, frame.target) != (device, centre):
        return Term(
            f"地址为 {frame.source}→{frame.target}，应为 {device}→{centre}",
            f"addresses are {frame.source} to {frame.target}, should be {device} to {centre}",
        )
    return Term("确认不应带应用数据单元", "a confirmation has no unit") if frame.unit else None


def _key(frame: Frame) -> tuple[int, int, bytes]:
    return frame.command, frame.serial, frame.unit


def _same_data(scene: Scene, frame: Frame) -> bool:
    kept: Frame = scene.kept["report"]
    return frame is not kept and _key(frame) == _key(kept)


def _new_data(scene: Scene, frame: Frame) -> bool:
    return is_data(scene, frame) and steps.is_new(scene, _key(frame), frame)


def _next_data(scene: Scene, frame: Frame) -> bool:
    return is_data(scene, frame) and frame.serial != scene.kept["report"].serial


def _done(scene: Scene, frame: Frame) -> bool:
    return frame.command in (CONFIRM, ANSWER) and frame.serial == scene.kept.get("bad")


# -- frames that are wrong --------------------------------------------------------------------------------------


def _system(scene: Scene) -> Mapping[str, Any]:
    return {
        "system_type": int(scene.settings.get("system_type") or 1),
        "system_addr": int(scene.settings.get("system_addr") or 0),
    }


def _minutes(scene: Scene) -> Mapping[str, Any]:
    return {"minutes": 1}


def _now(scene: Scene) -> Mapping[str, Any]:
    return {"time": _at(scene)}


_ask_wrongly = command(READ[DEVICE], keep="bad")


def _checked(data: bytes) -> bytes:
    return data[:-3] + bytes([gb26875.checksum(data[2:-3])]) + data[-2:]


def _bad_checksum(scene: Scene) -> bytes:
    data = _ask_wrongly(scene)
    return data[:-3] + bytes([data[-3] ^ 0x55]) + data[-2:]


def _bad_length(scene: Scene) -> bytes:
    """A length that says five more than there is, under a sum that fits."""
    data = _ask_wrongly(scene)
    length = int.from_bytes(data[24:26], "little") + 5
    return _checked(data[:24] + length.to_bytes(2, "little") + data[26:])


def _bad_end(scene: Scene) -> bytes:
    return _ask_wrongly(scene)[:-2] + b"$$"


def _other_address(scene: Scene) -> int:
    return int(scene.identity or 0) ^ 1


def _unknown_type(scene: Scene) -> bytes:
    return _sent(scene, bytes([UNKNOWN_TYPE, 1, 0]), "bad")


def _many_objects(scene: Scene) -> bytes:
    """A count of 255 and one object."""
    return _sent(scene, bytes([READ[SYSTEM], 255, 1, 0]), "bad")


def _empty_unit(scene: Scene) -> bytes:
    return _sent(scene, b"", "bad")


def _overlong(scene: Scene) -> bytes:
    """A header that promises 65,535 bytes, and bytes without an end."""
    data = _ask_wrongly(scene)
    return data[:24] + b"\xff\xff" + data[26:27] + b"U" * steps.OVERLONG_BYTES


def _wrong_confirmation(scene: Scene) -> bytes:
    kept: Frame = scene.kept["report"]
    return gb26875.confirm(kept._replace(serial=(kept.serial + 1000) & 0xFFFF), _at(scene))


def _T(zh: str, en: str) -> Term:
    return Term(zh, en)


_ASK = _T("发送读装置状态 81", "send 81, read the device's state")
_ANSWER = _T("同流水号的应答，类型 21", "an answer of the same serial, type 21")
PROBE = steps.Probe(command(READ[DEVICE], keep="probe"), is_reply(ANSWER, keep="probe"), _ASK, _ANSWER, _done)
_DATA = _T(
    "装置主动发送消防设施数据（命令 2，类型 1–8）",
    "the device sends data of a fire system of itself: command 2, types 1 to 8",
)


def _report(judge: Judge | None = None, ever: bool = True) -> Await:
    return Await(is_data if ever else _new_data, _DATA, judge, within="data", keep="report", ever=ever)


def _read(name: str, title: Term, kind: int, one: Callable[[Scene], Mapping[str, Any]] | None = None) -> Case:
    """A request and the answer of its type."""
    asked = READ[kind]
    return Case(
        f"gb26875.read.{name}",
        UNITS,
        title,
        "good",
        (
            Send(command(asked, one), _T(f"发送请求，类型 {asked}", f"send a request of type {asked}")),
            Await(
                is_reply(ANSWER, DENY),
                _T(f"同流水号的应答，类型 {kind}", f"an answer of the same serial, type {kind}"),
                _answered(kind),
            ),
        ),
    )


CASES = (
    Case(
        "gb26875.data.arrives",
        FRAME,
        _T("装置主动发送数据，校验和正确", "the device sends data of itself with the right sum"),
        "good",
        (_report(),),
    ),
    Case(
        "gb26875.data.head",
        FRAME,
        _T("版本、时间标签、源地址与命令字节", "version, time, source address and command"),
        "good",
        (_report(head_is_right),),
    ),
    Case(
        "gb26875.data.objects",
        UNITS,
        _T("类型、对象数目、时间与 GB 18030 说明", "type, count of objects, times and texts in GB 18030"),
        "good",
        (_report(objects_are_right),),
    ),
    Case(
        "gb26875.data.confirmed",
        DIALOGUE,
        _T("得到确认之后不再重发", "after confirmation it is not sent again"),
        "good",
        steps.sent_once(_report(ever=False), _same_data, _next_data),
    ),
    Case(
        "gb26875.data.sent_again",
        DIALOGUE,
        _T("未得到确认则以原流水号重发", "without confirmation it is sent again under its serial"),
        "good",
        (
            Withhold(True),
            _report(ever=False),
            Await(_same_data, _T("同一数据重发", "the same data once more"), within="data"),
            Withhold(False),
        ),
    ),
    _read("device", _T("读装置运行状态 81", "read the device's state, 81"), DEVICE),
    _read("system", _T("读消防系统状态 61", "read the state of a fire system, 61"), SYSTEM, _system),
    _read("version", _T("读装置软件版本 85", "read the device's version, 85"), VERSION),
    _read("configuration", _T("读装置配置 86", "read the device's configuration, 86"), CONFIGURATION),
    _read("clock", _T("读装置时间 88", "read the device's clock, 88"), CLOCK),
    Case(
        "gb26875.clock.set",
        UNITS,
        _T("同步时钟 90 得到确认，之后时钟正确", "setting the clock, 90, is confirmed, and then it is right"),
        "good",
        (
            Send(
                command(SET_CLOCK, _now, what=CONTROL),
                _T("发送控制命令，类型 90", "send a control command of type 90"),
            ),
            Await(is_reply(CONFIRM, DENY), _T("确认", "a confirmation"), _confirmed),
            Send(command(READ[CLOCK]), _T("发送请求，类型 88", "send a request of type 88")),
            Await(is_reply(ANSWER), _T("应答，类型 28", "an answer of type 28"), _clock_is_right),
        ),
    ),
    Case(
        "gb26875.duty.check",
        UNITS,
        _T("查岗 91 得到确认", "the check of duty, 91, is confirmed"),
        "good",
        (
            Send(
                command(CHECK_DUTY, _minutes, what=CONTROL),
                _T("发送控制命令，类型 91", "send a control command of type 91"),
            ),
            Await(is_reply(CONFIRM), _T("确认", "a confirmation"), _confirmed),
        ),
    ),
    steps.together(
        "gb26875.stream.two_at_once",
        FRAME,
        _T("一次收到 81 与 85，都应答", "81 and 85 in one piece are both answered"),
        (
            command(READ[DEVICE], keep="first"),
            is_reply(ANSWER, keep="first"),
            _T("81 的应答", "the answer to 81"),
        ),
        (
            command(READ[VERSION], keep="second"),
            is_reply(ANSWER, keep="second"),
            _T("85 的应答", "the answer to 85"),
        ),
    ),
    PROBE.slowly("gb26875.stream.slow", FRAME),
    PROBE.bad(
        "gb26875.bad.checksum",
        FRAME,
        _T("校验和错误的请求不执行", "a request with a wrong sum is not carried out"),
        _bad_checksum,
    ),
    PROBE.bad(
        "gb26875.bad.length",
        FRAME,
        _T(
            "长度偏大的请求不执行，三次之内恢复",
            "a length that says too much: not carried out, well again in three tries",
        ),
        _bad_length,
        tries=steps.TRIES,
    ),
    PROBE.bad(
        "gb26875.bad.end",
        FRAME,
        _T("结束符错误的请求不执行", "a request with a wrong end mark is not carried out"),
        _bad_end,
    ),
    PROBE.bad(
        "gb26875.bad.address",
        FRAME,
        _T("他人目的地址的请求不执行", "a request for another address is not carried out"),
        command(READ[DEVICE], keep="bad", target=_other_address),
    ),
    Case(
        "gb26875.bad.type",
        DIALOGUE,
        _T("未知类型 200 被否认", "an unknown type, 200, is denied"),
        "bad",
        (
            Send(_unknown_type, _T("发送请求，类型 200", "send a request of type 200")),
            Await(
                is_reply(DENY, keep="bad"),
                _T("否认", "a denial"),
                never=_done,
                never_what=steps.CARRIED_OUT,
            ),
            *PROBE.lives(),
        ),
    ),
    Case(
        "gb26875.bad.confirmation",
        DIALOGUE,
        _T("流水号错误的确认不算确认", "a confirmation with another serial confirms nothing"),
        "bad",
        (
            Withhold(True),
            _report(ever=False),
            Send(_wrong_confirmation, _T("发送流水号错误的确认", "send a confirmation with another serial")),
            Await(_same_data, _T("同一数据重发", "the same data once more"), within="data"),
            Withhold(False),
        ),
    ),
    steps.noise_case(PROBE, "gb26875.hostile.noise", ROBUST, 26875, b"@", b"A"),
    PROBE.hostile(
        "gb26875.hostile.overlong",
        ROBUST,
        _T("声明 65535 字节的帧（12000 字节）", "a frame of 65,535 declared bytes (12,000 bytes)"),
        _overlong,
    ),
    PROBE.hostile(
        "gb26875.hostile.objects",
        ROBUST,
        _T("声明 255 个对象而只有一个", "255 objects declared, one there"),
        _many_objects,
    ),
    PROBE.hostile(
        "gb26875.hostile.empty", ROBUST, _T("没有应用数据单元的请求", "a request without a unit"), _empty_unit
    ),
    PROBE.burst("gb26875.hostile.burst", ROBUST),
    steps.serials_rise(
        "gb26875.serial.rises",
        DIALOGUE,
        _T("业务流水号逐一递增", "serials rise one by one"),
        _T("新数据的流水号为前一个加 1", "new data have the serial after the one before"),
        lambda frame: (frame.serial, frame.unit),
        counts=lambda frame: frame.command == SEND,
    ),
    PROBE.half("gb26875.hostile.half", ROBUST, command(SET_CLOCK, _now, keep="bad", what=CONTROL)),
    steps.all_good("gb26875.frames.all_good", FRAME),
)


def whose(frame: Any) -> str:
    return str(frame.source) if frame.command == SEND else ""


SCRIPT = Script(gb26875.CODEC, CASES, reply, whose)
