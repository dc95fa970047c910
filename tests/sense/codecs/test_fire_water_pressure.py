"""Fire-water pressure terminals: a frame by the vendor's table, and properties of the stream."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.codecs.fire_water_pressure import LONGEST, Frame, decode, describe, encode, feed, readings
from tests.sense.codecs.streams import cut, fed


def by_hand(body):
    """A frame put together field by field, its CRC bit by bit."""
    data = bytes.fromhex(body)
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return data + register.to_bytes(2, "big") + bytes.fromhex("55AA")


EXAMPLE = by_hand(
    "A55A 00 002F"  # header, command, 47 bytes in all
    "544553543236303130303037"  # TEST26010007
    "34 C8 003C 0004 01 02"  # battery only, 100 %; -56 dBm; every 60 s; 4 records; MPa; alarm: high
    "0064 01F4 021A 6956A366"  # limits 0.1 and 0.5 MPa; now 0.538; 2026-01-01 16:40:06 UTC
    "0219 021A FFFD 021A"
)


def pressures(most=20):
    return st.builds(
        lambda device, records, at, interval: encode(device, records, at, interval_s=interval),
        st.text("ABCDEFGHJK0123456789", min_size=1, max_size=12),
        st.lists(st.integers(-100, 2500).map(lambda n: n / 1000), max_size=most),
        st.datetimes(datetime(2019, 1, 1), datetime(2037, 1, 1)).map(
            lambda t: t.replace(microsecond=0, tzinfo=UTC)
        ),
        st.integers(0, 9999),
    )


def test_a_frame_by_the_vendors_table_says_what_it_says():
    (frame,), refused, rest = feed(EXAMPLE)
    assert (refused, rest) == ([], b"")
    fields = decode(frame)
    assert fields["device"] == "TEST26010007"
    assert (fields["supply"], fields["externally_powered"], fields["battery_percent"]) == (
        "battery_only",
        False,
        100,
    )
    assert (fields["signal_dbm"], fields["interval_s"], fields["record_count"]) == (-56, 60, 4)
    assert fields["alarm_set"] == ["high"]
    assert (fields["unit"], fields["alarm_low"], fields["alarm_high"], fields["value"]) == (
        "MPa",
        0.1,
        0.5,
        0.538,
    )
    assert fields["records"] == [0.537, 0.538, -0.003, 0.538]
    assert fields["time"] == datetime(2026, 1, 1, 16, 40, 6, tzinfo=UTC)
    assert fields["record_times"][-1] == fields["time"]
    assert fields["record_times"][0] == fields["time"] - timedelta(seconds=180)
    assert fields["crc_order"] == "high byte first"


def test_what_a_simulator_writes_is_what_the_table_says():
    written = encode(
        "TEST26010007",
        [0.537, 0.538, -0.003, 0.538],
        datetime(2026, 1, 1, 16, 40, 6, tzinfo=UTC),
        signal_dbm=-56,
        alarm=2,
        limits=(0.1, 0.5),
    )
    assert written == EXAMPLE


def test_the_other_order_of_the_check_is_taken_and_named():
    swapped = EXAMPLE[:-4] + EXAMPLE[-3:-2] + EXAMPLE[-4:-3] + EXAMPLE[-2:]
    (frame,), refused, _ = feed(swapped)
    assert refused == []
    assert decode(frame)["crc_order"] == "low byte first"


@given(st.lists(pressures(), min_size=1, max_size=4), st.lists(st.integers(0, 10**6), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_frames(sent, places):
    found, refused, rest = fed(feed, cut(b"".join(sent), places))
    assert [frame.raw for frame in found] == sent
    assert (refused, rest) == ([], b"")


@given(
    st.lists(
        st.tuples(st.binary(max_size=40) | st.just(b"\xa5\x5a\x00\x04\xb0"), pressures()),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(0, 10**6), max_size=6),
)
def test_noise_before_a_frame_never_costs_the_frame(mixed, places):
    stream = b"".join(noise + frame for noise, frame in mixed)
    found, refused, rest = fed(feed, cut(stream, places))
    ended = feed(rest, ended=True)
    found, refused = [*found, *ended.frames], [*refused, *ended.refused]
    assert [frame.raw for frame in found] == [frame for _, frame in mixed]
    assert sum(len(f.raw) for f in found) + sum(len(bad.data) for bad in refused) == len(stream)


@given(st.lists(st.binary(max_size=1500) | st.just(EXAMPLE[:30]), max_size=6))
def test_arbitrary_bytes_never_raise_and_never_pile_up(pieces):
    found, _, rest = fed(feed, pieces)
    assert len(rest) <= LONGEST
    for frame in found:
        decode(frame)


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("checksum", EXAMPLE[:20] + b"\x00" + EXAMPLE[21:]),
        ("tail", EXAMPLE[:-1] + b"\x00"),
        ("noise", EXAMPLE[:3] + b"\x00\x05" + EXAMPLE[5:]),
        ("noise", b"\x01\x02\x03"),
    ],
)
def test_each_refusal_has_its_reason_and_the_bytes(reason, data):
    found, refused, _ = feed(data, ended=True)
    assert found == []
    assert refused[0].reason == reason
    assert data.startswith(refused[0].data)


def test_a_type_that_is_not_known_keeps_its_counts_or_its_bytes():
    counts = decode(feed(encode("X", [5, 6], datetime(2026, 1, 1, tzinfo=UTC), kind=34))[0][0])
    assert (counts["unit"], counts["records"], counts["value"]) == ("count", [5, 6], 6)
    longer = EXAMPLE[:-4] + b"\x00\x00\x00\x00" + EXAMPLE[-4:]
    assert decode(Frame(longer))["payload"] == longer[25:-4]


def test_what_a_terminal_cannot_say_is_refused():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="at most"):
        encode("THIRTEEN-CHAR", [], at)
    with pytest.raises(ValueError, match="does not fit"):
        encode("X", [99.0], at)


def test_a_report_becomes_readings_each_record_at_its_own_time():
    found = readings(feed(EXAMPLE)[0][0])
    records = [(m.time_ms, m.value, m.unit) for m in found if m.code == "record"]
    newest = 1767285606000
    assert records == [
        (newest - 180_000, 0.537, "MPa"),
        (newest - 120_000, 0.538, "MPa"),
        (newest - 60_000, -0.003, "MPa"),
        (newest, 0.538, "MPa"),
    ]
    values = {m.code: m.value for m in found}
    assert (values["value"], values["battery_percent"], values["signal_dbm"]) == (0.538, 100.0, -56.0)
    assert (values["alarm_high"], values["alarm_low"]) == (1.0, 0.0)
    said = describe(feed(EXAMPLE)[0][0])
    assert json.loads(json.dumps(said)) == said
