"""The roles bus and gateway as processes, and real MQTT 3.1.1 devices: what is confirmed is kept, what is not
allowed is refused, audited and told, and a kill -9 of either role loses nothing that was confirmed.
"""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import nats
import paho.mqtt.client as mqtt
import psycopg
import pytest
from django.db import connection, transaction

from fengsui.base.batch import decode
from fengsui.base.quality import Reason
from fengsui.run import nats as bus_server

SECRET = "s3cret-of-the-test"
TOPIC = "v1/plant-1/readings"

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.xdist_group("mqtt")]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds: float = 20, what="a condition"):
    """``what`` may be a function, asked only when it did not happen."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return found


class Platform:
    """Bus and gateway as processes of their own, on free ports, in a home of their own."""

    def __init__(self, home):
        self.home, self.processes = home, {}
        self.nats_port, self.mqtt_port, self.http_port = free_port(), free_port(), free_port()
        db = connection.settings_dict
        password = f"{db['USER']}:{db['PASSWORD']}@{db['HOST']}:{db['PORT']}"
        self.env = {
            **{k: v for k, v in os.environ.items() if k != "FENGSUI_NATS_URL"},
            "FENGSUI_HOME": str(home),
            "FENGSUI_DATABASE_URL": f"postgresql://{password}/{db['NAME']}",
            "FENGSUI_NATS_PORT": str(self.nats_port),
            "FENGSUI_MQTT_PORT": str(self.mqtt_port),
            "FENGSUI_GATEWAY_PORT": str(self.http_port),
            "FENGSUI_BUS_MAX_BYTES": str(256 << 20),
        }

    @property
    def url(self) -> str:
        return f"nats://fengsui:{(self.home / 'secrets/nats').read_text().strip()}@127.0.0.1:{self.nats_port}"

    def start(self, role: str) -> None:
        log = (self.home / f"{role}.log").open("ab")
        self.processes[role] = subprocess.Popen(
            [sys.executable, "-m", "fengsui.run", role], env=self.env, stdout=log, stderr=log
        )

    def kill(self, role: str) -> None:
        self.processes[role].kill()
        self.processes[role].wait(10)

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=1) as answer:
                return json.load(answer)["ready"]
        except OSError:
            return False

    def lag(self) -> dict:
        async def ask():
            from fengsui.stores.bus import read_roles

            nc = await nats.connect(self.url)
            roles = await read_roles(nc)
            await nc.close()
            return next((r for r in roles if r["role"] == "gateway" and r["ready"]), {})

        try:
            return asyncio.run(ask())
        except Exception:
            return {}

    def wait_ready(self) -> None:
        wait_until(lambda: self.lag().get("ready"), 30, f"a gateway\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(p.read_text()[-1500:] for p in self.home.glob("*.log"))

    def batches(self) -> list:
        """Every batch in READINGS, oldest first."""

        async def read():
            nc = await nats.connect(self.url)
            js = nc.jetstream()
            state = (await js.stream_info("READINGS")).state
            out = []
            for seq in range(state.first_seq, state.last_seq + 1):
                out += decode((await js.get_msg("READINGS", seq)).data).batches
            await nc.close()
            return out

        return asyncio.run(read())

    def empty(self) -> None:
        async def purge():
            nc = await nats.connect(self.url)
            await nc.jetstream().purge_stream("READINGS")
            await nc.close()

        asyncio.run(purge())

    def stop(self) -> dict[str, int]:
        codes = {}
        for role, process in reversed(self.processes.items()):
            process.send_signal(signal.SIGTERM)
            try:
                codes[role] = process.wait(30)
            except subprocess.TimeoutExpired:
                pytest.fail(f"{role} does not stop\n{self.tail()}")
        return codes


class Device:
    """One MQTT client with its own network thread; what happens to it is kept."""

    def __init__(self, platform, code="dev-1", secret=SECRET, client_id=None, clean=True):
        self.platform, self.connects, self.ends, self.confirmed = platform, [], [], set()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id or code, clean_session=clean
        )
        self.client.username_pw_set(code, secret)
        self.client.on_connect = lambda c, u, flags, reason, p: self.connects.append((reason, flags))
        self.client.on_disconnect = lambda c, u, flags, reason, p: self.ends.append(reason)
        self.client.on_publish = lambda c, u, mid, reason, p: self.confirmed.add(mid)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", platform.mqtt_port, keepalive=30)
        self.client.loop_start()

    def ready(self):
        wait_until(
            lambda: self.connects and not self.connects[-1][0].is_failure,
            20,
            f"MQTT log-in {self.connects}\n{self.platform.tail()}",
        )
        return self

    def say(self, value, qos=1, topic=TOPIC, payload=None):
        payload = payload or json.dumps({"time": int(time.time() * 1000), "datastreams": {"PT-101": value}})
        return self.client.publish(topic, payload, qos=qos)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def roles(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        from fengsui.people.orgs.models import Org
        from fengsui.sense.devices import models as m

        org = Org.objects.create(path="/1/", kind="city", code="city", name="City")
        prop = m.ObservedProperty.objects.create(code="any", name="Any")
        for n in (1, 2):
            site = m.Site.objects.create(
                code=f"plant-{n}", name=f"Plant {n}", org=org, longitude=111, latitude=30
            )
            thing = m.Thing.objects.create(site=site, code="unit", name="Unit")
            m.Datastream.objects.create(
                site=site,
                thing=thing,
                observed_property=prop,
                code="PT-101",
                name="P",
                unit="kPa",
                range_max=9e6,
            )
            m.Device.objects.create(
                site=site, code=f"dev-{n}", secret_sha256=hashlib.sha256(SECRET.encode()).hexdigest()
            )
        home = tmp_path_factory.mktemp("platform")
        running = Platform(home)
        running.start("bus")
        running.start("gateway")
        try:
            running.wait_ready()
            yield running
        finally:
            codes = running.stop()
            connection.close()
            for model in (m.Device, m.Datastream, m.Thing, m.Site, m.ObservedProperty, Org):
                model.objects.all().delete()
            with transaction.atomic(), connection.cursor() as cursor:
                # What the roles wrote is committed, and others start empty; the trail's guard stands aside, for this
                # transaction only: the connection goes back to the pool, and whoever gets it next needs the triggers.
                cursor.execute("SET LOCAL session_replication_role = replica; DELETE FROM audit_entry")
            connection.close()
    assert codes == {"gateway": 0, "bus": 0}, running.tail()


@pytest.fixture
def bus(roles):
    roles.empty()
    return roles


def values(bus) -> list[float]:
    return [v for b in bus.batches() for v in b.value.tolist()]


def sql(query: str, *values) -> list:
    """Committed at once, seen by the roles: not the connection that pytest-django rolls back."""
    db = connection.settings_dict
    with psycopg.connect(
        host=db["HOST"], port=db["PORT"], user=db["USER"], password=db["PASSWORD"], dbname=db["NAME"]
    ) as direct:
        cursor = direct.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def audited(action, **detail) -> dict:
    """The newest audit entry of a refusal with these details, as actor_name, source_ip, org_path and the details."""

    def found():
        rows = sql(
            "SELECT actor_name, host(source_ip), org_path, detail FROM audit_entry "
            "WHERE action = %s AND NOT ok AND detail @> %s::jsonb ORDER BY id DESC LIMIT 1",
            action, json.dumps(detail),
        )  # fmt: skip
        return rows and {**rows[0][3], **dict(zip(("actor", "ip", "org_path"), rows[0], strict=False))}

    return wait_until(found, 10, f"an audit entry {action} {detail}")


def test_a_publish_of_qos_0_and_of_qos_1_becomes_a_batch_of_its_site(bus):
    device = Device(bus).ready()
    device.say(1.5, qos=1).wait_for_publish(10)
    device.say(2.5, qos=0)
    wait_until(lambda: sorted(values(bus)) == [1.5, 2.5], 10, "both readings, each once")
    assert {b.source for b in bus.batches()} == {"mqtt:plant-1"}
    assert all((b.reason == 0).all() and (b.datastream > 0).all() for b in bus.batches())
    device.close()


def test_wrong_credentials_are_not_let_in_and_audited(bus):
    for code, secret, client_id in (
        ("dev-1", "wrong", "x"),
        ("ghost", SECRET, "x"),
        ("fengsui", "", "x"),
        ("dev-1", SECRET, "dev-2"),
        ("dev-1", SECRET, "dev-2:again"),
        ("dev-1", SECRET, "any%s"),
    ):
        device = Device(bus, code, secret, client_id)
        wait_until(lambda d=device: d.connects, 10, "an answer")
        assert device.connects[0][0].getName() == "Not authorized"
        device.close()
    assert audited("device.login", by="mqtt", why="device code or secret is wrong")["ip"] == "127.0.0.1"
    assert audited("device.login", why="the client id is the code of another device")["org_path"] == "/1/"


def test_a_device_cannot_log_in_to_the_bus_itself(bus):
    async def attempt():
        with pytest.raises(nats.errors.Error):
            await nats.connect(
                f"nats://dev-1:{SECRET}@127.0.0.1:{bus.nats_port}",
                allow_reconnect=False, max_reconnect_attempts=0, connect_timeout=5,
            )  # fmt: skip

    asyncio.run(attempt())


def test_another_sites_topic_is_refused_audited_and_ends_the_session(bus):
    device = Device(bus, client_id="any/name").ready()
    device.say(66.0, topic="v1/plant-2/readings")
    wait_until(lambda: device.ends, 10, "the session to end")
    entry = audited("readings.publish", by="mqtt", why="wrong_site")
    assert entry["actor"] == "device dev-1"
    assert (entry["org_path"], entry["ip"]) == ("/1/", "127.0.0.1")
    wait_until(lambda: len(device.connects) > 1, 10, "the device to come back")
    device.ready().say(1.0).wait_for_publish(10)
    wait_until(lambda: values(bus) == [1.0], 10, "the good reading alone")
    device.close()


def test_a_site_named_in_the_message_must_be_that_of_the_topic(bus):
    device = Device(bus).ready()
    payload = json.dumps({"site": "plant-2", "time": int(time.time() * 1000), "datastreams": {"PT-101": 5}})
    device.say(0, payload=payload).wait_for_publish(10)
    [batch] = wait_until(bus.batches, 10, "the refused reading")
    assert batch.reason.tolist() == [Reason.WRONG_SITE]
    assert batch.refused[0].code == "plant-2/PT-101"
    assert audited("readings.publish", why="wrong_site", sent_site="plant-2")["readings"] == 1
    device.close()


def test_what_cannot_be_read_is_kept_and_counted_as_one_reading(bus):
    device = Device(bus).ready()
    device.say(0, payload=b"\x00\xffnot json").wait_for_publish(10)
    device.say(0, payload='{"time": 1e300, "datastreams": {"PT-101": 1, "<img src=x>": 2}}').wait_for_publish(
        10
    )
    wait_until(lambda: len(values(bus)) == 3, 10, "three refused readings")
    first, second = bus.batches()
    assert first.refused[0].value.startswith("\N{SYMBOL FOR NULL}")
    assert set(second.reason.tolist()) == {Reason.UNPARSABLE}
    assert second.refused[1].code == "<img src=x>"
    device.close()


def test_a_clock_ten_years_off_is_refused_with_its_reason(bus):
    device = Device(bus).ready()
    for offset, reason in ((-10, Reason.TOO_LATE), (10, Reason.FUTURE)):
        at = int(time.time() * 1000) + offset * 365 * 86_400_000
        device.say(0, payload=json.dumps({"time": at, "datastreams": {"PT-101": 1}})).wait_for_publish(10)
        batch = wait_until(lambda n=reason: [b for b in bus.batches() if n in b.reason], 10, "it")[0]
        assert batch.refused[0].value == "1.0"
    device.close()


def test_an_oversized_publish_ends_the_session_and_is_audited(bus):
    device = Device(bus).ready()
    device.say(0, qos=0, payload=b" " * (bus_server.MAX_PAYLOAD + 1))
    wait_until(lambda: device.ends, 20, "the session to end")
    assert str(bus_server.MAX_PAYLOAD) in audited("readings.publish", why="size")["sent"]
    device.close()


def test_qos_2_is_not_confirmed(bus):
    device = Device(bus).ready()
    sent = device.say(7.0, qos=2)
    wait_until(lambda: device.ends, 10, "the session to end")
    device.client.loop_stop()
    assert sent.mid not in device.confirmed
    assert values(bus) == []
    assert audited("readings.publish", why="qos")


def test_a_device_hears_nothing(bus):
    device = Device(bus).ready()
    codes = []
    device.client.on_subscribe = lambda c, u, mid, reasons, p: codes.extend(reasons)
    device.client.subscribe("#", qos=1)
    wait_until(lambda: codes, 10, "a SUBACK")
    assert codes[0].is_failure
    device.close()


def test_a_session_kept_by_the_server_goes_on(bus):
    device = Device(bus, client_id="dev-1:kept", clean=False).ready()
    device.say(1.0).wait_for_publish(10)
    device.close()
    again = Device(bus, client_id="dev-1:kept", clean=False).ready()
    assert again.connects[0][1].session_present
    again.say(2.0).wait_for_publish(10)
    wait_until(lambda: values(bus) == [1.0, 2.0], 10, "both")
    again.close()


def test_a_new_secret_ends_the_session_that_began_with_the_old_one(bus):
    def change(secret, active):
        digest = hashlib.sha256(secret.encode()).hexdigest()
        sql(
            "UPDATE devices_device SET secret_sha256 = %s, is_active = %s WHERE code = 'dev-2'",
            digest,
            active,
        )

    device = Device(bus, "dev-2").ready()
    change("new", True)
    wait_until(lambda: device.ends, 10, "the session to end")
    wait_until(lambda: device.connects[-1][0].is_failure, 10, "the old secret to be refused")
    device.close()
    fresh = Device(bus, "dev-2", "new").ready()
    change("new", False)
    wait_until(lambda: fresh.ends, 10, "the session to end")
    fresh.close()
    change(SECRET, True)


@pytest.mark.parametrize("role", ["gateway", "bus"])
def test_nothing_confirmed_is_lost_when_a_role_is_killed_under_load(bus, role):
    device = Device(bus, client_id="dev-1:load", clean=False).ready()
    sent = {}
    for i in range(600):
        sent[device.say(float(i)).mid] = float(i)
        if i == 200:
            bus.kill(role)
            bus.start(role)
        time.sleep(0.002)
    wait_until(lambda: len(device.confirmed) == len(sent), 60, f"every publish confirmed\n{bus.tail()}")
    bus.wait_ready()
    wait_until(lambda: not set(sent.values()) - set(values(bus)), 60, "every confirmed reading on the bus")
    device.close()


def test_publishes_while_no_gateway_runs_are_confirmed_and_taken_later(bus):
    device = Device(bus).ready()
    bus.processes["gateway"].send_signal(signal.SIGTERM)
    assert bus.processes["gateway"].wait(20) == 0
    sent = {1000.0 + i for i in range(20)}  # no other test's: those may be delivered once more, as duplicates
    for value in sent:
        device.say(value).wait_for_publish(20)
    assert values(bus) == []
    bus.start("gateway")
    wait_until(lambda: sent <= set(values(bus)), 60, lambda: f"what was sent; {values(bus)}\n{bus.tail()}")
    device.close()


def test_two_gateways_share_the_work(bus):
    bus.env["FENGSUI_GATEWAY_PORT"] = str(free_port())
    second = subprocess.Popen(
        [sys.executable, "-m", "fengsui.run", "gateway"], env=bus.env,
        stdout=(bus.home / "second.log").open("ab"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    bus.env["FENGSUI_GATEWAY_PORT"] = str(bus.http_port)
    try:
        wait_until(lambda: "gateway.ready" in (bus.home / "second.log").read_text(), 30, "a second gateway")
        device = Device(bus).ready()
        for i in range(200):
            device.say(float(i))
        wait_until(lambda: len(device.confirmed) == 200, 20, "every publish confirmed")
        wait_until(lambda: len(set(values(bus))) >= 200, 40, "every reading")
        assert set(values(bus)) == {
            float(i) for i in range(200)
        }  # again after a slow write: a duplicate later
        device.close()
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
