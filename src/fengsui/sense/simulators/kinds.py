"""Every simulated device by the name of its protocol.  A new one is a module here and one entry."""

from fengsui.sense.simulators import hj212, modbus
from fengsui.sense.simulators.device import Kind

KINDS: dict[str, Kind] = {kind.codec.name: kind for kind in (hj212.KIND, modbus.KIND)}
