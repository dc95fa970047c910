"""Stored readings corrected over the API, by who may, with a reason; and seen as they were measured."""

import json

import pytest

from fengsui.people.audit.models import Entry
from fengsui.people.orgs.models import Membership
from fengsui.stores.history.models import Correction
from tests.show.test_api import API, get
from tests.show.test_readings import HOUR, streams  # noqa: F401
from tests.stores.history.conftest import T0

pytestmark = pytest.mark.xdist_group("asks-pipelines")

SPAN = {"from_ms": T0 + 100_000, "to_ms": T0 + 110_000}


@pytest.fixture
def steward(world, django_user_model):
    made = django_user_model.objects.create(username="steward-of-the-plant", is_active=True)
    Membership.objects.create(user=made, org=world.plant_org, role="data_steward")
    return made


def post(client, path, **body):
    answer = client.post(API + path, json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def values(client, stream, **more):
    query = {"from": SPAN["from_ms"] - 1000, "to": SPAN["to_ms"] + 1000, **more}
    return get(client, f"datastreams/{stream.pk}/readings", **query)[1]


def test_a_steward_corrects_a_span_and_takes_it_back(world, open_as, steward, streams):  # noqa: F811
    client, stream = open_as(steward), streams[0]
    plain = values(client, stream)
    path = f"datastreams/{stream.pk}/corrections"
    status, made = post(
        client, path, **SPAN, factor=2.0, shift=1.0, quality=1, reason="transmitter was set wrong"
    )
    assert status == 201, made
    shown = values(client, stream)
    assert shown["v"] == [plain["v"][0], *(2 * v + 1 for v in plain["v"][1:11]), plain["v"][11]]
    assert shown["q"] == [0, *[1] * 10, 0]
    assert shown["reason"] == [0, *[22] * 10, 0]
    assert values(client, stream, measured="true")["v"] == plain["v"]
    status, other = post(client, path, **SPAN, value=7.5, reason="read off the gauge")
    assert values(client, stream)["v"][1:11] == [7.5] * 10
    status, gone = post(client, f"{path}/{other['id']}/withdraw", reason="wrong gauge")
    assert (status, gone["withdrawn_by"]) == (200, steward.username)
    assert values(client, stream)["v"] == shown["v"]
    assert post(client, f"{path}/{other['id']}/withdraw", reason="again")[0] == 422
    listed = get(open_as(world.officer), path)[1]["items"]
    assert [(row["id"], row["reason"]) for row in listed] == [
        (other["id"], "read off the gauge"),
        (made["id"], "transmitter was set wrong"),
    ]
    (entry,) = Entry.objects.filter(action="reading.corrected", detail__factor=2.0)
    assert entry.detail["readings"] == 10
    assert Entry.objects.filter(action="reading.correction_withdrawn").count() == 1


BEHIND = {"from_ms": T0 + 2 * HOUR, "to_ms": T0 + 3 * HOUR}  # what is stored ends after an hour


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"reason": " ", "shift": 1.0}, "Say why"),
        ({"reason": "r"}, "change nothing"),
        ({"reason": "r", "shift": 1.0, "to_ms": SPAN["from_ms"]}, "before the end"),
        ({"reason": "r", "shift": 1.0, "to_ms": T0 + 10**12}, "must be past"),
        ({"reason": "r", "shift": 1.0, "from_ms": T0 - 500 * 86_400_000}, "400 days"),
        ({"reason": "r", "quality": 7}, "Quality is"),
        ({"reason": "r", "value": 1.0} | BEHIND, "no readings"),
        ({"reason": "r", "value": 1.0, "from_ms": -(10**18)}, "outside the calendar"),
    ],
)
def test_what_cannot_be_a_correction_is_refused(open_as, steward, streams, body, what):  # noqa: F811
    steward.language = "en"
    steward.save()
    status, said = post(open_as(steward), f"datastreams/{streams[0].pk}/corrections", **(SPAN | body))
    assert status == 422, said
    assert what in json.dumps(said)
    assert not Correction.objects.exists()


def test_who_may_not_correct_is_refused_and_who_sees_nothing_finds_nothing(world, open_as, streams):  # noqa: F811
    path = f"datastreams/{streams[0].pk}/corrections"
    assert post(open_as(world.officer), path, **SPAN, shift=1.0, reason="r")[0] == 403
    for who in (world.stranger, world.nobody):
        assert post(open_as(who), path, **SPAN, shift=1.0, reason="r")[0] == 404
        assert get(open_as(who), path)[0] == 404
    assert not Correction.objects.exists()
