"""GB/T 28181: SIP messages, their XML, sessions, camera control and digests; and what holds for any bytes."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs import explained
from fengsui.sense.codecs.gb28181 import codes, digest, explain, manscdp, ptz, sdp, sip
from tests.sense.codecs import contract

CODEC = explain.CODEC
BASE = (
    ("Via", "SIP/2.0/UDP 192.168.1.107:5060;rport;branch=z9hG4bK990289307"),
    ("From", "<sip:34020000001320000001@3402000000>;tag=50882131"),
    ("To", "<sip:34020000002000000001@3402000000>"),
    ("Call-ID", "432363298@192.168.1.107"),
    ("CSeq", "20 MESSAGE"),
)
DEVICE, SERVER = "34020000001320000001", "34020000002000000001"


def message(
    command: str = "Keepalive", fields=(("Status", "OK"),), kind: str = "Notify", charset="GB2312"
) -> bytes:
    body = manscdp.encode(kind, command, 43, DEVICE, fields, charset)
    return sip.encode(sip.request("MESSAGE", f"sip:{SERVER}@3402000000", BASE, body, sip.MANSCDP))


REPLY = sip.encode(sip.Message(status=200, headers=BASE))
STREAM = (
    message() + b"\r\n\r\n" + REPLY + message("Alarm", (("AlarmPriority", 1), ("AlarmDescription", "烟火")))
)
NOISE = contract.noise_like(
    b"SIP/2.0 200 OK\r\n", b"SIP/2.0", b"MESSAGE sip:", b"\r\n", b"\r\n\r\n", b"Content-Length: 9999\r\n",
    b"Via: x\r\n",
    message()[:60], REPLY[:100],
)  # fmt: skip


def only(data: bytes) -> sip.Message:
    cut = sip.feed(data, ended=True)
    assert cut.refused == []
    (frame,) = cut.frames
    return frame


# -- messages of the field ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", contract.shared("wire_gb28181/sip_messages.jsonl"))
def test_messages_of_the_field_are_read_as_their_senders_meant_them(path):
    for line in contract.lines(path):
        data, expected = line["message"].encode(), line["expected"]
        read = sip.read_datagram(data)
        assert isinstance(read, sip.Message), line["name"]
        told = contract.shown(CODEC, read)
        assert told["cseq"] == expected["cseq"]
        assert told["from"] == expected["from_device"]
        if "method" in expected:
            assert (read.method, read.header("User-Agent")) == (expected["method"], expected["user_agent"])
            assert read.target == expected["to_device"]
            assert (told["cmd_type"], told["sn"], told["device_id"]) == (
                expected["cmd_type"],
                expected["sn"],
                expected["device_id"],
            )
        else:
            assert (read.status, read.cseq[1], read.expires) == (
                200,
                expected["cseq_method"],
                expected["expires"],
            )
            assert read.header("Date") == expected["date"]


@pytest.mark.parametrize(
    "path",
    contract.shared(
        "wire_gb28181/catalog.xml", "wire_gb28181/deviceInfo.xml", "wire_gb28181/deviceStatus.xml"
    ),
)
def test_answers_of_the_field_are_read_with_their_chinese(path):
    document = manscdp.decode(path.read_bytes())
    assert isinstance(document, manscdp.Document)
    assert document.kind == "Response"
    if document.command == "Catalog":
        (item,) = document.items("DeviceList")
        assert (item.find("Manufacturer"), item.find("Longitude")) == ("海康", "121.472644")
    if document.command == "DeviceInfo":
        assert document.find("Manufacturer") == "海康威视"


def test_a_keep_alive_of_the_standard_is_explained_line_by_line():
    frame = only(message())
    told = contract.shown(CODEC, frame)
    assert (told["method"], told["root"], told["cmd_type"], told["sn"]) == (
        "MESSAGE",
        "Notify",
        "Keepalive",
        43,
    )
    assert told["fields"]["Status"] == "OK"
    rows = explain.explain(frame)
    assert str(rows[0].meaning) == "消息 message"
    assert any("状态信息报送" in str(row.meaning) for row in rows)
    assert [m[:4] for m in CODEC.measured(frame)] == [(DEVICE, "online", None, 1.0)]


# -- the contract of every codec ----------------------------------------------------------------------------------


@given(contract.CUTS)
def test_any_cut_gives_the_same_messages(cuts):
    contract.any_cut_gives_the_same_frames(CODEC, STREAM, cuts)


@given(NOISE, contract.CUTS)
def test_noise_never_costs_the_message_behind_it(noise, cuts):
    contract.noise_never_costs_the_frame(CODEC, noise, message(), cuts)


@given(NOISE)
def test_every_byte_is_in_a_message_or_a_refusal(noise):
    contract.every_byte_is_kept(CODEC, noise + STREAM, b"\r\n")


@given(st.one_of(NOISE, st.binary(max_size=300)), contract.CUTS)
def test_arbitrary_bytes_never_raise(noise, cuts):
    contract.arbitrary_bytes_never_raise(CODEC, noise, cuts, sip.MAX_HEAD + sip.MAX_BODY)


@given(st.one_of(NOISE, st.binary(max_size=300)))
def test_arbitrary_datagrams_never_raise(data):
    read = sip.read_datagram(data)
    if isinstance(read, sip.Message):
        contract.shown(CODEC, read)
    else:
        assert read.reason


def test_a_message_larger_than_the_limits_is_refused_and_the_next_one_read():
    huge = message().replace(b"Content-Length: ", b"Content-Length: 999")
    cut = sip.feed(huge + REPLY, ended=True)
    assert [one.reason for one in cut.refused] == ["head", "noise"]
    assert "at most" in str(cut.refused[0])
    assert [frame.status for frame in cut.frames] == [200]
    endless = b"SIP/2.0 200 OK\r\n" + b"X-A: b\r\n" * 4000
    cut = sip.feed(endless)
    assert not cut.frames
    assert len(cut.rest) <= sip.MAX_HEAD


def test_a_message_without_its_headers_is_refused_by_name():
    bare = b"MESSAGE sip:a@b SIP/2.0\r\nVia: x;branch=1\r\nFrom: a\r\n\r\n"
    (refused,) = sip.feed(bare, ended=True).refused
    assert (refused.reason, str(refused)) == ("head", "without the header to, call-id, cseq")


def test_compact_and_folded_headers_are_read():
    data = b"\r\n".join(
        [
            b"MESSAGE sip:a@b SIP/2.0", b"v: SIP/2.0/UDP h;branch=z9hG4bK1", b"f: <sip:1@b>;tag=2", b"t: <sip:2@b>",
            b"i: call", b"CSeq: 7", b" MESSAGE", b"l: 0", b"", b"",
        ]
    )  # fmt: skip
    read = only(data)
    assert (read.device, read.target, read.call_id, read.cseq) == ("1", "2", "call", (7, "MESSAGE"))


def test_a_datagram_is_whole_whatever_its_content_length_says():
    short = message().replace(b"Content-Length: ", b"Content-Length: 1\r\nX-Was: ")
    read = sip.read_datagram(short)
    assert isinstance(read, sip.Message)
    assert read.departures == ("content_length",)
    assert manscdp.decode(read.body).command == "Keepalive"


def test_a_pasted_message_whose_content_length_is_wrong_is_read_as_the_datagram_it_was():
    long = message().replace(b"Content-Length: ", b"Content-Length: 9\r\nX-Was: ")
    (found,) = explained.explain(CODEC, long)
    assert (found.refused, found.departures, found.fields["cmd_type"]) == (
        None,
        ("content_length",),
        "Keepalive",
    )
    assert [one.refused is None for one in explained.explain(CODEC, message() + message() + b"x")] == [
        True,
        True,
        False,
    ]


def test_answers_keep_the_way_they_came_and_say_where_from():
    asked = only(message())
    answer = only(sip.encode(sip.reply(asked, 200, tag="7", received=("10.0.0.9", 40000))))
    assert answer.branch == asked.branch
    assert "rport=40000;" in answer.header("Via") + ";"
    assert sip.parameter(answer.header("Via"), "received") == "10.0.0.9"
    assert sip.parameter(answer.header("To"), "tag") == "7"
    assert answer.cseq == asked.cseq


def test_a_line_break_in_a_header_is_never_written():
    with pytest.raises(ValueError):
        sip.encode(sip.Message(status=200, headers=(("X", "a\r\nY: b"),)))


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("<sip:1@10.0.0.1:5061;transport=tcp>", ("10.0.0.1", 5061)),
        ("sip:1@3402000000", ("3402000000", 5060)),
        ("<sip:1@[2001:db8::1]:5060>", ("2001:db8::1", 5060)),
        ("<sip:1@h:99999>", None),
        ("tel:1", None),
    ],
)
def test_where_a_contact_is(uri, place):
    assert sip.host_of(uri) == place


# -- XML ----------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=30)


@given(TEXT, st.sampled_from(["GB2312", "GB18030", "UTF-8"]))
def test_what_is_written_is_read(text, charset):
    body = manscdp.encode(
        "Notify", "Alarm", 7, DEVICE, (("AlarmDescription", text), ("Info", [("AlarmType", 2)])), charset
    )
    document = manscdp.decode(body)
    assert isinstance(document, manscdp.Document)
    assert document.find("AlarmDescription") == text.strip()
    assert (document.kind, document.command, document.number, document.device) == (
        "Notify",
        "Alarm",
        7,
        DEVICE,
    )
    assert document.find("Info", "AlarmType") == "2"


@given(st.binary(max_size=200))
def test_no_body_raises(data):
    assert isinstance(manscdp.decode(data), manscdp.Document | BadFrame)
    assert isinstance(
        manscdp.decode(b"<?xml version='1.0' encoding='GB2312'?><Notify>" + data), manscdp.Document | BadFrame
    )


PIECES = st.sampled_from([
    "<Name>", "</Name>", "<SN>7</SN>", "<a.b>1</a.b>", "<x:y>1</x:y>", "<Name id='1'>烟</Name>", "<a/>", "<a >1</a>",
    "<Info><SN>2</SN></Info>", "&lt;", "&a;", "]]>", ">", "\r\n", " ", "\x85", "\x0b", "\ufffe", "\ud800", "</Notify>",
])  # fmt: skip


@given(st.lists(PIECES | TEXT | TEXT.map(lambda text: f"<Name>{text}</Name>"), max_size=6).map("".join))
def test_a_list_of_leaves_reads_as_the_parser_reads_it(inside):
    short, long = (
        manscdp.decode(
            f"<Notify><CmdType>Alarm</CmdType>{inside}{more}</Notify>".encode("utf-8", "surrogatepass")
        )
        for more in ("", "<!-- whatever is no leaf goes to the parser -->")
    )
    assert type(short) is type(long)
    if isinstance(short, manscdp.Document):
        assert short == long
    else:
        assert short.reason == long.reason


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><Notify><CmdType>&b;</CmdType></Notify>',
        b'<!DOCTYPE a SYSTEM "http://example.org/a"><Notify><CmdType>Alarm</CmdType></Notify>',
        b"<Notify><CmdType>Alarm</CmdType>" + b"<a>" * 40 + b"</a>" * 40 + b"</Notify>",
        b"<Notify><CmdType>Alarm</CmdType>" + b"<a/>" * 30_000 + b"</Notify>",
        b"<Other><CmdType>Alarm</CmdType></Other>",
        b"<Notify>" + b" " * manscdp.MAX_BYTES + b"</Notify>",
        b"",
    ],
    ids=["entity", "external", "deep", "many", "root", "long", "empty"],
)
def test_documents_that_could_hurt_are_refused(body):
    assert isinstance(manscdp.decode(body), BadFrame)


def test_gb2312_sent_as_utf_8_is_read_and_noted():
    body = '<?xml version="1.0" encoding="UTF-8"?><Notify><CmdType>Alarm</CmdType><Name>烟火</Name></Notify>'.encode(
        "gb2312"
    )
    document = manscdp.decode(body)
    assert isinstance(document, manscdp.Document)
    assert (document.find("Name"), document.departures) == ("烟火", ("charset",))


def test_times_are_those_of_china():
    assert manscdp.instant("2010-11-11T19:46:17") == datetime(2010, 11, 11, 11, 46, 17, tzinfo=UTC)
    assert manscdp.instant("2017-05-19T18:09:17.033").microsecond == 33_000
    assert manscdp.instant("2010-11-11T19:46:17Z").hour == 19
    assert manscdp.instant("2010-1-1 9:46:17") == datetime(2010, 1, 1, 1, 46, 17, tzinfo=UTC)
    for wrong in ("2010-13-11T19:46:17", "2010-11-11T24:00:00", "2010-11-11T19:46:60", "2010-W45-4T19:46:17"):
        assert manscdp.instant(wrong) is None
    assert manscdp.written(datetime(2010, 11, 11, 11, 46, 17, tzinfo=UTC)) == "2010-11-11T19:46:17"


def test_a_mobile_position_is_measured_and_one_off_the_globe_keeps_its_speed():
    fields = (
        ("Time", "2026-03-01T08:00:00"),
        ("Longitude", "111.29"),
        ("Latitude", "30.69"),
        ("Speed", "36.5"),
        ("Direction", "90"),
    )
    at = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)
    assert {
        (m.code, m.time_ms, m.value, m.unit) for m in CODEC.measured(only(message("MobilePosition", fields)))
    } == {
        ("position.longitude", at, 111.29, "°"),
        ("position.latitude", at, 30.69, "°"),
        ("position.speed", at, 36.5, "km/h"),
        ("position.direction", at, 90.0, "°"),
    }
    off = (("Longitude", "400"), ("Latitude", "30.69"), ("Speed", "1"))
    assert [m.code for m in CODEC.measured(only(message("MobilePosition", off)))] == ["position.speed"]


def test_an_alarm_is_measured_with_its_priority_and_method():
    fields = (("AlarmPriority", 1), ("AlarmMethod", 5), ("AlarmTime", "2026-03-01T08:00:00"))
    assert [(m.code, m.value) for m in CODEC.measured(only(message("Alarm", fields)))] == [
        ("alarm", 1.0),
        ("alarm.priority", 1.0),
        ("alarm.method", 5.0),
    ]


# -- sessions -----------------------------------------------------------------------------------------------------


def test_an_offer_of_the_standard_is_written_and_read():
    offer = sdp.Session(
        sdp.PLAY,
        SERVER,
        "192.168.1.2",
        6000,
        sdp.TCP,
        (96, 98, 97),
        direction="recvonly",
        setup="passive",
        ssrc="0100000001",
    )
    body = sdp.encode(offer)
    for line in (
        b"s=Play",
        b"m=video 6000 TCP/RTP/AVP 96 98 97",
        b"a=rtpmap:96 PS/90000",
        b"a=setup:passive",
        b"y=0100000001",
    ):
        assert line + b"\r\n" in body
    read = sdp.decode(body)
    assert isinstance(read, sdp.Session)
    assert (read.address, read.port, read.is_tcp, read.setup, read.ssrc) == (
        "192.168.1.2",
        6000,
        True,
        "passive",
        "0100000001",
    )
    assert read.maps == {96: "PS/90000", 98: "H264/90000", 97: "MPEG4/90000"}


@given(
    st.sampled_from([sdp.PLAY, sdp.PLAYBACK, sdp.DOWNLOAD]), st.integers(0, 65_535),
    st.sampled_from([sdp.UDP, sdp.TCP]), st.integers(0, 9_999_999_999).map(lambda n: f"{n:010d}"),
    st.integers(0, 2**40), st.sampled_from(["10.0.0.1", "2001:db8::1"]),
)  # fmt: skip
def test_sessions_go_there_and_back(name, port, transport, ssrc, at, address):
    offer = sdp.Session(
        name,
        DEVICE,
        address,
        port,
        transport,
        (96,),
        direction="sendonly",
        ssrc=ssrc,
        start_s=at,
        end_s=at,
        format="v/2/5/25/1/4000a/1/8/1",
    )
    read = sdp.decode(sdp.encode(offer))
    assert isinstance(read, sdp.Session)
    for field in (
        "name",
        "owner",
        "address",
        "port",
        "transport",
        "payloads",
        "direction",
        "ssrc",
        "start_s",
        "format",
    ):
        assert getattr(read, field) == getattr(offer, field)


@given(st.binary(max_size=200))
def test_no_session_raises(data):
    assert isinstance(sdp.decode(data), sdp.Session | BadFrame)
    assert isinstance(sdp.decode(b"v=0\r\nm=video 1 RTP/AVP 96\r\n" + data), sdp.Session | BadFrame)


def test_the_ssrc_says_live_domain_and_number():
    assert sdp.ssrc(False, "3402000000", 1) == "0200000001"
    assert sdp.ssrc(True, "3402000000", 12) == "1200000012"


# -- camera control -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (ptz.Ptz(pan=-0x20), "A50F0102200000D7"),
        (ptz.Ptz(), "A50F0100000000B5"),
        (ptz.Ptz(zoom=8), "A50F011000008045"),
        (ptz.Ptz("preset", verb="call", number=1), "A50F018200010038"),
    ],
)
def test_commands_known_by_their_bytes(command, text):
    assert ptz.encode(command) == text
    assert ptz.decode(text) == command


SPEED = st.integers(-255, 255)
COMMANDS = st.one_of(
    st.builds(ptz.Ptz, st.just("move"), st.integers(0, 0xFFF), SPEED, SPEED, st.integers(-15, 15)),
    st.builds(lambda a, f, i: ptz.Ptz("lens", a, focus=f, iris=i), st.integers(0, 0xFFF), SPEED, SPEED),
    st.builds(lambda v, n: ptz.Ptz("preset", verb=v, number=n), st.sampled_from(list(ptz.PRESET)), st.integers(1, 255)),
    st.builds(
        lambda v, n, p: ptz.Ptz("cruise", verb=v, number=n, point=p),
        st.sampled_from(["add", "delete", "start"]), st.integers(0, 255), st.integers(0, 255),
    ),
    st.builds(
        lambda v, n, p: ptz.Ptz("cruise", verb=v, number=n, point=p),
        st.sampled_from(["speed", "stay"]), st.integers(0, 255), st.integers(0, 0xFFF),
    ),
    st.builds(lambda v, n: ptz.Ptz("aux", verb=v, number=n), st.sampled_from(["on", "off"]), st.integers(0, 255)),
)  # fmt: skip


@given(COMMANDS)
def test_commands_go_there_and_back(command):
    assert ptz.decode(ptz.encode(command)) == command


@given(st.one_of(st.text(max_size=20), st.binary(min_size=8, max_size=8).map(lambda b: b.hex())))
def test_no_command_raises(text):
    assert isinstance(ptz.decode(text), ptz.Ptz | BadFrame)


def test_a_wrong_sum_is_refused_with_both():
    refused = ptz.decode("A50F0102200000D8")
    assert isinstance(refused, BadFrame)
    assert refused.facts == {"given": 0xD8, "computed": 0xD7}


# -- who a device is ----------------------------------------------------------------------------------------------


def test_the_digest_of_the_standard():
    uri = "sip:34020000002000000001@3402000000"
    plain = digest.Credentials(DEVICE, "3402000000", "6d7a1f3c", uri, "")
    assert digest.response("12345678", "REGISTER", plain) == "92ab94327dfc5af92a6753278bbcca9f"
    auth = digest.Credentials(
        DEVICE, "3402000000", "6d7a1f3c", uri, "", "MD5", "auth", "00000001", "0a4f113b"
    )
    assert digest.response("12345678", "REGISTER", auth) == "83ebb1a4ecde7a5d032e9dd7f840f749"


def test_the_digest_of_rfc_7616():
    """Its section 3.9.1: the same request by SHA-256."""
    given_ = digest.Credentials(
        "Mufasa", "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "/dir/index.html", "",
        "SHA-256",
        "auth", "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )  # fmt: skip
    expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert digest.response("Circle of Life", "GET", given_) == expected


@pytest.mark.parametrize("algorithm", digest.ALGORITHMS)
@pytest.mark.parametrize("qop", ["", "auth"])
def test_an_answer_proves_the_password_and_no_other(algorithm, qop):
    challenge = digest.Challenge("3402000000", "abc", algorithm, qop)
    assert digest.read_challenge(str(challenge)) == challenge
    given_ = digest.answer(challenge, DEVICE, "secret", "REGISTER", "sip:x@y", "0a4f")
    assert digest.read_credentials(str(given_)) == given_
    assert digest.proves("secret", "REGISTER", given_)
    assert not digest.proves("Secret", "REGISTER", given_)
    assert not digest.proves("secret", "INVITE", given_)
    assert not digest.proves("secret", "REGISTER", given_, allowed=())


@given(st.text(max_size=200))
def test_no_authorization_raises(text):
    for header in (text, "Digest " + text):
        given_ = digest.read_credentials(header)
        if given_:
            assert digest.proves("x", "REGISTER", given_) is False
        digest.read_challenge(header)


# -- the 20 digits ------------------------------------------------------------------------------------------------


def test_the_parts_of_a_code():
    assert codes.read("34020000001320000001") == ("34020000", "00", 132, "0", "000001")
    assert codes.is_camera("34020000001320000001")
    assert not codes.is_camera("34020000002160000001")
    assert not codes.is_camera("3402")
    assert codes.read("3402000000132000000x") is None


def test_a_frame_is_explained_on_the_command_line(capsys):
    from fengsui.run import cli

    assert cli.run(["frame", "decode", "gb28181", message().hex(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cmd_type"] == "Keepalive"
