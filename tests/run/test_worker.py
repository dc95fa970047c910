"""The worker as a process, on a real PostgreSQL and a real NATS: wakes at once, loses nothing, doubles nothing."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from fengsui.loops import services as loops
from fengsui.loops.models import Deed, Loop
from fengsui.run import nats as nats_role
from fengsui.run import settings
from fengsui.stores import bus, outbox
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms import services as alarms
from fengsui.warn.alarms.models import Alarm
from tests.conftest import free_port, wait_until
from tests.run.worker_world import Region, lift

pytestmark = pytest.mark.django_db(transaction=True)


class Nats:
    """A bus of the test's own, which can be killed and started again on the same port and folder."""

    def __init__(self, home):
        self.port, self.home = free_port(), home
        self.url = f"nats://fengsui:test@127.0.0.1:{self.port}"
        self.conf = home / "nats.conf"
        self.conf.write_text(nats_role.configuration(home / "nats", self.port, "test", sync=False))
        self.start()

    def start(self):
        command = [str(nats_role.binary()), "-c", str(self.conf)]
        self.process = subprocess.Popen(command, stderr=(self.home / "nats.log").open("ab"))
        asyncio.run(self._answers())

    async def _answers(self):
        client = await bus.connect(self.url, "test", wait_s=20)
        await bus.ensure(client, 64 << 20)
        await client.close()

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def messages(self):
        """Every message of the LIVE stream, oldest first: (Nats-Msg-Id, body)."""

        async def read():
            client = await bus.connect(self.url, "test", wait_s=20)
            js = client.jetstream()
            state = (await js.stream_info(bus.LIVE)).state
            found = []
            for number in range(state.first_seq, state.last_seq + 1):
                message = await js.get_msg(bus.LIVE, number)
                found.append((message.headers["Nats-Msg-Id"], json.loads(message.data)))
            await client.close()
            return found

        return asyncio.run(read())

    def ready(self):
        """Process ids of the workers that say they are ready."""

        async def ask():
            client = await bus.connect(self.url, "test", wait_s=20)
            answers = await bus.read_roles(client, seconds=0.5)
            await client.close()
            return {a["pid"]: a for a in answers if a["role"] == "worker" and a["ready"]}

        return asyncio.run(ask())


@pytest.fixture
def nats(tmp_path):
    server = Nats(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def start(nats, tmp_path):
    """``start()`` starts a worker on the test's database and waits until it is ready."""
    running = []

    def make(wait=True):
        url = settings.database_url().rsplit("/", 1)[0] + "/" + connection.settings_dict["NAME"]
        env = {
            **os.environ,
            "FENGSUI_HOME": str(tmp_path / "var"),
            "FENGSUI_DATABASE_URL": url,
            "FENGSUI_NATS_URL": nats.url,
        }
        log = (tmp_path / "worker.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "fengsui.run", "worker"], env=env, stdout=log, stderr=log
        )
        running.append(process)
        if wait:
            wait_until(lambda: process.pid in nats.ready(), 60, "the worker is ready")
        return process

    yield make
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    print((tmp_path / "worker.log").read_text())


@pytest.fixture
def region(db):
    return Region()


def everything_handled():
    return not Event.objects.waiting().exists()


def test_an_alarm_reaches_its_loop_and_the_screens_at_once(region, start, nats):
    start()
    waited = []
    for number in range(5):
        rule = region.another_rule()
        began = time.monotonic()
        alarm = lift(rule)
        wait_until(lambda: Loop.objects.filter(key=f"alarm:{alarm.key}").exists(), 5, "the loop")  # noqa: B023
        waited.append(time.monotonic() - began)
        assert Loop.objects.count() == number + 1
    assert min(waited) < 0.5, waited  # woken, not polled (the poll is a second)
    wait_until(everything_handled, 5, "the outbox is empty")
    told = dict(nats.messages())
    assert len(told) == 10
    assert told[f"alarm:{alarm.key}:raised"]["org_path"] == region.plant.path
    loop = Loop.objects.get(key=f"alarm:{alarm.key}")
    assert told[f"loop:{loop.pk}:1"]["step"] == "received"


def test_it_stops_cleanly_when_asked(start):
    worker = start()
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_killed_in_the_middle_nothing_is_lost_and_nothing_doubled(region, start, nats):
    raised = region.flood(700)
    for alarm in raised[::7]:
        alarms.ack(region.safety, alarm, "seen")
    worker = start(wait=False)
    for loops_there in (1, 201, 401):
        wait_until(lambda: Loop.objects.count() >= loops_there, 60, "some loops")  # noqa: B023
        worker.kill()
        worker.wait(10)
        assert Event.objects.waiting().exists()
        worker = start(wait=False)
    wait_until(everything_handled, 60, "the outbox is empty")
    assert Loop.objects.count() == 700
    deeds = Counter(Deed.objects.values_list("loop__key", "action"))
    assert set(deeds.values()) == {1}
    assert Counter(action for _, action in deeds) == {"opened": 700, "acknowledge": 100}
    assert Loop.objects.filter(step="acknowledged").count() == 100
    ids = Counter(msg_id for msg_id, _ in nats.messages())
    assert set(ids.values()) == {1}
    loop_ids = {
        f"loop:{pk}:{n}" for pk, v in Loop.objects.values_list("pk", "version") for n in range(1, v + 1)
    }
    assert loop_ids <= set(ids)
    assert outbox.status().dead == 0


def test_many_workers_tell_each_rung_once(region, start, nats):
    start(), start()
    for number in range(30):
        loops.open_loop(
            kind="alarm_disposal",
            key=f"alarm:late:{number}",
            title="t",
            org=region.plant,
            level=1,
            at=timezone.now() - timedelta(minutes=10) + timedelta(seconds=2),
        )
    wait_until(lambda: Deed.objects.filter(action="escalated").count() >= 30, 20, "escalations")
    wait_until(everything_handled, 10, "the outbox is empty")
    told = Counter(Deed.objects.filter(action="escalated").values_list("loop_id", flat=True))
    assert (len(told), set(told.values())) == (30, {1})
    assert set(Loop.objects.values_list("escalated_to__code", "escalation")) == {("county", 1)}
    assert Loop.objects.mine(region.county).count() == 30
    published = [body for _, body in nats.messages() if body["escalation"]]
    assert len(published) == 30
    assert published[0]["escalated_to"]["name"] == "county"


def test_shelves_come_back_by_themselves(region, start):
    start()
    alarms.shelve(region.county, region.rule, timezone.now() + timedelta(seconds=2), "a moment")
    lift(region.rule)
    wait_until(lambda: Loop.objects.count() == 1, 20, "the alarm came back and opened its loop")


def test_a_bus_that_goes_away_and_comes_back_has_everything_in_the_end(region, start, nats):
    start()
    nats.kill()
    alarm = lift(region.rule)
    wait_until(lambda: Loop.objects.filter(key=f"alarm:{alarm.key}").exists(), 10, "the loop, without a bus")
    nats.start()
    wait_until(everything_handled, 20, "the outbox is empty")
    assert {"alarm", "loop"} == {body["type"] for _, body in nats.messages()}
    assert outbox.status().dead == 0


def test_a_database_that_drops_every_session_is_found_again(region, start, nats):
    worker = start()
    url = settings.database_url()
    for _ in range(2):
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid != %s",
                [connection.settings_dict["NAME"], session.info.backend_pid],
            )
        connection.close()
        connection.close_pool()  # ours; the worker has to find its own again
        time.sleep(0.3)
        alarm = lift(region.another_rule())
        wait_until(lambda: Loop.objects.filter(key=f"alarm:{alarm.key}").exists(), 20, "the loop")  # noqa: B023
    wait_until(lambda: worker.pid in nats.ready(), 20, "it is ready again")
    assert worker.poll() is None


def test_it_says_how_far_behind_it_is(region, start, nats):
    dead = outbox.add("nobody.knows")
    Event.objects.filter(pk=dead).update(attempts=outbox.MAX_ATTEMPTS - 1)
    worker = start()

    def lag():
        return nats.ready().get(worker.pid, {}).get("lag", {})

    wait_until(lambda: lag().get("outbox_dead") == 1, 20, "the dead letter shows")
    assert lag()["outbox"] == 0


def test_jobs_of_procrastinate_run(start):
    from procrastinate.contrib.django import app
    from procrastinate.contrib.django.models import ProcrastinateJob

    event = outbox.add("t")
    Event.objects.filter(pk=event).update(handled_at=timezone.now() - timedelta(days=9))
    start()
    with contextlib.suppress(Exception):
        app.configure_task("fengsui.purge_outbox", queueing_lock="purge_outbox").defer(timestamp=0)
    wait_until(lambda: not Event.objects.filter(pk=event).exists(), 20, "the job purged it")
    wait_until(lambda: not ProcrastinateJob.objects.filter(status="doing").exists(), 10, "jobs are done")
    assert not ProcrastinateJob.objects.filter(status="failed").exists()
    assert Alarm.objects.count() == 0
