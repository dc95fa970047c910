"""Seats on a real server: one holder at a time, another when it leaves or is gone, and shares that make the whole."""

import asyncio
import contextlib

import nats
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.stores.bus.seats import SEATS, Seat, ensure_seats, share_of

pytestmark = pytest.mark.xdist_group("seats")


async def until(condition, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is on the server
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def candidates(url: str, count: int):
    """Workers that want seat 0, each on a connection of its own, and the task in which each pulls."""
    clients = [await nats.connect(url) for _ in range(count)]
    await ensure_seats(clients[0], 2, 1)
    await ensure_seats(clients[1], 2, 1)  # from every worker, at every start
    seats = [Seat(client, 0) for client in clients]
    pulls = [asyncio.create_task(seat.run()) for seat in seats]
    try:
        for seat in seats:
            seat.wanted = True
        await until(lambda: any(seat.held for seat in seats))
        yield seats, pulls
    finally:
        for pull in pulls:
            pull.cancel()
        await asyncio.gather(*pulls, return_exceptions=True)
        await clients[0].jetstream().delete_stream(SEATS)
        for client in clients:
            await client.close()


def holders(seats: list[Seat]) -> list[int]:
    return [n for n, seat in enumerate(seats) if seat.held]


def test_one_of_many_holds_a_seat_and_another_one_when_it_leaves(nats_url):
    async def go():
        async with candidates(nats_url, 3) as (seats, _pulls):
            (first,) = holders(seats)
            await asyncio.sleep(1.5)  # more than a beat: it is delivered again, to the same one
            assert holders(seats) == [first]
            await seats[first].leave()
            await until(lambda: holders(seats))
            (second,) = holders(seats)
            assert second != first

    asyncio.run(go())


def test_a_seat_is_taken_away_and_who_had_it_is_told(nats_url):
    async def go():
        async with candidates(nats_url, 2) as (seats, pulls):
            (first,) = holders(seats)
            pulls[first].cancel()  # it hangs
            other = seats[1 - first]
            await until(lambda: other.held)
            pulls[first] = asyncio.create_task(seats[first].run())
            await until(lambda: not seats[first].held)
            assert other.held

    asyncio.run(go())


@given(st.integers(1, 64), st.integers(1, 70))
def test_shares_differ_by_one_at_most_and_make_the_whole(partitions, workers):
    shares = [share_of(partitions, workers, rank) for rank in range(workers)]
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)
