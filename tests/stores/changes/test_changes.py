import asyncio

import pytest
from django.db import connection, transaction

from fengsui.stores import changes
from fengsui.stores.changes import ChangeWatch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def things(transactional_db):
    """A table of the test's own with a counter on it."""
    operation = changes.bump_on_change("changes_test_things", "test_things")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changes_test_things (id int)")
        cursor.execute(operation.sql)
        yield cursor
        cursor.execute(operation.reverse_sql)
        cursor.execute("DROP TABLE changes_test_things")
        cursor.execute("DELETE FROM changes_change WHERE name = 'test_things'")


def test_a_statement_moves_the_counter_once_whatever_its_size(things):
    things.execute("INSERT INTO changes_test_things SELECT generate_series(1, 1000)")
    assert changes.numbers()["test_things"] == 1
    things.execute("UPDATE changes_test_things SET id = id + 1")
    things.execute("DELETE FROM changes_test_things WHERE id < 10")
    things.execute("TRUNCATE changes_test_things")
    assert changes.numbers()["test_things"] == 4


def test_a_rolled_back_change_moves_nothing(things):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        things.execute("INSERT INTO changes_test_things VALUES (1)")
        raise ZeroDivisionError
    assert "test_things" not in changes.numbers()


def test_the_first_look_only_remembers(things):
    things.execute("INSERT INTO changes_test_things VALUES (1)")
    watch = ChangeWatch("test_things")
    assert watch.look() == set()
    things.execute("INSERT INTO changes_test_things VALUES (2)")
    changes.bump(["test_other"])
    assert watch.look() == {"test_things"}
    assert watch.look() == set()


def test_a_watch_that_knows_its_numbers_tells_at_the_first_look(things):
    things.execute("INSERT INTO changes_test_things VALUES (1)")
    assert ChangeWatch("test_things", since={"test_things": 0}).look() == {"test_things"}
    assert ChangeWatch("test_things", since={"test_things": 1}).look() == set()


def test_follow_yields_each_change():
    async def first() -> set[str]:
        watch = ChangeWatch("test_followed")
        await watch.poll()
        await asyncio.to_thread(changes.in_thread, changes.bump, ["test_followed"])
        async for moved in watch.follow(every_s=0.01):
            return moved
        raise AssertionError

    assert asyncio.run(asyncio.wait_for(first(), 20)) == {"test_followed"}


def test_names_that_are_not_words_are_refused():
    with pytest.raises(ValueError, match="plain word"):
        changes.bump_on_change("x; DROP TABLE y", "rules")
