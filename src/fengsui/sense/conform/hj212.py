"""HJ 212-2017, what a device must do before a platform: upload, be confirmed, obey, and stay sane.

Frame, fields, dialogues, result tables and the CRC are those of the standard's text; what a device does with frames
that are wrong is our reading of tables 6 and 7: it never carries them out, and it lives on.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import hj212
from fengsui.sense.codecs import hj212_words as words
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.hj212 import CHINA, Frame
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

UPLOADS = {"2011", "2021", "2031", "2041", "2051", "2061", "2081", "3019", "3020"}
NOTICES = {"1013", "2012", "2022"}
CLOCK_TOLERANCE_S = 60

FRAME = Clause("HJ 212-2017 6.3.1")
SEGMENT = Clause("HJ 212-2017 6.3.2, 6.3.3")
DIALOGUE = Clause("HJ 212-2017 6.4")
RESULTS = Clause("HJ 212-2017 表6 表7 (tables 6, 7)")
COMMANDS = Clause("HJ 212-2017 表9, 附录C (table 9, annex C)")
CRC = Clause("HJ 212-2017 附录A (annex A)")
ROBUST = Clause("HJ 212-2017 6.3: 抗干扰为本平台要求 (robustness: this platform's demand)", from_memory=True)
HEARTBEAT = Clause("HJ 212-2025 9015", from_memory=True)


# -- frames out -----------------------------------------------------------------------------------------------


def time_text(ms: int) -> str:
    """``YYYYMMDDhhmmsszzz`` in Beijing time."""
    at = datetime.fromtimestamp(ms / 1000, CHINA)
    return f"{at:%Y%m%d%H%M%S}{ms % 1000:03d}"


def command(cn: str, cp: str = "", keep: str = "qn", **changed: str) -> Callable[[Scene], bytes]:
    """A request with a QN of its own, which is kept under ``keep``.  ``changed`` overrides st, pw, mn, flag."""

    def make(scene: Scene) -> bytes:
        qn = time_text(scene.now_ms + scene.next_serial())  # one a session, even within a millisecond
        scene.kept[keep] = qn
        return hj212.message(
            qn=qn,
            st=changed.get("st") or scene.kept.get("st", "32"),
            cn=cn,
            pw=changed.get("pw") or scene.settings.get("password") or scene.kept.get("pw", "123456"),
            mn=changed.get("mn") or scene.identity,
            flag=int(changed.get("flag", "5")),
            cp=f"&&{cp}&&",
        )

    return make


def reply(scene: Scene, frame: Frame) -> list[bytes]:
    """The platform of itself: 9014 to data and 9013 to notices that ask for it."""
    cn = frame.get("CN") or ""
    scene.kept.setdefault("st", frame.get("ST") if frame.get("ST") != "91" else "32")
    scene.kept.setdefault("pw", frame.get("PW"))
    if scene.withhold or not frame.answer_needed:
        return []
    if cn in NOTICES:
        return [hj212.answer_notice(frame)]
    return [] if cn in {"9011", "9012", "9013", "9014"} else [hj212.answer_data(frame)]


# -- frames in ------------------------------------------------------------------------------------------------


def is_answer(cn: str, keep: str = "qn") -> Match:
    return lambda scene, frame: frame.get("CN") == cn and frame.get("QN") == scene.kept.get(keep)


def is_upload(*cns: str) -> Match:
    return lambda scene, frame: frame.get("CN") in cns


def _item(frame: Frame, name: str) -> str | None:
    return next((value for group in frame.cp for key, value in group if key == name), None)


def _number(frame: Frame, name: str) -> int | None:
    text = _item(frame, name)
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else None


def rtn(name: str, good: Callable[[int], bool], wanted: str) -> Judge:
    """QnRtn or ExeRtn is one of those that ``good`` takes."""

    def judge(scene: Scene, frame: Frame) -> Term | None:
        got = _number(frame, name)
        if got is not None and good(got):
            return None
        return Term(f"{name} 为 {got}，应为 {wanted}", f"{name} is {got}, should be {wanted}")

    return judge


READY = rtn("QnRtn", lambda n: n == 1, "1")
DONE = rtn("ExeRtn", lambda n: n == 1, "1")
KNOWN_REFUSAL = rtn("QnRtn", lambda n: n != 1 and n in words.QN_RTN, "2–100")


def carried_out(keep: str = "bad") -> Match:
    """A sign that the request kept under ``keep`` was taken as good: ready, executed, or answered by its data."""

    def match(scene: Scene, frame: Frame) -> bool:
        if frame.get("QN") != scene.kept.get(keep):
            return False
        cn = frame.get("CN")
        if cn == "9011":
            return _number(frame, "QnRtn") == 1
        return (cn == "9012" and _number(frame, "ExeRtn") == 1) or cn in UPLOADS | {"1011", "1061", "1063"}

    return match


def either_refused(keep: str = "bad") -> Match:
    """9011 that is not ready, or 9012 that is not done."""

    def match(scene: Scene, frame: Frame) -> bool:
        if frame.get("QN") != scene.kept.get(keep):
            return False
        got = _number(frame, "QnRtn") if frame.get("CN") == "9011" else _number(frame, "ExeRtn")
        return frame.get("CN") in ("9011", "9012") and got is not None and got != 1

    return match


def head_is_right(scene: Scene, frame: Frame) -> Term | None:
    """QN of 17 digits, a known ST, PW of one to nine characters, MN of 24 hex digits, Flag of 2017."""
    qn, mn, pw = frame.get("QN") or "", frame.get("MN") or "", frame.get("PW") or ""
    if len(qn) != 17 or hj212.parse_time(qn) is None:
        return Term(f"QN {qn!r} 不是 17 位时间", f"QN {qn!r} is no time of 17 digits")
    if frame.get("ST") not in words.SYSTEMS:
        return Term(f"ST {frame.get('ST')!r} 不在表5中", f"ST {frame.get('ST')!r} is not in table 5")
    if len(mn) != 24 or not all(one in "0123456789ABCDEFabcdef" for one in mn):
        return Term(f"MN {mn!r} 不是 24 位十六进制", f"MN {mn!r} is not 24 hex digits")
    if not 1 <= len(pw) <= 9:
        return Term("PW 长度不符", "PW has a wrong length")
    if frame.version != "2017":
        return Term(f"Flag {frame.flag} 不是 2017 版", f"Flag {frame.flag} is not that of version 2017")
    if frame.departures:
        return Term(
            f"帧有偏差：{', '.join(frame.departures)}", f"the frame departs: {', '.join(frame.departures)}"
        )
    return None


def data_are_right(scene: Scene, frame: Frame) -> Term | None:
    """DataTime, and at least one factor of table B with a number and a data flag of table 8."""
    if hj212.data_time(frame) is None:
        return Term("没有 DataTime", "there is no DataTime")
    values = hj212.values(frame)
    if not values:
        return Term("没有监测值", "there is no value")
    for one in values:
        if one.factor is None:
            return Term(f"编码 {one.code} 不在附录B中", f"code {one.code} is not in annex B")
        if one.value is None and one.flag == "N":
            return Term(f"{one.code} 标记 N 却无数值", f"{one.code} is flagged N without a number")
        if one.flag is not None and one.flag not in words.FLAGS:
            return Term(f"数据标记 {one.flag!r} 不在表8中", f"data flag {one.flag!r} is not in table 8")
    return None


def _same_report(scene: Scene, frame: Frame) -> bool:
    """The report kept under ``report`` once more: the same command for the same instant."""
    kept: Frame = scene.kept["report"]
    return (
        frame is not kept
        and frame.get("CN") == kept.get("CN")
        and hj212.data_time(frame) == hj212.data_time(kept)
        and frame.get("PNO") == kept.get("PNO")
    )


def _next_report(scene: Scene, frame: Frame) -> bool:
    kept: Frame = scene.kept["report"]
    return frame.get("CN") == "2011" and hj212.data_time(frame) != hj212.data_time(kept)


def _clock_is_right(scene: Scene, frame: Frame) -> Term | None:
    at = hj212.parse_time(_item(frame, "SystemTime"))
    if at is None:
        return Term("没有 SystemTime", "there is no SystemTime")
    off = abs(at.timestamp() - scene.now_ms / 1000)
    tolerance = int(scene.settings.get("clock_tolerance_s") or CLOCK_TOLERANCE_S)
    if off > tolerance:
        return Term(
            f"时钟相差 {off:.0f} 秒，允许 {tolerance} 秒",
            f"the clock is {off:.0f} s off, {tolerance} s allowed",
        )
    return None


def _has_clock(scene: Scene, frame: Frame) -> Term | None:
    if hj212.parse_time(_item(frame, "SystemTime")) is None:
        return Term("没有 SystemTime", "there is no SystemTime")
    return None


def _has_interval(scene: Scene, frame: Frame) -> Term | None:
    seconds = _number(frame, "RtdInterval")
    if seconds is None or not 30 <= seconds <= 3600:
        return Term(
            f"RtdInterval 为 {seconds}，应为 30–3600", f"RtdInterval is {seconds}, should be 30 to 3600"
        )
    scene.kept["interval"] = seconds
    return None


def _interval_is(wanted: str) -> Judge:
    def judge(scene: Scene, frame: Frame) -> Term | None:
        got, want = _number(frame, "RtdInterval"), scene.kept[wanted]
        return (
            None
            if got == want
            else Term(f"RtdInterval 为 {got}，应为 {want}", f"RtdInterval is {got}, should be {want}")
        )

    return judge


def _in_span(scene: Scene, frame: Frame) -> Term | None:
    at = hj212.data_time(frame)
    begin, end = scene.kept["span"]
    if at is None or not begin <= at <= end:
        return Term(
            f"DataTime {at} 不在所要求的时段内", f"DataTime {at} is not within the span that was asked for"
        )
    return data_are_right(scene, frame)


def _history(cn: str, minutes: int) -> Callable[[Scene], bytes]:
    def make(scene: Scene) -> bytes:
        end = datetime.fromtimestamp(scene.now_ms // 1000, CHINA).replace(second=0)
        begin = end - timedelta(minutes=minutes)
        scene.kept["span"] = (begin, end)
        return command(cn, f"BeginTime={begin:%Y%m%d%H%M%S};EndTime={end:%Y%m%d%H%M%S}")(scene)

    return make


def _interval(scene: Scene) -> bytes:
    scene.kept["new_interval"] = 60 if scene.kept["interval"] != 60 else 90
    return command("1062", f"RtdInterval={scene.kept['new_interval']}")(scene)


def _own_name(scene: Scene, frame: Frame) -> Term | None:
    if frame.get("MN") == scene.identity:
        return None
    return Term(
        f"MN {frame.get('MN')} 与 {scene.identity} 不同", f"MN {frame.get('MN')} is not {scene.identity}"
    )


def _is_part(scene: Scene, frame: Frame) -> bool:
    return hj212.part_of(frame) is not None


def _packets_are_right(scene: Scene, frames: list[Frame], refused: list[BadFrame]) -> Term | None:
    """Each run of packets counts 1 … PNUM, each packet with a QN of its own."""
    due, total, seen = 1, 0, set()
    for frame in frames:
        part = hj212.part_of(frame)
        if part is None or frame.get("QN") in seen:  # a packet that is sent again is judged elsewhere
            continue
        if due > 1 and (part.number != due or part.total != total):
            return Term(
                f"应为第 {due}/{total} 包，来的是 {part.number}/{part.total}",
                f"packet {due}/{total} was due, {part.number}/{part.total} came",
            )
        if due == 1 and part.number != 1:
            return Term(f"首包号为 {part.number}", f"the first packet is number {part.number}")
        seen.add(frame.get("QN"))
        total = part.total
        due = 1 if part.number == total else part.number + 1
    return None if due == 1 else Term(f"缺第 {due}/{total} 包", f"packet {due}/{total} is missing")


# -- steps that many cases share --------------------------------------------------------------------------------

_ASK_TIME = Term("发送 1011 提取时间", "send 1011, ask for the clock")
_LIVES = Term("设备仍应答后续正常命令（1011）", "the device answers the next good command (1011)")


def answered(keep: str = "qn", judge: Judge = READY) -> Await:
    return Await(
        is_answer("9011", keep), Term("同 QN 的请求应答 9011", "answer 9011 with the same QN"), judge
    )


def executed(keep: str = "qn", judge: Judge = DONE) -> Await:
    return Await(
        is_answer("9012", keep), Term("同 QN 的执行结果 9012", "result 9012 with the same QN"), judge
    )


PROBE = steps.Probe(
    command("1011", keep="probe"),
    lambda scene, frame: (
        frame.get("CN") == "9011" and frame.get("QN") == scene.kept["probe"] and _number(frame, "QnRtn") == 1
    ),
    _ASK_TIME,
    _LIVES,
    carried_out(),
)
lives = PROBE.lives
_wrong = PROBE.wrong


def _bad_crc(scene: Scene) -> bytes:
    frame = command("1011", keep="bad")(scene)
    wrong = f"{int(frame[-6:-2], 16) ^ 0x0101:04X}".encode()
    return frame[:-6] + wrong + b"\r\n"


def _modbus_crc(scene: Scene) -> bytes:
    """The CRC of Modbus in place of annex A's: the commonest mistake of implementers."""
    frame = command("1011", keep="bad")(scene)
    register = 0xFFFF
    for byte in frame[6:-6]:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return frame[:-6] + b"%04X\r\n" % register


def _bad_length(by: int) -> Callable[[Scene], bytes]:
    def make(scene: Scene) -> bytes:
        frame = command("1011", keep="bad")(scene)
        return b"##%04d" % (int(frame[2:6]) + by) + frame[6:]

    return make


def _overlong(scene: Scene) -> bytes:
    return b"##9999" + b"QN=" + b"9" * 12_000 + b"\r\n"


def _nameless(scene: Scene) -> bytes:
    scene.kept["bad"] = ""
    return hj212.encode(b"=;;=;CN=;QN=;;&&;CP=&&;;,,=;=&&")


def _twice(scene: Scene) -> bytes:
    return command("1011", keep="qn")(scene) + command("1061", keep="qn2")(scene)


def _T(zh: str, en: str) -> Term:
    return Term(zh, en)


_REAL_TIME = _T("设备主动上传实时数据 2011", "the device uploads real-time data, 2011, of itself")


def _report(judge: Judge | None = None, ever: bool = True) -> Await:
    return Await(is_upload("2011"), _REAL_TIME, judge, within="data", keep="report", ever=ever)


CASES = (
    Case(
        "hj212.upload.arrives",
        CRC,
        _T("实时数据上传，CRC 正确", "real-time data arrive with the right CRC"),
        "good",
        (_report(),),
    ),
    Case(
        "hj212.upload.head",
        SEGMENT,
        _T("数据段：QN、ST、CN、PW、MN、Flag", "the segment: QN, ST, CN, PW, MN, Flag"),
        "good",
        (_report(head_is_right),),
    ),
    Case(
        "hj212.upload.values",
        SEGMENT,
        _T("DataTime、污染物编码、数值与数据标记", "DataTime, factor codes, numbers and data flags"),
        "good",
        (_report(data_are_right),),
    ),
    Case(
        "hj212.upload.confirmed",
        DIALOGUE,
        _T("确认 9014 之后不再重发", "after confirmation 9014 it is not sent again"),
        "good",
        (
            _report(ever=False),
            Applies(
                lambda scene: scene.kept["report"].answer_needed,
                _T("设备不要求数据应答（Flag A=0）", "the device asks for no answer to data (Flag A=0)"),
            ),
            Await(
                _next_report,
                _T("下一次实时数据", "the next real-time data"),
                within="data",
                never=_same_report,
                never_what=_T("已确认的数据又被发送", "data that were confirmed are sent again"),
            ),
        ),
        "if_supported",
    ),
    Case(
        "hj212.upload.sent_again",
        DIALOGUE,
        _T("未得到确认则重发", "without confirmation it is sent again"),
        "good",
        (
            Applies(
                lambda scene: "report" in scene.kept and scene.kept["report"].answer_needed,
                _T("设备不要求数据应答（Flag A=0）", "the device asks for no answer to data (Flag A=0)"),
            ),
            Withhold(True),
            _report(ever=False),
            Await(
                _same_report,
                _T("同一数据重发", "the same data once more"),
                within="data",
                keep="again",
            ),
            Withhold(False),
        ),
        "if_supported",
    ),
    Case(
        "hj212.time.get",
        COMMANDS,
        _T("提取现场机时间 1011", "ask for the clock, 1011"),
        "good",
        (
            Send(command("1011"), _ASK_TIME),
            answered(),
            Await(is_answer("1011"), _T("上传时间 1011", "the clock, 1011"), _has_clock),
            executed(),
        ),
    ),
    Case(
        "hj212.time.set",
        COMMANDS,
        _T("设置现场机时间 1012 后时钟正确", "after setting the clock, 1012, it is right"),
        "good",
        (
            Send(
                lambda scene: command("1012", f"SystemTime={time_text(scene.now_ms)[:14]}")(scene),
                _T("发送 1012，时间为当前时间", "send 1012 with the present time"),
            ),
            answered(),
            executed(),
            Send(command("1011"), _ASK_TIME),
            Await(is_answer("1011"), _T("上传时间 1011", "the clock, 1011"), _clock_is_right),
        ),
    ),
    Case(
        "hj212.time.notice",
        COMMANDS,
        _T("现场机时间校准请求 1013 得到 9013 后不再重复", "notice 1013 is not repeated after 9013"),
        "good",
        (
            Await(
                is_upload("1013"), _T("校时请求 1013", "notice 1013"), head_is_right, ever=True, optional=True
            ),
            *lives(is_upload("1013"), _T("已应答的 1013 又被发送", "the answered 1013 is sent again")),
        ),
        "if_supported",
    ),
    Case(
        "hj212.interval.get",
        COMMANDS,
        _T("提取实时数据间隔 1061", "ask for the interval of real-time data, 1061"),
        "good",
        (
            Send(command("1061"), _T("发送 1061", "send 1061")),
            answered(),
            Await(
                is_answer("1061"), _T("上传 RtdInterval", "RtdInterval"), _has_interval, keep="interval_frame"
            ),
            executed(),
        ),
    ),
    Case(
        "hj212.interval.set",
        COMMANDS,
        _T("设置实时数据间隔 1062（改后复原）", "set the interval, 1062, and set it back"),
        "good",
        (
            Applies(
                lambda scene: "interval" in scene.kept, _T("原间隔未知", "the interval before is not known")
            ),
            Send(_interval, _T("发送 1062 新间隔", "send 1062, another one")),
            answered(),
            executed(),
            Send(command("1061"), _T("发送 1061", "send 1061")),
            Await(is_answer("1061"), _T("上传新间隔", "the new interval"), _interval_is("new_interval")),
            Send(
                lambda scene: command("1062", f"RtdInterval={scene.kept['interval']}")(scene),
                _T("发送 1062 原间隔", "send 1062, the one before"),
            ),
            answered(),
            executed(),
        ),
    ),
    Case(
        "hj212.poll.realtime",
        COMMANDS,
        _T("提取实时数据 2011", "ask for real-time data, 2011"),
        "good",
        (
            Send(command("2011"), _T("发送 2011", "send 2011")),
            answered(),
            Await(is_upload("2011"), _T("实时数据 2011", "real-time data, 2011"), data_are_right),
        ),
    ),
    Case(
        "hj212.poll.stop",
        COMMANDS,
        _T("停止察看实时数据 2012 得到 9013", "stop real-time data, 2012, is answered by 9013"),
        "good",
        (
            Send(command("2012"), _T("发送 2012", "send 2012")),
            Await(is_answer("9013"), _T("同 QN 的通知应答 9013", "answer 9013 with the same QN")),
            Send(command("2011"), _T("发送 2011，恢复上传", "send 2011: go on")),
            answered(),
        ),
    ),
    Case(
        "hj212.poll.minutes",
        COMMANDS,
        _T(
            "提取分钟数据 2051：时段之内，9011、数据、9012 依次",
            "minute data, 2051: in the span; 9011, data, 9012 in order",
        ),
        "good",
        (
            Send(_history("2051", 60), _T("发送 2051，最近一小时", "send 2051 for the last hour")),
            answered(),
            Await(is_upload("2051"), _T("分钟数据 2051", "minute data, 2051"), _in_span),
            executed(),
        ),
    ),
    Case(
        "hj212.poll.hours",
        COMMANDS,
        _T("提取小时数据 2061", "hour data, 2061"),
        "good",
        (
            Send(_history("2061", 24 * 60), _T("发送 2061，最近一天", "send 2061 for the last day")),
            answered(),
            Await(is_upload("2061"), _T("小时数据 2061", "hour data, 2061"), _in_span),
            executed(),
        ),
    ),
    Case(
        "hj212.packets",
        SEGMENT,
        _T("分包：PNUM、PNO 依次，各包 QN 不同", "packets: PNUM and PNO in order, each with its own QN"),
        "good",
        (
            Await(_is_part, _T("分包的数据", "data in packets"), ever=True, optional=True),
            *lives(),  # what is still on its way of an answer comes before this one
            Check(_packets_are_right, _T("包号连续完整", "packet numbers are whole and in order")),
        ),
        "if_supported",
    ),
    Case(
        "hj212.heartbeat",
        HEARTBEAT,
        _T("心跳 9015", "heart-beat 9015"),
        "good",
        (Await(is_upload("9015"), _T("心跳 9015", "heart-beat 9015"), _own_name, ever=True, optional=True),),
        "if_supported",
    ),
    Case(
        "hj212.stream.two_at_once",
        FRAME,
        _T("一次收到两条命令，都应答", "two commands in one segment are both answered"),
        "good",
        (
            Send(_twice, _T("1011 与 1061 连在一起发送", "1011 and 1061 in one piece")),
            Await(is_answer("9011", "qn"), _T("1011 的 9011", "9011 to 1011"), READY),
            Await(is_answer("9011", "qn2"), _T("1061 的 9011", "9011 to 1061"), READY, ever=True),
        ),
    ),
    Case(
        "hj212.stream.in_pieces",
        FRAME,
        _T("命令分三段到达，照常应答", "a command that comes in three pieces is answered"),
        "good",
        (
            Send(command("1011"), _T("1011 分三段发送", "1011 in three pieces"), pieces=3),
            answered(),
            executed(),
        ),
    ),
    Case(
        "hj212.bad.crc",
        CRC,
        _T("CRC 错误的命令不执行", "a command with a wrong CRC is not carried out"),
        "bad",
        _wrong(_bad_crc, _T("发送 CRC 错误的 1011", "send 1011 with a wrong CRC")),
    ),
    Case(
        "hj212.bad.modbus_crc",
        CRC,
        _T("用 Modbus CRC 的命令不执行", "a command with the CRC of Modbus is not carried out"),
        "bad",
        _wrong(_modbus_crc, _T("发送带 Modbus CRC 的 1011", "send 1011 with the CRC of Modbus")),
    ),
    Case(
        "hj212.bad.length_short",
        FRAME,
        _T("长度偏小的命令不执行", "a command whose length says too little is not carried out"),
        "bad",
        _wrong(_bad_length(-7), _T("长度少 7", "length 7 too small"), tries=steps.TRIES),
    ),
    Case(
        "hj212.bad.length_long",
        FRAME,
        _T(
            "长度偏大的命令不执行，三次之内恢复",
            "a length that says too much: not carried out, well again in three tries",
        ),
        "bad",
        _wrong(_bad_length(7), _T("长度多 7", "length 7 too large"), tries=steps.TRIES),
    ),
    Case(
        "hj212.bad.cn",
        RESULTS,
        _T("未知 CN 被拒绝（QnRtn=8 或其他错误码）", "an unknown CN is refused (QnRtn 8 or another error)"),
        "bad",
        (
            Send(command("9999", keep="bad"), _T("发送 CN=9999", "send CN=9999")),
            answered("bad", KNOWN_REFUSAL),
            *lives(),
        ),
    ),
    Case(
        "hj212.bad.password",
        RESULTS,
        _T("PW 错误的命令不执行", "a command with a wrong PW is not carried out"),
        "bad",
        _wrong(command("1011", keep="bad", pw="000001"), _T("发送 PW=000001", "send PW=000001")),
    ),
    Case(
        "hj212.bad.mn",
        RESULTS,
        _T("他人 MN 的命令不执行", "a command for another MN is not carried out"),
        "bad",
        _wrong(command("1011", keep="bad", mn="F" * 24), _T("发送 MN=FFFF…", "send MN=FFFF…")),
    ),
    Case(
        "hj212.bad.interval",
        RESULTS,
        _T("越界参数（RtdInterval=1）被拒绝", "a parameter out of range (RtdInterval=1) is refused"),
        "bad",
        (
            Send(
                command("1062", "RtdInterval=1", keep="bad"), _T("发送 RtdInterval=1", "send RtdInterval=1")
            ),
            Await(
                either_refused(),
                _T("9011 或 9012 说明未执行", "9011 or 9012 says that it was not done"),
                never=lambda scene, frame: frame.get("CN") == "9012" and carried_out()(scene, frame),
                never_what=steps.CARRIED_OUT,
            ),
            *lives(),
        ),
    ),
    steps.noise_case(PROBE, "hj212.hostile.noise", ROBUST, 212, b"#", b"$"),
    Case(
        "hj212.hostile.overlong",
        ROBUST,
        _T("超长帧（声明 9999，实发 12000）", "an over-long frame (9999 declared, 12,000 sent)"),
        "hostile",
        (Send(_overlong, _T("发送超长帧", "send an over-long frame")), *lives(tries=steps.TRIES)),
    ),
    Case(
        "hj212.hostile.empty_names",
        ROBUST,
        _T("CRC 正确而字段皆空的帧", "a frame with right CRC and empty fields"),
        "hostile",
        (Send(_nameless, _T("发送空字段帧", "send a frame of empty fields")), *lives()),
    ),
    PROBE.burst("hj212.hostile.burst", ROBUST),
    PROBE.half("hj212.hostile.half", ROBUST, command("1062", "RtdInterval=60", keep="bad")),
    steps.all_good("hj212.frames.all_good", FRAME),
)


def whose(frame: Any) -> str:
    return frame.get("MN") or ""


SCRIPT = Script(hj212.CODEC, CASES, reply, whose)
