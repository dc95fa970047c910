"""The 20 digits that name everything in GB/T 28181: centre 8, industry 2, type 3, network 1, serial number 6.

Source: GB/T 28181-2016, annex D; GB/T 28181-2022, annex E.  The types beyond the most common ones are from memory.
"""

import re
from typing import NamedTuple

from fengsui.sense.codecs.frame import Term

CODE = re.compile(r"[0-9]{20}")

TYPES: dict[int, Term] = {
    111: Term("DVR", "DVR"),
    112: Term("视频服务器", "video server"),
    113: Term("编码器", "encoder"),
    114: Term("解码器", "decoder"),
    115: Term("视频切换矩阵", "video matrix"),
    117: Term("报警控制器", "alarm controller"),
    118: Term("NVR", "NVR"),
    119: Term("在线视频图像信息采集设备", "online image collector"),
    120: Term("视频卡口", "video checkpoint"),
    121: Term("移动视频设备", "mobile video device"),
    131: Term("摄像机", "camera"),
    132: Term("网络摄像机", "IP camera"),
    133: Term("显示器", "monitor"),
    134: Term("报警输入设备", "alarm input"),
    135: Term("报警输出设备", "alarm output"),
    136: Term("语音输入设备", "audio input"),
    137: Term("语音输出设备", "audio output"),
    138: Term("移动传输设备", "mobile transmitter"),
    200: Term("中心信令控制服务器", "central signalling server"),
    201: Term("Web 应用服务器", "web server"),
    202: Term("媒体分发服务器", "media server"),
    205: Term("安全服务器", "security server"),
    206: Term("报警服务器", "alarm server"),
    207: Term("数据库服务器", "database server"),
    208: Term("GIS 服务器", "GIS server"),
    215: Term("业务分组", "business group"),
    216: Term("虚拟组织", "virtual organisation"),
}
CAMERAS = frozenset({131, 132, 121})
ALARM_INPUTS = frozenset({134})
GROUPS = frozenset({215, 216})


class Code(NamedTuple):
    """The parts of a code.  ``centre`` begins with a division of GB/T 2260."""

    centre: str
    industry: str
    type: int
    network: str
    serial: str


def read(text: str) -> Code | None:
    """The parts; None when ``text`` is not 20 digits."""
    if not CODE.fullmatch(text):
        return None
    return Code(text[:8], text[8:10], int(text[10:13]), text[13], text[14:])


def type_of(text: str) -> int:
    """The three digits of the type; 0 when ``text`` is no code (a division of 2 to 8 digits in a catalogue)."""
    code = read(text)
    return code.type if code else 0


def is_camera(text: str) -> bool:
    """Whether a code of a catalogue is something that gives a picture.

    A type the standard leaves to vendors counts as a camera where it lies in the range of front-end devices; platforms
    in the field give their channels codes such as ``…1320000001``, but also the code of their recorder.
    """
    kind = type_of(text)
    return kind in CAMERAS or 111 <= kind <= 113 or kind in (118, 119, 120)
