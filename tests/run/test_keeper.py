"""Housekeeping goes on beside a file that cannot be read, and by the policy in force."""

from datetime import UTC, datetime, timedelta

import pytest

from fengsui.govern.retention.models import Policy
from fengsui.people.audit.models import Entry
from fengsui.run.pipeline.keeper import Keeper
from fengsui.stores.history.models import Deletion, Segment
from tests.stores.history.conftest import DAY, make_rows
from tests.stores.history.conftest import catalogue as made_catalogue
from tests.stores.history.test_segments import store

pytestmark = pytest.mark.django_db
catalogue = made_catalogue


def midnight(days_ago: int) -> int:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    return round(day.timestamp() * 1000)


def test_a_damaged_file_stops_neither_merging_elsewhere_nor_deletion_nor_the_pipeline(catalogue):
    for back in (90, 80, 70):
        for part in range(2):
            start = midnight(back) + part * DAY // 2
            store(catalogue, make_rows([1, 2], [start, start + 1000]))
    Segment.objects.update(created_at=datetime.now(UTC) - timedelta(hours=1))
    damaged = Segment.objects.order_by("first_ms").first()
    (catalogue.folder / damaged.path).write_bytes(b"PAR1 not any more PAR1")
    Policy.objects.create(raw_days=60, reason="decided", made_by="tester")
    keeper = Keeper(catalogue, 0, 1)
    for _ in range(12):
        keeper.run_round()
    assert list(Segment.objects.values_list("path", flat=True)) == [damaged.path]
    assert sum(Deletion.objects.values_list("rows", flat=True)) == 10
    assert Entry.objects.filter(action="history.deleted").count() == Deletion.objects.count()


def test_a_rule_that_is_ended_deletes_no_more(catalogue):
    store(catalogue, make_rows([1], [midnight(70)]))
    row = Policy.objects.create(raw_days=60, reason="decided", made_by="tester")
    keeper = Keeper(catalogue, 0, 1)
    Policy.objects.filter(pk=row.pk).update(ended_at=datetime.now(UTC))
    keeper.run_round()
    assert Segment.objects.count() == 1
    Policy.objects.create(raw_days=65, reason="decided", made_by="tester")
    keeper.run_round()
    assert Segment.objects.count() == 0
