"""docs/sensorthings.md says which requirements are met and by which test: the service says so too, the tests exist."""

import re
from pathlib import Path

from fengsui.show.sta.conformance import BASE, CLASSES

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([a-z/-]+)` \| ([^|]+) \| (?:`(\w+)`)? ?\|$", re.M)


def rows():
    text = (ROOT / "docs/sensorthings.md").read_text()
    return ROW.findall(text[text.index("## Which requirements are met") :])


def test_what_the_service_says_is_met_is_what_the_page_says():
    met = {BASE + name for name, said, _test in rows() if said.startswith("yes")}
    assert met == set(CLASSES)
    assert len(rows()) == len(CLASSES) + 1


def test_every_requirement_that_is_met_has_a_test_that_is_there():
    there = "\n".join(p.read_text() for p in ROOT.glob("tests/**/test_*.py"))
    for name, said, test in rows():
        assert f"def {test}(" in there, (name, said)
