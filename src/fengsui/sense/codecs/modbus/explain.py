"""A Modbus frame for a person, field by field, and as plain JSON.  Words as in GB/T 19582.1 and 19582.3-2008."""

from typing import Any

from fengsui.sense.codecs.frame import Row, Term
from fengsui.sense.codecs.measured import plain
from fengsui.sense.codecs.modbus.framing import Frame, crc16, lrc
from fengsui.sense.codecs.modbus.pdu import Pdu
from fengsui.sense.codecs.rows import Rows

FUNCTIONS = {
    1: "读线圈",
    2: "读离散量输入",
    3: "读保持寄存器",
    4: "读输入寄存器",
    5: "写单个线圈",
    6: "写单个寄存器",
    7: "读异常状态",
    8: "诊断",
    11: "获得通信事件计数器",
    12: "获得通信事件记录",
    15: "写多个线圈",
    16: "写多个寄存器",
    17: "报告从站ID",
    20: "读文件记录",
    21: "写文件记录",
    22: "屏蔽写寄存器",
    23: "读/写多个寄存器",
    24: "读FIFO队列",
    43: "封装接口传输",
}
EXCEPTIONS = {
    1: "非法功能",
    2: "非法数据地址",
    3: "非法数据值",
    4: "从站设备故障",
    5: "确认",
    6: "从属设备忙",
    7: "否定确认",
    8: "存储奇偶性差错",
    10: "不可用网关路径",
    11: "网关目标设备响应失败",
}
SIDES = {"request": "请求", "answer": "响应", "exception": "异常响应"}

_ADDRESS, _COUNT = Term("起始地址", "address"), Term("数量", "count")
_BYTES, _BITS = Term("字节数", "bytes"), Term("位状态", "bits")
_VALUE, _DATA = Term("值", "value"), Term("数据", "data")
_NUMBERS: dict[tuple[int, str], tuple[tuple[Term, int], ...]] = {  # before registers, bits or other data
    (5, ""): ((_ADDRESS, 2), (_VALUE, 2)),
    (6, ""): ((_ADDRESS, 2), (_VALUE, 2)),
    (7, "answer"): ((Term("输出数据", "status"), 1),),
    (8, ""): ((Term("子功能", "subfunction"), 2), (_DATA, 2)),
    (15, "request"): ((_ADDRESS, 2), (_COUNT, 2), (_BYTES, 1)),
    (15, "answer"): ((_ADDRESS, 2), (_COUNT, 2)),
    (16, "request"): ((_ADDRESS, 2), (_COUNT, 2), (_BYTES, 1)),
    (16, "answer"): ((_ADDRESS, 2), (_COUNT, 2)),
    (17, "answer"): ((_BYTES, 1),),
    (22, ""): (
        (_ADDRESS, 2),
        (Term("And_Mask 与屏蔽", "and mask"), 2),
        (Term("Or_Mask 或屏蔽", "or mask"), 2),
    ),
    (23, "request"): (
        (Term("读起始地址", "read address"), 2),
        (Term("读的数量", "count to read"), 2),
        (Term("写起始地址", "write address"), 2),
        (Term("写的数量", "count to write"), 2),
        (_BYTES, 1),
    ),
    (23, "answer"): ((_BYTES, 1),),
    **{(n, "request"): ((_ADDRESS, 2), (_COUNT, 2)) for n in (1, 2, 3, 4)},
    **{(n, "answer"): ((_BYTES, 1),) for n in (1, 2, 3, 4)},
}


def describe(frame: Frame) -> dict[str, Any]:
    """Header and fields of one frame as plain JSON values."""
    said: dict[str, Any] = {"framing": frame.framing, "unit": frame.unit}
    if frame.framing == "tcp":
        said["transaction"] = frame.transaction
    pdu = frame.pdu
    return {
        **said,
        "function": pdu.function,
        "name": pdu.name,
        "side": pdu.side,
        "fields": plain(pdu.fields),
        "departures": list(frame.departures),
    }


def explain(frame: Frame) -> list[Row]:
    raw = frame.raw
    if frame.framing == "ascii":
        ends = len(raw) - 2
        data = bytes.fromhex(raw[1:ends].decode("ascii"))
        rows = Rows(raw, [0, *range(1, ends + 1, 2), len(raw)])
        rows.add(1, Term("起始位", "begin"), ":")
    else:
        data, rows = raw, Rows(raw)
    if frame.framing == "tcp":
        length = int.from_bytes(raw[4:6], "big")
        rows.add(2, Term("事务处理标识符", "transaction"), str(frame.transaction))
        rows.add(2, Term("协议标识符", "protocol"), "0 Modbus")
        rows.add(2, Term("长度", "length"), Term(f"其后 {length} 字节", f"{length} bytes follow"))
        rows.add(1, Term("单元标识符", "unit"), str(frame.unit))
        _pdu(rows, frame.pdu, data[7:])
        return rows.rows
    meaning: Term | str = Term("广播", "broadcast") if frame.unit == 0 else str(frame.unit)
    rows.add(1, Term("从站地址", "address of the server"), meaning)
    if frame.framing == "rtu":
        _pdu(rows, frame.pdu, data[1:-2])
        low_first = int.from_bytes(crc16(data[:-2]).to_bytes(2, "little"), "big")
        rows.add(2, Term("CRC 校验", "CRC"), _verdict(int.from_bytes(data[-2:], "big"), low_first, 4))
    else:
        _pdu(rows, frame.pdu, data[1:-1])
        rows.add(1, Term("LRC 校验", "LRC"), _verdict(data[-1], lrc(data[:-1]), 2))
        rows.add(1, Term("结束符", "end"), "CR LF")
    return rows.rows


def _verdict(given: int, computed: int, digits: int) -> Term:
    if given == computed:
        return Term("正确", "fits")
    return Term(f"不符，应为 {computed:0{digits}X}", f"wrong, should be {computed:0{digits}X}")


def _pdu(rows: Rows, pdu: Pdu, data: bytes) -> None:
    """``data`` from the function code to the last byte before the checksum."""
    zh, side = FUNCTIONS.get(pdu.function, "未知功能"), SIDES[pdu.side]
    rows.add(
        1, Term("功能码", "function"), Term(f"{data[0]} {zh} {side}", f"{data[0]} {pdu.name} {pdu.side}")
    )
    rest = data[1:]
    if pdu.side == "exception":
        word = pdu.fields["exception_meaning"]
        said = Term(f"{rest[0]} {EXCEPTIONS.get(rest[0], '未知')}", f"{rest[0]} {word}")
        rows.add(1, Term("异常码", "exception"), said)
        return
    numbers = _NUMBERS.get((pdu.function, pdu.side)) or _NUMBERS.get((pdu.function, ""), ())
    if "illegal_count" in pdu.fields:
        numbers = ((_ADDRESS, 2), (_COUNT, 2))
    at = 0
    for name, size in numbers:
        number = int.from_bytes(rest[at : at + size], "big")
        meaning: Term | str = f"{number} (0x{number:0{2 * size}X})"
        if name is _COUNT and "illegal_count" in pdu.fields:
            meaning = Term(f"{number}，超出标准的限度", f"{number}, beyond the limit of the standard")
        elif pdu.function == 5 and name is _VALUE and "on" in pdu.fields:
            meaning = Term("接通", "on") if pdu.fields["on"] else Term("断开", "off")
        rows.add(size, name, meaning)
        at += size
    for n, register in enumerate(pdu.fields.get("registers", ()), 1):
        signed = f", {register - 0x10000}" if register > 0x7FFF else ""
        rows.add(2, Term(f"寄存器 {n}", f"register {n}"), f"{register}{signed} (0x{register:04X})")
        at += 2
    if pdu.function in (1, 2, 15) and at < len(rest):
        for n, byte in enumerate(rest[at:]):
            first, bits = 8 * n + 1, " ".join(str(byte >> bit & 1) for bit in range(8))
            rows.add(
                1, Term(f"{_BITS.zh} {first} 至 {first + 7}", f"{_BITS.en} {first} to {first + 7}"), bits
            )
            at += 1
    if pdu.function == 17 and "running" in pdu.fields:
        rows.add(len(rest) - at - 1, Term("从站ID", "id"), plain(pdu.fields["id"]))
        running = Term("运行", "running") if pdu.fields["running"] else Term("停止", "stopped")
        rows.add(1, Term("运行指示状态", "run indicator"), running)
        return
    left = len(rest) - at
    rows.add(left, _DATA, Term(f"{left} 字节", f"{left} bytes"))
