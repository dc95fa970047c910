"""Provincial hazardous-chemicals records: envelopes, seals, rows, and properties of the stream."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.base.errors import BadFrame
from fengsui.sense.codecs.chem_json import (
    MAX_RECORD,
    Columns,
    Record,
    Seal,
    describe,
    encode,
    feed,
    readings,
    rows,
    time_ms,
)
from tests.sense.codecs.streams import cut, fed

KEY = bytes(range(16))
SEAL = Seal(KEY)
RECORD = Record("app-1", "WC_ENT_CGQ", "4f1d", "320100", "")
ROWS = [
    {
        "TARGET_CODE": "320100123G001WD",
        "TARGET_NAME": "温度",
        "VALUE": "21.5",
        "DATA_TIME": "2026-01-02 03:04:05",
    }
]

records = st.builds(
    lambda service, district, table: encode(Record("a", service, "d", district, ""), table, SEAL),
    st.sampled_from(["WC_ENT_CGQ", "WC_ENT_TASK", "NEW"]),
    st.text(max_size=6).filter(lambda t: "@" not in t),
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers()), max_size=4),
)


def test_a_sealed_record_is_opened_with_its_key():
    (record,), refused, rest = feed(encode(RECORD, ROWS, SEAL))
    assert (refused, rest) == ([], b"")
    assert (record.app_id, record.service_id, record.district_code) == ("app-1", "WC_ENT_CGQ", "320100")
    assert record.service == "sensors"
    assert "TARGET_CODE" not in record.data
    assert rows(record, SEAL) == ROWS


def test_aes_of_a_published_vector():
    """FIPS-197 appendix B: one block, here as the padded rest of a text of 16 bytes."""
    seal = Seal(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), text="hex")
    sealed = seal.close(bytes.fromhex("3243f6a8885a308d313198a2e0370734"))
    assert sealed.startswith("3925841d02dc09fbdc118597196a0b32")


@pytest.mark.parametrize("algorithm", ["aes", "sm4"])
@pytest.mark.parametrize("mode", ["ecb", "cbc"])
@pytest.mark.parametrize("text", ["base64", "hex"])
def test_every_way_of_sealing_goes_there_and_back(algorithm, mode, text):
    seal = Seal(KEY, algorithm, mode, bytes(16) if mode == "cbc" else b"", text)
    (record,), _, _ = feed(encode(RECORD, ROWS, seal))
    assert rows(record, seal) == ROWS
    wrong = rows(record, Seal(bytes(16), algorithm, mode, bytes(16) if mode == "cbc" else b"", text))
    assert isinstance(wrong, BadFrame)
    assert wrong.reason == "sealed with another key"


def test_a_seal_does_not_show_its_key():
    assert KEY.hex() not in repr(SEAL)
    assert repr(KEY) not in repr(SEAL)


def test_a_key_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="none of aes"):
        Seal(b"short")
    with pytest.raises(ValueError, match="iv"):
        Seal(KEY, mode="cbc")


def test_without_a_key_the_rows_stay_sealed_and_open_rows_are_read():
    (sealed,), _, _ = feed(encode(RECORD, ROWS, SEAL))
    assert rows(sealed, None).reason == "no key"
    (plain,), _, _ = feed(encode(RECORD, ROWS, None))
    assert rows(plain, None) == ROWS
    as_array = Record("a", "s", "d", "1", ROWS)
    assert rows(as_array, None) == ROWS


def test_other_keys_of_an_envelope_are_kept():
    (record,), _, _ = feed(b'{"serviceId":"X","data":[],"districtCode":320100,"sign":"abc"}@@')
    assert record.district_code == "320100"
    assert record.more == {"sign": "abc"}
    assert record.service == "unknown"


@given(st.lists(records, min_size=1, max_size=4), st.lists(st.integers(0, 10**6), max_size=8))
def test_any_cut_of_the_stream_gives_the_same_records(sent, places):
    found, refused, rest = fed(feed, cut(b"".join(sent), places))
    assert found == feed(b"".join(sent))[0]
    assert len(found) == len(sent)
    assert (refused, rest) == ([], b"")


@given(
    st.lists(st.tuples(st.binary(max_size=40), records), min_size=1, max_size=4),
    st.lists(st.integers(0, 10**6), max_size=6),
)
def test_noise_before_a_record_never_costs_the_record(mixed, places):
    found, _, _ = fed(feed, cut(b"".join(noise + record for noise, record in mixed), places))
    for _, record in mixed:
        assert feed(record)[0][0] in found


@given(st.lists(st.binary(max_size=300) | st.just(b"@@") | st.just(b'{"serviceId":"'), max_size=8))
def test_arbitrary_bytes_never_raise(pieces):
    found, refused, rest = fed(feed, pieces)
    assert len(rest) <= MAX_RECORD
    for record in found:
        rows(record, SEAL)
    for bad in refused:
        assert bad.reason in ("noise", "json", "utf-8", "envelope", "too long")


def test_a_record_without_an_end_is_given_up():
    found, refused, rest = feed(b"x" * (MAX_RECORD + 1))
    assert (found, [bad.reason for bad in refused], rest) == ([], ["too long"], b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"serviceId": }@@', "json"),
        (b'{"serviceId":"\xff"}@@', "utf-8"),
        (b'{"data":[]}@@', "envelope"),
        (b"[1,2]@@", "json"),
        (b"{" * 100_000 + b"@@", "json"),
    ],
)
def test_each_refusal_has_its_reason_and_the_bytes(data, reason):
    found, refused, _ = feed(data)
    assert found == []
    assert [(bad.reason, bad.data) for bad in refused] == [(reason, data)]


def test_rows_become_readings_by_named_columns():
    bad = [
        {"TARGET_CODE": "x", "VALUE": "much", "DATA_TIME": "2026-01-02 03:04:05"},
        {"VALUE": 1},
        {"TARGET_CODE": "x", "VALUE": 1},
    ]
    found, refused = readings([*ROWS, *bad], Columns())
    assert [(m.code, m.time_ms, m.value) for m in found] == [("320100123G001WD", 1767294245000, 21.5)]
    assert [b.reason for b in refused] == ["row without value", "row without code", "row without time"]
    assert json.loads(refused[0].data) == bad[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 03:04:05", 1767294245000),
        ("20260102030405", 1767294245000),
        ("2026-01-02 03:04:05.250", 1767294245250),
        (1767294245000, 1767294245000),
        (1767294245, 1767294245000),
        ("yesterday", None),
        (True, None),
        (None, None),
    ],
)
def test_times_are_beijing_times_in_the_forms_seen(text, expected):
    assert time_ms(text) == expected


def test_open_rows_with_the_end_in_them_cannot_be_written():
    with pytest.raises(ValueError, match="@@"):
        encode(RECORD, [{"A": "x@@y"}], None)


def test_a_record_explained_is_json_sealed_or_open():
    (record,), _, _ = feed(encode(RECORD, ROWS, SEAL))
    sealed, opened = describe(record), describe(record, SEAL)
    assert (sealed["reason"], sealed["sealed"]) == ("no key", record.data)
    assert opened["rows"] == ROWS
    assert json.loads(json.dumps([sealed, opened])) == [sealed, opened]
