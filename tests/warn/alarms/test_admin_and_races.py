"""The admin shows rules and alarms and changes none; two writers at once do not make two alarms."""

import threading

import pytest
from django.db import connection

from fengsui.warn.alarms import services
from fengsui.warn.alarms.models import Alarm, Deed
from tests.warn.alarms.conftest import Region, cleared, raised, topics


@pytest.mark.django_db
def test_the_admin_shows_and_does_not_change(client, rule, person):
    services.record_events([raised(rule)])
    admin = person()
    admin.is_staff = admin.is_superuser = True
    admin.save()
    client.force_login(admin)
    for path in ("rule", f"rule/{rule.pk}/change", "alarm", f"alarm/{Alarm.objects.get().pk}/change"):
        page = client.get(f"/admin/alarms/{path}/")
        assert page.status_code == 200, path
        assert b"tank-1" in page.content
    assert client.get("/admin/alarms/rule/add/").status_code == 403
    assert client.post(f"/admin/alarms/rule/{rule.pk}/change/", {"setpoint": 1}).status_code == 403
    assert client.post(f"/admin/alarms/rule/{rule.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_make_one_alarm():
    """As when a pipeline is thought dead and its successor already works."""
    from fengsui.warn.alarms.models import Rule

    region = Region()
    rules = [Rule.objects.create(datastream=region.tank, kind="rate", setpoint=i + 1) for i in range(20)]
    events = [
        e for i in range(5) for r in rules for e in (raised(r, 100 * i), cleared(r, 100 * i + 50, 100 * i))
    ]
    told, start = [], threading.Barrier(3)

    def write(part):
        start.wait()
        try:
            told.append(services.record_events(part))
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(part,)) for part in (events, events[::-1], events[40:])]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(told) == 3, "no writer was refused"
    assert Alarm.objects.filter(cleared_at__isnull=False).count() == Alarm.objects.count() == 100
    assert Deed.objects.filter(what="raised").count() == Deed.objects.filter(what="cleared").count() == 100
    assert sum(len(payloads) for payloads in told) == len(topics()) == 200


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_with_people_is_tried_again():
    """Somebody holds two alarms in the other order; the database ends one of the two, and the events are recorded."""
    from django.db import transaction

    from fengsui.warn.alarms.models import Rule

    region = Region()
    rules = [Rule.objects.create(datastream=region.tank, kind="rate", setpoint=i + 1) for i in range(2)]
    services.record_events([raised(r) for r in rules])
    first, second = Alarm.objects.order_by("id")
    held, go_on = threading.Event(), threading.Event()

    def person():
        try:
            with transaction.atomic():
                Alarm.objects.select_for_update().get(pk=second.pk)
                held.set()
                go_on.wait(10)
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SET LOCAL deadlock_timeout = '30s'"
                    )  # the other side notices, and gives way
                Alarm.objects.select_for_update().get(pk=first.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=person)
    thread.start()
    assert held.wait(10)
    threading.Timer(0.3, go_on.set).start()  # by then the clear holds the first and waits for the second
    told = services.record_events([cleared(r) for r in rules])
    thread.join()
    assert [p["what"] for p in told] == ["cleared", "cleared"]
