"""A message of GB/T 28181 for programs and for people, and what it measured: the codec under the name ``gb28181``."""

from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Row, Term
from fengsui.sense.codecs.gb28181 import codes, manscdp, ptz, sdp, sip
from fengsui.sense.codecs.gb28181.manscdp import Document, Node
from fengsui.sense.codecs.gb28181.sip import Message
from fengsui.sense.codecs.measured import Measured, milliseconds

COMMANDS: dict[str, Term] = {
    "Keepalive": Term("状态信息报送", "keep-alive"),
    "Catalog": Term("目录", "catalogue"),
    "DeviceInfo": Term("设备信息", "device information"),
    "DeviceStatus": Term("设备状态", "device status"),
    "DeviceControl": Term("设备控制", "device control"),
    "Alarm": Term("报警", "alarm"),
    "MobilePosition": Term("移动设备位置", "mobile position"),
    "RecordInfo": Term("文件目录检索", "recordings"),
    "ConfigDownload": Term("设备配置查询", "configuration query"),
    "DeviceConfig": Term("设备配置", "configuration"),
    "PresetQuery": Term("预置位查询", "presets"),
    "Broadcast": Term("语音广播", "voice broadcast"),
    "MediaStatus": Term("媒体通知", "media status"),
    "HomePositionQuery": Term("看守位查询", "home position"),
    "CruiseTrackListQuery": Term("巡航轨迹列表查询", "cruise tracks"),
    "CruiseTrackQuery": Term("巡航轨迹查询", "cruise track"),
    "PTZPosition": Term("PTZ 精准状态", "exact PTZ position"),
    "SDCardStatus": Term("存储卡状态", "storage card"),
    "UploadSnapShotFinished": Term("图像抓拍传输完成", "snapshot uploaded"),
    "DeviceUpgradeResult": Term("设备升级结果", "upgrade result"),
}
METHODS: dict[str, Term] = {
    "REGISTER": Term("注册", "register"),
    "MESSAGE": Term("消息", "message"),
    "INVITE": Term("实时视音频点播或回放请求", "call for a stream"),
    "ACK": Term("确认", "acknowledge"),
    "BYE": Term("结束会话", "end of the call"),
    "CANCEL": Term("取消", "cancel"),
    "SUBSCRIBE": Term("订阅", "subscribe"),
    "NOTIFY": Term("通知", "notify"),
    "INFO": Term("会话内控制", "control within a call"),
    "OPTIONS": Term("能力查询", "what can you do"),
}
HEADERS: dict[str, Term] = {
    "via": Term("经由", "by way of"),
    "from": Term("发送方", "from"),
    "to": Term("接收方", "to"),
    "call-id": Term("会话标识", "call"),
    "cseq": Term("命令序号", "sequence"),
    "contact": Term("联系地址", "contact"),
    "expires": Term("有效期（秒）", "expires, s"),
    "max-forwards": Term("最大转发次数", "most forwards"),
    "content-type": Term("消息体类型", "type of the body"),
    "content-length": Term("消息体长度", "length of the body"),
    "user-agent": Term("用户代理", "user agent"),
    "www-authenticate": Term("鉴权要求", "challenge"),
    "authorization": Term("鉴权信息", "credentials"),
    "subject": Term("媒体流标识", "subject"),
    "event": Term("事件", "event"),
    "date": Term("校时时间", "date"),
    "subscription-state": Term("订阅状态", "subscription"),
    "x-gb-ver": Term("标准版本", "version of the standard"),
}
SESSIONS: dict[str, Term] = {
    sdp.PLAY: Term("实时点播", "live"),
    sdp.PLAYBACK: Term("历史回放", "playback"),
    sdp.DOWNLOAD: Term("文件下载", "download"),
    sdp.TALK: Term("语音对讲", "talk"),
}
ALARM_METHOD: dict[int, Term] = {
    1: Term("电话报警", "telephone"),
    2: Term("设备报警", "device"),
    3: Term("短信报警", "text message"),
    4: Term("GPS 报警", "GPS"),
    5: Term("视频报警", "video"),
    6: Term("设备故障报警", "device fault"),
    7: Term("其他报警", "other"),
}
VERSIONS = {"1.0": "2011", "1.1": "2014", "2.0": "2016", "3.0": "2022"}

# what MobilePosition carries: element, code at home, unit; the place itself stands first
POSITION = (
    ("Longitude", "position.longitude", "°"),
    ("Latitude", "position.latitude", "°"),
    ("Speed", "position.speed", "km/h"),
    ("Direction", "position.direction", "°"),
    ("Altitude", "position.altitude", "m"),
)


def describe(message: Message) -> dict[str, Any]:
    """The message as JSON can hold it."""
    told: dict[str, Any] = {}
    if message.is_request:
        told |= {"method": message.method, "uri": message.uri}
    else:
        told |= {"status": message.status, "phrase": message.phrase}
    number, method = message.cseq
    told |= {
        "from": message.device,
        "to": message.target,
        "call_id": message.call_id,
        "cseq": number,
        "cseq_method": method,
        "headers": [[name, _clean(value)] for name, value in message.headers],
        "departures": list(message.departures),
    }
    if message.body:
        told |= _described(message)
    return told


def explain(message: Message) -> list[Row]:
    """Start line, every header line, the empty line, the body; line by line where it is a session."""
    rows: list[Row] = []
    at = 0

    def row(data: bytes, name: Term, meaning: Term | str) -> None:
        nonlocal at
        if data:
            rows.append(Row(at, data, name, meaning))
            at += len(data)

    end = message.raw.find(b"\r\n\r\n") + 4
    head, body, after = (
        message.raw[:end],
        message.raw[end : end + len(message.body)],
        message.raw[end + len(message.body) :],
    )
    for line in head.splitlines(keepends=True):
        if not line.strip():
            row(line, Term("空行", "empty line"), "")
        elif at == 0 or not rows:
            row(line, *_start(message))
        else:
            name, _, value = line.decode("utf-8", "replace").strip().partition(":")
            name = sip.COMPACT.get(name.strip().lower(), name.strip())
            row(line, HEADERS.get(name.lower(), Term(name, name)), _clean(value.strip()))
    if message.content_type == sip.SDP and body:
        for line in body.splitlines(keepends=True):
            row(line, *_sdp_line(line))
    elif body:
        row(body, Term("消息体", "body"), _body_meaning(message))
    row(after, Term("填充", "padding"), "")
    return rows


def measured(message: Message) -> list[Measured]:
    """What a MESSAGE or NOTIFY measured: positions, alarms, and that a device is there.  Nothing of others."""
    if message.method not in ("MESSAGE", "NOTIFY") or not message.body:
        return []
    document = manscdp.decode(message.body)
    return [] if isinstance(document, BadFrame) else readings(document)


def readings(document: Document) -> list[Measured]:
    """The readings of a notification: ``position.*`` of MobilePosition, ``alarm*`` of Alarm, ``online`` of Keepalive.

    A position off the globe gives neither longitude nor latitude.  ``alarm`` is 1 for the instant of the notification.
    """
    if document.kind != "Notify" or not document.device:
        return []
    if document.command == "Keepalive":
        return [
            Measured(document.device, "online", None, float(document.find("Status").upper() == "OK"), "1")
        ]
    if document.command == "MobilePosition":
        nodes = document.items("DeviceList") or [document.root]
        return [one for node in nodes for one in _position(node, document.device)]
    if document.command == "Alarm":
        at = milliseconds(manscdp.instant(document.find("AlarmTime")))
        told = [Measured(document.device, "alarm", at, 1.0, "1")]
        for name, code in (("AlarmPriority", "alarm.priority"), ("AlarmMethod", "alarm.method")):
            number = manscdp.whole(document.find(name))
            if number is not None:
                told.append(Measured(document.device, code, at, float(number), "1"))
        return told
    return []


def _position(node: Node, device: str) -> list[Measured]:
    said = node.texts()
    who = said.get("TargetID") or said.get("DeviceID") or device
    at = milliseconds(manscdp.instant(said.get("Time") or said.get("CaptureTime", "")))
    longitude, latitude = manscdp.real(said.get("Longitude", "")), manscdp.real(said.get("Latitude", ""))
    fixed = longitude is not None and latitude is not None and abs(longitude) <= 180 and abs(latitude) <= 90
    told = []
    for name, code, unit in POSITION if fixed else POSITION[2:]:
        value = manscdp.real(said.get(name, ""))
        if value is not None:
            told.append(Measured(who, code, at, value, unit))
    return told


def _described(message: Message) -> dict[str, Any]:
    if message.content_type == sip.SDP:
        session = sdp.decode(message.body)
        if isinstance(session, BadFrame):
            return {"body_refused": str(session)}
        return {
            "session": {
                "name": session.name, "owner": session.owner, "address": session.address, "port": session.port,
                "transport": session.transport, "payloads": list(session.payloads), "direction": session.direction,
                "setup": session.setup, "ssrc": session.ssrc, "format": session.format, "start": session.start_s,
                "end": session.end_s, "maps": {str(k): v for k, v in session.maps.items()},
                "other": [_clean(line) for line in session.other],
            }
        }  # fmt: skip
    if "xml" in message.content_type or message.body.lstrip()[:5] == b"<?xml":
        document = manscdp.decode(message.body)
        if isinstance(document, BadFrame):
            return {"body_refused": str(document)}
        told = {
            "root": document.kind,
            "cmd_type": document.command,
            "sn": document.number,
            "device_id": document.device,
            "charset": document.charset,
            "fields": _plain(manscdp.as_dict(document.root)),
        }
        if document.departures:
            told["body_departures"] = list(document.departures)
        moved = _ptz(document)
        return {**told, "ptz": moved} if moved else told
    return {"body_hex": message.body.hex().upper()}


def _ptz(document: Document) -> dict[str, Any] | None:
    text = document.find("PTZCmd")
    if not text:
        return None
    command = ptz.decode(text)
    if isinstance(command, BadFrame):
        return {"refused": command.reason}
    names = ("kind", "address", "pan", "tilt", "zoom", "focus", "iris", "verb", "number", "point")
    return {name: getattr(command, name) for name in names if getattr(command, name) or name == "kind"}


def _start(message: Message) -> tuple[Term, Term | str]:
    if message.is_request:
        word = METHODS.get(message.method, Term(message.method, message.method))
        return Term("请求行", "request line"), word
    return Term("状态行", "status line"), f"{message.status} {_clean(message.phrase)}"


def _sdp_line(line: bytes) -> tuple[Term, Term | str]:
    key, _, value = line.decode("utf-8", "replace").strip().partition("=")
    names = {
        "v": Term("协议版本", "version"), "o": Term("发起方", "owner"), "s": Term("操作类型", "operation"),
        "c": Term("媒体地址", "media address"), "t": Term("时间", "time"), "m": Term("媒体", "media"),
        "a": Term("媒体属性", "attribute"), "y": Term("SSRC", "SSRC"), "f": Term("媒体参数", "format"),
        "u": Term("媒体源", "source"),
    }  # fmt: skip
    meaning: Term | str = SESSIONS.get(value, _clean(value)) if key == "s" else _clean(value)
    return names.get(key, Term("其他", "other")), meaning


def _body_meaning(message: Message) -> Term | str:
    document = manscdp.decode(message.body)
    if isinstance(document, BadFrame):
        return f"refused: {document}"
    word = COMMANDS.get(document.command, Term(_clean(document.command), _clean(document.command)))
    text = f"{document.kind} {word} SN {document.number} {_clean(document.device)}"
    if kind := codes.TYPES.get(codes.type_of(document.device)):
        text += f" {kind}"
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_clean(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _clean(value) if isinstance(value, str) else value


def _clean(text: str) -> str:
    """Text that UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


CODEC = Codec(
    "gb28181",
    "GB/T 28181-2016, 2022",
    Term("公共安全视频监控联网系统", "video surveillance networking"),
    sip.feed,
    describe,
    explain,
    measured,
    alone=sip.read_datagram,
)
