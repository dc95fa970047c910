"""The benches of state and decoding run and give their figures; how high they are is not tested here."""

import pytest

from fengsui.run.benches import backtest, decode, detectors, frames, state


def test_what_is_held_in_memory_is_measured():
    figures = {f.name: f for f in [*state.in_memory(4), *state.a_rate()]}
    assert len(figures) == 10
    assert figures["2,000 datastreams: state and configuration"].unit == "MB"
    assert all(f.high > 0 for f in figures.values())


@pytest.mark.parametrize("changed", [100])
def test_the_same_is_measured_with_rows_and_a_pipeline(changed):
    figures = state.with_rows(2, changed)
    assert [f.name.split(": ")[1] for f in figures] == [
        "first start", "restart", "pipeline", "100 rules changed",
    ]  # fmt: skip
    assert all(f.value > 0 for f in figures)


def test_every_form_is_read_beside_plain_decoding(monkeypatch):
    monkeypatch.setattr(decode, "MESSAGES", 2)
    monkeypatch.setattr(decode, "DATASTREAMS", 50)
    figures = decode.bench(0.1)
    assert sum(f.name.endswith("times plain msgspec") for f in figures) == 5
    assert all(f.low > 0 for f in figures)


def test_frames_of_field_protocols_are_cut_and_read(monkeypatch):
    monkeypatch.setattr(frames, "FRAMES", 20)
    monkeypatch.setattr(frames, "CHUNK", 1000)
    monkeypatch.setattr(frames, "OBSERVATIONS", 100)
    figures = frames.bench(0.1)
    assert all(f.low > 0 for f in figures)
    told = {f.name.split(": ")[0]: f.note.split(", ")[1] for f in figures if f.name.endswith("with readings")}
    assert told == {
        "hj212": "6.0 readings", "sl651": "4.0 readings", "gb26875": "9.0 readings", "jt808": "11.0 readings",
        "fire-water-pressure": "16.0 readings", "gb28181": "5.0 readings", "chem-json": "6.0 readings",
        "modbus-tcp": "10.0 readings", "sparkplug": "6.0 readings",
    }  # fmt: skip
    assert [f.unit for f in figures[-4:]] == ["observations/s", "readings/s", "readings/s", "readings/s"]


def test_detectors_are_measured(monkeypatch):
    monkeypatch.setattr(detectors, "ROWS", 2200)
    monkeypatch.setattr(detectors, "DATASTREAMS", 12)
    figures = {f.name: f for f in detectors.bench(0.1)}
    assert len(figures) == 6
    assert all(f.low > 0 for f in figures.values())


@pytest.mark.django_db
def test_a_back_test_is_measured(monkeypatch, tmp_path, settings):
    settings.HISTORY_ROOT = tmp_path
    monkeypatch.setattr(backtest, "DATASTREAMS", 5)
    speed, month, calm, calm_month = backtest.measure(3000)
    assert speed.low > 0
    assert month.value > 0 and calm_month.value > 0 and calm.low > 0
    assert speed.note.startswith("30,000 readings, 5 datastreams")
