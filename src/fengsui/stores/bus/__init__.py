"""In: an address of NATS.  Out: a connection that comes back, the streams, and which role is alive.

Must never: look inside a message.
"""

from fengsui.stores.bus.connection import connect
from fengsui.stores.bus.heartbeat import Heartbeat, read_roles
from fengsui.stores.bus.room import Disk, Looker, Room
from fengsui.stores.bus.streams import LIVE, READINGS, ensure, partition_of, subject_for

__all__ = [
    "LIVE",
    "READINGS",
    "Disk",
    "Heartbeat",
    "Looker",
    "Room",
    "connect",
    "ensure",
    "partition_of",
    "read_roles",
    "subject_for",
]
