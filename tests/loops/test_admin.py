import json

import pytest
from django.test import Client
from django.utils import timezone

from fengsui.loops import kinds
from fengsui.loops.models import Kind, KindChange
from fengsui.people.audit.models import Entry
from fengsui.stores import outbox
from fengsui.stores.outbox.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(person, tree):
    return person("operator", tree.hubei)


@pytest.fixture
def open_as():
    def make(user) -> Client:
        client = Client(headers={"accept-language": "en"})
        client.force_login(user)
        return client

    return make


def form(values: dict, **more) -> dict:
    empty = {"changes-TOTAL_FORMS": "0", "changes-INITIAL_FORMS": "0"}
    return {"definition": json.dumps(values), "reason": "order 12", **empty, **more}


def test_an_operator_edits_a_kind_as_json(open_as, operator):
    values = dict(kinds.current("alarm_disposal").definition, opens_at_levels=[1, 2])
    client = open_as(operator)
    page = "/admin/loops/kind/alarm_disposal/change/"
    assert "opens_at_levels" in client.get(page).content.decode()
    assert client.post(page, form(values, seen="1")).status_code == 302
    row = Kind.objects.get(pk="alarm_disposal")
    assert (row.version, row.definition["opens_at_levels"]) == (2, [1, 2])
    assert KindChange.objects.get(version=2).reason == "order 12"
    assert Entry.objects.filter(action="loop.kind.edited").count() == 1
    assert not Entry.objects.filter(action="kind.edited").exists(), "audited once"


def test_a_definition_that_cannot_work_is_shown_with_every_problem(open_as, operator):
    values = dict(kinds.current("alarm_disposal").definition, start="nowhere", opens_at_levels=[9])
    answer = open_as(operator).post("/admin/loops/kind/alarm_disposal/change/", form(values, seen="1"))
    text = answer.content.decode()
    assert "there is no step nowhere" in text
    assert "opens_at_levels" in text
    assert Kind.objects.get(pk="alarm_disposal").version == 1


def test_a_change_of_an_older_version_is_refused(open_as, operator):
    values = dict(kinds.current("alarm_disposal").definition, opens_at_levels=[1])
    client = open_as(operator)
    client.post("/admin/loops/kind/alarm_disposal/change/", form(values, seen="1"))
    values["opens_at_levels"] = [2]
    answer = client.post("/admin/loops/kind/alarm_disposal/change/", form(values, seen="1"))
    assert answer.status_code == 200
    assert Kind.objects.get(pk="alarm_disposal").definition["opens_at_levels"] == [1]


def test_a_county_operator_reads_kinds_and_changes_none(open_as, person, tree):
    values = dict(kinds.current("alarm_disposal").definition, opens_at_levels=[1])
    client = open_as(person("operator", tree.xiaoting))
    page = "/admin/loops/kind/alarm_disposal/change/"
    assert client.post(page, form(values, seen="1")).status_code == 403
    assert Kind.objects.get(pk="alarm_disposal").version == 1


def test_dead_events_are_listed_and_tried_again(open_as, operator):
    dead = outbox.add("t", n=1)
    Event.objects.filter(pk=dead).update(dead_at=timezone.now(), attempts=10, error="broken")
    client = open_as(operator)
    assert ">t<" in client.get("/admin/outbox/event/?state=dead").content.decode()
    client.post("/admin/outbox/event/", {"action": "try_again", "_selected_action": [dead]})
    assert Event.objects.get().dead_at is None
    assert Entry.objects.filter(action="outbox.retried").count() == 1
