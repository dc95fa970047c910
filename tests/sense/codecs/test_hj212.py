"""HJ 212-2017: the standard's own frame, frames of the field, and what holds for any bytes."""

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.quality import Quality
from fengsui.sense.codecs import hj212
from fengsui.sense.codecs.hj212_factors import factor, table
from fengsui.sense.codecs.parts import SPAN_MS, Joiner
from tests.sense.codecs import contract

FRAMES = Path(__file__).with_name("frames") / "hj212" / "frames.jsonl"

# HJ 212-2017, annex A: the segment whose CRC the standard prints
ANNEX_A = (
    b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
)
REAL_TIME = (
    "QN=20160801085000001;ST=32;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;CP=&&DataTime=20160801084000;"
    "w01018-Rtd=63.0,w01018-Flag=N;w21003-Rtd=1.5,w21003-Flag=D;w99999-Rtd=7&&"
)


def only(data: bytes, ended: bool = True):
    cut = hj212.feed(data, ended=ended)
    assert cut.refused == []
    (frame,) = cut.frames
    return frame


# -- the frame --------------------------------------------------------------------------------------------------


def test_the_crc_of_annex_a_is_not_that_of_modbus():
    assert hj212.crc16(ANNEX_A) == 0x1C80
    assert hj212.encode(ANNEX_A) == b"##0101" + ANNEX_A + b"1C80\r\n"


@given(st.binary(max_size=300))
def test_the_crc_is_that_of_annex_a_bit_by_bit(data):
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    assert hj212.crc16(data) == register


def test_the_frame_of_annex_a_is_read_into_its_fields():
    frame = only(hj212.encode(ANNEX_A))
    told = contract.shown(hj212.CODEC, frame)
    assert told["QN"] == "20160801085857223"
    assert (told["ST"], told["CN"], told["PW"], told["MN"], told["Flag"]) == (
        "32",
        "1062",
        "100000",
        "010000A8900016F000169DC0",
        "5",
    )
    assert told["CP"] == [{"RtdInterval": "30"}]
    assert told["version"] == "2017"
    assert told["answer_needed"] is True
    assert told["names"]["CN"] == {"zh": "设置实时数据间隔", "en": "set the interval of real-time data"}
    assert told["departures"] == []


@pytest.mark.parametrize("path", [FRAMES, *contract.shared("wire_hj212/frames.jsonl")])
def test_frames_of_the_field_are_read_as_their_sources_say(path):
    for sample in contract.lines(path):
        cut = hj212.feed(sample["frame"].encode(), ended=True)
        assert len(cut.frames) == sample["crc_ok"]
        assert [one.reason for one in cut.refused] == ([] if sample["crc_ok"] else ["crc"])
        frame = cut.frames[0] if cut.frames else cut.refused[0].seen
        told = contract.shown(hj212.CODEC, frame)
        assert {name: told[name] for name in sample["head"]} == sample["head"]
        assert told["CP"] == sample["cp"]
        assert (told["crc"], told["crc_computed"]) == (sample["crc"], sample["crc_computed"])
        assert told["length"] == sample["declared_len"]


def test_a_wrong_crc_is_refused_and_kept_with_both_values_and_the_fields():
    raw = hj212.encode(ANNEX_A).replace(b"1C80", b"1C81")
    cut = hj212.feed(raw)
    assert cut.frames == []
    (refused,) = cut.refused
    assert refused.code == "sense.bad_frame"
    assert (refused.reason, refused.data) == ("crc", raw)
    assert refused.facts == {
        "declared_length": 101,
        "actual_length": 101,
        "crc": "1C81",
        "crc_computed": "1C80",
    }
    assert refused.seen.get("MN") == "010000A8900016F000169DC0"


@pytest.mark.parametrize("declared", [99, 103, 1000, 0])
def test_a_wrong_length_is_refused_with_the_length_that_the_segment_has(declared):
    raw = hj212.encode(ANNEX_A).replace(b"##0101", b"##%04d" % declared)
    cut = hj212.feed(raw + hj212.encode(REAL_TIME))
    assert [one.reason for one in cut.refused] == ["length"]
    assert cut.refused[0].data == raw
    assert cut.refused[0].facts["actual_length"] == 101
    assert cut.refused[0].facts["crc_computed"] == "1C80"
    assert cut.refused[0].seen.get("CN") == "1062"
    assert [frame.get("CN") for frame in cut.frames] == ["2011"]


def test_a_frame_cut_by_a_lost_connection_does_not_hold_back_the_next():
    whole = hj212.encode(REAL_TIME)
    cut = hj212.feed(whole[:70] + whole)
    assert [frame.raw for frame in cut.frames] == [whole]
    assert [(one.reason, one.data) for one in cut.refused] == [("cut", whole[:70])]


def test_two_frames_stuck_together_without_line_ends_are_two():
    one, other = hj212.encode(ANNEX_A)[:-2], hj212.encode(REAL_TIME)
    frames = hj212.feed(one + other).frames
    assert [frame.raw for frame in frames] == [one, other]
    assert [frame.departures for frame in frames] == [("no_tail",), ()]


def test_a_crc_in_lower_case_is_read_and_named():
    frame = only(hj212.encode(ANNEX_A).replace(b"1C80", b"1c80"))
    assert frame.departures == ("crc_in_lower_case",)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_length_that_counts_characters_is_read_and_named(encoding):
    text = "QN=20160801085857223;ST=32;CN=3020;Flag=4;CP=&&i11001-Info=//系统重启,正常;//&&"
    data = text.encode(encoding)
    raw = b"##%04d%s%04X\r\n" % (len(text), data, hj212.crc16(data))
    frame = only(raw)
    assert "length_in_characters" in frame.departures
    assert frame.cp == ((("i11001-Info", "//系统重启,正常;//"),),)
    assert ("not_utf8" in frame.departures) == (encoding == "gb18030")


def test_a_segment_of_more_than_1024_characters_is_read_and_named():
    items = ";".join(f"e101{n:02d}-Rtd=1.0" for n in range(100))
    frame = only(hj212.encode(f"QN=1;CP=&&{items}&&"))
    assert set(frame.departures) == {"longer_than_1024", "cp_longer_than_950"}
    assert len(hj212.values(frame)) == 100


def test_a_comma_in_the_head_and_missing_fields_are_read_and_named():
    frame = only(hj212.encode("QN=20160801085000001,ST=32;CN=2011"))
    assert (frame.get("QN"), frame.get("ST")) == ("20160801085000001", "32")
    assert set(frame.departures) == {"comma_in_head", "no_cp"}
    assert frame.flag == 0


def test_the_state_and_running_time_of_equipment_are_readings():
    frame = only(
        hj212.encode("QN=1;ST=32;CN=2021;MN=M;Flag=4;CP=&&DataTime=20160801085857;SB1-RS=1;SB2-RS=4&&")
    )
    assert [(one.code, one.value) for one in hj212.measured(frame)] == [("SB1-RS", 1.0), ("SB2-RS", 4.0)]
    assert [row.meaning.en for row in hj212.explain(frame) if row.name.en.endswith("running state")] == [
        "running",
        "alarm",
    ]
    hours = only(hj212.encode("QN=1;CN=2041;Flag=4;CP=&&DataTime=20160801000000;SB1-RT=1.1&&"))
    assert [(one.code, one.value, one.unit) for one in hj212.measured(hours)] == [("SB1-RT", 1.1, "h")]


def test_a_semicolon_that_an_example_of_the_standard_forgets_is_not_missed():
    assert only(hj212.encode("QN=1;ST=32;CN=2041;Flag=5CP=&&SB1-RT=1.1&&")).flag == 5


def test_unknown_fields_and_names_without_a_value_are_kept():
    told = contract.shown(
        hj212.CODEC, only(hj212.encode("QN=1;Vendor=x;Flag=4,;CP=&&Odd;w01018-Rtd=1,w01018-Rtd=2&&"))
    )
    assert told["other_fields"] == {"Vendor": "x"}
    assert told["Flag"] == "4"
    assert told["CP"] == [{"Odd": None}, {"w01018-Rtd": ["1", "2"]}]


# -- values -----------------------------------------------------------------------------------------------------


def test_values_have_name_unit_flag_and_quality():
    first, second, third = hj212.values(only(hj212.encode(REAL_TIME)))
    assert (first.code, first.field, first.value, first.flag, first.quality) == (
        "w01018",
        "Rtd",
        63.0,
        "N",
        Quality.GOOD,
    )
    assert (first.factor.name, first.factor.unit, first.factor.format) == ("化学需氧量", "mg/L", "N5.1")
    assert (second.flag, second.quality) == ("D", Quality.BAD)
    assert (third.factor, third.quality) == (None, Quality.GOOD)


def test_readings_are_named_by_code_and_statistic_at_the_time_of_the_data():
    readings = hj212.measured(only(hj212.encode(REAL_TIME)))
    at = datetime(2016, 8, 1, 0, 40, tzinfo=UTC).timestamp() * 1000
    assert [(one.code, one.value, one.unit, one.time_ms) for one in readings] == [
        ("w01018-Rtd", 63.0, "mg/L", at),
        ("w21003-Rtd", 1.5, "mg/L", at),
        ("w99999-Rtd", 7.0, "", at),
    ]
    assert readings[0].device == "010000A8900016F000169DC0"


def test_an_hour_has_mean_lowest_highest_and_sum():
    data = (
        "QN=20160801085000001;ST=31;CN=2061;PW=1;MN=1;Flag=4;CP=&&DataTime=20160801080000;"
        "a21026-Cou=12.5,a21026-Min=1.1,a21026-Avg=1.2,a21026-Max=1.3,a21026-ZsAvg=2.4,a21026-Flag=N&&"
    )
    readings = hj212.measured(only(hj212.encode(data)))
    assert [(one.code, one.value, one.unit) for one in readings] == [
        ("a21026-Cou", 12.5, "kg"),
        ("a21026-Min", 1.1, "mg/m3"),
        ("a21026-Avg", 1.2, "mg/m3"),
        ("a21026-Max", 1.3, "mg/m3"),
        ("a21026-ZsAvg", 2.4, "mg/m3"),
    ]


def test_a_sampling_time_of_its_own_counts_before_the_time_of_the_frame():
    data = "QN=1;Flag=4;CP=&&DataTime=20231008123340;w01018-SampleTime=20231008120000,w01018-Rtd=1.5,w01018-EFlag=A&&"
    (reading,) = hj212.measured(only(hj212.encode(data)))
    assert reading.time_ms == datetime(2023, 10, 8, 4, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize("text", ["nan", "inf", "9" * 400, "1e5", "1_0", "--", "", "0x10", "１"])
def test_what_is_no_plain_number_is_no_value(text):
    (reading,) = hj212.measured(only(hj212.encode(f"QN=1;CP=&&w01018-Rtd={text},w01018-Flag=N&&")))
    assert math.isnan(reading.value)


def test_an_unknown_flag_makes_a_value_uncertain():
    (value,) = hj212.values(only(hj212.encode("CP=&&w01018-Rtd=1,w01018-Flag=Z&&")))
    assert value.quality is Quality.UNCERTAIN


def test_a_flag_that_stands_alone_belongs_to_the_values_of_its_factor():
    values = hj212.values(only(hj212.encode("CP=&&w01018-Rtd=1;w01018-Flag=D;w21003-Rtd=2&&")))
    assert [(one.code, one.flag, one.quality) for one in values] == [
        ("w01018", "D", Quality.BAD),
        ("w21003", None, Quality.GOOD),
    ]


def test_the_table_of_factors_has_every_code_by_its_kinds():
    assert len(table()) == 379
    assert {one.code[0] for one in table()} == set("waLegi")
    assert factor("a34013").name == "烟尘"
    assert factor("e10107").name == "进水口流量"
    assert factor("011") == factor("w01018")
    assert factor("S02").code == "a01011"
    assert factor("i33317").name == "炉膛内上部焚烧温度"
    assert factor("e70101").name == "污水提升泵 / 加药量"
    assert factor("LMx").name == "最大的瞬时声级"
    assert factor("z00000") is None


def test_a_frame_of_2005_is_read_by_its_old_codes():
    data = "ST=32;CN=2071;PW=1;MN=LD130133000015;CP=&&DataTime=20160824003817;B01-Rtd=36.91;060-Rtd=1.8,060-Flag=P&&"
    frame = only(hj212.encode(data))
    told = contract.shown(hj212.CODEC, frame)
    assert told["version"] == "2005"
    assert told["names"]["CN"]["en"] == "limit alarms"
    assert [(one["name"], one["value"]) for one in told["values"]] == [("污水", 36.91), ("氨氮", 1.8)]
    assert told["values"][1]["quality"] == "bad"


def test_a_command_of_2025_has_its_name_and_its_body_is_kept():
    told = contract.shown(
        hj212.CODEC, only(hj212.encode("QN=1;ST=31;CN=1014;Flag=9;CP=&&SKCreateTime=1;NewSK=xyz&&"))
    )
    assert told["version"] == "2025"
    assert told["names"]["CN"]["en"] == "new key"
    assert told["CP"] == [{"SKCreateTime": "1"}, {"NewSK": "xyz"}]


# -- answers ----------------------------------------------------------------------------------------------------


def test_an_answer_repeats_the_request_number_and_speaks_for_the_system():
    request = only(hj212.encode(ANNEX_A))
    ready = only(hj212.answer_request(request, 1))
    assert [ready.get(name) for name in ("QN", "ST", "CN", "Flag")] == [
        "20160801085857223",
        "91",
        "9011",
        "4",
    ]
    assert ready.cp == ((("QnRtn", "1"),),)
    done = only(hj212.answer_executed(request, 100))
    assert (done.get("CN"), done.cp) == ("9012", ((("ExeRtn", "100"),),))
    assert contract.shown(hj212.CODEC, done)["names"]["ExeRtn"]["zh"] == "没有数据"
    assert only(hj212.answer_notice(request)).get("CN") == "9013"
    data = only(hj212.answer_data(request))
    assert data.get("CN") == "9014"
    assert data.data.endswith(b"CP=&&&&")
    assert data.cp == ()


def test_an_answer_to_a_device_of_2005_carries_the_request_number_inside():
    request = only(
        hj212.encode("QN=20040516010101001;ST=32;CN=1000;PW=123456;MN=88888880000001;Flag=3;CP=&&&&")
    )
    assert only(hj212.answer_request(request, 1)).data == (
        b"ST=91;CN=9011;PW=123456;MN=88888880000001;Flag=0;CP=&&QN=20040516010101001;QnRtn=1&&"
    )


def test_a_message_written_is_read_as_it_was_meant():
    raw = hj212.message(
        qn="20240101000000000",
        st="31",
        cn="1012",
        pw="123456",
        mn="0" * 24,
        flag=5,
        cp="&&SystemTime=20240101000000&&",
    )
    told = contract.shown(hj212.CODEC, only(raw))
    assert told["CP"] == [{"SystemTime": "20240101000000"}]
    assert told["split"] is False


# -- split messages ---------------------------------------------------------------------------------------------


def split(qns=("20160801085000534", "20160801085000535"), time="20160801080000", second="a21002-Avg=2"):
    return [
        only(raw)
        for raw in hj212.split_message(
            qns=qns,
            st="31",
            cn="2061",
            pw="1",
            mn="M",
            flag=5,
            packets=[f"&&DataTime={time};a21026-Avg=1&&", f"&&DataTime={time};{second}&&"],
        )
    ]


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 0, 1], [1, 1, 1, 0]])
def test_packets_make_one_message_in_any_order_and_however_often(order):
    packets, joiner = split(), Joiner(hj212.CODEC)
    joined = [joiner.add(packets[index], 0) for index in order]
    assert [one.frame for one in joined[:-1]] == [None] * (len(order) - 1)
    whole = joined[-1].frame
    assert [(one.code, one.value) for one in hj212.measured(whole)] == [
        ("a21026-Avg", 1.0),
        ("a21002-Avg", 2.0),
    ]
    assert [key for group in whole.cp for key, _ in group].count("DataTime") == 1
    told = contract.shown(hj212.CODEC, whole)
    assert "PNUM" not in told
    assert all(one.refused == [] for one in joined)


def test_a_packet_sent_again_after_the_message_was_whole_begins_no_new_one():
    packets, joiner = split(), Joiner(hj212.CODEC)
    for packet in packets:
        joiner.add(packet, 0)
    assert joiner.add(packets[1], 10) == (None, [])
    assert joiner.end() == []


def test_packets_of_two_hours_are_never_mixed():
    early, late = split(), split(qns=("20160801095000534", "20160801095000535"), time="20160801090000")
    joiner = Joiner(hj212.CODEC)
    joiner.add(early[1], 0)
    joined = joiner.add(late[0], 1000)
    assert joined.frame is None
    (given_up,) = joined.refused
    assert (given_up.reason, given_up.facts) == ("incomplete", {"total": 2, "missing": [1]})
    assert given_up.data == early[1].raw
    assert hj212.measured(given_up.seen)[0].code == "a21002-Avg"
    assert joiner.missing(late[0]) == [2]
    assert joiner.add(late[1], 2000).frame is not None


def test_what_stays_incomplete_is_given_up_after_a_while():
    joiner = Joiner(hj212.CODEC)
    joiner.add(split()[0], 0)
    assert joiner.expire(SPAN_MS) == []
    assert [one.facts["missing"] for one in joiner.expire(SPAN_MS + 1)] == [[2]]


def test_a_sender_of_first_packets_only_is_held_within_bounds():
    joiner = Joiner(hj212.CODEC, max_open=4, max_bytes=700)
    refused = []
    for number in range(40):
        raw = hj212.message(
            qn="1", st="31", cn="2061", pw="1", mn=f"M{number}", flag=7, cp="&&DataTime=1&&", pnum=2, pno=1
        )
        refused += joiner.add(only(raw), 0).refused
    assert len(refused) + len(joiner.end()) == 40
    assert len(refused) >= 36


@pytest.mark.parametrize(
    ("pnum", "pno"), [("2", "3"), ("0", "0"), ("-1", "1"), ("2", ""), ("99999", "1"), ("１", "1")]
)
def test_packet_numbers_that_make_no_sense_make_no_packet(pnum, pno):
    frame = only(hj212.encode(f"QN=1;Flag=7;PNUM={pnum};PNO={pno};CP=&&a=1&&"))
    assert Joiner(hj212.CODEC).add(frame, 0).frame is frame


# -- what holds for any bytes -----------------------------------------------------------------------------------

VALUES = st.lists(
    st.tuples(
        st.sampled_from(["w01018", "a34004", "e10112", "x"]),
        st.sampled_from(["Rtd", "Avg", "Flag"]),
        st.text("0123456789.-N系", max_size=6),
    ),
    max_size=12,
)
SEGMENTS = VALUES.map(
    lambda items: (
        "QN=20160801085000001;ST=31;CN=2011;PW=1;MN=1;Flag=4;CP=&&"
        + ";".join(f"{code}-{field}={value}" for code, field, value in items)
        + "&&"
    )
)
NOISE = contract.noise_like(
    b"##", b"#", b"##0101", b"##0005", b"##9999", b"\r\n", b"&&1C80\r\n", b"QN=", b"&&"
)
LONGEST = 9999 + 12


@given(SEGMENTS)
def test_what_is_encoded_is_fed_back(segment):
    frame = only(hj212.encode(segment), ended=False)
    assert frame.data == segment.encode()
    assert hj212.encode(frame.data) == frame.raw
    contract.shown(hj212.CODEC, frame)


@given(st.lists(st.one_of(SEGMENTS.map(hj212.encode), NOISE), max_size=6).map(b"".join), contract.CUTS)
def test_any_cut_gives_the_same_frames(stream, cuts):
    contract.any_cut_gives_the_same_frames(hj212.CODEC, stream, cuts)


@given(NOISE, SEGMENTS, contract.CUTS)
def test_noise_before_a_frame_never_costs_the_frame(noise, segment, cuts):
    contract.noise_never_costs_the_frame(hj212.CODEC, noise, hj212.encode(segment), cuts)


@given(st.lists(st.one_of(SEGMENTS.map(hj212.encode), NOISE), max_size=5).map(b"".join))
def test_every_byte_is_in_a_frame_or_in_a_refusal(stream):
    contract.every_byte_is_kept(hj212.CODEC, stream, skipped=b"\r\n")


@given(st.one_of(st.binary(max_size=400), NOISE), contract.CUTS)
def test_arbitrary_bytes_never_raise_and_are_shown(stream, cuts):
    contract.arbitrary_bytes_never_raise(hj212.CODEC, stream, cuts, LONGEST)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode), SEGMENTS.map(str.encode)))
def test_arbitrary_segments_in_good_frames_never_raise_and_are_shown(data):
    for frame in hj212.feed(hj212.encode(data), ended=True).frames:
        contract.shown(hj212.CODEC, frame)


def test_a_flood_of_false_headers_costs_no_more_than_its_length():
    """Work is linear: twice the flood asks for about twice the checksums, not four times."""
    calls = 0
    crc = hj212.crc16

    def counted(data):
        nonlocal calls
        calls += len(data)
        return crc(data)

    hj212.crc16 = counted
    try:
        hj212.feed(b"##9999" * 10_000, ended=True)
    finally:
        hj212.crc16 = crc
    assert calls < 2 * 60_000
