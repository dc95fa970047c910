"""The words of HJ 212-2017: fields, system codes, commands, results, data flags and suffixes, in Chinese and English.

Source: HJ 212-2017, tables 4 to 9, and 6.3.3 (fields).  What HJ/T 212-2005 names otherwise stands apart, from memory;
of HJ 212-2025 only numbers and names of new commands are known, from open code, not from its text.
"""

from dataclasses import dataclass

from fengsui.base.quality import Quality
from fengsui.sense.codecs.frame import Term

VERSIONS = {0: "2005", 1: "2017", 2: "2025"}  # bits 7 to 2 of Flag

FIELDS = {
    "QN": Term("请求编码", "request number"),
    "ST": Term("系统编码", "system"),
    "CN": Term("命令编码", "command"),
    "PW": Term("访问密码", "password"),
    "MN": Term("设备唯一标识", "device identity"),
    "Flag": Term("标志位", "flag bits"),
    "PNUM": Term("总包数", "number of packets"),
    "PNO": Term("包号", "packet number"),
    "QnRtn": Term("请求回应", "answer to the request"),
    "ExeRtn": Term("执行结果", "result"),
    "DataTime": Term("数据时间", "time of the data"),
    "BeginTime": Term("开始时间", "from"),
    "EndTime": Term("截止时间", "until"),
    "SystemTime": Term("系统时间", "clock"),
    "RestartTime": Term("开机时间", "time of restart"),
    "RtdInterval": Term("实时数据上报间隔（秒）", "interval of real-time data, s"),
    "MinInterval": Term("分钟数据上报间隔（分钟）", "interval of minute data, min"),
    "OverTime": Term("超时时间（秒）", "time-out, s"),
    "ReCount": Term("重发次数", "retries"),
    "NewPW": Term("新密码", "new password"),
    "PolId": Term("污染物编码", "factor"),
    "InfoId": Term("现场端信息编码", "information code"),
    "VaseNo": Term("留样瓶编号", "sample bottle"),
    "CstartTime": Term("采样起始时间", "first sampling, HHmmss"),
    "Ctime": Term("采样周期（小时）", "sampling cycle, h"),
    "CTime": Term("采样周期（小时）", "sampling cycle, h"),  # as the examples of annex C spell it
    "Stime": Term("出样时间（分钟）", "time for a result, min"),
}

SYSTEMS = {
    "21": Term("地表水质量监测", "surface water"),
    "22": Term("空气质量监测", "ambient air"),
    "23": Term("声环境质量监测", "ambient noise"),
    "24": Term("地下水质量监测", "groundwater"),
    "25": Term("土壤质量监测", "soil"),
    "26": Term("海水质量监测", "sea water"),
    "27": Term("挥发性有机物监测", "volatile organic compounds"),
    "31": Term("大气环境污染源", "source of air pollution"),
    "32": Term("地表水体环境污染源", "source of surface-water pollution"),
    "33": Term("地下水体环境污染源", "source of groundwater pollution"),
    "34": Term("海洋环境污染源", "source of sea pollution"),
    "35": Term("土壤环境污染源", "source of soil pollution"),
    "36": Term("声环境污染源", "source of noise"),
    "37": Term("振动环境污染源", "source of vibration"),
    "38": Term("放射性环境污染源", "source of radioactivity"),
    "39": Term("工地扬尘污染源", "construction dust"),
    "41": Term("电磁环境污染源", "source of electromagnetic fields"),
    "51": Term("烟气排放过程监控", "process of flue-gas treatment"),
    "52": Term("污水排放过程监控", "process of sewage treatment"),
    "91": Term("系统交互", "between systems"),
}

COMMANDS = {
    "1000": Term("设置超时时间及重发次数", "set time-out and retries"),
    "1011": Term("提取/上传现场机时间", "clock of the device"),
    "1012": Term("设置现场机时间", "set the clock"),
    "1013": Term("现场机时间校准请求", "device asks for the time"),
    "1061": Term("提取/上传实时数据间隔", "interval of real-time data"),
    "1062": Term("设置实时数据间隔", "set the interval of real-time data"),
    "1063": Term("提取/上传分钟数据间隔", "interval of minute data"),
    "1064": Term("设置分钟数据间隔", "set the interval of minute data"),
    "1072": Term("设置现场机密码", "set the password"),
    "2011": Term("污染物实时数据", "real-time data"),
    "2012": Term("停止察看污染物实时数据", "stop real-time data"),
    "2021": Term("设备运行状态数据", "state of equipment"),
    "2022": Term("停止察看设备运行状态", "stop the state of equipment"),
    "2031": Term("污染物日历史数据", "data of days"),
    "2041": Term("设备运行时间日历史数据", "running time of equipment by day"),
    "2051": Term("污染物分钟数据", "data of minutes"),
    "2061": Term("污染物小时数据", "data of hours"),
    "2081": Term("上传数采仪开机时间", "time of restart"),
    "3011": Term("零点校准量程校准", "calibrate zero and span"),
    "3012": Term("即时采样", "sample now"),
    "3013": Term("启动清洗/反吹", "clean, blow back"),
    "3014": Term("比对采样", "sample for comparison"),
    "3015": Term("超标留样", "keep a sample over the limit"),
    "3016": Term("设置采样时间周期", "set the sampling cycle"),
    "3017": Term("提取/上传采样时间周期", "sampling cycle"),
    "3018": Term("提取/上传出样时间", "time for a result"),
    "3019": Term("提取/上传设备唯一标识", "identity of equipment"),
    "3020": Term("提取/上传现场机信息", "information of the device"),
    "3021": Term("设置现场机参数", "set parameters of the device"),
    "9011": Term("请求应答", "answer to a request"),
    "9012": Term("执行结果", "result of a request"),
    "9013": Term("通知应答", "answer to a notice"),
    "9014": Term("数据应答", "answer to data"),
}

# Where HJ/T 212-2005 differs or had more.  From memory.
COMMANDS_2005 = {
    "1001": Term("设置超限报警时间", "set the time of limit alarms"),
    "1021": Term("提取污染物报警门限值", "alarm limits"),
    "1022": Term("设置污染物报警门限值", "set alarm limits"),
    "1031": Term("提取上位机地址", "address of the upper computer"),
    "1032": Term("设置上位机地址", "set the address of the upper computer"),
    "1041": Term("提取数据上报时间", "time of reports"),
    "1042": Term("设置数据上报时间", "set the time of reports"),
    "2071": Term("污染物报警记录/报警事件", "limit alarms"),
    "2072": Term("上传报警事件", "a limit alarm"),
    "3013": Term("设备操作命令", "operate equipment"),
    "3014": Term("设置设备采样时间周期", "set the sampling cycle"),
}

# What HJ 212-2025 adds; the names are those of open code of January 2026.
COMMANDS_2025 = {
    "1001": Term("上传数采仪硬件序号", "hardware numbers of the logger"),
    "1002": Term("设置数采仪 MN 编码", "set the device identity"),
    "1014": Term("密钥更新", "new key"),
    "2013": Term("原始监测数据", "raw data"),
    "2052": Term("噪声单次测量数据", "single measurement of noise"),
    "2062": Term("自动标样核查校准数据", "automatic check with a standard"),
    "2111": Term("炉膛温度 5 分钟均值", "furnace temperature, mean of 5 min"),
    "3022": Term("即时留样任务", "keep a sample now"),
    "3024": Term("启动标样核查", "check with a standard"),
    "9015": Term("心跳包", "heartbeat"),
}

QN_RTN = {
    1: Term("准备执行请求", "ready"),
    2: Term("请求被拒绝", "refused"),
    3: Term("PW 错误", "wrong password"),
    4: Term("MN 错误", "wrong identity"),
    5: Term("ST 错误", "wrong system"),
    6: Term("Flag 错误", "wrong flag"),
    7: Term("QN 错误", "wrong request number"),
    8: Term("CN 错误", "wrong command"),
    9: Term("CRC 校验错误", "CRC error"),
    100: Term("未知错误", "unknown error"),
}

EXE_RTN = {
    1: Term("执行成功", "done"),
    2: Term("执行失败，但不知道原因", "failed, reason unknown"),
    3: Term("命令请求条件错误", "condition is wrong"),
    4: Term("通讯超时", "time-out"),
    5: Term("系统繁忙不能执行", "busy"),
    6: Term("系统故障", "system fault"),
    100: Term("没有数据", "no data"),
}


@dataclass(frozen=True, slots=True)
class DataFlag:
    """A data flag and what it makes of the quality of a value: our own reading of the standard's words."""

    name: Term
    quality: Quality


FLAGS = {
    "N": DataFlag(Term("正常", "normal"), Quality.GOOD),
    "F": DataFlag(Term("停运", "stopped"), Quality.UNCERTAIN),
    "M": DataFlag(Term("维护", "maintenance"), Quality.BAD),
    "S": DataFlag(Term("手工输入", "set by hand"), Quality.UNCERTAIN),
    "D": DataFlag(Term("故障", "fault"), Quality.BAD),
    "C": DataFlag(Term("校准", "calibration"), Quality.BAD),
    "T": DataFlag(Term("超测量上限", "over range"), Quality.BAD),
    "B": DataFlag(Term("通讯异常", "link broken"), Quality.BAD),
    # HJ/T 212-2005, from memory: P for sources, digits for air stations
    "P": DataFlag(Term("电源故障", "power fault"), Quality.BAD),
    "0": DataFlag(Term("校准数据", "calibration"), Quality.BAD),
    "1": DataFlag(Term("气象参数", "weather"), Quality.GOOD),
    "2": DataFlag(Term("异常数据", "abnormal"), Quality.BAD),
    "3": DataFlag(Term("正常数据", "normal"), Quality.GOOD),
}

SUFFIXES = {
    "Rtd": Term("实时值", "real time"),
    "Min": Term("最小值", "lowest"),
    "Avg": Term("平均值", "mean"),
    "Max": Term("最大值", "highest"),
    "ZsRtd": Term("折算实时值", "real time, converted"),
    "ZsMin": Term("折算最小值", "lowest, converted"),
    "ZsAvg": Term("折算平均值", "mean, converted"),
    "ZsMax": Term("折算最大值", "highest, converted"),
    "Cou": Term("累计值", "sum"),
    "Flag": Term("数据标记", "data flag"),
    "EFlag": Term("设备状态标记", "equipment flag"),
    "SampleTime": Term("采样时间", "time of sampling"),
    "RS": Term("运行状态", "running state"),
    "RT": Term("运行时间（小时）", "running time, h"),
    "Data": Term("噪声监测值", "noise"),
    "DayData": Term("昼间噪声", "noise by day"),
    "NightData": Term("夜间噪声", "noise by night"),
    "Info": Term("现场端信息", "information"),
    "SN": Term("设备序列号", "serial number"),
    "Ala": Term("报警值", "alarm value"),
    "LowValue": Term("报警下限", "low alarm limit"),
    "UpValue": Term("报警上限", "high alarm limit"),
}

NOT_VALUES = frozenset(("Flag", "EFlag", "SampleTime", "Info", "SN"))

RUNNING_STATES = {  # -RS
    0: Term("关闭", "off"),
    1: Term("运行", "running"),
    2: Term("校准", "calibration"),
    3: Term("维护", "maintenance"),
    4: Term("报警", "alarm"),
    5: Term("反吹", "blowing back"),
}


def command(number: str, version: str) -> Term | None:
    """The name of a command in a version of the standard; where that has none, any version's that has."""
    own = {"2005": COMMANDS_2005, "2025": COMMANDS_2025}.get(version, {})
    for table in (own, COMMANDS, COMMANDS_2025, COMMANDS_2005):
        if number in table:
            return table[number]
    return None
