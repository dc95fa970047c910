"""Lock files say what is installed, by hash, and never where it comes from."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "web" / "package-lock.json"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_file_holds_hashes_and_no_address(lock):
    text = lock.read_text()
    assert "sha256:" in text or "sha512-" in text
    assert "://" not in text
    assert "--index-url" not in text
    assert '"resolved"' not in text
