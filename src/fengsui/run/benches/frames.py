"""Frames of field protocols on one core: cut off a stream and checked, and with their readings."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fengsui.run.benches.figure import Figure, figure
from fengsui.sense.codecs import gb26875, hj212, sl651, sl651_body, sl651_words
from fengsui.sense.codecs.frame import Codec

ABOUT = "frames of field protocols a second on one core, cut and checked, and with their readings"
CHUNK = 64 * 1024  # what a gateway reads at once
FRAMES = 500  # of a stream that is fed again and again
RUNS = 5
AT = datetime(2026, 1, 1, tzinfo=UTC)


def bench(seconds: float) -> list[Figure]:
    """CPU seconds, not the clock: others may use the machine.  About ``seconds`` in all."""
    figures = []
    streams = [(hj212.CODEC, _hj212()), (sl651.CODEC, _sl651()), (gb26875.CODEC, _gb26875())]
    for codec, frames in streams:
        stream = b"".join(frames)
        runs = [_run(codec, stream, seconds / len(streams) / RUNS) for _ in range(RUNS)]
        note = f"{len(stream) / len(frames):.0f} B a frame, {runs[0][2]:.1f} readings"
        figures.append(figure(f"{codec.name}: cut and checked", "frames/s", [run[0] for run in runs], note))
        figures.append(figure(f"{codec.name}: with readings", "frames/s", [run[1] for run in runs], note))
    return figures


def _run(codec: Codec, stream: bytes, seconds: float) -> tuple[float, float, float]:
    """Frames a second cut, the same with readings, and readings a frame."""
    cutting = reading = 0.0
    frames = readings = 0
    while cutting + reading < seconds or not frames:
        rest = b""
        for at in range(0, len(stream), CHUNK):
            began = time.process_time()
            cut = codec.feed(rest + stream[at : at + CHUNK])
            done = time.process_time()
            readings += sum(len(codec.measured(frame)) for frame in cut.frames)
            reading += time.process_time() - done
            cutting += done - began
            frames += len(cut.frames)
            rest = cut.rest
    return frames / cutting, frames / (cutting + reading), readings / frames


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
