import threading
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from fengsui.run import settings
from fengsui.stores import outbox
from fengsui.stores.outbox import services
from fengsui.stores.outbox.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def ripen() -> None:
    """As if the waiting time of every failed event were over."""
    Event.objects.update(not_before=None)


def test_an_event_is_handled_once_and_in_order():
    seen = []
    for number in range(5):
        outbox.add("t", n=number)
    handlers = {"t": lambda context, payload: seen.append(payload["n"])}
    assert outbox.drain(handlers, 3).handled == 3
    assert outbox.drain(handlers, 3).handled == 2
    assert outbox.drain(handlers, 3).seen == 0
    assert seen == [0, 1, 2, 3, 4]


def test_an_event_does_not_wait_for_a_time_that_a_wrong_clock_gave_it():
    outbox.add("t")
    Event.objects.update(not_before=timezone.now() + timedelta(seconds=services.LONGEST_WAIT_S - 5))
    assert outbox.drain({"t": lambda context, payload: None}).handled == 0
    Event.objects.update(not_before=timezone.now() + timedelta(days=3652))
    assert outbox.drain({"t": lambda context, payload: None}).handled == 1


def test_an_event_of_a_rolled_back_transaction_never_was():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.add("t")
        raise ZeroDivisionError
    assert Event.objects.count() == 0


def test_many_events_are_one_insert(django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(1):
        assert outbox.add_many("t", [{"n": n} for n in range(50)]) == 50


def test_a_failure_undoes_its_own_rows_only_and_comes_again_later():
    def handle(context, payload):
        outbox.add("effect", of=payload["n"])
        if payload["n"] == 1 and context.attempts == 0:
            raise RuntimeError("not today")

    for number in range(3):
        outbox.add("t", n=number)
    done = outbox.drain({"t": handle}, 3)
    assert (done.handled, done.failed) == (2, 1)
    assert sorted(e.payload["of"] for e in Event.objects.filter(topic="effect")) == [0, 2]
    failed = Event.objects.get(topic="t", handled_at=None)
    assert failed.attempts == 1
    assert "not today" in failed.error
    assert failed.not_before > timezone.now()
    assert outbox.drain({"t": handle, "effect": lambda c, p: None}).handled == 2  # it waits its turn
    ripen()
    assert outbox.drain({"t": handle}, 1).handled == 1
    assert Event.objects.get(pk=failed.pk).error == ""


def test_after_the_last_attempt_an_event_is_dead_and_stays_visible_until_retried():
    def broken(context, payload):
        raise RuntimeError("never")

    event = outbox.add("t")
    for _ in range(outbox.MAX_ATTEMPTS):
        ripen()
        done = outbox.drain({"t": broken})
    assert done.dead == 1
    ripen()
    assert outbox.drain({"t": broken}).seen == 0
    assert (outbox.status().waiting, outbox.status().dead) == (0, 1)
    assert services.purge(timezone.now() + timedelta(days=9)) == 0
    assert outbox.retry() == 1
    assert outbox.drain({"t": lambda c, p: None}).handled == 1
    assert Event.objects.get(pk=event).handled_at is not None


def test_a_discarded_event_is_not_tried_again():
    event = outbox.add("t")
    Event.objects.update(dead_at=timezone.now())
    assert outbox.discard([event]) == 1
    assert outbox.status().dead == 0
    assert outbox.drain({"t": lambda c, p: 1 / 0}).seen == 0


def test_putting_off_is_not_a_failure():
    def away(context, payload):
        raise outbox.NotNow("the bus is down")

    event = outbox.add("t")
    for _ in range(outbox.MAX_ATTEMPTS + 2):
        ripen()
        assert outbox.drain({"t": away}).put_off == 1
    assert Event.objects.get(pk=event).attempts == 0


def test_a_topic_that_nobody_handles_is_an_error_that_shows():
    event = outbox.add("nobody.knows")
    assert outbox.drain({}).failed == 1
    assert "no handler for topic nobody.knows" in Event.objects.get(pk=event).error


def test_waits_grow_and_are_bounded():
    assert [services.wait_s(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert services.wait_s(50) == services.LONGEST_WAIT_S


def test_asynchronous_handlers_start_in_order_and_fail_alone():
    started = []

    async def handle(context, payload):
        started.append(payload["n"])
        if payload["n"] == 2:
            raise RuntimeError("refused")

    outbox.add_many("t", [{"n": n} for n in range(4)])
    done = outbox.drain({"t": handle})
    assert started == [0, 1, 2, 3]
    assert (done.handled, done.failed) == (3, 1)


def test_an_asynchronous_handler_sees_what_a_synchronous_one_left_in_the_same_drain():
    seen = []

    async def publish(context, payload):
        seen.append(payload["n"])

    outbox.add("first", n=1)
    done = outbox.drain(
        {"first": lambda c, p: outbox.add("second", n=p["n"] + 1) and None, "second": publish}
    )
    assert seen == [2]
    assert done.handled == 2


def test_a_handler_that_hangs_is_put_off(monkeypatch):
    import asyncio

    monkeypatch.setattr(services, "ASYNC_BATCH_S", 0.05)

    async def hang(context, payload):
        await asyncio.sleep(60)

    outbox.add("t")
    assert outbox.drain({"t": hang}).put_off == 1


def test_two_workers_never_take_the_same_event():
    inside, go_on = threading.Event(), threading.Event()
    seen = []

    def slow(context, payload):
        inside.set()
        assert go_on.wait(10)
        seen.append(payload["n"])

    def other() -> None:
        try:
            outbox.drain({"t": slow}, 1)
        finally:
            connection.close()

    outbox.add("t", n=1)
    outbox.add("t", n=2)
    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert outbox.drain({"t": lambda c, p: seen.append(p["n"])}, 10).handled == 1
    go_on.set()
    thread.join(10)
    assert seen == [2, 1]
    assert outbox.status().waiting == 0


def test_a_worker_killed_between_handling_and_marking_leaves_no_double_effect():
    """The session of the first worker is ended by the server, as after kill -9."""

    def dies(context, payload):
        outbox.add("effect")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    outbox.add("t")
    with pytest.raises(Exception, match=r"terminat|closed|lost"):
        outbox.drain({"t": dies})
    connection.close()
    event = Event.objects.get()
    assert (event.handled_at, event.attempts) == (None, 0)
    assert outbox.drain({"t": lambda c, p: outbox.add("effect") and None}, 1).handled == 1
    assert Event.objects.filter(topic="effect").count() == 1


def test_committing_events_tells_their_topics():
    url = settings.database_url().rsplit("/", 1)[0] + "/" + connection.settings_dict["NAME"]
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {outbox.CHANNEL}")
        with transaction.atomic():
            outbox.add_many("t", [{}, {}])
            outbox.add("other")
        told = [(n.channel, n.payload) for n in listener.notifies(timeout=5, stop_after=2)]
        assert told == [(outbox.CHANNEL, "t"), (outbox.CHANNEL, "other")]


def test_old_handled_events_are_purged_and_nothing_else():
    old, fresh, waiting = outbox.add("t"), outbox.add("t"), outbox.add("t")
    now = timezone.now()
    Event.objects.filter(pk=old).update(handled_at=now - timedelta(days=2))
    Event.objects.filter(pk=fresh).update(handled_at=now)
    assert services.purge(now) == 1
    assert set(Event.objects.values_list("pk", flat=True)) == {fresh, waiting}


def test_a_flood_is_handled_together():
    calls = []
    outbox.add_many("t", [{"n": n} for n in range(5)])
    handlers = {"t": outbox.Many(lambda events: calls.append([payload["n"] for _, payload in events]))}
    assert outbox.drain(handlers, 3).handled == 3
    assert outbox.drain(handlers, 3).handled == 2
    assert calls == [[0, 1, 2], [3, 4]]


def test_one_bad_event_of_a_flood_fails_alone():
    def handle(events):
        for _context, payload in events:
            outbox.add("effect", of=payload["n"])
            if payload["n"] == 1:
                raise RuntimeError("cannot")

    outbox.add_many("t", [{"n": n} for n in range(4)])
    done = outbox.drain({"t": outbox.Many(handle)}, 10)
    assert (done.handled, done.failed) == (3, 1)
    assert sorted(e.payload["of"] for e in Event.objects.filter(topic="effect")) == [0, 2, 3]
    assert "cannot" in Event.objects.get(topic="t", handled_at=None).error


def test_topics_of_another_drain_are_left_to_it():
    async def slow(context, payload):
        pass

    outbox.add("quick")
    outbox.add("slow")
    outbox.add("nobody.knows")
    quick = outbox.drain({"quick": lambda c, p: None}, elsewhere={"slow"})
    assert (quick.handled, quick.failed) == (1, 1)
    ripen()
    apart = outbox.drain({"slow": slow}, elsewhere=None)
    assert (apart.handled, apart.failed) == (1, 0)
