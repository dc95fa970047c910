"""SL 651-2014: both encodings, both directions, packets, and what holds for any bytes."""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.codecs import sl651, sl651_body, sl651_words
from fengsui.sense.codecs.parts import Joiner
from tests.sense.codecs import contract

CHINA = timezone(timedelta(hours=8))
AT = datetime(2024, 1, 15, 8, 0, 5, tzinfo=CHINA)

# a timed report and its confirmation, worked out by hand from tables 20, 21 and 32
TIMED = bytes.fromhex(
    "7E7E01001234567803E832002B020001240115080005F1F1001234567848F0F0240115080020190000052619012345392300012345"
    "381212650386B5"
)
CONFIRMED = bytes.fromhex("7E7E00123456780103E8328008020001240115080006045AA7")


def only(data: bytes):
    cut = sl651.feed(data, ended=True)
    assert cut.refused == []
    (frame,) = cut.frames
    return frame


def told(data: bytes) -> dict:
    return contract.shown(sl651.CODEC, only(data))


def up(
    function: int, rest: str, *, serial: str = "0007", in_ascii: bool = False, end: int = sl651_words.ETX
) -> bytes:
    """An uplink frame whose body is serial, a time and ``rest`` in hex digits."""
    return sl651.encode(
        down=False,
        centre=1,
        station="0012345678",
        password="03E8",
        function=function,
        body=bytes.fromhex(serial + "240115080005" + rest),
        end=end,
        in_ascii=in_ascii,
    )


STATION = "F1F1001234567848F0F02401150800"


# -- reports ----------------------------------------------------------------------------------------------------


def test_a_timed_report_is_read_field_by_field():
    said = told(TIMED)
    assert {
        name: said[name] for name in ("direction", "center", "station", "password", "func", "length", "end")
    } == {
        "direction": "up",
        "center": 1,
        "station": "0012345678",
        "password": "03E8",
        "func": "32",
        "length": 43,
        "end": "03",
    }
    assert (said["crc"], said["crc_computed"]) == ("86B5", "86B5")
    assert said["serial"] == 1
    assert said["send_time"] == "2024-01-15T08:00:05+08:00"
    assert (said["addr"], said["station_class"], said["station_code"]) == ("0012345678", "48", "12345678")
    assert said["elements"][0]["observation_time"] == "2024-01-15T08:00:00+08:00"
    assert [(one["id"], one["value"], one["unit"]) for one in said["elements"][1:]] == [
        ("20", 0.5, "mm"),
        ("26", 1234.5, "mm"),
        ("39", 12.345, "m"),
        ("38", 12.65, "V"),
    ]
    assert said["elements"][3]["name"] == "瞬时河道水位、潮位"
    assert said["departures"] == []


def test_readings_carry_the_identifier_and_the_time_of_observation():
    at = datetime(2024, 1, 15, 0, 0, tzinfo=UTC).timestamp() * 1000
    assert [
        (one.device, one.code, one.value, one.unit, one.time_ms) for one in sl651.measured(only(TIMED))
    ] == [
        ("0012345678", "20", 0.5, "mm", at),
        ("0012345678", "26", 1234.5, "mm", at),
        ("0012345678", "39", 12.345, "m", at),
        ("0012345678", "38", 12.65, "V", at),
    ]


def test_the_centre_confirms_with_the_same_serial_and_addresses_in_the_other_order():
    assert sl651.answer(only(TIMED), AT + timedelta(seconds=1), sl651_words.EOT) == CONFIRMED
    said = told(CONFIRMED)
    assert (said["direction"], said["station"], said["center"], said["serial"]) == (
        "down",
        "0012345678",
        1,
        1,
    )
    assert said["end_name"]["en"] == "end, may leave EOT"
    assert sl651.measured(only(CONFIRMED)) == []


@pytest.mark.parametrize(
    ("definition_and_data", "value"),
    [
        ("3923" + "00012345", 12.345),
        ("392B" + "FF00012345", -12.345),
        ("3923" + "FF012345", -12.345),
        ("3922" + "00001234", 12.34),
        ("3920" + "00001234", 1234),
        ("3913" + "0123", 0.123),
        ("3923" + "FFFFFFFF", None),
        ("3923" + "0001234A", None),
        ("0211" + "FF05", -0.5),
    ],
)
def test_length_decimals_sign_and_missing_values_follow_the_definition(definition_and_data, value):
    one = told(up(0x32, STATION + definition_and_data))["elements"][1]
    assert one["value"] == value
    (reading,) = sl651.measured(only(up(0x32, STATION + definition_and_data)))
    assert math.isnan(reading.value) if value is None else reading.value == value


def test_a_missing_value_is_said_to_be_missing_and_bytes_that_are_no_number_are_shown():
    missing, odd = told(up(0x32, STATION + "3923FFFFFFFF" + "39230001234A"))["elements"][1:]
    assert missing["meaning"] == {"zh": "缺测", "en": "missing"}
    assert odd["raw"] == "0001234A"


@pytest.mark.parametrize("code", sorted(sl651_words.ELEMENTS))
def test_every_element_of_annex_c_is_read_with_its_name_and_unit(code):
    known = sl651_words.ELEMENTS[code]
    size = (known.digits + 1) // 2
    digits = {"step": "000005", "state": "00000080"}.get(known.kind, "0" * (2 * size - 1) + "1")
    decimals = 0 if known.kind in ("rain12", "level12") else known.decimals
    one = told(up(0x32, STATION + f"{code:02X}{size << 3 | decimals:02X}{digits}"))["elements"][1]
    assert one["id"] == f"{code:02X}"
    assert (one["name"], one["name_en"]) == known.name
    assert one.get("unit", "") == known.unit
    if known.kind == "bcd":
        assert one["value"] == pytest.approx(1 / 10**known.decimals)


def test_identifiers_that_the_annex_does_not_have_are_kept_under_their_number():
    said = told(up(0x32, STATION + "7A12" + "0125" + "FF3012" + "0345" + "38121265"))
    assert [(one["id"], one["value"], one["name_en"]) for one in said["elements"][1:]] == [
        ("7A", 1.25, "unknown identifier"),
        ("FF30", 3.45, "unknown identifier"),
        ("38", 12.65, "supply voltage"),
    ]
    assert [(one.code, one.value) for one in sl651.measured(only(up(0x32, STATION + "FF30120345")))] == [
        ("FF30", 3.45)
    ]


def test_an_element_that_runs_past_the_body_is_kept_as_unread_and_costs_nothing_before_it():
    said = told(up(0x32, STATION + "38121265" + "392300"))
    assert said["elements"][1]["value"] == 12.65
    assert said["unread_hex"] == "392300"


def test_an_hourly_report_has_twelve_readings_of_rain_and_level_five_minutes_apart():
    rain = "05" * 3 + "FF" + "00" * 8
    level = "04D2" + "FFFF" + "0000" * 10
    frame = only(up(0x34, STATION + "F460" + rain + "2619001234" + "F5C0" + level + "38121265"))
    readings = sl651.measured(frame)
    of = {code: [one for one in readings if one.code == code] for code in ("F4", "F5", "26", "38")}
    assert [one.value for one in of["F4"][:3]] == [0.5] * 3
    assert math.isnan(of["F4"][3].value)
    assert [len(of[code]) for code in of] == [12, 12, 1, 1]
    assert of["F5"][0].value == 12.34
    assert math.isnan(of["F5"][1].value)
    assert of["F4"][11].time_ms - of["F4"][0].time_ms == 55 * 60_000
    assert (of["F4"][0].unit, of["F5"][0].unit) == ("mm", "m")


def test_even_periods_have_one_identifier_and_a_value_for_each_step():
    frame = only(up(0x31, STATION + "0418000010" + "3923" + "00012345" + "FFFFFFFF" + "00012347"))
    readings = sl651.measured(frame)
    assert [one.code for one in readings] == ["39"] * 3
    assert readings[0].value == 12.345
    assert math.isnan(readings[1].value)
    assert readings[2].value == 12.347
    assert readings[2].time_ms - readings[0].time_ms == 20 * 60_000


def test_hours_of_rain_may_follow_each_other_under_one_identifier():
    frame = only(up(0x38, STATION + "0418000000" + "F460" + "01" * 12 + "02" * 12))
    readings = sl651.measured(frame)
    assert [one.value for one in readings] == [0.1] * 12 + [0.2] * 12
    assert readings[23].time_ms - readings[0].time_ms == 23 * 5 * 60_000


def test_elements_after_a_step_that_are_no_series_are_read_one_by_one():
    said = told(up(0x31, STATION + "0418000005" + "F460" + "01" * 12 + "38121265"))
    assert [one["id"] for one in said["elements"][1:]] == ["04", "F4", "38"]


def test_a_new_time_and_a_new_station_hold_for_what_follows_them():
    second = "F0F02401150900" + "38121266"
    third = "F1F1420500000150" + "F0F02401151000" + "2019000005"
    frame = only(up(0x32, STATION + "38121265" + second + third))
    readings = sl651.measured(frame)
    hour = 3_600_000
    assert [(one.device, one.value) for one in readings] == [
        ("0012345678", 12.65),
        ("0012345678", 12.66),
        ("4205000001", 0.5),
    ]
    assert [one.time_ms - readings[0].time_ms for one in readings] == [0, hour, 2 * hour]


def test_a_station_with_a_division_code_is_written_with_twelve_digits():
    assert sl651_body.station_code("420500EA61") == "420500060001"
    assert sl651_body.station_code("0012345678") == "12345678"


def test_a_test_report_measures_nothing():
    assert sl651.measured(only(up(0x30, STATION + "38121265"))) == []
    assert len(told(up(0x30, STATION + "38121265"))["elements"]) == 2


def test_states_say_every_bit():
    one = told(up(0x46, "F1F10012345678" + "4520" + "00000085"))["elements"][0]
    assert one["value"] == 0x85
    assert "mains off" in one["meaning"]["en"]
    assert "door closed" in one["meaning"]["en"]
    assert "battery normal" in one["meaning"]["en"]


# -- commands and their answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", sorted(sl651_words.FUNCTIONS))
@pytest.mark.parametrize("down", [False, True])
def test_every_function_is_named_and_read_with_an_empty_body(function, down):
    raw = sl651.encode(
        down=down,
        centre=1,
        station="0012345678",
        password="0000",
        function=function,
        body=sl651_body.opening(3, AT, False),
        end=sl651_words.ENQ if down else sl651_words.ETX,
    )
    said = told(raw)
    assert said["func_name"] == sl651_words.FUNCTIONS[function].zh
    assert (said["serial"], said["elements"]) == (3, [])


@pytest.mark.parametrize("function", [0x00, 0x3F, 0x52, 0xDF, 0xE0, 0xFF])
def test_reserved_and_own_functions_are_named_by_their_range(function):
    said = told(up(function, "F1F10012345678" + "7E7E01"))
    assert said["func_name_en"] == ("defined by the user" if function >= 0xE0 else "reserved")
    assert said["addr"] == "0012345678"


@pytest.mark.parametrize(
    ("function", "data", "key", "value"),
    [
        (0x45, "05" + b"V1.20".hex(), "version", "V1.20"),
        (0x4C, "0105", "values", [1, 3]),
        (0x4D, "020001", "values", [9]),
        (
            0x4E,
            "02" + "01" + "0120" + "0000",
            "values",
            [{"gate": 1, "open": True, "opening_cm": 120}, {"gate": 2, "open": False, "opening_cm": 0}],
        ),
        (0x4F, "FF", "value", "FF"),
        (0x49, "0310" + "1234", "value", "1234"),
        (0x47, "9700", "value", None),
    ],
)
def test_answers_to_commands_are_read(function, data, key, value):
    said = told(up(function, "F1F10012345678" + data))
    found = said if key == "version" else said["elements"][0]
    assert found[key] == value
    assert "unread_hex" not in said


def test_an_event_record_has_thirty_two_counts():
    (one,) = told(up(0x50, "F1F10012345678" + "0001" + "0000" * 30 + "0009"))["elements"]
    assert (one["value"]["ERC1"], one["value"]["ERC32"], one["value"]["ERC2"]) == (1, 9, 0)


def test_basic_and_operating_parameters_have_their_own_meaning():
    basic = told(
        up(
            0x41,
            "F1F10012345678"
            + "012001020000"
            + "045002192168001001009708"
            + "0C0802"
            + "0D408001000000000000",
        )
    )
    assert [(one["id"], one.get("value", one.get("values"))) for one in basic["elements"]] == [
        ("01", [1, 2, 0, 0]),
        ("04", {"channel": "02", "address": "192.168.1.1:9708"}),
        ("0C", "02"),
        ("0D", "8001000000000000"),
    ]
    operating = told(up(0x43, "F1F10012345678" + "282BFF00001500" + "200806"))
    assert [(one["id"], one["name_en"], one["value"]) for one in operating["elements"]] == [
        ("28", "datum of level 1", -1.5),
        ("20", "interval of timed reports", 6),
    ]
    assert sl651.measured(only(up(0x43, "F1F10012345678" + "200806"))) == []


def test_a_relay_list_takes_all_eight_bits_of_its_length():
    addresses = "001234567801" * 6
    one = told(up(0x41, "F1F10012345678" + "0E24" + addresses))["elements"][0]
    assert one["raw"] == addresses


def test_queries_name_what_they_ask_for():
    asked = told(
        sl651.query(
            centre=1,
            station="0012345678",
            password="03E8",
            function=0x3A,
            at=AT,
            parameters=bytes.fromhex("39233812FF3012"),
        )
    )
    assert (asked["serial"], asked["direction"], asked["end"]) == (0, "down", "05")
    assert [one["id"] for one in asked["elements"]] == ["39", "38", "FF30"]
    period = told(
        sl651.query(
            centre=1,
            station="0012345678",
            password="03E8",
            function=0x38,
            at=AT,
            parameters=bytes.fromhex("24011500" + "24011508" + "0418000100" + "1A19"),
        )
    )
    assert [one.get("value") for one in period["elements"][:2]] == [
        "2024-01-15T00:00:00+08:00",
        "2024-01-15T08:00:00+08:00",
    ]
    assert [one["id"] for one in period["elements"][2:]] == ["04", "1A"]
    clock = told(sl651.query(centre=1, station="0012345678", password="03E8", function=0x4A, at=AT))
    assert clock["send_time"] == "2024-01-15T08:00:05+08:00"


def test_a_command_may_name_the_station_in_its_body():
    head = {"centre": 1, "station": "0012345678", "password": "03E8", "at": AT}
    quota = told(
        sl651.query(function=0x4B, parameters=bytes.fromhex("F1F10012345678" + "452000000200"), **head)
    )
    assert (quota["addr"], quota["elements"][0]["value"]) == ("0012345678", 0x200)
    asked = told(
        sl651.query(function=0x41, parameters=bytes.fromhex("F1F10012345678" + "0120" + "0228"), **head)
    )
    assert [one["id"] for one in asked["elements"]] == ["01", "02"]


def test_text_entered_by_hand_is_read_to_the_end():
    said = told(up(0x35, "F2F2" + "水位 12.3".encode("gb18030").hex()))
    assert said["manual_text"] == "水位 12.3"


def test_a_report_written_is_read_as_it_was_meant():
    body = sl651_body.report(
        9,
        AT,
        "0012345678",
        0x48,
        AT,
        [
            sl651_body.element(0x39, Decimal("-1.5")),
            sl651_body.element(0x20, None),
            sl651_body.element(0x27, 123456),
        ],
    )
    raw = sl651.encode(
        down=False,
        centre=1,
        station="0012345678",
        password="0000",
        function=0x33,
        body=body,
        end=sl651_words.ETX,
    )
    assert [one["value"] for one in told(raw)["elements"][1:]] == [-1.5, None, 123456]
    with pytest.raises(ValueError, match="more than"):
        sl651_body.element(0x20, 10**9)


# -- ASCII ------------------------------------------------------------------------------------------------------


def ascii_frame(text: str, function: int = 0x32, down: bool = False, end: int = sl651_words.ETX) -> bytes:
    return sl651.encode(
        down=down,
        centre=1,
        station="0012345678",
        password="03E8",
        function=function,
        body=text.encode("latin-1"),
        end=end,
        in_ascii=True,
    )


def test_an_ascii_report_says_the_same_as_its_hex_twin():
    raw = ascii_frame("0001240115080005ST 0012345678 H TT 2401150800 PJ 0.5 PT 1234.5 Z 12.345 VT 12.65 ")
    assert raw[:24] == b"\x0101001234567803E8320051\x02"
    assert sl651.measured(only(raw)) == sl651.measured(only(TIMED))
    said, twin = told(raw), told(TIMED)
    for name in ("station", "center", "password", "func", "serial", "send_time", "addr", "station_class"):
        assert said[name] == twin[name], name
    assert [one.get("value") for one in said["elements"]] == [one.get("value") for one in twin["elements"]]


def test_ascii_values_may_be_negative_missing_or_of_an_hour():
    said = told(
        ascii_frame(
            "0001240115080005ST 0012345678 H TT 2401150800 Z -1.25 PJ M DRP 0500FF" + "00" * 9 + " XX 7 ",
            0x34,
        )
    )
    level, rain, hour, unknown = said["elements"][1:]
    assert (level["value"], rain["value"], rain["meaning"]["en"]) == (-1.25, None, "missing")
    assert hour["values"] == [0.5, 0.0, None] + [0.0] * 9
    assert (unknown["id"], unknown["value"]) == ("XX", 7)


def test_an_endless_row_of_digits_is_no_number():
    raw = ascii_frame(f"0001240115080005ST 0012345678 H TT 2401150800 Z {'9' * 400} ")
    assert told(raw)["elements"][1]["value"] is None
    assert math.isnan(sl651.measured(only(raw))[0].value)


def test_ascii_even_periods_may_have_several_elements():
    frame = only(
        ascii_frame("0001240115080005ST 0012345678 H TT 2401150800 DRN10 Z VT 1.0 12.5 1.1 M 1.2 12.7 ", 0x31)
    )
    readings = sl651.measured(frame)
    assert [(one.code, one.value) for one in readings if not math.isnan(one.value)] == [
        ("39", 1.0),
        ("39", 1.1),
        ("39", 1.2),
        ("38", 12.5),
        ("38", 12.7),
    ]
    assert readings[2].time_ms - readings[0].time_ms == 20 * 60_000


def test_an_ascii_frame_is_confirmed_in_ascii():
    raw = sl651.answer(
        only(ascii_frame("0001240115080005ST 0012345678 H TT 2401150800 Z 1.0 ")), AT, sl651_words.ESC
    )
    assert raw[:24] == b"\x0100123456780103E8328010\x02"
    said = told(raw)
    assert (said["direction"], said["serial"], said["end"]) == ("down", 1, "1B")


def test_text_and_pictures_in_ascii_frames_are_as_they_were_sent():
    said = told(ascii_frame("0001240115080005RGZS Q 1.234 ", 0x35))
    assert said["manual_text"] == "Q 1.234 "
    picture = told(ascii_frame("0001240115080005ST 0012345678 H TT 2401150800 PIC \xff\xd8 \x00", 0x36))
    assert picture["picture_hex"] == "FFD82000"


# -- packets ----------------------------------------------------------------------------------------------------


def picture_packets(size: int = 50, in_ascii: bool = False) -> list[bytes]:
    opening = sl651_body.opening(5, AT, in_ascii)
    head = b"ST 0012345678 H TT 2401150800 PIC " if in_ascii else bytes.fromhex(STATION + "F3F3")
    return sl651.split(
        opening + head + bytes(range(256)),
        size,
        down=False,
        centre=1,
        station="0012345678",
        password="03E8",
        function=0x36,
        in_ascii=in_ascii,
    )


@pytest.mark.parametrize("in_ascii", [False, True])
def test_a_picture_in_packets_is_joined_and_confirmed_once(in_ascii):
    joiner = Joiner(sl651.CODEC)
    raws = picture_packets(in_ascii=in_ascii)
    packets = [only(raw) for raw in raws]
    assert [contract.shown(sl651.CODEC, one)["packet_seq"] for one in packets] == list(
        range(1, len(raws) + 1)
    )
    for packet in packets[:-1]:
        assert joiner.add(packet, 0) == (None, [])
    whole = joiner.add(packets[-1], 0).frame
    said = contract.shown(sl651.CODEC, whole)
    assert bytes.fromhex(said["picture_hex"]) == bytes(range(256))
    answer = told(sl651.answer(whole, AT, sl651_words.EOT))
    assert (answer["serial"], answer["packets_total"], answer["packet_seq"], answer["end"]) == (
        5,
        len(raws),
        len(raws),
        "04",
    )


def test_a_missing_packet_is_asked_for_by_its_number_and_ends_the_message_when_it_comes():
    packets, joiner = [only(raw) for raw in picture_packets()], Joiner(sl651.CODEC)
    for packet in packets[:2] + packets[3:]:
        joiner.add(packet, 0)
    assert joiner.missing(packets[0]) == [3]
    said = told(sl651.answer(packets[0], AT, sl651_words.EOT, missing=3))
    assert (said["end"], said["packet_seq"], said["direction"]) == ("15", 3, "down")
    assert joiner.add(packets[2], 20_000).frame is not None


def test_a_message_in_one_packet_is_whole():
    (raw,) = picture_packets(size=1000)
    assert told(raw)["picture_bytes"] == 256
    assert Joiner(sl651.CODEC).add(only(raw), 0).frame == only(raw)


def test_a_packet_may_be_longer_than_twelve_bits_say():
    (raw,) = sl651.split(
        sl651_body.opening(5, AT, False) + bytes.fromhex(STATION + "F3F3") + b"\x01" * 40_000,
        60_000,
        down=False,
        centre=1,
        station="0012345678",
        password="03E8",
        function=0x36,
    )
    said = told(raw)
    assert (said["direction"], said["picture_bytes"]) == ("up", 40_000)


@pytest.mark.parametrize("path", contract.shared("wire_sl651/picture_0x36_packets.jsonl"))
def test_the_picture_of_the_field_has_its_checksum(path):
    joiner, whole = Joiner(sl651.CODEC), None
    for line in contract.lines(path):
        whole = joiner.add(only(bytes.fromhex(line["hex"])), 0).frame
    expected = json.loads(path.with_name("picture_0x36_expected.json").read_text())
    picture = bytes.fromhex(sl651.describe(whole)["picture_hex"])
    assert (len(picture), hashlib.sha256(picture).hexdigest()) == (
        expected["reassembled_bytes"],
        expected["sha256"],
    )


@pytest.mark.parametrize(
    "path", contract.shared("wire_sl651/frames.jsonl", "wire_sl651/picture_0x36_packets.jsonl")
)
def test_frames_of_the_field_are_read_as_their_sources_say(path):
    for line in contract.lines(path):
        expected = line["expected"]
        cut = sl651.feed(bytes.fromhex(line["hex"]), ended=True)
        assert bool(cut.frames) == expected["crc_ok"]
        said = contract.shown(sl651.CODEC, cut.frames[0] if cut.frames else cut.refused[0].seen)
        for name, value in expected.items():
            if name == "elements":
                assert len(said[name]) == len(value)
                for one, given in zip(said[name], value, strict=True):
                    for key in ("id", "raw", "bytes", "decimals", "value", "values"):
                        assert key not in given or one[key] == given[key], (key, one, given)
                    if "observation_time" in given:
                        assert one["observation_time"][:16].replace("T", " ") == given["observation_time"]
            elif name == "send_time":
                assert said[name][:19].replace("T", " ") == value
            elif name not in ("crc_ok", "length_ok", "rest_hex"):
                assert str(said[name]).upper() == str(value).upper(), name
        assert "unread_hex" not in said


# -- refusals ---------------------------------------------------------------------------------------------------


def test_a_wrong_crc_is_refused_with_both_values_and_the_fields():
    raw = TIMED[:-2] + b"\x00\x00"
    (refused,) = sl651.feed(raw, ended=True).refused
    assert (refused.reason, refused.data) == ("crc", raw)
    assert refused.facts == {"declared_length": 43, "crc": "0000", "crc_computed": "86B5"}
    assert sl651.describe(refused.seen)["serial"] == 1


def test_a_crc_with_its_low_byte_first_is_read_and_named():
    assert only(TIMED[:-2] + b"\xb5\x86").departures == ("crc_low_byte_first",)


def test_a_wrong_length_is_refused_with_the_real_one():
    for length in (42, 44, 60):
        body = TIMED[:11] + length.to_bytes(2, "big") + TIMED[13:-2]
        raw = body + sl651.crc16(body).to_bytes(2, "big")
        cut = sl651.feed(raw + TIMED, ended=True)
        assert [one.raw for one in cut.frames] == [TIMED]
        (refused,) = cut.refused
        assert (refused.reason, refused.data) == ("length", raw)
        assert (refused.facts["declared_length"], refused.facts["actual_length"]) == (length, 43)


def test_a_cut_frame_is_refused_as_cut_with_what_can_be_read():
    cut = sl651.feed(TIMED[:40], ended=True)
    (refused,) = cut.refused
    assert (refused.reason, refused.data) == ("cut", TIMED[:40])
    assert sl651.describe(refused.seen)["station"] == "0012345678"
    assert sl651.feed(TIMED[:40]).rest == TIMED[:40]


def test_a_mark_within_a_frame_begins_no_other():
    raw = up(0x32, STATION + "F3F37E7E7E7E010012345678")
    assert only(raw).raw == raw


# -- what holds for any bytes -----------------------------------------------------------------------------------

FRAMES = st.one_of(
    st.tuples(
        st.sampled_from([0x2F, 0x31, 0x32, 0x34, 0x38, 0x41, 0x43, 0x45, 0x4E, 0x50, 0xE1]),
        st.binary(max_size=60),
    ).map(lambda made: up(made[0], STATION + made[1].hex())),
    st.tuples(st.sampled_from([0x31, 0x32, 0x3A, 0x41]), st.text("ST PJZVM0123456789.- ", max_size=40)).map(
        lambda made: ascii_frame("0001240115080005" + made[1], made[0])
    ),
    st.binary(min_size=1, max_size=60).map(
        lambda body: sl651.encode(
            down=True,
            centre=9,
            station="4205000001",
            password="0000",
            function=0x3A,
            body=body,
            end=sl651_words.ENQ,
        )
    ),
    st.sampled_from(picture_packets(100)),
    st.sampled_from(picture_packets(100, in_ascii=True)),
)
NOISE = contract.noise_like(
    b"\x7e\x7e",
    b"\x7e",
    b"\x01",
    TIMED[:14],
    TIMED[:30],
    CONFIRMED[:-1],
    bytes.fromhex("7E7E0100123456780000320FFF02"),
    bytes.fromhex("7E7E010012345678000036FFFF1600D001"),
    ascii_frame("0001240115080005")[:24],
)
LONGEST = 17 + sl651.MAX_PACKET


@given(FRAMES)
def test_what_is_encoded_is_fed_back(raw):
    assert only(raw).raw == raw
    contract.shown(sl651.CODEC, only(raw))


@given(st.lists(st.one_of(FRAMES, NOISE), max_size=5).map(b"".join), contract.CUTS)
def test_any_cut_gives_the_same_frames(stream, cuts):
    contract.any_cut_gives_the_same_frames(sl651.CODEC, stream, cuts)


@given(NOISE, FRAMES, contract.CUTS)
def test_noise_before_a_frame_never_costs_the_frame(noise, frame, cuts):
    contract.noise_never_costs_the_frame(sl651.CODEC, noise, frame, cuts)


@given(st.lists(st.one_of(FRAMES, NOISE), max_size=5).map(b"".join))
def test_every_byte_is_in_a_frame_or_in_a_refusal(stream):
    contract.every_byte_is_kept(sl651.CODEC, stream)


@given(st.one_of(st.binary(max_size=400), NOISE), contract.CUTS)
def test_arbitrary_bytes_never_raise_and_are_shown(stream, cuts):
    contract.arbitrary_bytes_never_raise(sl651.CODEC, stream, cuts, LONGEST)


@given(st.integers(0, 255), st.binary(min_size=1, max_size=120), st.booleans(), st.booleans())
def test_arbitrary_bodies_in_good_frames_never_raise_and_are_shown(function, body, down, in_ascii):
    raw = sl651.encode(
        down=down,
        centre=1,
        station="0012345678",
        password="0000",
        function=function,
        body=body,
        end=sl651_words.ENQ if down else sl651_words.ETX,
        in_ascii=in_ascii,
    )
    contract.shown(sl651.CODEC, only(raw))


@given(st.binary(max_size=300))
def test_the_crc_is_that_of_the_polynomial_bit_by_bit(data):
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    assert sl651.crc16(data) == register


@given(st.binary(max_size=3000), st.integers(0, 3000), st.integers(0, 3000))
def test_the_quick_checksum_is_the_plain_one(data, begin, end):
    begin, end = sorted((begin % (len(data) + 1), end % (len(data) + 1)))
    sums = sl651.Checksums(data)
    sums._left = 0
    assert sums.of(begin, end) == sl651.crc16(data[begin:end])


@pytest.mark.parametrize("head", ["7E7E0100123456780000320FF202", "7E7E010012345678000036FFF216001001"])
def test_a_flood_of_false_headers_costs_no_more_than_its_length(head, monkeypatch):
    """Every false header ends on an end mark, so that each asks for a checksum of its whole length."""
    unit = (bytes.fromhex(head) + b"\x03" * 16)[:32]
    reckoned = 0
    crc = sl651.crc16

    def counted(data):
        nonlocal reckoned
        reckoned += len(data)
        return crc(data)

    monkeypatch.setattr(sl651, "crc16", counted)
    flood = unit * 5000
    sl651.feed(flood, ended=True)
    assert 0 < reckoned < 8 * len(flood)
