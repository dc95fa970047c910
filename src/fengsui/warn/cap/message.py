"""An alert as CAP 1.2 means it: what the reader makes of any version, and what the writer takes.

Terms and order are those of the OASIS standard.  Points are (latitude, longitude) in WGS 84 as in CAP; radius in km,
altitude and ceiling in feet above mean sea level.  Instants keep the offset in which they were sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fengsui.sense.codecs.frame import Term

CAP_1_0 = "http://www.incident.com/cap/1.0"
CAP_1_1 = "urn:oasis:names:tc:emergency:cap:1.1"
CAP_1_2 = "urn:oasis:names:tc:emergency:cap:1.2"
VERSIONS = {CAP_1_0: "1.0", CAP_1_1: "1.1", CAP_1_2: "1.2"}

STATUSES = ("Actual", "Exercise", "System", "Test", "Draft")
MESSAGE_TYPES = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPES = ("Public", "Restricted", "Private")
CATEGORIES = (
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
)  # fmt: skip
RESPONSES = (
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None",
)  # fmt: skip
URGENCIES = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")

WORDS: dict[str, Term] = {
    "Actual": Term("实际", "actual"),
    "Exercise": Term("演练", "exercise"),
    "System": Term("系统", "system"),
    "Test": Term("测试", "test"),
    "Draft": Term("草稿", "draft"),
    "Alert": Term("首次发布", "alert"),
    "Update": Term("更新", "update"),
    "Cancel": Term("解除", "cancel"),
    "Ack": Term("确认收到", "acknowledgement"),
    "Error": Term("拒收", "error"),
    "Public": Term("公开", "public"),
    "Restricted": Term("限制范围", "restricted"),
    "Private": Term("指定对象", "private"),
    "Geo": Term("地质地震", "geophysical"),
    "Met": Term("气象水文", "meteorological"),
    "Safety": Term("公共安全", "safety"),
    "Security": Term("治安", "security"),
    "Rescue": Term("搜救", "rescue"),
    "Fire": Term("火灾", "fire"),
    "Health": Term("卫生", "health"),
    "Env": Term("环境", "environment"),
    "Transport": Term("交通", "transport"),
    "Infra": Term("基础设施", "infrastructure"),
    "CBRNE": Term("化生放核爆", "CBRNE"),
    "Other": Term("其他", "other"),
    "Shelter": Term("就地避险", "shelter"),
    "Evacuate": Term("撤离", "evacuate"),
    "Prepare": Term("做好准备", "prepare"),
    "Execute": Term("按预案行动", "execute a plan"),
    "Avoid": Term("避开", "avoid"),
    "Monitor": Term("关注", "monitor"),
    "Assess": Term("评估", "assess"),
    "AllClear": Term("警报解除", "all clear"),
    "None": Term("无需行动", "no action"),
    "Immediate": Term("立即", "immediate"),
    "Expected": Term("很快", "expected"),
    "Future": Term("将来", "future"),
    "Past": Term("已过去", "past"),
    "Unknown": Term("不明", "unknown"),
    "Extreme": Term("特别严重", "extreme"),
    "Severe": Term("严重", "severe"),
    "Moderate": Term("较重", "moderate"),
    "Minor": Term("一般", "minor"),
    "Observed": Term("已发生", "observed"),
    "Likely": Term("很可能", "likely"),
    "Possible": Term("可能", "possible"),
    "Unlikely": Term("不太可能", "unlikely"),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """valueName and value of an eventCode, parameter or geocode."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message.  ``sent`` is copied from it letter for letter."""

    sender: str
    identifier: str
    sent: str


Point = tuple[float, float]  # latitude, longitude


@dataclass(frozen=True, slots=True)
class Circle:
    centre: Point
    radius_km: float


@dataclass(frozen=True, slots=True)
class Area:
    desc: str
    polygons: tuple[tuple[Point, ...], ...] = ()
    circles: tuple[Circle, ...] = ()
    geocodes: tuple[Pair, ...] = ()
    altitude_ft: float | None = None
    ceiling_ft: float | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    desc: str
    mime_type: str
    size: int | None = None
    uri: str = ""
    deref_uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Info:
    """``language`` is en-US where a message says nothing, as the standard has it."""

    categories: tuple[str, ...]
    event: str
    urgency: str
    severity: str
    certainty: str
    language: str = "en-US"
    responses: tuple[str, ...] = ()
    audience: str = ""
    event_codes: tuple[Pair, ...] = ()
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[Pair, ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    identifier: str
    sender: str
    sent: datetime
    status: str
    msg_type: str
    scope: str
    sent_text: str = ""  # as it came; "" for one that is to be written
    source: str = ""
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: tuple[str, ...] = ()
    infos: tuple[Info, ...] = ()

    @property
    def key(self) -> tuple[str, str, datetime]:
        """What makes a message the same as one that came before."""
        return self.sender, self.identifier, self.sent

    def expires(self) -> datetime | None:
        """When the last of its infos ends; None when one of them says nothing, or there is none."""
        ends = [info.expires for info in self.infos]
        return None if not ends or None in ends else max(end for end in ends if end is not None)

    def info(self, language: str) -> Info | None:
        """The info for a reader of ``language`` ("zh", "en"): in that language, else the first."""
        for info in self.infos:
            if info.language.lower().split("-")[0] == language:
                return info
        return self.infos[0] if self.infos else None

    def areas(self) -> Iterator[Area]:
        for info in self.infos:
            yield from info.areas


def rank(info: Info) -> tuple[int, int, int]:
    """For sorting: the worst first, by severity, then urgency, then certainty."""
    return (
        _place(SEVERITIES, info.severity),
        _place(URGENCIES, info.urgency),
        _place(CERTAINTIES, info.certainty),
    )


def _place(words: tuple[str, ...], word: str) -> int:
    return words.index(word) if word in words else len(words)
