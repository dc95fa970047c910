"""Feeds of earthquakes from a real server: counted, kept once, asked again only when something changed, bounded."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fengsui.run.jobs import PERIODIC
from fengsui.stores import clock
from fengsui.warn.naturals import taking
from fengsui.warn.naturals.models import Quake, Refusal, Source, Statement


@pytest.fixture
def server():
    """``server.page`` is what it answers: bytes, or an address to be moved to."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            if isinstance(self.server.page, str):
                self.send_response(302)
                self.send_header("Location", self.server.page)
                self.end_headers()
                return
            if self.headers.get("If-None-Match") == '"1"':
                self.send_response(304)
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(self.server.page)

        def log_message(self, *args):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.asked, made.page = 0, b""
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_the_worker_pulls_judges_and_says_what_was_wrong(place, server):
    origin = round((clock.now() - timedelta(minutes=5)).timestamp() * 1000)
    good = {
        "type": "Feature", "id": "q", "properties": {"mag": 6.0, "time": origin, "updated": origin, "place": "near"},
        "geometry": {"type": "Point", "coordinates": [113.4, 22.3, 8]},
    }  # fmt: skip
    server.page = json.dumps({"type": "FeatureCollection", "features": [good, {"type": "Feature"}]}).encode()
    address = f"http://127.0.0.1:{server.server_address[1]}/week.geojson"
    source = Source.objects.create(org=place.city, kind="quakes", name="usgs", url=address)
    for name in ("pull_natural_feeds", "judge_naturals"):
        cron, deed = PERIODIC[name]
        assert cron == "* * * * *"
        deed(0)
    assert (Quake.objects.get().magnitude, Refusal.objects.get().reason) == (6.0, "form")
    assert (Statement.objects.get().kind, Statement.objects.get().level) == ("quake", 1)
    assert taking.pull_due() == {}, "its time has not come again"
    source.refresh_from_db()
    assert taking.pull(source) == taking.Taken(), "nothing has changed"
    source.refresh_from_db()
    assert (source.taken, source.refused, source.error) == (1, 1, "")
    asked = server.asked
    server.page = f"http://localhost:{server.server_address[1]}/inside"
    taking.pull(source)
    source.refresh_from_db()
    assert "not one of this feed" in source.error
    assert server.asked == asked + 1, "it was not followed to another host"
