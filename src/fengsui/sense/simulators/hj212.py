"""A data logger of HJ 212-2017: reports, answers to commands, re-sends until confirmed, and named faults."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fengsui.sense.codecs import hj212
from fengsui.sense.codecs.frame import Term
from fengsui.sense.codecs.hj212 import CHINA, Frame
from fengsui.sense.simulators.device import Fault, Kind, Options
from fengsui.sense.simulators.reporter import Reporter, stream_faults

ST = "32"
FACTORS = {"w01018": (20.0, 80.0), "w01001": (6.5, 8.5), "w21003": (0.5, 8.0), "w00000": (5.0, 60.0)}
MOST_ROWS = 400
INTERVALS = range(30, 3601)
PASSWORD = "123456"  # noqa: S105  the example of the standard


def _fails(*ids: str) -> frozenset[str]:
    return frozenset(f"hj212.{one}" for one in ids)


FAULTS = {
    **stream_faults(
        "hj212",
        ("hostile.noise", "hostile.overlong", "hostile.empty_names", "hostile.burst"),
        slow="stream.in_pieces",
        two="stream.two_at_once",
        redial="hostile.half",
    ),
    "bad-crc": Fault(
        Term("实时数据 CRC 错误", "real-time data with a wrong CRC"),
        _fails(
            "upload.arrives",
            "upload.head",
            "upload.values",
            "upload.confirmed",
            "poll.realtime",
            "frames.all_good",
        ),
    ),
    "lower-case-crc": Fault(
        Term("CRC 用小写", "CRC in lower case"), _fails("upload.head", "time.notice", "frames.all_good")
    ),
    "short-mn": Fault(Term("MN 只有 14 位", "MN of 14 digits"), _fails("upload.head", "time.notice")),
    "unknown-factor": Fault(
        Term("实时数据用未知编码", "real-time data under an unknown code"),
        _fails("upload.values", "poll.realtime"),
    ),
    "duplicate": Fault(Term("数据发两次", "data are sent twice"), _fails("upload.confirmed")),
    "no-resend": Fault(Term("从不重发", "never sends again"), _fails("upload.sent_again")),
    "no-result": Fault(
        Term("没有执行结果 9012", "no result 9012"),
        _fails(
            "time.get",
            "time.set",
            "interval.get",
            "interval.set",
            "poll.minutes",
            "poll.hours",
            "stream.in_pieces",
            "bad.interval",
        ),
    ),
    "wrong-order": Fault(
        Term("先执行结果后数据", "the result before the data"),
        _fails("time.get", "interval.get", "poll.minutes", "poll.hours"),
    ),
    "no-answer": Fault(
        Term("不应答 1061", "no answer to 1061"), _fails("interval.get", "stream.two_at_once")
    ),
    "no-clock": Fault(Term("1011 不带时间", "1011 without a time"), _fails("time.get", "time.set")),
    "deaf-clock": Fault(Term("不接受校时", "the clock is not set"), _fails("time.set")),
    "repeats-notice": Fault(Term("不断重复 1013", "repeats 1013 for ever"), _fails("time.notice")),
    "odd-interval": Fault(Term("间隔为 5 秒", "an interval of 5 s"), _fails("interval.get")),
    "forgets-interval": Fault(Term("不保存间隔", "forgets the interval"), _fails("interval.set")),
    "no-stop": Fault(Term("不理会 2012", "does not hear 2012"), _fails("poll.stop")),
    "stale-history": Fault(
        Term("历史数据不在所求时段", "history of another span"), _fails("poll.minutes", "poll.hours")
    ),
    "lost-packet": Fault(Term("分包缺一包", "a packet is left out"), _fails("packets")),
    "strange-heartbeat": Fault(Term("心跳用他人 MN", "heart-beat of another MN"), _fails("heartbeat")),
    "any-crc": Fault(Term("不检查 CRC", "does not check the CRC"), _fails("bad.crc", "bad.modbus_crc")),
    "any-length": Fault(
        Term("不检查长度", "does not check the length"), _fails("bad.length_short", "bad.length_long")
    ),
    "any-command": Fault(Term("接受未知 CN", "takes any CN"), _fails("bad.cn")),
    "any-password": Fault(Term("不检查 PW", "does not check PW"), _fails("bad.password")),
    "any-mn": Fault(Term("不检查 MN", "does not check MN"), _fails("bad.mn")),
    "any-interval": Fault(Term("接受越界间隔", "takes any interval"), _fails("bad.interval")),
    "dies-of-empty": Fault(
        Term("收到空字段帧后失聪", "deaf after a frame of empty fields"),
        _fails("hostile.empty_names", "hostile.burst"),
    ),
}


class Logger(Reporter):
    """One data logger.  What is unconfirmed is kept as sent, with how often it was."""

    tolerates = {"any-crc": "crc", "any-length": "length"}

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.password = options.password or PASSWORD
        self.mn = (
            options.identity or f"53494D{options.number:018X}"
        )  # "SIM" in ASCII: nobody takes it for a real one
        if self.fault == "short-mn":
            self.mn = self.mn[-14:]
        self.interval = 5 if self.fault == "odd-interval" else max(30, round(options.period_s))
        self.offset_ms = -86_400_000 if self.fault == "deaf-clock" else 0
        self.data_ms = self.qn_ms = 0

    def greet(self, now_ms: int) -> list[bytes]:
        said = [self._lettered(lambda: self._own("1013", ""))]
        if self.fault == "strange-heartbeat":
            said.append(self._own("9015", "", mn="F" * 24, flag=8))
        return said

    def _lettered(self, make: Callable[[], bytes]) -> bytes:
        """A frame; of a device with a CRC in lower case one whose CRC has a letter, so that it shows."""
        frame = make()
        while self.fault == "lower-case-crc" and frame[-6:-2].isdigit():
            frame = make()
        return frame

    def deafens(self, frame: Frame) -> bool:
        return self.fault == "dies-of-empty" and not frame.get("QN") and not frame.get("MN")

    def obeys_by(self, answers: list[bytes]) -> bool:
        return len(answers) > 1  # a single 9011 refuses

    # -- reports --------------------------------------------------------------------------------------------------

    def _clock(self, now_ms: int) -> datetime:
        return datetime.fromtimestamp((now_ms + self.offset_ms) / 1000, CHINA)

    def _qn(self) -> str:
        """A request number of its own: the clock, but never twice the same."""
        self.qn_ms = max(self.qn_ms + 1, self.report_ms + self.offset_ms)
        at = datetime.fromtimestamp(self.qn_ms / 1000, CHINA)
        return f"{at:%Y%m%d%H%M%S}{self.qn_ms % 1000:03d}"

    def _own(self, cn: str, cp: str, *, mn: str = "", flag: int = 5, qn: str = "", st: str = ST) -> bytes:
        return self._spoilt(
            hj212.message(
                qn=qn or self._qn(),
                st=st,
                cn=cn,
                pw=self.password,
                mn=mn or self.mn,
                flag=flag,
                cp=f"&&{cp}&&",
            )
        )

    def _spoilt(self, frame: bytes) -> bytes:
        if self.fault == "lower-case-crc":
            return frame[:-6] + frame[-6:-2].lower() + b"\r\n"
        return frame + (b"\x00\xff?" if self.fault == "noise" else b"")

    def _values(self, at_ms: int, field: str) -> str:
        told = []
        for code, (low, high) in FACTORS.items():
            value = self.options.values.at(code, at_ms, low, high)
            told.append(f"{code}-{field}={value:.3f},{code}-Flag=N")
        return ";".join(told)

    def report(self, now_ms: int) -> list[bytes]:
        """Real-time data; each report has a DataTime of its own, though reports come faster than seconds."""
        self.data_ms = max(self.data_ms + 1000, (now_ms + self.offset_ms) // 1000 * 1000)
        at = datetime.fromtimestamp(self.data_ms / 1000, CHINA)
        body = self._values(self.data_ms, "Rtd")
        if self.fault == "unknown-factor":
            body = body.replace("w01018", "zz9999")
        told = f"DataTime={at:%Y%m%d%H%M%S};{body}"
        frame = self._lettered(lambda: self._own("2011", told, qn=self._qn()))
        qn = frame[9:26].decode()
        if self.fault == "bad-crc":
            frame = frame[:-6] + f"{int(frame[-6:-2], 16) ^ 0x1111:04X}".encode() + b"\r\n"
        self.awaits(qn, frame, now_ms)
        return [frame, frame] if self.fault == "duplicate" else [frame]

    # -- commands -------------------------------------------------------------------------------------------------

    def obey(self, frame: Frame, now_ms: int) -> list[bytes]:
        cn, qn = frame.get("CN") or "", frame.get("QN") or ""
        if cn in ("9013", "9014"):
            self.unconfirmed.pop(qn, None)
            return []
        if not qn or (frame.get("MN") != self.mn and self.fault != "any-mn"):
            return []
        if frame.get("PW") != self.password and self.fault != "any-password":
            return [self._spoilt(hj212.answer_request(frame, 3))]
        if cn == "2012":
            if self.fault == "no-stop":
                return []
            self.streaming = False
            return [self._spoilt(hj212.answer_notice(frame))]
        if cn == "1061" and self.fault == "no-answer":
            return []
        known = cn in ("1011", "1012", "1061", "1062", "2011", "2051", "2061")
        if not known and self.fault != "any-command":
            return [self._spoilt(hj212.answer_request(frame, 8))]
        data, result = self._carry_out(cn, qn, frame, now_ms)
        done = (
            []
            if self.fault == "no-result" or cn == "2011"
            else [self._spoilt(hj212.answer_executed(frame, result))]
        )
        said = [self._spoilt(hj212.answer_request(frame, 1))]
        said += [*done, *data] if self.fault == "wrong-order" else [*data, *done]
        if self.fault == "repeats-notice":
            said.insert(0, self._own("1013", ""))
        return said

    def _carry_out(self, cn: str, qn: str, frame: Frame, now_ms: int) -> tuple[list[bytes], int]:
        """What a request brings and its ExeRtn."""
        given = {key: value or "" for group in frame.cp for key, value in group}
        if cn == "1011":
            at = self._clock(now_ms)
            told = "" if self.fault == "no-clock" else f"SystemTime={at:%Y%m%d%H%M%S}"
            return [self._own("1011", told, qn=qn, flag=4)], 1
        if cn == "1012":
            wanted = hj212.parse_time(given.get("SystemTime"))
            if wanted is None:
                return [], 3
            if self.fault != "deaf-clock":
                self.offset_ms = round(wanted.timestamp() * 1000) - now_ms
            return [], 1
        if cn == "1061":
            return [self._own("1061", f"RtdInterval={self.interval}", qn=qn, flag=4)], 1
        if cn == "1062":
            text = given.get("RtdInterval", "")
            seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
            if seconds not in INTERVALS and self.fault != "any-interval":
                return [], 3
            if self.fault != "forgets-interval":
                self.interval = seconds
            return [], 1
        if cn == "2011":
            self.streaming = True
            return self.report(now_ms), 1
        if cn in ("2051", "2061"):
            return self._history(cn, given, 60 if cn == "2051" else 3600)
        return [], 1

    def _history(self, cn: str, given: dict[str, str], step_s: int) -> tuple[list[bytes], int]:
        """Values of each whole minute or hour of the span, each instant in two packets."""
        begin, end = (hj212.parse_time(given.get(name)) for name in ("BeginTime", "EndTime"))
        if begin is None or end is None or end < begin:
            return [], 3
        first = begin.replace(second=0) if cn == "2051" else begin.replace(minute=0, second=0)
        if first < begin:
            first += timedelta(seconds=step_s)
        if self.fault == "stale-history":
            first -= timedelta(days=30)
            end -= timedelta(days=30)
        instants: list[datetime] = []
        while first <= end and len(instants) < MOST_ROWS:
            instants.append(first)
            first += timedelta(seconds=step_s)
        if not instants:
            return [], 100
        said: list[bytes] = []
        for at in instants:
            begins = f"DataTime={at:%Y%m%d%H%M%S};"
            told = self._values(round(at.timestamp() * 1000), "Avg").split(";")
            halves = [";".join(told[: len(told) // 2]), ";".join(told[len(told) // 2 :])]
            said += hj212.split_message(
                qns=[self._qn(), self._qn()],
                st=ST,
                cn=cn,
                pw=self.password,
                mn=self.mn,
                packets=[f"&&{begins}{half}&&" for half in halves],
            )
        if self.fault == "lost-packet":
            del said[1]
        return [self._spoilt(one) for one in said], 1


KIND = Kind(hj212.CODEC, Logger, FAULTS)
