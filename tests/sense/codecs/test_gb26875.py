"""GB/T 26875.3-2011: frames, every type of unit, answers, and what holds for any bytes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.codecs import gb26875, gb26875_words
from tests.sense.codecs import contract

CHINA = timezone(timedelta(hours=8))
AT = datetime(2024, 1, 15, 8, 30, 5, tzinfo=CHINA)
SYSTEM = {"system_type": 1, "system_addr": 3}
PART = {**SYSTEM, "component_type": 42, "component_addr": 0x000600D9}

# every type with one object, as a device or the centre would send it
OBJECTS = {
    1: {**SYSTEM, "status": 0b11, "time": AT},
    2: {**PART, "status": 0b10, "description": "３号楼２层东侧烟感", "time": AT},
    3: {**PART, "analog_type": 3, "analog_raw": -125, "time": AT},
    4: {**SYSTEM, "operation": 0b1, "operator": 7, "time": AT},
    5: {**SYSTEM, "version": "3.4"},
    6: {**SYSTEM, "description": "两台控制器"},
    7: {**PART, "description": "泵房"},
    8: {**SYSTEM, "time": AT},
    21: {"status": 0b100001, "time": AT},
    24: {"operation": 0b100000, "operator": 2, "time": AT},
    25: {"version": "1.12"},
    26: {"description": "装置配置"},
    28: {"time": AT},
    61: SYSTEM,
    62: PART,
    63: PART,
    64: {**SYSTEM, "records": 5, "time": AT},
    65: SYSTEM,
    66: SYSTEM,
    67: PART,
    68: SYSTEM,
    81: {},
    84: {"records": 5, "time": AT},
    85: {},
    86: {},
    88: {},
    89: {},
    90: {"time": AT},
    91: {"minutes": 10},
}


def encoded(unit: bytes = b"", command: int = gb26875.SEND, serial: int = 77) -> bytes:
    return gb26875.encode(
        serial=serial, at=AT, source=0x060504030201, target=9, command=command, unit=unit, version=(1, 2)
    )


def only(data: bytes):
    cut = gb26875.feed(data, ended=True)
    assert cut.refused == []
    (frame,) = cut.frames
    return frame


def told(data: bytes) -> dict:
    return contract.shown(gb26875.CODEC, only(data))


# -- frames -----------------------------------------------------------------------------------------------------


def test_a_frame_is_laid_out_with_its_low_bytes_first():
    raw = encoded(gb26875.unit(8, [OBJECTS[8]]))
    assert raw[:27].hex(" ") == (
        "40 40 4d 00 01 02 05 1e 08 0f 01 18 01 02 03 04 05 06 09 00 00 00 00 00 0a 00 02"
    )
    assert raw[27:37].hex(" ") == "08 01 01 03 05 1e 08 0f 01 18"
    assert raw[-3] == sum(raw[2:-3]) & 0xFF
    assert raw[-2:] == b"##"


def test_the_header_is_read_field_by_field():
    said = told(encoded(gb26875.unit(8, [OBJECTS[8]])))
    assert {
        name: said[name] for name in ("serial", "version", "source_addr", "target_addr", "app_len", "command")
    } == {
        "serial": 77,
        "version": "1.2",
        "source_addr": 0x060504030201,
        "target_addr": 9,
        "app_len": 10,
        "command": 2,
    }
    assert said["time"] == "2024-01-15T08:30:05+08:00"
    assert said["checksum"] == said["checksum_computed"]
    assert said["departures"] == []


def test_every_type_of_the_standard_has_a_layout_and_a_name():
    assert set(OBJECTS) == set(gb26875.OBJECTS) == set(gb26875_words.TYPES)


@pytest.mark.parametrize("kind", sorted(OBJECTS))
@pytest.mark.parametrize("count", [1, 3])
def test_every_type_is_read_as_it_was_written(kind, count):
    unit = told(encoded(gb26875.unit(kind, [OBJECTS[kind]] * count)))["unit"]
    assert (unit["type_flag"], unit["count"], unit["type_name"]["zh"]) == (
        kind,
        count,
        gb26875_words.TYPES[kind].zh,
    )
    assert unit["bytes_used"] == unit["bytes_total"]
    assert len(unit["objects"]) == count
    for one in unit["objects"]:
        for key, value in OBJECTS[kind].items():
            assert one[key] == (value.isoformat() if key == "time" else value)


def test_a_part_in_alarm_says_which_and_where():
    (one,) = told(encoded(gb26875.unit(2, [OBJECTS[2]])))["unit"]["objects"]
    assert one["system_name"]["zh"] == "火灾报警系统"
    assert one["component_name"]["zh"] == "点型光电感烟火灾探测器"
    assert one["set"] == ["fire"]
    assert one["description"] == "３号楼２层东侧烟感"
    rows = {row.name.zh: row for row in gb26875.explain(only(encoded(gb26875.unit(2, [OBJECTS[2]]))))}
    assert rows["部件状态"].meaning == ("测试，火警", "test, fire alarm")
    assert rows["部件地址"].meaning == "393433"


@pytest.mark.parametrize("kind", sorted(gb26875_words.ANALOGUES))
def test_every_analogue_value_has_its_unit_and_scale(kind):
    known = gb26875_words.ANALOGUES[kind]
    frame = only(encoded(gb26875.unit(3, [{**OBJECTS[3], "analog_type": kind}])))
    (one,) = gb26875.measured(frame)
    assert one.value == pytest.approx(-125 / 10**known.decimals)
    assert (one.unit, one.code) == (known.unit, f"1.3.42.393433-analog{kind}")
    assert one.device == str(0x060504030201)
    assert one.time_ms == datetime(2024, 1, 15, 0, 30, 5, tzinfo=UTC).timestamp() * 1000


def test_states_are_read_bit_by_bit_for_rules_to_watch():
    states = {one.code: one.value for one in gb26875.measured(only(encoded(gb26875.unit(2, [OBJECTS[2]]))))}
    assert states["1.3.42.393433-fire"] == 1.0
    assert states["1.3.42.393433-fault"] == 0.0
    assert len(states) == len(gb26875_words.PART_BITS)
    device = {one.code: one.value for one in gb26875.measured(only(encoded(gb26875.unit(21, [OBJECTS[21]]))))}
    assert device["device-centre_line_fault"] == 1.0


def test_a_query_measures_nothing():
    assert gb26875.measured(only(encoded(gb26875.unit(61, [SYSTEM]), gb26875.REQUEST))) == []


@pytest.mark.parametrize("kind", [0, 9, 22, 100, 128, 254, 255])
def test_a_type_that_the_standard_does_not_have_is_kept_with_its_bytes(kind):
    said = told(encoded(bytes([kind, 1]) + b"\x01\x02\x03"))
    assert said["unit"]["unread_hex"] == "010203"
    assert "unknown_type" in said["departures"]


def test_fewer_objects_than_counted_are_read_and_named():
    unit = gb26875.unit(8, [OBJECTS[8]])
    said = told(encoded(bytes([8, 2]) + unit[2:] + b"\x01\x02"))
    assert len(said["unit"]["objects"]) == 1
    assert said["unit"]["unread_hex"] == "0102"
    assert set(said["departures"]) == {"objects_missing", "unread_bytes"}


@pytest.mark.parametrize(
    ("command", "name"), [(1, "控制命令"), (4, "请求"), (6, "否认"), (9, "预留"), (200, "用户自定义")]
)
def test_commands_are_named(command, name):
    assert told(encoded(command=command))["command_name"]["zh"] == name


def test_a_time_that_is_none_is_named_and_costs_nothing():
    raw = bytearray(encoded(gb26875.unit(28, [OBJECTS[28]])))
    raw[6:12] = b"\xff" * 6
    raw[29:35] = b"\x00" * 6
    raw[-3] = sum(raw[2:-3]) & 0xFF
    said = told(bytes(raw))
    assert said["time"] is None
    assert said["unit"]["objects"] == [{"time": None, "time_hex": "000000000000"}]
    assert said["departures"] == ["no_time"]


def test_text_that_is_no_gb18030_is_shown_as_far_as_it_goes():
    assert gb26875.text("烟感".encode("gb18030") + b"\xff\x00rest") == "烟感\ufffd"


def test_confirm_and_deny_repeat_the_serial_and_turn_the_addresses():
    frame = only(encoded(gb26875.unit(8, [OBJECTS[8]])))
    for reply, command in ((gb26875.confirm(frame, AT), 3), (gb26875.deny(frame, AT), 6)):
        said = told(reply)
        assert (
            said["serial"],
            said["source_addr"],
            said["target_addr"],
            said["app_len"],
            said["command"],
        ) == (
            77,
            9,
            0x060504030201,
            0,
            command,
        )
        assert len(reply) == 30


def test_a_unit_that_is_too_long_or_a_text_that_is_are_refused_when_written():
    with pytest.raises(ValueError, match="1024"):
        encoded(b"\0" * 1025)
    with pytest.raises(ValueError, match="longer than 31"):
        gb26875.unit(7, [{**PART, "description": "长" * 16}])


# -- refusals ---------------------------------------------------------------------------------------------------

FRAME = encoded(gb26875.unit(8, [OBJECTS[8]]))


def test_a_wrong_sum_is_refused_with_both_values_and_the_fields():
    raw = FRAME[:-3] + bytes([FRAME[-3] ^ 1]) + b"##"
    (refused,) = gb26875.feed(raw).refused
    assert (refused.reason, refused.data) == ("checksum", raw)
    assert refused.facts == {"checksum": FRAME[-3] ^ 1, "checksum_computed": FRAME[-3]}
    assert refused.seen.serial == 77


def test_a_wrong_length_is_refused_with_the_real_one():
    raw = bytearray(FRAME)
    raw[24] = 30
    raw[-3] = sum(raw[2:-3]) & 0xFF
    cut = gb26875.feed(bytes(raw) + FRAME, ended=True)
    assert [one.raw for one in cut.frames] == [FRAME]
    (refused,) = cut.refused
    assert (refused.reason, refused.facts) == ("length", {"declared_length": 30, "actual_length": 10})
    assert refused.data == bytes(raw)


def test_a_cut_frame_does_not_hold_back_the_next():
    cut = gb26875.feed(FRAME[:30] + FRAME, ended=True)
    assert [one.raw for one in cut.frames] == [FRAME]
    assert [(one.reason, one.data) for one in cut.refused] == [("cut", FRAME[:30])]


def test_the_beginning_of_a_header_is_refused_as_cut_when_nothing_more_comes():
    assert gb26875.feed(FRAME[:10]).rest == FRAME[:10]
    assert [one.reason for one in gb26875.feed(FRAME[:10], ended=True).refused] == ["cut"]


# -- frames of the field ----------------------------------------------------------------------------------------


def same(said, given):
    """Whether what was read has everything that a source gives, times in its own notation."""
    if isinstance(given, dict):
        return all(
            same(said[name][:19].replace("T", " ") if name == "time" else said[name], value)
            for name, value in given.items()
            if name not in ("error", "checksum_ok", "tail_ok")
        )
    if isinstance(given, list):
        return len(said) == len(given) and all(map(same, said, given))
    return said == given


@pytest.mark.parametrize("path", contract.shared("wire_gb26875/frames.jsonl"))
def test_frames_of_the_field_are_read_as_their_source_says(path):
    reasons = {"not enough bytes": "cut", "head flag": "noise"}
    for line in contract.lines(path):
        cut = gb26875.feed(bytes.fromhex(line["hex"]), ended=True)
        error = line["expected"].get("error")
        assert [one.reason for one in cut.refused] == ([reasons[error]] if error else [])
        for frame in cut.frames + [one.seen for one in cut.refused if one.seen]:
            assert same(contract.shown(gb26875.CODEC, frame), line["expected"])


@pytest.mark.parametrize("path", contract.shared("wire_gb26875/app_data_units.jsonl"))
def test_units_of_the_field_are_read_as_their_source_says(path):
    for line in contract.lines(path):
        said = gb26875.CODEC.pieces["app_data_hex"](bytes.fromhex(line["app_data_hex"]))
        if line["expected"] is None:
            assert said["objects"] == []
            assert said["departures"]
        else:
            assert same(said, line["expected"])
            assert said["departures"] == []


# -- what holds for any bytes -----------------------------------------------------------------------------------

UNITS = st.one_of(
    st.sampled_from(sorted(OBJECTS)).map(lambda kind: gb26875.unit(kind, [OBJECTS[kind]] * 2)),
    st.tuples(st.sampled_from([*sorted(OBJECTS), 9, 254]), st.binary(max_size=80)).map(
        lambda made: bytes([made[0]]) + made[1]
    ),
    st.binary(max_size=60),
)
FRAMES = st.tuples(UNITS, st.integers(0, 255)).map(lambda made: encoded(made[0], made[1]))
NOISE = contract.noise_like(
    b"@",
    b"@@",
    b"##",
    FRAME[:27],
    FRAME[:20],
    FRAME[:-1],
    b"@@" + b"\xff" * 25,
    b"@@" + b"\x00" * 22 + b"\x00\x04",
)


@given(FRAMES)
def test_what_is_encoded_is_fed_back(raw):
    frame = only(raw)
    assert frame.raw == raw
    contract.shown(gb26875.CODEC, frame)


@given(st.lists(st.one_of(FRAMES, NOISE), max_size=5).map(b"".join), contract.CUTS)
def test_any_cut_gives_the_same_frames(stream, cuts):
    contract.any_cut_gives_the_same_frames(gb26875.CODEC, stream, cuts)


@given(NOISE, FRAMES, contract.CUTS)
def test_noise_before_a_frame_never_costs_the_frame(noise, frame, cuts):
    contract.noise_never_costs_the_frame(gb26875.CODEC, noise, frame, cuts)


@given(st.lists(st.one_of(FRAMES, NOISE), max_size=5).map(b"".join))
def test_every_byte_is_in_a_frame_or_in_a_refusal(stream):
    contract.every_byte_is_kept(gb26875.CODEC, stream)


@given(st.one_of(st.binary(max_size=400), NOISE), contract.CUTS)
def test_arbitrary_bytes_never_raise_and_are_shown(stream, cuts):
    contract.arbitrary_bytes_never_raise(gb26875.CODEC, stream, cuts, gb26875.MAX_UNIT + 30)
