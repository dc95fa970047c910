"""Word files of reports: every figure of the page is in them; an own template is filled, a bad one refused."""

import io
import re
import zipfile
from datetime import datetime
from pathlib import Path

import docx
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import translation
from docx.oxml.ns import qn

from fengsui.people.audit.models import Entry
from fengsui.people.orgs.models import Role
from fengsui.show.reports import papers, services, word
from fengsui.show.reports.errors import BadTemplate
from fengsui.show.reports.models import WordTemplate
from tests.show.test_reports import DAY, week  # noqa: F401
from tests.show.world import HTML

FIGURES = {
    "org": {"code": "yichang", "name": "宜昌市", "name_en": "Yichang"},
    "from": "2026-11-26T00:00:00+08:00",
    "made": "2026-11-27T00:30:00+08:00",
    "now": {"alarms_all": 3},
}
CONTEXT = {"title": f"宜昌市 {HTML}", "blocks": [], "figures": FIGURES}


def template(*lines, change=lambda document: None):
    """A Word file with one paragraph a line."""
    document = docx.Document()
    for line in lines:
        document.add_paragraph(line)
    change(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def with_part(content, name, data, old=""):
    """The same file with one part more, or with ``data`` before ``old`` in a part that is there."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as read, zipfile.ZipFile(out, "w") as made:
        for one in read.namelist():
            said = read.read(one)
            made.writestr(
                one, said.replace(old.encode(), data + old.encode()) if old and one == name else said
            )
        if not old:
            made.writestr(name, data)
    return out.getvalue()


def words_of(content):
    """Every text of the body, table cells included, as Word shows it."""
    document = docx.Document(io.BytesIO(content))
    return ["".join(t.text or "" for t in p.iter(qn("w:t"))) for p in document.element.body.iter(qn("w:p"))]


def test_the_standard_template_is_what_its_script_makes(monkeypatch):
    tools = Path(__file__).parents[2] / "tools"
    monkeypatch.syspath_prepend(str(tools))
    import word_template

    assert word.STANDARD.read_bytes() == word_template.make()


@pytest.fixture(autouse=True)
def _chinese():
    with translation.override("zh-hans"):
        yield


def test_word_has_every_word_and_figure_of_the_blocks(week, chinese_font):  # noqa: F811
    row = services.make(week.users["regulator"], week.yichang, "day", DAY)
    content = row.docx.read()
    document = docx.Document(io.BytesIO(content))
    shown = papers.blocks(row.figures, "zh-hans")
    said = words_of(content)
    tables = [block for block in shown if block["kind"] == "table"]
    for block in shown:
        if block["kind"] in ("heading", "text"):
            assert block["text"] in said
    assert len(document.tables) == len(tables)
    for made, block in zip(document.tables, tables, strict=True):
        cells = [[cell.text for cell in line.cells] for line in made.rows]
        assert cells == [block["head"], *block["rows"]]
        assert len(made._tbl.tblGrid.findall(qn("w:gridCol"))) == len(block["head"])
    pictures = document.element.body.findall(f".//{qn('wp:docPr')}")
    assert [one.get("descr") for one in pictures] == [b["alt"] for b in shown if b["kind"] == "picture"]
    assert len({one.get("id") for one in pictures}) == len(pictures) == 2
    kinds = {part.content_type for part in document.part.package.iter_parts()}
    assert "image/png" in kinds
    assert document.styles["Heading 1"].element.rPr.rFonts.get(qn("w:eastAsia")) == "黑体"
    assert document.core_properties.title == papers.title(row.figures, "zh-hans")
    assert "yichang 2026-11-26" in document.sections[0].footer.paragraphs[0].text
    assert papers.word(row.figures, "zh-hans", []) == papers.word(row.figures, "zh-hans", [])


def test_names_of_people_stay_text():
    assert f"宜昌市 {HTML}" in words_of(papers.fill(template("{{ title }}"), CONTEXT, FIGURES["made"]))


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["{{ ''.__class__.__mro__[1].__subclasses__() }}"], "forbidden"),
        (["{{ title.format.__globals__ }}"], "forbidden"),
        (["{{ '{0.__class__}'.format(title) }}"], "forbidden"),
        (["{{ blocks.append(1) }}"], "forbidden"),
        (["{{ blocks[0].picture._word.docx.save('x') }}"], "forbidden"),
        (["{{ self._TemplateReference__context }}"], "forbidden"),
        (["{{ lipsum() }}"], "unknown_name"),
        (["{{ title | safe }}"], "syntax"),
        (["{% include '/etc/passwd' %}{{ title }}"], "failed"),
        (["{{ titel }}"], "unknown_name"),
        (["{{ figures.now.alarmz }}"], "unknown_name"),
        (["第一段", "{{ title"], "syntax"),
        (["{%p for block in blocks %}", "{{ title }}"], "syntax"),
        (["{{ title / 0 }}"], "failed"),
        (["只有字"], "no_field"),
    ],
)
def test_a_hostile_or_broken_template_is_refused_by_name(lines, fault):
    context = CONTEXT | {"blocks": [{"kind": "picture", "png": "", "alt": ""}]}
    with pytest.raises(word.Fault, match=fault):
        word.fill(template(*lines), context, datetime.fromisoformat(FIGURES["made"]))


@pytest.mark.parametrize(
    "lines",
    [
        ["{{ (title * 200000000) | length }}"],
        ["{% for a in title * 9999 %}{% for b in title * 9999 %}{% endfor %}{% endfor %}"],
    ],
)
def test_a_template_that_eats_time_or_memory_stops_alone(lines, monkeypatch):
    monkeypatch.setattr(papers, "WORD_CPU_SECONDS", 3)
    with pytest.raises(BadTemplate, match="时间或内存"):
        papers.fill(template(*lines), CONTEXT, FIGURES["made"])


def test_the_fault_says_where_it_is():
    def header(document):
        document.sections[0].header.paragraphs[0].text = "抬头 {{ titel }}"

    with pytest.raises(BadTemplate, match=r"页眉.*抬头 \{\{ titel \}\}.*'titel'"):
        papers.fill(template("{{ title }}", change=header), CONTEXT, FIGURES["made"])


def test_tags_in_the_wrong_place_do_not_lose_text():
    """docxtpl alone would mend the XML in silence, and a part of the paper would be gone."""
    document = template("{% if not title %}", "a", "{%p endif %}", "{{ title }}")
    with pytest.raises(word.Fault, match="broken"):
        word.fill(document, CONTEXT, datetime.fromisoformat(FIGURES["made"]))


GOOD = template("{{ title }}")


HARMFUL = {
    "no zip": (lambda: b"%PDF-1.4", "not_word"),
    "half": (lambda: GOOD[: len(GOOD) // 2], "not_word"),
    "macro": (lambda: with_part(GOOD, "word/vbaProject.bin", b"x"), "live"),
    "object": (lambda: with_part(GOOD, "word/embeddings/oleObject1.bin", b"x"), "live"),
    "template elsewhere": (lambda: with_part(GOOD, "word/_rels/settings.xml.rels", ATTACHED), "outside"),
    "entity": (lambda: with_part(GOOD, "word/document.xml", ENTITY, "<w:document"), "broken"),
    "bomb": (lambda: with_part(GOOD, "word/bomb.bin", bytes(word.MOST_UNPACKED)), "too_large"),
}  # fmt: skip
ENTITY = b'<!DOCTYPE x [<!ENTITY a "b">]>'
ATTACHED = (
    b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate" '
    b'Target="http://elsewhere.example/x.dotm" TargetMode="External"/></Relationships>'
)


@pytest.mark.parametrize("case", HARMFUL)
def test_a_file_that_could_do_harm_is_refused(case):
    content, fault = HARMFUL[case]
    with pytest.raises(word.Fault, match=fault):
        word.look(content())


def test_every_fault_has_words():
    kinds = set(re.findall(r'Fault\("(\w+)"', Path(word.__file__).read_text("utf-8"))) | {"too_much"}
    assert kinds
    for kind in kinds:
        assert papers._fault(kind, "body", "x", "y")


def upload(client, content, org="yichang", language="zh-hans"):
    file = SimpleUploadedFile("局报.docx", content)
    return client.post("/reports/templates/", {"org": org, "language": language, "file": file})


LETTERHEAD = ("宜昌市应急管理局文件", "{{ title }}", "报警 {{ figures.now.alarms_all }} 起")


def test_an_own_template_is_used_by_the_organisation_and_below_until_withdrawn(week, open_as, chinese_font):  # noqa: F811
    commander = open_as(week.users["commander"])
    assert upload(commander, template(*LETTERHEAD)).status_code == 302
    row = WordTemplate.objects.get()
    assert Entry.objects.filter(action="report.template_put", object_id=str(row.pk)).exists()
    made = services.make(week.users["regulator"], week.yichang, "day", DAY)
    assert words_of(made.docx.read())[:3] == [
        LETTERHEAD[0], papers.title(made.figures, "zh-hans"), "报警 3 起",
    ]  # fmt: skip
    assert made.word_template == row
    assert services.template_for(week.plant_org, "zh-hans") == row
    assert services.template_for(week.yichang, "en") is None
    assert "局报.docx" in commander.get(f"/reports/{made.pk}/").content.decode()
    downloaded = b"".join(commander.get(f"/reports/templates/{row.pk}.docx").streaming_content)
    assert words_of(downloaded)[0] == LETTERHEAD[0]
    assert commander.post(f"/reports/templates/{row.pk}/withdraw/").status_code == 302
    assert Entry.objects.filter(action="report.template_withdrawn", object_id=str(row.pk)).exists()
    assert services.template_for(week.yichang, "zh-hans") is None
    standard = b"".join(commander.get("/reports/templates/standard.docx").streaming_content)
    assert standard == word.STANDARD.read_bytes()


def test_a_bad_template_is_answered_with_its_fault_and_never_used(week, open_as, chinese_font):  # noqa: F811
    client = open_as(week.users["operator"])
    for content, fault in ((template("{{ ''.__class__ }}"), "__class__"), (template("{{ nix }}"), "nix")):
        answer = upload(client, content)
        assert answer.status_code == 422
        assert fault in re.sub("&#x27;", "'", answer.content.decode())
    assert upload(client, b"x" * (services.MOST_TEMPLATE_BYTES + 1)).status_code == 422
    assert client.post("/reports/templates/", {"org": "yichang", "language": "zh-hans"}).status_code == 422
    assert not WordTemplate.objects.exists()
    assert "没有可用" not in client.get("/reports/templates/").content.decode()


def test_a_template_that_fails_later_does_not_hold_up_a_report(week, chinese_font):  # noqa: F811
    """Written for days with a county in the table; on another day it names what is not there."""
    lines = [
        "{% if figures.counties %}{{ figures.counties[0].name }}{{ figures.nix }}{% else %}{{ title }}{% endif %}"
    ]
    commander = week.users["commander"]
    row = services.put_template(commander, week.plant_org, "zh-hans", "x.docx", template("{{ title }}"))
    Path(row.file.path).write_bytes(template(*lines))
    made = services.make(None, week.plant_org, "day", DAY)
    assert made.word_template is None
    assert "x.docx" in made.word_fault
    assert "安全风险日报" in "".join(words_of(made.docx.read()))
    Path(row.file.path).unlink()
    assert services.make(None, week.plant_org, "day", DAY).word_fault


def test_who_may_put_a_template_in_force_and_who_sees_it(week, open_as, chinese_font):  # noqa: F811
    row = services.put_template(week.users["commander"], week.yichang, "zh-hans", "x.docx", GOOD)
    stranger = open_as(week.stranger)
    assert "x.docx" not in stranger.get("/reports/templates/").content.decode()
    assert stranger.get(f"/reports/templates/{row.pk}.docx").status_code == 404
    assert stranger.post(f"/reports/templates/{row.pk}/withdraw/").status_code in (403, 404)
    for name in Role.values:
        client = open_as(week.users[name])
        assert client.get(reverse("report-templates")).status_code == 200
        if name not in ("commander", "operator"):
            assert upload(client, GOOD).status_code == 404, name
