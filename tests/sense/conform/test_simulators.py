"""Simulated devices: each number is a device of its own, and a table says what they measure."""

import pytest

from fengsui.sense.codecs.jt808.message import encode
from fengsui.sense.simulators.device import BadSimulation, Options, Table, read_table
from fengsui.sense.simulators.kinds import KINDS

NOW_MS = 1_790_000_000_000
TABLES = {  # a column of each protocol, its values, and the code under which they are measured
    "hj212": ("w01018", (41.5, 43.25), "w01018-Rtd"),
    "sl651": ("39", (12.5, 13.25), "39"),
    "gb26875": ("pressure_mpa", (0.7, 0.9), "1.0.99.3-analog4"),
    "jt808": ("speed_km_h", (36.5, 61.0), "speed_km_h"),
}
CALLS = [(name, form) for name in sorted(TABLES) for form in KINDS[name].variants or ("",)]


def said(protocol: str, **options) -> list:
    """The frames of a device's first four seconds; a terminal is let in."""
    kind = KINDS[protocol]
    device = kind.make(Options(period_s=1, **options))
    out = device.opened(NOW_MS)
    if protocol == "jt808":
        is_2019 = options.get("variant") != "2013"
        about = {"phone": device.phone, "is_2019": is_2019}
        for serial, message, fields in (
            (0, 0x8100, {"reply_serial": 0, "result": 0, "code": "C"}),
            (1, 0x8001, {"reply_serial": 1, "reply_id": 0x0102, "result": 0}),
        ):
            heard = kind.codec.feed(b"".join(encode(message, fields, serial=serial, **about))).frames
            out += device.heard(heard, [], NOW_MS)
    for second in range(1, 5):
        out += device.tick(NOW_MS + second * 1000)
    cut = kind.codec.feed(b"".join(out), ended=True)
    assert not cut.refused
    return cut.frames


def measured(protocol: str, **options) -> list:
    return [one for frame in said(protocol, **options) for one in KINDS[protocol].codec.measured(frame)]


@pytest.mark.parametrize(("protocol", "variant"), CALLS)
def test_each_number_is_a_device_of_its_own(protocol, variant):
    names = [{one.device for one in measured(protocol, number=n, variant=variant)} for n in (1, 2, 9_999)]
    assert all(len(one) == 1 for one in names)
    assert len(set.union(*names)) == 3
    given = "123456" if protocol != "hj212" else "0" * 18 + "123456"
    given = given.rjust(10, "0") if protocol == "sl651" else given
    assert {one.device for one in measured(protocol, identity=given, variant=variant)} == {given}


@pytest.mark.parametrize(("protocol", "variant"), CALLS)
def test_a_table_says_what_is_measured_second_by_second(protocol, variant):
    column, values, code = TABLES[protocol]
    found = measured(protocol, values=Table({column: values}), variant=variant)
    told = {one.value for one in found if one.code == code}
    assert told
    assert told <= set(values)
    usual = {one.value for one in measured(protocol, variant=variant) if one.code == code}
    assert usual
    assert not usual & set(values)


def test_a_simulated_server_reads_its_registers_from_the_table():
    kind = KINDS["modbus-tcp"]
    device = kind.make(Options(values=Table({"holding0": (12.3,)})))
    asked = kind.codec.feed(bytes.fromhex("000100000006010300000001")).frames
    (answer,) = device.heard(asked, [], NOW_MS)
    assert answer.hex() == "00010000000501030200" + "7b"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("39\n1.0\nhigh\n", "line 3, column 39: 'high' is no number"),
        ("39\n", "no rows"),
        ("39,38\n1\n", "line 2, column 38"),
    ],
)
def test_a_table_that_is_none_names_line_and_column(tmp_path, text, wrong):
    path = tmp_path / "values.csv"
    path.write_text(text)
    with pytest.raises(BadSimulation, match=wrong):
        read_table(path)
