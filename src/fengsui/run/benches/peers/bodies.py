"""Requests in the forms that peers take: everything but the times is rendered before the clock starts."""

import struct
from collections.abc import Callable

import numpy as np

from fengsui.run.benches.peers.work import BLOCKS, Work

SAMPLE = 18  # bytes of a remote-write sample: 2 head, 1 + 8 value, 1 + 6 time
Body = Callable[[int, int], bytes]  # site, turn → the body of that request


def columns_json(work: Work) -> Body:
    """Our own columnar JSON: a list of times, and for each datastream a list of values."""
    parts: dict[tuple[int, int], tuple[bytes, bytes]] = {}
    for site in range(work.sites):
        for block in range(BLOCKS):
            lists = (
                f'"{code}":[{",".join(f"{v:.2f}" for v in column)}]'
                for code, column in zip(work.codes, work.values(site, block).T.tolist(), strict=True)
            )
            parts[site, block] = (
                f'{{"site":"{work.site(site)}","time":['.encode(),
                f'],"datastreams":{{{",".join(lists)}}}}}'.encode(),
            )

    def body(site: int, turn: int) -> bytes:
        before, after = parts[site, turn % BLOCKS]
        return before + ",".join(map(str, work.times_ms(turn))).encode() + after

    return body


def influx_lines(work: Work) -> Body:
    """InfluxDB line protocol with a site's datastreams as fields of one line an instant; times in milliseconds."""
    parts: dict[tuple[int, int], list[bytes]] = {}
    for site in range(work.sites):
        for block in range(BLOCKS):
            parts[site, block] = [
                (
                    f"plant,site={work.site(site)} "
                    + ",".join(f"{code}={v:.2f}" for code, v in zip(work.codes, row, strict=True))
                ).encode()
                for row in work.values(site, block).tolist()
            ]

    def body(site: int, turn: int) -> bytes:
        lines = zip(parts[site, turn % BLOCKS], work.times_ms(turn), strict=True)
        return b"\n".join(b"%b %d" % line for line in lines)

    return body


def remote_write(work: Work) -> Body:
    """Prometheus remote write 1.0: a snappy block of the protobuf WriteRequest, one series a datastream.

    Layout: https://prometheus.io/docs/specs/prw/remote_write_spec/ (1.0).  All series of a request have the same
    length, so that the request is a table of bytes in which only the times (six bytes of varint each) change.
    """
    import pyarrow as pa

    tables: dict[tuple[int, int], np.ndarray] = {}
    for site in range(work.sites):
        for block in range(BLOCKS):
            series = (
                _series(work, site, code, column)
                for code, column in zip(work.codes, work.values(site, block).T.tolist(), strict=True)
            )
            tables[site, block] = np.frombuffer(b"".join(series), np.uint8).reshape(work.tags, -1).copy()

    def body(site: int, turn: int) -> bytes:
        table = tables[site, turn % BLOCKS]
        head = table.shape[1] - work.instants * SAMPLE
        for i, at in enumerate(work.times_ms(turn)):
            first = head + i * SAMPLE + 12
            table[:, first : first + 6] = np.frombuffer(_varint(at), np.uint8)
        return bytes(pa.compress(table.tobytes(), codec="snappy", asbytes=True))

    return body


def _series(work: Work, site: int, code: str, values: list[float]) -> bytes:
    labels = (("__name__", "plant"), ("site", work.site(site)), ("tag", code))
    inside = b"".join(_field(1, _field(1, name.encode()) + _field(2, text.encode())) for name, text in labels)
    stamp = _varint(work.start_ms)
    inside += b"".join(_field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + stamp) for value in values)
    return _field(1, inside)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
