"""The risk index as readings, through a real worker onto a real bus."""

import asyncio

import pytest

from fengsui.base.batch import decode
from fengsui.stores import bus
from fengsui.warn.risks import series, services
from fengsui.warn.risks.models import SiteRisk
from tests.conftest import wait_until
from tests.run.test_worker import nats, start
from tests.run.worker_world import Region

__all__ = ["nats", "start"]
pytestmark = pytest.mark.django_db(transaction=True)


def readings(nats):
    """(site, datastream, ms, value) of every reading in the stream."""

    async def read():
        client = await bus.connect(nats.url, "test", wait_s=20)
        js = client.jetstream()
        state = (await js.stream_info(bus.READINGS)).state
        found = []
        for number in range(max(state.first_seq, 1), state.last_seq + 1):
            for batch in decode((await js.get_msg(bus.READINGS, number)).data).batches:
                assert batch.source == "risk"
                found.append(
                    (batch.site, *(column[0] for column in (batch.datastream, batch.time_ms, batch.value)))
                )
        await client.close()
        return found

    return asyncio.run(read())


def test_each_change_of_a_followed_index_is_a_reading_on_the_bus(db, start, nats):
    from fengsui.stores import clock

    region = Region()
    services.reckon()
    made = series.follow(None, services.in_force())
    assert (made.datastreams, made.rules) == (1, 2)
    start()
    wait_until(lambda: len(readings(nats)) == 1, 30, "the index as it was when it was followed")
    services.declare(None, region.site, "fire_special", clock.now(), None, "bench")
    wait_until(lambda: len(readings(nats)) == 2, 30, "the index after the change")
    site, stream, ms, value = readings(nats)[-1]
    row = SiteRisk.objects.get()
    assert (site, value * 1000) == (region.site.pk, row.index)
    assert region.site.datastreams.get(code=series.CODE).pk == stream
    assert 0 <= ms - row.changed_at.timestamp() * 1000 < 1
