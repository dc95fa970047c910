"""The benches of state and decoding run and give their figures; how high they are is not tested here."""

import pytest

from fengsui.run.benches import decode, detectors, frames, state


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
    figures = frames.bench(0.1)
    assert len(figures) == 6
    assert all(f.low > 0 for f in figures)
    assert [f.note.split(", ")[1] for f in figures[::2]] == ["6.0 readings", "4.0 readings", "9.0 readings"]


def test_detectors_are_measured(monkeypatch):
    monkeypatch.setattr(detectors, "ROWS", 2200)
    monkeypatch.setattr(detectors, "DATASTREAMS", 12)
    figures = {f.name: f for f in detectors.bench(0.1)}
    assert len(figures) == 6
    assert all(f.low > 0 for f in figures.values())
