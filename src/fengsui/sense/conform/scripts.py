"""Every script by the name of its protocol.  A new one is a module here and one entry."""

from fengsui.sense.conform import gb26875, hj212, jt808, modbus, sl651
from fengsui.sense.conform.case import Script

SCRIPTS: dict[str, Script] = {
    script.codec.name: script
    for script in (hj212.SCRIPT, sl651.SCRIPT, gb26875.SCRIPT, jt808.SCRIPT, modbus.SCRIPT)
}
