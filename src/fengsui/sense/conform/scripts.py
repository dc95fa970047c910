"""Every script by the name of its protocol.  A new one is a module here and one entry."""

from fengsui.sense.conform import hj212, modbus
from fengsui.sense.conform.case import Script

SCRIPTS: dict[str, Script] = {script.codec.name: script for script in (hj212.SCRIPT, modbus.SCRIPT)}
