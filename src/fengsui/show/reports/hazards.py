"""The identification and grading of major hazards on paper: results, every step with its clause, the tables used."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import typst

from fengsui.sense.conform.pdf import chinese_font

TEMPLATE = Path(__file__).with_name("hazards.typ")


def make(
    answer: dict[str, Any], name: str, sha256: str, made_at: datetime, folders: Sequence[Path] = ()
) -> bytes:
    """The PDF of ``warn.hazards.answer.answer`` for the inventory ``name`` with its checksum.  Raises NoFont."""
    shown = {
        "font": chinese_font(folders),
        "name": name,
        "sha256": sha256,
        "made": made_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        "answer": answer,
    }
    return bytes(
        typst.compile(
            TEMPLATE.read_bytes(),
            format="pdf",
            font_paths=typst.Fonts(font_paths=[str(one) for one in folders]),
            sys_inputs={"report": json.dumps(shown, ensure_ascii=False)},
        )
    )
