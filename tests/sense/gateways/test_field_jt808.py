"""JT/T 808 in conversation without a socket: what is asked for again, in both directions."""

from datetime import UTC, datetime

import pytest

from fengsui.sense.codecs.jt808.frame import Frame, encode, feed, split
from fengsui.sense.codecs.jt808.location import Location
from fengsui.sense.codecs.jt808.message import decode
from fengsui.sense.codecs.jt808.message import encode as encode_message
from fengsui.sense.gateways.field.adapter import BadCommand, Identity
from fengsui.sense.gateways.field.jt808 import ASKED_AGAIN, QUIET_MS, Session
from fengsui.sense.simulators import jt808 as simulated
from fengsui.sense.simulators.device import Options
from fengsui.sense.simulators.picture import PICTURE as JPEG

PHONE, CODE = "13912345678", "the code"
IDENTITY = Identity(1, "jt808", PHONE, CODE, "", 1, "dev-1", 1, None)
TRANSPARENT = 0x0900


class Terminal:
    """The other end of a session; times in ms."""

    def __init__(self, is_2019: bool = True) -> None:
        self.is_2019 = is_2019
        self.session = Session(lambda name: IDENTITY if name == PHONE else None)
        more = {"imei": "8" * 15, "software_version": "1"} if is_2019 else {}
        (answer,), _ = self.says(self.message(0x0102, {"code": CODE, **more}, 1))
        assert decode(answer).fields["result"] == 0

    def message(self, message_id: int, fields: dict, serial: int) -> bytes:
        return b"".join(encode_message(message_id, fields, phone=PHONE, serial=serial, is_2019=self.is_2019))

    def long(self, serial: int) -> list[bytes]:
        """A message in five subpackages."""
        whole = Frame(
            TRANSPARENT, PHONE.rjust(20 if self.is_2019 else 12, "0"), serial, bytes(range(250)) * 10, self.is_2019,
            int(self.is_2019),
        )  # fmt: skip
        return [encode(part) for part in split(whole, 500)]

    def says(self, data: bytes, now_ms: int = 0):
        """Answers as frames, and what was refused."""
        answers, refused = [], []
        for frame in feed(data).frames:
            heard = self.session.take(frame, now_ms)
            assert not heard.problem
            answers += feed(b"".join(heard.answers)).frames
            refused += heard.refused
        return answers, refused


@pytest.mark.parametrize("is_2019", [False, True])
def test_missing_subpackages_are_asked_for_when_the_last_has_come_and_all_are_confirmed(is_2019):
    terminal = Terminal(is_2019)
    parts = terminal.long(100)
    answers, _ = terminal.says(parts[0] + parts[2] + parts[4])
    assert [(a.message_id, decode(a).fields) for a in answers] == [
        (0x8003, {"first_serial": 100, "indices": [2, 4]})
    ]
    assert terminal.says(parts[1]) == ([], [])
    answers, refused = terminal.says(parts[3])
    assert sorted(decode(a).fields["reply_serial"] for a in answers) == [100, 101, 102, 103, 104]
    assert {decode(a).fields["result"] for a in answers} == {0}
    assert refused == []


def test_a_subpackage_sent_once_more_after_the_message_was_whole_is_confirmed_and_counts_no_more():
    terminal = Terminal()
    parts = terminal.long(100)
    terminal.says(b"".join(parts))
    answers, refused = terminal.says(parts[2])
    assert [decode(a).fields["reply_serial"] for a in answers] == [102]
    assert refused == terminal.session.end(0) == []


def test_what_stays_away_is_asked_for_so_often_and_then_given_up():
    terminal = Terminal()
    terminal.says(b"".join(terminal.long(100)[:3]))
    asked, refused = [], []
    for second in range(0, 200):
        answers, more = terminal.says(terminal.message(0x0002, {}, 200 + second), second * 1000)
        asked += [second * 1000 for a in answers if a.message_id == 0x8003]
        refused += more
    assert asked == [QUIET_MS * n for n in range(1, ASKED_AGAIN + 1)]
    assert [(bad.reason, bad.facts["missing"]) for bad in refused] == [("incomplete", [4, 5])]


def test_an_index_outside_its_message_is_refused():
    terminal = Terminal(False)
    frame = Frame(TRANSPARENT, f"0{PHONE}", 7, b"x", total=3, index=4)
    _, refused = terminal.says(encode(frame))
    assert [bad.reason for bad in refused] == ["subpackage_index"]


def test_half_a_message_is_refused_when_the_line_ends():
    terminal = Terminal()
    terminal.says(terminal.long(100)[0])
    assert [bad.facts for bad in terminal.session.end(0)] == [{"total": 5, "missing": [2, 3, 4, 5]}]


def test_a_terminal_that_misses_a_part_of_a_long_text_gets_it_again():
    terminal = Terminal()
    asked = terminal.session.ask(IDENTITY, "text", {"text": "水" * 1500}, 0)
    sent = feed(asked.data).frames
    assert len(sent) > 2
    again = terminal.message(0x0005, {"first_serial": sent[0].serial, "indices": [2]}, 9)
    assert terminal.says(again)[0] == [sent[1]]
    later = feed(terminal.session.ask(IDENTITY, "link_check", {}, 0).data).frames[0]
    assert later.serial == (sent[-1].serial + 1) & 0xFFFF
    nothing = terminal.message(0x0005, {"first_serial": 4711, "indices": [1]}, 10)
    (answer,), _ = terminal.says(nothing)
    assert decode(answer).fields["result"] == 1


def picture(
    number: int, serial: int, *, event: int = 0, is_2019: bool = True, size: int = 500
) -> list[bytes]:
    """A picture of channel 1 in subpackages, taken on 2026-05-01 at 111.29 E, 30.69 N."""
    head = number.to_bytes(4, "big") + bytes([0, 0, event, 1])
    place = {
        "status": 2, "longitude": 111.29, "latitude": 30.69, "speed_km_h": 36.0, "direction_deg": 90,
        "time": datetime(2026, 5, 1, tzinfo=UTC),
    }  # fmt: skip
    data = head + Location(28).write(place, {}, is_2019) + JPEG
    whole = Frame(0x0801, PHONE.rjust(20 if is_2019 else 12, "0"), serial, data, is_2019, int(is_2019))
    return [encode(part) for part in split(whole, size)]


def test_packets_of_a_picture_that_are_missing_are_named_by_8800_and_it_is_handed_over_whole():
    terminal = Terminal()
    parts = picture(123, 5)
    assert len(parts) == 3
    (answer,), _ = terminal.says(parts[0] + parts[2])
    assert (answer.message_id, decode(answer).fields) == (0x8800, {"media_id": 123, "indices": [2]})
    heard = terminal.session.take(feed(parts[1]).frames[0], 0)
    assert heard.answers == []  # nothing is confirmed before it is kept
    (medium,) = heard.media
    assert medium.data == JPEG
    assert (medium.number, medium.kind, medium.event, medium.channel) == (123, "picture", 0, 1)
    assert (medium.longitude, medium.latitude, medium.speed_km_h) == (111.29, 30.69, 36.0)
    assert medium.time_ms == 1_777_593_600_000
    kept = feed(b"".join(medium.kept)).frames
    assert [(a.message_id, decode(a).fields.get("result")) for a in kept] == [
        (0x8001, 0), (0x8001, 0), (0x8001, 0), (0x8800, None)
    ]  # fmt: skip
    assert decode(kept[-1]).fields == {"media_id": 123}
    assert {decode(a).fields["result"] for a in feed(b"".join(medium.lost)).frames} == {1}


@pytest.mark.parametrize(
    ("problem", "said"), [(None, []), ("", [(0x8001, 0), (0x8800, None)]), ("media_full", [(0x8001, 1)])]
)
def test_the_last_packet_of_a_picture_sent_once_more_is_answered_by_what_became_of_it(problem, said):
    terminal = Terminal()
    parts = picture(123, 5)
    (medium,) = [m for p in parts for f in feed(p).frames for m in terminal.session.take(f, 0).media]
    medium.problem = problem
    answers, _ = terminal.says(parts[2])
    assert [(a.message_id, decode(a).fields.get("result")) for a in answers] == said


def test_an_upload_is_matched_with_the_command_that_asked_for_it():
    terminal = Terminal()

    def asked_by(number: int, serial: int, event: int = 0):
        data = b"".join(picture(number, serial, event=event))
        (medium,) = [m for frame in feed(data).frames for m in terminal.session.take(frame, 0).media]
        return medium.asked

    assert asked_by(1, 100) is None
    many = terminal.session.ask(IDENTITY, "upload_media", {"event": 3, "channel": 1}, 0)
    one = terminal.session.ask(IDENTITY, "upload_one_media", {"media_id": 77, "delete": 1}, 0)
    (sent,) = feed(one.data).frames
    assert (sent.message_id, sent.body.hex()) == (0x8805, "0000004d01")
    taken = terminal.session.ask(IDENTITY, "take_picture", {"channel": 1}, 0)
    assert asked_by(2, 110, event=3) == many.key
    assert asked_by(77, 120, event=5) == one.key
    assert asked_by(3, 130, event=0) == taken.key
    assert asked_by(4, 140, event=6) is None


def test_media_that_a_terminal_says_it_has_are_handed_over_without_their_files():
    terminal = Terminal()
    event = {"media_id": 9, "media_type": 2, "format": 4, "event": 3, "channel": 2}
    (told,) = [
        m for f in feed(terminal.message(0x0800, event, 9)).frames for m in terminal.session.take(f, 0).media
    ]
    assert (told.data, told.number, told.kind, told.event, told.channel) == (None, 9, "video", 3, 2)
    asked = terminal.session.ask(IDENTITY, "take_picture", {"channel": 4, "store": 1}, 0)
    (sent,) = feed(asked.data).frames
    done = {"reply_serial": sent.serial, "result": 0, "media_ids": [11, 12]}
    heard = [
        m for f in feed(terminal.message(0x0805, done, 8)).frames for m in terminal.session.take(f, 0).media
    ]
    assert [(m.number, m.channel, m.asked) for m in heard] == [(11, 4, asked.key), (12, 4, asked.key)]


def settled(terminal: Terminal, data: bytes):
    return [one for frame in feed(data).frames for one in terminal.session.take(frame, 0).settled]


@pytest.mark.parametrize("is_2019", [False, True])
@pytest.mark.parametrize(("result", "ok"), [(0, True), (1, False), (2, False)])
def test_pictures_are_taken_and_stored_and_the_terminal_says_which(is_2019, result, ok):
    terminal = Terminal(is_2019)
    asked = terminal.session.ask(IDENTITY, "take_picture", {"channel": "3", "count": 2}, 0)
    (sent,) = feed(asked.data).frames
    fields = decode(sent).fields
    assert (sent.message_id, fields["channel"], fields["command"], fields["store"]) == (0x8801, 3, 2, 0)
    general = {"reply_serial": sent.serial, "reply_id": 0x8801, "result": 0}
    (heard,) = settled(terminal, terminal.message(0x0001, general, 7))
    assert (heard.key, heard.final) == (asked.key, False)  # taken on, not yet done
    done = {"reply_serial": sent.serial, "result": result, "media_ids": [11, 12] if ok else None}
    (heard,) = settled(terminal, terminal.message(0x0805, done, 8))
    assert (heard.key, heard.final, heard.ok) == (asked.key, True, ok)
    assert not ok or heard.said["media_ids"] == [11, 12]


def test_what_a_terminal_has_stored_is_listed_and_times_are_beijing_time_on_the_wire():
    terminal = Terminal()
    times = {"from": "2026-05-01T08:00:00+08:00", "to": "2026-05-01T01:00:00+00:00"}
    asked = terminal.session.ask(IDENTITY, "search_media", {"event": 3, **times}, 0)
    (sent,) = feed(asked.data).frames
    assert sent.body.hex() == "000003260501080000260501090000"
    item = {"media_id": 5, "media_type": 0, "channel": 1, "event": 3, "location": {}}
    found = terminal.message(0x0802, {"reply_serial": sent.serial, "items": [item]}, 7)
    (heard,) = settled(terminal, found)
    assert (heard.final, heard.ok, heard.said["items"][0]["media_id"]) == (True, True, 5)
    ever = feed(terminal.session.ask(IDENTITY, "search_media", {}, 0).data).frames[0]
    assert ever.body == bytes(15)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("take_picture", {"count": 0}), ("take_picture", {"channel": "x"}), ("search_media", {"from": "today"}),
     ("search_media", {"to": "2026-05-01T08:00:00"})],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_told(command, arguments):
    with pytest.raises(BadCommand):
        Terminal().session.ask(IDENTITY, command, arguments, 0)


@pytest.mark.parametrize("form", ["2013", "2019"])
def test_a_simulated_terminal_takes_pictures_and_lists_them(form):
    device = simulated.Terminal(Options(identity=PHONE, variant=form))
    session = Terminal(form == "2019").session

    def done(command: str, arguments: dict, now_ms: int):
        (frame,) = feed(session.ask(IDENTITY, command, arguments, now_ms).data).frames
        (answer,) = feed(b"".join(device.obey(frame, now_ms))).frames
        (one,) = session.take(answer, now_ms).settled
        return one

    at = 1_777_600_000_000
    assert done("take_picture", {"count": 2, "store": 1}, at).said["media_ids"] == [1, 2]
    assert done("take_picture", {"store": 1}, at + 60_000).said["media_ids"] == [3]
    assert not done("take_picture", {"channel": 2}, at).ok
    assert [one["media_id"] for one in done("search_media", {}, at + 90_000).said["items"]] == [1, 2, 3]
    since = datetime.fromtimestamp(at // 1000 + 30, UTC).isoformat()
    assert [one["media_id"] for one in done("search_media", {"from": since}, at + 90_000).said["items"]] == [
        3
    ]
    assert done("search_media", {"media_type": 2}, at + 90_000).said["items"] == []
