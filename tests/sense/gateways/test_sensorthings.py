"""Observations of SensorThings at the gates: over HTTP through the intake, over MQTT from the server's stream."""

import asyncio
import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta

import nats
import pytest
from django.test import Client

from fengsui.base.quality import Reason
from fengsui.run.intake import Intake
from fengsui.sense.devices.models import Datastream, MultiDatastream, MultiDatastreamMember, Sensor
from fengsui.sense.gateways.mqtt import PREFIX, MqttGateway
from fengsui.sense.gateways.observations import ObservationsGateway
from fengsui.show.sta import posting
from fengsui.stores import clock
from fengsui.stores.changes import in_thread
from tests.sense.gateways.conftest import SECRET
from tests.sense.gateways.gb28181.world import in_db, until
from tests.sense.gateways.test_publisher import stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def jumpy(tmp_path, monkeypatch):
    """(our clock, the file that makes the machine's clock jump)."""
    added, own = tmp_path / "added", clock.Clock()
    own.share(tmp_path, str(added))
    monkeypatch.setattr(clock, "_clock", own)
    return own, added


class Gates:
    """An intake on a real bus; ``say`` posts over HTTP, ``publish`` as the server's MQTT listener does."""

    def __init__(self, nc, intake, mqtt):
        self.nc, self.intake, self.mqtt = nc, intake, mqtt

    async def rows(self):
        """(value, reason) of every reading on the bus."""
        return [
            (float(v), int(r))
            for message in await stored(self.nc) for batch in message.batches
            for v, r in zip(batch.value, batch.reason, strict=True)
        ]  # fmt: skip

    async def say(self, path, body):
        header = "Basic " + base64.b64encode(f"dev-1:{SECRET}".encode()).decode()

        def ask():
            return Client().post(
                f"/sta/v1.1/{path}", json.dumps(body), "application/json", headers={"Authorization": header}
            )

        answer = await asyncio.to_thread(in_thread, ask)
        return answer.status_code, json.loads(answer.content)

    async def publish(self, target, body):
        subject = f"{PREFIX}sta.said.{target}.Observations"
        await self.nc.jetstream().publish(subject, json.dumps(body).encode())


@contextlib.asynccontextmanager
async def gates(url):
    nc = await nats.connect(url)
    intake = Intake(nc)
    await intake.start()
    posting.use(intake.from_threads())
    counts = MqttGateway(nc, intake.registry, intake.publisher, intake.admission)
    mqtt = ObservationsGateway(counts, nc, intake.registry, intake.publisher, intake.admission)
    await mqtt.start()
    try:
        yield Gates(nc, intake, counts)
    finally:
        posting.use(None)
        await mqtt.close()
        await intake.close()
        await nc.jetstream().purge_stream("$MQTT_msgs")
        await nc.close()


def observation(value, hours=0.0, seconds=0):
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours, seconds=seconds)
    return {"phenomenonTime": at.isoformat().replace("+00:00", "Z"), "result": value}


def stream(code="PT-101"):
    return Datastream.objects.get(code=code).pk


async def test_observations_over_http_wait_while_our_own_clock_is_undecided(clean_bus, plant, jumpy):
    own, added = jumpy
    pk = await in_db(stream)
    path = f"Datastreams({pk})/Observations"
    async with gates(clean_bus) as here:
        added.write_text("3600000")
        await until(lambda: own.apart_ms != 0, "the jump is noticed")
        assert (await here.say(path, observation(1)))[0] == 201  # agrees with our time: judged as ever
        status, body = await here.say(path, observation(2, hours=1))
        assert (status, body["code"]) == (503, "sense.clock")
        array = [{
            "Datastream": {"@iot.id": pk}, "components": ["phenomenonTime", "result"],
            "dataArray": [[observation(3, hours=1)["phenomenonTime"], 3]],
        }]  # fmt: skip
        assert (await here.say("CreateObservations", array))[0] == 503
        assert (await here.say(path, {"result": 4}))[0] == 201  # no time of its own: it is now
        assert [value for value, _ in await here.rows()] == [1.0, 4.0]
        assert own.steady.votes, "the device was heard"
        added.write_text("0")  # it was wrong: now an observation of the future is one
        await until(lambda: own.apart_ms == 0, "the jump is undone")
        assert (await here.say(path, observation(2, hours=1)))[0] == 400
        assert (await here.rows())[-1] == (2.0, Reason.FUTURE)


async def test_observations_over_mqtt_wait_while_our_own_clock_is_undecided(clean_bus, plant, jumpy):
    own, added = jumpy
    target = f"Datastreams({await in_db(stream)})"
    async with gates(clean_bus) as here:
        added.write_text("3600000")
        await until(lambda: own.apart_ms != 0, "the jump is noticed")
        await here.publish(target, observation(1))
        await until(here.rows, "what agrees with our time")
        await here.publish(target, observation(2, hours=1))
        await until(lambda: any(own.steady.votes.values()), "the device speaks for the machine")
        assert [value for value, _ in await here.rows()] == [1.0]
        info = await here.nc.jetstream().consumer_info("$MQTT_msgs", ObservationsGateway.consumer)
        assert info.num_pending + info.num_ack_pending == 1, "the server keeps it"
        added.write_text("0")
        await until(lambda: own.apart_ms == 0, "the jump is undone")
        assert await until(lambda: ends(here, 2.0), "it comes again, now of the future") == Reason.FUTURE


async def ends(here, value):
    """The reason of the newest reading, when it has this value."""
    rows = await here.rows()
    return rows[-1][1] if rows[-1][0] == value else 0


def grouped(plant):
    sensor = Sensor.objects.create(code="mast", name="mast")
    Datastream.objects.filter(site=plant).update(sensor=sensor)
    multi = MultiDatastream.objects.create(site=plant, thing=plant.things.get(), sensor=sensor, name="both")
    for i, code in enumerate(("TT-101", "PT-101")):
        MultiDatastreamMember.objects.create(multi_datastream=multi, datastream_id=stream(code), position=i)
    return multi.pk


async def test_observations_of_multi_datastreams_over_mqtt(clean_bus, plant):
    pk = await in_db(grouped, plant)
    async with gates(clean_bus) as here:
        await here.publish(f"MultiDatastreams({pk})", observation([21.5, 300]))
        await until(lambda: here.mqtt.accepted == 1, "an observation with two elements")
        assert await here.rows() == [(21.5, 0), (300.0, 0)]
        await here.publish(
            f"MultiDatastreams({pk})", observation([22, 9000], seconds=1)
        )  # above the range of PT-101
        await until(lambda: here.mqtt.refused == 1, "one of them is refused")
        assert (await here.rows())[2:] == [(22.0, 0), (9000.0, Reason.RANGE)]
        await here.publish(f"MultiDatastreams({pk})", observation([22], seconds=2))
        await here.publish(f"MultiDatastreams({pk})", observation(22, seconds=2))
        await until(lambda: here.mqtt.refused == 3, "lists of another length and no lists")
        assert [reason for _, reason in await here.rows()][4:] == [Reason.UNPARSABLE] * 2
        await here.publish("MultiDatastreams(999999)", observation([1, 2]))
        await until(lambda: here.mqtt.siteless == 1, "one that is not there")
