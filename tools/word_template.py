"""Make the standard Word template of trend reports (src/fengsui/show/reports/standard.docx) anew.

Page, fonts, styles and fields are all here; a test holds the file equal to what this makes.  Staff change the file in
Word (docs/reports.md says which fields there are); who changes the standard changes this.
"""

import io
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from fengsui.show.reports.word import STANDARD, still

SONG, HEI, LATIN = (
    "宋体",
    "黑体",
    "Times New Roman",
)  # on every Chinese Windows and in WPS; others have a substitute
GREY, DARK = RGBColor(0x5A, 0x5A, 0x5A), RGBColor(0x15, 0x20, 0x2B)
KEPT = {
    "Normal", "Title", "Heading 1", "Header", "Footer", "Table Grid", "Normal Table", "No List",
    "Default Paragraph Font", "Header Char", "Footer Char", "Title Char", "Heading 1 Char",
}  # fmt: skip
UNUSED = {
    "thumbnail",
    "stylesWithEffects",
    "customXml",
    "numbering",
    "webSettings",
}  # of the library's own template


def make() -> bytes:
    document: Any = Document()
    for style in list(document.styles):
        if style.name not in KEPT:
            style.delete()
    for holder in (document.part.package, document.part):
        for key, link in list(holder.rels.items()):
            if link.reltype.rsplit("/", 1)[-1] in UNUSED:
                del holder.rels[key]
    _page(document.sections[0])
    _styles(document.styles)
    _body(document)
    _foot(document.sections[0])
    core = document.core_properties
    core.title, core.subject, core.author, core.comments = "{{ title }}", "{{ period }}", "{{ org }}", ""
    core.keywords = core.last_modified_by = ""
    core.revision, core.created, core.modified = 1, datetime(2026, 1, 1), datetime(2026, 1, 1)
    out = io.BytesIO()
    document.save(out)
    return still(out.getvalue())


def _page(section: Any) -> None:
    section.orientation = WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(16)
    section.top_margin = section.bottom_margin = Mm(18)
    section.header_distance = section.footer_distance = Mm(9)


def _styles(styles: Any) -> None:
    _font(styles["Normal"], SONG, 10.5)
    styles["Normal"].paragraph_format.space_after = Pt(4)
    _font(styles["Title"], HEI, 18, DARK)
    styles["Title"].paragraph_format.space_after = Pt(6)
    for border in styles["Title"].element.findall(f".//{qn('w:pBdr')}"):
        border.getparent().remove(border)
    _font(styles["Heading 1"], HEI, 13, DARK)
    styles["Heading 1"].paragraph_format.space_before = Pt(12)
    styles["Heading 1"].paragraph_format.space_after = Pt(4)
    for name, size, colour in (("Small", 8, GREY), ("Cell", 9, DARK)):
        made = styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        made.base_style = styles["Normal"]
        _font(made, SONG, size, colour)
        made.paragraph_format.space_after = Pt(0 if name == "Cell" else 4)
    _font(styles["Footer"], SONG, 8, GREY)
    language = styles.element.find(f".//{qn('w:docDefaults')}//{qn('w:lang')}")
    language.set(qn("w:eastAsia"), "zh-CN")


def _font(style: Any, chinese: str, points: float, colour: RGBColor | None = None) -> None:
    style.font.name, style.font.size, style.font.italic = LATIN, Pt(points), False
    style.font.bold = False
    if colour is not None:
        style.font.color.rgb = colour
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{theme}"), None)
    fonts.set(qn("w:eastAsia"), chinese)


def _body(document: Any) -> None:
    add = document.add_paragraph
    add("{{ title }}", "Title")
    add("{%p for block in blocks %}")
    add("{%p if block.kind == 'heading' %}")
    add("{{ block.text }}", "Heading 1")
    add("{%p elif block.kind == 'text' and block.small %}")
    add("{{ block.text }}", "Small")
    add("{%p elif block.kind == 'text' %}")
    add("{{ block.text }}")
    add("{%p elif block.kind == 'picture' %}")
    add("{{ block.picture }}")
    add("{%p elif block.kind == 'table' %}")
    _table(document)
    add("", "Small")
    add("{%p endif %}")
    add("{%p endfor %}")


def _table(document: Any) -> None:
    table = document.add_table(rows=4, cols=3)
    table.style, table.alignment, table.autofit = "Table Grid", WD_TABLE_ALIGNMENT.CENTER, True
    properties = table._tbl.tblPr
    width = properties.find(qn("w:tblW"))
    width.set(qn("w:type"), "pct")
    width.set(qn("w:w"), "5000")
    head, begin, row, end = table.rows
    _mark_as_head(head)
    _column(head, "block.head", "{{ cell }}", bold=True)
    begin.cells[0].text = "{%tr for row in block.rows %}"
    _column(row, "row", "{{ cell }}")
    end.cells[0].text = "{%tr endfor %}"


def _column(row: Any, cells: str, field: str, *, bold: bool = False) -> None:
    """One cell that is repeated, its numbers to the right."""
    before, cell, after = row.cells
    before.text, after.text = f"{{%tc for cell in {cells} %}}", "{%tc endfor %}"
    first = cell.paragraphs[0]
    first.text = "{%p if loop.index0 in block.numbers %}"
    for words, right in ((field, True), ("{%p else %}", None), (field, False), ("{%p endif %}", None)):
        paragraph = cell.add_paragraph("", "Cell")
        paragraph.add_run(words).bold = bold and right is not None
        if right:
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    if bold:
        shade = OxmlElement("w:shd")
        for name, value in (("val", "clear"), ("color", "auto"), ("fill", "E3E8EE")):
            shade.set(qn(f"w:{name}"), value)
        cell._tc.get_or_add_tcPr().append(shade)


def _mark_as_head(row: Any) -> None:
    """Repeated on every page that the table goes on to."""
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _foot(section: Any) -> None:
    paragraph = section.footer.paragraphs[0]
    stops = paragraph.paragraph_format.tab_stops
    stops.clear_all()
    stops.add_tab_stop(Mm(178), WD_TAB_ALIGNMENT.RIGHT)
    paragraph.add_run("{{ foot }}\t")
    _field(paragraph, "PAGE")
    paragraph.add_run(" / ")
    _field(paragraph, "NUMPAGES")


def _field(paragraph: Any, code: str) -> None:
    for kind, words in (("begin", ""), ("", code), ("separate", ""), ("", "1"), ("end", "")):
        run = paragraph.add_run()
        if kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            run._r.append(mark)
        elif words == code:
            instruction = OxmlElement("w:instrText")
            instruction.set(qn("xml:space"), "preserve")
            instruction.text = f" {code} "
            run._r.append(instruction)
        else:
            run.text = words


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else STANDARD
    target.write_bytes(make())
    print(target)
