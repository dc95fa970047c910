"""Every field protocol that a gateway can listen for, by its name.  A new one is an adapter here and a codec."""

from fengsui.sense.gateways.field import hj212
from fengsui.sense.gateways.field.adapter import Adapter

ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in (hj212.ADAPTER,)}
