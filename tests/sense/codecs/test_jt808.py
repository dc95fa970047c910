"""JT/T 808 by the standard's own words and by properties: any cut, any noise, arbitrary bytes, there and back."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fengsui.base.units import TABLE
from fengsui.sense.codecs.jt808.explain import describe
from fengsui.sense.codecs.jt808.frame import FLAG, MAX_REST, MAX_SEGMENT, Frame, encode, feed, split, xor
from fengsui.sense.codecs.jt808.location import (
    ALARM,
    ITEMS,
    STATUS,
    read_items,
    read_location,
    write_location,
)
from fengsui.sense.codecs.jt808.message import MESSAGES, answer, body, decode
from fengsui.sense.codecs.jt808.message import encode as encode_message
from fengsui.sense.codecs.jt808.parameters import PARAMETERS
from fengsui.sense.codecs.jt808.parts import first_serial
from fengsui.sense.codecs.jt808.readings import UNITS, flags, readings
from fengsui.sense.codecs.parts import SPAN_MS, Joiner
from fengsui.sense.codecs.registry import CODECS
from tests.sense.codecs.streams import cut, fed

SAMPLE_2013 = bytes.fromhex(
    "7E02000026123456789012007D02000000010000000200BA7F0E07E4F11C0028003C000018101510101001040000006402"
    "02007D01137E"
)
SAMPLE_2019 = bytes.fromhex(
    "7E0200401C01000000000139123456780007000000000000000301DC89D0073D8AA5000C0258005A240115083000FE7E"
)

frames = st.builds(
    Frame,
    message_id=st.integers(0, 0xFFFF),
    phone=st.just("013912345678"),
    serial=st.integers(0, 0xFFFF),
    body=st.binary(max_size=200) | st.binary(max_size=30).map(lambda b: b"\x7d\x7e" * 8 + b),
) | st.builds(
    Frame,
    message_id=st.integers(0, 0xFFFF),
    phone=st.integers(0, 10**20 - 1).map(lambda n: f"{n:020d}"),
    serial=st.integers(0, 0xFFFF),
    body=st.binary(max_size=1023),
    is_2019=st.just(True),
    protocol=st.integers(1, 255),
    encryption=st.integers(0, 7),
    total=st.just(3),
    index=st.integers(1, 3),
)


def test_the_sample_of_2013_says_what_it_says():
    (frame,), refused, _ = feed(SAMPLE_2013)
    assert refused == []
    assert (frame.phone, frame.serial, frame.is_2019) == ("123456789012", 0x7E, False)
    fields = decode(frame).fields
    assert (fields["latitude"], fields["longitude"]) == (12.222222, 132.444444)
    assert fields["alarm_set"] == ["emergency"]
    assert fields["status_set"] == ["fixed"]
    assert fields["speed_km_h"] == 6.0
    assert fields["time"] == datetime(2018, 10, 15, 2, 10, 10, tzinfo=UTC)
    assert fields["additional"] == {"mileage_km": 10.0, "fuel_l": 12.5}


def test_the_sample_of_2019_says_what_it_says():
    (frame,), _, _ = feed(SAMPLE_2019)
    assert (frame.phone, frame.serial, frame.is_2019, frame.protocol) == ("00000000013912345678", 7, True, 1)
    fields = decode(frame).fields
    assert (fields["latitude"], fields["longitude"], fields["altitude_m"]) == (31.230416, 121.473701, 12)
    assert (fields["speed_km_h"], fields["direction_deg"]) == (60.0, 90)
    assert fields["time"] == datetime(2024, 1, 15, 0, 30, tzinfo=UTC)
    assert "additional" not in fields


@given(st.lists(frames, min_size=1, max_size=5), st.lists(st.integers(0, 10**6), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_frames(sent, places):
    stream = b"".join(encode(frame) for frame in sent)
    found, refused, rest = fed(feed, cut(stream, places))
    assert found == sent
    assert refused == []
    assert rest == b""


@given(
    st.lists(st.tuples(st.binary(max_size=40), frames), min_size=1, max_size=4),
    st.lists(st.integers(0, 10**6), max_size=6),
)
def test_noise_before_a_frame_never_costs_the_frame(mixed, places):
    stream = b"".join(noise + encode(frame) for noise, frame in mixed)
    found, _, _ = fed(feed, cut(stream, places))
    for _, frame in mixed:
        assert frame in found


@given(st.lists(st.binary(max_size=3000) | st.just(FLAG), max_size=8))
def test_arbitrary_bytes_never_raise_and_never_pile_up(pieces):
    found, refused, rest = fed(feed, pieces)
    assert len(rest) <= MAX_SEGMENT + 1
    for frame in found:
        decode(frame)
    kept = sum(len(bad.data) for bad in refused)
    assert kept + len(rest) >= sum(map(len, pieces)) - sum(len(encode(f)) + 1 for f in found) - len(
        refused
    ) - b"".join(pieces).count(FLAG)


def test_a_frame_without_an_end_is_given_up_and_the_next_is_read():
    endless = FLAG + b"x" * 5000
    found, refused, rest = feed(endless)
    assert (found, len(rest)) == ([], MAX_REST)
    assert [bad.reason for bad in refused] == ["no end"]
    found, more, _ = feed(rest + SAMPLE_2013)
    assert len(found) == 1
    assert b"".join(bad.data for bad in (*refused, *more)) == endless


@given(st.integers(0, 0xFFFF), st.binary(max_size=300), st.booleans())
def test_any_body_of_any_message_is_read_or_kept(message_id, data, is_2019):
    message = decode(Frame(message_id, "1", 1, data, is_2019, int(is_2019)))
    assert message.name
    if message.notes and "other year" not in message.notes[0]:
        assert "body" in message.fields or "rest" in message.fields


@settings(max_examples=300)
@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=120), st.booleans())
def test_any_body_of_a_known_message_is_read_or_kept(message_id, data, is_2019):
    message = decode(Frame(message_id, "1", 1, data, is_2019, int(is_2019)))
    if "body" not in message.fields and not message.notes:
        written = body(message_id, message.fields, is_2019)
        again = decode(Frame(message_id, "1", 1, written, is_2019, int(is_2019)))
        assert again.name == message.name


@given(st.binary(max_size=255))
def test_additional_items_of_any_bytes_are_kept(data):
    items = read_items(data, False)
    assert data == b"" or items


@pytest.mark.parametrize("reason", ["escape", "too short", "checksum", "length"])
def test_each_refusal_has_its_reason_and_the_bytes(reason):
    good = encode(Frame(2, "013912345678", 1, b""))
    longer = bytes.fromhex("0002000501391234567800010102")
    bad = {
        "escape": FLAG + good[1:5] + b"\x7d\x03" + good[7:],
        "too short": FLAG + b"\x00\x02" + FLAG,
        "checksum": good[:-2] + bytes([good[-2] ^ 1]) + FLAG,
        "length": FLAG + longer + bytes([xor(longer)]) + FLAG,
    }[reason]
    found, refused, _ = feed(bad, ended=True)
    assert found == []
    assert [(r.reason, r.data, r.code) for r in refused] == [(reason, bad, "sense.bad_frame")]


def test_the_check_byte_is_all_bytes_exclusive_ored():
    for size in range(70):
        data = bytes((7 * n + size) & 0xFF for n in range(size))
        expected = 0
        for byte in data:
            expected ^= byte
        assert xor(data) == expected


@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.integers(-400, 9000),
    st.floats(0, 300),
    st.integers(0, 2**32 - 1),
    st.integers(0, 359),
    st.datetimes(datetime(2001, 1, 2), datetime(2098, 1, 1)),
)
def test_a_position_goes_there_and_back(latitude, longitude, altitude, speed, alarm, direction, time):
    sent = {
        "latitude": round(latitude, 6),
        "longitude": round(longitude, 6),
        "altitude_m": altitude,
        "speed_km_h": round(speed, 1),
        "alarm": alarm,
        "direction_deg": direction,
        "time": time.replace(microsecond=0, tzinfo=UTC),
        "status": 2,
    }
    found = read_location(write_location(sent, False), False)
    assert {name: found[name] for name in sent if name != "status"} == {
        n: v for n, v in sent.items() if n != "status"
    }
    assert found["alarm_set"] == [ALARM[n] for n in range(32) if alarm >> n & 1]


def test_south_and_west_are_negative():
    fields = read_location(write_location({"latitude": -33.9, "longitude": -18.4}, True), True)
    assert fields["status_set"] == ["south", "west"]
    assert (fields["latitude"], fields["longitude"]) == (-33.9, -18.4)


def test_every_status_bit_has_its_name_and_the_load_is_two_bits():
    fields = read_location(
        write_location({"status": 0xFFFFFFFF, "latitude": -1, "longitude": -1}, True), True
    )
    assert fields["load"] == "full"
    named = set(STATUS.values())
    assert named <= set(fields["status_set"])
    assert set(fields["status_set"]) - named == {f"bit{n}" for n in range(23, 32)}


ITEM_VALUES = {
    "mileage_km": 1234.5,
    "fuel_l": 60.1,
    "recorder_speed_km_h": 88.8,
    "alarm_event_id": 9,
    "tyre_pressure": [200, None, 210] + [None] * 27,
    "cabin_temperature_c": -18,
    "satellites": {
        "beidou": [{"number": 1, "elevation_deg": 40, "azimuth_deg": 310}],
        "gps": [],
        "glonass": [],
        "galileo": [],
    },
    "overspeed": {"place": 4, "place_meaning": "section", "area_id": 77},
    "area_or_route": {
        "place": 1,
        "place_meaning": "circle",
        "area_id": 5,
        "direction": 1,
        "direction_meaning": "out",
    },
    "section_time": {"section_id": 6, "time_s": 90, "result": 0, "result_meaning": "too_short"},
    "video_alarm": 0b1000001,
    "video_signal_lost_channels": [1, 32],
    "video_signal_covered_channels": [3],
    "storage_fault": 0x1001,
    "abnormal_driving": {"kind": 6, "kind_set": ["phone_call", "smoking"], "fatigue": 30},
    "vehicle_signals": 0b11,
    "io_status": 1,
    "analogue": {"ad0": 10, "ad1": 20},
    "signal_strength": 31,
    "satellite_count": 14,
}


def test_every_additional_item_of_the_standards_goes_there_and_back():
    active_safety = {"driver_assistance_alarm", "driver_state_alarm", "tyre_alarm", "blind_spot_alarm"}
    assert set(ITEM_VALUES) == {item.name for item in ITEMS.values()} - active_safety
    found = read_location(write_location({"additional": ITEM_VALUES}, True), True)["additional"]
    assert {name: found[name] for name in ITEM_VALUES} == ITEM_VALUES
    assert found["video_alarm_set"] == ["video_signal_lost", "special_recording_near_limit"]
    assert found["storage_fault_set"] == ["main_1", "spare_1"]
    assert found["vehicle_signals_set"] == ["low_beam", "high_beam"]
    assert found["io_status_set"] == ["deep_sleep"]


def test_an_unknown_item_and_a_known_one_of_the_wrong_length_are_kept_as_bytes():
    items = read_items(bytes.fromhex("E10201FF 0102000A 3001 1F 3001 10"), False)
    assert items == {
        "item_0xe1": b"\x01\xff",
        "item_0x01": b"\x00\x0a",
        "signal_strength": 31,
        "signal_strength_2": 16,
    }


def test_temperatures_below_zero_are_read_in_either_way_of_writing_them():
    assert read_items(bytes.fromhex("06028012"), False) == {"cabin_temperature_c": -18}
    assert read_items(bytes.fromhex("0602FFEE"), False) == {"cabin_temperature_c": -18}


@pytest.mark.parametrize(("kind", "size_7", "size_30"), [(0x64, 47, 71), (0x65, 47, 71), (0x67, 41, 65)])
def test_active_safety_items_are_read_in_both_lengths(kind, size_7, size_30):
    for size in (size_7, size_30):
        data = bytes(range(1, size + 1))
        items = read_items(bytes([kind, size]) + data, False)
        (name,) = items
        assert name == ITEMS[kind].name
        assert items[name]["alarm_id"] == 0x01020304
        assert len(items[name]["alarm_number"]["reserved"]) == (1 if size == size_7 else 2)


def test_the_items_of_the_standard_have_names_of_their_own():
    names = [item.name for item in ITEMS.values()]
    assert len(set(names)) == len(names)
    assert len({name for name, _ in PARAMETERS.values()}) == len(PARAMETERS)
    assert len({name for name, _ in MESSAGES.values()}) == len(MESSAGES)


REGISTRATION = {
    "province": 11,
    "city": 100,
    "maker": "70111",
    "model": "BSJ-A6-BD",
    "terminal_id": "0012345",
    "plate_colour": 2,
    "plate": "京A·12345",
}


@pytest.mark.parametrize("is_2019", [False, True])
def test_registration_is_read_in_the_form_of_its_year(is_2019):
    (data,) = encode_message(0x0100, REGISTRATION, phone="013912345678", serial=1, is_2019=is_2019)
    (frame,), _, _ = feed(data)
    fields = decode(frame).fields
    assert {name: fields[name] for name in REGISTRATION} == REGISTRATION


def test_a_registration_of_2011_with_a_vehicle_number_is_not_taken_for_one_of_2013():
    data = bytes.fromhex("000B0064") + b"70111" + b"BSJ-A6\0\0" + b"0012345" + b"\0" + b"LSVAM4187C2184847"
    message = decode(Frame(0x0100, "013912345678", 1, data))
    assert message.fields["plate"] == "LSVAM4187C2184847"
    assert message.fields["model"] == "BSJ-A6"


def test_what_the_platform_answers_is_written():
    (frame,), _, _ = feed(SAMPLE_2019)
    (back,), _, _ = feed(answer(frame, "success", serial=5))
    assert (back.phone, back.is_2019) == (frame.phone, True)
    assert decode(back).fields == {
        "reply_serial": 7,
        "reply_id": 0x0200,
        "result": 0,
        "result_meaning": "success",
    }
    (data,) = encode_message(0x8100, {"reply_serial": 1, "result": 0, "code": "abc"}, phone="1", serial=2)
    assert decode(feed(data)[0][0]).fields["code"] == "abc"
    (data,) = encode_message(0x8100, {"reply_serial": 1, "result": 3}, phone="1", serial=2)
    assert "code" not in decode(feed(data)[0][0]).fields


def test_parameters_go_there_and_back_and_unknown_ones_are_kept():
    sent = {
        "heartbeat_interval_s": 60,
        "main_address": "10.0.0.1",
        "parameter_0xf001": b"\x01\x02",
        "plate": "沪B12345",
    }
    (data,) = encode_message(0x8103, {"parameters": sent}, phone="1", serial=2)
    assert decode(feed(data)[0][0]).fields == {"parameters": sent}


def test_a_terminal_whose_number_is_not_decimal_is_answered_all_the_same():
    odd = Frame(2, "1234567890ab", 1)
    (frame,), _, _ = feed(encode(odd))
    assert feed(answer(frame, "success", 1))[0][0].phone == "1234567890ab"


def test_counts_are_written_from_the_lists_they_count():
    data = body(0x0704, {"kind": 1, "locations": [{}, {}]})
    assert decode(Frame(0x0704, "1", 1, data)).fields["count"] == 2
    data = body(
        0x0705, {"received_at": "08:30:00.1234", "items": [{"can_id": 5, "channel": 2, "extended": True}]}
    )
    fields = decode(Frame(0x0705, "1", 1, data)).fields
    assert (fields["count"], fields["received_at"]) == (1, "08:30:00.1234")
    assert fields["items"] == [
        {"can_id": 5, "channel": 2, "extended": True, "averaged": False, "data": bytes(8)}
    ]


def test_what_cannot_be_written_is_said():
    with pytest.raises(ValueError, match="has the fields"):
        body(0x8001, {"wrong": 1})
    with pytest.raises(ValueError, match="does not fit"):
        body(0x8001, {"reply_serial": 70_000})
    with pytest.raises(ValueError, match="is no parameter"):
        body(0x8103, {"parameters": {"nonsense": 1}})
    with pytest.raises(ValueError, match="is no additional item"):
        body(0x0200, {"additional": {"nonsense": 1}})
    with pytest.raises(ValueError, match="no phone number"):
        encode(Frame(2, "1234567890123", 1))
    with pytest.raises(ValueError, match="no phone number"):
        encode(Frame(2, "+8613912", 1))


def test_a_message_of_nobody_is_named_by_its_range_and_kept():
    assert decode(Frame(0xE123, "1", 1, b"ab")).name == "vendor_up"
    assert decode(Frame(0x7777, "1", 1, b"ab")).fields == {"body": b"ab"}
    assert decode(Frame(0x7777, "1", 1, b"ab")).notes == ("message not known",)


def test_a_body_that_ends_too_early_is_read_as_far_as_it_goes():
    message = decode(Frame(0x8202, "1", 1, bytes.fromhex("00050000")))
    assert message.fields == {"interval_s": 5, "rest": b"\0\0"}
    assert message.notes == ("the body ends within for_s",)
    message = decode(Frame(0x0200, "1", 1, bytes(20)))
    assert message.fields == {"rest": bytes(20)}
    assert message.notes == ("the body ends within location",)


def test_one_bad_report_in_a_batch_costs_none_of_the_others():
    good = {"latitude": 1.0, "longitude": 2.0, "status": 2, "time": datetime(2026, 1, 1, tzinfo=UTC)}
    data = body(0x0704, {"kind": 0, "locations": [good, {"unread": b"short"}, good]})
    frame = Frame(0x0704, "1", 1, data)
    locations = decode(frame).fields["locations"]
    assert locations[1] == {"unread": b"short"}
    assert locations[0] == locations[2]
    assert len([m for m in readings(frame) if m.code == "longitude"]) == 2


def test_an_encrypted_body_is_kept_and_said_to_be_so():
    message = decode(Frame(0x0200, "1", 1, bytes(28), encryption=1))
    assert message.fields == {"encrypted": bytes(28)}
    assert message.notes == ("encrypted: rsa",)


def test_bytes_after_a_body_are_kept():
    message = decode(Frame(0x0002, "1", 1, b"xyz"))
    assert message.fields == {"rest": b"xyz"}
    assert message.notes == ("3 bytes more than the standard has",)


# ---- subpackages ----------------------------------------------------------------------------------------------

LONG = Frame(0x0801, "013912345678", 65534, bytes(range(256)) * 10)


def received(parts):
    """Subpackages as they come over the wire."""
    frames, refused, _ = feed(b"".join(encode(part) for part in parts))
    assert refused == []
    return frames


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=3))
def test_subpackages_in_any_order_and_some_twice_give_the_message_once(order, again):
    sent = received(split(LONG, 600))
    assert [part.serial for part in sent] == [65534, 65535, 0, 1, 2]
    joiner, whole = Joiner(CODECS["jt808"]), []
    for n in [*order[:-1], *[n for n in again if n in order[:-1]], order[-1], *again]:
        frame, refused = joiner.add(sent[n], 0)
        assert refused == []
        whole += [frame] if frame else []
    assert whole == [LONG]
    assert joiner.end() == []


def test_what_is_missing_is_known_and_a_part_with_a_new_serial_completes_the_message():
    sent = received(split(LONG, 600))
    joiner = Joiner(CODECS["jt808"])
    for n in (0, 1, 3, 4):
        joiner.add(sent[n], 1000)
    assert joiner.missing(sent[4]) == [3]
    assert joiner.quiet(5000, 10_000) == []
    ((packet, missing),) = joiner.quiet(11_000, 10_000)
    assert (first_serial(packet), missing) == (65534, [3])
    fields = {"first_serial": 65534, "indices": missing}
    (data,) = encode_message(0x8003, fields, phone=packet.phone, serial=1)
    assert decode(feed(data)[0][0]).fields == fields
    resent = received([Frame(LONG.message_id, LONG.phone, 900, sent[2].body, total=5, index=3)])
    assert joiner.add(resent[0], 12_000) == (LONG, [])


def test_a_part_with_a_new_serial_does_not_choose_between_two_messages_that_lack_it():
    joiner = Joiner(CODECS["jt808"])
    for first in (100, 200):
        for part in received(split(replace(LONG, serial=first), 600))[:2]:
            joiner.add(part, 0)
    resent = received([Frame(LONG.message_id, LONG.phone, 900, bytes(600), total=5, index=3)])
    assert joiner.add(resent[0], 1).frame is None
    assert sorted(len(bad.facts["missing"]) for bad in joiner.end()) == [3, 3, 4]


def test_a_message_that_stays_incomplete_comes_back_as_a_refusal():
    joiner, first = Joiner(CODECS["jt808"]), received(split(LONG, 600))[0]
    joiner.add(first, 0)
    assert joiner.expire(SPAN_MS) == []
    (bad,) = joiner.expire(SPAN_MS + 1)
    assert (bad.reason, bad.data, bad.facts) == (
        "incomplete",
        first.raw,
        {"total": 5, "missing": [2, 3, 4, 5]},
    )
    assert joiner.end() == []


def test_incomplete_messages_are_bounded_in_number_and_bytes():
    for bounds in ({"max_bytes": 5000}, {"max_open": 20}):
        joiner, given_up = Joiner(CODECS["jt808"], **bounds), []
        for n in range(80):
            given_up += joiner.add(
                received([Frame(0x0801, f"{n:012d}", 1, bytes(200), total=9, index=1)])[0], 0
            ).refused
        left = joiner.end()
        assert len(left) <= 23
        assert len(left) + len(given_up) == 80


@given(
    st.lists(
        st.builds(
            Frame,
            message_id=st.just(1),
            phone=st.sampled_from(["1", "2"]),
            serial=st.integers(0, 5),
            body=st.binary(max_size=3),
            total=st.integers(1, 4),
            index=st.integers(0, 5),
        ),
        max_size=40,
    )
)
def test_no_sequence_of_subpackages_raises_or_loses_count(sequence):
    joiner = Joiner(CODECS["jt808"])
    for now, frame in enumerate(received(sequence)):
        joiner.add(frame, now)
    joiner.end()
    assert joiner._size == 0


# ---- as readings ----------------------------------------------------------------------------------------------


def measured(fields, message_id=0x0200):
    (data,) = encode_message(message_id, fields, phone="013912345678", serial=1)
    return readings(feed(data)[0][0])


def test_a_position_report_becomes_readings_with_units_at_its_own_time():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = measured(
        {
            "latitude": 31.2,
            "longitude": 121.4,
            "status": 0b11,
            "alarm": 1,
            "speed_km_h": 60.5,
            "time": at,
            "additional": {"mileage_km": 10.0, "analogue": {"ad0": 7, "ad1": 9}, "vehicle_signals": 3},
        }
    )
    assert {(m.device, m.time_ms) for m in found} == {("13912345678", 1767323045000)}
    values = {m.code: (m.value, m.unit) for m in found}
    assert values["longitude"] == (121.4, "°")
    assert values["latitude"] == (31.2, "°")
    assert values["speed_km_h"] == (60.5, "km/h")
    assert values["mileage_km"] == (10.0, "km")
    assert (values["ad0"], values["ad1"]) == ((7.0, ""), (9.0, ""))
    assert (values["alarm"], values["status"]) == ((1.0, ""), (3.0, ""))
    assert len(values) == len(found)


def test_every_alarm_and_status_bit_is_a_reading_of_its_own():
    (data,) = encode_message(0x0200, {"alarm": 1, "status": 3}, phone="13912345678", serial=1)
    values = {m.code: m.value for m in flags(feed(data)[0][0])}
    assert len(values) == len(ALARM) + len(STATUS)
    assert {code for code, value in values.items() if value} == {
        "alarm_emergency",
        "status_acc_on",
        "status_fixed",
    }


def test_every_unit_is_one_of_the_table():
    known = {unit.code for unit in TABLE}
    assert set(UNITS.values()) | {"°"} <= known


@pytest.mark.parametrize(
    "odd", [{"status": 0}, {"status": 0b100010}, {"status": 2, "latitude": 116.3, "longitude": 40.0}]
)
def test_a_position_without_fix_encrypted_or_off_the_globe_gives_no_place(odd):
    codes = {m.code for m in measured({"latitude": 31.2, "longitude": 121.4, **odd})}
    assert "longitude" not in codes
    assert "speed_km_h" in codes


def test_a_batch_gives_the_readings_of_each_of_its_reports():
    reports = [
        {"latitude": 1.0, "longitude": 2.0, "status": 2, "time": datetime(2026, 1, 1, hour, tzinfo=UTC)}
        for hour in (1, 2, 3)
    ]
    found = measured({"count": 3, "kind": 1, "locations": reports}, 0x0704)
    assert len({m.time_ms for m in found if m.code == "longitude"}) == 3
    answer_ = measured({"reply_serial": 1, "location": reports[0]}, 0x0201)
    assert {m.code for m in answer_} == {m.code for m in found}
    assert measured({}, 0x0002) == []


def test_a_frame_explained_is_json():
    for sample in (SAMPLE_2013, SAMPLE_2019):
        said = describe(feed(sample)[0][0])
        assert json.loads(json.dumps(said)) == said
        assert said["message_id"] == "0x0200"
    assert describe(feed(SAMPLE_2019)[0][0])["fields"]["time"] == "2024-01-15T00:30:00Z"
    part = describe(split(LONG, 600)[1])
    assert (part["total"], part["index"], part["notes"]) == (5, 2, ["part 2 of 5"])


def test_a_picture_without_a_position_is_the_form_of_2011():
    head = {"media_id": 1, "media_type": 0, "format": 0, "event": 1, "channel": 1}
    picture = b"\xff\xd8\xff\xe0" + bytes(60)
    assert decode(Frame(0x0801, "1", 1, body(0x0801, {**head, "data": picture}))).fields["data"] == picture
    placed = body(0x0801, {**head, "location": {"latitude": 1.0}, "data": picture})
    fields = decode(Frame(0x0801, "1", 1, placed)).fields
    assert (fields["location"]["latitude"], fields["data"]) == (1.0, picture)


def test_states_of_peripherals_are_read_and_written():
    sent = {"type": 0xF7, "content": [{"id": 0x64, "state": {"work_state": 1, "alarm": 0b100001}}]}
    data = body(0x0900, sent)
    assert data.hex() == "f7016405" + "01" + "00000021"
    (item,) = decode(Frame(0x0900, "1", 1, data)).fields["content"]
    assert item["id_meaning"] == "driver_assistance"
    assert item["state"]["alarm_set"] == ["camera", "battery"]
