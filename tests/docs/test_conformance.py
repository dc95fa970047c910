"""docs/conformance.md lists every case of every script, and whether its clause is from memory."""

from pathlib import Path

from fengsui.sense.conform.scripts import SCRIPTS

PAGE = Path(__file__).parents[2] / "docs/conformance.md"


def test_every_case_has_its_row():
    rows = {
        line.split("`")[1]: line
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `") and "." in line
    }
    for script in SCRIPTS.values():
        for case in script.cases:
            assert case.title.en in rows[case.id] and case.clause.text in rows[case.id], case.id
            assert case.clause.from_memory == ("(from memory)" in rows[case.id]), case.id
