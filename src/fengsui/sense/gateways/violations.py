"""What the bus itself refuses: lines of nats-server's log that tell of a refused MQTT publish.

MQTT 3.1.1 cannot refuse a publish; the server closes the connection or, for a topic, confirms it and writes to its
log.  The role that reads the log (``bus``) says so on SUBJECT, and a gateway acts on it (``sessions``).
"""

import re

import msgspec

from fengsui.sense.codecs.readings_json import text

SUBJECT = "refusals.mqtt"  # core NATS: whoever reads the server's log says here what the gateway acts on

_LINE = re.compile(
    r"\[ERR\] (?P<host>\S+):\d+ - mid(?:_ws)?:(?P<cid>\d+) - "
    r'(?:"(?P<client>(?:[^"\\]|\\.)*)" - )?'
    r"(?P<what>Publish Violation - Subject (?P<subject>.*)"
    r"|maximum payload exceeded: (?P<size>.*)"
    r"|QoS=2 is disabled.*)$"
)


class Violation(msgspec.Struct):
    """One publish over MQTT that the server refused.  ``cid`` is the server's number of the connection."""

    cid: int
    kind: str  # "topic", "size" or "qos"
    host: str
    client_id: str
    detail: str


def parse_violation(line: str) -> Violation | None:
    """The refused MQTT publish that a line of nats-server's log tells of; None for any other line.

    What a device chose itself (client id, topic) comes quoted by the server, so it cannot make up a line; a ``%`` in
    it can only spoil the rest of its own line.
    """
    found = _LINE.search(line.rstrip("\r\n"))
    if found is None:
        return None
    kind = "topic" if found["subject"] is not None else "size" if found["size"] is not None else "qos"
    detail = found["subject"] if kind == "topic" else found["size"] if kind == "size" else "QoS 2"
    return Violation(
        int(found["cid"]), kind, found["host"], text(found["client"] or "", 64), text(detail.strip('"'))
    )
