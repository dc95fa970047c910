"""SL 651-2014, what a station must do before a centre: report, repeat, send pictures, answer queries, and stay sane.

HEX/BCD or ASCII, as the station speaks; a query with parameters is asked in HEX/BCD alone.  Settings: ``mode`` (m2; m1:
it does not repeat what is not confirmed) · ``other_centre`` (200) an address of a centre that it does not report to.
Frames, modes and elements are those of the standard's approval draft; what a station does with frames that are wrong is
our reading of it: it never carries them out, and it lives on.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import sl651, sl651_body
from fengsui.sense.codecs import sl651_words as words
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.measured import milliseconds
from fengsui.sense.codecs.parts import Joiner
from fengsui.sense.codecs.sl651 import Frame
from fengsui.sense.conform import steps
from fengsui.sense.conform.case import (
    Applies,
    Await,
    Case,
    Check,
    Clause,
    Judge,
    Match,
    Scene,
    Script,
    Send,
    Withhold,
)

KEEP_ALIVE, PICTURE, REALTIME, NAMED, VERSION, STATE, SET_CLOCK, CLOCK = (
    0x2F, 0x36, 0x37, 0x3A, 0x45, 0x46, 0x4A, 0x51,
)  # fmt: skip
REPORTS = range(0x30, 0x36)
RESERVED = 0x60  # annex B keeps it

FRAME = Clause("SL 651-2014 6.2 (报批稿, approval draft)")
MODES = Clause("SL 651-2014 6.3, 6.5 (报批稿, approval draft)")
BODY = Clause("SL 651-2014 6.6, 附录C 附录D (报批稿, approval draft; annexes C, D)")
FUNCTIONS = Clause("SL 651-2014 附录B (报批稿, approval draft; annex B)")
ROBUST = Clause("SL 651-2014 6.2: 抗干扰为本平台要求 (robustness: this platform's demand)", from_memory=True)


# -- frames out -----------------------------------------------------------------------------------------------


def _at(scene: Scene) -> datetime:
    return datetime.fromtimestamp(scene.now_ms // 1000, UTC)


def query(
    function: int,
    parameters: Callable[[Scene], bytes] | None = None,
    keep: str = "asked",
    **changed: Any,
) -> Callable[[Scene], bytes]:
    """A query of the centre; its function is kept under ``keep``.  ``changed`` overrides centre, station, password."""

    def make(scene: Scene) -> bytes:
        scene.kept[keep] = function
        told = {name: value(scene) if callable(value) else value for name, value in changed.items()}
        head: dict[str, Any] = {
            "centre": scene.kept.get("centre", 1),
            "station": scene.identity,
            "password": scene.settings.get("password") or scene.kept.get("password", "0000"),
            "in_ascii": scene.kept.get("ascii", False),
        } | told
        return sl651.query(
            function=function, at=_at(scene), parameters=parameters(scene) if parameters else b"", **head
        )

    return make


def reply(scene: Scene, frame: Frame) -> list[bytes]:
    """The centre of itself: ESC to reports and answers, ACK where more follows, NAK for a missing packet."""
    steps.note(scene, _key(frame), frame)
    scene.kept.setdefault("centre", frame.centre)
    scene.kept.setdefault("password", frame.password)
    scene.kept.setdefault("ascii", frame.ascii)
    if frame.down or frame.function == KEEP_ALIVE:
        return []
    joiner: Joiner = scene.kept.setdefault("joiner", Joiner(sl651.CODEC))
    whole = joiner.add(frame, scene.now_ms).frame
    if scene.withhold:
        return []
    if whole is not None:
        return [sl651.answer(whole, _at(scene), words.ACK if whole.end == words.ETB else words.ESC)]
    missing = joiner.missing(frame) if frame.end == words.ETX else []
    return [sl651.answer(frame, _at(scene), words.NAK, missing[0])] if missing else []


# -- frames in ------------------------------------------------------------------------------------------------


def is_up(*functions: int) -> Match:
    return lambda scene, frame: not frame.down and frame.function in functions


def is_report(scene: Scene, frame: Frame) -> bool:
    return not frame.down and frame.function in REPORTS and frame.total is None


def head_is_right(scene: Scene, frame: Frame) -> Term | None:
    """No departure, a serial of 1 to 65535, a time, a centre and a station that can be."""
    if frame.departures:
        told = ", ".join(frame.departures)
        return Term(f"帧有偏差：{told}", f"the frame departs: {told}")
    said = sl651_body.read(frame)
    if not said.serial:
        return Term("流水号应为 1–65535", "the serial should be 1 to 65535")
    if said.sent_at is None:
        return Term("发报时间无效", "the time of sending is none")
    if not frame.centre:
        return Term("中心站地址为 0", "the centre's address is 0")
    if not int(frame.station, 16):
        return Term("遥测站地址为 0", "the station's address is 0")
    return None


def elements_are_right(scene: Scene, frame: Frame) -> Term | None:
    """Station, time of observation, and at least one element of annex C, nothing unread."""
    said = sl651_body.read(frame)
    kinds = {item.kind for item in said.items}
    for kind, zh, en in (
        ("station", "遥测站地址", "station's address"),
        ("observed", "观测时间", "time of observation"),
    ):
        if kind not in kinds:
            return Term(f"正文没有{zh}", f"the body has no {en}")
    for item in said.items:
        if item.kind == "unread":
            return Term(f"正文不可识别：{item.raw}", f"not readable: {item.raw}")
        if item.kind == "observed" and item.value is None:
            return Term(f"观测时间 {item.raw} 无效", f"time of observation {item.raw} is none")
        if item.name == sl651_body.UNKNOWN:
            return Term(f"标识符 {item.code} 不在附录C中", f"identifier {item.code} is not in annex C")
    found = [item for item in said.items if item.kind in ("element", "series")]
    if not found:
        return Term("正文没有要素", "the body has no element")
    scene.kept["element"] = found[-1].code
    return None


def _answers_named(scene: Scene, frame: Frame) -> Term | None:
    codes = {item.code for item in sl651_body.read(frame).items}
    wanted = scene.kept["element"]
    return None if wanted in codes else Term(f"没有所查要素 {wanted}", f"element {wanted} is not there")


def _has(kind: str, code: str, zh: str, en: str) -> Judge:
    def judge(scene: Scene, frame: Frame) -> Term | None:
        items = sl651_body.read(frame).items
        if any(item.kind == kind and item.code == code for item in items):
            return None
        return Term(f"没有{zh}", f"there is no {en}")

    return judge


def _clock_is_there(scene: Scene, frame: Frame) -> Term | None:
    return None if sl651_body.read(frame).sent_at else Term("没有有效时间", "there is no valid time")


def _clock_is_right(scene: Scene, frame: Frame) -> Term | None:
    at = sl651_body.read(frame).sent_at
    return steps.clock_is_right(milliseconds(at) if at else None, scene)


def _key(frame: Frame) -> tuple[int, bytes]:
    return frame.function, frame.body


def _same_report(scene: Scene, frame: Frame) -> bool:
    kept: Frame = scene.kept["report"]
    return frame is not kept and _key(frame) == _key(kept)


def _new_report(scene: Scene, frame: Frame) -> bool:
    return is_report(scene, frame) and steps.is_new(scene, _key(frame), frame)


def _serial(frame: Frame) -> int | None:
    return sl651_body.read(frame).serial


def _next_report(scene: Scene, frame: Frame) -> bool:
    return is_report(scene, frame) and _serial(frame) != _serial(scene.kept["report"])


def _serials_differ(scene: Scene, frames: list[Frame], refused: list[BadFrame]) -> Term | None:
    """Two reports with one serial are the same report."""
    seen: dict[int | None, bytes] = {}
    reports = [frame for frame in frames if is_report(scene, frame)]
    for frame in reports:
        serial = _serial(frame)
        if seen.setdefault(serial, frame.body) != frame.body:
            return Term(f"流水号 {serial} 用于两份报文", f"serial {serial} stands on two reports")
    return None if reports else Term("没有报文", "there is no report")


def _only_opening(scene: Scene, frame: Frame) -> Term | None:
    said = sl651_body.read(frame)
    if said.items or said.sent_at is None:
        return Term("链路维持报正文应只有流水号与时间", "a keep-alive has a serial and a time, nothing else")
    return None


def _is_packet(scene: Scene, frame: Frame) -> bool:
    return not frame.down and frame.total is not None and frame.total > 1


def _last_packet(scene: Scene, frame: Frame) -> bool:
    return _is_packet(scene, frame) and frame.number == frame.total


def _first_again(scene: Scene, frame: Frame) -> bool:
    last: Frame = scene.kept["last"]
    return (frame.function, frame.total, frame.number) == (last.function, last.total, 1)


def _ends_with_etx(scene: Scene, frame: Frame) -> Term | None:
    return (
        None if frame.end == words.ETX else Term("重发的包应以 ETX 结束", "a packet sent again ends with ETX")
    )


def _packets_are_right(scene: Scene, frames: list[Frame], refused: list[BadFrame]) -> Term | None:
    """Each run counts 1 … total; the last packet ends with ETX, those before with ETB."""
    due = 1
    for frame in frames:
        if not _is_packet(scene, frame):
            continue
        last = frame.number == frame.total
        if frame.number != due and frame.end == words.ETX and not last:
            continue  # one that was asked for again
        if frame.number != due:
            return Term(
                f"应为第 {due} 包，来的是 {frame.number}/{frame.total}",
                f"packet {due} was due, {frame.number}/{frame.total} came",
            )
        if frame.end != (words.ETX if last else words.ETB):
            return Term(f"第 {due} 包的结束符不符", f"packet {due} has the wrong end mark")
        due = 1 if last else due + 1
    return None  # what is still open may be on its way


def _done(scene: Scene, frame: Frame) -> bool:
    return not frame.down and frame.function == scene.kept.get("bad")


# -- frames that are wrong --------------------------------------------------------------------------------------

_ask_wrongly = query(CLOCK, keep="bad")


def _checked(data: bytes, in_ascii: bool) -> bytes:
    """``data`` with the CRC that fits."""
    crc = sl651.crc16(data)
    return data + (b"%04X" % crc if in_ascii else crc.to_bytes(2, "big"))


def _bad_crc(scene: Scene) -> bytes:
    data = _ask_wrongly(scene)
    if scene.kept.get("ascii"):
        return data[:-4] + b"%04X" % (int(data[-4:], 16) ^ 0x0101)
    return data[:-1] + bytes([data[-1] ^ 0x11])  # one byte: nobody takes it for the CRC the other way round


def _bad_length(scene: Scene) -> bytes:
    """A length that says four more than there is, under a CRC that fits."""
    data = _ask_wrongly(scene)
    if scene.kept.get("ascii"):
        return _checked(data[:19] + b"%04X" % (int(data[19:23], 16) + 4) + data[23:-4], True)
    flags = int.from_bytes(data[11:13], "big") + 4
    return _checked(data[:11] + flags.to_bytes(2, "big") + data[13:-2], False)


def _other_centre(scene: Scene) -> int:
    wanted = int(scene.settings.get("other_centre") or 200) & 0xFF
    return wanted if wanted != scene.kept.get("centre") else wanted ^ 1


def _other_station(scene: Scene) -> str:
    own = scene.identity
    return own[:-1] + ("1" if own[-1] != "1" else "2")


def _other_password(scene: Scene) -> str:
    own = scene.settings.get("password") or scene.kept.get("password", "0000")
    return "9999" if own != "9999" else "8888"


def _echo(scene: Scene) -> bytes:
    """A query in the form of an uplink: what an echo on the line, or another station, would look like."""
    scene.kept["bad"] = CLOCK
    in_ascii = scene.kept.get("ascii", False)
    return sl651.encode(
        down=False,
        centre=scene.kept.get("centre", 1),
        station=scene.identity,
        password=scene.kept.get("password", "0000"),
        function=CLOCK,
        body=sl651_body.opening(0, _at(scene), in_ascii),
        end=words.ENQ,
        in_ascii=in_ascii,
    )


def _overlong(scene: Scene) -> bytes:
    """A header of this station that promises the longest body, and bytes without an end."""
    scene.kept["bad"] = CLOCK
    head = bytes.fromhex(scene.identity) + bytes([scene.kept.get("centre", 1)])
    head += bytes.fromhex(scene.kept.get("password", "0000")) + bytes([CLOCK])
    return b"\x7e\x7e" + head + b"\x8f\xff\x02" + b"U" * steps.OVERLONG_BYTES


def _wrong_confirmation(scene: Scene) -> bytes:
    """The confirmation of another serial."""
    kept: Frame = scene.kept["report"]
    serial = ((_serial(kept) or 0) + 1000) % 65_536
    return sl651.encode(
        down=True,
        centre=kept.centre,
        station=kept.station,
        password=kept.password,
        function=kept.function,
        body=sl651_body.opening(serial, _at(scene), kept.ascii),
        end=words.ESC,
        in_ascii=kept.ascii,
    )


def _ask_packet(scene: Scene) -> bytes:
    return sl651.answer(scene.kept["last"], _at(scene), words.NAK, 1)


def _confirm_packets(scene: Scene) -> bytes:
    return sl651.answer(scene.kept["last"], _at(scene), words.ESC)


def _named(scene: Scene) -> bytes:
    code = bytes.fromhex(scene.kept["element"])
    return code + code


def _T(zh: str, en: str) -> Term:
    return Term(zh, en)


_ASK = _T("发送 37，查询实时数据", "send 37, ask for real-time data")
_ANSWER = _T("实时数据应答 37", "the answer 37")
PROBE = steps.Probe(query(REALTIME, keep="probe"), is_up(REALTIME), _ASK, _ANSWER, _done)
_REPORT = _T("遥测站主动上报（30–35）", "the station reports of itself, 30 to 35")
_IN_HEX = Applies(
    lambda scene: not scene.kept.get("ascii"), _T("仅以 HEX/BCD 编码检测", "tested in HEX/BCD alone")
)


def _report(judge: Judge | None = None, ever: bool = True) -> Await:
    return Await(is_report if ever else _new_report, _REPORT, judge, within="data", keep="report", ever=ever)


def _asked(name: str, clause: Clause, title: Term, function: int, judge: Judge, *before: Any) -> Case:
    """A query and its answer.  ``before``: what it depends on; then it counts only where that holds."""
    return Case(
        f"sl651.{name}",
        clause,
        title,
        "good",
        (
            *before,
            Send(query(function), _T(f"发送 {function:02X}", f"send {function:02X}")),
            Await(is_up(function), _T(f"应答 {function:02X}", f"the answer {function:02X}"), judge),
        ),
        "if_supported" if before else "mandatory",
    )


_M2 = Applies(
    lambda scene: scene.settings.get("mode", "m2") != "m1",
    _T("M1 方式：不要求确认", "mode M1: nothing is confirmed"),
)

CASES = (
    Case(
        "sl651.report.arrives",
        FRAME,
        _T("遥测站主动上报，CRC 正确", "the station reports of itself, with the right CRC"),
        "good",
        (_report(),),
    ),
    Case(
        "sl651.report.head",
        FRAME,
        _T("帧头、流水号与发报时间", "header, serial and time of sending"),
        "good",
        (_report(head_is_right),),
    ),
    Case(
        "sl651.report.elements",
        BODY,
        _T("站址、观测时间与附录C中的要素", "station, time of observation and elements of annex C"),
        "good",
        (_report(elements_are_right),),
    ),
    Case(
        "sl651.report.confirmed",
        MODES,
        _T("得到确认之后不再重发", "after confirmation it is not sent again"),
        "good",
        steps.sent_once(_report(ever=False), _same_report, _next_report),
    ),
    Case(
        "sl651.report.sent_again",
        MODES,
        _T("M2：未得到确认则以原流水号重发", "M2: without confirmation it is sent again under its serial"),
        "good",
        (
            _M2,
            Withhold(True),
            _report(ever=False),
            Await(_same_report, _T("同一报文重发", "the same report once more"), within="data"),
            Withhold(False),
        ),
        "if_supported",
    ),
    Case(
        "sl651.keep_alive",
        MODES,
        _T("链路维持报 2F：只有流水号与时间", "keep-alive 2F: a serial and a time, nothing else"),
        "good",
        (
            Await(
                is_up(KEEP_ALIVE),
                _T("链路维持报 2F", "keep-alive 2F"),
                _only_opening,
                ever=True,
                optional=True,
            ),
        ),
        "if_supported",
    ),
    Case(
        "sl651.picture.packets",
        MODES,
        _T(
            "M3：包序号从 1 起连续，末包 ETX、其余 ETB",
            "M3: packets from 1 in order, the last ends with ETX, others ETB",
        ),
        "good",
        (
            Await(
                _is_packet, _T("多包报文", "a message in packets"), within="data", ever=True, optional=True
            ),
            Await(_last_packet, _T("末包", "its last packet"), within="data", ever=True, keep="last"),
            Check(_packets_are_right, _T("包序号与结束符", "numbers and end marks")),
        ),
        "if_supported",
    ),
    Case(
        "sl651.picture.again",
        MODES,
        _T(
            "M3：NAK 所指的包重发，以 ETX 结束",
            "M3: the packet that NAK names is sent again and ends with ETX",
        ),
        "good",
        (
            Applies(
                lambda scene: "last" in scene.kept, _T("此前没有多包报文", "no message in packets was seen")
            ),
            Withhold(True),
            Await(_last_packet, _T("末包", "the last packet"), within="data", keep="last"),
            Send(_ask_packet, _T("发送 NAK，第 1 包", "send NAK for packet 1")),
            Await(_first_again, _T("第 1 包", "packet 1"), _ends_with_etx),
            Send(_confirm_packets, _T("确认全部", "confirm all")),
            Withhold(False),
        ),
        "if_supported",
    ),
    _asked(
        "query.realtime",
        FUNCTIONS,
        _T("M4：查询实时数据 37", "M4: ask for real-time data, 37"),
        REALTIME,
        elements_are_right,
    ),
    Case(
        "sl651.query.element",
        FUNCTIONS,
        _T("查询指定要素 3A", "ask for a named element, 3A"),
        "good",
        (
            _IN_HEX,
            Applies(lambda scene: "element" in scene.kept, _T("没有已知要素", "no element is known")),
            Send(
                query(NAMED, _named),
                _T("发送 3A，上报过的一个要素", "send 3A for an element it has reported"),
            ),
            Await(is_up(NAMED), _T("应答 3A", "the answer 3A"), _answers_named),
        ),
        "if_supported",
    ),
    _asked(
        "query.version",
        FUNCTIONS,
        _T("查询软件版本 45", "ask for the software version, 45"),
        VERSION,
        _has("text", "", "版本", "version"),
        _IN_HEX,
    ),
    _asked(
        "query.state",
        FUNCTIONS,
        _T("查询状态和报警信息 46", "ask for state and alarms, 46"),
        STATE,
        _has("element", "45", "要素 45", "element 45"),
        _IN_HEX,
    ),
    _asked("clock.get", FUNCTIONS, _T("查询时钟 51", "ask for the clock, 51"), CLOCK, _clock_is_there),
    Case(
        "sl651.clock.set",
        FUNCTIONS,
        _T("设置时钟 4A 后时钟正确", "after setting the clock, 4A, it is right"),
        "good",
        (
            Send(query(SET_CLOCK), _T("发送 4A，时间为当前时间", "send 4A with the present time")),
            Await(is_up(SET_CLOCK), _T("应答 4A", "the answer 4A")),
            Send(query(CLOCK), _T("发送 51", "send 51")),
            Await(is_up(CLOCK), _T("应答 51", "the answer 51"), _clock_is_right),
        ),
    ),
    steps.together(
        "sl651.stream.two_at_once",
        FRAME,
        _T("一次收到 37 与 45，都应答", "37 and 45 in one piece are both answered"),
        (query(REALTIME, keep="first"), is_up(REALTIME), _T("应答 37", "the answer 37")),
        (query(VERSION, keep="second"), is_up(VERSION), _T("应答 45", "the answer 45")),
    ),
    PROBE.slowly("sl651.stream.slow", FRAME),
    PROBE.bad(
        "sl651.bad.crc",
        FRAME,
        _T("CRC 错误的查询不执行", "a query with a wrong CRC is not carried out"),
        _bad_crc,
    ),
    PROBE.bad(
        "sl651.bad.length",
        FRAME,
        _T(
            "长度偏大的查询不执行，三次之内恢复",
            "a length that says too much: not carried out, well again in three tries",
        ),
        _bad_length,
        tries=steps.TRIES,
    ),
    PROBE.bad(
        "sl651.bad.centre",
        FRAME,
        _T("其他中心站地址的查询不执行", "a query of another centre is not carried out"),
        query(CLOCK, keep="bad", centre=_other_centre),
    ),
    PROBE.bad(
        "sl651.bad.station",
        FRAME,
        _T("其他遥测站地址的查询不执行", "a query for another station is not carried out"),
        query(CLOCK, keep="bad", station=_other_station),
    ),
    PROBE.bad(
        "sl651.bad.password",
        FRAME,
        _T("密码错误的查询不执行", "a query with a wrong password is not carried out"),
        query(CLOCK, keep="bad", password=_other_password),
    ),
    PROBE.bad(
        "sl651.bad.function",
        FUNCTIONS,
        _T("保留功能码 60 不执行", "a reserved function, 60, is not carried out"),
        query(RESERVED, keep="bad"),
    ),
    Case(
        "sl651.bad.confirmation",
        MODES,
        _T("流水号错误的确认不算确认", "a confirmation with another serial confirms nothing"),
        "bad",
        (
            _M2,
            Withhold(True),
            _report(ever=False),
            Send(_wrong_confirmation, _T("发送流水号错误的确认", "send a confirmation with another serial")),
            Await(_same_report, _T("同一报文重发", "the same report once more"), within="data"),
            Withhold(False),
        ),
        "if_supported",
    ),
    steps.noise_case(PROBE, "sl651.hostile.noise", ROBUST, 651, b"\x7e", b"\x7f"),
    PROBE.hostile(
        "sl651.hostile.overlong",
        ROBUST,
        _T(
            "声明 4095 字节而没有结束符的帧（12000 字节）",
            "a frame of 4,095 declared bytes without an end (12,000 bytes)",
        ),
        _overlong,
    ),
    PROBE.hostile(
        "sl651.hostile.echo",
        ROBUST,
        _T("上行格式的查询不执行", "a query in the form of an uplink is not carried out"),
        _echo,
    ),
    PROBE.burst("sl651.hostile.burst", ROBUST),
    PROBE.half("sl651.hostile.half", ROBUST, query(CLOCK, keep="bad")),
    Case(
        "sl651.report.serial",
        BODY,
        _T("全程每份报文的流水号不同", "each report of the session has a serial of its own"),
        "good",
        (Check(_serials_differ, _T("一个流水号只用于一份报文", "one serial stands on one report")),),
    ),
    steps.all_good("sl651.frames.all_good", FRAME),
)


def whose(frame: Any) -> str:
    return "" if frame.down else frame.station


SCRIPT = Script(sl651.CODEC, CASES, reply, whose)
