"""The ledger: counting, booking, and what it says about it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fengsui.govern.ledger import booking, services
from fengsui.govern.ledger.booking import (
    DUPLICATE,
    GATEWAY,
    HISTORY,
    PIPELINE,
    QUARANTINED,
    RECEIVED,
    STORED,
    Counts,
)
from fengsui.govern.ledger.models import Line
from fengsui.stores.checkpoints.models import Writer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
LATER = NOON + timedelta(hours=1)


def whole(source="dev", received=10, refused=2, duplicate=1, held=1) -> Counts:
    """Counts as a pipeline without faults makes them."""
    counts = Counts()
    line = counts.line(source, NOON_MS + 59_999)
    stored = received - refused - duplicate - held
    for boundary, outcome, number in (
        (GATEWAY, RECEIVED, received),
        (GATEWAY, QUARANTINED, refused),
        (GATEWAY, STORED, received - refused),
        (PIPELINE, RECEIVED, received - refused),
        (PIPELINE, DUPLICATE, duplicate),
        (PIPELINE, QUARANTINED, held),
        (PIPELINE, STORED, stored),
        (HISTORY, RECEIVED, stored),
        (HISTORY, STORED, stored),
    ):
        counts.add_one(boundary, outcome, line, number)
    return counts


def statement(**more) -> services.Statement:
    return services.statement(NOON, LATER, is_open_from=LATER, **more)


def test_rows_are_counted_by_source_and_minute_of_arrival():
    counts = Counts()
    lines = np.array([counts.line(f"d{i % 40}", NOON_MS + i * 1500) for i in range(80)])
    counts.add(GATEWAY, RECEIVED, lines)
    rows = counts.rows()
    assert sum(row[3] for row in rows) == 80
    assert len(rows) == len({(f"d{i % 40}", (i * 1500) // 60_000) for i in range(80)})
    assert rows == sorted(rows)
    assert Counts().rows() == []


@pytest.mark.django_db
def test_epochs_add_up_in_the_ledger_and_it_balances():
    booking.book(whole().rows())
    booking.book(whole().rows())
    assert Line.objects.get(boundary="gateway").received == 20
    (entry,) = statement().entries
    assert entry.problems == []
    assert (entry.state, entry.minute, entry.history.stored) == ("balanced", NOON, 12)
    assert statement().balances


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("boundary", "column", "problems"),
    [
        ("gateway", "received", ["gateway"]),
        ("gateway", "stored", ["gateway", "gateway-pipeline"]),
        ("pipeline", "duplicate", ["pipeline"]),
        ("pipeline", "stored", ["pipeline", "pipeline-history"]),
        ("history", "stored", ["history"]),
    ],
)
def test_one_reading_too_few_anywhere_is_found(boundary, column, problems):
    booking.book(whole().rows())
    line = Line.objects.get(boundary=boundary)
    setattr(line, column, getattr(line, column) - 1)
    line.save()
    (entry,) = statement().entries
    assert entry.problems == problems
    assert entry.state == "unbalanced"
    assert not statement().balances


@pytest.mark.django_db
def test_a_minute_under_way_is_open_not_unbalanced():
    booking.book(whole().rows())
    Line.objects.filter(boundary="history").delete()
    still = services.statement(NOON, LATER, is_open_from=NOON)
    assert [e.state for e in still.entries] == ["open"]
    assert still.balances
    assert not statement().balances


def test_a_minute_is_open_for_a_while_and_as_long_as_the_bus_holds_something_of_it():
    now = NOON + timedelta(minutes=30)
    assert services.open_from(now) == now - timedelta(seconds=60)
    assert services.open_from(now, NOON) == NOON - timedelta(seconds=60)


@pytest.mark.django_db
def test_a_number_that_a_gateway_passed_over_is_missing():
    booking.book(whole().rows())
    Writer.objects.create(gateway="gw", partition=0, number=9, missing=2)
    found = services.statement(NOON, LATER, is_open_from=LATER)
    assert [(m.gateway, m.messages) for m in found.missing] == [("gw", 2)]
    assert not found.balances
    assert found.unbalanced == []


@pytest.mark.django_db
def test_a_recount_of_the_files_finds_what_is_not_there(settings, tmp_path):
    settings.HISTORY_ROOT = tmp_path
    booking.book(whole().rows())
    found = statement(deep=True)
    assert found.entries[0].problems == ["history-files"]
    assert found.entries[0].found == 0


@pytest.mark.django_db
def test_people_below_the_root_see_the_lines_of_their_own_devices_and_replays(django_user_model):
    from fengsui.people.orgs.models import Membership, Org
    from fengsui.sense.devices.models import Device, Site

    root = Org.objects.create(path="/1/", kind="province", code="p", name="p")
    below = Org.objects.create(path="/1/2/", parent=root, depth=1, kind="enterprise", code="e", name="e")
    other = Org.objects.create(path="/1/3/", parent=root, depth=1, kind="enterprise", code="o", name="o")
    for org, code in ((below, "mine"), (other, "theirs")):
        site = Site.objects.create(
            code=code, name=code, org=org, org_path=org.path, longitude=111, latitude=30
        )
        Device.objects.create(site=site, code=f"dev-{code}", secret_sha256="")
        booking.book(whole(source=f"dev-{code}").rows())
        booking.book(whole(source=f"replay:tep@{code}").rows())
        booking.book(whole(source=f"mqtt:{code}").rows())
    officer, governor = (django_user_model.objects.create(username=name) for name in ("officer", "governor"))
    Membership.objects.create(user=officer, org=Org.objects.get(code="e"), role="safety_officer")
    Membership.objects.create(user=governor, org=Org.objects.get(code="p"), role="regulator")
    assert [e.source for e in services.lines(NOON, LATER, user=officer)] == [
        "dev-mine",
        "mqtt:mine",
        "replay:tep@mine",
    ]
    assert len(services.lines(NOON, LATER, user=governor)) == 6
    assert services.unbalanced(NOON, LATER, user=governor) == []
