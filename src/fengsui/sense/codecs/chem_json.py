"""Records of provincial hazardous-chemicals monitoring: JSON that ends in ``@@``, with rows sealed inside.

A record is UTF-8 JSON ``{appId, serviceId, dataId, districtCode, data}`` followed by the two bytes ``@@``; ``data`` is
a JSON array of rows, encrypted.  ``serviceId`` names the table, columns are upper snake case.  Seen in open code of one
province (Jiangsu); there is no published standard, so cipher, mode, key and columns are arguments.  Keys are never kept
here.  No sockets and no clock.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.frame import Codec, Cut, Row, Term
from fengsui.sense.codecs.measured import Measured, plain
from fengsui.sense.codecs.rows import Rows

END = b"@@"
MAX_RECORD = 2 * 1024 * 1024
MAX_STARTS = 64  # braces tried in a record that noise stands before
BLANK = b" \t\r\n\xef\xbb\xbf"  # between records, with the mark that some editors put before UTF-8
CHINA = timezone(timedelta(hours=8))
TIME_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y%m%d%H%M%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
)

SERVICES = {  # tables seen, by their names on the wire
    "WC_ENT_CGQ": "sensors",
    "WC_ENT_LEAKPOINT": "gas_leak_points",
    "WC_ENT_SBJZ": "equipment_media",
    "WC_PROD_HIS": "out_of_service_history",
    "WC_ENT_TASK": "daily_commitments",
    "WC_ENT_QYCN": "commitment_work_permits",
    "WC_ENT_PROMISE": "unit_run_states",
    "WC_ENT_ALARM_REGIONAL": "regional_alarms",
    "C_DANGRSC_WARN_RESULT": "warning_results_query",
    "WC_WARN_RESULT": "warning_feedback",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One envelope.  ``data`` as sent: sealed text, or rows where a sender does not seal · ``more`` other keys."""

    app_id: str
    service_id: str
    data_id: str
    district_code: str
    data: Any
    more: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def departures(self) -> tuple[str, ...]:
        return () if isinstance(self.data, str) else ("not_sealed",)

    @property
    def service(self) -> str:
        return SERVICES.get(self.service_id, "unknown")


@dataclass(frozen=True, slots=True)
class Seal:
    """How ``data`` is encrypted.  PKCS #7 padding; ``iv`` for CBC; the sealed bytes travel as ``text``.

    ECB is what a Java program that asks for "AES" gets.  It hides little and is not for anything new.
    """

    key: bytes
    algorithm: Literal["aes", "sm4"] = "aes"
    mode: Literal["ecb", "cbc"] = "ecb"
    iv: bytes = b""
    text: Literal["base64", "hex"] = "base64"
    _cipher: Cipher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key) not in ((16,) if self.algorithm == "sm4" else (16, 24, 32)):
            raise ValueError(f"a key of {len(self.key)} bytes is none of {self.algorithm}")
        if self.mode == "cbc" and len(self.iv) != 16:
            raise ValueError("CBC needs an iv of 16 bytes")
        algorithm = algorithms.AES(self.key) if self.algorithm == "aes" else algorithms.SM4(self.key)
        mode = modes.CBC(self.iv) if self.mode == "cbc" else modes.ECB()  # noqa: S305
        object.__setattr__(self, "_cipher", Cipher(algorithm, mode))

    def __repr__(self) -> str:
        return f"Seal({self.algorithm}-{self.mode}, key of {len(self.key)} bytes)"

    def close(self, plain: bytes) -> str:
        padder, encryptor = padding.PKCS7(128).padder(), self._cipher.encryptor()
        sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
        return sealed.hex() if self.text == "hex" else base64.b64encode(sealed).decode()

    def open(self, sealed: str) -> bytes:
        """Raises ValueError when this is not what the key has sealed."""
        try:
            raw = (
                bytes.fromhex(sealed)
                if self.text == "hex"
                else base64.b64decode("".join(sealed.split()), validate=True)
            )
        except binascii.Error as error:
            raise ValueError(str(error)) from None
        decryptor, unpadder = self._cipher.decryptor(), padding.PKCS7(128).unpadder()
        padded = decryptor.update(raw) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()


def feed(buffer: bytes, ended: bool = False) -> Cut:
    """Cut every whole record off ``buffer``.  Never raises; blanks between records are nobody's loss."""
    records: list[Record] = []
    refused: list[BadFrame] = []
    at = 0
    while (end := buffer.find(END, at)) >= 0:
        segment, after = buffer[at:end], end + len(END)
        if segment.strip(BLANK):
            found, start = _record(segment)
            if start and segment[:start].strip(BLANK):
                refused.append(BadFrame("noise", segment[:start], "bytes that begin no record"))
            if isinstance(found, dict):
                records.append(_of(found, buffer[at + start : after]))
            else:
                refused.append(BadFrame(found, buffer[at:after], _REASONS[found]))
        else:
            refused.append(BadFrame("noise", buffer[at:after], "an end mark that ends no record"))
        at = after
    rest = buffer[at:]
    if ended:
        if rest.strip(BLANK):
            refused.append(BadFrame("cut", rest, "the record does not end in @@"))
        return Cut(records, refused, b"")
    if len(rest) > MAX_RECORD:
        keep = 1 if rest.endswith(b"@") else 0
        refused.append(BadFrame("too long", rest[: len(rest) - keep], _REASONS["too long"]))
        rest = rest[len(rest) - keep :]
    return Cut(records, refused, rest)


_REASONS = {
    "too long": f"more than {MAX_RECORD} bytes and no @@",
    "json": "what stands before @@ is no JSON",
    "utf-8": "the text is not UTF-8",
    "envelope": "serviceId or data is missing",
}


def rows(record: Record, seal: Seal | None) -> list[dict[str, Any]] | BadFrame:
    """The rows of a record, or why they cannot be had.  Never raises."""
    data = record.data
    sent = data.encode("utf-8", "replace") if isinstance(data, str) else json.dumps(data).encode()
    if isinstance(data, str):
        if data.lstrip()[:1] in ("[", "{"):
            plain = data.encode("utf-8", "replace")
        elif seal is None:
            return BadFrame("no key", sent)
        else:
            try:
                plain = seal.open(data)
            except ValueError:
                return BadFrame("sealed with another key", sent)
        try:
            data = json.loads(plain)
        except (ValueError, RecursionError):
            return BadFrame("rows are not JSON" if seal is None else "sealed with another key", sent)
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        return BadFrame("rows are not objects", sent)
    return data


def encode(record: Record, table: Iterable[Mapping[str, Any]], seal: Seal | None) -> bytes:
    """A record with ``table`` as its rows, for simulators; without a seal the rows stand in it openly."""
    plain = json.dumps(list(table), ensure_ascii=False, separators=(",", ":"))
    if seal is None and END.decode() in plain:  # sealed text has no @
        raise ValueError("rows that are not sealed must not hold @@")
    envelope = {
        "appId": record.app_id,
        "serviceId": record.service_id,
        "dataId": record.data_id,
        "districtCode": record.district_code,
        "data": plain if seal is None else seal.close(plain.encode()),
        **record.more,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode() + END


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table are a reading: names are data, because every province has its own."""

    code: str = "TARGET_CODE"
    value: str = "VALUE"
    time: str = "DATA_TIME"


def readings(table: Iterable[Mapping[str, Any]], columns: Columns) -> tuple[list[Measured], list[BadFrame]]:
    """The reading of each row that has code, time and value, and a refusal for each that has not.

    The code is the device as well: it begins with the plant's and the equipment's.
    """
    found: list[Measured] = []
    refused: list[BadFrame] = []
    instants: dict[str, int | None] = {}  # most rows of a record are of one
    for row in table:
        code, when, value = row.get(columns.code), row.get(columns.time), _number(row.get(columns.value))
        if not isinstance(when, str):
            at = time_ms(when)
        elif when in instants:
            at = instants[when]
        else:
            at = instants[when] = time_ms(when)
        if not isinstance(code, str) or not code or at is None or value is None:
            missing = "code" if not isinstance(code, str) or not code else "time" if at is None else "value"
            refused.append(
                BadFrame(f"row without {missing}", json.dumps(row, ensure_ascii=False).encode()[:2000])
            )
            continue
        found.append(Measured(code, code, at, value))
    return found, refused


def describe(record: Record, seal: Seal | None = None) -> dict[str, Any]:
    """An envelope, and its rows when they can be opened, as plain JSON values."""
    opened = rows(record, seal)
    return {
        "app_id": record.app_id,
        "service_id": record.service_id,
        "service": record.service,
        "data_id": record.data_id,
        "district_code": record.district_code,
        "more": plain(record.more),
        **(
            {"sealed": plain(record.data), "reason": opened.reason}
            if isinstance(opened, BadFrame)
            else {"rows": plain(opened)}
        ),
        "departures": list(record.departures),
    }


_NAMES = {
    "appId": Term("应用标识", "application"),
    "serviceId": Term("服务标识（数据表）", "service, the table"),
    "dataId": Term("数据标识", "data id"),
    "districtCode": Term("行政区划代码", "district"),
    "data": Term("数据", "data"),
}
_SERVICES = {
    "sensors": "传感器",
    "gas_leak_points": "气体泄漏点",
    "equipment_media": "设备介质",
    "out_of_service_history": "停用记录",
    "daily_commitments": "每日安全承诺",
    "commitment_work_permits": "承诺中的特殊作业",
    "unit_run_states": "装置运行状态",
    "regional_alarms": "区域报警",
    "warning_results_query": "预警结果查询",
    "warning_feedback": "预警反馈",
}


def explain(record: Record) -> list[Row]:
    """The members of the envelope as they stand in it, each with the comma behind it."""
    laid = Rows(record.raw)
    text = record.raw.decode("utf-8")
    at = _BLANKS.match(text, text.index("{") + 1).end()  # type: ignore[union-attr]
    laid.add(len(text[:at].encode()), Term("开始", "begin"), "{")
    while text[at] == '"':
        key, after = _DECODER.raw_decode(text, at)
        colon = _BLANKS.match(text, after).end()  # type: ignore[union-attr]
        start = _BLANKS.match(text, colon + 1).end()  # type: ignore[union-attr]
        value, end = _DECODER.raw_decode(text, start)
        end = _COMMA.match(text, end).end()  # type: ignore[union-attr]
        laid.add(
            len(text[at:end].encode()),
            _NAMES.get(key, Term(key or "空", key or "empty")),
            _said_of(key, value),
        )
        at = end
    laid.add(len(text[at:-2].encode()), Term("结束", "end"), "}")
    laid.add(2, Term("结束符", "end mark"), "@@")
    return laid.rows


_DECODER = json.JSONDecoder()
_BLANKS, _COMMA = re.compile(r"[ \t\r\n]*"), re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")


def _said_of(key: str, value: Any) -> Term | str:
    if key == "serviceId" and value in SERVICES:
        name = SERVICES[value]
        return Term(f"{value} {_SERVICES[name]}", f"{value} {name}")
    if key == "data":
        if isinstance(value, list):
            return Term(f"{len(value)} 行，未加密", f"{len(value)} rows, not sealed")
        if isinstance(value, str) and value.lstrip()[:1] not in ("[", "{"):
            return Term(f"已加密，{len(value)} 个字符", f"sealed, {len(value)} characters")
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def time_ms(value: object) -> int | None:
    """UTC milliseconds of text (Beijing time unless it has an offset), or of a number of milliseconds or seconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value > 100_000_000_000 else value * 1000 if value > 0 else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if not text.isdecimal():
        try:
            return _milliseconds(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            pass
    for form in TIME_FORMS:
        try:
            return _milliseconds(datetime.strptime(text, form))
        except (ValueError, OverflowError):
            continue
    return None


def _milliseconds(at: datetime) -> int:
    return round((at if at.tzinfo else at.replace(tzinfo=CHINA)).timestamp() * 1000)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _record(segment: bytes) -> tuple[dict[str, Any] | str, int]:
    """The envelope in a segment and where it begins, or the reason why there is none."""
    if len(segment) > MAX_RECORD:
        return "too long", 0
    reason, at = "json", -1
    for _ in range(MAX_STARTS):
        at = segment.find(b"{", at + 1)
        if at < 0:
            break
        try:
            said = json.loads(segment[at:].decode("utf-8"))
        except UnicodeDecodeError:
            reason = "utf-8" if reason == "json" else reason
            continue
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict) and isinstance(said.get("serviceId"), str) and "data" in said:
            return said, at
        reason = "envelope"
    return reason, 0


def _of(said: dict[str, Any], raw: bytes) -> Record:
    app_id, service_id, data_id, district = (_said(said.get(name)) for name in _KNOWN[:4])
    more = {name: value for name, value in said.items() if name not in _KNOWN}
    return Record(app_id, service_id, data_id, district, said["data"], more, raw)


_KNOWN = ("appId", "serviceId", "dataId", "districtCode", "data")


def _said(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


CODEC = Codec(
    name="chem-json",
    standard="(provincial)",
    title=Term("危险化学品监测加密 JSON", "sealed JSON of hazardous chemicals"),
    feed=feed,
    describe=describe,
    explain=explain,
)
