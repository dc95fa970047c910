"""The words of GB/T 26875.3-2011: commands, types, systems, parts, states and analogue values, in Chinese and English.

Numbers and names of systems, parts, types and analogue values were compared with open code; bits of states and
operations and the bodies of the downlink types are from memory (docs/protocols/gb26875.md says which).
"""

from dataclasses import dataclass

from fengsui.sense.codecs.frame import Term

COMMANDS = {
    0: Term("预留", "reserved"),
    1: Term("控制命令", "control"),
    2: Term("发送数据", "send data"),
    3: Term("确认", "confirm"),
    4: Term("请求", "request"),
    5: Term("应答", "answer"),
    6: Term("否认", "deny"),
}

TYPES = {
    1: Term("上传建筑消防设施系统状态", "state of a fire system"),
    2: Term("上传建筑消防设施部件运行状态", "state of a part"),
    3: Term("上传建筑消防设施部件模拟量值", "analogue value of a part"),
    4: Term("上传建筑消防设施操作信息", "operation of a fire system"),
    5: Term("上传建筑消防设施软件版本", "software version of a fire system"),
    6: Term("上传建筑消防设施系统配置情况", "configuration of a fire system"),
    7: Term("上传建筑消防设施部件配置情况", "configuration of a part"),
    8: Term("上传建筑消防设施系统时间", "clock of a fire system"),
    21: Term("上传用户信息传输装置运行状态", "state of the transmission device"),
    24: Term("上传用户信息传输装置操作信息", "operation of the transmission device"),
    25: Term("上传用户信息传输装置软件版本", "software version of the transmission device"),
    26: Term("上传用户信息传输装置配置情况", "configuration of the transmission device"),
    28: Term("上传用户信息传输装置系统时间", "clock of the transmission device"),
    61: Term("读建筑消防设施系统状态", "read the state of a fire system"),
    62: Term("读建筑消防设施部件运行状态", "read the state of a part"),
    63: Term("读建筑消防设施部件模拟量值", "read an analogue value of a part"),
    64: Term("读建筑消防设施操作信息", "read operations of a fire system"),
    65: Term("读建筑消防设施软件版本", "read the software version of a fire system"),
    66: Term("读建筑消防设施系统配置情况", "read the configuration of a fire system"),
    67: Term("读建筑消防设施部件配置情况", "read the configuration of a part"),
    68: Term("读建筑消防设施系统时间", "read the clock of a fire system"),
    81: Term("读用户信息传输装置运行状态", "read the state of the transmission device"),
    84: Term("读用户信息传输装置操作信息", "read operations of the transmission device"),
    85: Term("读用户信息传输装置软件版本", "read the software version of the transmission device"),
    86: Term("读用户信息传输装置配置情况", "read the configuration of the transmission device"),
    88: Term("读用户信息传输装置系统时间", "read the clock of the transmission device"),
    89: Term("初始化用户信息传输装置", "initialise the transmission device"),
    90: Term("同步用户信息传输装置时钟", "set the clock of the transmission device"),
    91: Term("查岗命令", "check that somebody is on duty"),
}

SYSTEMS = {
    0: Term("通用", "general"),
    1: Term("火灾报警系统", "fire alarm system"),
    10: Term("消防联动控制器", "linkage controller"),
    11: Term("消火栓系统", "hydrant system"),
    12: Term("自动喷水灭火系统", "sprinkler system"),
    13: Term("气体灭火系统", "gas extinguishing system"),
    14: Term("水喷雾灭火系统（泵启动方式）", "water spray system, by pump"),
    15: Term("水喷雾灭火系统（压力容器启动方式）", "water spray system, by pressure vessel"),
    16: Term("泡沫灭火系统", "foam system"),
    17: Term("干粉灭火系统", "powder system"),
    18: Term("防烟排烟系统", "smoke control system"),
    19: Term("防火门及卷帘系统", "fire doors and shutters"),
    20: Term("消防电梯", "fire lift"),
    21: Term("消防应急广播", "emergency broadcast"),
    22: Term("消防应急照明和疏散指示系统", "emergency lighting and exit signs"),
    23: Term("消防电源", "fire power supply"),
    24: Term("消防电话", "fire telephone"),
}

PARTS = {
    0: Term("通用", "general"),
    1: Term("火灾报警控制器", "fire alarm controller"),
    10: Term("可燃气体探测器", "combustible-gas detector"),
    11: Term("点型可燃气体探测器", "combustible-gas detector, point"),
    12: Term("独立式可燃气体探测器", "combustible-gas detector, stand-alone"),
    13: Term("线型可燃气体探测器", "combustible-gas detector, line"),
    16: Term("电气火灾监控报警器", "electrical fire monitor"),
    17: Term("剩余电流式电气火灾监控探测器", "electrical fire detector, residual current"),
    18: Term("测温式电气火灾监控探测器", "electrical fire detector, temperature"),
    21: Term("探测回路", "detection loop"),
    22: Term("火灾显示盘", "fire display panel"),
    23: Term("手动火灾报警按钮", "manual call point"),
    24: Term("消火栓按钮", "hydrant button"),
    25: Term("火灾探测器", "fire detector"),
    30: Term("感温火灾探测器", "heat detector"),
    31: Term("点型感温火灾探测器", "heat detector, point"),
    32: Term("点型感温火灾探测器（S 型）", "heat detector, point, type S"),
    33: Term("点型感温火灾探测器（R 型）", "heat detector, point, type R"),
    34: Term("线型感温火灾探测器", "heat detector, line"),
    35: Term("线型感温火灾探测器（S 型）", "heat detector, line, type S"),
    36: Term("线型感温火灾探测器（R 型）", "heat detector, line, type R"),
    37: Term("光纤感温火灾探测器", "heat detector, optical fibre"),
    40: Term("感烟火灾探测器", "smoke detector"),
    41: Term("点型离子感烟火灾探测器", "smoke detector, ionisation"),
    42: Term("点型光电感烟火灾探测器", "smoke detector, photoelectric"),
    43: Term("线型光束感烟火灾探测器", "smoke detector, beam"),
    44: Term("吸气式感烟火灾探测器", "smoke detector, aspirating"),
    50: Term("复合式火灾探测器", "combined detector"),
    51: Term("复合式感烟感温火灾探测器", "combined detector, smoke and heat"),
    52: Term("复合式感光感温火灾探测器", "combined detector, flame and heat"),
    53: Term("复合式感光感烟火灾探测器", "combined detector, flame and smoke"),
    61: Term("紫外火焰探测器", "flame detector, ultraviolet"),
    62: Term("红外火焰探测器", "flame detector, infrared"),
    69: Term("感光火灾探测器", "flame detector"),
    74: Term("气体探测器", "gas detector"),
    78: Term("图像摄像方式火灾探测器", "image detector"),
    79: Term("感声火灾探测器", "acoustic detector"),
    81: Term("气体灭火控制器", "gas extinguishing controller"),
    82: Term("消防电气控制装置", "electrical control device"),
    83: Term("消防控制室图形显示装置", "graphic display of the control room"),
    84: Term("模块", "module"),
    85: Term("输入模块", "input module"),
    86: Term("输出模块", "output module"),
    87: Term("输入/输出模块", "input and output module"),
    88: Term("中继模块", "relay module"),
    91: Term("消防水泵", "fire pump"),
    92: Term("消防水箱", "fire water tank"),
    95: Term("喷淋泵", "sprinkler pump"),
    96: Term("水流指示器", "flow indicator"),
    97: Term("信号阀", "signal valve"),
    98: Term("报警阀", "alarm valve"),
    99: Term("压力开关", "pressure switch"),
    101: Term("阀驱动装置", "valve actuator"),
    102: Term("防火门", "fire door"),
    103: Term("防火阀", "fire valve"),
    104: Term("通风空调", "ventilation"),
    105: Term("泡沫液泵", "foam pump"),
    106: Term("管网电磁阀", "solenoid valve of the pipes"),
    111: Term("防烟排烟风机", "smoke fan"),
    113: Term("排烟防火阀", "smoke damper"),
    114: Term("常闭送风口", "air outlet, normally closed"),
    115: Term("排烟口", "smoke outlet"),
    116: Term("电控挡烟垂壁", "smoke curtain"),
    117: Term("防火卷帘控制器", "fire shutter controller"),
    118: Term("防火门监控器", "fire door monitor"),
    121: Term("警报装置", "alarm device"),
}


@dataclass(frozen=True, slots=True)
class Bit:
    """``key`` names it in readings; ``one`` and ``zero`` say what it means."""

    key: str
    one: Term
    zero: Term


def _bit(key: str, zh: str, en: str, zero: Term | None = None) -> Bit:
    return Bit(key, Term(zh, en), zero or Term(f"无{zh}", f"no {en}"))


_RUN = Bit("run", Term("正常运行", "running"), Term("测试", "test"))
SYSTEM_BITS = (
    _RUN,
    _bit("fire", "火警", "fire alarm"),
    _bit("fault", "故障", "fault"),
    _bit("shielded", "屏蔽", "shielding"),
    _bit("supervise", "监管", "supervision"),
    _bit("started", "启动", "start"),
    _bit("feedback", "反馈", "feedback"),
    _bit("delayed", "延时", "delay"),
    _bit("main_power_fault", "主电故障", "main power fault"),
    _bit("backup_power_fault", "备电故障", "backup power fault"),
    _bit("bus_fault", "总线故障", "bus fault"),
    Bit("manual", Term("手动", "manual"), Term("自动", "automatic")),
    _bit("configuration_changed", "配置改变", "change of configuration"),
    _bit("reset", "复位", "reset"),
)
PART_BITS = (
    *SYSTEM_BITS[:8],
    _bit("power_fault", "电源故障", "power fault"),
)
DEVICE_BITS = (
    Bit("run", Term("正常监视", "monitoring"), Term("测试", "test")),
    _bit("fire", "火警", "fire alarm"),
    _bit("fault", "故障", "fault"),
    _bit("main_power_fault", "主电故障", "main power fault"),
    _bit("backup_power_fault", "备电故障", "backup power fault"),
    _bit("centre_line_fault", "与监控中心通信信道故障", "fault of the line to the centre"),
    _bit("system_line_fault", "监测连接线路故障", "fault of the line to the fire system"),
)
OPERATION_BITS = (
    _bit("reset", "复位", "reset"),
    _bit("muted", "消音", "silencing"),
    _bit("manual_alarm", "手动报警", "manual alarm"),
    _bit("cleared", "警情消除", "end of alarm"),
    _bit("self_test", "自检", "self-test"),
    _bit("confirmed", "确认", "confirmation"),
    _bit("tested", "测试", "test"),
)
DEVICE_OPERATION_BITS = (
    *OPERATION_BITS[:5],
    _bit("duty_answered", "查岗应答", "answer to the duty check"),
    OPERATION_BITS[6],
)


@dataclass(frozen=True, slots=True)
class Analogue:
    """A signed value of two bytes times ``10 ** -decimals``."""

    name: Term
    unit: str
    decimals: int


ANALOGUES = {
    1: Analogue(Term("事件计数", "events"), "1", 0),
    2: Analogue(Term("高度", "height"), "m", 2),
    3: Analogue(Term("温度", "temperature"), "°C", 1),
    4: Analogue(Term("压力", "pressure"), "MPa", 1),
    5: Analogue(Term("压力", "pressure"), "kPa", 1),
    6: Analogue(Term("气体浓度", "gas concentration"), "%LEL", 1),
    7: Analogue(Term("时间", "time"), "s", 0),
    8: Analogue(Term("电压", "voltage"), "V", 1),
    9: Analogue(Term("电流", "current"), "A", 1),
    10: Analogue(Term("流量", "flow"), "L/s", 1),
    11: Analogue(Term("风量", "air flow"), "m3/min", 1),
    12: Analogue(Term("风速", "wind speed"), "m/s", 0),
}


def ranged(table: dict[int, Term], code: int) -> Term:
    """A code's name; those from 128 on are the user's own, the others reserved."""
    return table.get(code) or (
        Term("用户自定义", "defined by the user") if code >= 128 else Term("预留", "reserved")
    )
