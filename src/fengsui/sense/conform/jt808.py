"""JT/T 808 in both years, what a terminal must do before a platform: register, log in, report, obey, and stay sane.

The year is the terminal's: it is read from its frames, and the platform answers in the same form.  Written from memory
of JT/T 808-2013 and JT/T 808-2019 (4.4 frame, 6 who repeats what, 8 the messages by their ids); what a terminal does
with frames that are wrong is our reading: it never carries them out, and it lives on.
Before the test the terminal forgets the authentication code of its last platform: it has to register.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.jt808 import frame as frames
from fengsui.sense.codecs.jt808.frame import Frame
from fengsui.sense.codecs.jt808.message import RESULTS, answer, decode, encode
from fengsui.sense.codecs.measured import milliseconds
from fengsui.sense.codecs.parts import Joiner
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
    Withhold,
)

GENERAL, HEARTBEAT, QUERY_TIME, REGISTER, LOG_IN = 0x0001, 0x0002, 0x0004, 0x0100, 0x0102
PARAMETERS, ATTRIBUTES, POSITION, POLLED, BATCH, MEDIA = 0x0104, 0x0107, 0x0200, 0x0201, 0x0704, 0x0801
UNANSWERED = frozenset(
    (GENERAL, PARAMETERS, ATTRIBUTES, POLLED, 0x0302, 0x0500, 0x0700, 0x0802, 0x0805, 0x1003)
)
CODE = "FENGSUI-CONFORM"
ESCAPED_SERIAL = 0x7D7E  # both bytes that have to be escaped
UNKNOWN_MESSAGE = 0x8FF0  # reserved for the platform, without a meaning
INTERVAL = "heartbeat_interval_s"  # parameter 0x0001
OWN_ITEMS = 0xE0  # from here on items are the maker's


def _clause(text: str) -> Clause:
    return Clause(f"JT/T 808-2013, 2019 {text}", from_memory=True)


FRAME = _clause("4.4")
WHO_REPEATS = _clause("6 (消息处理, handling of messages)")
ROBUST = Clause("JT/T 808 4.4: 抗干扰为本平台要求 (robustness: this platform's demand)", from_memory=True)


def _message(ids: str) -> Clause:
    return _clause(f"8 {ids}")


# -- frames out -----------------------------------------------------------------------------------------------


def command(
    message_id: int,
    fields: Mapping[str, Any] | Callable[[Scene], Mapping[str, Any]] | None = None,
    keep: str = "asked",
    *,
    serial: int | None = None,
    phone: Callable[[Scene], str] | None = None,
) -> Callable[[Scene], bytes]:
    """A message of the platform with a serial of its own, which is kept under ``keep``."""

    def make(scene: Scene) -> bytes:
        number = scene.next_serial() & 0xFFFF if serial is None else serial
        scene.kept[keep] = number
        said = fields(scene) if callable(fields) else fields or {}
        return b"".join(
            encode(
                message_id,
                said,
                phone=phone(scene) if phone else scene.identity,
                serial=number,
                is_2019=scene.kept["is_2019"],
            )
        )

    return make


def reply(scene: Scene, frame: Frame) -> list[bytes]:
    """The platform of itself: a code to who registers, a yes to who shows it, 8001 to the rest, the time, media."""
    scene.kept.setdefault("is_2019", frame.is_2019)
    steps.note(scene, _key(frame), frame)
    about: dict[str, Any] = {"phone": frame.phone, "is_2019": frame.is_2019}
    serial = scene.next_serial() & 0xFFFF
    if frame.message_id == REGISTER:
        fields = {"reply_serial": frame.serial, "result": 0, "code": CODE}
        scene.kept["registered"] = frame
        return encode(0x8100, fields, serial=serial, **about)
    if frame.message_id == LOG_IN:
        right = "registered" in scene.kept and decode(frame).fields.get("code") == CODE
        return [answer(frame, "success" if right else "failure", serial)]
    if scene.withhold or frame.message_id in UNANSWERED:
        return []
    if frame.message_id == QUERY_TIME:
        at = datetime.fromtimestamp(scene.now_ms // 1000, UTC)
        return encode(0x8004, {"time": at}, serial=serial, **about)
    said = [answer(frame, "success", serial)]
    joiner: Joiner = scene.kept.setdefault("joiner", Joiner(CODECS["jt808"]))
    whole = joiner.add(frame, scene.now_ms).frame
    if whole is not None and whole.message_id == MEDIA:
        media = decode(whole).fields.get("media_id")
        said += encode(0x8800, {"media_id": media}, serial=scene.next_serial() & 0xFFFF, **about)
    return said


# -- frames in ------------------------------------------------------------------------------------------------


def is_message(*ids: int) -> Match:
    return lambda scene, frame: frame.message_id in ids


def _replies_to(frame: Frame) -> int | None:
    """The serial an answer names: its first two bytes, also where the answer comes in subpackages."""
    first = frame.body[:2]
    return int.from_bytes(first, "big") if len(first) == 2 and frame.index < 2 else None


def is_answer(message_id: int, keep: str = "asked") -> Match:
    return lambda scene, frame: frame.message_id == message_id and _replies_to(frame) == scene.kept.get(keep)


def result(*good: str) -> Judge:
    """The result of a general answer is one of ``good``."""

    def judge(scene: Scene, frame: Frame) -> Term | None:
        fields = decode(frame).fields
        got = fields.get("result_meaning")
        if got in good:
            return None
        wanted = ", ".join(f"{RESULTS[one]} {one}" for one in good)
        return Term(
            f"结果为 {fields.get('result')}，应为 {wanted}", f"the result is {got}, should be {wanted}"
        )

    return judge


def in_form(scene: Scene, frame: Frame) -> Term | None:
    """The body is that of the standard's table, in the form of the header's year."""
    notes = decode(frame).notes
    if not notes:
        return None
    return Term(f"与标准不符：{'；'.join(notes)}", f"not as the standard has it: {'; '.join(notes)}")


def _login_is_right(scene: Scene, frame: Frame) -> Term | None:
    return in_form(scene, frame) or _code_is_right(scene, frame)


def _code_is_right(scene: Scene, frame: Frame) -> Term | None:
    code = decode(frame).fields.get("code")
    if code != CODE:
        return Term(f"鉴权码为 {code!r}，应为 {CODE}", f"the code is {code!r}, should be {CODE}")
    return None


def _location(frame: Frame) -> dict[str, Any]:
    found = decode(frame).fields
    return found.get("location") or found


def position_is_right(scene: Scene, frame: Frame) -> Term | None:
    """On the globe, a direction of 0 to 359, a time in BCD that is now where there is a fix."""
    if frame.encryption:
        return None
    at = _location(frame)
    if "latitude" not in at:
        return Term("位置信息不足 28 字节", "the position has fewer than 28 bytes")
    if abs(at["latitude"]) > 90 or abs(at["longitude"]) > 180:
        return Term(
            f"经纬度 {at['longitude']}, {at['latitude']} 越界",
            f"longitude {at['longitude']}, latitude {at['latitude']} are off the globe",
        )
    if at["direction_deg"] > 359:
        return Term(f"方向 {at['direction_deg']} 越界", f"direction {at['direction_deg']} is over 359")
    if not isinstance(at["time"], datetime):
        return Term(f"时间 {at['time']} 无效", f"time {at['time']} is none")
    if "fixed" in at["status_set"]:
        return steps.clock_is_right(milliseconds(at["time"]), scene)
    return None


def _items_are_right(scene: Scene, frame: Frame) -> Term | None:
    items = _location(frame).get("additional", {})
    if "rest" in items:
        data = items["rest"].hex().upper()
        return Term(f"附加信息有无法解析的字节 {data}", f"bytes of the items are not readable: {data}")
    for name in items:
        if name.startswith("item_0x") and int(name.removeprefix("item_0x").split("_")[0], 16) < OWN_ITEMS:
            return Term(
                f"附加信息 {name} 不在表中或长度不符", f"{name} is not in the table or has a wrong length"
            )
    return None


def _has_items(scene: Scene, frame: Frame) -> bool:
    return frame.message_id == POSITION and not frame.total and bool(_location(frame).get("additional"))


def _key(frame: Frame) -> tuple[int, int, bytes]:
    return frame.message_id, frame.serial, frame.body


def _same_report(scene: Scene, frame: Frame) -> bool:
    kept: Frame = scene.kept["report"]
    return frame is not kept and _key(frame) == _key(kept)


def _new_position(scene: Scene, frame: Frame) -> bool:
    return frame.message_id == POSITION and steps.is_new(scene, _key(frame), frame)


def _next_report(scene: Scene, frame: Frame) -> bool:
    return frame.message_id == POSITION and frame.serial != scene.kept["report"].serial


def _batch_is_right(scene: Scene, frame: Frame) -> Term | None:
    if (wrong := in_form(scene, frame)) is not None:
        return wrong
    fields = decode(frame).fields
    held = fields["locations"]
    if fields["count"] != len(held) or any("unread" in one for one in held):
        return Term(
            f"声明 {fields['count']} 条，可读 {sum('unread' not in one for one in held)} 条",
            f"{fields['count']} positions are declared, {sum('unread' not in one for one in held)} readable",
        )
    if fields["kind"] not in (0, 1):
        return Term(f"位置数据类型为 {fields['kind']}", f"the kind of the batch is {fields['kind']}")
    return None


def _packets_are_right(scene: Scene, heard: list[Frame], refused: list[BadFrame]) -> Term | None:
    """Each run of subpackages counts 1 … total with serials that follow each other."""
    due, before, seen = 1, None, set()
    for frame in heard:
        key = (frame.message_id, frame.serial, frame.index, frame.total)
        if not frame.total or key in seen:
            continue
        seen.add(key)
        follows = before is None or due == 1 or frame.serial == (before.serial + 1) & 0xFFFF
        same = (
            before is None or due == 1 or (frame.message_id, frame.total) == (before.message_id, before.total)
        )
        if frame.index != due or not follows or not same:
            return Term(
                f"应为第 {due} 包，来的是 {frame.index}/{frame.total}，流水号 {frame.serial}",
                f"subpackage {due} was due, {frame.index}/{frame.total} with serial {frame.serial} came",
            )
        before, due = frame, 1 if frame.index == frame.total else due + 1
    return None  # what is still open may be on its way


def _last_part(scene: Scene, frame: Frame) -> bool:
    return bool(frame.total) and frame.index == frame.total


def _part_again(scene: Scene, frame: Frame) -> bool:
    last: Frame = scene.kept["last_part"]
    return (frame.message_id, frame.total, frame.index) == (last.message_id, last.total, 1)


def _first_serial(scene: Scene) -> int:
    last: Frame = scene.kept["last_part"]
    return (last.serial - last.total + 1) & 0xFFFF


def _interval_of(frame: Frame) -> int | None:
    held = decode(frame).fields.get("parameters") or {}
    return held.get(INTERVAL)


def _has_interval(scene: Scene, frame: Frame) -> Term | None:
    seconds = _interval_of(frame)
    if not seconds:
        return Term("没有参数 0x0001（心跳间隔）", "there is no parameter 0x0001, the heart-beat's interval")
    scene.kept["interval"] = seconds
    return None


def _interval_is_new(scene: Scene, frame: Frame) -> Term | None:
    got, want = _interval_of(frame), scene.kept["new_interval"]
    return (
        None
        if got == want
        else Term(f"心跳间隔为 {got}，应为 {want}", f"the interval is {got}, should be {want}")
    )


def _new_interval(scene: Scene) -> Mapping[str, Any]:
    scene.kept["new_interval"] = 45 if scene.kept["interval"] != 45 else 50
    return {"parameters": {INTERVAL: scene.kept["new_interval"]}}


def _old_interval(scene: Scene) -> Mapping[str, Any]:
    return {"parameters": {INTERVAL: scene.kept["interval"]}}


def _done(scene: Scene, frame: Frame) -> bool:
    """A sign that what was kept under ``bad`` was taken as good."""
    if _replies_to(frame) != scene.kept.get("bad"):
        return False
    return frame.message_id == POLLED or (
        frame.message_id == GENERAL and decode(frame).fields.get("result") == RESULTS["success"]
    )


# -- frames that are wrong --------------------------------------------------------------------------------------

_poll_wrongly = command(0x8201, keep="bad")


def _plain(data: bytes) -> bytes:
    return frames.unescaped(data[1:-1])


def _framed(plain: bytes) -> bytes:
    """Flags and escapes around ``plain``, with the check byte that fits."""
    checked = plain + bytes([frames.xor(plain)])
    return b"\x7e" + checked.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _bad_checksum(scene: Scene) -> bytes:
    plain = _plain(_poll_wrongly(scene))
    checked = plain[:-1] + bytes([plain[-1] ^ 0x55])
    return b"\x7e" + checked.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def _bad_escape(scene: Scene) -> bytes:
    """7D in the serial, followed by neither 01 nor 02."""
    data = command(0x8201, keep="bad", serial=0x7D00 | scene.next_serial() & 0x3F)(scene)
    return data.replace(b"\x7d\x01", b"\x7d\x05", 1)


def _bad_length(declared: int, extra: bytes) -> Callable[[Scene], bytes]:
    def make(scene: Scene) -> bytes:
        plain = _plain(_poll_wrongly(scene))[:-1]
        properties = int.from_bytes(plain[2:4], "big") & ~0x3FF | declared
        return _framed(plain[:2] + properties.to_bytes(2, "big") + plain[4:] + extra)

    return make


def _other_phone(scene: Scene) -> str:
    own: str = scene.identity
    return own[:-1] + ("1" if own[-1] != "1" else "2")


def _wrong_confirmation(scene: Scene) -> bytes:
    kept: Frame = scene.kept["report"]
    fields = {"reply_serial": (kept.serial + 1000) & 0xFFFF, "reply_id": kept.message_id, "result": 0}
    return command(0x8001, fields)(scene)


def _registration_again(scene: Scene) -> bytes:
    """The answer to the registration once more, with another code: nobody has asked for it."""
    kept: Frame = scene.kept["registered"]
    fields = {"reply_serial": kept.serial, "result": 0, "code": f"{CODE}-REPLAYED"}
    return command(0x8100, fields)(scene)


def _part_of_many(scene: Scene) -> bytes:
    number = scene.next_serial() & 0xFFFF
    year = scene.kept["is_2019"]
    about = (scene.identity, number, b"\x0c" + b"A" * 200, year, int(year), 0)
    return frames.encode(Frame(0x8300, *about, total=65_535, index=1)) + frames.encode(
        Frame(0x8300, *about, total=2, index=9)
    )


def _overlong(scene: Scene) -> bytes:
    return b"\x7e\x82\x01\x03\xff" + b"9" * steps.OVERLONG_BYTES


def _T(zh: str, en: str) -> Term:
    return Term(zh, en)


_ASK = _T("发送位置查询 0x8201", "send 0x8201, where are you")
PROBE = steps.Probe(
    command(0x8201, keep="probe"),
    is_answer(POLLED, "probe"),
    _ASK,
    _T("应答流水号相符的 0x0201", "0x0201 that names its serial"),
    _done,
    again=(
        Await(
            is_message(LOG_IN),
            _T("重连后鉴权 0x0102", "0x0102 on the new connection"),
            within="data",
        ),
    ),
)
_POSITION = _T("终端主动上报位置 0x0200", "the terminal reports its position, 0x0200, of itself")


def _report(judge: Judge | None = None, ever: bool = True) -> Await:
    return Await(
        is_message(POSITION) if ever else _new_position,
        _POSITION,
        judge,
        within="data",
        keep="report",
        ever=ever,
    )


def _general(keep: str = "asked", *good: str) -> Await:
    return Await(
        is_answer(GENERAL, keep),
        _T("终端通用应答 0x0001", "general answer 0x0001"),
        result(*(good or ("success",))),
    )


def _parameters(judge: Judge | None = None) -> Await:
    return Await(is_answer(PARAMETERS), _T("参数应答 0x0104", "parameters, 0x0104"), judge)


_SOME = command(0x8106, {"ids": [0x0001]})
_WAS_SEEN = _T("此前没有分包消息", "no message in subpackages was seen")

CASES = (
    Case(
        "jt808.register.arrives",
        _message("0x0100"),
        _T("终端注册 0x0100，格式与版本相符", "registration 0x0100 in the form of its year"),
        "good",
        (
            Await(
                is_message(REGISTER),
                _T("终端注册 0x0100", "registration 0x0100"),
                in_form,
                within="data",
                ever=True,
            ),
        ),
    ),
    Case(
        "jt808.login.code",
        _message("0x0102, 0x8100"),
        _T("以注册应答中的鉴权码鉴权 0x0102", "log-in 0x0102 with the code of the registration's answer"),
        "good",
        (
            Await(
                is_message(LOG_IN),
                _T("终端鉴权 0x0102", "log-in 0x0102"),
                _login_is_right,
                within="data",
                ever=True,
            ),
        ),
    ),
    Case(
        "jt808.heartbeat",
        _message("0x0002"),
        _T("心跳 0x0002，消息体为空", "heart-beat 0x0002 with an empty body"),
        "good",
        (
            Await(
                is_message(HEARTBEAT),
                _T("心跳 0x0002", "heart-beat 0x0002"),
                in_form,
                within="data",
                ever=True,
            ),
        ),
    ),
    Case(
        "jt808.time.query",
        Clause("JT/T 808-2019 8 0x0004, 0x8004", from_memory=True),
        _T(
            "查询服务器时间 0x0004 得到 0x8004 后不再重复",
            "0x0004, what time is it, is not repeated after 0x8004",
        ),
        "good",
        (
            Await(
                is_message(QUERY_TIME),
                _T("查询服务器时间 0x0004", "0x0004, what time is it"),
                in_form,
                ever=True,
                optional=True,
                keep="report",
            ),
            *PROBE.lives(_same_report, _T("已应答的 0x0004 又被发送", "the answered 0x0004 is sent again")),
        ),
        "if_supported",
    ),
    Case(
        "jt808.position.arrives",
        _message("0x0200"),
        _T("位置信息 0x0200：经纬度、方向、时间", "position 0x0200: longitude, latitude, direction, time"),
        "good",
        (_report(position_is_right),),
    ),
    Case(
        "jt808.position.items",
        _message("0x0200 附加信息项 (additional items)"),
        _T("位置附加信息项的标识与长度", "ids and lengths of the additional items"),
        "good",
        (
            Await(
                _has_items,
                _T("带附加信息的 0x0200", "0x0200 with additional items"),
                _items_are_right,
                within="data",
                ever=True,
                optional=True,
            ),
        ),
        "if_supported",
    ),
    Case(
        "jt808.position.confirmed",
        WHO_REPEATS,
        _T("应答 0x8001 之后不再重发", "after confirmation 0x8001 it is not sent again"),
        "good",
        steps.sent_once(_report(ever=False), _same_report, _next_report),
    ),
    Case(
        "jt808.position.sent_again",
        WHO_REPEATS,
        _T("未得到应答则以原流水号重发", "without confirmation it is sent again under its serial"),
        "good",
        (
            Withhold(True),
            _report(ever=False),
            Await(_same_report, _T("同一消息重发", "the same message once more"), within="data"),
            Withhold(False),
        ),
    ),
    Case(
        "jt808.batch",
        _message("0x0704"),
        _T(
            "定位数据批量上传 0x0704：条数、类型、各条可读",
            "batch 0x0704: count, kind, each position readable",
        ),
        "good",
        (
            Await(
                lambda scene, frame: frame.message_id == BATCH and not frame.total,
                _T("批量上传 0x0704", "batch 0x0704"),
                _batch_is_right,
                ever=True,
                optional=True,
            ),
        ),
        "if_supported",
    ),
    Case(
        "jt808.packets",
        FRAME,
        _T(
            "分包：包序号从 1 起连续，流水号连续", "subpackages: indices from 1 and serials follow each other"
        ),
        "good",
        (
            Await(
                lambda scene, frame: bool(frame.total),
                _T("分包消息", "a message in subpackages"),
                ever=True,
                optional=True,
            ),
            Await(
                _last_part,
                _T("最后一包", "its last subpackage"),
                within="data",
                keep="last_part",
                ever=True,
            ),
            Check(
                _packets_are_right, _T("包序号与流水号连续完整", "indices and serials are whole and in order")
            ),
        ),
        "if_supported",
    ),
    Case(
        "jt808.packets.again",
        _message("0x8003"),
        _T("补传分包请求 0x8003 后重发所缺的包", "after 0x8003 the missing subpackage is sent again"),
        "good",
        (
            Applies(lambda scene: "last_part" in scene.kept, _WAS_SEEN),
            Send(
                command(0x8003, lambda scene: {"first_serial": _first_serial(scene), "indices": [1]}),
                _T("发送 0x8003，要求第 1 包", "send 0x8003 for subpackage 1"),
            ),
            Await(_part_again, _T("第 1 包", "subpackage 1"), within="data"),
        ),
        "if_supported",
    ),
    Case(
        "jt808.poll.position",
        _message("0x8201, 0x0201"),
        _T("位置信息查询 0x8201", "where are you, 0x8201"),
        "good",
        (
            Send(command(0x8201), _ASK),
            Await(
                is_answer(POLLED),
                _T("应答流水号相符的 0x0201", "0x0201 that names its serial"),
                position_is_right,
            ),
        ),
    ),
    Case(
        "jt808.parameters.get",
        _message("0x8104, 0x0104"),
        _T("查询终端参数 0x8104", "ask for all parameters, 0x8104"),
        "good",
        (Send(command(0x8104), _T("发送 0x8104", "send 0x8104")), _parameters()),
    ),
    Case(
        "jt808.parameters.some",
        _message("0x8106, 0x0104"),
        _T("查询指定终端参数 0x8106（心跳间隔）", "ask for one parameter, 0x8106, the heart-beat's interval"),
        "good",
        (Send(_SOME, _T("发送 0x8106", "send 0x8106")), _parameters(_has_interval)),
    ),
    Case(
        "jt808.parameters.set",
        _message("0x8103"),
        _T("设置终端参数 0x8103（改后复原）", "set a parameter, 0x8103, and set it back"),
        "good",
        (
            Applies(
                lambda scene: "interval" in scene.kept, _T("原间隔未知", "the interval before is not known")
            ),
            Send(command(0x8103, _new_interval), _T("发送 0x8103 新间隔", "send 0x8103, another interval")),
            _general(),
            Send(_SOME, _T("发送 0x8106", "send 0x8106")),
            _parameters(_interval_is_new),
            Send(command(0x8103, _old_interval), _T("发送 0x8103 原间隔", "send 0x8103, the one before")),
            _general(),
        ),
    ),
    Case(
        "jt808.attributes",
        _message("0x8107, 0x0107"),
        _T("查询终端属性 0x8107", "ask for the attributes, 0x8107"),
        "good",
        (
            Send(command(0x8107), _T("发送 0x8107", "send 0x8107")),
            Await(is_message(ATTRIBUTES), _T("终端属性 0x0107", "attributes, 0x0107"), in_form),
        ),
    ),
    Case(
        "jt808.track",
        _message("0x8202"),
        _T("临时位置跟踪 0x8202，随后停止", "track for a while, 0x8202, then stop"),
        "good",
        (
            Send(
                command(0x8202, {"interval_s": 5, "for_s": 10}),
                _T("发送 0x8202，每 5 秒", "send 0x8202, every 5 s"),
            ),
            _general(),
            Send(command(0x8202, {"interval_s": 0}), _T("发送 0x8202，停止", "send 0x8202, stop")),
            _general(),
        ),
    ),
    Case(
        "jt808.text",
        _message("0x8300"),
        _T("文本信息 0x8300：成功或不支持", "a text, 0x8300: success or not supported"),
        "good",
        (
            Send(
                command(0x8300, {"flag": 0x04, "text_type": 1, "text": "入网检测"}),
                _T("发送 0x8300，GBK 文本", "send 0x8300, text in GBK"),
            ),
            _general("asked", "success", "not_supported"),
        ),
    ),
    steps.together(
        "jt808.stream.two_at_once",
        FRAME,
        _T("一次收到 0x8201 与 0x8104，都应答", "0x8201 and 0x8104 in one piece are both answered"),
        (command(0x8201, keep="first"), is_answer(POLLED, "first"), _T("0x0201", "0x0201")),
        (command(0x8104, keep="second"), is_answer(PARAMETERS, "second"), _T("0x0104", "0x0104")),
    ),
    PROBE.slowly("jt808.stream.slow", FRAME),
    Case(
        "jt808.stream.escaped",
        FRAME,
        _T("流水号 7D7E 转义后到达，照常应答", "a serial of 7D7E comes escaped and is answered"),
        "good",
        (
            Send(
                command(0x8201, serial=ESCAPED_SERIAL),
                _T("发送流水号为 0x7D7E 的 0x8201", "send 0x8201 with serial 0x7D7E"),
            ),
            Await(is_answer(POLLED), _T("应答流水号 0x7D7E", "0x0201 that names serial 0x7D7E")),
        ),
    ),
    PROBE.bad(
        "jt808.bad.checksum",
        FRAME,
        _T("校验码错误的命令不执行", "a command with a wrong check byte is not carried out"),
        _bad_checksum,
    ),
    PROBE.bad(
        "jt808.bad.escape",
        FRAME,
        _T("转义错误（7D 05）的命令不执行", "a command with a wrong escape, 7D 05, is not carried out"),
        _bad_escape,
    ),
    PROBE.bad(
        "jt808.bad.length_short",
        FRAME,
        _T("长度偏小的命令不执行", "a command whose length says too little is not carried out"),
        _bad_length(0, b"\0\0\0\0"),
    ),
    PROBE.bad(
        "jt808.bad.length_long",
        FRAME,
        _T("长度偏大（1023）的命令不执行", "a command whose length says 1023 is not carried out"),
        _bad_length(1023, b""),
    ),
    Case(
        "jt808.bad.message",
        _message("0x0001"),
        _T("未知消息 0x8FF0 得到“不支持”", "an unknown message, 0x8FF0, is answered 'not supported'"),
        "bad",
        (
            Send(command(UNKNOWN_MESSAGE, keep="bad"), _T("发送 0x8FF0", "send 0x8FF0")),
            _general("bad", "not_supported", "wrong_message", "failure"),
            *PROBE.lives(),
        ),
    ),
    PROBE.bad(
        "jt808.bad.phone",
        FRAME,
        _T("他人终端手机号的命令不执行", "a command for another phone number is not carried out"),
        command(0x8201, keep="bad", phone=_other_phone),
    ),
    Case(
        "jt808.bad.confirmation",
        WHO_REPEATS,
        _T("应答流水号错误的 0x8001 不算确认", "0x8001 with another serial confirms nothing"),
        "bad",
        (
            Withhold(True),
            _report(ever=False),
            Send(_wrong_confirmation, _T("发送流水号错误的 0x8001", "send 0x8001 with another serial")),
            Await(_same_report, _T("同一消息重发", "the same message once more"), within="data"),
            Withhold(False),
        ),
    ),
    steps.noise_case(PROBE, "jt808.hostile.noise", ROBUST, 808, b"\x7e", b"\x7f"),
    PROBE.hostile(
        "jt808.hostile.flags",
        ROBUST,
        _T("200 个连续标识位 7E", "200 flags, 7E, one after the other"),
        lambda scene: b"\x7e" * 200,
    ),
    PROBE.hostile(
        "jt808.hostile.overlong",
        ROBUST,
        _T("没有结束标识的超长帧（12000 字节）", "an over-long frame without an end (12,000 bytes)"),
        _overlong,
    ),
    PROBE.hostile(
        "jt808.hostile.packets",
        ROBUST,
        _T(
            "声明 65535 包的分包与越界的包序号",
            "a subpackage of 65,535, and one whose index is beyond its total",
        ),
        _part_of_many,
    ),
    PROBE.burst("jt808.hostile.burst", ROBUST),
    Case(
        "jt808.bad.registration",
        _message("0x8100"),
        _T(
            "重放的注册应答不改变鉴权码：重连后仍以原码鉴权",
            "a replayed answer to the registration changes nothing: the first code is shown on the next call",
        ),
        "bad",
        (
            Send(_registration_again, _T("重放 0x8100，另一鉴权码", "replay 0x8100 with another code")),
            *PROBE.lives(),
            HangUp(),
            Await(
                is_message(LOG_IN, REGISTER),
                _T("重连后鉴权 0x0102，或重新注册", "0x0102, or registration anew, on the new connection"),
                lambda scene, frame: None if frame.message_id == REGISTER else _code_is_right(scene, frame),
                within="data",
            ),
        ),
    ),
    PROBE.half("jt808.hostile.half", ROBUST, command(0x8103, {"parameters": {INTERVAL: 30}}, keep="bad")),
    steps.serials_rise(  # on one connection: what is under way is lost with it
        "jt808.serial.rises",
        FRAME,
        _T("流水号从 0 起逐一递增", "serials rise one by one"),
        _T("新消息的流水号为前一个加 1", "a new message has the serial after the one before"),
        _key,
        restarts=lambda frame: frame.message_id in (REGISTER, LOG_IN),
    ),
    steps.all_good("jt808.frames.all_good", FRAME),
)


def whose(frame: Any) -> str:
    return frame.phone


SCRIPT = Script(CODECS["jt808"], CASES, reply, whose)
