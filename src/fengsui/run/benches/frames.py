"""Frames of field protocols on one core: cut off a stream and checked, with their readings; and two forms of JSON."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import truediv
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.run import django_setup
from fengsui.run.benches.figure import Figure, figure
from fengsui.sense.codecs import (
    chem_json,
    fire_water_pressure,
    gb26875,
    hj212,
    sl651,
    sl651_body,
    sl651_words,
)
from fengsui.sense.codecs.frame import Codec
from fengsui.sense.codecs.jt808 import message as jt808
from fengsui.sense.codecs.modbus import framing
from fengsui.sense.codecs.modbus.pdu import Pdu
from fengsui.sense.codecs.modbus.points import Point, plan, values
from fengsui.sense.codecs.registry import CODECS
from fengsui.sense.codecs.sparkplug import payload as sparkplug
from fengsui.sense.codecs.sparkplug import session as sparkplug_session
from fengsui.sense.codecs.sparkplug.topic import Topic

ABOUT = "what one core reads a second: frames and readings of every field protocol, columns of observations"
CHUNK = 64 * 1024  # what a gateway reads at once
FRAMES = 500  # of a stream that is fed again and again
OBSERVATIONS = 10_000  # of one DataArray request
RUNS = 5
AT = datetime(2026, 1, 1, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Work:
    """A protocol: its frames, and how many readings one that was cut gives.

    ``datagrams``: each comes by itself · ``cuts``: whoever reads cuts as well, so that nothing is counted twice.
    """

    name: str
    frames: list[bytes]
    readings: Callable[[Any], int]
    datagrams: bool = False
    cuts: bool = False


def bench(seconds: float) -> list[Figure]:
    """CPU seconds, not the clock: others may use the machine.  About ``seconds`` in all."""
    figures = []
    works = _works()
    each = seconds / (len(works) + 2) / RUNS
    for work in works:
        runs = [_run(work, each) for _ in range(RUNS)]
        size = sum(map(len, work.frames)) / len(work.frames)
        note = f"{size:.0f} B a frame, {runs[0][2]:.1f} readings"
        figures.append(figure(f"{work.name}: cut and checked", "frames/s", [run[0] for run in runs], note))
        figures.append(figure(f"{work.name}: with readings", "frames/s", [run[1] for run in runs], note))
        told = [run[1] * run[2] for run in runs]
        figures.append(figure(f"{work.name}: readings", "readings/s", told, note))
    return [*figures, *_data_array(each), *_columns(each)]


def _works() -> list[Work]:
    works = [
        Work(name, made(), _measured(CODECS[name]), datagrams)
        for name, made, datagrams in (
            ("hj212", _hj212, False),
            ("sl651", _sl651, False),
            ("gb26875", _gb26875, False),
            ("jt808", _jt808, False),
            ("fire-water-pressure", _pressure, False),
            ("gb28181", _gb28181, True),
        )
    ]
    points = [Point(f"P{n}", "holding", 2 * n, "float32") for n in range(10)]
    (read,) = plan(points)
    works.append(Work("chem-json", _chem_json(), _chem_readings))
    works.append(Work("modbus-tcp", _modbus(), lambda frame: len(values(read, frame.pdu))))
    return [*works, _sparkplug()]


def _measured(codec: Codec) -> Callable[[Any], int]:
    return lambda frame: len(codec.measured(frame))


def _run(work: Work, seconds: float) -> tuple[float, float, float]:
    """Frames a second cut, the same with readings, and readings a frame."""
    feed, count = CODECS[work.name].feed, work.readings
    stream = b"".join(work.frames)
    pieces: Sequence[bytes] = work.frames
    if not work.datagrams:
        pieces = [stream[at : at + CHUNK] for at in range(0, len(stream), CHUNK)]
    cutting = reading = 0.0
    frames = readings = 0
    while cutting + reading < seconds or not frames:
        began = time.process_time()
        rest, found = b"", []
        for piece in pieces:
            cut = feed(rest + piece, ended=work.datagrams)
            found += cut.frames
            rest = cut.rest
        done = time.process_time()
        readings += sum(map(count, found))
        reading += time.process_time() - done
        cutting += done - began
        frames += len(found)
    return frames / cutting, frames / (reading + (0 if work.cuts else cutting)), readings / frames


def _data_array(seconds: float) -> list[Figure]:
    """``POST /CreateObservations`` from its bytes to columns of times and values; nothing of the database."""
    django_setup.setup()
    from fengsui.show.sta import arrays

    body = json.dumps(
        [
            {
                "Datastream": {"@iot.id": stream},
                "components": ["phenomenonTime", "result"],
                "dataArray@iot.count": OBSERVATIONS // 10,
                "dataArray": [
                    [f"{AT + timedelta(seconds=n):%Y-%m-%dT%H:%M:%S}.000Z", 400 + n % 97 / 8]
                    for n in range(OBSERVATIONS // 10)
                ],
            }
            for stream in range(1, 11)
        ]
    ).encode()

    def deed() -> None:
        for group in arrays.read(body):
            assert arrays.plain(group, AT_MS) is not None

    note = f"{len(body) / OBSERVATIONS:.1f} B an observation, {OBSERVATIONS:,} a request; to columns, no database"
    return [figure("DataArray: decoded", "observations/s", _rates(deed, OBSERVATIONS, seconds), note)]


def _columns(seconds: float) -> list[Figure]:
    """Our own columns in JSON, from the bytes of a message to the batch that goes on the bus."""
    from fengsui.run.benches import decode

    door = decode._Door()
    data = door.columns(0, [400 + n % 97 / 8 for n in range(decode.DATASTREAMS)])
    door.learn(data, decode.SOURCE)
    short = door.short_way(decode.SOURCE)
    note = f"{decode.DATASTREAMS} readings a message; to the batch for the bus"
    ways: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
        ("JSON columns: any message", door.long_way),
        ("JSON columns: like the one before", short),
        ("JSON columns: plain msgspec", door.plain_columns),
    )
    rates: dict[str, list[float]] = {name: [] for name, _ in ways}
    for _ in range(RUNS):  # by turns, so that what else runs on the machine is beside all of them
        for name, way in ways:
            rates[name].append(_rate(partial(way, data), decode.DATASTREAMS, seconds))
    plain = rates["JSON columns: plain msgspec"]
    notes = {
        name: f"{statistics.median(map(truediv, rates[name], plain)):.2f} of plain msgspec; {note}"
        for name, _ in ways[:2]
    }
    notes["JSON columns: plain msgspec"] = (
        "the same bytes into typed columns with a dict of names; no check, no batch"
    )
    return [figure(name, "readings/s", rates[name], notes[name]) for name, _ in ways]


def _rates(deed: Callable[[], Any], each: int, seconds: float) -> list[float]:
    return [_rate(deed, each, seconds) for _ in range(RUNS)]


def _rate(deed: Callable[[], Any], each: int, seconds: float) -> float:
    deed()
    began, done = time.process_time(), 0
    while not done or time.process_time() - began < seconds:
        deed()
        done += each
    return done / (time.process_time() - began)


def _hj212() -> list[bytes]:
    """Real-time data of six factors with flags, as a flue-gas analyser sends them."""
    factors = ("a21026", "a21002", "a34013", "a19001", "a01011", "a01012")
    made = []
    for n in range(FRAMES):
        at = AT + timedelta(seconds=30 * n)
        items = ";".join(f"{code}-Rtd={n % 97 + k}.{n % 10},{code}-Flag=N" for k, code in enumerate(factors))
        made.append(
            hj212.message(
                qn=f"{at:%Y%m%d%H%M%S}000",
                st="31",
                cn="2011",
                pw="123456",
                mn="010000A8900016F000169DC0",
                flag=5,
                cp=f"&&DataTime={at:%Y%m%d%H%M%S};{items}&&",
            )
        )
    return made


def _sl651() -> list[bytes]:
    """Timed reports of rain, level and voltage."""
    made = []
    for n in range(FRAMES):
        at = AT + timedelta(minutes=5 * n)
        elements = [
            sl651_body.element(0x20, Decimal(n % 50) / 10),
            sl651_body.element(0x26, Decimal(n) / 10),
            sl651_body.element(0x39, Decimal(12_345 + n % 100) / 1000),
            sl651_body.element(0x38, Decimal("12.65")),
        ]
        body = sl651_body.report(n % 65_535 + 1, at, "0012345678", 0x48, at, elements)
        made.append(
            sl651.encode(
                down=False,
                centre=1,
                station="0012345678",
                password="03E8",  # noqa: S106  a field of the frame
                function=0x32,
                body=body,
                end=sl651_words.ETX,
            )
        )
    return made


def _gb26875() -> list[bytes]:
    """States of one part with its description."""
    made = []
    for n in range(FRAMES):
        part = {"system_type": 1, "system_addr": 3, "component_type": 42, "component_addr": n}
        unit = gb26875.unit(2, [{**part, "status": n % 4, "description": "３号楼２层东侧烟感", "time": AT}])
        made.append(gb26875.encode(serial=n, at=AT, source=7, target=9, command=gb26875.SEND, unit=unit))
    return made


def _jt808() -> list[bytes]:
    """Positions with mileage, fuel, signal and satellites."""
    made = []
    for n in range(FRAMES):
        report = {
            "status": 0b11,
            "longitude": 121.4737 + n / 1e4,
            "latitude": 31.2304 + n / 1e4,
            "altitude_m": 12,
            "speed_km_h": n % 90,
            "direction_deg": n % 360,
            "time": AT + timedelta(seconds=10 * n),
            "additional": {"mileage_km": n / 10, "fuel_l": 40, "signal_strength": 25, "satellite_count": 12},
        }
        made += jt808.encode(0x0200, report, phone="013912345678", serial=n, is_2019=bool(n % 2))
    return made


def _modbus() -> list[bytes]:
    """Answers of twenty registers: ten numbers of four bytes."""
    return [
        framing.encode(
            framing.Frame("tcp", 1, Pdu(3, "answer", {"registers": [16_928 + n % 97, n] * 10}), n & 0xFFFF)
        )
        for n in range(FRAMES)
    ]


def _sparkplug() -> Work:
    """Data of six metrics by alias, after one birth."""
    node = sparkplug_session.Session()
    birth = sparkplug.Payload(
        tuple(sparkplug.Metric(f"T{n}", n, AT_MS, "Double", 1.0) for n in range(6)), AT_MS, 0
    )
    node.feed(Topic("NBIRTH", "g", "n"), sparkplug.encode(birth), AT_MS)
    frames = []
    for n in range(256):  # as many as there are numbers of a sequence: the stream can begin again
        metrics = tuple(
            sparkplug.Metric(alias=k, time_ms=AT_MS + n, datatype="Double", value=n / 8) for k in range(6)
        )
        frames.append(sparkplug.encode(sparkplug.Payload(metrics, AT_MS + n, (n + 1) % 256)))
    data = Topic("NDATA", "g", "n")

    def readings(payload: Any) -> int:
        return len(sparkplug_session.readings(node.feed(data, payload.raw, AT_MS).samples))

    return Work("sparkplug", frames, readings, datagrams=True, cuts=True)


def _chem_json() -> list[bytes]:
    """Six targets of a plant in one sealed record."""
    made = []
    for n in range(FRAMES):
        at = AT + timedelta(seconds=5 * n)
        rows = [
            {
                "TARGET_CODE": f"320100123G00{k}WD",
                "VALUE": f"{21 + n % 9 + k / 10:.1f}",
                "DATA_TIME": f"{at:%Y-%m-%d %H:%M:%S}",
            }
            for k in range(6)
        ]
        record = chem_json.Record("app-1", "WC_ENT_CGQ", f"{n:08x}", "320100", "")
        made.append(chem_json.encode(record, rows, _SEAL))
    return made


_SEAL = chem_json.Seal(bytes(range(16)))
_COLUMNS = chem_json.Columns()


def _chem_readings(record: chem_json.Record) -> int:
    """Unsealed and read."""
    table = chem_json.rows(record, _SEAL)
    assert not isinstance(table, BadFrame)
    return len(chem_json.readings(table, _COLUMNS)[0])


def _pressure() -> list[bytes]:
    """Five readings of a minute each."""
    return [
        fire_water_pressure.encode(
            "SIM26010007", [0.5 + (n + k) % 40 / 1000 for k in range(5)], AT + timedelta(minutes=5 * n)
        )
        for n in range(FRAMES)
    ]


def _gb28181() -> list[bytes]:
    """Positions of a moving camera, one datagram each."""
    made = []
    for n in range(FRAMES):
        at = AT + timedelta(seconds=5 * n)
        body = (
            '<?xml version="1.0" encoding="GB2312"?>\r\n<Notify>\r\n<CmdType>MobilePosition</CmdType>\r\n'
            f"<SN>{n}</SN>\r\n<DeviceID>34020000001320000001</DeviceID>\r\n<Time>{at:%Y-%m-%dT%H:%M:%S}</Time>\r\n"
            f"<Longitude>{121 + n / 1e4:.6f}</Longitude>\r\n<Latitude>{31 + n / 1e4:.6f}</Latitude>\r\n"
            f"<Speed>{n % 90}.0</Speed>\r\n<Direction>{n % 360}</Direction>\r\n<Altitude>12</Altitude>\r\n</Notify>\r\n"
        ).encode()
        lines = (
            "MESSAGE sip:34020000002000000001@3402000000 SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.7:5060;rport;branch=z9hG4bK{n}",
            "From: <sip:34020000001320000001@3402000000>;tag=1",
            "To: <sip:34020000002000000001@3402000000>",
            f"Call-ID: {n}@192.0.2.7",
            f"CSeq: {n + 1} MESSAGE",
            "Content-Type: Application/MANSCDP+xml",
            "Max-Forwards: 70",
            f"Content-Length: {len(body)}",
            "",
            "",
        )
        made.append("\r\n".join(lines).encode() + body)
    return made
