"""A signed conformance report as PDF, set by typst; the JSON and its signature stay what counts.

Chinese needs a font of the system (Debian: fonts-noto-cjk) or of a folder that is named; nothing is fetched.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

from fengsui.base.errors import BadInput
from fengsui.sense.codecs.frame import Term

TEMPLATE = Path(__file__).with_name("report.typ")
FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "SimHei",
    "SimSun",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
)
WIRE_SHOWN, BYTES_SHOWN = 20, 120  # of a case that failed; the JSON has all
PASSED = Term("合格", "passed")
NOT_PASSED = Term("不合格", "not passed")
INCOMPLETE = Term("不完整", "incomplete")


class NoFont(BadInput):
    """No font with Chinese characters is at hand, so that the paper would show empty boxes."""

    code = "sense.no_font"


def chinese_font(folders: Sequence[Path]) -> str:
    """The first of ``FONTS`` that is there.  Raises NoFont."""
    families = set(typst.Fonts(font_paths=[str(one) for one in folders]).families())
    for name in FONTS:
        if name in families:
            return name
    raise NoFont(
        "no Chinese font is at hand: install one (Debian: apt-get install fonts-noto-cjk) or name its folder with "
        f"--fonts; looked for {', '.join(FONTS)}"
    )


def shown(report: dict[str, Any], signature: dict[str, str], font: str) -> dict[str, Any]:
    """What the template shows of a report."""
    passed, complete = report["passed"], report["complete"]
    return {
        "font": font,
        "signature": signature,
        "signature_value": _grouped(signature["value"]),
        "protocol": report["protocol"],
        "device": report["device"],
        "product": report["product"],
        "note": report["note"],
        "verdict": str(PASSED if passed else NOT_PASSED if complete else INCOMPLETE),
        "colour": "pass" if passed else "fail",
        "counts": " · ".join(f"{name} {number}" for name, number in report["counts"].items()),
        "from": _instant(report["started_ms"]),
        "to": _instant(report["ended_ms"]),
        "cases": [{name: value for name, value in one.items() if name != "wire"} for one in report["cases"]],
        "failed": [_failed(one) for one in report["cases"] if one["verdict"] == "fail"],
    }


def make(report: dict[str, Any], signature: dict[str, str], folders: Sequence[Path] = ()) -> bytes:
    """The PDF.  Raises NoFont."""
    font = chinese_font(folders)
    said = json.dumps(shown(report, signature, font), ensure_ascii=False)
    return bytes(
        typst.compile(
            TEMPLATE.read_bytes(),
            format="pdf",
            font_paths=typst.Fonts(font_paths=[str(one) for one in folders]),
            sys_inputs={"report": said},
        )
    )


def _failed(one: dict[str, Any]) -> dict[str, Any]:
    wire = [
        {
            "at": _instant(entry["at_ms"])[11:],
            "way": entry["way"],
            "hex": _grouped(entry["hex"][: 2 * BYTES_SHOWN])
            + (" …" if len(entry["hex"]) > 2 * BYTES_SHOWN else ""),
        }
        for entry in one["wire"][:WIRE_SHOWN]
    ]
    more = max(0, len(one["wire"]) - WIRE_SHOWN)
    return {"id": one["id"], "title": one["title"], "expected": one["expected"], "wire": wire, "more": more}


def _grouped(digits: str) -> str:
    """Blanks every four bytes, so that lines can break."""
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))


def _instant(ms: int) -> str:
    return (
        datetime.fromtimestamp(ms / 1000, UTC)
        .isoformat(sep=" ", timespec="milliseconds")
        .replace("+00:00", "Z")
    )
