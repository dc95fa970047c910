"""Everything that ``fengsui cap check`` can say of a message: one rule each, with what to do about it.

An *error* breaks the standard: a receiver may refuse the message.  A *warning* is allowed or commonly tolerated, and
hardly what was meant.  A *note* is worth knowing.  ``docs/cap.md`` has the same table; a test holds it equal, and
another triggers every rule.  Clauses are of CAP 1.2 (OASIS, 1 July 2010) unless another standard is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fengsui.sense.codecs.frame import Term

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITY_WORDS = {ERROR: Term("错误", "error"), WARNING: Term("警告", "warning"), NOTE: Term("提示", "note")}


@dataclass(frozen=True, slots=True)
class Rule:
    """``what`` is wrong, with named places for facts, and what ``todo`` about it."""

    severity: str
    what: Term
    todo: Term
    clause: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule broken at one place.  ``path`` is an XPath without prefixes, line and column count from 1."""

    rule: str
    path: str = ""
    line: int = 0
    column: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> str:
        return RULES[self.rule].severity

    def what(self) -> Term:
        rule = RULES[self.rule]
        facts = _Facts(self.facts)
        return Term(rule.what.zh % facts, rule.what.en % facts)

    def todo(self) -> Term:
        return RULES[self.rule].todo


class _Facts(dict[str, Any]):
    """Facts by name, cut short; one that is not given is a dash."""

    def __missing__(self, name: str) -> str:
        return "–"

    def __getitem__(self, name: str) -> str:
        text = str(super().__getitem__(name)) if name in self else "–"
        text = "".join(c if c.isprintable() else " " for c in text)
        return text if len(text) <= 120 else text[:119] + "…"


def _rule(severity: str, clause: str, what: tuple[str, str], todo: tuple[str, str]) -> Rule:
    return Rule(severity, Term(*what), Term(*todo), clause)


def worst(problems: "list[Problem] | tuple[Problem, ...]") -> str:
    """error, warning, note or "" where nothing is wrong."""
    found = {one.severity for one in problems}
    return next((one for one in (ERROR, WARNING, NOTE) if one in found), "")


_ONE_FORM = ("写成 YYYY-MM-DDThh:mm:ss+08:00", "write YYYY-MM-DDThh:mm:ss+08:00")

RULES: dict[str, Rule] = {
    # ---- the bytes ---------------------------------------------------------------------------------------------
    "xml.too_large": _rule(
        ERROR, "own limit",
        ("文件 %(bytes)s 字节，最多读 2 MiB", "%(bytes)s bytes; at most 2 MiB are read"),
        ("附件不要内嵌，改用 uri 引用", "refer to attachments by uri instead of carrying them"),
    ),
    "xml.doctype": _rule(
        ERROR, "own limit; XML 1.0, 2.8",
        ("含 DOCTYPE，不读取（防外部实体攻击）", "has a DOCTYPE: not read, because of what entities can do"),
        ("去掉 DOCTYPE 与实体定义", "leave the DOCTYPE and its entities out"),
    ),
    "xml.too_deep": _rule(
        ERROR, "own limit",
        ("元素嵌套过深或过多，不读取", "elements are nested too deep or are too many: not read"),
        ("检查生成程序", "look at the program that made it"),
    ),
    "xml.not_well_formed": _rule(
        ERROR, "3.3.3; XML 1.0, 2.1",
        ("不是格式良好的 XML：%(message)s", "not well-formed XML: %(message)s"),
        ("在所示行修正；& 与 < 要写成 &amp; 与 &lt;", "correct it at the line given; write &amp; and &lt; for & and <"),
    ),
    "xml.encoding": _rule(
        WARNING, "3.3.3",
        ("编码为 %(encoding)s，不是 UTF-8", "its encoding is %(encoding)s, not UTF-8"),
        ("以 UTF-8 保存并声明", "save it as UTF-8 and say so"),
    ),
    "xml.shifted": _rule(
        WARNING, "XML 1.0, 2.8",
        ("XML 声明前有空白", "blanks stand before the XML declaration"),
        ("让 <?xml 成为首字节", "let <?xml be the very first bytes"),
    ),
    "xml.not_cap": _rule(
        ERROR, "3.1",
        ("不是 CAP 消息，也不是含 CAP 的 Atom、RSS 或 EDXL-DE：根元素为 %(root)s",
         "neither a CAP message nor a feed or envelope of them: its root is %(root)s"),
        ("确认取到的是 alert 元素的文件", "make sure that this is the file of the alert element"),
    ),
    # ---- structure ---------------------------------------------------------------------------------------------
    "schema.namespace": _rule(
        ERROR, "3.3.4; schema",
        ("命名空间“%(space)s”不是任何版本的 CAP", "the namespace “%(space)s” is that of no version of CAP"),
        ("写 xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\"", 'write xmlns="urn:oasis:names:tc:emergency:cap:1.2"'),
    ),
    "schema.old_version": _rule(
        NOTE, "CAP 1.0, 1.1",
        ("CAP %(version)s，已被 1.2 取代", "CAP %(version)s, superseded by 1.2"),
        ("可读；新消息请用 1.2", "it is read; write new messages in 1.2"),
    ),
    "schema.missing": _rule(
        ERROR, "3.2; schema",
        ("缺少必需元素 %(element)s", "the required element %(element)s is missing"),
        ("补上该元素", "add it"),
    ),
    "schema.repeated": _rule(
        ERROR, "3.2; schema",
        ("%(element)s 只允许出现一次，实有 %(count)s 次", "%(element)s may stand here once, not %(count)s times"),
        ("只留一个", "keep one of them"),
    ),
    "schema.order": _rule(
        ERROR, "schema (xs:sequence)",
        ("%(element)s 的位置不对，应在 %(before)s 之前", "%(element)s stands too late: it belongs before %(before)s"),
        ("按标准规定的次序排列元素", "put the elements in the order of the standard"),
    ),
    "schema.unknown": _rule(
        ERROR, "3.2; schema",
        ("%(parent)s 中没有名为 %(element)s 的元素", "%(parent)s has no element %(element)s"),
        ("检查拼写；附加信息放进 parameter", "check the spelling; more information goes into a parameter"),
    ),
    "schema.case": _rule(
        ERROR, "XML 1.0, 2.3; schema",
        ("元素名大小写不对：%(element)s 应为 %(right)s", "%(element)s is written in the wrong case, %(right)s is right"),
        ("按标准书写元素名", "write it as the standard does"),
    ),
    "schema.foreign": _rule(
        ERROR, "schema",
        ("含其他命名空间的元素 %(element)s", "the element %(element)s is of another namespace"),
        ("除签名外不得夹带其他元素", "nothing but a signature may be carried besides CAP's own elements"),
    ),
    "schema.empty": _rule(
        ERROR, "3.2; schema",
        ("%(element)s 为空", "%(element)s is empty"),
        ("填写内容；可选元素则整个省略", "fill it, or leave an optional element out altogether"),
    ),
    "schema.empty_optional": _rule(
        NOTE, "3.2",
        ("可选元素 %(element)s 为空", "the optional element %(element)s is empty"),
        ("没有内容就省略该元素", "leave it out where there is nothing to say"),
    ),
    "schema.text": _rule(
        ERROR, "schema",
        ("%(element)s 的子元素之间有文字“%(text)s”", "text “%(text)s” stands between the elements of %(element)s"),
        ("文字放进相应元素", "put it into an element"),
    ),
    "schema.attribute": _rule(
        ERROR, "schema",
        ("%(element)s 不应有属性 %(attribute)s", "%(element)s must not have the attribute %(attribute)s"),
        ("去掉属性", "leave the attribute out"),
    ),
    "schema.pair": _rule(
        ERROR, "3.2.2; schema",
        ("%(element)s 应由 valueName 与 value 组成", "%(element)s must be made of valueName and value"),
        ("写成 <valueName>…</valueName><value>…</value>", "write <valueName>…</valueName><value>…</value>"),
    ),
    # ---- values ------------------------------------------------------------------------------------------------
    "enum.unknown": _rule(
        ERROR, "3.2; schema",
        ("%(element)s 的取值“%(value)s”不在标准之内", "“%(value)s” is no value of %(element)s"),
        ("只能取：%(known)s", "one of: %(known)s"),
    ),
    "enum.case": _rule(
        ERROR, "3.2; schema",
        ("%(element)s 的取值“%(value)s”大小写不对，应为 %(right)s",
         "“%(value)s” of %(element)s is written in the wrong case, %(right)s is right"),
        ("按标准书写取值", "write it as the standard does"),
    ),
    "enum.deprecated": _rule(
        ERROR, "3.2.2; schema",
        ("取值“%(value)s”已废弃，按 %(right)s 读取", "“%(value)s” is deprecated; it is read as %(right)s"),
        ("改用新值", "write the new value"),
    ),
    "enum.later": _rule(
        ERROR, "schema of CAP %(version)s",
        ("CAP %(version)s 尚无取值“%(value)s”", "CAP %(version)s had no value “%(value)s” yet"),
        ("改用 CAP 1.2 的命名空间", "write it in the namespace of CAP 1.2"),
    ),
    "enum.repeated": _rule(
        NOTE, "3.2.2",
        ("%(element)s 的取值“%(value)s”重复", "“%(value)s” of %(element)s is given twice"),
        ("只留一个", "keep one"),
    ),
    "time.form": _rule(
        ERROR, "3.3.2; schema", ("“%(value)s”不是 CAP 的时间格式", "“%(value)s” is not a time as CAP writes it"), _ONE_FORM
    ),
    "time.impossible": _rule(
        ERROR, "3.3.2",
        ("不存在的时间“%(value)s”", "there is no such time as “%(value)s”"),
        ("检查月、日、时与时区", "check month, day, hour and zone"),
    ),
    "time.zulu": _rule(
        ERROR, "3.3.2; schema",
        ("时区写成 Z：“%(value)s”", "the zone is written Z: “%(value)s”"),
        ("世界时写 -00:00，北京时间写 +08:00", "write -00:00 for UTC, +08:00 for Beijing"),
    ),
    "time.fraction": _rule(
        ERROR, "schema", ("秒带小数：“%(value)s”", "seconds have a fraction: “%(value)s”"), _ONE_FORM
    ),
    "time.no_zone": _rule(
        ERROR, "3.3.2; schema",
        ("没有时区：“%(value)s”，暂按世界时读取", "no zone in “%(value)s”; read as UTC until it is known"),
        ("补上时区，如 +08:00", "add the zone, such as +08:00"),
    ),
    "time.comma": _rule(
        ERROR, "3.3.2; schema",
        ("时区符号写成逗号：“%(value)s”，暂按正号读取", "a comma stands for the sign of the zone: “%(value)s”; read as plus"),
        ("写 + 或 -；模式的字符集误含逗号", "write + or -; the schema's pattern has the comma by a slip"),
    ),
    "time.utc": _rule(
        WARNING, "3.3.2",
        ("世界时写成 +00:00：“%(value)s”", "UTC is written +00:00: “%(value)s”"),
        ("世界时须写 -00:00", "UTC must be written -00:00"),
    ),
    "time.order": _rule(
        ERROR, "3.2.2",
        ("expires 早于 %(earlier)s", "expires lies before %(earlier)s"),
        ("检查两个时间及其时区", "check both times and their zones"),
    ),
    "time.expired_when_sent": _rule(
        WARNING, "3.2.2",
        ("发出时已经失效（expires 不晚于 sent）", "it had expired when it was sent"),
        ("检查 expires；解除预警应当用 Cancel", "check expires; to end a warning send a Cancel"),
    ),
    "time.future": _rule(
        WARNING, "3.2.1",
        ("发出时间在将来：“%(value)s”", "it was sent in the future: “%(value)s”"),
        ("检查发送方的时钟与时区", "check the sender's clock and zone"),
    ),
    "time.no_end": _rule(
        WARNING, "3.2.2",
        ("没有 expires：接收方只能自行决定何时失效（本平台按 24 小时）",
         "without expires every receiver has to guess when it ends (24 hours here)"),
        ("写明 expires", "say when it expires"),
    ),
    "time.long": _rule(
        WARNING, "own limit",
        ("有效期 %(days)s 天", "in force for %(days)s days"),
        ("检查 expires 的年月", "check year and month of expires"),
    ),
    "id.characters": _rule(
        ERROR, "3.2.1",
        ("%(element)s“%(value)s”含空格、逗号、< 或 &", "%(element)s “%(value)s” holds a blank, a comma, < or &"),
        ("去掉这些字符：references 靠它们分隔", "leave them out: references are cut apart by them"),
    ),
    "id.long": _rule(
        WARNING, "own limit",
        ("%(element)s 长达 %(count)s 个字符", "%(element)s has %(count)s characters"),
        ("缩短，许多接收方只存 255 个", "make it shorter: many receivers keep 255"),
    ),
    "language.form": _rule(
        ERROR, "3.2.2; RFC 5646",
        ("语言标签“%(value)s”不合规", "“%(value)s” is no language tag"),
        ("写成 zh-CN、en-US 之类", "write such as zh-CN or en-US"),
    ),
    "language.mismatch": _rule(
        WARNING, "3.2.2",
        ("标为 %(value)s，内容却是中文", "it says %(value)s, and is Chinese"),
        ("写 <language>zh-CN</language>；缺省是 en-US", "write <language>zh-CN</language>; left out it means en-US"),
    ),
    "number.form": _rule(
        ERROR, "3.2.3, 3.2.4; schema",
        ("%(element)s 不是数：“%(value)s”", "%(element)s is no number: “%(value)s”"),
        ("只写数字，不带单位", "write digits only, no unit"),
    ),
    "uri.form": _rule(
        ERROR, "3.2.2, 3.2.3; RFC 3986",
        ("%(element)s 不是网址：“%(value)s”", "%(element)s is no address: “%(value)s”"),
        ("空格等字符要转义", "escape blanks and the like"),
    ),
    "uri.relative": _rule(
        WARNING, "3.2.2, 3.2.3",
        ("%(element)s 不是完整网址：“%(value)s”", "%(element)s is no full address: “%(value)s”"),
        ("写完整网址，或内嵌 derefUri", "write the whole address, or carry the file in derefUri"),
    ),
    "mime.form": _rule(
        ERROR, "3.2.3; RFC 2046",
        ("mimeType 不合规：“%(value)s”", "“%(value)s” is no MIME type"),
        ("写成 image/png 之类", "write such as image/png"),
    ),
    "deref.form": _rule(
        ERROR, "3.2.3",
        ("derefUri 不是 base64", "derefUri is not base64"),
        ("以 base64 编码附件", "encode the file in base64"),
    ),
    "size.mismatch": _rule(
        WARNING, "3.2.3",
        ("size 为 %(given)s，内嵌文件实为 %(real)s 字节", "size says %(given)s, the file carried has %(real)s bytes"),
        ("改正 size", "correct size"),
    ),
    "digest.form": _rule(
        WARNING, "3.2.3; FIPS 180-2",
        ("digest 不是 SHA-1 的 40 位十六进制", "digest is not the 40 hex digits of SHA-1"),
        ("用 SHA-1 计算", "compute it by SHA-1"),
    ),
    "digest.mismatch": _rule(
        ERROR, "3.2.3",
        ("digest 与内嵌文件不符", "digest does not fit the file carried"),
        ("附件损坏或被改动，勿使用", "the file is damaged or changed: do not use it"),
    ),
    "text.html": _rule(
        WARNING, "3.3.3",
        ("%(element)s 含 HTML 标签", "%(element)s holds HTML tags"),
        ("只用纯文本", "use plain text"),
    ),
    "text.entity": _rule(
        WARNING, "3.3.3",
        ("%(element)s 含重复转义的字符“%(value)s”", "%(element)s holds a character escaped twice: “%(value)s”"),
        ("只转义一次", "escape it once"),
    ),
    "text.long": _rule(
        WARNING, "3.2.2",
        ("headline 有 %(count)s 个字符，短信等只能容 160 个", "headline has %(count)s characters; text messages hold 160"),
        ("缩短标题，细节放进 description", "shorten it; details go into description"),
    ),
    # ---- the message as a whole --------------------------------------------------------------------------------
    "scope.restriction_missing": _rule(
        ERROR, "3.2.1",
        ("scope 为 Restricted 却没有 restriction", "its scope is Restricted, and restriction is missing"),
        ("写明限制规则", "say what restricts it"),
    ),
    "scope.restriction": _rule(
        ERROR, "3.2.1",
        ("有 restriction，scope 却是 %(scope)s", "it has a restriction, and its scope is %(scope)s"),
        ("改 scope 为 Restricted，或去掉 restriction", "make the scope Restricted, or leave the restriction out"),
    ),
    "scope.addresses_missing": _rule(
        ERROR, "3.2.1",
        ("scope 为 Private 却没有 addresses", "its scope is Private, and addresses are missing"),
        ("列出接收方", "list who it is for"),
    ),
    "scope.addresses": _rule(
        WARNING, "3.2.1",
        ("有 addresses，scope 却是 %(scope)s", "it has addresses, and its scope is %(scope)s"),
        ("若只给这些人，scope 用 Private", "if it is for them alone, its scope is Private"),
    ),
    "list.quotes": _rule(
        ERROR, "3.2.1",
        ("%(element)s 中引号不成对", "a quotation mark of %(element)s is not closed"),
        ("含空格的项用双引号括起", "put an entry with blanks between double quotes"),
    ),
    "note.exercise": _rule(
        WARNING, "3.2.1",
        ("演练消息没有 note 说明是哪次演练", "an exercise, and no note says which"),
        ("在 note 中写明演练名称", "name the exercise in note"),
    ),
    "note.error": _rule(
        WARNING, "3.2.1",
        ("拒收（Error）没有 note 说明原因", "an Error, and no note says why"),
        ("在 note 中写明原因", "say why in note"),
    ),
    "reference.missing": _rule(
        ERROR, "3.2.1",
        ("%(type)s 没有 references", "a message of type %(type)s without references"),
        ("列出被更新或解除的消息：sender,identifier,sent", "list what it is about: sender,identifier,sent"),
    ),
    "reference.form": _rule(
        ERROR, "3.2.1",
        ("references 中“%(value)s”不是 sender,identifier,sent", "“%(value)s” in references is not sender,identifier,sent"),
        ("三项以逗号相连，各组以空白分隔", "three parts joined by commas, each triplet parted by blanks"),
    ),
    "reference.blanks": _rule(
        ERROR, "3.2.1",
        ("references 的分隔不对：“%(value)s”", "entries of references are not parted as they should be: “%(value)s”"),
        ("组内只用逗号，组间只用空白", "commas inside a triplet, blanks between triplets"),
    ),
    "reference.time": _rule(
        WARNING, "3.2.1, 3.3.2",
        ("references 中的时间“%(value)s”不合规", "the time “%(value)s” in references is not written as it should be"),
        ("逐字照抄原消息的 sent", "copy sent of that message letter for letter"),
    ),
    "reference.self": _rule(
        ERROR, "3.2.1",
        ("引用了自己", "it refers to itself"),
        ("references 填被更新或解除的消息；identifier 必须新取", "name the earlier message; an identifier is used once"),
    ),
    "reference.later": _rule(
        ERROR, "3.2.1",
        ("引用的消息发出时间更晚：“%(value)s”", "it refers to a message sent later: “%(value)s”"),
        ("检查 references 与 sent", "check references and sent"),
    ),
    "reference.repeated": _rule(
        NOTE, "3.2.1",
        ("references 中有重复", "an entry of references is given twice"),
        ("只留一个", "keep one"),
    ),
    "reference.unexpected": _rule(
        NOTE, "3.2.1",
        ("首次发布（Alert）不应有 references", "an Alert is the first of its kind, and has references"),
        ("若是更新，msgType 用 Update", "if it updates something, its msgType is Update"),
    ),
    "reference.circular": _rule(
        ERROR, "3.2.1",
        ("几条消息互相引用成环：%(value)s", "messages refer to each other in a circle: %(value)s"),
        ("检查各自的 references", "check the references of each"),
    ),
    "id.twice": _rule(
        ERROR, "3.2.1",
        ("与另一条内容不同的消息同号：%(value)s", "another message with other content has the same identity: %(value)s"),
        ("identifier 对每条消息都必须是新的", "every message needs an identifier of its own"),
    ),
    # ---- info --------------------------------------------------------------------------------------------------
    "info.missing": _rule(
        WARNING, "3.2.1",
        ("没有 info：没说发生什么、在哪里、怎么办", "without info it does not say what happens, where, and what to do"),
        ("至少写一个 info", "write at least one info"),
    ),
    "info.same_text": _rule(
        WARNING, "3.2.2",
        ("%(one)s 与 %(other)s 两种语言的文字相同", "the words for %(one)s and %(other)s are the same"),
        ("翻译其中之一，或去掉", "translate one of them, or leave it out"),
    ),
    "info.no_headline": _rule(
        WARNING, "3.2.2",
        ("没有 headline，也没有 description", "neither headline nor description"),
        ("用一句话说清发生了什么", "say in one sentence what happens"),
    ),
    "info.no_instruction": _rule(
        NOTE, "3.2.2",
        ("没有 instruction：没说该怎么办", "without instruction it does not say what to do"),
        ("写明公众该怎么办", "say what people should do"),
    ),
    "info.contradiction": _rule(
        WARNING, "3.2.2",
        ("responseType 同时有 %(one)s 与 %(other)s", "responseType says both %(one)s and %(other)s"),
        ("只留符合实际的一个", "keep the one that is true"),
    ),
    # ---- area --------------------------------------------------------------------------------------------------
    "area.missing": _rule(
        WARNING, "3.2.2",
        ("没有 area：没说在哪里", "without area it does not say where"),
        ("写明地区", "say where"),
    ),
    "area.words_only": _rule(
        WARNING, "3.2.4",
        ("area 只有文字，没有多边形、圆或区划代码", "area has words only: no polygon, circle or geocode"),
        ("至少给出一种机器可读的范围", "give at least one that a machine can read"),
    ),
    "area.ceiling_alone": _rule(
        ERROR, "3.2.4",
        ("有 ceiling 却没有 altitude", "it has a ceiling, and no altitude"),
        ("ceiling 只能与 altitude 同用", "a ceiling needs an altitude"),
    ),
    "area.ceiling_below": _rule(
        ERROR, "3.2.4",
        ("ceiling 低于 altitude", "its ceiling lies below its altitude"),
        ("二者都以英尺计，检查数值", "both are in feet: check them"),
    ),
    "polygon.form": _rule(
        ERROR, "3.3.1; schema",
        ("多边形读不出：“%(value)s”", "the polygon cannot be read: “%(value)s”"),
        ("写成 纬度,经度 纬度,经度 …", "write lat,lon lat,lon …"),
    ),
    "polygon.few": _rule(
        ERROR, "3.2.4",
        ("多边形只有 %(count)s 个点，至少要 4 个（首尾相同）", "%(count)s points; a polygon has at least 4, the last as the first"),
        ("补全各点", "give all its points"),
    ),
    "polygon.open": _rule(
        ERROR, "3.2.4",
        ("多边形不闭合：末点与首点不同", "the polygon is not closed: its last point is not its first"),
        ("末点重复首点", "repeat the first point at the end"),
    ),
    "polygon.range": _rule(
        ERROR, "3.2.4; WGS 84",
        ("坐标超出范围：“%(value)s”", "coordinates out of range: “%(value)s”"),
        ("纬度 -90 至 90，经度 -180 至 180，单位为度", "latitude -90 to 90, longitude -180 to 180, in degrees"),
    ),
    "polygon.swapped": _rule(
        ERROR, "3.2.4",
        ("经纬度颠倒：“%(value)s”", "longitude stands before latitude: “%(value)s”"),
        ("CAP 先纬度后经度", "CAP has latitude first"),
    ),
    "polygon.crossing": _rule(
        ERROR, "3.2.4",
        ("多边形的边相交", "sides of the polygon cross"),
        ("按边界顺序排列各点，或分成几个多边形", "put the points in order, or make several polygons"),
    ),
    "polygon.flat": _rule(
        ERROR, "3.2.4",
        ("多边形没有面积", "the polygon has no area"),
        ("检查各点；一点用 radius 为 0 的 circle", "check its points; a point is a circle of radius 0"),
    ),
    "polygon.dateline": _rule(
        WARNING, "3.2.4",
        ("多边形跨过 180° 经线", "the polygon crosses the meridian of 180°"),
        ("在 180° 处分成两个", "cut it in two there"),
    ),
    "polygon.long": _rule(
        NOTE, "own limit",
        ("多边形有 %(count)s 个点，未核查边是否相交", "%(count)s points: whether its sides cross was not looked at"),
        ("简化到 2000 个点以内", "simplify it to 2,000 points"),
    ),
    "polygon.repeated": _rule(
        NOTE, "3.2.4",
        ("多边形有相邻的重复点", "a point of the polygon is given twice in a row"),
        ("去掉重复", "leave one out"),
    ),
    "circle.form": _rule(
        ERROR, "3.3.1; schema",
        ("圆读不出：“%(value)s”", "the circle cannot be read: “%(value)s”"),
        ("写成 纬度,经度 半径", "write lat,lon radius"),
    ),
    "circle.range": _rule(
        ERROR, "3.2.4; WGS 84",
        ("圆心超出范围：“%(value)s”", "its centre is out of range: “%(value)s”"),
        ("纬度 -90 至 90，经度 -180 至 180", "latitude -90 to 90, longitude -180 to 180"),
    ),
    "circle.swapped": _rule(
        ERROR, "3.2.4",
        ("圆心经纬度颠倒：“%(value)s”", "its centre has longitude before latitude: “%(value)s”"),
        ("CAP 先纬度后经度", "CAP has latitude first"),
    ),
    "circle.radius": _rule(
        WARNING, "3.2.4",
        ("半径 %(value)s 不合理", "a radius of %(value)s is not plausible"),
        ("半径以千米计，不得为负", "the radius is in kilometres, and not negative"),
    ),
    "geocode.division": _rule(
        WARNING, "GB/T 2260",
        ("不是行政区划代码：%(value)s", "no division code: %(value)s"),
        ("用 6、9 或 12 位代码", "write 6, 9 or 12 digits"),
    ),
    # ---- signature ---------------------------------------------------------------------------------------------
    "signature.invalid": _rule(
        ERROR, "3.3.4; XML-DSig",
        ("签名无效：内容签名后被改动，或不是这把密钥所签（%(why)s）",
         "the signature does not fit: changed after signing, or signed by another key (%(why)s)"),
        ("不要采信；向发布单位核实", "do not believe it; ask the sender"),
    ),
    "signature.unsupported": _rule(
        WARNING, "3.3.4; XML-DSig",
        ("签名无法核验：%(why)s", "the signature cannot be verified: %(why)s"),
        ("改用 RSA-SHA256 与排他规范化的 enveloped 签名", "sign enveloped, exclusive canonical, RSA-SHA256"),
    ),
    "signature.weak": _rule(
        WARNING, "NIST SP 800-131A",
        ("签名用了过时的算法 %(why)s", "the signature uses the outdated %(why)s"),
        ("改用 SHA-256", "use SHA-256"),
    ),
    "signature.untrusted": _rule(
        NOTE, "3.3.4",
        ("签名与内容相符，但证书未被信任：%(why)s", "the signature fits, but its certificate is not one you trust: %(why)s"),
        ("核对指纹后用 --trust 或在来源中登记证书", "compare the fingerprint, then name it by --trust or in the feed's row"),
    ),
    "signature.certificate_time": _rule(
        WARNING, "RFC 5280",
        ("签名证书不在有效期内：%(why)s", "the certificate was not valid when it was signed: %(why)s"),
        ("请发布单位更换证书", "ask the sender for a new certificate"),
    ),
    "signature.place": _rule(
        ERROR, "schema",
        ("签名不在 alert 的末尾", "the signature is not at the end of alert"),
        ("签名须是 alert 的最后一个元素", "it must be the last element of alert"),
    ),
    # ---- feeds -------------------------------------------------------------------------------------------------
    "feed.empty": _rule(
        NOTE, "RFC 4287; RSS 2.0",
        ("订阅源没有条目", "the feed has no entries"),
        ("没有生效的预警时属正常", "that is right where nothing is in force"),
    ),
    "feed.missing": _rule(
        ERROR, "RFC 4287, 4.1; RSS 2.0",
        ("%(element)s 缺少 %(missing)s", "%(element)s has no %(missing)s"),
        ("补上", "add it"),
    ),
    "feed.outside": _rule(
        WARNING, "RFC 4287, 6.4",
        ("alert 不在条目之内，不会被当作预警", "an alert stands outside every entry: it is not taken for one"),
        ("放进 entry/content", "put it into entry/content"),
    ),
    "feed.no_alert": _rule(
        WARNING, "RFC 4287",
        ("条目既不含 alert，也没有指向 CAP 文件的链接", "an entry neither holds an alert nor links to one"),
        ("链接注明 type=\"application/cap+xml\"", 'link it with type="application/cap+xml"'),
    ),
    "feed.same_id": _rule(
        WARNING, "RFC 4287, 4.2.6",
        ("两个条目同号：%(value)s", "two entries have the same id: %(value)s"),
        ("每个条目用自己的 id", "give each an id of its own"),
    ),
    "feed.time": _rule(
        WARNING, "RFC 3339; RFC 822",
        ("时间读不出：“%(value)s”", "this time cannot be read: “%(value)s”"),
        ("按 RFC 3339 书写", "write it by RFC 3339"),
    ),
    # ---- the Chinese profile and notices -----------------------------------------------------------------------
    "cn.identifier": _rule(
        NOTE, "GB/T 35965.1-2018, A.1.1",
        ("标识“%(value)s”不是 31 位的 单位代码_时间_序号", "“%(value)s” is not the 31 characters of unit, time and number"),
        ("写成 ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N", "write ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N"),
    ),
    "cn.event_type": _rule(
        WARNING, "GB/T 35965.1-2018; GB/T 35561",
        ("事件类型代码“%(value)s”不在表中", "the event type “%(value)s” is not in the table"),
        ("核对代码，并始终附上中文名", "check the code, and always send the name too"),
    ),
    "cn.colour": _rule(
        WARNING, "GB/T 35965.1-2018",
        ("标题与正文为%(said)s，级别却是 %(severity)s", "its words say %(said)s, its severity says %(severity)s"),
        ("二者改成一致", "make them say the same"),
    ),
    "cn.severity": _rule(
        ERROR, "GB/T 35965.1-2018",
        ("级别“%(value)s”不是 Red、Orange、Yellow、Blue 或 Unknown", "the severity “%(value)s” is no colour"),
        ("红橙黄蓝写 Red、Orange、Yellow、Blue", "write Red, Orange, Yellow or Blue"),
    ),
    "cn.time": _rule(
        ERROR, "GB/T 35965.1-2018, A.1.3",
        ("时间“%(value)s”不合规", "“%(value)s” is not a time of the profile"),
        ("写成 YYYY-MM-DD hh:mm:ss+08:00", "write YYYY-MM-DD hh:mm:ss+08:00"),
    ),
    "cn.short_year": _rule(
        NOTE, "GB/T 7408",
        ("正文年份只有两位：“%(value)s”", "its text has a year of two digits: “%(value)s”"),
        ("年份写四位", "write four digits"),
    ),
    "cn.no_date": _rule(
        WARNING, "GB/T 7408",
        ("没有完整的发布日期：“%(value)s”", "the day of issue is not said in full: “%(value)s”"),
        ("写明年月日", "say year, month and day"),
    ),
    "cn.no_place": _rule(
        WARNING, "GB/T 2260",
        ("没有说明地区", "it does not say where"),
        ("写明区划名称或代码", "name the division or its code"),
    ),
    "cn.empty": _rule(
        NOTE, "own form",
        ("字段 %(key)s 为空", "the field %(key)s is empty"),
        ("填写，或省略该字段", "fill it, or leave it out"),
    ),
    "cn.no_level": _rule(
        WARNING, "气象灾害预警信号发布与传播办法",
        ("没有预警级别", "it has no level"),
        ("写明红、橙、黄、蓝", "say red, orange, yellow or blue"),
    ),
    "cn.not_a_notice": _rule(
        ERROR, "own form",
        ("读不出预警：%(why)s", "no warning can be read here: %(why)s"),
        ("需要“某单位某时发布某类某色预警”一类的文字", "it should say who issues a warning of which kind and colour, and when"),
    ),
}  # fmt: skip
