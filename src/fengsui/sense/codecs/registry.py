"""Every field protocol by its name.  A new one is a file of this folder and one entry here."""

from fengsui.sense.codecs import chem_json, fire_water_pressure, gb26875, hj212, sl651
from fengsui.sense.codecs.frame import Codec, Term, ending
from fengsui.sense.codecs.gb28181 import explain as gb28181
from fengsui.sense.codecs.jt808 import frame as jt808_frame
from fengsui.sense.codecs.jt808 import readings as jt808
from fengsui.sense.codecs.modbus import framing as modbus
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
            ending(jt808_frame.feed, jt808_frame.FLAG),
            jt808.explain,
            measured=jt808.readings,
        ),
        Codec(
            "modbus-tcp",
            "Modbus/TCP",
            Term("Modbus TCP", "Modbus over TCP"),
            ending(modbus.feed_tcp),
            modbus.explain,
        ),
        Codec(
            "modbus-rtu",
            "Modbus RTU",
            Term("Modbus RTU", "Modbus RTU"),
            ending(modbus.feed_rtu),
            modbus.explain,
        ),
        Codec(
            "modbus-ascii",
            "Modbus ASCII",
            Term("Modbus ASCII", "Modbus ASCII"),
            ending(modbus.feed_ascii),
            modbus.explain,
        ),
        Codec(
            "sparkplug",
            "Sparkplug B 3.0",
            Term("Sparkplug B 载荷", "Sparkplug B payload"),
            ending(sparkplug.feed),
            sparkplug.explain,
        ),
        Codec(
            "chem-json",
            "(provincial)",
            Term("危险化学品监测加密 JSON", "sealed JSON of hazardous chemicals"),
            ending(chem_json.feed),
            chem_json.explain,
        ),
        Codec(
            "fire-water-pressure",
            "(vendor)",
            Term("消防水压终端", "fire-water pressure terminal"),
            ending(fire_water_pressure.feed),
            fire_water_pressure.explain,
            measured=fire_water_pressure.readings,
        ),
    )
}
