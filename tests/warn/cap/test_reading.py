"""What is met in the field: encodings, prefixes, envelopes, old versions, notices; and the samples of the data."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fengsui.warn.cap import times
from fengsui.warn.cap.checks import check
from tests.warn.cap.faults import BASE, SIGNED, but

SAMPLES = Path(__file__).parent / "samples"


def rules(data: bytes) -> set[str]:
    return {one.rule for one in check(data).all_problems()}


def alert(data: bytes):
    (one,) = check(data).alerts
    return one.alert


WHOLE = alert(BASE.encode())


@pytest.mark.parametrize(
    "data",
    [
        BASE.replace("UTF-8", "UTF-16").encode("utf-16"),
        b"\xef\xbb\xbf" + BASE.encode(),
        BASE.replace("UTF-8", "gb2312").encode("gb18030"),
        BASE.replace("<", "<cap:")
        .replace("<cap:/", "</cap:")
        .replace("<cap:?", "<?")
        .replace("xmlns=", "xmlns:cap=")
        .encode(),
        BASE.replace("预计未来", "<![CDATA[预计]]>未来").encode(),
        BASE.replace("<info>", "<!-- comment --><?pi x?><info>").encode(),
    ],
    ids=["utf-16", "byte-order mark", "gb2312", "prefixes", "cdata", "comments"],
)
def test_the_same_message_in_another_writing_is_the_same(data):
    assert alert(data) == WHOLE


def test_an_envelope_gives_what_it_carries_and_its_signature_is_still_looked_at():
    inner = SIGNED.decode().partition("?>")[2]
    document = check(
        f'<EDXLDistribution xmlns="urn:oasis:names:tc:emergency:EDXL:DE:1.0"><contentObject><xmlContent>'
        f"<embeddedXMLContent>{inner}</embeddedXMLContent></xmlContent></contentObject></EDXLDistribution>".encode()
    )
    assert (document.kind, document.alerts[0].alert) == ("edxl", WHOLE)
    assert document.alerts[0].verdict.state == "untrusted"


def test_version_1_0_says_pairs_in_its_own_way():
    found = alert(
        b'<alert xmlns="http://www.incident.com/cap/1.0"><identifier>a</identifier><sender>b@c</sender>'
        b"<sent>2004-01-01T00:00:00-05:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>"
        b"<info><event>x</event><urgency>Immediate</urgency><severity>Severe</severity>"
        b"<certainty>Very Likely</certainty>"
        b"<eventCode>SAME=TOR</eventCode><headline>h</headline><area><areaDesc>d</areaDesc>"
        b"<geocode>FIPS6=000001</geocode></area></info></alert>"
    )
    (info,) = found.infos
    assert (info.event_codes[0].name, info.event_codes[0].value) == ("SAME", "TOR")
    assert info.areas[0].geocodes[0].value == "000001"
    assert info.certainty == "Likely"


@pytest.mark.parametrize("written", ["a, b, {t}", "a,b,{t},c,d,{t}"])
def test_references_that_are_parted_wrongly_are_read_and_named(written):
    text = written.format(t="2026-01-01T00:00:00+08:00")
    data = but(
        "<scope>Public</scope>",
        f"<scope>Public</scope><references>{text}</references>",
        BASE.replace("<msgType>Alert", "<msgType>Update"),
    )
    assert "reference.blanks" in rules(data)
    assert [one.identifier for one in alert(data).references] == (["b"] if "c" not in written else ["b", "d"])


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-26T20:30:00+08:00", datetime(2026, 11, 26, 12, 30, tzinfo=UTC)),
        ("2026-11-26T12:30:00Z", datetime(2026, 11, 26, 12, 30, tzinfo=UTC)),
        ("2026-11-26 20:30:00 +08:00", datetime(2026, 11, 26, 12, 30, tzinfo=UTC)),
        ("2026-11-26T20:30+0800", datetime(2026, 11, 26, 12, 30, tzinfo=UTC)),
        ("2026-11-26T24:00:00-00:00", datetime(2026, 11, 27, tzinfo=UTC)),
        ("2026-02-30T00:00:00-00:00", None),
        ("2026-11-26", None),
        ("26.11.2026 20:30", None),
    ],
)
def test_times_are_read_where_they_are_certain(text, at):
    assert times.read(text)[0] == at


@pytest.mark.parametrize(
    "data",
    [b"", b"<", b"<alert", b"\x00", b"[" * 5000, b"{}", b"null", b"<a/>", b"\xff\xfe", b"<?xml?>", b"]]>"],
)
def test_what_is_no_alert_is_said_to_be_none(data):
    document = check(data)
    assert not document.is_valid
    assert document.all_problems()


class TestNotices:
    def one(self, text: str, **more):
        document = check(json.dumps({"text": text} | more, ensure_ascii=False).encode())
        return document.alerts[0].alert

    @pytest.mark.parametrize(
        ("text", "event", "severity", "kind", "unit"),
        [
            (
                "宜昌市气象台2026年11月26日20时30分发布暴雨红色预警信号：…",
                "暴雨",
                "Extreme",
                "Alert",
                "宜昌市气象台",
            ),
            ("市气象台2018年12月10日16时20分发布大风蓝色预警信号。", "大风", "Minor", "Alert", "市气象台"),
            (
                "平乐县气象台2024年6月26日09时15分继续发布暴雨红色预警信号：…",
                "暴雨",
                "Extreme",
                "Update",
                "平乐县气象台",
            ),
            ("2025年7月27日10时25分，东城区气象台发布暴雨蓝色预警", "暴雨", "Minor", "Alert", "东城区气象台"),
            (
                "上海中心气象台2017年08月25日01时45分更新雷电黄色预警为雷电橙色预警",
                "雷电",
                "Severe",
                "Update",
                "上海中心气象台",
            ),
            (
                "宜昌市气象台2026年11月27日2时30分解除暴雨红色预警信号。",
                "暴雨",
                "Extreme",
                "Cancel",
                "宜昌市气象台",
            ),
            (
                "江苏省气象台13年12月4日21时57分发布大雾橙色预警信号。",
                "大雾",
                "Severe",
                "Alert",
                "江苏省气象台",
            ),
        ],
    )
    def test_a_sentence_says_who_what_which_and_when(self, text, event, severity, kind, unit):
        alert = self.one(text)
        (info,) = alert.infos
        assert (info.event, info.severity, alert.msg_type, info.sender_name) == (event, severity, kind, unit)
        assert info.description == text

    def test_without_a_year_it_is_not_guessed_and_a_stamp_beside_it_says_it(self):
        text = "东城区气象台27日10时25分发布暴雨蓝色预警,预计傍晚有雨。"
        assert self.one(text) is None
        assert self.one(text, pubtimestamp=1753583100).sent == datetime(2025, 7, 27, 2, 25, tzinfo=UTC)

    def test_what_comes_out_is_a_cap_message(self):
        from fengsui.warn.cap.rules import ERROR
        from fengsui.warn.cap.writing import write

        alert = self.one("宜昌市气象台2026年11月26日20时30分发布暴雨红色预警信号：预计有暴雨。")
        assert all(one.severity != ERROR for one in check(write(alert)).all_problems())


class TestSamples:
    """The verdicts that the collection states of its own files, and the quirks that it names."""

    SOUND = (
        "43b080713727.cap", "KAR0-0306112239-SW.cap", "amber.atom", "canada.cap", "earthquake.cap",
        "earthquake_index.atom", "no_entries.atom", "no_optional_fields.cap", "ny_index.rss", "weather.cap",
        "weather_index.atom",
    )  # fmt: skip

    @pytest.mark.parametrize("name", SOUND)
    def test_sound_files_have_no_error(self, name):
        assert check((SAMPLES / name).read_bytes()).is_valid

    @pytest.mark.parametrize(
        ("name", "rule"), [("invalid.cap", "schema.missing"), ("weather_invalid.atom", "id.characters")]
    )
    def test_files_that_are_wrong_on_purpose_are_wrong_by_that_rule(self, name, rule):
        from fengsui.warn.cap.rules import ERROR

        problems = check((SAMPLES / name).read_bytes()).all_problems()
        assert {one.rule for one in problems if one.severity == ERROR} == {rule}

    def test_notices_are_read_and_their_quirks_named(self):
        document = check((SAMPLES / "warnings.jsonl").read_bytes())
        found = [one.alert for one in document.alerts]
        assert [one.infos[0].event if one else None for one in found] == [
            "雷电", "大雾", "雷电", "大风", None, "暴雨", "暴雨",
        ]  # fmt: skip
        assert [one.infos[0].severity if one else None for one in found] == [
            "Moderate", "Severe", "Moderate", "Minor", None, "Minor", "Severe",
        ]  # fmt: skip
        by_line = {}
        for one in document.all_problems():
            by_line.setdefault(one.line, set()).add(one.rule)
        assert {"reference.self", "cn.identifier"} <= by_line[1]  # identifier equals references
        assert {"cn.short_year", "cn.empty"} <= by_line[2]  # two-digit year, empty CITY
        assert "cn.no_date" in by_line[5]  # neither year nor month
