"""Replay: recorded time mapped onto now, a restart that repeats nothing, and honest words when data are absent."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.sense.gateways import replay
from tests.regions.conftest import YICHANG

NOW = 1_800_000_000_000


def series(offsets, columns=1):
    offset = np.array(offsets, np.int64)
    return replay.Series(offset, np.arange(len(offsets) * columns, dtype=float).reshape(-1, columns))


def test_a_recorded_interval_is_divided_by_the_speed_and_begins_now(tmp_path):
    program = replay.join([series([0, 180_000, 360_000])], 60)
    track = replay.Track(program, tmp_path / "t.json", NOW)
    assert track.due(NOW) == (0, 1)
    assert track.due(NOW + 2999) == (0, 1)
    assert track.due(NOW + 6000) == (0, 3)
    time_ms, value = track.rows(0, 3)
    assert time_ms.tolist() == [NOW, NOW + 3000, NOW + 6000]
    assert value[:, 0].tolist() == [0, 1, 2]


def test_runs_follow_each_other_at_the_usual_interval_and_laps_go_on(tmp_path):
    program = replay.join([series([0, 1000, 2000]), series([0, 1000])], 1)
    assert program.offset_ms.tolist() == [0, 1000, 2000, 3000, 4000]
    assert program.lap_ms == 5000
    assert [program.since_anchor_ms(p) for p in (4, 5, 11)] == [4000, 5000, 11000]
    assert program.stop_at(11_000) == 12


def test_without_loop_a_track_ends_and_begins_anew_the_next_time(tmp_path):
    program = replay.join([series([0, 1000])], 1, loop=False)
    track = replay.Track(program, tmp_path / "t.json", NOW)
    assert track.due(NOW + 60_000) == (0, 2)
    track.begin(2)
    track.end(2, NOW + 60_000)
    track.keep()
    assert track.finished
    assert replay.Track(program, tmp_path / "t.json", NOW + 90_000).due(NOW + 90_000) == (0, 1)


def test_a_clean_restart_goes_on_with_the_next_row_from_now(tmp_path):
    program = replay.join([series(range(0, 100_000, 1000))], 1)
    track = replay.Track(program, tmp_path / "t.json", NOW)
    track.begin(10)
    track.end(10, NOW + 9000)
    track.keep()
    later = NOW + 3_600_000
    again = replay.Track(program, tmp_path / "t.json", later)
    assert again.due(later) == (10, 11)
    assert again.rows(10, 12)[0].tolist() == [later, later + 1000]


def test_rows_that_may_be_half_sent_are_sent_again_under_their_old_times(tmp_path):
    program = replay.join([series(range(0, 100_000, 1000))], 1)
    track = replay.Track(program, tmp_path / "t.json", NOW)
    track.begin(5)
    track.end(5, NOW + 4000)
    track.begin(8)
    old = track.rows(5, 8)  # … and here the process is killed
    later = NOW + 600_000
    again = replay.Track(program, tmp_path / "t.json", later)
    assert again.due(later) == (5, 8)
    assert again.rows(5, 8)[0].tolist() == old[0].tolist()
    assert again.rows(5, 8)[1].tolist() == old[1].tolist()
    again.end(8, later)
    assert again.due(later) == (8, 9)
    assert again.rows(8, 9)[0].tolist() == [later]


def test_a_pack_that_changed_begins_anew(tmp_path):
    track = replay.Track(replay.join([series([0, 1000])], 1), tmp_path / "t.json", NOW)
    track.begin(1)
    track.end(1, NOW)
    track.keep()
    other = replay.Track(replay.join([series([0, 2000])], 1), tmp_path / "t.json", NOW + 5)
    assert other.due(NOW + 5) == (0, 1)


def test_a_spoilt_position_file_begins_anew(tmp_path):
    (tmp_path / "t.json").write_text("{half")
    assert replay.Track(replay.join([series([0, 1000])], 1), tmp_path / "t.json", NOW).due(NOW) == (0, 1)


@given(
    steps=st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    crashes=st.lists(
        st.tuples(st.integers(0, 20_000), st.booleans(), st.booleans()), min_size=1, max_size=12
    ),
)
def test_however_it_is_stopped_each_row_has_one_time_and_times_rise(steps, crashes, tmp_path_factory):
    """``crashes``: how long it then ran, whether it was killed before the end of a send, and whether the kill
    came after the rows were on the bus."""
    path = tmp_path_factory.mktemp("track") / "t.json"
    program = replay.join([series(np.cumsum([0, *steps]))], 1)
    now, stored = NOW, {}  # position → time of what reached the bus
    for wait_ms, killed, reached in crashes:
        track = replay.Track(program, path, now)
        for _ in range(3):
            now += wait_ms // 3
            first, stop = track.due(now)
            if first == stop:
                continue
            track.begin(stop)
            time_ms, _value = track.rows(first, stop)
            if reached or not killed:
                for position, at in zip(range(first, stop), time_ms.tolist(), strict=True):
                    assert stored.setdefault(position, at) == at, "a row came again under another time"
            if killed:
                break
            track.end(stop, now)
        else:
            track.keep()
        now += 1
    order = [stored[p] for p in sorted(stored)]
    assert order == sorted(set(order))


def test_a_speed_that_squeezes_two_rows_into_one_millisecond_is_refused():
    with pytest.raises(replay.BadDataset, match="speed 5000 is too high"):
        replay.join([series([0, 1000, 2000])], 5000)
    with pytest.raises(replay.BadDataset, match="above 0"):
        replay.join([series([0, 1000])], 0)


def test_the_shipped_files_read_as_their_notices_say(nowhere):
    tep = replay.read_dataset(YICHANG / "data/tep", nowhere)
    first = replay.read_series(tep, "d00", 0, 2)
    codes = [c.code for c in tep.columns]
    assert first.offset_ms.tolist() == [0, 180_000]
    assert first.value[0, codes.index("XMEAS_7")] == 2704.2
    assert first.value[0, codes.index("XMEAS_9")] == 120.4
    skab = replay.read_dataset(YICHANG / "data/skab", nowhere)
    assert np.median(np.diff(replay.read_series(skab, "other_5").offset_ms)) == 1000
    air = replay.read_dataset(YICHANG / "data/beijing-air", nowhere)
    hours = replay.read_series(air, "Huairou")
    assert set(np.diff(hours.offset_ms).tolist()) == {3_600_000}
    wd = hours.value[:, [c.code for c in air.columns].index("WD")]
    assert np.nanmin(wd) >= 0
    assert np.nanmax(wd) < 360
    assert np.isnan(hours.value).any(), "a gap of the source stays a gap"
    assert replay.runs_of(tep)[:2] == ["d00", "d01_te"]


def test_a_file_that_does_not_fit_is_named_with_its_line(tmp_path):
    (tmp_path / "mapping.yml").write_text(
        "name: x\nfile: '{run}.csv'\ntime: {column: t, format: '%Y-%m-%d %H:%M'}\ncolumns:\n- {column: a}\n"
    )
    dataset = replay.read_dataset(tmp_path, tmp_path)
    (tmp_path / "r.csv").write_text("t,a\n2024-01-01 00:00,1\n2024-01-01 00:01,high\n")
    with pytest.raises(replay.BadDataset, match=r"r\.csv, line 3: a is 'high', not a number"):
        replay.read_series(dataset, "r")
    (tmp_path / "r.csv").write_text("t,a\n2024-01-01 00:01,1\n2024-01-01 00:01,2\n")
    with pytest.raises(replay.BadDataset, match=r"line 3: time does not move on"):
        replay.read_series(dataset, "r")
    (tmp_path / "r.csv").write_text("t,b\n2024-01-01 00:01,1\n")
    with pytest.raises(replay.BadDataset, match="no column a"):
        replay.read_series(dataset, "r")
    with pytest.raises(replay.BadDataset, match="cannot read"):
        replay.read_series(dataset, "gone")
    (tmp_path / "mapping.yml").write_text("name: [")
    with pytest.raises(replay.BadDataset, match="not a mapping"):
        replay.read_dataset(tmp_path, tmp_path)


def test_a_batch_leaves_out_unknown_columns_and_marks_missing_values():
    value = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]])
    batch = replay.batch_of(7, "replay:x", np.array([10, -1, 12]), np.array([NOW, NOW + 1]), value, NOW)
    assert batch.datastream.tolist() == [10, 12, 10, 12]
    assert batch.time_ms.tolist() == [NOW, NOW, NOW + 1, NOW + 1]
    assert batch.value[[0, 2, 3]].tolist() == [1, 4, 6]
    assert batch.quality.tolist() == [0, 2, 0, 0]
    assert not batch.reason.any()


def test_a_message_is_what_a_device_would_send():
    said = replay.message_of("s", ["a", "b"], ["kPa", ""], np.array([NOW]), np.array([[1.5, np.nan]]))
    assert json.dumps(said)
    assert said == {
        "site": "s", "time": [NOW], "datastreams": {"a": [1.5], "b": [None]}, "units": {"a": "kPa"},
    }  # fmt: skip
