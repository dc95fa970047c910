"""Every simulated device by the name of its protocol.  A new one is a module here and one entry."""

from fengsui.sense.simulators import gb26875, hj212, jt808, modbus, sl651
from fengsui.sense.simulators.device import Kind

KINDS: dict[str, Kind] = {
    kind.codec.name: kind for kind in (hj212.KIND, sl651.KIND, gb26875.KIND, jt808.KIND, modbus.KIND)
}
