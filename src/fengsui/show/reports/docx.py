"""Word files (Office Open XML, ECMA-376 part 1) of the blocks of a paper: headings, text, tables, pictures, no more.

Small on purpose: what a bureau wants is to change words and copy tables.  The same blocks give the same bytes.
"""

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

EMU = 914_400  # of an inch
PAGE_INCHES = 6.9
STAMP = (1980, 1, 1, 0, 0, 0)
NS = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"'
)
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def make(title: str, blocks: Sequence[dict[str, Any]], font: str) -> bytes:
    """The file.  Pictures of blocks are PNG in ``png``."""
    body = [_paragraph(title, "Title")]
    pictures: list[bytes] = []
    for block in blocks:
        kind = block["kind"]
        if kind == "heading":
            body.append(_paragraph(block["text"], "Heading1"))
        elif kind == "text":
            body.append(_paragraph(block["text"], "Small" if block.get("small") else ""))
        elif kind == "table":
            body.append(_table(block["head"], block["rows"], block["numbers"]))
            body.append(_paragraph("", ""))
        elif kind == "picture":
            pictures.append(block["png"])
            body.append(_picture(len(pictures), block["png"], block["alt"]))
    section = '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1020" w:right="907" w:bottom="1020" w:left="907" w:header="0" w:footer="0" w:gutter="0"/></w:sectPr>'  # noqa: E501
    document = f"{HEAD}<w:document {NS}><w:body>{''.join(body)}{section}</w:body></w:document>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _files(document, font, pictures):
            archive.writestr(zipfile.ZipInfo(name, STAMP), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files(document: str, font: str, pictures: list[bytes]) -> list[tuple[str, str | bytes]]:
    types = (
        f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="png" ContentType="image/png"/>'
        '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'  # noqa: E501
        '<Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/>'  # noqa: E501
        "</Types>"
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    top = f'{HEAD}<Relationships xmlns="{package}"><Relationship Id="rId1" Type="{REL}/officeDocument" Target="word/document.xml"/></Relationships>'  # noqa: E501
    links = "".join(
        f'<Relationship Id="pic{n}" Type="{REL}/image" Target="media/picture{n}.png"/>'
        for n in range(1, len(pictures) + 1)
    )
    parts = f'{HEAD}<Relationships xmlns="{package}"><Relationship Id="rId1" Type="{REL}/styles" Target="styles.xml"/>{links}</Relationships>'  # noqa: E501
    return [
        ("[Content_Types].xml", types),
        ("_rels/.rels", top),
        ("word/document.xml", document),
        ("word/_rels/document.xml.rels", parts),
        ("word/styles.xml", _styles(font)),
        *((f"word/media/picture{n}.png", png) for n, png in enumerate(pictures, 1)),
    ]


def _styles(font: str) -> str:
    name = escape(font, {'"': "&quot;"})
    fonts = f'<w:rFonts w:ascii="{name}" w:hAnsi="{name}" w:eastAsia="{name}" w:cs="{name}"/>'

    def style(key: str, words: str, half_points: int, bold: bool, before: int, outline: str = "") -> str:
        return (
            f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{words}"/><w:basedOn w:val="Normal"/>'
            f'<w:pPr><w:keepNext/><w:spacing w:before="{before}" w:after="80"/>{outline}</w:pPr>'
            f'<w:rPr>{"<w:b/>" if bold else ""}<w:sz w:val="{half_points}"/></w:rPr></w:style>'
        )

    return (
        f'{HEAD}<w:styles {NS}><w:docDefaults><w:rPrDefault><w:rPr>{fonts}<w:sz w:val="20"/>'
        '<w:lang w:val="en-US" w:eastAsia="zh-CN"/></w:rPr></w:rPrDefault></w:docDefaults>'
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
        + style("Title", "Title", 36, True, 0)
        + style("Heading1", "heading 1", 26, True, 240, '<w:outlineLvl w:val="0"/>')
        + style("Small", "Small", 16, False, 0)
        + "</w:styles>"
    )


def _paragraph(words: str, style: str, *, bold: bool = False, right: bool = False) -> str:
    look = f'<w:pStyle w:val="{style}"/>' if style else ""
    look += '<w:jc w:val="right"/>' if right else ""
    run = (
        f'<w:r>{"<w:rPr><w:b/></w:rPr>" if bold else ""}<w:t xml:space="preserve">{_clean(words)}</w:t></w:r>'
    )
    return f"<w:p><w:pPr>{look}</w:pPr>{run if words else ''}</w:p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    sides = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="A0A8B0"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    width = 10_090 // max(len(head), 1)
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for _one in head)

    def row(cells: Sequence[str], is_head: bool) -> str:
        made = "".join(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{_SHADE if is_head else ""}</w:tcPr>'
            f"{_paragraph(cell, '', bold=is_head, right=n in numbers)}</w:tc>"
            for n, cell in enumerate(cells)
        )
        return f"<w:tr>{'<w:trPr><w:tblHeader/></w:trPr>' if is_head else ''}{made}</w:tr>"

    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="5000" w:type="pct"/><w:tblBorders>{sides}</w:tblBorders></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{row(head, True)}{''.join(row(cells, False) for cells in rows)}</w:tbl>"
    )


_SHADE = '<w:shd w:val="clear" w:color="auto" w:fill="E3E8EE"/>'


def _picture(n: int, png: bytes, alt: str) -> str:
    wide, high = struct.unpack(">II", png[16:24])  # IHDR
    cx, cy = int(PAGE_INCHES * EMU), int(PAGE_INCHES * EMU * high / wide)
    words = escape(alt, {'"': "&quot;"})
    return (
        f'<w:p><w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent cx="{cx}" cy="{cy}"/>'
        f'<wp:docPr id="{n}" name="picture{n}" descr="{words}"/><a:graphic>'
        '<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:nvPicPr>'
        f'<pic:cNvPr id="{n}" name="picture{n}.png"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill>'
        f'<a:blip r:embed="pic{n}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm>'
        f'<a:off x="0" y="0"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
        "</pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
    )


def _clean(words: str) -> str:
    """Text that XML can hold."""
    return escape("".join(c for c in words if c >= " " or c in "\t\n"))
