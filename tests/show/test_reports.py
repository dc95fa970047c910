"""Trend reports: what stands on paper stands on the pages, both files hold it, the mail server really gets it."""

import asyncio
import datetime
import email
import io
import json
import threading
import zipfile
from email import policy

import pytest
from django.utils import timezone

from fengsui.people.orgs.models import Role
from fengsui.run import cli
from fengsui.show.lists import trends
from fengsui.show.reports import drawing, papers, services
from fengsui.show.reports.errors import BadReport, NoMail
from fengsui.show.reports.handlers import send
from fengsui.show.reports.models import ReportMail, TrendReport
from fengsui.stores import clock
from fengsui.stores.outbox.models import Event
from fengsui.warn.commitments import services as commitments
from fengsui.warn.patrols import services as patrols
from fengsui.warn.risks import services as risks
from tests.show.world import HTML

DAY = datetime.date(2026, 11, 26)
NEXT = datetime.datetime(2026, 11, 27, 0, 30, tzinfo=timezone.get_default_timezone())


def at(hour, day=DAY):
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time(hour)))


@pytest.fixture
def week(world, monkeypatch, settings, tmp_path):
    """A Thursday at the plant: three alarms, no commitment, a patrol with a finding, rising risk; now it is Friday."""
    settings.MEDIA_ROOT = tmp_path
    settings.LAYERS_ROOT = tmp_path

    def set_time(now):
        monkeypatch.setattr(clock, "now", lambda: now)
        monkeypatch.setattr(timezone, "now", lambda: now)

    world.site.kind = "chemical_plant"
    world.site.save()
    commitments.oblige(
        None, world.yichang, deadline=datetime.time(10), kinds_of_sites=["chemical_plant"], with_hazards=True,
        is_public=False, reason="x",
    )  # fmt: skip
    risks.reckon(at(8))
    for n, (priority, minutes) in enumerate([(1, 10), (3, 30), (3, None)]):
        raised = at(9) + datetime.timedelta(minutes=n)
        acked = None if minutes is None else raised + datetime.timedelta(minutes=minutes)
        world.alarm(priority=priority, raised_at=raised, acked_at=acked)
    world.alarm(
        priority=2,
        raised_at=at(9, DAY - datetime.timedelta(days=1)),
        cleared_at=at(10, DAY - datetime.timedelta(days=1)),
    )
    set_time(at(11))
    commitments.look(at(11))
    checker = world.users["regulator"]
    patrol = patrols.send(checker, world.site, "x")
    patrols.find(checker, patrol, HTML, 3)
    patrols.end(checker, patrol, {item: {"state": "ok"} for item in patrols.ITEMS})
    risks.reckon(at(12))
    set_time(NEXT)
    return world


def test_spans_begin_on_monday_and_on_the_first():
    spans = {p: trends.span(p, datetime.date(2026, 12, 31)) for p in trends.PERIODS}
    days = {p: (str(timezone.localdate(b)), str(timezone.localdate(e))) for p, (b, e) in spans.items()}
    assert days == {
        "day": ("2026-12-31", "2027-01-01"),
        "week": ("2026-12-28", "2027-01-04"),
        "month": ("2026-12-01", "2027-01-01"),
    }


def test_figures_are_those_of_the_pages(week, open_as):
    figures = trends.figures(week.yichang, "day", DAY, NEXT)
    client = open_as(week.users["regulator"])
    day = client.get(f"/api/v1/commitments?day={DAY}").json()["figures"]
    assert {k: figures["now"]["commitments"][k] for k in day} == day
    assert day["missing"] == 1
    looked = client.get("/api/v1/patrols/figures").json()
    assert {k: figures["now"]["patrols"][k] for k in ("done", "covered", "findings", "overdue")} == {
        k: looked[k] for k in ("done", "covered", "findings", "overdue")
    }
    assert (figures["now"]["alarms"], figures["before"]["alarms"]) == ([1, 0, 2, 0], [0, 1, 0, 0])
    assert sum(sum(counts) for _label, *counts in figures["days"]) == figures["now"]["alarms_all"] == 3
    assert (figures["now"]["acked"], figures["now"]["median_ack_s"]) == (2, 1200.0)
    quarter = client.get("/scorecards/?by=county&format=csv").content.decode().splitlines()[1].split(",")
    assert int(quarter[1]) == figures["counties"][0]["alarms"] + figures["before"]["alarms_all"]
    told = client.get("/api/v1/risk/sites/tep-1").json()
    worst = figures["worst"][0]
    assert (worst["code"], worst["index"] / 1000, worst["level"]) == ("tep-1", told["index"], told["level"])
    assert (worst["alarms"], worst["missed"]) == (3, 1)
    changed = figures["changed"][0]
    assert sum(one["milli"] for one in changed["why"]) == changed["index"] - changed["index_before"]
    assert {one["zh"] for one in changed["why"]} >= {"当日未作安全承诺", "未消除的红色报警"}
    assert figures["risk"]["levels"] == [0, 0, 1, 0]


def test_silence_lowers_the_online_rate(week):
    week.alarm(kind="silent", priority=4, raised_at=at(0), cleared_at=at(12))
    assert trends.figures(week.yichang, "day", DAY, NEXT)["now"]["online"] == pytest.approx(0.5)


def test_both_files_say_what_the_page_says(week, open_as, chinese_font):
    row = services.make(week.users["regulator"], week.yichang, "day", DAY)
    assert row.pdf.read()[:5] == b"%PDF-"
    archive = zipfile.ZipFile(io.BytesIO(row.docx.read()))
    assert archive.testzip() is None
    document = archive.read("word/document.xml").decode()
    for name in archive.namelist():
        if name.endswith((".xml", ".rels")):
            import xml.dom.minidom

            xml.dom.minidom.parseString(archive.read(name))
    pictures = [name for name in archive.namelist() if name.startswith("word/media/")]
    assert len(pictures) == 2
    assert archive.read(pictures[0])[:4] == b"\x89PNG"
    shown = open_as(week.officer).get(f"/reports/{row.pk}/").content.decode()
    for words in ("东山化工厂", "宜昌市", "安全风险日报", "当日未作安全承诺 +6", "20.0 分"):
        assert words in document, words
        assert words in shown, words
    client = open_as(week.officer)
    assert b"".join(client.get(f"/reports/{row.pk}/report.pdf").streaming_content)[:5] == b"%PDF-"
    assert client.get(f"/reports/{row.pk}/report.docx")["Content-Disposition"].endswith(
        'yichang-day-2026-11-26.docx"'
    )
    assert client.get(f"/reports/{row.pk}/pictures/1.svg")["Content-Type"] == "image/svg+xml"
    assert client.get(f"/reports/{row.pk}/pictures/9.svg").status_code == 404


def test_a_picture_holds_every_bar_and_no_markup_of_users():
    svg = drawing.bars([["a", 1, 0, 2, 0], [HTML, 0, 0, 0, 4]], "Noto")
    assert svg.count("<rect") == 3
    assert "<script>" not in svg
    svg = drawing.site_map(
        [[111.0, 30.0, 1, HTML], [111.5, 30.4, 4, "b"]], [[[110, 29], [112, 29], [112, 31]]], "Noto"
    )
    assert svg.count("<path") == 3
    assert "<script>" not in svg


def test_what_is_ordered_is_made_once_when_its_period_is_over(week, chinese_font):
    services.order(week.users["commander"], week.yichang, "day", "a@example.org, b@example.org")
    assert services.make_due(NEXT) == 1
    row = TrendReport.objects.get()
    assert (row.begin, row.by_order) == (DAY, True)
    assert services.make_due(NEXT) == 0
    assert services.make_due(NEXT + datetime.timedelta(days=1)) == 1
    assert ReportMail.objects.filter(report=row).count() == 2
    assert not Event.objects.filter(topic="report.send").exists(), (
        "no server is set, so nothing waits for one"
    )
    with pytest.raises(BadReport):
        services.order(week.users["commander"], week.yichang, "day", "a@b@c")


class Server(threading.Thread):
    """A mail server (RFC 5321) on a free port: takes every message, and refuses the first one for a while (451)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.loop, self.got, self.refusals, self.ready = asyncio.new_event_loop(), [], 1, threading.Event()

    def run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.talk, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()

    async def talk(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        say("220 test")
        to = []
        while line := (await reader.readline()).decode().strip():
            verb = line[:4].upper()
            if verb == "RCPT":
                to.append(line.split("<")[1].split(">")[0])
            if verb == "DATA":
                say("354 go on")
                raw = b""
                while (part := await reader.readline()) != b".\r\n":
                    raw += part[1:] if part.startswith(b"..") else part
                if self.refusals:
                    self.refusals -= 1
                    say("451 try again later")
                    continue
                self.got.append((to, email.message_from_bytes(raw, policy=policy.default)))
            say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                break
        writer.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join(5)


@pytest.fixture
def mail_server(settings):
    server = Server()
    server.start()
    assert server.ready.wait(5)
    settings.EMAIL_BACKEND = "fengsui.stores.mail.Backend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.stop()


def test_a_report_arrives_at_a_real_mail_server_once(week, mail_server, chinese_font):
    row = services.make(week.users["regulator"], week.yichang, "day", DAY)
    assert services.send(week.users["regulator"], row, "duty@example.org") == 1
    event = Event.objects.get(topic="report.send")
    with pytest.raises(Exception, match="451"):
        send(None, event.payload)
    for _again in range(2):
        send(None, event.payload)
    [(to, message)] = mail_server.got
    assert to == ["duty@example.org"]
    assert message["Subject"] == papers.title(row.figures, "zh-hans")
    names = [part.get_filename() for part in message.iter_attachments()]
    assert names == ["yichang-day-2026-11-26.pdf", "yichang-day-2026-11-26.docx"]
    assert next(message.iter_attachments()).get_content()[:5] == b"%PDF-"
    assert ReportMail.objects.get().sent_at is not None


def test_without_a_server_nothing_is_said_to_be_sent(week, chinese_font):
    row = services.make(week.users["regulator"], week.yichang, "day", DAY)
    with pytest.raises(NoMail):
        services.send(week.users["regulator"], row, "duty@example.org")
    assert not ReportMail.objects.exists()


def test_who_sees_a_report_holds_a_role_at_its_organisation(week, open_as, chinese_font):
    row = services.make(None, week.yichang, "day", DAY, "en")
    below = week.user("safety_officer", week.plant_org, "plant-safety")
    for who in (week.stranger, below):
        client = open_as(who)
        assert client.get("/api/v1/reports").json()["items"] == []
        for page in ("", "report.pdf", "report.docx", "pictures/1.svg"):
            assert client.get(f"/reports/{row.pk}/{page}").status_code == 404, page
        assert client.get(f"/api/v1/reports/{row.pk}").status_code == 404
        assert client.get(f"/api/v1/reports/{row.pk}/file").status_code == 404
        assert client.post(f"/reports/{row.pk}/send/", {"recipients": "a@example.org"}).status_code in (
            403,
            404,
        )
        body = json.dumps({"org": "yichang", "period": "day", "day": str(DAY)})
        assert client.post("/api/v1/reports", body, content_type="application/json").status_code == 404
    for name in Role.values:
        assert open_as(week.users[name], "en").get("/reports/").status_code == 200
    shown = open_as(week.users["viewer"], "en").get(f"/reports/{row.pk}/").content.decode()
    assert "Daily risk report" in shown
    assert "style=" not in shown


def test_the_command_keeps_a_report_and_writes_both_files(week, chinese_font, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["report", "trend", "--org", "yichang", "--period", "week", "--at", str(DAY), "--out", str(out)]
    assert cli.run(command) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "yichang-week-2026-11-23.docx",
        "yichang-week-2026-11-23.pdf",
    ]
    assert cli.run(["report", "list"]) == 0
    assert "yichang" in capsys.readouterr().out
    assert cli.run(["report", "trend", "--org", "nowhere", "--period", "day"]) == 1
