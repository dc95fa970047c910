"""Files that people send: kept with their hash, or refused with a reason."""

import hashlib
import io
import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.utils import timezone

from fengsui.loops import evidence, services
from fengsui.loops.errors import EvidenceRefused, Incomplete
from fengsui.loops.models import Deed, Evidence, Loop

from .conftest import PNG


def office(part: str, *more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (part, *more):
            archive.writestr(
                zipfile.ZipInfo(name), "x"
            )  # with a time of its own: names of tests must not change
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0 JFIF", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x00\x00\x00\x20ftypisom....", "video/mp4"),
        (b"\x00\x00\x00\x20ftypqt  ....", "video/quicktime"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        ("现场无泄漏，仪表已更换。\n".encode(), "text/plain"),
        ("现场无泄漏".encode("gb18030"), "text/plain"),
        (b"\xef\xbb\xbftime,value\r\n1,2\r\n", "text/plain"),
        (
            office("word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (office("xl/workbook.xml"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_the_type_comes_from_the_content(body, content_type):
    [checked] = evidence.check([("anything.exe", body)])
    assert checked.content_type == content_type
    assert checked.sha256 == hashlib.sha256(body).hexdigest()
    evidence.close([checked])


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"\n\n <svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        b"\xef\xbb\xbf<html>",
        b"#!/bin/sh\nrm -rf /",
        b"MZ\x90\x00",
        b"\x7fELF\x02",
        b"text\x00with a zero",
        bytes(range(256)),
        office("payload.bin"),
        office("word/document.xml", "word/vbaProject.bin"),
        b"PK\x03\x04 broken",
    ],
)
def test_what_a_browser_or_a_machine_could_run_is_refused(body):
    with pytest.raises(EvidenceRefused, match="none of the accepted types"):
        evidence.check([("photo.png", body)])


def test_an_empty_file_and_too_many_files_are_refused():
    with pytest.raises(EvidenceRefused, match="empty"):
        evidence.check([("a.txt", b"")])
    with pytest.raises(EvidenceRefused, match="11 files"):
        evidence.check([("a.txt", b"x")] * 11)


def test_a_file_over_the_limit_is_refused_and_names_the_setting(settings):
    settings.MAX_EVIDENCE_BYTES = 100
    [checked] = evidence.check([("a.txt", b"x" * 100)])
    evidence.close([checked])
    with pytest.raises(EvidenceRefused, match=r"100 bytes \(FENGSUI_MAX_EVIDENCE_BYTES\)"):
        evidence.check([("a.txt", b"x" * 101)])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\阀门.png", "阀门.png"),
        ("a\u202egnp.exe\x00", "agnp.exe"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ("", "evidence"),
        (" . ", "evidence"),
        ("x" * 300 + ".png", "x" * 196 + ".png"),
    ],
)
def test_names_are_only_for_showing(name, kept):
    assert evidence.safe_name(name) == kept


@pytest.mark.django_db(transaction=True)
class TestKeeping:
    @pytest.fixture
    def safety(self, person, tree):
        return person("safety_officer", tree.plant)

    @pytest.fixture
    def loop(self, open_at, safety):
        return services.act(safety, open_at(), "acknowledge")

    def files(self, media) -> list[Path]:
        return sorted(p for p in Path(media).rglob("*") if p.is_file())

    def report(self, safety, loop, *files):
        return services.act(
            safety, loop, "report_false", note="n", data={"cause": "instrument"}, files=list(files)
        )

    def test_a_file_is_stored_under_a_name_of_ours(self, loop, safety, media):
        large = TemporaryUploadedFile("../../阀门 照片.html", "text/html", len(PNG), None)
        large.write(PNG)
        large.seek(0)
        self.report(safety, loop, large, SimpleUploadedFile("note.txt", b"two"))
        first, second = Evidence.objects.order_by("id")
        assert first.name == "阀门 照片.html"
        assert first.file.name.startswith("evidence/")
        assert first.file.name.endswith(".png")
        assert "阀" not in first.file.name
        assert (first.file.read(), second.file.read()) == (PNG, b"two")
        assert len(self.files(media)) == 2

    def test_the_same_file_twice_is_kept_twice(self, loop, safety, media):
        self.report(safety, loop, ("a.png", PNG), ("a.png", PNG))
        assert len({e.file.name for e in Evidence.objects.all()}) == 2

    def test_a_refused_action_leaves_no_file(self, loop, safety, media):
        with pytest.raises(Incomplete):
            services.act(safety, loop, "submit", files=[("a.png", PNG)])
        with pytest.raises(EvidenceRefused):
            self.report(safety, loop, ("a.png", PNG), ("b.html", b"<html>"))
        assert (self.files(media), Evidence.objects.count()) == ([], 0)

    def test_a_failure_after_the_file_was_written_takes_it_away_again(self, loop, safety, media, monkeypatch):
        monkeypatch.setattr(services.audit, "record", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            self.report(safety, loop, ("a.png", PNG))
        assert (self.files(media), Evidence.objects.count(), Loop.objects.get().step) == (
            [],
            0,
            "acknowledged",
        )
        assert Deed.objects.filter(action="report_false").count() == 0

    def test_evidence_is_seen_by_whoever_sees_its_loop(self, loop, safety, person, tree):
        self.report(safety, loop, ("a.png", PNG))
        assert Evidence.objects.visible_to(person("viewer", tree.yichang)).count() == 1
        assert Evidence.objects.visible_to(person("commander", tree.jingzhou)).count() == 0

    def test_files_that_a_crash_left_are_swept_and_nothing_else(self, loop, safety, media):
        self.report(safety, loop, ("a.png", PNG))
        kept = Path(Evidence.objects.get().file.path)
        orphan, fresh = kept.with_name("orphan.png"), kept.with_name("fresh.png")
        for path in (orphan, fresh):
            path.write_bytes(PNG)
        old = (timezone.now() - timedelta(days=2)).timestamp()
        for path in (orphan, kept):
            os.utime(path, (old, old))
        assert evidence.sweep(timezone.now() - timedelta(days=1)) == 1
        assert (kept.exists(), fresh.exists(), orphan.exists()) == (True, True, False)
