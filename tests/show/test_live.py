"""The live stream as a browser sees it: a real server, a real bus, real sessions."""

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import uvicorn
from django.contrib.sessions.backends.db import SessionStore
from nats.js import JetStreamContext

from fengsui.people.orgs.models import Membership
from fengsui.show.live import hub as hubs
from fengsui.show.live import stream
from fengsui.stores import bus
from tests.conftest import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("live-stream")]


@pytest.fixture(scope="module")
def server():
    """The stream's ASGI application on a port of its own."""
    config = uvicorn.Config(stream.app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=3)
    running = uvicorn.Server(config)
    running.install_signal_handlers = lambda: None
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_until(lambda: running.started, 10, "uvicorn")
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/api/v1/live"
    hubs.stop()
    running.should_exit = True
    thread.join(10)
    assert not thread.is_alive(), "the server did not stop: a stream was not woken"


@pytest.fixture
def session(world):
    """``session(user)`` is the cookie of a fresh login."""

    def make(user) -> dict[str, str]:
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

        store = SessionStore()
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = "fengsui.people.accounts.backend.Backend"
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        store.create()
        return {"sessionid": store.session_key}

    return make


class Reader:
    """The events of one open stream, as they come."""

    def __init__(self, response: httpx.Response):
        self.lines = response.aiter_lines()
        self.events: list[dict] = []

    async def next(self, seconds: float = 5, beats: bool = False) -> dict:
        """The next event: name, id and data; beats are skipped unless asked for."""
        while True:
            event = await asyncio.wait_for(self._read(), seconds)
            if beats or event["event"] != "beat":
                return event

    async def _read(self) -> dict:
        event: dict = {"event": "message", "id": None, "data": None}
        async for line in self.lines:
            if not line:
                if event["data"] is not None:
                    return event
                continue
            name, _, value = line.partition(":")
            if name in ("event", "id", "data"):
                event[name] = value.strip()
        raise EOFError


@asynccontextmanager
async def listening(url, cookies, query="topics=alarms,loops", last=None):
    headers = {"Last-Event-ID": str(last)} if last is not None else {}
    async with (
        httpx.AsyncClient(cookies=cookies, timeout=None) as client,
        client.stream("GET", f"{url}?{query}", headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        reader = Reader(response)
        reader.hello = await reader.next()
        assert reader.hello["event"] == "hello"
        yield reader


@asynccontextmanager
async def publisher(nats_url):
    client = await bus.connect(nats_url, "test")
    await bus.ensure(client, 1 << 28)
    try:
        yield client
    finally:
        await client.close()


async def say(client, path, subject="live.alarm", **more):
    ack = await client.jetstream().publish(
        subject, json.dumps({"type": subject.split(".")[1], "org_path": path, **more}).encode()
    )
    return ack.seq


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_an_event_arrives_with_the_sequence_of_the_stream_as_id(server, world, session, nats_url):
    cookies = session(world.officer)

    async def scene():
        async with publisher(nats_url) as client, listening(server, cookies) as reader:
            seq = await say(client, world.plant_org.path, key="1:2")
            event = await reader.next()
            assert (event["event"], event["id"]) == ("alarm", str(seq))
            assert json.loads(event["data"])["key"] == "1:2"

    run(scene())


def test_nobody_hears_what_happens_outside_their_organisations(server, world, session, nats_url):
    officer, stranger = session(world.officer), session(world.stranger)

    async def scene():
        async with (
            publisher(nats_url) as client,
            listening(server, officer) as ours,
            listening(server, stranger) as theirs,
        ):
            await say(client, world.plant_org.path, n=1)
            await say(client, world.jingzhou.path, n=2)
            await say(client, "", n=3)
            await say(client, world.hubei.path, n=4)
            await say(client, world.plant_org.path, n=5)
            assert [json.loads((await ours.next())["data"])["n"] for _ in range(2)] == [1, 5]
            assert json.loads((await theirs.next())["data"])["n"] == 2

    run(scene())


def test_only_the_topics_asked_for(server, world, session, nats_url):
    cookies = session(world.officer)

    async def scene():
        async with publisher(nats_url) as client, listening(server, cookies, "topics=loops") as reader:
            await say(client, world.plant_org.path, n=1)
            await say(client, world.plant_org.path, "live.loop", n=2)
            event = await reader.next()
            assert (event["event"], json.loads(event["data"])["n"]) == ("loop", 2)

    run(scene())


def test_a_cut_is_resumed_where_it_was_and_nothing_is_missed(server, world, session, nats_url):
    cookies = session(world.officer)

    async def scene():
        async with publisher(nats_url) as client:
            async with listening(server, cookies) as reader:
                await say(client, world.plant_org.path, n=0)
                last = (await reader.next())["id"]
            for n in range(1, 6):
                await say(client, world.plant_org.path, n=n)
            async with listening(server, cookies, last=last) as reader:
                assert reader.hello["id"] == last  # a second cut, right now, would lose nothing either
                assert [json.loads((await reader.next())["data"])["n"] for _ in range(5)] == [1, 2, 3, 4, 5]

    run(scene())


def test_a_word_of_the_bus_that_is_older_than_the_news_is_no_other_stream(
    server, world, session, nats_url, monkeypatch
):
    """What is read while the bus is asked how far it is must not look like a stream that began anew."""
    cookies = session(world.officer)
    asked, ask = [], JetStreamContext.stream_info

    async def slow(self, name, *more, **named):
        said = await ask(self, name, *more, **named)
        if name == bus.LIVE and len(asked) < 2:
            asked.append(said.state.last_seq)
            await asyncio.to_thread(
                wait_until, lambda: hubs.hub().seq > said.state.last_seq, 20, "news overtake it"
            )
        return said

    async def scene():
        async with publisher(nats_url) as client, listening(server, cookies) as reader:
            said, heard = [str(await say(client, world.plant_org.path))], [await reader.next(20)]
            monkeypatch.setattr(JetStreamContext, "stream_info", slow)
            while len(asked) < 2:
                said.append(str(await say(client, world.plant_org.path)))
                heard.append(await reader.next(20))
            with suppress(TimeoutError):
                heard.append(
                    await reader.next(2 * hubs.CHECK_S)
                )  # a reader that began anew would say all of it again
            assert [(event["event"], event["id"]) for event in heard] == [
                ("alarm", number) for number in said
            ]

    run(scene())


def test_a_place_that_is_gone_is_answered_with_reset(server, world, session, nats_url):
    cookies = session(world.officer)

    async def scene():
        async with publisher(nats_url) as client:
            await say(client, world.plant_org.path)
            for last in (1_000_000_000, 0):
                async with listening(server, cookies, last=last) as reader:
                    event = await reader.next()
                    assert event["event"] == ("reset" if last else "alarm")

    run(scene())


def test_a_page_that_reads_too_slowly_is_told_to_start_afresh(server, world, session, nats_url, monkeypatch):
    cookies = session(world.officer)
    monkeypatch.setattr(hubs.hub().events, "_most", 5)

    async def scene():
        async with publisher(nats_url) as client, listening(server, cookies) as reader:
            js = client.jetstream()
            body = json.dumps(
                {"type": "alarm", "org_path": world.plant_org.path, "fill": "x" * 300_000}
            ).encode()
            for _ in range(60):
                await js.publish("live.alarm", body)
            names = []
            while "reset" not in names:
                names.append((await reader.next())["event"])
            assert len(names) < 60
            seq = await say(client, world.plant_org.path, n=1)
            while (event := await reader.next())["id"] != str(seq):
                pass
            assert event["event"] == "alarm"

    run(scene())


def test_telemetry_frames_come_by_lease_and_only_of_sites_in_sight(server, world, session, nats_url):
    cookies = session(world.officer)
    site, other = world.site.pk, world.other_site.pk

    async def scene():
        async with publisher(nats_url) as client:
            leases = await client.subscribe("live.watch")
            async with listening(server, cookies, "topics=alarms&sites=tep-1,jz-1") as reader:
                lease = json.loads((await leases.next_msg(timeout=5)).data)
                assert lease["site_ids"] == [site]
                assert lease["seconds"] >= 10
                frame = {"t_ms": 1, "ids": [1], "time_ms": [1], "v": [2.5], "q": [0]}
                await client.publish(f"live.readings.{other}", json.dumps({"site": other, **frame}).encode())
                await client.publish(f"live.readings.{site}", json.dumps({"site": site, **frame}).encode())
                event = await reader.next()
                assert (event["event"], event["id"]) == ("readings", None)
                assert json.loads(event["data"])["site"] == site
            await asyncio.sleep(0.2)
            assert site not in hubs.hub()._watched

    run(scene())


def test_a_stream_ends_when_the_session_does(server, world, session, monkeypatch):
    monkeypatch.setattr(stream, "CHECK_S", 0.2)
    monkeypatch.setattr(stream, "BEAT_S", 0.1)
    cookies = session(world.officer)

    async def scene():
        async with listening(server, cookies) as reader:
            await asyncio.to_thread(SessionStore(cookies["sessionid"]).delete)
            assert (await reader.next())["event"] == "end"

    run(scene())


def test_a_right_that_is_taken_away_is_felt_by_an_open_stream(server, world, session, nats_url, monkeypatch):
    monkeypatch.setattr(stream, "CHECK_S", 0.2)
    monkeypatch.setattr(stream, "BEAT_S", 0.1)
    cookies = session(world.officer)

    async def scene():
        async with publisher(nats_url) as client, listening(server, cookies) as reader:
            await say(client, world.plant_org.path, n=1)
            assert json.loads((await reader.next())["data"])["n"] == 1
            move = Membership.objects.filter(user=world.officer)
            await asyncio.to_thread(move.update, org=world.jingzhou)
            await asyncio.sleep(1)
            await say(client, world.plant_org.path, n=2)
            await say(client, world.jingzhou.path, n=3)
            assert json.loads((await reader.next())["data"])["n"] == 3

    run(scene())


def test_a_quiet_stream_beats_and_its_place_moves_on(server, world, session, nats_url, monkeypatch):
    monkeypatch.setattr(stream, "BEAT_S", 0.2)
    cookies = session(world.officer)

    async def scene():
        async with publisher(nats_url) as client, listening(server, cookies) as reader:
            seq = await say(client, world.jingzhou.path)  # not for this user
            while (
                int((event := await reader.next(beats=True))["id"] or 0) < seq
            ):  # others may publish meanwhile
                assert event["event"] == "beat"
            assert json.loads(event["data"])["connected"] is True

    run(scene())


@pytest.mark.parametrize("cookies", [{}, {"sessionid": "nonsense"}])
def test_without_a_session_there_is_no_stream(server, db, cookies):
    response = httpx.get(server, cookies=cookies)
    assert response.status_code == 401
    assert response.json()["code"] == "show.not_logged_in"


def test_two_hundred_pages_hear_within_a_second_and_hold_no_database_connection(
    server, world, session, nats_url, monkeypatch
):
    from django.db import connection

    monkeypatch.setattr(stream, "STREAMS_MAX", 1000)
    cookies = session(world.officer)

    async def scene():
        async with (
            publisher(nats_url) as client,
            httpx.AsyncClient(
                cookies=cookies, timeout=None, limits=httpx.Limits(max_connections=None)
            ) as browser,
        ):
            ready, done = asyncio.Semaphore(0), []

            async def page():
                async with browser.stream("GET", f"{server}?topics=alarms") as response:
                    reader = Reader(response)
                    assert (await reader.next(20))["event"] == "hello"
                    ready.release()
                    for _ in range(20):
                        event = await reader.next(20)
                        assert event["event"] == "alarm"
                    done.append(time.monotonic())

            pages = [asyncio.create_task(page()) for _ in range(200)]
            for _ in pages:
                await asyncio.wait_for(ready.acquire(), 30)
            held = await asyncio.to_thread(_connections, connection.settings_dict["NAME"])
            assert held <= 10
            started = time.monotonic()
            for n in range(20):
                await say(client, world.plant_org.path, n=n)
            await asyncio.gather(*pages)
            assert len(done) == len(pages)
            print(f"20 events to 200 pages: {max(done) - started:.2f} s")

    run(scene())


def _connections(name: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])
        count = cursor.fetchone()[0]
    connection.close()
    return count


def test_the_stream_comes_back_after_the_bus_was_away(world):
    """The hub keeps trying when nobody answers, and says that it is not connected."""
    hub = hubs.Hub("nats://127.0.0.1:1")
    with pytest.raises(hubs.NotConnected):
        hub.ask("latest.0", b"", 0.1)
    assert not hub.is_connected
    hub.stop()
    hub.join(10)
    assert not hub._thread.is_alive()


def test_positions_of_units_go_to_who_may_see_them_while_they_look(server, world, session, nats_url):
    officer, stranger = session(world.officer), session(world.stranger)
    viewer = session(world.users["viewer"])
    leases = []

    async def frame(client, path, n):
        body = {
            "org_path": path,
            "t_ms": 1,
            "ids": [n],
            "time_ms": [1],
            "lon": [1],
            "lat": [1],
            "kmh": [None],
            "deg": [1],
        }
        await client.publish("live.units", json.dumps(body).encode())

    async def asked_for():
        for _ in range(300):
            if any(lease.get("units") for lease in leases):
                return leases.clear()
            await asyncio.sleep(0.1)
        raise AssertionError(f"no lease asks for units: {leases}")

    async def scene():
        async def heard(message):
            leases.append(json.loads(message.data))

        async with publisher(nats_url) as client:
            await client.subscribe("live.watch", cb=heard)
            async with (
                listening(server, officer, "topics=units") as ours,
                listening(server, stranger, "topics=units") as theirs,
                listening(server, viewer, "topics=units,loops") as looks,
            ):
                await asked_for()
                await client.flush()
                for n, path in enumerate((world.plant_org.path, world.jingzhou.path, "", world.yichang.path)):
                    await frame(client, path, n)
                await say(client, world.yichang.path, "live.loop", n=9)
                got = [await ours.next(30) for _ in range(2)]
                assert [json.loads(e["data"])["ids"] for e in got] == [[0], [3]]
                assert (got[0]["event"], got[0]["id"]) == ("units", None)
                assert json.loads((await theirs.next(30))["data"])["ids"] == [1]
                assert (await looks.next(30))["event"] == "loop", "a viewer sees no unit"
            async with listening(server, officer, "topics=units") as again:
                await client.publish("live.units", b"not a frame")
                reading = asyncio.create_task(again.next(30))
                while not reading.done():  # until the hub follows again, what is said is nobody's
                    await frame(client, world.plant_org.path, 5)
                    await asyncio.sleep(0.2)
                assert json.loads((await reading)["data"])["ids"] == [5]

    run(scene())
