"""A warning from draft to feed: four eyes, the linter, one signature, updates, cancellations, expiry."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from fengsui.base.errors import NotAllowed
from fengsui.people.audit.models import Entry
from fengsui.stores import clock
from fengsui.stores.outbox.models import Event
from fengsui.warn.cap import china, times
from fengsui.warn.cap.checks import check
from fengsui.warn.cap.rules import ERROR
from fengsui.warn.cap.signature import read_certificates
from fengsui.warn.warnings import content, keys, services
from fengsui.warn.warnings.errors import BadWarning, NotFit, SameEyes, WrongState
from fengsui.warn.warnings.models import Message, Population, State, Warning
from tests.warn.warnings.bureau import Bureau


def certificates() -> list:
    return read_certificates(Path(settings.CAP_CERTIFICATE).read_bytes())


def test_what_is_approved_is_signed_and_in_force_and_says_what_was_written(bureau: Bureau):
    message = bureau.published()
    document = check(bytes(message.document), trusted=certificates())
    assert document.all_problems() == ()
    (one,) = document.alerts
    assert one.verdict.state == message.signature == "valid"
    assert (one.alert.msg_type, one.alert.status, one.alert.scope) == ("Alert", "Actual", "Public")
    assert china.is_identifier(one.alert.identifier)
    assert one.alert.sender == "42050041600000"
    chinese, english = one.alert.infos
    assert (chinese.language, chinese.event, chinese.severity) == ("zh-CN", "暴雨", "Severe")
    assert (english.language, english.event) == ("en-US", "Rainstorm")
    assert chinese.areas[0].polygons[0][0] == (30.6, 111.2)  # latitude first
    assert chinese.areas[0].polygons[0][0] == chinese.areas[0].polygons[0][-1]
    assert china.to_china(one.alert).severity == "Orange"
    assert list(Message.objects.in_force(clock.now())) == [message]
    assert list(message.warning.deeds.order_by("id").values_list("what", flat=True)) == [
        "drafted",
        "submitted",
        "reviewed",
        "approved",
        "published",
    ]
    actions = set(Entry.objects.filter(object_type__icontains="warning").values_list("action", flat=True))
    assert {"warning.drafted", "warning.submitted", "warning.reviewed", "warning.approved"} <= actions


def test_nothing_goes_out_before_the_worker_has_signed_it_and_then_once(bureau: Bureau):
    warning = bureau.approved()
    assert warning.state == State.APPROVED
    assert not Message.objects.exists()
    for _ in range(2):
        services.publish(warning.pk)
    Event.objects.filter(topic="warning.approved").update(handled_at=None)
    bureau.work()
    assert Message.objects.count() == 1
    warning.refresh_from_db()
    assert warning.state == State.PUBLISHED


def test_a_key_that_cannot_be_used_keeps_the_warning_waiting_and_says_so(bureau: Bureau, own_keys):
    held = (own_keys / "key.pem").read_bytes()
    (own_keys / "key.pem").write_text("no key")
    warning = bureau.approved()
    from fengsui.stores.outbox.services import drain
    from tests.warn.warnings.bureau import HANDLERS

    assert drain(HANDLERS, 10).failed == 1
    assert not Message.objects.exists()
    assert "holds no unencrypted key" in Event.objects.get(topic="warning.approved").error
    (own_keys / "key.pem").write_bytes(held)
    Event.objects.update(not_before=None)
    bureau.work()
    assert Message.objects.get().warning_id == warning.pk


class TestFourEyes:
    def test_whoever_wrote_does_not_review(self, bureau: Bureau):
        chief = bureau.chief
        warning = services.create_draft(chief, bureau.issuer, bureau.values())
        warning = services.submit(chief, warning)
        with pytest.raises(SameEyes):
            services.review(chief, warning)
        assert Entry.objects.filter(action="warning.review", ok=False).exists()

    def test_whoever_only_edited_wrote_too(self, bureau: Bureau):
        warning = bureau.draft()
        warning = services.edit(bureau.reviewer, warning, {"contact": "12379"})
        warning = services.submit(bureau.writer, warning)
        with pytest.raises(SameEyes):
            services.review(bureau.reviewer, warning)

    def test_neither_writer_nor_reviewer_approves(self, bureau: Bureau):
        warning = services.submit(bureau.writer, bureau.draft())
        warning = services.review(bureau.chief, warning)
        with pytest.raises(SameEyes):
            services.approve(bureau.chief, warning)
        second = bureau.person("commander", bureau.city)
        assert services.approve(second, warning).state == State.APPROVED

    def test_an_officer_may_not_approve_and_a_stranger_may_nothing(self, bureau: Bureau):
        warning = services.submit(bureau.writer, bureau.draft())
        with pytest.raises(NotAllowed):
            services.review(bureau.stranger, warning)
        warning = services.review(bureau.reviewer, warning)
        other = bureau.person("duty_officer", bureau.city)
        for who in (other, bureau.stranger):
            with pytest.raises(NotAllowed):
                services.approve(who, warning)
        assert list(Warning.objects.visible_to(bureau.stranger)) == []


def test_what_was_submitted_cannot_be_edited_and_what_came_back_can(bureau: Bureau):
    warning = services.submit(bureau.writer, bureau.draft())
    with pytest.raises(WrongState):
        services.edit(bureau.writer, warning, {"headline": "x"})
    with pytest.raises(BadWarning):
        services.send_back(bureau.reviewer, warning, " ")
    warning = services.send_back(bureau.reviewer, warning, "标题太长")
    assert warning.state == State.DRAFT
    warning = services.edit(bureau.writer, warning, {"headline": "暴雨橙色预警"})
    assert content.read(warning.content).headline == "暴雨橙色预警"


def test_content_changed_behind_the_services_is_not_approved(bureau: Bureau):
    warning = services.review(bureau.reviewer, services.submit(bureau.writer, bureau.draft()))
    Warning.objects.filter(pk=warning.pk).update(
        content=warning.content | {"instruction": "什么都不用做，放心睡觉。"}
    )
    warning.refresh_from_db()
    with pytest.raises(WrongState, match=r"what was submitted|与送审时不一致"):
        services.approve(bureau.chief, warning)


def test_two_who_edit_at_once_do_not_overwrite_each_other(bureau: Bureau):
    warning = bureau.draft()
    old = Warning.objects.get(pk=warning.pk)
    services.edit(bureau.writer, warning, {"contact": "1"})
    with pytest.raises(WrongState):
        services.edit(bureau.chief, old, {"contact": "2"})


@pytest.mark.parametrize(
    "changes",
    [
        {"headline": ""},
        {"headline": "宜昌市气象台发布暴雨红色预警"},  # and the level is orange
        {"description": "雨"},
        {"instruction": ""},
        {"area_desc": "", "divisions": [], "polygons": []},
        {"divisions": [], "polygons": []},
        {"expires_at": None},
        {"expires_at": clock.now() - timedelta(hours=1)},
        {"event_type": ""},
        {"status": "Exercise", "responses": ["None"]},
    ],
)
def test_a_draft_that_does_not_answer_the_questions_is_not_submitted(bureau: Bureau, changes):
    warning = bureau.draft(**changes)
    with pytest.raises(NotFit):
        services.submit(bureau.writer, warning)
    warning.refresh_from_db()
    assert warning.state == State.DRAFT


@pytest.mark.parametrize(
    "changes",
    [
        {"level": 5},
        {"status": "Real"},
        {"event_type": "99X"},
        {"polygons": [[(111.2, 30.6), (111.3, 30.8), (111.3, 30.6), (111.2, 30.8)]]},  # crosses itself
        {"polygons": [[(30.6, 111.2), (30.6, 111.3), (30.8, 111.3)]]},  # swapped
        {"circles": [(111.2, 30.6, -1)]},
        {"divisions": ["123"]},
        {"headline": "x" * 161},
        {"responses": ["Panic"]},
    ],
)
def test_a_field_that_cannot_be_used_is_refused_by_name(bureau: Bureau, changes):
    with pytest.raises(BadWarning):
        bureau.draft(**changes)


def test_another_level_for_the_same_event_and_area_is_a_contradiction_until_it_is_an_update(bureau: Bureau):
    first = bureau.published()
    red = bureau.draft(level=1, headline="宜昌市气象台发布暴雨红色预警")
    with pytest.raises(NotFit, match="暴雨橙色预警"):
        services.submit(bureau.writer, red)
    elsewhere = bureau.draft(
        level=1,
        headline="宜昌市气象台发布暴雨红色预警",
        divisions=["420581"],
        polygons=[],
        area_desc="宜都市",
    )
    assert services.submit(bureau.writer, elsewhere).state == State.REVIEW
    update = services.follow_up(bureau.writer, first, "Update")
    update = services.edit(
        bureau.writer, update, {"level": 1, "headline": "宜昌市气象台升级发布暴雨红色预警"}
    )
    assert services.submit(bureau.writer, update).state == State.REVIEW


def test_an_update_replaces_and_a_cancellation_ends_with_the_right_references(bureau: Bureau):
    first = bureau.published()
    update = services.follow_up(bureau.writer, first, "Update")
    assert (
        services.follow_up(bureau.writer, first, "Update").pk == update.pk
    )  # a second click makes no second draft
    second = bureau.published(update)
    first.refresh_from_db()
    assert (first.ended_by_id, first.ended_how) == (second.pk, "Update")
    alert = check(bytes(second.document)).alerts[0].alert
    said = check(bytes(first.document)).alerts[0].alert
    assert [(r.sender, r.identifier, r.sent) for r in alert.references] == [
        (said.sender, said.identifier, said.sent_text)
    ]
    assert replace(alert.infos[0], effective=None) == replace(
        said.infos[0], effective=None
    )  # the whole state again
    with pytest.raises(WrongState):
        services.follow_up(bureau.writer, first, "Cancel")
    last = bureau.published(services.follow_up(bureau.writer, second, "Cancel"))
    second.refresh_from_db()
    assert (second.ended_by_id, second.ended_how) == (last.pk, "Cancel")
    assert not Message.objects.in_force(clock.now()).exists()
    over = check(bytes(last.document)).alerts[0].alert
    assert over.infos[0].responses == ("AllClear",)
    assert over.infos[0].headline == "宜昌市气象台解除暴雨橙色预警"
    assert all(one.severity != ERROR for one in check(bytes(last.document)).all_problems())


def test_two_updates_of_one_message_cannot_both_go_out(bureau: Bureau):
    first = bureau.published()
    update = services.follow_up(bureau.writer, first, "Update")
    cancel = services.follow_up(bureau.writer, first, "Cancel")
    cancel = services.review(bureau.reviewer, services.submit(bureau.writer, cancel))
    bureau.approved(update)  # not published yet
    with pytest.raises(WrongState):
        services.approve(bureau.chief, Warning.objects.get(pk=cancel.pk))
    bureau.work()
    with pytest.raises(WrongState):
        services.approve(bureau.chief, Warning.objects.get(pk=cancel.pk))


def test_a_warning_expires_without_anybody_doing_anything(bureau: Bureau):
    message = bureau.published()
    end = message.expires_at
    assert list(Message.objects.in_force(end - timedelta(seconds=1))) == [message]
    assert not Message.objects.in_force(end).exists()


def test_ten_warnings_in_one_second_have_ten_numbers_and_the_eleventh_the_next_second(bureau: Bureau):
    now = clock.now()
    numbers = set()
    for i in range(11):
        number, sent = services._next_number(bureau.issuer, now)
        numbers.add(number)
        Message.objects.create(
            org=bureau.city,
            org_path=bureau.city.path,
            identifier=number,
            sender=bureau.issuer.code,
            sent_at=sent,
            received_at=now,
            expires_at=now,
            document=b"",
            status="Actual",
            msg_type="Alert",
            scope="Public",
        )
        assert sent == now.replace(microsecond=0) + timedelta(seconds=1 if i == 10 else 0)
    assert len(numbers) == 11


def test_an_exercise_is_published_and_never_the_real_thing(bureau: Bureau):
    message = bureau.published(status="Exercise", note="2026年防汛演练")
    assert message.status == "Exercise"
    assert not Message.objects.in_force(clock.now()).exists()
    assert not Message.objects.public().exists()


def test_people_are_counted_where_every_division_is_known(bureau: Bureau):
    warning = bureau.draft(divisions=["420502", "420503"])
    facts = {one.question: one for one in services.findings(warning)}
    assert facts["people"].severity == "mind"
    for code, people in (("420502", 500_000), ("420503", 300_000)):
        Population.objects.create(division_code=code, people=people, source="test", as_of="2026-01-01")
    facts = {one.question: one for one in services.findings(warning)}
    assert "800,000" in facts["people"].words.en


def test_a_draft_from_an_alarm_says_where_and_what_and_is_not_fit_as_it_is(bureau: Bureau):
    from types import SimpleNamespace as Row

    alarm = Row(
        priority=1,
        site=Row(name="东山化工厂", longitude=111.29, latitude=30.69),
        datastream=Row(name="硫化氢", unit="ppm"),
        peak_value=31.5,
        raised_at=clock.now(),
        grounds=None,
        get_kind_display=lambda: "高高报",
    )
    values = services.suggested(alarm)
    assert values["circles"] == [(111.29, 30.69, 1.0)]
    assert "31.5 ppm" in values["description"]
    warning = services.create_draft(bureau.writer, bureau.issuer, values)
    with pytest.raises(NotFit):
        services.submit(bureau.writer, warning)


def test_a_key_is_made_once_and_is_the_same_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "CAP_KEY", tmp_path / "secrets" / "key.pem")
    monkeypatch.setattr(settings, "CAP_CERTIFICATE", tmp_path / "secrets" / "certificate.pem")
    monkeypatch.setattr(settings, "CAP_KEY_IS_OURS", True)
    key, certificate = keys.signing()
    assert key.key_size == 3072
    assert (tmp_path / "secrets" / "key.pem").stat().st_mode & 0o077 == 0
    assert keys.signing()[1] == certificate


def test_times_are_in_beijing_and_to_the_second(bureau: Bureau):
    message = bureau.published()
    assert message.sent_text == times.write(message.sent_at.astimezone(times.BEIJING))
    assert message.sent_text.endswith("+08:00")
