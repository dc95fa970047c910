"""Group commit onto a real JetStream: nothing confirmed is lost, numbers have no gap, a full queue says so."""

import asyncio

import nats
import numpy as np
import pytest

from fengsui.base.batch import Batch, Refused, decode
from fengsui.sense.gateways.publisher import Busy, Publisher, size_of, split
from fengsui.stores import bus


def batch(site=1, n=3, refused=None) -> Batch:
    return Batch(
        site, "dev-1", 1_700_000_000_000, np.arange(n), np.full(n, 1_700_000_000_000), np.arange(n) * 1.5,
        np.zeros(n), np.zeros(n), refused or {},
    )  # fmt: skip


async def stored(nc) -> list:
    """Every message in READINGS, decoded, without taking it."""
    js = nc.jetstream()
    state = (await js.stream_info(bus.READINGS)).state
    messages = [await js.get_msg(bus.READINGS, seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [decode(m.data) for m in messages]


async def test_batches_of_one_window_share_one_message(clean_bus):
    nc = await nats.connect(clean_bus)
    publisher = Publisher(nc, 1, 30)
    await asyncio.gather(*[publisher.publish(batch(site)) for site in range(50)])
    [message] = await stored(nc)
    assert (message.gateway, message.number) == (publisher.gateway, 1)
    assert sorted(b.site for b in message.batches) == list(range(50))
    await publisher.close()
    await nc.close()


async def test_each_partition_has_its_own_consecutive_numbers(clean_bus):
    nc = await nats.connect(clean_bus)
    publisher = Publisher(nc, 2, 0)
    for _ in range(3):
        await asyncio.gather(publisher.publish(batch(0)), publisher.publish(batch(1)))
    numbers: dict[int, list[int]] = {0: [], 1: []}
    for message in await stored(nc):
        numbers[message.batches[0].site].append(message.number)
    assert numbers == {0: [1, 2, 3], 1: [1, 2, 3]}
    await publisher.close()
    await nc.close()


async def test_a_big_batch_travels_in_pieces_and_arrives_whole(clean_bus):
    nc = await nats.connect(clean_bus)
    publisher = Publisher(nc, 1, 0, message_bytes=64 << 10)
    whole = batch(n=20_000, refused={7: Refused("x" * 50), 19_999: Refused("last")})
    await publisher.publish(whole)
    pieces = [b for m in await stored(nc) for b in m.batches]
    assert len(pieces) > 5
    assert np.array_equal(np.concatenate([p.value for p in pieces]), whole.value)
    assert pieces[0].refused[7].code == "x" * 50
    assert pieces[-1].refused[len(pieces[-1]) - 1].code == "last"
    await publisher.close()
    await nc.close()


async def test_a_bus_that_does_not_answer_makes_senders_busy_and_leaves_no_gap(clean_bus):
    nc = await nats.connect(clean_bus)
    js = nc.jetstream()
    publisher = Publisher(nc, 1, 0, patience_s=0.4)
    await publisher.publish(batch())
    await js.delete_stream(bus.READINGS)
    with pytest.raises(Busy):
        await publisher.publish(batch())
    await bus.ensure(nc, 256 << 20)
    publisher._patience_s = 10
    await publisher.publish(batch())
    numbers = [m.number for m in await stored(nc)]
    assert numbers == list(range(2, 2 + len(numbers)))
    await publisher.close()
    await nc.close()


async def test_a_full_queue_makes_senders_wait_and_then_refuses_them(clean_bus):
    nc = await nats.connect(clean_bus)
    publisher = Publisher(nc, 1, 10_000, queue_bytes=size_of(batch()) * 2, patience_s=0.3)
    results = await asyncio.gather(*[publisher.publish(batch()) for _ in range(5)], return_exceptions=True)
    assert all(isinstance(r, Busy) for r in results)
    await publisher.close()
    assert publisher.lag == {"queued_bytes": 0, "oldest_ms": 0}
    assert await stored(nc) == []  # senders who were refused before anything was under way
    await nc.close()


async def test_closing_sends_what_waits(clean_bus):
    nc = await nats.connect(clean_bus)
    publisher = Publisher(nc, 1, 10_000)
    sending = asyncio.create_task(publisher.publish(batch()))
    await asyncio.sleep(0)
    await publisher.close()
    await sending
    assert len(await stored(nc)) == 1
    with pytest.raises(Busy):
        await publisher.publish(batch())
    await nc.close()


def test_split_keeps_every_row_in_order_and_within_the_limit():
    pieces = split(batch(n=1000), 4096)
    assert all(size <= 4096 for _, size in pieces)
    assert np.array_equal(np.concatenate([p.datastream for p, _ in pieces]), np.arange(1000))
