"""One owner a partition, and numbers of writers without gaps."""

import pytest
from django.db import transaction

from fengsui.stores.checkpoints import claims, writers
from fengsui.stores.checkpoints.claims import Claim, Superseded, claim, happened, next_of
from fengsui.stores.checkpoints.models import Checkpoint, Writer
from tests.conftest import wait_until

pytestmark = pytest.mark.django_db


def advance(held: Claim, stream_seq: int, state: tuple[int, str] | None) -> Claim:
    after = next_of(held, stream_seq, state)
    claims.advance(held, after)
    return after


def test_a_claim_remembers_how_far_the_partition_was():
    first = claim(4, "a")
    assert (first.stream_seq, first.state_file) == (0, "")
    after = advance(first, 10, (8, "s1"))
    after = advance(after, 12, None)
    again = claim(4, "b")
    assert (again.stream_seq, again.state_seq, again.state_file) == (12, 8, "s1")
    assert again.epoch == after.epoch + 1


def test_who_was_superseded_can_commit_nothing_more():
    old = claim(0, "a")
    new = claim(0, "b")
    with pytest.raises(Superseded), transaction.atomic():
        advance(old, 5, None)
    assert Checkpoint.objects.get(pk=0).stream_seq == 0
    assert advance(new, 5, None).stream_seq == 5
    with pytest.raises(Superseded):
        happened(old)


def test_a_commit_whose_answer_was_lost_can_be_asked_about():
    held = claim(0, "a")
    assert not happened(held)
    advance(held, 5, None)
    assert happened(held)


def test_the_lock_is_held_by_one_connection_at_a_time():
    one, two = claims.Lock(977), claims.Lock(977)
    try:
        assert one.try_take()
        assert not two.try_take()
        one.release()
        wait_until(two.try_take, 5, "PostgreSQL has noticed that the connection is gone")
        assert claims.Lock(978).try_take()
    finally:
        one.release()
        two.release()


def test_a_holder_that_hangs_can_be_ended():
    hung, other, one = claims.Lock(979), claims.Lock(980), claims.Lock(979)
    try:
        assert hung.try_take()
        assert other.try_take()
        assert not one.try_take()
        one.end_holder()
        wait_until(one.try_take, 5, "the lock is free")
        assert not claims.Lock(980).try_take(), "the lock of another partition is left alone"
    finally:
        for lock in (hung, other, one):
            lock.release()


def test_gaps_are_counted_and_repeats_are_not():
    seen = writers.Writers()
    assert [seen.note("g", n) for n in (1, 2, 2, 5, 3, 6)] == [0, 0, 0, 2, 0, 0]
    assert seen.note("late", 3) == 2
    writers.write(0, seen.take_moved())
    assert list(Writer.objects.order_by("gateway").values_list("gateway", "number", "missing")) == [
        ("g", 6, 2),
        ("late", 3, 2),
    ]
    again = writers.Writers.read(0)
    assert again.note("g", 7) == 0
    assert again.take_moved() == [("g", 7, 2)]
    assert again.take_moved() == []
