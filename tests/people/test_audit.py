import threading

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from fengsui.people import audit
from fengsui.people.audit import chain, context, services
from fengsui.people.audit.models import Entry

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture
def unguarded(db):
    """The table as someone with the database password finds it: triggers off, content for the taking."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_unchanging")
        yield cursor
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_unchanging")


def test_sm3_gives_the_standards_own_values():
    assert chain.sm3(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert chain.sm3(b"abcd" * 16) == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_entries_are_chained_from_the_first_on(tree, person):
    officer = person("duty_officer", tree.yichang)
    first = audit.record(officer, "alarm.acked", tree.plant, note="看过了", value=1e22)
    second = audit.record(None, "platform.started")
    assert first.prev_hash == chain.GENESIS
    assert second.prev_hash == first.hash
    assert (first.org_path, first.actor_roles, first.object_type) == (
        tree.plant.path,
        "duty_officer",
        "orgs.org",
    )
    verdict = services.verify()
    assert verdict.whole
    assert (verdict.entries, verdict.head_hash) == (2, second.hash)


@pytest.mark.django_db
def test_an_empty_trail_is_whole():
    assert services.verify().whole


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_entry SET actor_name = 'someone' WHERE id = %s",
        "UPDATE audit_entry SET detail = jsonb_set(detail, '{n}', '2') WHERE id = %s",
        "UPDATE audit_entry SET ok = NOT ok WHERE id = %s",
        "UPDATE audit_entry SET at = at + interval '1 microsecond' WHERE id = %s",
        "UPDATE audit_entry SET source_ip = '10.0.0.9' WHERE id = %s",
        "UPDATE audit_entry SET hash = overlay(hash placing '0' from 5 for 1) || '' WHERE id = %s",
    ],
)
def test_one_changed_byte_is_found_where_it_is(unguarded, change):
    entries = [audit.record("gateway", "device.refused", n=1, source_ip="10.0.0.1") for _ in range(5)]
    unguarded.execute(
        "UPDATE audit_entry SET hash = repeat('f', 64) WHERE id = %s AND hash ~ '^....0'", [entries[2].id]
    )
    unguarded.execute(change, [entries[2].id])
    assert services.verify().broken_id == entries[2].id


@pytest.mark.django_db
def test_a_removed_entry_is_found_at_the_next_one_and_a_cut_tail_by_a_noted_head(unguarded):
    entries = [audit.record(None, "tick", n=n) for n in range(4)]
    head = (entries[3].id, entries[3].hash)
    assert services.verify(head=head).whole
    unguarded.execute("DELETE FROM audit_entry WHERE id = %s", [entries[1].id])
    assert services.verify().broken_id == entries[2].id
    unguarded.execute("DELETE FROM audit_entry WHERE id >= %s", [entries[1].id])
    assert services.verify().whole
    assert services.verify(head=head).broken_id == entries[3].id


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", ["UPDATE audit_entry SET ok = false", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_the_database_refuses_to_change_the_trail(change):
    audit.record(None, "tick")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(change)
    assert Entry.objects.count() == 1


@pytest.mark.django_db
@given(detail=st.dictionaries(st.text(), JSON, max_size=4), name=st.text(max_size=300))
def test_whatever_is_noted_hashes_the_same_when_read_again(detail, name):
    with transaction.atomic():
        entry = services.record(name, "noted", name, **{"detail": detail})
        again = Entry.objects.get(pk=entry.pk)
        values = {field: getattr(again, field) for field in chain.FIELDS}
        assert chain.link(again.prev_hash, again.at, values) == again.hash
        transaction.set_rollback(True)


def test_entries_written_at_the_same_time_stay_one_chain(transactional_db):
    def write(number: int) -> None:
        try:
            for n in range(20):
                with transaction.atomic():
                    audit.record(f"thread {number}", "tick", n=n)
                    transaction.set_rollback(
                        n % 7 == 3
                    )  # a deed undone leaves no entry and no hole in the chain
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = services.verify()
    assert verdict.whole, verdict
    assert verdict.entries == 6 * 17


@pytest.mark.django_db
def test_a_refusal_inside_a_request_outlives_the_rollback():
    request = context.Serving(source_ip="10.1.2.3", session="s", request_id="r")
    with context.serving(request):
        with pytest.raises(RuntimeError), transaction.atomic():
            audit.refuse(None, "alarm.ack")
            raise RuntimeError
        assert not Entry.objects.exists()
        services.write_refusals(request)
    entry = Entry.objects.get()
    assert (entry.ok, entry.source_ip, entry.request_id) == (False, "10.1.2.3", "r")


def test_the_trail_is_read_only_where_audit_view_holds(tree, person):
    audit.record(None, "about the plant", tree.plant)
    audit.record(None, "about the province", tree.hubei)
    audit.record(None, "about nothing")
    seen = lambda user: set(Entry.objects.visible_to(user).values_list("action", flat=True))  # noqa: E731
    assert seen(person("commander", tree.yichang)) == {"about the plant"}
    assert seen(person("commander", tree.jingzhou)) == set()
    assert seen(person("viewer", tree.hubei)) == set()
    assert len(seen(person(is_superuser=True))) == 3


def test_secrets_and_their_hashes_never_go_into_the_trail(tree, person):
    entry = audit.record(
        None, "device.removed", "d", before={"code": "d", "secret_sha256": "ab" * 32, "secret": ""},
        rows=[{"password_sealed": "gAAAA", "new_password": "hunter2", "must_change_password": True}], etag="W/1",
    )  # fmt: skip
    entry.refresh_from_db()
    assert entry.detail == {
        "before": {"code": "d", "secret_sha256": "***", "secret": ""},
        "rows": [{"password_sealed": "***", "new_password": "***", "must_change_password": True}],
        "etag": "W/1",
    }
