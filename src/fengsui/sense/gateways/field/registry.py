"""Every field protocol that a gateway can listen for, by its name.  A new one is an adapter here and a codec."""

from fengsui.sense.gateways.field import chem_json, fire_water_pressure, gb26875, hj212, jt808, sl651
from fengsui.sense.gateways.field.adapter import Adapter

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        hj212.ADAPTER,
        sl651.ADAPTER,
        gb26875.ADAPTER,
        jt808.ADAPTER,
        chem_json.ADAPTER,
        fire_water_pressure.ADAPTER,
    )
}
UDP = frozenset(name for name, adapter in ADAPTERS.items() if adapter.udp)  # protocols also spoken over UDP
