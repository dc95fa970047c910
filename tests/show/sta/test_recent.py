"""A reader waits for what was written before it asked, and for nothing that is written meanwhile."""

from types import SimpleNamespace

import pytest

from fengsui.show.sta import observations
from fengsui.stores import clock


@pytest.fixture
def pipeline(monkeypatch):
    """A pipeline two questions behind, while others go on writing: (questions asked, the write before)."""
    asked: list[int] = []
    first = clock.now_ms()

    def ask(*_args):
        asked.append(1)
        assert len(asked) < 20, "waits for what is written meanwhile"
        observations._written[0, "me"] = first + 1000 + len(asked)  # somebody else has written
        return SimpleNamespace(as_of_ms=first - 1 + (len(asked) >= 3))

    monkeypatch.setattr(observations, "hub", lambda: SimpleNamespace(ask=ask))
    monkeypatch.setattr(observations, "Recent", SimpleNamespace(of=lambda answer: answer))
    monkeypatch.setattr(observations, "_written", {(0, "me"): first})
    return asked, first


def test_a_reader_waits_for_what_was_written_before_and_not_for_what_is_written_meanwhile(pipeline):
    asked, first = pipeline
    found = observations._recent(0, [1], 0, first, "me")
    assert found.as_of_ms >= first
    assert len(asked) == 3


def test_a_reader_does_not_wait_for_what_others_write(pipeline):
    asked, first = pipeline
    observations._recent(0, [1], 0, first, "somebody else")
    assert len(asked) == 1
