"""The topics of SensorThings over MQTT: ``v1.1/Datastreams(7)/Observations``, both ways, and those of MultiDatastreams.
OGC 18-088, 13 and 14.

The standard has one topic for what a client says and for what it hears.  The server keeps the two apart: it maps what
clients publish there to SAID, and what we publish to TELL comes out there (``MAPPINGS``, part of its configuration).
A dot of a topic is ``//`` in the server's subjects; permissions to publish are for the mapped subject.
"""

ACCOUNT = "FENGSUI"  # of the bus: devices and roles, apart from the system's own
SAID, TELL, HEARD = "sta.said", "sta.tell", "v1//1"
MAPPINGS = {
    f"{HEARD}.*.Observations": f"{SAID}.{{{{wildcard(1)}}}}.Observations",
    f"{TELL}.*.Observations": f"{HEARD}.{{{{wildcard(1)}}}}.Observations",
}


def said(datastream: int, kind: str = "Datastreams") -> str:
    """The subject on which a device's observations of a datastream (or of MultiDatastreams) arrive."""
    return f"{SAID}.{kind}({datastream}).Observations"


def heard(datastream: int, kind: str = "Datastreams") -> str:
    """The subject of the topic that subscribers of a datastream (or of MultiDatastreams) listen to."""
    return f"{HEARD}.{kind}({datastream}).Observations"
