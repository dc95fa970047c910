"""Spreadsheets as rows of text, one at a time: CSV (UTF-8 or GB 18030; comma, semicolon or tab) and xlsx."""

import csv
import datetime
import io
import zipfile
from collections.abc import Iterator
from typing import IO, Any

from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput

MAX_BYTES = 512 << 20  # of the file as it is
MAX_UNPACKED = 4 << 30  # of all parts of an xlsx
MAX_SHARED = 512 << 20  # of the part of an xlsx that must be held in memory
MAX_CELL = 32_767  # characters, the limit of spreadsheets
PROBE = 1 << 20


class BadFile(BadInput):
    """The file as a whole cannot be read; the message says why and what to do."""

    code = "sense.bad_file"


def rows(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """(row number as a spreadsheet shows it, cells as stripped text) of each row that is not empty.

    ``file`` is open for reading and can be rewound.  Raises BadFile.
    """
    file.seek(0, io.SEEK_END)
    if file.tell() > MAX_BYTES:
        raise BadFile(_("The file is larger than %(most)s MiB: split it.") % {"most": MAX_BYTES >> 20})
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == b"PK\x03\x04":
        yield from _xlsx(file)
    elif start[:4] == b"\xd0\xcf\x11\xe0":
        raise BadFile(_("This is an old .xls file: save it as .xlsx or CSV."))
    else:
        yield from _csv(file)


def _csv(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    head = file.read(PROBE)
    file.seek(0)
    encoding = _encoding(head)
    first = head.decode(encoding, "replace").partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = io.TextIOWrapper(file, encoding=encoding, newline="")
    reader = csv.reader(lines, delimiter=delimiter)
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except UnicodeDecodeError:
        raise BadFile(
            _("The file is neither UTF-8 nor GB 18030 after row %(row)s: save it as CSV UTF-8.")
            % {"row": reader.line_num}
        ) from None
    except csv.Error as error:
        raise BadFile(
            _("The file cannot be read after row %(row)s (%(why)s).") % {"row": reader.line_num, "why": error}
        ) from None
    finally:
        lines.detach()


def _encoding(head: bytes) -> str:
    """UTF-8 if the beginning is (a character cut at its end does not count), else GB 18030 as Excel writes it here."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or len(head) < PROBE:
            return "gb18030"
    return "utf-8-sig"


def _xlsx(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    import openpyxl

    try:
        with zipfile.ZipFile(file) as parts:
            sizes = {part.filename: part.file_size for part in parts.infolist()}
        if sum(sizes.values()) > MAX_UNPACKED or sizes.get("xl/sharedStrings.xml", 0) > MAX_SHARED:
            raise BadFile(_("The workbook is too large when unpacked: save it as CSV."))
        file.seek(0)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except BadFile:
        raise
    except Exception as error:  # whatever a broken archive makes its readers raise
        raise BadFile(_("The workbook cannot be read (%(why)s).") % {"why": type(error).__name__}) from None
    try:
        sheet = book.worksheets[0]
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            texts = [_text(cell) for cell in cells]
            if any(texts):
                yield number, texts
    except Exception as error:
        raise BadFile(_("The workbook cannot be read (%(why)s).") % {"why": type(error).__name__}) from None
    finally:
        book.close()


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell).strip()
