"""Messages of others: fetched from a real server, kept once; updates and cancellations in any order."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fengsui.stores import clock
from fengsui.warn.cap import message as m
from fengsui.warn.cap import times
from fengsui.warn.cap.checks import check
from fengsui.warn.cap.signature import sign
from fengsui.warn.cap.writing import draft
from fengsui.warn.warnings import arrivals, fetching, pulling
from fengsui.warn.warnings.models import Feed, Message
from tests.warn.cap.alerts import rainstorm
from tests.warn.cap.faults import EC_KEY, certificate
from tests.warn.warnings.bureau import Bureau

BEGUN = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
CERTIFICATE = certificate(EC_KEY)


@pytest.fixture
def site():
    """A real HTTP server: ``site.pages[path]`` is (body, headers) or a status; ``site.asked`` what was asked."""

    class Site(ThreadingHTTPServer):
        pages: dict
        asked: list

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, dict(self.headers)))
            page = self.server.pages.get(self.path.split("?")[0], 404)
            if isinstance(page, int):
                self.send_error(page)
                return
            body, headers = page if isinstance(page, tuple) else (page, {})
            if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
                self.send_response(304)
                self.end_headers()
                return
            self.send_response(302 if "Location" in headers else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = Site(("127.0.0.1", 0), Answer)
    server.pages, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def feed(bureau: Bureau, site) -> Feed:
    return Feed.objects.create(org=bureau.city, name="省气象台", url=f"{site.url}/feed.atom")


def atom(site, *names: str, following: str = "") -> bytes:
    entries = "".join(
        f"<entry><id>{site.url}/{name}</id><title>{name}</title><updated>2026-11-26T12:30:00Z</updated>"
        f'<link type="application/cap+xml" href="/{name}"/></entry>'
        for name in names
    )
    more = f'<link rel="next" href="{following}"/>' if following else ""
    return (
        f'<feed xmlns="http://www.w3.org/2005/Atom"><id>x</id><title>t</title>'
        f"<updated>2026-11-26T12:30:00Z</updated>{more}{entries}</feed>"
    ).encode()


def refers(alert: m.Alert) -> tuple[m.Reference, ...]:
    return (m.Reference(alert.sender, alert.identifier, times.write(alert.sent)),)


def arrive(feed: Feed, alert: m.Alert, **options) -> Message:
    data = draft(alert)
    (one,) = check(data).alerts
    return arrivals.keep(one, data, org=feed.org, feed=feed, received_at=clock.now(), **options)[0]


FIRST = rainstorm()
UPDATE = rainstorm("Update", 1, references=refers(FIRST))
CANCEL = rainstorm("Cancel", 2, references=refers(UPDATE))


def test_a_feed_is_read_with_its_links_and_every_message_is_kept_once(feed: Feed, site):
    site.pages["/a.xml"] = draft(FIRST)
    site.pages["/b.xml"] = draft(rainstorm(number=5))
    site.pages["/feed.atom"] = atom(site, "a.xml", "b.xml")
    assert pulling.pull(feed).new == 2
    asked = len(site.asked)
    again = pulling.pull(feed)
    assert (again.new, again.known) == (0, 2)
    assert len(site.asked) == asked + 1  # what is known is not fetched again
    row = Message.objects.get(identifier=FIRST.identifier)
    assert bytes(row.document) == draft(FIRST)
    assert (row.level, row.event, row.headline) == (2, "暴雨", "宜昌市气象台发布暴雨橙色预警")
    assert row.headline_en.startswith("Yichang")
    assert row.divisions == ["420502", "420506"]
    assert row.shapes[0][0] == [111.2, 30.6]  # longitude first, as everywhere else
    assert row.source_url == f"{site.url}/a.xml"


def test_a_feed_that_has_not_changed_costs_one_empty_answer(feed: Feed, site):
    site.pages["/feed.atom"] = (atom(site), {"ETag": '"one"'})
    assert not pulling.pull(feed).unchanged
    assert pulling.pull(feed).unchanged
    assert site.asked[-1][1]["If-None-Match"] == '"one"'


def test_a_message_that_could_not_be_fetched_is_asked_for_again_though_the_feed_has_not_changed(
    feed: Feed, site
):
    site.pages["/feed.atom"] = (atom(site, "a.xml", "b.xml"), {"ETag": '"one"'})
    site.pages["/a.xml"], site.pages["/b.xml"] = draft(FIRST), 503
    first = pulling.pull(feed)
    assert (first.new, first.left) == (1, 1)
    feed.refresh_from_db()
    assert "503" in feed.error
    site.pages["/b.xml"] = draft(rainstorm(number=5))
    second = pulling.pull(feed)
    assert (second.new, second.known, second.left, second.unchanged) == (1, 1, 0, False)
    feed.refresh_from_db()
    assert feed.error == ""
    assert pulling.pull(feed).unchanged


def test_more_messages_than_one_look_may_take_come_in_the_next(feed: Feed, site, monkeypatch):
    monkeypatch.setattr(pulling, "MOST_LINKS", 1)
    site.pages["/feed.atom"] = (atom(site, "a.xml", "b.xml"), {"ETag": '"one"'})
    site.pages["/a.xml"], site.pages["/b.xml"] = draft(FIRST), draft(rainstorm(number=5))
    assert (pulling.pull(feed).left, pulling.pull(feed).left) == (1, 0)
    assert Message.objects.count() == 2


def test_a_server_that_trickles_holds_nobody_up(feed: Feed, site, monkeypatch):
    monkeypatch.setattr(fetching, "LONGEST_S", -1.0)
    site.pages["/feed.atom"] = atom(site)
    pulling.pull(feed)
    feed.refresh_from_db()
    assert "not whole" in feed.error


def test_pages_of_a_feed_are_followed_and_a_circle_of_them_ends(feed: Feed, site):
    site.pages["/a.xml"], site.pages["/b.xml"] = draft(FIRST), draft(rainstorm(number=5))
    site.pages["/feed.atom"] = atom(site, "a.xml", following="/two")
    site.pages["/two"] = atom(site, "b.xml", following="/feed.atom")
    assert pulling.pull(feed).new == 2


def test_a_single_cap_file_and_alerts_inside_a_feed_are_read_too(bureau: Bureau, site):
    alone = Feed.objects.create(org=bureau.city, name="一个文件", url=f"{site.url}/a.xml")
    site.pages["/a.xml"] = draft(FIRST)
    assert pulling.pull(alone).new == 1
    inside = Feed.objects.create(org=bureau.city, name="内嵌", url=f"{site.url}/inside")
    content = draft(FIRST).decode().partition("?>")[2]
    entry = (
        "<entry><id>1</id><title>t</title><updated>2026-11-26T12:30:00Z</updated>"
        f'<content type="text/xml">{content}</content></entry></feed>'
    )
    site.pages["/inside"] = atom(site).replace(b"</feed>", entry.encode())
    assert pulling.pull(inside).new == 1
    assert Message.objects.count() == 2  # each feed has its own


@pytest.mark.parametrize(
    "answer", [500, (b"<html>", {}), (b"x" * (3 << 20), {}), (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', {})]
)
def test_what_the_other_side_does_wrong_stands_in_the_row_and_nothing_is_raised(feed: Feed, site, answer):
    site.pages["/feed.atom"] = answer
    pulling.pull(feed)
    feed.refresh_from_db()
    assert feed.error
    assert feed.heard_at is None
    site.pages["/feed.atom"] = atom(site)
    pulling.pull(feed)
    feed.refresh_from_db()
    assert feed.error == ""
    assert feed.heard_at is not None


def test_a_server_that_is_not_there_stands_in_the_row(bureau: Bureau):
    feed = Feed.objects.create(org=bureau.city, name="x", url="http://127.0.0.1:9/feed")
    pulling.pull(feed)
    assert "refused" in feed.error.lower()


def test_links_lead_only_to_hosts_that_the_row_names(feed: Feed, site):
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    site.pages["/feed.atom"] = atom(site, "a.xml").replace(
        b'href="/a.xml"', f'href="{elsewhere}/a.xml"'.encode()
    )
    site.pages["/a.xml"] = draft(FIRST)
    assert pulling.pull(feed).unreadable == 1
    assert not Message.objects.exists()
    feed.hosts = "localhost"
    feed.save()
    assert pulling.pull(feed).new == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://localhost:1/x", "ftp://127.0.0.1/x"])
def test_a_redirect_or_link_to_anything_else_is_not_followed(feed: Feed, site, target):
    site.pages["/feed.atom"] = (b"", {"Location": target})
    pulling.pull(feed)
    assert feed.error
    site.pages["/feed.atom"] = atom(site, "a.xml").replace(b'href="/a.xml"', f'href="{target}"'.encode())
    assert pulling.pull(feed).unreadable == 1


def test_faulty_messages_are_kept_with_what_is_wrong(feed: Feed, site):
    site.pages["/a.xml"] = (
        draft(FIRST).replace(b"<scope>Public</scope>", b"").replace(b"+08:00</sent", b"Z</sent")
    )
    site.pages["/b.xml"] = b"<html>moved</html>"
    site.pages["/feed.atom"] = atom(site, "a.xml", "b.xml")
    pulled = pulling.pull(feed)
    assert (pulled.new, pulled.unreadable) == (1, 1)
    row = Message.objects.get()
    assert {"schema.missing", "time.zulu"} <= {one["rule"] for one in row.problems}
    assert row.worst == "error"


def test_only_feeds_whose_time_has_come_are_asked_and_one_that_fails_keeps_nobody_waiting(
    bureau: Bureau, site
):
    Feed.objects.create(org=bureau.city, name="bad", url="http://127.0.0.1:9/feed")
    Feed.objects.create(org=bureau.city, name="off", url=f"{site.url}/off", is_active=False)
    Feed.objects.create(org=bureau.city, name="good", url=f"{site.url}/feed.atom")
    site.pages["/feed.atom"], site.pages["/a.xml"] = atom(site, "a.xml"), draft(FIRST)
    assert set(pulling.pull_due()) == {"bad", "good"}
    assert Message.objects.count() == 1
    assert pulling.pull_due() == {}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (0, 2, 1), (2, 0, 1)])
def test_updates_and_cancellations_work_in_whichever_order_messages_come(feed: Feed, order):
    for i in order:
        arrive(feed, (FIRST, UPDATE, CANCEL)[i])
    first, update, cancel = Message.objects.order_by("sent_at")
    assert (first.ended_by_id, first.ended_how) == (update.pk, "Update")
    assert (update.ended_by_id, update.ended_how) == (cancel.pk, "Cancel")
    assert not Message.objects.in_force(BEGUN + timedelta(minutes=5)).exists()


def test_the_same_message_twice_is_one_and_another_with_its_number_is_named(feed: Feed, site):
    arrive(feed, FIRST)
    arrive(feed, FIRST)
    assert Message.objects.count() == 1
    site.pages["/a.xml"] = draft(rainstorm(sent=FIRST.sent + timedelta(minutes=1)))
    site.pages["/feed.atom"] = atom(site, "a.xml")
    pulling.pull(feed)
    assert "id.twice" in {one["rule"] for one in Message.objects.latest("pk").problems}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Test"},
        {"status": "Exercise", "note": "演练"},
        {"sent": FIRST.sent - timedelta(hours=1)},  # sent before what it would end
        {"references": (m.Reference("somebody", FIRST.identifier, times.write(FIRST.sent)),)},
    ],
)
def test_a_cancellation_that_is_not_meant_or_not_about_it_ends_nothing(feed: Feed, changes):
    arrive(feed, FIRST)
    arrive(feed, rainstorm("Cancel", 3, **({"references": refers(FIRST)} | changes)))
    assert Message.objects.in_force(BEGUN + timedelta(minutes=5)).count() == 1


def test_a_feed_cannot_end_what_another_feed_or_we_said(bureau: Bureau, feed: Feed):
    ours = bureau.published()
    sent = ours.sent_at + timedelta(seconds=1)
    forged = rainstorm(
        "Cancel",
        4,
        sent=sent,
        sender=ours.sender,
        references=(m.Reference(ours.sender, ours.identifier, ours.sent_text),),
    )
    arrive(feed, forged)
    ours.refresh_from_db()
    assert ours.ended_at is None


class TestSignatures:
    def test_one_that_does_not_fit_counts_for_nothing(self, feed: Feed):
        data = sign(draft(FIRST), EC_KEY, CERTIFICATE).replace(b"<severity>Severe", b"<severity>Minor ")
        (one,) = check(data).alerts
        row, _ = arrivals.keep(one, data, org=feed.org, feed=feed, received_at=clock.now())
        assert row.is_refused
        assert not Message.objects.in_force(BEGUN + timedelta(minutes=5)).exists()

    def test_a_feed_may_ask_for_signatures_by_its_own_certificates(self, feed: Feed, site):
        site.pages["/a.xml"] = draft(FIRST)
        site.pages["/b.xml"] = sign(draft(rainstorm(number=5)), EC_KEY, CERTIFICATE)
        site.pages["/feed.atom"] = atom(site, "a.xml", "b.xml")
        feed.must_be_signed = True
        feed.certificates = CERTIFICATE.public_bytes(Encoding.PEM).decode()
        feed.save()
        assert pulling.pull(feed).new == 2
        plain, signed = Message.objects.order_by("sent_at")
        assert (plain.is_refused, plain.signature) == (True, "none")
        assert (signed.is_refused, signed.signature) == (False, "valid")
        assert list(Message.objects.in_force(BEGUN + timedelta(minutes=5))) == [signed]


def test_a_message_without_an_end_holds_for_a_day(feed: Feed):
    from dataclasses import replace

    infos = tuple(replace(info, expires=None) for info in FIRST.infos)
    row = arrive(feed, rainstorm(infos=infos))
    assert row.expires_at == FIRST.sent + timedelta(hours=24)


def test_the_worker_looks_at_feeds_every_minute():
    from fengsui.run.jobs import PERIODIC

    cron, deed = PERIODIC["pull_cap_feeds"]
    assert cron == "* * * * *"
    assert deed.__doc__
