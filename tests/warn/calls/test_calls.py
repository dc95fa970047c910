"""What may not go wrong with calls: tests of levels, doubles, strangers, codes, phone records, persons from a file."""

from datetime import timedelta

import pytest

from fengsui.base.errors import NotAllowed
from fengsui.loops import services as loops
from fengsui.loops.models import Loop
from fengsui.people.audit.models import Entry
from fengsui.run.handlers import HANDLERS
from fengsui.show.lists import calls as lists
from fengsui.stores.outbox.models import Event
from fengsui.stores.outbox.services import Context
from fengsui.warn.calls import codes, importing, services
from fengsui.warn.calls.errors import BadCall, BadContact, CallOver, NoSuchCode
from fengsui.warn.calls.models import Call, Callout, Contact


@pytest.mark.parametrize(
    ("level", "status", "called"),
    [
        ("red", "Actual", True),
        ("orange", "Exercise", True),
        ("yellow", "Actual", False),
        ("red", "Test", False),
    ],
)
def test_the_level_and_the_status_decide_whether_anybody_is_called(town, level, status, called):
    n = services.published(town.message(level, ("420505",), status=status).pk)
    assert bool(n) == called == Callout.objects.exists()


def test_publishing_again_calls_nobody_twice(town):
    town.contact("420505002", "甲")
    message = town.message(divisions=("420505",))
    assert services.published(message.pk) == 4
    assert services.published(message.pk) == 0
    assert services.chase(town.at).called == 0
    assert Call.objects.filter(callout__org=town.orgs["420505002"]).count() == 1


def test_an_area_that_holds_no_place_goes_to_the_sender_never_to_nobody(town):
    services.published(town.message(polygon=[(100.0, 20.0), (100.1, 20.0), (100.1, 20.1)]).pk)
    (callout,) = Callout.objects.all()
    assert callout.org == town.orgs["420500"]
    assert callout.state == "nobody"
    assert callout.loop.escalated_roles == ["commander", "duty_officer"]
    assert list(lists.mine(town.duty)) == [callout]


def test_a_stranger_sees_no_place_no_person_and_records_nothing(town):
    town.contact("420505002", "甲")
    message = town.message(divisions=("420505",))
    services.published(message.pk)
    assert not lists.callouts(town.stranger).exists()
    assert not lists.contacts(town.stranger).exists()
    assert lists.summary(town.stranger, message).places == 0
    with pytest.raises(NotAllowed):
        services.record_phone(town.stranger, town.callout("420505002"), who="甲")
    with pytest.raises(NotAllowed):
        services.start(town.stranger, message)
    with pytest.raises(NotAllowed):
        services.confirm(town.stranger, town.callout("420505002"))


def test_acting_on_the_page_of_the_loop_confirms_the_place(town):
    services.published(town.message(divisions=("420505002",)).pk)
    officer = town.person("duty_officer", "420505002")
    callout = town.callout("420505002")
    loops.act(officer, callout.loop_id, "confirm")
    event = Event.objects.get(topic="loop.acted")
    for _ in range(2):
        HANDLERS["loop.acted"](Context(event.pk, event.topic, 0, event.created_at), event.payload)
    callout.refresh_from_db()
    assert (callout.state, callout.how, callout.confirmed_above) == ("confirmed", "portal", False)


def test_a_code_is_not_stored_and_a_wrong_one_opens_nothing(town):
    town.contact("420505002", "甲")
    services.published(town.message(divisions=("420505002",)).pk)
    code = town.code("420505002", "甲")
    assert code not in "".join(Call.objects.values_list("code_sha256", flat=True)) + str(
        list(Event.objects.values())
    )
    for wrong in ("", "x", "0" * 10, code[:-1], "é" * 10, "\0" * 10):
        with pytest.raises(NoSuchCode):
            services.confirm_by_code(wrong)
    assert services.confirm_by_code(f" {codes.shown(code).lower()} ")[1]
    assert not services.confirm_by_code(code)[1]
    assert Entry.objects.filter(action="call.confirmed").count() == 2  # the place, and the plant below it


def test_nobody_confirms_what_is_over(town):
    town.contact("420505002", "甲")
    message = town.message(divisions=("420505002",))
    services.published(message.pk)
    code = town.code("420505002", "甲")
    services.chase(message.expires_at)
    assert {one.ended_why for one in Callout.objects.all()} == {"expired"}
    assert {loop.outcome for loop in Loop.objects.filter(kind_id="call_confirm")} == {"ended"}
    with pytest.raises(CallOver):
        services.confirm_by_code(code)
    town.at = message.expires_at
    with pytest.raises(CallOver):
        services.start(town.duty, message)


def test_a_phone_call_is_recorded_with_who_and_when(town):
    services.published(town.message(divisions=("420505002",)).pk)
    callout = town.callout("420505002")
    for who, minutes in (("", 0), ("x" * 101, 0), ("丙", -10), ("丙", 10)):
        with pytest.raises(BadCall):
            services.record_phone(town.duty, callout, who=who, spoke_at=town.at + timedelta(minutes=minutes))
    began = town.at
    town.at += timedelta(minutes=5)
    done = services.record_phone(town.duty, callout, who="丙", spoke_at=began + timedelta(minutes=3))
    assert (done.confirmed_by, done.recorded_by, done.how) == ("丙", str(town.duty), "phone")
    assert done.confirmed_at - done.opened_at == timedelta(minutes=3)
    assert "丙" in Loop.objects.get(pk=done.loop_id).deeds.get(action="record_call").note


# ---- persons from a file -----------------------------------------------------------------------------------------

HEAD = "单位编码,顺序,姓名,职务,电话,邮箱\n"


def test_one_bad_row_changes_nothing_and_each_says_why(town):
    raw = (
        f"{HEAD}420505002,1,甲,主任,0717-0000000,a@example.org\n"
        "421000,1,乙,,,\nplant,x,丙,,,\nplant,1,丁,,abc,\nplant,1,,,,\nplant,1,戊,,,nowhere\n420505002,2,甲,,,\n"
    ).encode()
    report = importing.import_contacts(town.duty, raw)
    assert [row for row, _why in report.bad] == [3, 4, 5, 6, 7, 8]
    assert not report.kept
    assert not Contact.objects.exists()


def test_a_check_changes_nothing_an_import_does_and_again_finds_the_same(town):
    raw = f"{HEAD}420505002,2,甲,主任,0717-0000000,\nplant,1,乙,,,\n".encode("gb18030")
    assert (importing.import_contacts(town.duty, raw, dry_run=True).added, Contact.objects.count()) == (2, 0)
    assert importing.import_contacts(town.duty, raw).kept
    again = importing.import_contacts(town.duty, raw)
    assert (again.added, again.changed, again.same) == (0, 0, 2)
    changed = importing.import_contacts(town.duty, raw.replace(b"0717-0000000", b"0717-1111111"))
    assert (changed.changed, Contact.objects.get(name="甲").phone) == (1, "0717-1111111")
    assert Entry.objects.filter(action="call.contacts.imported").count() == 2


def test_a_file_without_its_columns_and_a_person_without_the_right_are_refused(town):
    with pytest.raises(BadContact):
        importing.import_contacts(town.duty, b"a,b\n1,2\n")
    with pytest.raises(NotAllowed):
        importing.import_contacts(town.person("regulator", "420500"), f"{HEAD}plant,1,x,,,\n".encode())
