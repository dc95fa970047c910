"""Video over JT/T 808 terminals: the control messages of JT/T 1078-2016, and the file messages of T/JSATL 12-2017.

The media themselves travel in a protocol of their own and are not read here.
"""

from fengsui.sense.codecs.jt808 import safety
from fengsui.sense.codecs.jt808.layout import (
    BYTE,
    WORD,
    Bits,
    Choice,
    Counted,
    Form,
    Group,
    Instant,
    Layout,
    Many,
    Number,
    as_forms,
)
from fengsui.sense.codecs.jt808.location import ALARM, VIDEO_ALARM

AUDIO_OR_VIDEO = {0: "audio_and_video", 1: "audio", 2: "video", 3: "video_or_both"}
STREAM = {0: "any", 1: "main", 2: "sub"}
STORAGE = {0: "any", 1: "main", 2: "spare"}
SPEED = {0: "none", 1: "1x", 2: "2x", 3: "4x", 4: "8x", 5: "16x"}
LIVE = {0: "audio_and_video", 1: "video", 2: "talk", 3: "listen", 4: "broadcast", 5: "transparent"}
PLAYBACK = {0: "normal", 1: "forward", 2: "key_frames_back", 3: "key_frames", 4: "single_frame"}
PLAYBACK_CONTROL = {
    0: "start",
    1: "pause",
    2: "stop",
    3: "forward",
    4: "key_frames_back",
    5: "seek",
    6: "key_frames",
}

_alarms = Bits(8, {**ALARM, **{32 + n: name for n, name in VIDEO_ALARM.items()}})
_server: Layout = (("server", Counted(1)), ("tcp_port", WORD), ("udp_port", WORD), ("channel", BYTE))
_what: Layout = (
    ("media", Choice(1, AUDIO_OR_VIDEO)),
    ("stream", Choice(1, STREAM)),
    ("storage", Choice(1, STORAGE)),
)
_span: Layout = (("channel", BYTE), ("from", Instant()), ("to", Instant()))


def _turn(meanings: dict[int, str]) -> Layout:
    return (("channel", BYTE), ("value", Choice(1, meanings)))


_MESSAGES: dict[int, tuple[str, tuple[Layout | Form, ...]]] = {
    0x1003: (
        "media_attributes",
        (
            (
                ("audio_encoding", BYTE),
                ("audio_channels", BYTE),
                ("audio_rate", Choice(1, {0: "8k", 1: "22.05k", 2: "44.1k", 3: "48k"})),
                ("audio_bits", Choice(1, {0: "8", 1: "16", 2: "32"})),
                ("audio_frame_length", WORD),
                ("audio_output", BYTE),
                ("video_encoding", BYTE),
                ("most_audio_channels", BYTE),
                ("most_video_channels", BYTE),
            ),
        ),
    ),
    0x1005: ("passengers", ((("from", Instant()), ("to", Instant()), ("got_on", WORD), ("got_off", WORD)),)),
    0x1205: (
        "recordings",
        (
            (
                ("reply_serial", WORD),
                ("items", Many(4, Group(*_span, ("alarm", _alarms), *_what, ("size", Number(4))))),
            ),
        ),
    ),
    0x1206: ("upload_done", ((("reply_serial", WORD), ("result", Choice(1, {0: "success", 1: "failure"}))),)),
    0x1210: ("alarm_files", (safety.ALARM_FILES,)),
    0x1211: ("file_begins", (safety.FILE_INFO,)),
    0x1212: ("file_ends", (safety.FILE_INFO,)),
    0x9003: ("query_media_attributes", ((),)),
    0x9101: (
        "live_request",
        ((*_server, ("media", Choice(1, LIVE)), ("stream", Choice(1, {0: "main", 1: "sub"}))),),
    ),
    0x9102: (
        "live_control",
        (
            (
                ("channel", BYTE),
                (
                    "command",
                    Choice(1, {0: "close", 1: "switch_stream", 2: "pause", 3: "resume", 4: "end_talk"}),
                ),
                ("close", Choice(1, {0: "audio_and_video", 1: "audio", 2: "video"})),
                ("stream", Choice(1, {0: "main", 1: "sub"})),
            ),
        ),
    ),
    0x9105: ("live_state", ((("channel", BYTE), ("lost_percent", BYTE)),)),
    0x9201: (
        "playback_request",
        (
            (
                *_server,
                *_what,
                ("mode", Choice(1, PLAYBACK)),
                ("speed", Choice(1, SPEED)),
                ("from", Instant()),
                ("to", Instant()),
            ),
        ),
    ),
    0x9202: (
        "playback_control",
        (
            (
                ("channel", BYTE),
                ("command", Choice(1, PLAYBACK_CONTROL)),
                ("speed", Choice(1, SPEED)),
                ("at", Instant()),
            ),
        ),
    ),
    0x9205: ("query_recordings", ((*_span, ("alarm", _alarms), *_what),)),
    0x9206: (
        "upload_file",
        (
            (
                ("server", Counted(1)),
                ("port", WORD),
                ("user", Counted(1)),
                ("password", Counted(1)),
                ("path", Counted(1)),
                *_span,
                ("alarm", _alarms),
                *_what,
                ("when", Bits(1, {0: "wifi", 1: "lan", 2: "mobile"})),
            ),
        ),
    ),
    0x9207: (
        "upload_control",
        ((("reply_serial", WORD), ("command", Choice(1, {0: "pause", 1: "resume", 2: "cancel"}))),),
    ),
    0x9208: ("upload_alarm_files", (safety.FILES_WANTED,)),
    0x9212: ("file_received", (safety.FILE_RECEIVED,)),
    0x9301: (
        "pan_tilt",
        (
            (
                ("channel", BYTE),
                ("direction", Choice(1, {0: "stop", 1: "up", 2: "down", 3: "left", 4: "right"})),
                ("speed", BYTE),
            ),
        ),
    ),
    0x9302: ("focus", (_turn({0: "far", 1: "near"}),)),
    0x9303: ("iris", (_turn({0: "wider", 1: "narrower"}),)),
    0x9304: ("wiper", (_turn({0: "stop", 1: "start"}),)),
    0x9305: ("infrared_light", (_turn({0: "stop", 1: "start"}),)),
    0x9306: ("zoom", (_turn({0: "in", 1: "out"}),)),
}
VIDEO = as_forms(_MESSAGES)
