"""A few good frames of every field protocol, for properties and for the fuzzer to begin with."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fengsui.run.benches import frames as made
from fengsui.sense.codecs import chem_json, fire_water_pressure, sl651, sl651_words
from fengsui.sense.codecs.jt808.frame import Frame, encode, split
from fengsui.sense.codecs.modbus import framing
from fengsui.sense.codecs.modbus.pdu import Pdu
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.codecs.sparkplug.payload import DataSet, Metric, Payload, Template
from fengsui.sense.codecs.sparkplug.payload import encode as payload

FRAMES = Path(__file__).parent / "frames"
AT = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [{"TARGET_CODE": "320100123G001WD", "VALUE": "21.5", "DATA_TIME": "2026-01-02 03:04:05"}]
DATAGRAMS = {"sparkplug"}  # one frame is all of the stream
UNMARKED = {"modbus-tcp"}  # no mark and no checksum: noise may look like a frame


@cache
def frames_of(name: str) -> tuple[bytes, ...]:
    if name == "jt808":
        return (*_sampled("jt808/frames.jsonl"), *(encode(part) for part in split(_LONG, 200)))
    if name.startswith("modbus"):
        kind = name.removeprefix("modbus-")
        answers = (
            Pdu(3, "answer", {"registers": [1, 0xFFFE]}),
            Pdu(1, "answer", {"bits": [True] * 8}),
            Pdu(16, "request", {"address": 107, "count": 2, "registers": [10, 258]}),
            Pdu(23, "request", {"address": 3, "count": 6, "write_address": 14, "registers": [255, 255]}),
            Pdu(5, "request", {"address": 172, "value": 0xFF00}),
            Pdu(17, "answer", {"id": b"ab", "running": True}),
            Pdu(4, "exception", {"exception": 2, "exception_meaning": "illegal_data_address"}),
        )
        return tuple(framing.encode(framing.Frame(kind, 17, pdu, 5 * (kind == "tcp"))) for pdu in answers)
    return tuple(_MADE[name]())


def _sampled(name: str) -> list[bytes]:
    return [bytes.fromhex(json.loads(line)["hex"]) for line in (FRAMES / name).read_text().splitlines()]


_LONG = Frame(0x0801, "013912345678", 7, bytes.fromhex("0000000100000101") + b"\xff\xd8\x7d\x7e" * 120)
_MADE = {
    "hj212": lambda: made._hj212()[:3],
    "sl651": lambda: [
        *made._sl651()[:2],
        *(
            sl651.encode(
                down=False,
                centre=1,
                station="0012345678",
                password="03E8",
                function=function,
                body=body,
                end=sl651_words.ETX,
                in_ascii=True,
            )
            for function, body in (
                (0x32, b"0001240115080005ST 0012345678 H TT 2401150800 PJ 0.5 Z -12.345 VT M "),
                (0x31, b"0001240115080005ST 0012345678 H TT 2401150800 DRN10 Z 1.0 1.1 M 1.2 "),
            )
        ),
    ],
    "gb26875": lambda: made._gb26875()[:3],
    "fire-water-pressure": lambda: [
        fire_water_pressure.encode("TEST26010007", [0.537, -0.003], AT, alarm=2, limits=(0.1, 0.5)),
        fire_water_pressure.encode("X", [], AT, kind=34),
    ],
    "chem-json": lambda: (
        [
            chem_json.encode(chem_json.Record("app-1", "WC_ENT_CGQ", "4f1d", "320100", ""), ROWS, seal)
            for seal in (None, chem_json.Seal(bytes(16)))
        ]
        + ['{ "serviceId" : "X", "data":[{"a":1}] , "名":null,"":[1.5,true]}@@'.encode()]
    ),
    "gb28181": lambda: [
        b"\r\n".join(
            (
                b"MESSAGE sip:34020000002000000001@3402000000 SIP/2.0",
                b"Via: SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bK1",
                b"From: <sip:34020000001320000001@3402000000>;tag=1",
                b"To: <sip:34020000002000000001@3402000000>",
                b"Call-ID: 1@192.0.2.7",
                b"CSeq: 20 MESSAGE",
                b"Content-Type: Application/MANSCDP+xml",
                b"Content-Length: %d" % len(body),
                b"",
                body,
            )
        )
        for body in (
            b'<?xml version="1.0"?><Notify><CmdType>Keepalive</CmdType><SN>1</SN>'
            b"<DeviceID>34020000001320000001</DeviceID><Status>OK</Status></Notify>",
            b"",
        )
    ],
    "sparkplug": lambda: [
        payload(Payload(metrics, 1_767_225_600_000, 3))
        for metrics in (
            (Metric("温度", 1, 1_767_225_600_000, "Double", 21.5), Metric("n", datatype="Int8", value=-1)),
            (Metric("t", datatype="DataSet", value=DataSet(("a", "b"), ("Int32", "String"), ((1, "x"),))),),
            (Metric("m", datatype="Template", value=Template((Metric("x", value=True),), {"p": 1.5}, "v")),),
            (Metric("z", is_null=True, metadata={"size": 7}, properties={"unit": "℃", "low": 1}),),
        )
    ],
}
assert all(name.startswith("modbus") or name == "jt808" or name in _MADE for name in CODECS), "seeds for each"
