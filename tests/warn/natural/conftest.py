import pytest


@pytest.fixture
def place(db, settings, tmp_path):
    from tests.warn.natural.world import Place

    settings.HISTORY_ROOT = tmp_path / "history"
    return Place()
