import pytest


@pytest.fixture
def town(db, monkeypatch):
    """A town whose time is ``town.at``."""
    from fengsui.warn.calls import services
    from tests.warn.calls.world import Town

    made = Town()

    class Clock:
        @staticmethod
        def now():
            return made.at

    monkeypatch.setattr(services, "clock", Clock)
    return made
