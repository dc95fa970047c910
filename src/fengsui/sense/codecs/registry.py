"""Every field protocol by its name.  A new one is a file of this folder and one entry here."""

from fengsui.sense.codecs import chem_json, fire_water_pressure, gb26875, hj212, sl651
from fengsui.sense.codecs.frame import Codec, Term
from fengsui.sense.codecs.gb28181 import explain as gb28181
from fengsui.sense.codecs.jt808 import explain as jt808
from fengsui.sense.codecs.jt808 import frame as jt808_frame
from fengsui.sense.codecs.jt808 import parts as jt808_parts
from fengsui.sense.codecs.jt808.readings import readings as jt808_readings
from fengsui.sense.codecs.modbus import explain as modbus
from fengsui.sense.codecs.modbus import framing
from fengsui.sense.codecs.sparkplug import explain as sparkplug_explain
from fengsui.sense.codecs.sparkplug import payload as sparkplug

CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        hj212.CODEC,
        sl651.CODEC,
        gb26875.CODEC,
        gb28181.CODEC,
        Codec(
            "jt808",
            "JT/T 808-2013, 2019",
            Term("道路运输车辆卫星定位系统终端通信", "terminals of road vehicles"),
            jt808_frame.feed,
            jt808.describe,
            jt808.explain,
            jt808_readings,
            jt808_parts.part_of,
            jt808_parts.join,
        ),
        Codec(
            "modbus-tcp",
            "Modbus/TCP",
            Term("Modbus TCP", "Modbus over TCP"),
            lambda buffer, ended=False: framing.feed_tcp(buffer, ended=ended),
            modbus.describe,
            modbus.explain,
        ),
        Codec(
            "modbus-rtu",
            "Modbus RTU",
            Term("Modbus RTU", "Modbus RTU"),
            lambda buffer, ended=False: framing.feed_rtu(buffer, ended=ended, patient=True),
            modbus.describe,
            modbus.explain,
        ),
        Codec(
            "modbus-ascii",
            "Modbus ASCII",
            Term("Modbus ASCII", "Modbus ASCII"),
            lambda buffer, ended=False: framing.feed_ascii(buffer, ended=ended),
            modbus.describe,
            modbus.explain,
        ),
        Codec(
            "sparkplug",
            "Sparkplug B 3.0",
            Term("Sparkplug B 载荷", "Sparkplug B payload"),
            sparkplug.feed,
            sparkplug_explain.describe,
            sparkplug_explain.explain,
        ),
        chem_json.CODEC,
        fire_water_pressure.CODEC,
    )
}
