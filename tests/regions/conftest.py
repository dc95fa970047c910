"""The shipped pack, and a copy of it that a test may spoil."""

import shutil
from pathlib import Path

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


@pytest.fixture
def copied(tmp_path) -> Path:
    """A copy of the shipped pack without its series."""
    folder = tmp_path / "yichang"
    shutil.copytree(YICHANG, folder)
    return folder
