"""The paper of major hazards: set whatever the inventory's texts hold."""

from datetime import UTC, datetime

import pytest

from fengsui.run import cli
from fengsui.sense.conform import pdf
from fengsui.show.reports import hazards
from fengsui.warn.hazards import answer, inventory, tables

MADE_AT = datetime(2026, 5, 1, tzinfo=UTC)
HEAD = ["unit", "unit_type", "name", "q_t", "classes", "residents_500m", "process"]
ROWS = [
    ["罐区 #panic() $x$", "storage", "氯", "60", "", "20", "氯化;*a* `b` \\ ]"],
    ["罐区 #panic() $x$", "", "@name #[x]", "1", "W2", "", ""],
]


@pytest.mark.usefixtures("chinese_font")
@pytest.mark.parametrize(
    "more", [[], [["U", "storage", "未知物质 $", "1", "", "", ""]], [["", "", "", "x", "", "", ""]]]
)
def test_typst_sets_what_was_graded_and_what_was_refused(more):
    rows = enumerate([HEAD, *ROWS, *more], 1)
    found = answer.answer(inventory.read(rows), tables.shipped())
    assert found["complete"] is not bool(more)
    assert hazards.make(found, "a #b.csv", "ab" * 32, MADE_AT).startswith(b"%PDF-")


def test_without_a_font_there_is_no_paper_but_a_word(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pdf, "FONTS", ("None Such",))
    path, paper = tmp_path / "plant.csv", tmp_path / "plant.pdf"
    path.write_text("unit,unit_type,name,q_t\nU,storage,氯,1\n", "utf-8")
    assert cli.run(["hazards", "grade", str(path), "--pdf", str(paper)]) == 1
    assert "sense.no_font" in capsys.readouterr().err and not paper.exists()
