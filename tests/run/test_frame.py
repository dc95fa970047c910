"""``fengsui frame``: a frame for a person, many lines for a program."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.run import cli, frame
from fengsui.sense.codecs import hj212, sl651, sl651_body
from fengsui.sense.codecs.jt808.frame import Frame, encode, split
from fengsui.sense.codecs.jt808.message import body
from fengsui.sense.codecs.registry import CODECS

TIMED = (
    "7E7E01001234567803E832002B020001240115080005F1F1001234567848F0F0240115080020190000052619012345392300012345"
    "381212650386B5"
)
INTERVAL = (
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    "CP=&&RtdInterval=30&&1C80\r\n"
)
CONFIRM = "404000000101180d11160a14000000000000060504030201000003842323"


def ran(capsys, *arguments: str) -> tuple[int, str]:
    try:
        code = cli.run(["frame", *arguments])
    except SystemExit as wrong_use:
        code = wrong_use.code
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def decoded(protocol: str, *lines: object) -> list[dict]:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    out = io.StringIO()
    frame.decode_lines(CODECS[protocol], io.StringIO(text), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_protocol_is_listed_with_its_standard(capsys):
    code, out = ran(capsys, "list")
    assert code == 0
    for codec in CODECS.values():
        assert codec.name in out
        assert codec.standard in out


def test_a_frame_is_explained_field_by_field_in_both_languages(capsys):
    code, out = ran(capsys, "decode", "sl651", TIMED)
    assert code == 0
    assert "39 瞬时河道水位、潮位 water level     12.345 m" in out
    assert out.splitlines()[0].split()[:3] == ["0", "7E", "7E"]


@pytest.mark.parametrize(
    "spelling", [TIMED.lower(), "0x" + TIMED, " ".join(TIMED[n : n + 2] for n in range(0, len(TIMED), 2))]
)
def test_hex_digits_may_be_written_as_people_write_them(capsys, spelling):
    assert ran(capsys, "decode", "sl651", *spelling.split())[0] == 0


def test_a_frame_of_text_may_be_given_as_text(capsys):
    code, out = ran(capsys, "decode", "hj212", "--text", INTERVAL.replace("\r\n", "\\r\\n"))
    assert code == 0
    assert "RtdInterval=30" in out


def test_a_refused_frame_is_explained_with_its_reason_and_exits_with_one(capsys):
    code, out = ran(capsys, "decode", "sl651", TIMED[:-4] + "0000")
    assert code == 1
    assert "refused: crc" in out
    assert "crc_computed 86B5" in out
    assert "12.345 m" in out


def test_a_frame_may_be_written_as_json(capsys):
    code, out = ran(capsys, "decode", "gb26875", "--json", CONFIRM)
    assert code == 0
    assert json.loads(out)["command_name"]["zh"] == "确认"


@pytest.mark.parametrize("arguments", [["7E7"], ["zz"], [], ["--jsonl", "7E7E"]])
def test_wrong_use_exits_with_two(capsys, arguments):
    assert ran(capsys, "decode", "sl651", *arguments)[0] == 2


def test_each_line_gives_one_object_with_its_other_keys_under_input():
    first, second = decoded(
        "sl651", {"hex": TIMED, "source": "x", "expected": {"crc_ok": True}}, {"hex": TIMED[:-4] + "0000"}
    )
    assert (first["ok"], first["serial"], first["elements"][3]["value"]) == (True, 1, 12.345)
    assert first["input"] == {"source": "x", "expected": {"crc_ok": True}}
    assert second["ok"] is False
    assert (second["refused"]["reason"], second["refused"]["crc_computed"]) == ("crc", "86B5")
    assert second["elements"][3]["value"] == 12.345


@pytest.mark.parametrize("key", ["text", "frame"])
def test_text_is_read_from_its_key(key):
    (one,) = decoded("hj212", {key: INTERVAL})
    assert (one["ok"], one["CP"]) == (True, [{"RtdInterval": "30"}])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "not_json"),
        ("[1]", "not_json"),
        ("[" * 100_000, "not_json"),
        ({}, "no_frame"),
        ({"hex": 7}, "no_frame"),
        ({"hex": "7E7"}, "not_hex"),
        ({"hex": "xyz"}, "not_hex"),
        ({"hex": ""}, "no_frame"),
        ({"hex": "00"}, "noise"),
        ({"hex": TIMED[:30]}, "cut"),
    ],
)
def test_a_line_that_cannot_be_read_has_its_object_too(line, reason):
    before, one, after = decoded("sl651", {"hex": TIMED}, line, {"hex": TIMED})
    assert before["ok"] and after["ok"]
    assert (one["ok"], one["refused"]["reason"]) == (False, reason)


def test_a_line_with_several_frames_has_the_others_under_more():
    (one,) = decoded("sl651", {"hex": TIMED + "FFFF" + TIMED})
    assert [(each["ok"], each.get("serial")) for each in [one, *one["more"]]] == [
        (True, 1),
        (True, 1),
        (False, None),
    ]


def test_the_last_packet_of_a_message_brings_the_whole():
    packets = hj212.split_message(
        qns=["20240101000000001", "20240101000000002"],
        st="31",
        cn="2061",
        pw="1",
        mn="M",
        packets=["&&a01001-Avg=1&&", "&&a01002-Avg=2&&"],
    )
    first, second = decoded("hj212", *({"text": packet.decode()} for packet in packets))
    assert "joined" not in first
    assert second["joined"]["CP"] == [{"a01001-Avg": "1"}, {"a01002-Avg": "2"}]


def test_subpackages_of_lines_in_any_order_bring_the_whole_and_one_that_never_comes_none():
    report = {"status": 3, "longitude": 121.5, "latitude": 31.25, "speed_km_h": 36.0}
    whole = Frame(0x0704, "013912345678", 7, body(0x0704, {"kind": 1, "locations": [report] * 9}))
    first, second, third = (encode(part).hex() for part in split(whole, 100))
    lines = [{"hex": third, "n": 1}, {"hex": first}, {"hex": first}, {"hex": second, "source": "x"}]
    *others, last = decoded("jt808", *lines)
    assert all(one["ok"] and "joined" not in one for one in others)
    assert [one["input"] for one in others] == [{"n": 1}, {}, {}]
    fields = last["joined"]["fields"]
    assert (last["input"], fields["count"], len(fields["locations"])) == ({"source": "x"}, 9, 9)
    assert fields["locations"][8]["longitude"] == 121.5
    assert all("joined" not in one for one in decoded("jt808", {"hex": first}, {"hex": third}))
    (both,) = decoded("jt808", {"hex": first + second + third})
    assert both["joined"]["fields"]["count"] == 9


def test_a_picture_in_packets_of_sl651_is_joined_over_lines():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    picture = b"\xff\xd8" + bytes(range(256)) + b"\xff\xd9"
    report = sl651_body.report(5, at, "0012345678", 0x48, at, [b"\xf3\xf3" + picture])
    packets = sl651.split(
        report, 100, down=False, centre=1, station="0012345678", password="03E8", function=0x36
    )
    *others, last = decoded("sl651", *({"hex": one.hex()} for one in packets))
    assert all("joined" not in one for one in others)
    assert last["joined"]["picture_hex"] == picture.hex().upper()


def test_a_unit_of_a_frame_may_be_decoded_alone():
    (one,) = decoded("gb26875", {"app_data_hex": "1c01050009020715"})
    assert (one["ok"], one["objects"]) == (True, [{"time": "2021-07-02T09:00:05+08:00"}])


def test_half_characters_and_numbers_that_are_none_come_back_as_json():
    assert decoded("sl651", '{"hex": "", "note": "\\ud800", "value": NaN}')[0]["input"] == {
        "note": "\ud800",
        "value": "NaN",
    }


@given(st.lists(st.text(max_size=30), max_size=4))
def test_no_line_whatever_raises(lines):
    for protocol in CODECS:
        decoded(protocol, *(line.replace("\r", " ") for line in lines))


@given(st.binary(max_size=60), st.text(max_size=40))
def test_no_frame_whatever_raises(data, text):
    for protocol in CODECS:
        decoded(protocol, {"hex": data.hex()}, {"text": text})


def test_the_command_reads_standard_input_whatever_its_bytes():
    program = [sys.executable, "-m", "fengsui.run", "frame", "decode", "sl651", "--jsonl"]
    lines = b'\xff\xfe\n{"hex": "%s"}\n' % TIMED.encode()
    done = subprocess.run(program, input=lines, capture_output=True, check=False)
    bad, good = (json.loads(line) for line in done.stdout.decode().splitlines())
    assert (bad["ok"], good["ok"], done.returncode) == (False, True, 1)
