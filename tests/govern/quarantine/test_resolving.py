"""What a data steward does, and what becomes of it on the bus."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.utils import timezone

from fengsui.base.batch import decode
from fengsui.base.errors import NotAllowed
from fengsui.base.quality import Reason
from fengsui.govern.quarantine import handlers, services
from fengsui.govern.quarantine.errors import BadCorrection
from fengsui.govern.quarantine.models import CheckPolicy, Held, Resolution
from fengsui.govern.quarantine.services import Correction
from fengsui.people.audit.models import Entry
from fengsui.stores.outbox.models import Event
from fengsui.stores.outbox.services import Context, NotNow

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)


def hold(site, reason=Reason.RANGE, **more) -> Held:
    values = {"observed_at": AT, "value": 9.0, "received_at": AT, "source": "dev", **more}
    return Held.objects.create(site_id=site.pk, org_path=site.org_path, reason=reason, **values)


class Bus:
    """Takes what the handler publishes; away when told."""

    def __init__(self, away_after: int = 10**9):
        self.sent: list[tuple[str, bytes, str]] = []
        self.away_after = away_after

    async def publish(self, subject, data, msg_id):
        if len(self.sent) >= self.away_after:
            raise TimeoutError
        self.sent.append((subject, data, msg_id))


def carry_out(resolution, bus):
    context = Context(1, "quarantine.replay", 0, timezone.now(), bus)

    async def run():
        try:
            await handlers.replay(context, {"resolution_id": resolution.pk})
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(run())


def test_a_steward_sees_and_resolves_only_below_his_organisation(plant):
    mine, theirs = hold(plant.site_e), hold(plant.site_o)
    assert list(services.held_visible_to(plant.steward_e)) == [mine]
    with pytest.raises(NotAllowed):
        services.dismiss(plant.steward_e, [theirs.pk], "no")
    with pytest.raises(NotAllowed):
        services.dismiss(plant.officer_e, [mine.pk], "sees, but may not")
    with pytest.raises(NotAllowed):
        services.replay(plant.steward_e, [mine.pk, theirs.pk])
    assert Held.objects.filter(status="held").count() == 2


def test_dismissing_needs_a_reason_and_is_audited(plant):
    row = hold(plant.site_e)
    with pytest.raises(BadCorrection):
        services.dismiss(plant.steward_e, [row.pk], " ")
    resolution = services.dismiss(plant.steward_e, Held.objects.resolvable_by(plant.steward_e), "test bench")
    row.refresh_from_db()
    assert (row.status, row.resolved_by, row.resolved_in) == ("dismissed", plant.steward_e, resolution)
    entry = Entry.objects.get(action="quarantine.dismissed")
    assert entry.org_path == plant.site_e.org_path
    assert not Event.objects.filter(topic="quarantine.replay").exists()
    with pytest.raises(BadCorrection):
        services.dismiss(plant.steward_e, [row.pk], "again")


@pytest.mark.parametrize(
    ("row", "correction", "expected"),
    [
        ({"datastream": "level"}, {}, ("level", 0, 9.0)),
        ({"datastream": "level"}, {"value": 0.0}, ("level", 0, 0.0)),
        ({"datastream": "level"}, {"time": AT + timedelta(hours=1)}, ("level", 3_600_000, 9.0)),
        ({"datastream": "level"}, {"shift": timedelta(seconds=-90)}, ("level", -90_000, 9.0)),
        ({"sent_code": "level", "reason": Reason.UNKNOWN_DATASTREAM}, {}, ("level", 0, 9.0)),
        ({"sent_code": "lvl", "reason": Reason.UNKNOWN_DATASTREAM}, {"to": "level"}, ("level", 0, 9.0)),
        ({"datastream": "level", "value": None, "sent_value": "8.5"}, {}, ("level", 0, 8.5)),
        ({"datastream": "level", "observed_at": None, "sent_time": str(AT_MS + 7)}, {}, ("level", 7, 9.0)),
        ({"datastream": "level", "observed_at": None, "sent_time": AT.isoformat()}, {}, ("level", 0, 9.0)),
        ({"datastream": "level", "reason": Reason.UNIT, "sent_unit": "mm"}, {}, ("level", 0, 0.009)),
        (
            {"datastream": "level", "reason": Reason.UNIT, "sent_unit": "?"},
            {"unit": "cm"},
            ("level", 0, 0.09),
        ),
        (
            {"datastream": "level", "reason": Reason.CONFLICT},
            {"shift": timedelta(seconds=1)},
            ("level", 1000, 9.0),
        ),
    ],
)
def test_what_is_sent_again_is_what_was_corrected(plant, row, correction, expected):
    if "datastream" in row:
        row = {**row, "datastream": getattr(plant, f"{row['datastream']}_e")}
    if "to" in correction:
        correction = {"datastream_id": getattr(plant, f"{correction['to']}_e").pk}
    held = hold(plant.site_e, **row)
    services.replay(plant.steward_e, [held.pk], Correction(**correction), "seen on site")
    held.refresh_from_db()
    name, after_ms, value = expected
    assert held.status == "replayed"
    assert held.resolution["datastream"] == getattr(plant, f"{name}_e").pk
    assert held.resolution["time_ms"] == AT_MS + after_ms
    assert held.resolution["value"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("row", "correction"),
    [
        ({"sent_code": "nobody"}, {}),
        ({"datastream": "level", "value": None, "sent_value": "high"}, {}),
        ({"datastream": "level", "value": None, "sent_value": "inf"}, {}),
        ({"datastream": "level", "observed_at": None, "sent_time": "soon"}, {}),
        ({"datastream": "level", "reason": Reason.UNIT, "sent_unit": "kPa"}, {}),
        ({"datastream": "level", "reason": Reason.CONFLICT}, {}),
    ],
)
def test_what_cannot_be_sent_again_says_why_and_changes_nothing(plant, row, correction):
    if "datastream" in row:
        row = {**row, "datastream": plant.level_e}
    good, bad = hold(plant.site_e, datastream=plant.level_e), hold(plant.site_e, **row)
    with pytest.raises(BadCorrection) as caught:
        services.replay(plant.steward_e, [good.pk, bad.pk], Correction(**correction))
    assert list(caught.value.rows) == [bad.pk]
    assert Held.objects.filter(status="held").count() == 2
    assert not Resolution.objects.exists()


def test_a_datastream_of_another_site_is_refused(plant):
    row = hold(plant.site_e, datastream=plant.level_e)
    with pytest.raises(BadCorrection) as caught:
        services.replay(plant.steward_e, [row.pk], Correction(datastream_id=plant.level_o.pk))
    assert list(caught.value.rows) == [row.pk]


@pytest.mark.django_db(transaction=True)
def test_a_replay_reaches_the_bus_in_batches_of_a_site_and_goes_on_where_it_was(plant, monkeypatch):
    monkeypatch.setattr(handlers, "ROWS_A_MESSAGE", 2)
    rows = [
        hold(plant.site_e, datastream=plant.level_e, observed_at=AT + timedelta(seconds=i)) for i in range(5)
    ]
    resolution = services.replay(
        plant.steward_e, [r.pk for r in rows], Correction(shift=timedelta(seconds=1))
    )
    first = Bus(away_after=1)
    with pytest.raises(NotNow):
        carry_out(resolution, first)
    second = Bus()
    carry_out(resolution, second)
    sent = first.sent + second.sent
    assert len(sent) == len({msg_id for _s, _d, msg_id in sent}) == 3
    messages = [decode(data) for _subject, data, _id in sent]
    assert {m.number for m in messages} == {1}
    batches = [b for m in messages for b in m.batches]
    assert {b.source for b in batches} == {"steward:steward-e"}
    assert [t for b in batches for t in b.time_ms.tolist()] == [AT_MS + 1000 * (i + 1) for i in range(5)]
    resolution.refresh_from_db()
    assert (resolution.sent, resolution.done_at is not None) == (3, True)
    third = Bus()
    carry_out(resolution, third)
    assert third.sent == []


def test_the_policy_is_data_with_an_audit_entry(plant, django_user_model):
    root = django_user_model.objects.create(username="root", is_superuser=True)
    services.edit_policy(root, late_after_ms=60_000)
    assert CheckPolicy.objects.get(pk="default").late_after_ms == 60_000
    assert Entry.objects.filter(action="policy.edited").exists()
    with pytest.raises(NotAllowed):
        services.edit_policy(plant.steward_e, late_after_ms=1)
    with pytest.raises(BadCorrection):
        services.edit_policy(root, late_after_ms=10**12)
    with pytest.raises(BadCorrection):
        services.edit_policy(root, late_after_ms=-1)


def test_held_rows_follow_their_site_to_another_organisation(plant):
    row = hold(plant.site_e)
    plant.site_e.org = plant.org_o
    plant.site_e.save()
    row.refresh_from_db()
    assert row.org_path == plant.org_o.path
