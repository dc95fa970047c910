"""A program of its own that fills a Word template (Office Open XML) with docxtpl: the only user of that library.

Started by ``papers`` for one file and gone afterwards, for three reasons (docs/decisions/0072): a template comes from
people, and what it may cost in time and memory is limited by the system; no other process carries the library; and it
is under the LGPL.  It knows nothing of the platform, gets no environment and no address.

    word    stdin: JSON {template, context, made, seconds}: the template in base64, what its fields may name, an
                   instant, the most time of a core
            stdout: JSON {docx} in base64, or {fault, part, near, said}

Blocks of kind "picture" carry {png, alt}; the template sees a field that becomes the picture.  Expressions run in
jinja2's sandbox, see data only, and a name that does not exist is a fault, not an empty place.
"""

import base64
import io
import json
import re
import resource
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

STANDARD = Path(__file__).with_name("standard.docx")  # made by tools/word_template.py
MEMORY_BYTES = 1 << 30
MOST_UNPACKED = 100 << 20
MOST_PARTS = 2000
NEAR = 120  # characters of the paragraph where a fault is
STAMP = (1980, 1, 1, 0, 0, 0)
MAIN = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
LIVE = re.compile(r"vbaProject|vbaData|/activeX/|/embeddings/|/afchunk", re.IGNORECASE)
OUTSIDE = re.compile(rb"<(?:\w+:)?Relationship\b[^>]*\bTargetMode\s*=\s*[\"']External[\"'][^>]*>")
HYPERLINK = re.compile(rb"\bType\s*=\s*[\"'][^\"']*/hyperlink[\"']")


class Fault(Exception):
    """Why a template cannot be filled: ``kind`` is a stable word, ``part`` body, header, footer or a file's name."""

    def __init__(self, kind: str, part: str = "", near: str = "", said: str = "") -> None:
        super().__init__(kind)
        self.kind, self.part, self.near, self.said = kind, part, near[:NEAR], said[:300]


def main() -> int:
    job = json.load(sys.stdin.buffer)
    _limit(job["seconds"])
    try:
        made = fill(base64.b64decode(job["template"]), job["context"], datetime.fromisoformat(job["made"]))
        answer = {"docx": base64.b64encode(made).decode()}
    except Fault as fault:
        answer = {"fault": fault.kind, "part": fault.part, "near": fault.near, "said": fault.said}
    except MemoryError:
        answer = {"fault": "too_much", "part": "", "near": "", "said": ""}
    json.dump(answer, sys.stdout)
    return 0


def fill(template: bytes, context: dict[str, Any], made: datetime) -> bytes:
    """The Word file.  The same template, context and instant give the same bytes.  Raises Fault."""
    look(template)
    from docx.opc.exceptions import OpcError
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from lxml.etree import XMLSyntaxError

    env = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
    env.globals = {"namespace": env.globals["namespace"]}
    del env.filters["safe"]
    word = _word_class()(io.BytesIO(template))
    try:
        word.render(_with_pictures(context, word), env)
        if not word.get_undeclared_template_variables(env):
            raise Fault("no_field")
        core = word.docx.core_properties
        core.created = core.modified = made.replace(tzinfo=None)
        out = io.BytesIO()
        word.save(out)
    except TemplateSyntaxError as error:
        raise Fault("syntax", word.part_name(), word.line(error.lineno), error.message or "") from None
    except SecurityError as error:
        raise Fault("forbidden", word.part_name(), word.line(_line_of(error)), str(error)) from None
    except UndefinedError as error:
        raise Fault("unknown_name", word.part_name(), word.line(_line_of(error)), str(error)) from None
    except XMLSyntaxError as error:
        raise Fault("broken", word.part_name(), "", str(error)) from None
    except (OpcError, KeyError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise Fault("not_word", "", "", f"{type(error).__name__}: {error}") from None
    except (TemplateError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        said = f"{type(error).__name__}: {error}"
        raise Fault("failed", word.part_name(), word.line(_line_of(error)), said) from None
    return still(out.getvalue())


def look(template: bytes) -> None:
    """What can be said of a file without opening it in Word: a document, no programs, nothing fetched from elsewhere.

    Raises Fault.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(template)) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise Fault("too_large")
            names = [part.filename for part in parts]
            if not {"[Content_Types].xml", "word/document.xml"} <= set(names):
                raise Fault("not_word")
            if (live := next((name for name in names if LIVE.search(f"/{name}")), None)) is not None:
                raise Fault("live", live)
            if MAIN not in archive.read("[Content_Types].xml"):
                raise Fault("not_word", "", "", "[Content_Types].xml")
            for name in names:
                if name.endswith((".xml", ".rels")):
                    _look_at_part(name, archive.read(name))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise Fault("not_word", "", "", str(error)) from None


def _look_at_part(name: str, content: bytes) -> None:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Fault("broken", name, "", "DOCTYPE")
    if name.endswith(".rels"):
        for found in OUTSIDE.findall(content):
            if not HYPERLINK.search(found):
                target = re.search(rb"\bTarget\s*=\s*[\"']([^\"']*)", found)
                raise Fault("outside", name, target[1].decode("utf-8", "replace") if target else "")


def still(docx: bytes) -> bytes:
    """The same file without the time at which its archive was written."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(docx)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda one: (one != "[Content_Types].xml", one)):
            new.writestr(zipfile.ZipInfo(name, STAMP), old.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _word_class() -> type[Any]:
    from docxtpl import DocxTemplate
    from lxml import etree

    class Word(DocxTemplate):
        """docxtpl that knows where it is, and that takes no broken XML for whole."""

        source, at = "", None

        def render_xml_part(self, src_xml: str, part: Any, context: Any, jinja_env: Any = None) -> str:
            # as docxtpl is about to do, so that the line of a fault is the line of its paragraph
            self.source, self.at = re.sub(r"<w:p([ >])", r"\n<w:p\1", src_xml), part
            made = super().render_xml_part(src_xml, part, context, jinja_env)
            etree.fromstring(made.encode())
            return str(made)

        def render_properties(self, context: Any, jinja_env: Any = None) -> None:
            self.source = ""
            super().render_properties(context, jinja_env.overlay(autoescape=False))

        def part_name(self) -> str:
            name = str(self.at.partname) if self.at is not None else ""
            return next((one for one in ("header", "footer", "footnotes") if one in name), "body")

        def line(self, number: int | None) -> str:
            lines = self.source.splitlines()
            if number is None or not 0 < number <= len(lines):
                return ""
            return re.sub(r"<[^>]*>", "", lines[number - 1]).strip()

    return Word


class _Picture:
    """A field that becomes a picture in the part where it stands, as wide as its text area.

    Everything but its two figures is out of reach of a template.
    """

    def __init__(self, word: Any, png: bytes, alt: str) -> None:
        self._word, self._png, self.alt = word, png, alt

    def __html__(self) -> str:
        from docx.oxml.ns import qn

        section = self._word.docx.sections[-1]
        width = section.page_width - section.left_margin - section.right_margin
        inline = self._word.current_rendering_part.new_pic_inline(io.BytesIO(self._png), width, None)
        inline.find(qn("wp:docPr")).set("descr", self.alt)
        return f'</w:t></w:r><w:r><w:drawing>{inline.xml}</w:drawing></w:r><w:r><w:t xml:space="preserve">'

    __str__ = __html__


def _with_pictures(context: dict[str, Any], word: Any) -> dict[str, Any]:
    """The context, text without what XML cannot hold, pictures as fields."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return "".join(c for c in value if (c >= " " or c in "\t\n") and c not in "\ufffe\uffff")
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            if "png" in value:
                value = value | {
                    "picture": _Picture(word, base64.b64decode(value["png"]), plain(value["alt"]))
                }
                del value["png"]
            return {key: plain(one) for key, one in value.items()}
        return value

    return {key: plain(value) for key, value in context.items()}


def _line_of(error: BaseException) -> int | None:
    """Where in the template it happened, which jinja2 writes into the traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _limit(seconds: int) -> None:
    """A template that is led astray runs out of time and memory alone."""
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, seconds)):
        _soft, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # nothing is written but the answer, which is a pipe


if __name__ == "__main__":
    sys.exit(main())
