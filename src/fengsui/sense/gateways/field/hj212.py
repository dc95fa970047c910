"""HJ 212 in conversation: MN and PW say who speaks, Flag says whether it wants an answer.

Uploads are answered by 9014, notices by 9013 (6.4 and table 9); who asks for the time (1013) also gets it (1012).  Each
packet of a split message counts by itself, so its own answer can wait for its own readings; one that does not repeat
DataTime has that of the packets before it.  Source: HJ 212-2017, 6.3, 6.4, tables 6 and 7, annex C.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import hj212
from fengsui.sense.gateways.field.adapter import (
    UNKNOWN_DEVICE,
    WRONG_PASSWORD,
    Adapter,
    Asked,
    BadCommand,
    Find,
    Heard,
    Identity,
    Settled,
    number,
    text,
    whole,
)

NOTICES = frozenset(("1013", "2012", "2022"))
RESULTS = frozenset(("9011", "9012"))
ASKS_TIME = "1013"
ST_SYSTEM = "91"
WRONG_PW, WRONG_MN = 3, 4  # of QnRtn, table 6
SPLIT_AT_ONCE = 64  # messages whose DataTime is remembered
PASSWORD = re.compile(rb"((?:PW|NewPW)=)([^;&,]*)")
TIME = re.compile(r"\d{14}")


class Session:
    """One connection: usually one logger, sometimes several behind a concentrator."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._times: OrderedDict[tuple[Any, ...], str] = OrderedDict()
        self._speaks: dict[str, tuple[str, int]] = {}  # MN → ST and version bits of its Flag, as last heard
        self._qn = 0
        self._asked: dict[str, str] = {}  # QN → CN of requests without a result

    def take(self, frame: hj212.Frame, now_ms: int) -> Heard:
        name, cn = frame.get("MN") or "", frame.get("CN") or ""
        identity = self._find(name)
        heard = Heard(frame.raw, name, identity)
        if identity is None or not identity.admits(frame.get("PW") or ""):
            heard.problem = WRONG_PASSWORD if identity else UNKNOWN_DEVICE
            if frame.answer_needed:
                heard.answers.append(hj212.answer_request(frame, WRONG_PW if identity else WRONG_MN))
            return heard
        if (st := frame.get("ST") or "") != ST_SYSTEM and re.fullmatch(r"\d{2}", st, re.ASCII):
            self._speaks[name] = (st, frame.flag & ~3)
        qn = frame.get("QN") or next((v or "" for g in frame.cp for k, v in g if k == "QN"), "")
        if cn in RESULTS:
            self._settle(heard, frame, cn, qn)
            return heard
        timed = self._timed(frame)
        if timed is None:
            heard.refused.append(
                BadFrame("incomplete", frame.raw, "a packet without DataTime, and none before it")
            )
            return heard
        heard.readings = hj212.measured(timed)
        if qn in self._asked or cn in self._asked.values():
            key = qn if qn in self._asked else next(q for q, c in self._asked.items() if c == cn)
            said = {"data": [{k: v for k, v in group} for group in frame.cp]}
            heard.settled.append(Settled((name, key), False, True, said))
        if frame.answer_needed:
            heard.answers.append(hj212.answer_notice(frame) if cn in NOTICES else hj212.answer_data(frame))
        if cn == ASKS_TIME:
            heard.answers.append(self.ask(identity, "set_time", {}, now_ms).data)
        return heard

    def deny(self, refused: BadFrame, now_ms: int) -> list[bytes]:
        return []  # the sender repeats what nobody answered (6.4)

    def end(self, now_ms: int) -> list[BadFrame]:
        return []

    def ask(self, identity: Identity, command: str, arguments: Mapping[str, Any], now_ms: int) -> Asked:
        made = _COMMANDS.get(command)
        if made is None:
            raise BadCommand(f"HJ 212 has the commands {', '.join(_COMMANDS)}, not {command}")
        cn, cp = made(arguments, now_ms)
        st, version = self._speaks.get(identity.identity, ("32", 4))
        qn = self._number(now_ms)
        data = hj212.message(
            qn=qn, st=st, cn=cn, pw=identity.secret, mn=identity.identity, flag=version | 1, cp=f"&&{cp}&&"
        )
        self._asked[qn] = cn
        while len(self._asked) > SPLIT_AT_ONCE:
            self._asked.pop(next(iter(self._asked)))
        return Asked(data, (identity.identity, qn))

    def _settle(self, heard: Heard, frame: hj212.Frame, cn: str, qn: str) -> None:
        field = "QnRtn" if cn == "9011" else "ExeRtn"
        result = next((v for g in frame.cp for k, v in g if k == field), None) or ""
        ok = result == "1"
        final = cn == "9012" or not ok
        if final:
            self._asked.pop(qn, None)
        heard.settled.append(Settled((heard.name, qn), final, ok, {field: result}))

    def _timed(self, frame: hj212.Frame) -> hj212.Frame | None:
        """The frame, a packet without DataTime with that of its message; None when that is not known."""
        part = hj212.part_of(frame)
        if part is None:
            return frame
        own = next((v for g in frame.cp for k, v in g if k == "DataTime" and v), None)
        if own is not None:
            self._times[part.key] = own
            self._times.move_to_end(part.key)
            while len(self._times) > SPLIT_AT_ONCE:
                self._times.popitem(last=False)
            return frame
        known = self._times.get(part.key)
        return None if known is None else frame._replace(cp=((("DataTime", known),), *frame.cp))

    def _number(self, now_ms: int) -> str:
        """A QN that no other request of this connection has: the time in milliseconds, never the same twice."""
        self._qn = max(self._qn + 1, now_ms)
        return _stamp(self._qn, milliseconds=True)


def _stamp(at_ms: int, *, milliseconds: bool = False) -> str:
    at = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(hj212.CHINA)
    return f"{at:%Y%m%d%H%M%S}" + (f"{at_ms % 1000:03d}" if milliseconds else "")


def _time(arguments: Mapping[str, Any], name: str) -> str:
    value = text(arguments, name)
    if not TIME.fullmatch(value) or hj212.parse_time(value) is None:
        raise BadCommand(f"{name} is YYYYMMDDhhmmss in Beijing time, not {value!r}")
    return value


def _span(cn: str) -> "_Make":
    def make(arguments: Mapping[str, Any], now_ms: int) -> tuple[str, str]:
        begin, end = _time(arguments, "begin"), _time(arguments, "end")
        return cn, f"BeginTime={begin},EndTime={end}"

    return make


def _raw(arguments: Mapping[str, Any], now_ms: int) -> tuple[str, str]:
    cn, cp = text(arguments, "cn"), text(arguments, "cp", "")
    if not re.fullmatch(r"\d{4}", cn, re.ASCII) or "&&" in cp or "##" in cp or len(cp) > hj212.MAX_CP:
        raise BadCommand("cn is four digits, and cp has neither && nor ##")
    return cn, cp


def _limits(arguments: Mapping[str, Any], now_ms: int) -> tuple[str, str]:
    factor, low, high = _factor(arguments), number(arguments, "low"), number(arguments, "high")
    return "1022", f"PolId={factor};{factor}-LowValue={low:g},{factor}-UpValue={high:g}"


def _factor(arguments: Mapping[str, Any]) -> str:
    factor = text(arguments, "factor")
    if not re.fullmatch(r"[A-Za-z0-9]{1,10}", factor, re.ASCII):
        raise BadCommand(f"{factor!r} is no factor code")
    return factor


_Make = Callable[[Mapping[str, Any], int], tuple[str, str]]
_COMMANDS: dict[str, _Make] = {
    "set_time": lambda a, now: ("1012", f"SystemTime={_stamp(now)}"),
    "get_time": lambda a, now: ("1011", ""),
    "poll": lambda a, now: ("2011", ""),
    "stop": lambda a, now: ("2012", ""),
    "minutes": _span("2051"),
    "hours": _span("2061"),
    "days": _span("2031"),
    "set_interval": lambda a, now: ("1062", f"RtdInterval={whole(a, 'seconds', 30, 3600)}"),
    "set_minute_interval": lambda a, now: ("1064", f"MinInterval={whole(a, 'minutes', 1, 30)}"),
    "set_threshold": _limits,  # HJ/T 212-2005; the edition of 2017 has none
    "sample": lambda a, now: ("3012", f"PolId={_factor(a)}"),
    "request": _raw,
}
ADAPTER = Adapter(
    hj212.CODEC,
    Session,
    {
        "set_time": (),
        "get_time": (),
        "poll": (),
        "stop": (),
        "minutes": ("begin", "end"),
        "hours": ("begin", "end"),
        "days": ("begin", "end"),
        "set_interval": ("seconds",),
        "set_minute_interval": ("minutes",),
        "set_threshold": ("factor", "low", "high"),
        "sample": ("factor",),
        "request": ("cn", "cp"),
    },
    longest=10_100,
    masked=lambda data: PASSWORD.sub(lambda found: found[1] + b"*" * len(found[2]), data),
)
