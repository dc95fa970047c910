"""Data that others made stands with its checksum or its names in a notice with a licence."""

import hashlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOTICES = sorted(
    [
        *(ROOT / "src/fengsui/sense/codecs").rglob("NOTICE.md"),
        *Path(__file__).with_name("frames").rglob("NOTICE.md"),
    ]
)


@pytest.mark.parametrize("notice", NOTICES, ids=lambda path: path.parent.name)
def test_a_notice_names_its_files_and_their_licence(notice):
    said = notice.read_text()
    assert "\nLicence: " in said
    for path in notice.parent.iterdir():
        if path.suffix in (".csv", ".jsonl"):
            assert f"`{path.name}`" in said


def test_the_table_of_factors_is_unaltered():
    folder = ROOT / "src/fengsui/sense/codecs/hj212_factors"
    digest = hashlib.sha256((folder / "factors.csv").read_bytes()).hexdigest()
    assert digest in (folder / "NOTICE.md").read_text()
