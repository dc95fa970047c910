"""Sparkplug B: payloads by the standard's field numbers, and a host's view of nodes that come, speak and go."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.sparkplug.explain import describe
from fengsui.sense.codecs.sparkplug.payload import (
    MAX_BYTES,
    NUMBERS,
    DataSet,
    Metric,
    Payload,
    Template,
    decode,
    encode,
    feed,
    number,
    typed,
)
from fengsui.sense.codecs.sparkplug.session import (
    REBIRTH,
    Sample,
    Session,
    host_state,
    readings,
    rebirth_command,
)
from fengsui.sense.codecs.sparkplug.topic import Topic, parse

T0 = 1_700_000_000_000


# ---- bytes written by hand, by the numbers of the standard -----------------------------------------------------


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def of(field, value):
    """A protobuf field: an int as varint, bytes with their length, a float as 32 bits."""
    if isinstance(value, int):
        return varint(field << 3) + varint(value)
    if isinstance(value, float):
        return varint(field << 3 | 5) + struct.pack("<f", value)
    return varint(field << 3 | 2) + varint(len(value)) + value


def double(field, value):
    return varint(field << 3 | 1) + struct.pack("<d", value)


def test_every_field_of_a_payload_has_the_standards_number():
    metadata = (
        of(1, 1)
        + of(2, b"text/plain")
        + of(3, 9)
        + of(4, 2)
        + of(5, b"f.txt")
        + of(6, b"txt")
        + of(7, b"d4")
        + of(8, b"about")
    )
    properties = (
        of(1, b"engUnit") + of(2, of(1, 12) + of(8, b"kPa")) + of(1, b"low") + of(2, of(1, 9) + of(5, 0.5))
    )
    metric = (
        of(1, b"A/level")
        + of(2, 7)
        + of(3, T0 + 1)
        + of(4, 3)
        + of(5, 1)
        + of(6, 1)
        + of(8, metadata)
        + of(9, properties)
        + of(10, 0xFFFFFFFE)
    )
    data = of(1, T0) + of(2, metric) + of(3, 5) + of(4, b"u-u-i-d") + of(5, b"\x00\x01")
    payload = decode(data)
    assert (payload.time_ms, payload.seq, payload.uuid, payload.body) == (T0, 5, "u-u-i-d", b"\x00\x01")
    (found,) = payload.metrics
    assert (found.name, found.alias, found.time_ms, found.datatype, found.value) == (
        "A/level",
        7,
        T0 + 1,
        "Int32",
        -2,
    )
    assert (found.is_historical, found.is_transient, found.is_null) == (True, True, False)
    assert found.metadata == {
        "is_multi_part": True,
        "content_type": "text/plain",
        "size": 9,
        "seq": 2,
        "file_name": "f.txt",
        "file_type": "txt",
        "md5": "d4",
        "description": "about",
    }
    assert found.properties == {"engUnit": "kPa", "low": 0.5}


@pytest.mark.parametrize(
    ("datatype", "sent", "value"),
    [
        ("Int8", of(10, 0xFFFFFFFF), -1),
        ("Int8", of(10, 0xFF), -1),
        ("Int16", of(10, 0xFFFF8000), -32768),
        ("Int32", of(10, 0x80000000), -(2**31)),
        ("Int64", of(11, 2**64 - 5), -5),
        ("UInt8", of(10, 255), 255),
        ("UInt16", of(10, 65535), 65535),
        ("UInt32", of(10, 2**32 - 1), 2**32 - 1),
        ("UInt32", of(11, 2**32 - 1), 2**32 - 1),
        ("UInt64", of(11, 2**64 - 1), 2**64 - 1),
        ("Float", of(12, 1.5), 1.5),
        ("Double", double(13, 2.25), 2.25),
        ("Boolean", of(14, 1), True),
        ("String", of(15, "阀门".encode()), "阀门"),
        ("DateTime", of(11, T0), T0),
        ("Text", of(15, b"t"), "t"),
        ("UUID", of(15, b"0d"), "0d"),
        ("Bytes", of(16, b"\xff\x00"), b"\xff\x00"),
        ("File", of(16, b"file"), b"file"),
        ("Int8Array", of(16, b"\xff\x01"), [-1, 1]),
        ("Int16Array", of(16, b"\x30\x8a\x7b\x5e"), [-30160, 24187]),
        ("Int32Array", of(16, struct.pack("<2i", -5, 6)), [-5, 6]),
        ("Int64Array", of(16, struct.pack("<q", -5)), [-5]),
        ("UInt8Array", of(16, b"\x17\xfa"), [23, 250]),
        ("UInt16Array", of(16, b"\x30\x00"), [48]),
        ("UInt32Array", of(16, struct.pack("<I", 7)), [7]),
        ("UInt64Array", of(16, struct.pack("<Q", 7)), [7]),
        ("FloatArray", of(16, struct.pack("<2f", 1.5, -2)), [1.5, -2.0]),
        ("DoubleArray", of(16, struct.pack("<d", 1.25)), [1.25]),
        # the example of the standard: 12 booleans after their count, the first one highest
        (
            "BooleanArray",
            of(16, bytes.fromhex("0C00000034D0")),
            [False, False, True, True, False, True, False, False, True, True, False, True],
        ),
        ("StringArray", of(16, b"ABC\x00hello\x00"), ["ABC", "hello"]),
        ("DateTimeArray", of(16, struct.pack("<Q", T0)), [T0]),
    ],
)
def test_each_type_is_read(datatype, sent, value):
    (metric,) = decode(of(2, of(1, b"m") + of(4, NUMBERS[datatype]) + sent)).metrics
    assert metric.value == value
    assert metric.datatype == datatype
    written = encode(Payload((Metric("m", datatype=datatype, value=value),)))
    assert decode(written).metrics[0].value == value


def test_a_null_has_no_value_and_a_type_of_tomorrow_keeps_its_number():
    (null, later) = decode(
        of(2, of(1, b"a") + of(4, 10) + of(7, 1)) + of(2, of(1, b"b") + of(4, 77) + of(16, b"x"))
    ).metrics
    assert (null.is_null, null.value) == (True, None)
    assert (later.datatype, later.value) == ("type 77", b"x")


def test_a_table_is_kept_with_its_columns_types_and_rows():
    table = DataSet(
        ("time", "level", "note"), ("DateTime", "Int16", "String"), ((T0, -3, "a"), (T0 + 1, 4, "b"))
    )
    row = lambda *elements: of(4, b"".join(of(1, e) for e in elements))  # noqa: E731
    sent = (
        of(1, 3)
        + of(2, b"time")
        + of(2, b"level")
        + of(2, b"note")
        + of(3, 13)
        + of(3, 2)
        + of(3, 12)
        + row(of(2, T0), of(1, 0xFFFFFFFD), of(6, b"a"))
        + row(of(2, T0 + 1), of(1, 4), of(6, b"b"))
    )
    (metric,) = decode(of(2, of(1, b"t") + of(4, 16) + of(17, sent))).metrics
    assert metric.value == table
    assert decode(encode(Payload((Metric("t", datatype="DataSet", value=table),)))).metrics[0].value == table


def test_a_template_is_kept_with_its_members():
    template = Template((Metric("rpm", datatype="Int32", value=-5),), {"maker": "x"}, "1.0", "Pump", False)
    (metric,) = decode(encode(Payload((Metric("p1", datatype="Template", value=template),)))).metrics
    assert metric.value == template
    deep = of(1, b"x")
    for _ in range(40):
        deep = of(1, b"x") + of(18, of(2, deep))
    assert decode(of(2, deep)).reason == "nested too deeply"


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_a_payload_or_a_refusal(data):
    found = decode(data)
    assert isinstance(found, Payload | BadFrame)
    if isinstance(found, BadFrame):
        assert found.reason in ("protobuf", "nested too deeply")
        assert found.data == data


def test_too_much_is_refused():
    assert decode(bytes(MAX_BYTES + 1)).reason == "too large"
    assert decode(of(2, b"") * 100_001).reason == "too many metrics"


@given(
    st.sampled_from(sorted(NUMBERS)),
    st.integers(-(2**70), 2**70)
    | st.binary(max_size=20)
    | st.floats()
    | st.booleans()
    | st.none()
    | st.text(max_size=5),
)
def test_any_value_in_any_type_is_read_without_raising(datatype, value):
    typed(value, datatype)


def test_only_numbers_are_readings():
    assert [number(v) for v in (True, 3, -1.5, "3", None, [1], b"1")] == [
        1.0,
        3.0,
        -1.5,
        None,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        Metric("x", datatype="Int9", value=1),
        Metric("x", datatype="Int32", value=2**40),
        Metric("x", datatype="Float", value="warm"),
    ],
)
def test_what_cannot_be_written_is_said(wrong):
    with pytest.raises(ValueError):
        encode(Payload((wrong,)))


# ---- topics ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("spBv1.0/plant/NBIRTH/edge-1", Topic("NBIRTH", "plant", "edge-1")),
        ("spBv1.0/plant/DDATA/edge-1/tank", Topic("DDATA", "plant", "edge-1", "tank")),
        ("spBv1.0/STATE/bureau", Topic("STATE", "", "bureau")),
    ],
)
def test_topics_are_read_and_written(topic, expected):
    assert parse(topic) == expected
    assert str(expected) == topic


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("spAv1.0/g/NBIRTH/n", "topic namespace"),
        ("spBv1.0/g/NBIRTH/n/d", "topic message type"),
        ("spBv1.0/g/DDATA/n", "topic message type"),
        ("spBv1.0/g//n", "topic level"),
        ("spBv1.0/g/NBIRTH/+", "topic level"),
        ("", "topic level"),
    ],
)
def test_other_topics_are_refused_with_a_reason(topic, reason):
    assert parse(topic).reason == reason


def test_the_old_topic_of_a_host_is_read():
    assert parse("STATE/bureau") == Topic("STATE", "", "bureau")


# ---- a host's view ---------------------------------------------------------------------------------------------


class Edge:
    """An edge node ``g/n`` with device ``d``, as it would publish."""

    def __init__(self, session):
        self.session, self.seq, self.now = session, -1, T0

    def send(self, kind, *metrics, device="", seq=None, now=None):
        if kind == "NBIRTH":
            self.seq = -1
        if seq is None and kind not in ("NDEATH", "NCMD"):
            self.seq = seq = (self.seq + 1) % 256
        self.now = self.now + 10 if now is None else now
        data = encode(Payload(metrics, self.now, seq))
        return self.session.feed(Topic(kind, "g", "n", device), data, self.now)

    def birth(self, bd_seq=0):
        return self.send(
            "NBIRTH",
            Metric("bdSeq", datatype="Int64", value=bd_seq),
            Metric(REBIRTH, datatype="Boolean", value=False),
            Metric("level", 1, datatype="Int16", value=-4),
            Metric("stage", 2, datatype="Double", value=1.5),
        )

    def device_birth(self):
        return self.send("DBIRTH", Metric("temp", 10, datatype="Float", value=20.0), device="d")


@pytest.fixture
def edge():
    return Edge(Session())


def told(outcome):
    return [(s.device, s.name, s.value) for s in outcome.samples]


def test_a_birth_names_everything_and_data_by_alias_is_understood(edge):
    assert told(edge.birth()) == [("", "level", -4), ("", "stage", 1.5)]
    out = edge.send(
        "NDATA", Metric(alias=1, value=0xFFFFFFF0), Metric(alias=2, value=2.5, is_historical=True)
    )
    assert told(out) == [("", "level", -16), ("", "stage", 2.5)]
    assert [s.datatype for s in out.samples] == ["Int16", "Double"]
    assert [s.is_historical for s in out.samples] == [False, True]
    assert (out.refused, out.odd, out.rebirth, out.stale) == ([], [], [], [])


def test_a_null_of_a_known_metric_is_a_sample_without_value(edge):
    edge.birth()
    assert told(edge.send("NDATA", Metric(alias=1, is_null=True))) == [("", "level", None)]


def test_a_metric_has_its_own_time_or_the_payloads(edge):
    edge.birth()
    out = edge.send("NDATA", Metric(alias=1, value=1, time_ms=T0 - 5), Metric(alias=2, value=1.0))
    assert [s.time_ms for s in out.samples] == [T0 - 5, edge.now]


def test_data_before_a_birth_is_refused_and_a_birth_asked_for_once_in_a_while(edge):
    out = edge.send("NDATA", Metric(alias=1, value=1))
    assert ([bad.reason for bad in out.refused], out.rebirth) == (["before birth"], [("g", "n")])
    assert edge.send("NDATA", Metric(alias=1, value=1)).rebirth == []
    assert edge.send("NDATA", Metric(alias=1, value=1), now=T0 + 20_000).rebirth == [("g", "n")]


def test_a_device_speaks_after_its_own_birth(edge):
    edge.birth()
    out = edge.send("DDATA", Metric(alias=10, value=1.0), device="d")
    assert ([bad.reason for bad in out.refused], out.rebirth) == (["before birth"], [("g", "n")])
    assert told(edge.device_birth()) == [("d", "temp", 20.0)]
    assert told(edge.send("DDATA", Metric(alias=10, value=21.0), device="d")) == [("d", "temp", 21.0)]
    assert edge.send("DDEATH", device="d").stale == [("g", "n", "d")]
    assert [b.reason for b in edge.send("DDATA", Metric(alias=10, value=1.0), device="d").refused] == [
        "before birth"
    ]


def test_an_alias_nobody_named_is_refused_and_a_birth_asked_for(edge):
    edge.birth()
    edge.device_birth()
    out = edge.send("NDATA", Metric(alias=99, value=1), Metric(alias=1, value=5), Metric(alias=10, value=1.0))
    assert told(out) == [("", "level", 5)]
    assert [bad.reason for bad in out.refused] == ["alias not known", "alias not known"]
    assert out.rebirth == [("g", "n")]


def test_two_messages_that_change_places_are_put_in_order(edge):
    edge.birth()
    later = edge.send("NDATA", Metric(alias=1, value=2), seq=2)
    assert (told(later), later.rebirth) == ([], [])
    out = edge.send("NDATA", Metric(alias=1, value=1), seq=1)
    assert told(out) == [("", "level", 1), ("", "level", 2)]
    assert edge.session.tick(edge.now + 60_000).rebirth == []


def test_a_gap_is_waited_for_then_said_and_a_birth_asked_for_and_nothing_is_lost(edge):
    edge.birth()
    edge.send("NDATA", Metric(alias=1, value=2), seq=2)
    edge.send("NDATA", Metric(alias=1, value=3), seq=3)
    assert told(edge.session.tick(edge.now + 1000)) == []
    out = edge.session.tick(edge.now + 2000)
    assert told(out) == [("", "level", 2), ("", "level", 3)]
    assert [bad.reason for bad in out.odd] == ["sequence gap"]
    assert out.rebirth == [("g", "n")]
    assert told(edge.send("NDATA", Metric(alias=1, value=4), seq=4)) == [("", "level", 4)]


def test_the_sequence_goes_from_255_to_0(edge):
    edge.birth()
    for n in range(600):
        out = edge.send("NDATA", Metric(alias=1, value=n))
        assert (told(out), out.refused, out.odd) == ([("", "level", n)], [], [])


def test_a_death_makes_the_node_and_its_devices_stale(edge):
    edge.birth(bd_seq=3)
    edge.device_birth()
    assert edge.session.online("g", "n")
    old = edge.send("NDEATH", Metric("bdSeq", datatype="Int64", value=2))
    assert (old.stale, [bad.reason for bad in old.refused]) == ([], ["death of an earlier birth"])
    assert edge.session.online("g", "n")
    assert edge.send("NDEATH", Metric("bdSeq", datatype="Int64", value=3)).stale == [
        ("g", "n", ""),
        ("g", "n", "d"),
    ]
    assert not edge.session.online("g", "n")


def test_a_new_birth_forgets_the_aliases_of_the_last(edge):
    edge.birth()
    edge.device_birth()
    out = edge.send("NBIRTH", Metric("other", 1, datatype="Boolean", value=True))
    assert out.stale == [("g", "n", "d")]
    assert told(edge.send("NDATA", Metric(alias=1, value=False))) == [("", "other", False)]
    assert [bad.reason for bad in edge.send("NDATA", Metric(alias=2, value=1.0)).refused] == [
        "alias not known"
    ]


def test_a_birth_against_the_rules_is_taken_and_said(edge):
    edge.seq = 4
    data = encode(
        Payload((Metric("a", 1, datatype="Int8", value=1), Metric("b", 1, datatype="Int8", value=2)), T0, 4)
    )
    out = edge.session.feed(Topic("NBIRTH", "g", "n"), data, T0)
    assert told(out) == [("", "a", 1), ("", "b", 2)]
    assert [bad.reason for bad in out.odd] == ["birth sequence is not 0", "alias stands twice"]
    out = edge.session.feed(Topic("NBIRTH", "g", "n"), encode(Payload((Metric("a", 1),), T0, 0)), T0)
    assert [bad.reason for bad in out.refused] == ["birth without name or type"]


def test_the_command_for_a_birth_is_the_standards():
    topic, data = rebirth_command("g", "n", T0)
    assert str(topic) == "spBv1.0/g/NCMD/n"
    payload = decode(data)
    assert payload.seq is None
    assert [(m.name, m.datatype, m.value) for m in payload.metrics] == [
        ("Node Control/Rebirth", "Boolean", True)
    ]


def test_a_host_says_whether_it_is_there():
    topic, data = host_state("bureau", False, T0)
    assert str(topic) == "spBv1.0/STATE/bureau"
    assert data == b'{"online":false,"timestamp":1700000000000}'
    assert Session().feed(topic, data, T0).refused == []


messages = st.tuples(
    st.sampled_from(["NBIRTH", "NDEATH", "NDATA", "NCMD", "DBIRTH", "DDEATH", "DDATA", "DCMD"]),
    st.integers(0, 6) | st.none(),
    st.lists(
        st.builds(
            Metric,
            name=st.sampled_from(["", "a", "bdSeq"]),
            alias=st.none() | st.integers(0, 3),
            datatype=st.sampled_from(["", "Int8", "Int64"]),
            value=st.integers(0, 9),
        ),
        max_size=3,
    ),
)


@given(st.lists(messages, max_size=25))
def test_no_order_of_messages_raises_or_holds_more_than_a_round_of_the_sequence(sequence):
    session = Session(reorder_ms=50)
    for n, (kind, seq, metrics) in enumerate(sequence):
        device = "d" if kind.startswith("D") else ""
        session.feed(Topic(kind, "g", "n", device), encode(Payload(tuple(metrics), T0, seq)), T0 + 20 * n)
        session.tick(T0 + 20 * n)
    session.tick(T0 + 10_000)
    assert all(not node.held for node in session._nodes.values())


def test_samples_that_are_numbers_are_readings(edge):
    edge.birth()
    edge.device_birth()
    out = edge.send(
        "DDATA", Metric(alias=10, value=21.0), Metric("note", datatype="String", value="x"), device="d"
    )
    assert [(m.device, m.code, m.value) for m in readings(out.samples)] == [("g/n/d", "temp", 21.0)]
    (none,) = readings([Sample("g", "n", "", "level", T0, None, "Int16")])
    assert none.device == "g/n"
    assert math.isnan(none.value)


def test_a_payload_explained_is_json_with_its_tables():
    table = DataSet(("a",), ("Int8",), ((-1,),))
    metrics = (
        Metric("t", 1, T0, "DataSet", table),
        Metric("p", datatype="Template", value=Template((Metric("rpm", datatype="Float", value=math.nan),))),
        Metric("b", datatype="Bytes", value=b"\xff"),
        Metric("n", datatype="Int8", is_null=True),
    )
    (payload,), refused, rest = feed(encode(Payload(metrics, T0, 3)), ended=True)
    assert (refused, rest) == ([], b"")
    said = describe(payload)
    assert json.loads(json.dumps(said)) == said
    assert said["metrics"][0]["value"] == {"columns": ["a"], "types": ["Int8"], "rows": [[-1]]}
    assert said["metrics"][2:] == [
        {"name": "b", "datatype": "Bytes", "value": "ff"},
        {"name": "n", "datatype": "Int8", "is_null": True, "value": None},
    ]
    assert feed(b"", ended=True) == ([], [], b"")
    assert [bad.reason for bad in feed(b"\x0f", ended=True)[1]] == ["protobuf"]
