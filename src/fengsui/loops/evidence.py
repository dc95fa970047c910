"""Files that prove a deed: what they really are, how large they may be, what they are called, and their hash.

The type comes from the first bytes, never from the name or from what the sender claims; anything a browser could run
(HTML, SVG, scripts, programs) is refused.
"""

import hashlib
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.utils.translation import gettext as _

from fengsui.loops.errors import EvidenceRefused
from fengsui.stores.files import kind_of

MAX_FILES = 10  # of one deed
DEFAULT_MAX_BYTES = 20 << 20
CHUNK = 1 << 18

OFFICE = {
    "word/document.xml": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    "xl/workbook.xml": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    "ppt/presentation.xml": (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
    ),
}


@dataclass(slots=True)
class Checked:
    """A file that may be kept.  ``body`` stands at its start; the caller closes it."""

    name: str
    content_type: str
    ending: str
    sha256: str
    size: int
    body: IO[bytes]


def max_bytes() -> int:
    """Largest evidence file, FENGSUI_MAX_EVIDENCE_BYTES."""
    return int(getattr(settings, "MAX_EVIDENCE_BYTES", DEFAULT_MAX_BYTES))


def check(files: Iterable[Any]) -> list[Checked]:
    """Read and judge every file (Django files, or ``(name, bytes)``).  Raises EvidenceRefused, leaving nothing open."""
    files = list(files)
    if len(files) > MAX_FILES:
        raise EvidenceRefused(
            _("%(count)s files at once; %(most)s are allowed.") % {"count": len(files), "most": MAX_FILES}
        )
    done: list[Checked] = []
    try:
        for file in files:
            done.append(_check_one(*_opened(file)))
    except BaseException:
        close(done)
        raise
    return done


def close(files: Iterable[Checked]) -> None:
    for file in files:
        file.body.close()


def sniff(head: bytes, body: IO[bytes]) -> tuple[str, str] | None:
    """Content type and ending by content; None for what is not accepted.  ``head`` is the first 4 KiB."""
    if (kind := kind_of(head)) is not None:
        return kind
    if head.startswith(b"PK\x03\x04"):
        return _sniff_office(body)
    return _sniff_text(head, body)


def safe_name(name: str) -> str:
    """What the sender called the file, without folders, control and direction characters; at most 200 characters."""
    name = unicodedata.normalize("NFC", name or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C").strip(" .")
    if len(name) > 200:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: 199 - len(ending)]}.{ending}" if dot and len(ending) < 20 else name[:200]
    return name or "evidence"


def _opened(file: Any) -> tuple[str, Iterator[bytes], Callable[[], None]]:
    if isinstance(file, tuple):
        name, body = file
        return name, iter([body]), lambda: None
    if not isinstance(file, File):
        raise TypeError(f"not a file: {type(file).__name__}")
    return file.name or "", file.chunks(CHUNK), file.close


def _check_one(name: str, chunks: Iterator[bytes], close_it: Callable[[], None]) -> Checked:
    name, limit = safe_name(name), max_bytes()
    digest, size, head = hashlib.sha256(), 0, b""
    body = tempfile.SpooledTemporaryFile(max_size=4 << 20)  # noqa: SIM115  the caller closes it
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise EvidenceRefused(
                    _("%(name)s is larger than %(limit)s bytes (FENGSUI_MAX_EVIDENCE_BYTES).")
                    % {"name": name, "limit": limit}
                )
            if len(head) < 4096:
                head = (head + chunk)[:4096]
            digest.update(chunk)
            body.write(chunk)
        if not size:
            raise EvidenceRefused(_("%(name)s is empty.") % {"name": name})
        body.seek(0)
        kind = sniff(head, body)
        if kind is None:
            raise EvidenceRefused(
                _(
                    "%(name)s is none of the accepted types: picture, PDF, sound, video, office document,"
                    " plain text."
                )
                % {"name": name}
            )
        body.seek(0)
    except BaseException:
        body.close()
        raise
    finally:
        close_it()
    return Checked(name, kind[0], kind[1], digest.hexdigest(), size, body)


def _sniff_office(body: IO[bytes]) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(body) as archive:
            names = set(archive.namelist()[:5000])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if any(name.endswith("vbaProject.bin") for name in names):
        return None  # macros
    return next((kind for part, kind in OFFICE.items() if part in names), None)


def _sniff_text(head: bytes, body: IO[bytes]) -> tuple[str, str] | None:
    """Plain text in UTF-8 or GB 18030, without control characters and without anything that looks like markup."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"<", b"#!", b"MZ", b"\x7fELF")):
        return None
    body.seek(0)
    whole = body.read()
    for encoding in ("utf-8", "gb18030"):
        try:
            text = whole.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(c in "\t\r\n\ufeff" or unicodedata.category(c) != "Cc" for c in text):
            return "text/plain", "txt"
        return None
    return None


def sweep(before: datetime) -> int:
    """Delete files of the evidence folder, older than ``before``, that no row speaks of; returns how many."""
    from fengsui.loops.models import Evidence

    root = Path(settings.MEDIA_ROOT)
    count = 0
    for path in sorted((root / "evidence").glob("*/*/*")):
        name = path.relative_to(root).as_posix()
        old = path.is_file() and path.stat().st_mtime < before.timestamp()
        if old and not Evidence.objects.filter(file=name).exists():
            path.unlink()
            count += 1
    return count
