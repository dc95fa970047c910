"""The shipped pack, and a copy of it that a test may spoil."""

import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
YICHANG = ROOT / "regions" / "yichang"


@pytest.fixture
def nowhere(tmp_path) -> Path:
    """A FENGSUI_DATA that does not exist."""
    return tmp_path / "no-data"


@pytest.fixture
def yichang(nowhere):
    """The shipped pack, read where the data sets that are not shipped are absent."""
    from fengsui.run import packs  # needs Django set up, which a conftest may come before

    return packs.read(YICHANG, nowhere)


_learnt: dict[Any, Any] = {}


@pytest.fixture(autouse=True)
def learnt_once(monkeypatch) -> None:
    """The detectors of the pack are learnt by the first test of the process; what they learnt is the same for all."""
    from fengsui.warn.detecting import training

    learn = training.learn

    def once(method, cells, *rest):
        key = (method, cells.shape, cells.tobytes(), *rest)
        if key not in _learnt:
            _learnt[key] = learn(method, cells, *rest)
        return _learnt[key]

    monkeypatch.setattr(training, "learn", once)


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the shipped pack without its series."""
    folder = tmp_path / "yichang"
    shutil.copytree(YICHANG, folder)
    return folder
