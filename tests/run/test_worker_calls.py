"""Calls through real workers: killed while a message is on its way, each person is called once."""

import signal

import pytest

from fengsui.stores import outbox
from fengsui.stores.outbox.models import Event
from fengsui.warn.calls.models import Call, Callout, Delivery
from tests.conftest import wait_until
from tests.run.test_worker import nats, start
from tests.warn.calls.doors import Gateway
from tests.warn.calls.world import Town

__all__ = ["nats", "start"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_killed_while_it_calls_loses_nobody_and_calls_nobody_twice(db, start, monkeypatch):
    from fengsui.stores import clock

    town, gateway = Town(), Gateway()
    town.at = clock.now()
    monkeypatch.setenv("FENGSUI_CALL_WEBHOOK", gateway.url)
    workers = [start()]
    gateway.on_post = lambda: (
        workers[-1].send_signal(signal.SIGKILL) if len(gateway.posts) in (1, 3) else None
    )
    for org, name in (("420505001", "甲"), ("420505002", "乙"), ("plant", "丙"), ("far", "丁")):
        town.contact(org, name, phone="0717-0000000")
        town.contact(org, f"{name}二", order=2, phone="0717-0000001")
    outbox.add("warning.published", message_id=town.message(divisions=("420505",)).pk)
    for _ in range(2):
        workers[-1].wait(60)
        workers.append(start(wait=False))
    wait_until(lambda: Delivery.objects.filter(state="sent").count() == 4, 60, "everybody has a message")
    assert Call.objects.count() == Callout.objects.count() == 4
    keys = [headers["Idempotency-Key"] for headers, _body in gateway.posts]
    assert (
        len(set(keys)) == 4
    )  # a message that was under way when the worker died came again, under its own key
    assert 4 < len(keys) <= 6
    start(wait=False)  # two workers look at the same clock
    Callout.objects.update(next_at=clock.now())
    wait_until(lambda: Delivery.objects.filter(state="sent").count() == 8, 60, "the next in line have theirs")
    assert Call.objects.count() == 8
    assert sorted(Callout.objects.values_list("called", flat=True)) == [2, 2, 2, 2]
    wait_until(lambda: not Event.objects.waiting().exists(), 30, "the outbox is empty")
    gateway.close()
