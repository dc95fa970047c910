"""Sparkplug topics: who speaks of what.  Source: Sparkplug 3.0, chapter 4."""

from dataclasses import dataclass

from fengsui.base.errors import BadFrame

NAMESPACE = "spBv1.0"
NODE = ("NBIRTH", "NDEATH", "NDATA", "NCMD")
DEVICE = ("DBIRTH", "DDEATH", "DDATA", "DCMD")
STATE = "STATE"


@dataclass(frozen=True, slots=True)
class Topic:
    """``device`` is empty for the messages of an edge node, ``node`` the host's id and ``group`` empty for STATE."""

    kind: str
    group: str
    node: str
    device: str = ""

    def __str__(self) -> str:
        if self.kind == STATE:
            return f"{NAMESPACE}/{STATE}/{self.node}"
        return "/".join(part for part in (NAMESPACE, self.group, self.kind, self.node, self.device) if part)


def parse(topic: str) -> Topic | BadFrame:
    """What ``topic`` says, or why it is no topic of Sparkplug.  The old ``STATE/<host>`` is read too.  Never raises."""
    parts = topic.split("/")
    sent = topic.encode("utf-8", "replace")
    if "" in parts or any(letter in topic for letter in "+#"):
        return BadFrame("topic level", sent)
    if parts[0] == STATE and len(parts) == 2:
        return Topic(STATE, "", parts[1])
    if parts[0] != NAMESPACE:
        return BadFrame("topic namespace", sent)
    if len(parts) == 3 and parts[1] == STATE:
        return Topic(STATE, "", parts[2])
    if len(parts) == 4 and parts[2] in NODE:
        return Topic(parts[2], parts[1], parts[3])
    if len(parts) == 5 and parts[2] in DEVICE:
        return Topic(parts[2], parts[1], parts[3], parts[4])
    return BadFrame("topic message type", sent)
