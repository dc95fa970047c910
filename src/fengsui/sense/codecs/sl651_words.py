"""The words of SL 651-2014: elements, station parameters, functions, classes and states, in Chinese and English.

Source: SL 651-2014 (approval draft), annexes A to D and tables 10, 58, 82.  Numbers ``N(D, d)`` are D digits, d of them
behind the point.  Units are codes of base.units where that has them.
"""

from dataclasses import dataclass

from fengsui.sense.codecs.frame import Term

STX, SYN = 0x02, 0x16
ETX, ETB, ENQ, EOT, ACK, NAK, ESC = 0x03, 0x17, 0x05, 0x04, 0x06, 0x15, 0x1B

STARTS = {
    STX: Term("传输正文起始 STX", "body begins STX"),
    SYN: Term("多包传输正文起始 SYN", "body of several packets begins SYN"),
}
ENDS = {
    ETX: Term("报文结束，后续无报文 ETX", "end, nothing follows ETX"),
    ETB: Term("报文结束，后续有报文 ETB", "end, more follows ETB"),
    ENQ: Term("询问 ENQ", "query ENQ"),
    EOT: Term("传输结束，退出 EOT", "end, may leave EOT"),
    ACK: Term("肯定确认，继续发送 ACK", "confirmed, go on ACK"),
    NAK: Term("否定应答，反馈重发 NAK", "not received, send again NAK"),
    ESC: Term("传输结束，终端保持在线 ESC", "end, stay online ESC"),
}
UP_ENDS, DOWN_ENDS = (ETX, ETB), (ENQ, ACK, NAK, EOT, ESC)

FUNCTIONS = {
    0x2F: Term("链路维持报", "keep-alive"),
    0x30: Term("测试报", "test report"),
    0x31: Term("均匀时段水文信息报", "report of even periods"),
    0x32: Term("遥测站定时报", "timed report"),
    0x33: Term("遥测站加报报", "added report"),
    0x34: Term("遥测站小时报", "hourly report"),
    0x35: Term("遥测站人工置数报", "report entered by hand"),
    0x36: Term("遥测站图片报", "picture report"),
    0x37: Term("查询遥测站实时数据", "query real-time data"),
    0x38: Term("查询遥测站时段数据", "query data of a period"),
    0x39: Term("查询遥测站人工置数", "query data entered by hand"),
    0x3A: Term("查询遥测站指定要素数据", "query named elements"),
    0x40: Term("修改遥测站基本配置", "set basic configuration"),
    0x41: Term("读取遥测站基本配置", "read basic configuration"),
    0x42: Term("修改遥测站运行参数配置", "set operating parameters"),
    0x43: Term("读取遥测站运行参数配置", "read operating parameters"),
    0x44: Term("查询水泵电机实时工作数据", "query pump motors"),
    0x45: Term("查询遥测站软件版本", "query software version"),
    0x46: Term("查询遥测站状态和报警信息", "query state and alarms"),
    0x47: Term("初始化固态存储数据", "initialise storage"),
    0x48: Term("恢复终端出厂设置", "restore factory settings"),
    0x49: Term("修改密码", "change password"),
    0x4A: Term("设置遥测站时钟", "set the clock"),
    0x4B: Term("设置遥测站 IC 卡状态", "set IC card state"),
    0x4C: Term("控制水泵开关/水泵状态自报", "pumps: command or report"),
    0x4D: Term("控制阀门开关/阀门状态自报", "valves: command or report"),
    0x4E: Term("控制闸门开关/闸门状态自报", "gates: command or report"),
    0x4F: Term("水量定值控制", "water quota control"),
    0x50: Term("查询遥测站事件记录", "query event record"),
    0x51: Term("查询遥测站时钟", "query the clock"),
}


def function_name(code: int) -> Term:
    """The name of a function code; annex B keeps the others for extension or for users."""
    if code >= 0xE0:
        return FUNCTIONS.get(code, Term("用户自定义功能", "defined by the user"))
    return FUNCTIONS.get(code, Term("保留功能码", "reserved"))


CLASSES = {
    0x50: Term("降水", "rain"),
    0x48: Term("河道", "river"),
    0x4B: Term("水库（湖泊）", "reservoir, lake"),
    0x5A: Term("闸坝", "gate, dam"),
    0x44: Term("泵站", "pumping station"),
    0x54: Term("潮汐", "tide"),
    0x4D: Term("墒情", "soil moisture"),
    0x47: Term("地下水", "groundwater"),
    0x51: Term("水质", "water quality"),
    0x49: Term("取水口", "intake"),
    0x4F: Term("排水口", "outlet"),
}


@dataclass(frozen=True, slots=True)
class Element:
    """``kind``: bcd a decimal number · hex an unsigned one · text, bits, step, station, channel, bytes as named."""

    code: int
    sign: str  # the identifier in ASCII messages, "" for parameters
    name: Term
    unit: str = ""
    digits: int = 0
    decimals: int = 0
    kind: str = "bcd"


def _elements() -> dict[int, Element]:
    rows: list[Element] = []

    def add(
        code: int, sign: str, zh: str, en: str, unit: str = "", digits: int = 0, decimals: int = 0
    ) -> None:
        rows.append(Element(code, sign, Term(zh, en), unit, digits, decimals))

    def eight(code: int, sign: str, zh: str, en: str, unit: str, digits: int, decimals: int) -> None:
        for n in range(1, 9):
            add(code + n - 1, f"{sign}{n}", zh.format(n=n), en.format(n=n), unit, digits, decimals)

    add(0x01, "AC", "断面面积", "cross-section area", "m2", 8, 2)
    add(0x02, "AI", "瞬时气温", "air temperature", "°C", 3, 1)
    add(0x03, "C", "瞬时水温", "water temperature", "°C", 3, 1)
    rows.append(Element(0x04, "DRxnn", Term("时间步长码", "time step"), "", 6, 0, "step"))
    rows.append(
        Element(0x05, "DT", Term("时段长，降水、引排水、抽水历时", "duration"), "h.min", 4, 2, "duration")
    )
    add(0x06, "ED", "日蒸发量", "evaporation of the day", "mm", 5, 1)
    add(0x07, "EJ", "当前蒸发", "evaporation now", "mm", 5, 1)
    add(0x08, "FL", "气压", "air pressure", "hPa", 5)
    add(0x09, "GH", "闸坝、水库闸门开启高度", "gate opening", "m", 5, 2)
    add(0x0A, "GN", "输水设备、闸门（组）编号", "gate number", "", 3)
    add(0x0B, "GS", "输水设备类别", "kind of outlet works", "", 1)
    add(0x0C, "GT", "水库、闸坝闸门开启孔数", "gates open", "1", 3)
    add(0x0D, "GTP", "地温", "ground temperature", "°C", 3, 1)
    add(0x0E, "H", "地下水瞬时埋深", "depth to groundwater", "m", 6, 2)
    add(0x0F, "HW", "波浪高度", "wave height", "m", 5, 2)
    for code, depth in zip(range(0x10, 0x18), (10, 20, 30, 40, 50, 60, 80, 100), strict=True):
        add(code, f"M{depth}", f"{depth} 厘米处土壤含水量", f"soil moisture at {depth} cm", "%", 4, 1)
    add(0x18, "MST", "湿度", "humidity", "%", 4, 1)
    add(0x19, "NS", "开机台数", "machines running", "1", 2)
    for code, hours in zip(range(0x1A, 0x1F), (1, 2, 3, 6, 12), strict=True):
        add(code, f"P{hours}", f"{hours} 小时时段降水量", f"rain of {hours} h", "mm", 5, 1)
    add(0x1F, "PD", "日降水量", "rain of the day", "mm", 5, 1)
    add(0x20, "PJ", "当前降水量", "rain now", "mm", 5, 1)
    for code, minutes in zip(range(0x21, 0x25), (1, 5, 10, 30), strict=True):
        add(code, f"PN{minutes:02}", f"{minutes} 分钟时段降水量", f"rain of {minutes} min", "mm", 5, 1)
    add(0x25, "PR", "暴雨量", "storm rain", "mm", 5, 1)
    add(0x26, "PT", "降水量累计值", "rain, running total", "mm", 6, 1)
    add(0x27, "Q", "瞬时流量、抽水流量", "flow", "m3/s", 9, 3)
    eight(0x28, "Q", "取（排）水口流量 {n}", "flow of intake {n}", "m3/s", 9, 3)
    add(0x30, "QA", "总出库流量、过闸总流量", "total outflow", "m3/s", 9, 3)
    add(0x31, "QZ", "输水设备流量、过闸（组）流量", "flow through a gate", "m3/s", 9, 3)
    add(0x32, "SW", "输沙量", "sediment load", "10kt", 11, 3)
    add(0x33, "UC", "风向", "wind direction, 1 north to 16", "", 2)
    add(0x34, "UE", "风力（级）", "wind force, Beaufort", "", 2)
    add(0x35, "US", "风速", "wind speed", "m/s", 4, 1)
    add(0x36, "VA", "断面平均流速", "mean velocity of the section", "m/s", 5, 3)
    add(0x37, "VJ", "当前瞬时流速", "velocity now", "m/s", 5, 3)
    add(0x38, "VT", "电源电压", "supply voltage", "V", 4, 2)
    add(0x39, "Z", "瞬时河道水位、潮位", "water level", "m", 7, 3)
    add(0x3A, "ZB", "库（闸、站）下水位", "level below", "m", 7, 3)
    add(0x3B, "ZU", "库（闸、站）上水位", "level above", "m", 7, 3)
    eight(0x3C, "Z", "取（排）水口水位 {n}", "level of intake {n}", "m", 7, 3)
    add(0x44, "SQ", "含沙量", "sediment concentration", "kg/m3", 9, 3)
    rows.append(Element(0x45, "ZT", Term("遥测站状态及报警信息", "state and alarms"), "", 8, 0, "state"))
    add(0x46, "pH", "pH 值", "pH", "1", 4, 2)
    add(0x47, "DO", "溶解氧", "dissolved oxygen", "mg/L", 4, 1)
    add(0x48, "COND", "电导率", "conductivity", "uS/cm", 5)
    add(0x49, "TURB", "浊度", "turbidity", "NTU", 3)
    add(0x4A, "CODMN", "高锰酸盐指数", "permanganate index", "mg/L", 4, 1)
    add(0x4B, "REDOX", "氧化还原电位", "redox potential", "mV", 5, 1)
    add(0x4C, "NH4N", "氨氮", "ammonia nitrogen", "mg/L", 6, 2)
    add(0x4D, "TP", "总磷", "total phosphorus", "mg/L", 5, 3)
    add(0x4E, "TN", "总氮", "total nitrogen", "mg/L", 5, 2)
    add(0x4F, "TOC", "总有机碳", "total organic carbon", "mg/L", 4, 2)
    add(0x50, "CU", "铜", "copper", "mg/L", 7, 4)
    add(0x51, "ZN", "锌", "zinc", "mg/L", 6, 4)
    add(0x52, "SE", "硒", "selenium", "mg/L", 7, 5)
    add(0x53, "AS", "砷", "arsenic", "mg/L", 7, 5)
    add(0x54, "THG", "总汞", "mercury", "mg/L", 7, 5)
    add(0x55, "CD", "镉", "cadmium", "mg/L", 7, 5)
    add(0x56, "PB", "铅", "lead", "mg/L", 7, 5)
    add(0x57, "CHLA", "叶绿素 a", "chlorophyll a", "mg/L", 4, 2)
    eight(0x58, "WP", "水压 {n}", "water pressure {n}", "kPa", 5, 2)
    eight(0x60, "SYL", "水表 {n} 剩余水量", "water left on meter {n}", "m3", 11, 3)
    eight(0x68, "SBL", "水表 {n} 每小时水量", "water per hour of meter {n}", "m3/h", 10, 2)
    for code, phase in zip(range(0x70, 0x73), "ABC", strict=True):
        add(code, f"VT{phase}", f"交流 {phase} 相电压", f"voltage of phase {phase}", "V", 4, 1)
    for code, phase in zip(range(0x73, 0x76), "ABC", strict=True):
        add(code, f"VI{phase}", f"交流 {phase} 相电流", f"current of phase {phase}", "A", 4, 1)
    rows.append(
        Element(
            0xF4,
            "DRP",
            Term("1 小时内每 5 分钟时段雨量", "rain of each 5 min of an hour"),
            "mm",
            24,
            1,
            "rain12",
        )
    )
    for n in range(1, 9):
        name = Term(f"1 小时内 5 分钟间隔相对水位 {n}", f"relative level {n} each 5 min of an hour")
        rows.append(Element(0xF4 + n, f"DRZ{n}", name, "m", 48, 2, "level12"))
    return {row.code: row for row in rows}


ELEMENTS = _elements()
BY_SIGN = {one.sign: one for one in ELEMENTS.values()}
OBSERVED = Term("观测时间", "observed at")
STATION = Term("遥测站地址", "station address")
BY_HAND = Term("人工置数", "entered by hand")
PICTURE = Term("图片信息", "picture")
VELOCITIES = Term("流速批量数据", "batch of velocities")


def _basic() -> dict[int, Element]:
    """Table D.1."""

    def of(code: int, zh: str, en: str, kind: str) -> Element:
        return Element(code, "", Term(zh, en), kind=kind)

    rows = [
        of(0x01, "中心站地址", "centre addresses", "centres"),
        of(0x02, "遥测站地址", "station address", "station"),
        of(0x03, "密码", "password", "bytes"),
        of(0x0C, "工作方式", "way of working", "mode"),
        of(0x0D, "遥测站采集要素设置", "elements observed", "observed"),
        of(0x0E, "中继站服务地址范围", "addresses a relay serves", "bytes"),
        of(0x0F, "遥测站通信设备识别号", "number of the communication card", "card"),
    ]
    for n in range(4):
        rows.append(
            of(0x04 + 2 * n, f"中心站 {n + 1} 主信道类型及地址", f"main channel to centre {n + 1}", "channel")
        )
        rows.append(
            of(
                0x05 + 2 * n,
                f"中心站 {n + 1} 备用信道类型及地址",
                f"spare channel to centre {n + 1}",
                "channel",
            )
        )
    return {row.code: row for row in rows}


def _operating() -> dict[int, Element]:
    """Table D.4."""
    rows: list[Element] = []

    def add(code: int, zh: str, en: str, unit: str = "", digits: int = 2, decimals: int = 0) -> None:
        rows.append(Element(code, "", Term(zh, en), unit, digits, decimals))

    def pairs(first: int, zh: str, en: str, unit: str, digits: int, decimals: int = 0) -> None:
        add(first, f"{zh}上限", f"upper limit of {en}", unit, digits, decimals)
        add(first + 1, f"{zh}下限", f"lower limit of {en}", unit, digits, decimals)

    add(0x20, "定时报时间间隔", "interval of timed reports", "h")
    add(0x21, "加报时间间隔", "interval of added reports", "min")
    add(0x22, "降水量日起始时间", "hour at which a day of rain begins", "h")
    add(0x23, "采样间隔", "sampling interval", "s", 4)
    add(0x24, "水位数据存储间隔", "interval of stored levels", "min")
    add(0x25, "雨量计分辨力", "resolution of the rain gauge", "mm", 2, 1)
    add(0x26, "水位计分辨力", "resolution of the level gauge", "cm", 2, 1)
    add(0x27, "雨量加报阈值", "rain that makes an added report", "mm")
    for n in range(1, 9):
        add(0x27 + n, f"水位基值 {n}", f"datum of level {n}", "m", 7, 3)
        add(0x2F + n, f"水位修正基值 {n}", f"correction of level {n}", "m", 5, 3)
        add(0x37 + n, f"加报水位 {n}", f"level {n} that makes an added report", "m", 4, 2)
    add(0x40, "加报水位以上加报阈值", "change above it that makes an added report", "m", 3, 2)
    add(0x41, "加报水位以下加报阈值", "change below it that makes an added report", "m", 3, 2)
    add(0x42, "流量加报阈值", "flow that makes an added report", "m3/s", 6, 3)
    add(0x43, "流速加报阈值", "velocity that makes an added report", "m/s", 5, 3)
    add(0x44, "闸位加报阈值", "gate opening that makes an added report", "m", 3, 2)
    add(0x45, "功率加报阈值", "power that makes an added report", "kW", 6)
    add(0x46, "气压加报阈值", "air pressure that makes an added report", "hPa", 4)
    add(0x47, "风速加报阈值", "wind speed that makes an added report", "m/s", 4, 2)
    add(0x48, "水温加报阈值", "water temperature that makes an added report", "°C", 2, 1)
    for n in range(1, 9):
        add(0x47 + 2 * n, f"取（排）水口 {n} 上限水位", f"upper level of intake {n}", "m", 4, 2)
        add(0x48 + 2 * n, f"取（排）水口 {n} 下限水位", f"lower level of intake {n}", "m", 4, 2)
        add(0x57 + 2 * n, f"取（排）水口 {n} 上限水压", f"upper pressure of intake {n}", "kPa", 8, 2)
        add(0x58 + 2 * n, f"取（排）水口 {n} 下限水压", f"lower pressure of intake {n}", "kPa", 8, 2)
    pairs(0x69, "水温", "water temperature", "°C", 3, 1)
    pairs(0x6B, "pH 值", "pH", "1", 2, 1)
    pairs(0x6D, "溶解氧", "dissolved oxygen", "mg/L", 4, 1)
    pairs(0x6F, "高锰酸盐指数", "permanganate index", "mg/L", 4, 1)
    pairs(0x71, "电导率", "conductivity", "uS/cm", 5)
    pairs(0x73, "氧化还原电位", "redox potential", "mV", 5, 1)
    pairs(0x75, "浊度", "turbidity", "NTU", 3)
    pairs(0x77, "氨氮", "ammonia nitrogen", "mg/L", 6, 2)
    pairs(0x79, "总氮", "total nitrogen", "mg/L", 5, 2)
    pairs(0x7B, "铜", "copper", "mg/L", 7, 4)
    pairs(0x7D, "锌", "zinc", "mg/L", 6, 4)
    pairs(0x7F, "氟化物", "fluoride", "mg/L", 5, 2)
    pairs(0x81, "硒", "selenium", "mg/L", 7, 5)
    pairs(0x83, "砷", "arsenic", "mg/L", 7, 5)
    pairs(0x85, "汞", "mercury", "mg/L", 7, 5)
    pairs(0x87, "镉", "cadmium", "mg/L", 7, 5)
    pairs(0x89, "总有机碳", "total organic carbon", "mg/L", 4, 2)
    pairs(0x8B, "叶绿素", "chlorophyll", "mg/L", 4, 2)
    add(0x8D, "流量上限", "upper limit of flow", "m3/s", 11, 3)
    for n in range(1, 9):
        add(0x8D + n, f"水表 {n} 充值水量", f"water bought for meter {n}", "m3", 11, 3)
        add(0x98 + n, f"水表 {n} 水量表底（初始）值", f"first reading of meter {n}", "m3", 11, 3)
        add(0xA0 + n, f"水表 {n} 剩余水量报警值", f"alarm value of water left on meter {n}", "m3", 11, 3)
    add(0x96, "水量定值量", "water quota", "m3", 11, 3)
    add(0x97, "固态存储数据初始化", "initialise storage", "", 0)
    add(0x98, "遥测终端参数恢复出厂设置", "restore factory settings", "", 0)
    return {row.code: row for row in rows}


BASIC, OPERATING = _basic(), _operating()

CHANNELS = {
    0: Term("禁用", "off"),
    1: Term("短信", "text message"),
    2: Term("IPV4", "IPv4"),
    3: Term("北斗", "BeiDou"),
    4: Term("海事卫星", "Inmarsat"),
    5: Term("PSTN", "telephone"),
    6: Term("超短波", "VHF radio"),
}
MODES = {
    1: Term("自报工作状态", "reports by itself"),
    2: Term("自报确认工作状态", "reports by itself, confirmed"),
    3: Term("查询/应答工作状态", "answers queries"),
    4: Term("调试或维修状态", "test or repair"),
}

# table 58: bit → name, meaning of 0, meaning of 1
STATE_BITS = (
    (Term("交流电充电状态", "mains"), Term("正常", "normal"), Term("停电", "off")),
    (Term("蓄电池电压状态", "battery"), Term("正常", "normal"), Term("电压低", "low")),
    (Term("水位超限报警", "level alarm"), Term("正常", "normal"), Term("报警", "alarm")),
    (Term("流量超限报警", "flow alarm"), Term("正常", "normal"), Term("报警", "alarm")),
    (Term("水质超限报警", "water quality alarm"), Term("正常", "normal"), Term("报警", "alarm")),
    (Term("流量仪表状态", "flow meter"), Term("正常", "normal"), Term("故障", "fault")),
    (Term("水位仪表状态", "level gauge"), Term("正常", "normal"), Term("故障", "fault")),
    (Term("终端箱门状态", "door"), Term("开启", "open"), Term("关闭", "closed")),
    (Term("存储器状态", "storage"), Term("正常", "normal"), Term("异常", "abnormal")),
    (Term("IC 卡功能", "IC card"), Term("关闭", "off"), Term("有效", "valid")),
    (Term("水泵工作状态", "pump"), Term("工作", "working"), Term("停机", "stopped")),
    (Term("剩余水量报警", "water left"), Term("未超限", "within quota"), Term("超限", "beyond quota")),
)

# table 82, ERC1 to ERC18; ERC19 to 32 are spare
EVENTS = (
    Term("历史数据初始化", "storage initialised"),
    Term("参数变更", "parameters changed"),
    Term("状态量变位", "states changed"),
    Term("传感器及仪表故障", "sensor faults"),
    Term("密码修改", "passwords changed"),
    Term("终端故障", "terminal faults"),
    Term("交流失电", "mains lost"),
    Term("蓄电池电压低告警", "battery low"),
    Term("终端箱非法打开", "box opened unlawfully"),
    Term("水泵故障", "pump faults"),
    Term("剩余水量超限告警", "water quota alarms"),
    Term("水位超限告警", "level alarms"),
    Term("水压超限告警", "pressure alarms"),
    Term("水质参数超限告警", "water quality alarms"),
    Term("数据出错", "data errors"),
    Term("发报文", "messages sent"),
    Term("收报文", "messages received"),
    Term("发报文出错", "sending failed"),
)

# table D.2, most significant bit first
OBSERVED_BITS = (
    "降水量 蒸发量 风向 风速 气温 湿度 地温 气压",
    "水位8 水位7 水位6 水位5 水位4 水位3 水位2 水位1",
    "地下水埋深 图片 波浪 闸门开度 水量 流速 流量 水压",
    "水表8 水表7 水表6 水表5 水表4 水表3 水表2 水表1",
    "100CM墒情 80CM墒情 60CM墒情 50CM墒情 40CM墒情 30CM墒情 20CM墒情 10CM墒情",
    "pH值 溶解氧 电导率 浊度 氧化还原电位 高锰酸盐指数 氨氮 水温",
    "总有机碳 总氮 总磷 锌 硒 砷 总汞 镉",
    "保留 保留 保留 保留 保留 叶绿素a 铜 铅",
)
