"""The paper of a report: what the template is given, and that typst sets it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fengsui.sense.conform import pdf, report
from tests.sense.conform.test_report import made


def test_the_paper_shows_fingerprints_verdicts_and_the_bytes_of_failures():
    held, signature, _ = report.verify(report.sign(made("pass", "fail"), Ed25519PrivateKey.generate()))
    shown = pdf.shown(held, signature, "Any")
    assert shown["signature"]["report_sha256"] == report.fingerprint(report.canonical(held))
    assert [one["verdict"] for one in shown["cases"]] == ["pass", "fail"]
    assert [one["wire"][0]["hex"] for one in shown["failed"]] == ["2323FF"]
    assert shown["verdict"] == "不合格 not passed"


@pytest.mark.usefixtures("chinese_font")
def test_typst_sets_a_report_whatever_its_texts_hold():
    told = made("pass", "fail") | {"note": "#panic() $x$ *a* `b` \\ ] 中文"}
    held, signature, _ = report.verify(report.sign(told, Ed25519PrivateKey.generate()))
    assert pdf.make(held, signature).startswith(b"%PDF-")


def test_without_a_font_nothing_is_set(monkeypatch):
    monkeypatch.setattr(pdf, "FONTS", ("None Such",))
    with pytest.raises(pdf.NoFont, match="fonts-noto-cjk"):
        pdf.chinese_font(())
