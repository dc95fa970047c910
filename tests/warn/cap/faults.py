"""For every rule of the check a document that breaks it: made from one good message by one change.

``BASE`` breaks nothing.  ``FAULTS[rule]`` is the bytes of a document in which that rule is broken.
"""

import datetime
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from fengsui.warn.cap.message import Circle
from fengsui.warn.cap.shapes import ring_of, write_polygon
from fengsui.warn.cap.signature import sign

BASE = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
 <identifier>42050041600000_20261126203000_0</identifier>
 <sender>42050041600000</sender>
 <sent>2026-11-26T20:30:00+08:00</sent>
 <status>Actual</status>
 <msgType>Alert</msgType>
 <scope>Public</scope>
 <info>
  <language>zh-CN</language>
  <category>Met</category>
  <event>暴雨</event>
  <responseType>Prepare</responseType>
  <urgency>Expected</urgency>
  <severity>Severe</severity>
  <certainty>Likely</certainty>
  <eventCode><valueName>CN:eventType</valueName><value>11B03</value></eventCode>
  <effective>2026-11-26T20:30:00+08:00</effective>
  <onset>2026-11-26T21:00:00+08:00</onset>
  <expires>2026-11-27T02:30:00+08:00</expires>
  <senderName>宜昌市气象台</senderName>
  <headline>宜昌市气象台发布暴雨橙色预警</headline>
  <description>预计未来三小时西陵区降雨量将达五十毫米以上。</description>
  <instruction>请远离低洼地带，减少外出。</instruction>
  <web>https://example.org/warnings</web>
  <contact>0717-0000000</contact>
  <parameter><valueName>CN:severity</valueName><value>Orange</value></parameter>
  <resource>
   <resourceDesc>雷达图</resourceDesc>
   <mimeType>image/png</mimeType>
   <size>3</size>
   <uri>https://example.org/radar.png</uri>
   <derefUri>YWJj</derefUri>
   <digest>a9993e364706816aba3e25717850c26c9cd0d89d</digest>
  </resource>
  <area>
   <areaDesc>西陵区</areaDesc>
   <polygon>30.60,111.20 30.60,111.35 30.80,111.35 30.80,111.20 30.60,111.20</polygon>
   <circle>30.70,111.30 5</circle>
   <geocode><valueName>GB2260</valueName><value>420502</value></geocode>
   <altitude>100</altitude>
   <ceiling>200</ceiling>
  </area>
 </info>
</alert>
"""

SELF = "42050041600000,42050041600000_20261126203000_0,2026-11-26T20:30:00+08:00"
EARLIER = "42050041600000,42050041600000_20261126103000_0,2026-11-26T10:30:00+08:00"
LATER = "42050041600000,42050041600000_20261126223000_0,2026-11-26T22:30:00+08:00"

CHINA = """<?xml version="1.0" encoding="UTF-8"?>
<alert>
 <identifier>42050041600000_20261126203000_0</identifier><sender>宜昌市气象台</sender>
 <senderCode>42050041600000</senderCode><sendTime>2026-11-26 20:30:00+08:00</sendTime>
 <status>Actual</status><msgType>Alert</msgType><scope>Public</scope><code/><secClassification>None</secClassification>
 <note/><references/>
 <info><language>zh-CN</language><eventType>11B03</eventType><urgency>Unknown</urgency><severity>Orange</severity>
  <certainty>Unknown</certainty><effective>2026-11-26 20:30:00+08:00</effective><onset/>
  <expires>2026-11-27 02:30:00+08:00</expires><senderName>宜昌市气象台</senderName>
  <headline>宜昌市气象台发布暴雨橙色预警</headline><description>预计有暴雨。</description><instruction>请减少外出。</instruction>
  <web/><area><areaDesc>西陵区</areaDesc><polygon/><circle/><geocode>420502</geocode></area></info>
</alert>
"""

ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><id>https://example.org/feed</id><title>t</title>
<updated>2026-11-26T20:30:00+08:00</updated>
<entry><id>https://example.org/1</id><title>t</title><updated>2026-11-26T20:30:00+08:00</updated>
<link type="application/cap+xml" href="https://example.org/1.xml"/></entry></feed>
"""

NOTICE = {
    "SIGNALTYPE": "雷电",
    "SIGNALLEVEL": "黄色",
    "PROVINCE": "湖北省",
    "CITY": "宜昌市",
    "ISSUETIME": "2026-11-26 20:30:00",
    "RELIEVETIME": "2026-11-27 02:30:00",
    "ISSUECONTENT": "宜昌市气象台2026年11月26日20时30分发布雷电黄色预警信号：预计六小时内将有雷电活动。",
    "msgType": "Alert",
    "identifier": "42050041600000_20261126203000_0",
}


def but(old: str, new: str, text: str = BASE) -> bytes:
    """``text`` with one thing changed."""
    assert text.count(old) >= 1, f"{old!r} is not in the base"
    return text.replace(old, new, 1).encode()


def without(element: str) -> bytes:
    """The base without that element (the first of its name)."""
    start = BASE.index(f"<{element}>")
    end = BASE.index(f"</{element}>") + len(element) + 3
    return (BASE[:start] + BASE[end:]).encode()


def polygon(text: str) -> bytes:
    return but("30.60,111.20 30.60,111.35 30.80,111.35 30.80,111.20 30.60,111.20", text)


def notice(**changes) -> bytes:
    said = {name: value for name, value in (NOTICE | changes).items() if value is not None}
    return json.dumps(said, ensure_ascii=False).encode()


def circling(own: str, other: str) -> bytes:
    """A message ``own`` that refers to ``other``."""
    named = BASE.replace("42050041600000_20261126203000_0", own).replace("<msgType>Alert", "<msgType>Update")
    references = f"<references>42050041600000,{other},2026-11-26T10:30:00+08:00</references>"
    return but("<scope>Public</scope>", f"<scope>Public</scope>{references}", named)


def certificate(key, begin=datetime.datetime(2026, 1, 1), years=5) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=365 * years))
        .sign(key, hashes.SHA256())
    )


EC_KEY = ec.generate_private_key(ec.SECP256R1())
CERTIFICATE = certificate(EC_KEY)
SIGNED = sign(BASE.encode(), EC_KEY, CERTIFICATE)


def _weak() -> bytes:
    key = rsa.generate_private_key(65537, 1024)  # too short, as some in the field are
    return sign(BASE.encode(), key, certificate(key))


UPDATE = BASE.replace("<msgType>Alert", "<msgType>Update")

FAULTS: dict[str, bytes] = {
    "xml.too_large": b"<alert>" + b" " * (2 << 20) + b"</alert>",
    "xml.doctype": b'<?xml version="1.0"?><!DOCTYPE alert [<!ENTITY a "b">]><alert>&a;</alert>',
    "xml.too_deep": b"<a>" * 100 + b"</a>" * 100,
    "xml.not_well_formed": but("</info>", ""),
    "xml.encoding": but('encoding="UTF-8"', 'encoding="GBK"').decode().encode("gb18030"),
    "xml.shifted": b"\n" + BASE.encode(),
    "xml.not_cap": b"<html><body>404</body></html>",
    "schema.namespace": but(' xmlns="urn:oasis:names:tc:emergency:cap:1.2"', ""),
    "schema.old_version": but("cap:1.2", "cap:1.1"),
    "schema.missing": without("scope"),
    "schema.repeated": but("<scope>Public</scope>", "<scope>Public</scope><scope>Public</scope>"),
    "schema.order": but(" <scope>Public</scope>\n", "").replace(
        b"<status>", b"<scope>Public</scope><status>"
    ),
    "schema.unknown": but("<scope>", "<colour>Red</colour><scope>"),
    "schema.case": but("<scope>Public</scope>", "<Scope>Public</Scope>"),
    "schema.foreign": but("<scope>", '<x xmlns="urn:x">1</x><scope>'),
    "schema.empty": but("<event>暴雨</event>", "<event/>"),
    "schema.empty_optional": but("<scope>Public</scope>", "<scope>Public</scope><note/>"),
    "schema.text": but("<scope>", "stray<scope>"),
    "schema.attribute": but("<scope>", '<scope kind="x">'),
    "schema.pair": but(
        "<geocode><valueName>GB2260</valueName><value>420502</value></geocode>",
        "<geocode>GB2260=420502</geocode>",
    ),
    "enum.unknown": but("<severity>Severe", "<severity>Terrible"),
    "enum.case": but("<severity>Severe", "<severity>severe"),
    "enum.deprecated": but("<certainty>Likely", "<certainty>Very Likely"),
    "enum.later": but("cap:1.2", "cap:1.1").replace(b"Prepare<", b"Avoid<"),
    "enum.repeated": but("<category>Met</category>", "<category>Met</category><category>Met</category>"),
    "time.form": but("<sent>2026-11-26T20:30:00+08:00", "<sent>yesterday"),
    "time.impossible": but("<sent>2026-11-26", "<sent>2026-13-26"),
    "time.zulu": but("<sent>2026-11-26T20:30:00+08:00", "<sent>2026-11-26T12:30:00Z"),
    "time.fraction": but("<sent>2026-11-26T20:30:00+", "<sent>2026-11-26T20:30:00.5+"),
    "time.no_zone": but("<sent>2026-11-26T20:30:00+08:00", "<sent>2026-11-26T12:30:00"),
    "time.comma": but("<sent>2026-11-26T20:30:00+08:00", "<sent>2026-11-26T20:30:00,08:00"),
    "time.utc": but("<sent>2026-11-26T20:30:00+08:00", "<sent>2026-11-26T12:30:00+00:00"),
    "time.order": but("<expires>2026-11-27T02", "<expires>2026-11-26T20"),
    "time.expired_when_sent": but("<expires>2026-11-27T02", "<expires>2026-11-25T02"),
    "time.future": but("<sent>2026", "<sent>9026"),
    "time.no_end": without("expires"),
    "time.long": but("<expires>2026", "<expires>2036"),
    "id.characters": but("<identifier>42050041600000_", "<identifier>a b,"),
    "id.long": but("<identifier>", f"<identifier>{'9' * 300}"),
    "language.form": but("<language>zh-CN", "<language>Chinese (PRC)"),
    "language.mismatch": without("language"),
    "number.form": but("<size>3", "<size>3 kB"),
    "uri.form": but("https://example.org/warnings", "https://example.org/war nings"),
    "uri.relative": but("https://example.org/warnings", "warnings/index"),
    "mime.form": but("image/png", "picture"),
    "deref.form": but("YWJj", "%%%"),
    "size.mismatch": but("<size>3", "<size>4"),
    "digest.form": but("<digest>a9993e", "<digest>xyz"),
    "digest.mismatch": but("<digest>a9993e", "<digest>b9993e"),
    "text.html": but("预计未来", "&lt;b&gt;预计&lt;/b&gt;未来"),
    "text.entity": but("预计未来", "预计&amp;nbsp;未来"),
    "text.long": but("宜昌市气象台发布暴雨橙色预警<", f"{'宜' * 161}<"),
    "scope.restriction_missing": but("<scope>Public", "<scope>Restricted"),
    "scope.restriction": but("<scope>Public</scope>", "<scope>Public</scope><restriction>x</restriction>"),
    "scope.addresses_missing": but("<scope>Public", "<scope>Private"),
    "scope.addresses": but("<scope>Public</scope>", "<scope>Public</scope><addresses>a b</addresses>"),
    "list.quotes": but("<scope>Public</scope>", '<scope>Private</scope><addresses>"a b</addresses>'),
    "note.exercise": but("<status>Actual", "<status>Exercise"),
    "note.error": but("<msgType>Alert", "<msgType>Error"),
    "reference.missing": UPDATE.encode(),
    "reference.form": but("<scope>Public</scope>", "<scope>Public</scope><references>a</references>", UPDATE),
    "reference.blanks": but(
        "<scope>Public</scope>",
        "<scope>Public</scope><references>a, b, 2026-01-01T00:00:00+08:00</references>",
        UPDATE,
    ),
    "reference.time": but(
        "<scope>Public</scope>", "<scope>Public</scope><references>a,b,2026-11-26</references>", UPDATE
    ),
    "reference.self": but(
        "<scope>Public</scope>", f"<scope>Public</scope><references>{SELF}</references>", UPDATE
    ),
    "reference.later": but(
        "<scope>Public</scope>", f"<scope>Public</scope><references>{LATER}</references>", UPDATE
    ),
    "reference.repeated": but(
        "<scope>Public</scope>", f"<scope>Public</scope><references>{EARLIER} {EARLIER}</references>", UPDATE
    ),
    "reference.unexpected": but(
        "<scope>Public</scope>", f"<scope>Public</scope><references>{EARLIER}</references>"
    ),
    "info.missing": (BASE[: BASE.index(" <info>")] + "</alert>").encode(),
    "info.same_text": but(
        " </info>\n",
        " </info>\n" + BASE[BASE.index(" <info>") : BASE.index("</alert>")].replace("zh-CN", "fr-FR"),
    ),
    "info.no_headline": without("headline")
    .replace(b"<description>", b"<!--")
    .replace(b"</description>", b"-->"),
    "info.no_instruction": without("instruction"),
    "info.contradiction": but(
        "<responseType>Prepare</responseType>",
        "<responseType>Prepare</responseType><responseType>None</responseType>",
    ),
    "area.missing": without("area"),
    "area.words_only": but(
        BASE[BASE.index("   <polygon>") : BASE.index("  </area>")],
        "",
    ),
    "area.ceiling_alone": without("altitude"),
    "area.ceiling_below": but("<ceiling>200", "<ceiling>20"),
    "polygon.form": polygon("30.60 111.20, 30.60 111.35"),
    "polygon.few": polygon("30.60,111.20 30.60,111.35 30.60,111.20"),
    "polygon.open": polygon("30.60,111.20 30.60,111.35 30.80,111.35 30.80,111.20"),
    "polygon.range": polygon("95.60,211.20 95.60,211.35 95.80,211.35 95.60,211.20"),
    "polygon.swapped": polygon("111.20,30.60 111.35,30.60 111.35,30.80 111.20,30.60"),
    "polygon.crossing": polygon("30.60,111.20 30.80,111.35 30.80,111.20 30.60,111.35 30.60,111.20"),
    "polygon.flat": polygon("30.60,111.20 30.60,111.20 30.60,111.20 30.60,111.20"),
    "polygon.dateline": polygon("10,179 20,179 20,-179 10,-179 10,179"),
    "polygon.long": polygon(write_polygon(ring_of(Circle((30.7, 111.3), 50.0), 2_500))),
    "polygon.repeated": polygon("30.60,111.20 30.60,111.20 30.60,111.35 30.80,111.35 30.60,111.20"),
    "circle.form": but("<circle>30.70,111.30 5", "<circle>30.70 111.30 5"),
    "circle.range": but("<circle>30.70,111.30 5", "<circle>230.70,311.30 5"),
    "circle.swapped": but("<circle>30.70,111.30 5", "<circle>111.30,30.70 5"),
    "circle.radius": but("<circle>30.70,111.30 5", "<circle>30.70,111.30 5000"),
    "geocode.division": but("<value>420502", "<value>Yichang"),
    "signature.invalid": SIGNED.replace("五十毫米".encode(), "五百毫米".encode()),
    "signature.unsupported": SIGNED.replace(b"ecdsa-sha256", b"ecdsa-sha3-256"),
    "signature.weak": _weak(),
    "signature.untrusted": SIGNED,
    "signature.certificate_time": sign(
        BASE.encode(), EC_KEY, certificate(EC_KEY, datetime.datetime(2001, 1, 1))
    ),
    "signature.place": SIGNED.replace(b"</alert>", b"<note>after</note></alert>"),
    "feed.empty": (ATOM[: ATOM.index("<entry>")] + "</feed>").encode(),
    "feed.missing": but("<id>https://example.org/feed</id>", "", ATOM),
    "feed.outside": but("<entry>", f"{BASE[BASE.index('<alert') :]}<entry>", ATOM),
    "feed.no_alert": but('<link type="application/cap+xml" href="https://example.org/1.xml"/>', "", ATOM),
    "feed.same_id": but("</feed>", f"{ATOM[ATOM.index('<entry>') :]}", ATOM),
    "feed.time": but(
        "<title>t</title><updated>2026-11-26T20:30:00+08:00", "<title>t</title><updated>then", ATOM
    ),
    "cn.identifier": but("_20261126203000_0</id", "_20261126203000</id"),
    "cn.event_type": but("<value>11B03", "<value>99Z99"),
    "cn.colour": but("<value>Orange", "<value>Red"),
    "cn.severity": but("<severity>Orange", "<severity>Purple", CHINA),
    "cn.time": but("<sendTime>2026-11-26 20:30:00+08:00", "<sendTime>26/11/2026", CHINA),
    "cn.short_year": notice(
        ISSUECONTENT="宜昌市气象台26年11月26日20时30分发布雷电黄色预警信号：预计有雷电。"
    ),
    "cn.no_date": json.dumps(
        {"text": "平乐县气象台26日09时15分继续发布暴雨红色预警信号：预计有暴雨。"}, ensure_ascii=False
    ).encode(),
    "cn.no_place": json.dumps(
        {"text": "2026年11月26日09时15分发布暴雨红色预警信号：预计有暴雨。"}, ensure_ascii=False
    ).encode(),
    "cn.empty": notice(CITY=""),
    "cn.no_level": notice(SIGNALLEVEL="", ISSUECONTENT="宜昌市气象台提醒：今晚有雷电。"),
    "cn.not_a_notice": (
        '{"text": "hello"}\n{"text": "宜昌市气象台2026年11月26日20时30分发布雷电黄色预警"}\n'.encode()
    ),
}
# Rules that need two files to be broken: the files in order, by name.
FAULTS_TOGETHER: dict[str, dict[str, bytes]] = {
    "id.twice": {"a.xml": BASE.encode(), "b.xml": but("五十毫米", "六十毫米")},
    "reference.circular": {"a.xml": circling("a", "b"), "b.xml": circling("b", "a")},
}
