"""A site with datastreams and a device, and a stream READINGS of its own for one test."""

import asyncio
import hashlib
import socket

import nats
import pytest

SECRET = "s3cret-of-the-test"


@pytest.fixture
def plant(transactional_db):
    """Site "plant-1" with PT-101 (kPa, 0…4000), TT-101 (°C) and device "dev-1"."""
    return make_site("plant-1", "dev-1", {"PT-101": ("kPa", 0, 4000), "TT-101": ("°C", None, None)})


def make_site(code: str, device: str, streams: dict):
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Datastream, Device, ObservedProperty, Site, Thing

    org, _ = Org.objects.get_or_create(code="city", defaults={"path": "/1/", "kind": "city", "name": "City"})
    site = Site.objects.create(code=code, name=code, org=org, longitude=111.3, latitude=30.7)
    thing = Thing.objects.create(site=site, code="unit", name="Unit")
    prop, _ = ObservedProperty.objects.get_or_create(code="any", defaults={"name": "Any"})
    for name, (unit, low, high) in streams.items():
        Datastream.objects.create(
            site=site, thing=thing, observed_property=prop, code=name, name=name,
            unit=unit, range_min=low, range_max=high,
        )  # fmt: skip
    Device.objects.create(site=site, code=device, secret_sha256=hashlib.sha256(SECRET.encode()).hexdigest())
    return site


@pytest.fixture
def clean_bus(nats_url):
    """The streams, empty, at the end of which nothing is left for the next test."""
    from fengsui.stores import bus

    async def reset():
        nc = await nats.connect(nats_url)
        await bus.ensure(nc, 256 << 20)
        await nc.jetstream().purge_stream(bus.READINGS)
        await nc.close()

    asyncio.run(reset())
    yield nats_url
    asyncio.run(reset())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
