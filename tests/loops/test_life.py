"""The life of an alarm-disposal loop, by the right people."""

import hashlib
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction

from fengsui.base.errors import BadInput, NotAllowed
from fengsui.loops import kinds, services
from fengsui.loops.errors import ChangedMeanwhile, Incomplete, SamePerson, UnknownKind, WrongStep
from fengsui.loops.models import Deed, Evidence, Loop
from fengsui.people.audit.models import Entry
from fengsui.stores.outbox.models import Event

from .conftest import NOON, PNG

pytestmark = pytest.mark.django_db(transaction=True)
CAUSE = {"cause": "real", "measure": "Feed reduced, pressure back below 2895 kPa."}


@pytest.fixture
def safety(person, tree):
    return person("safety_officer", tree.plant)


@pytest.fixture
def county(person, tree):
    return person("duty_officer", tree.xiaoting)


def steps(loop: Loop) -> list[tuple[str, str]]:
    return list(loop.deeds.order_by("id").values_list("action", "to_step"))


def test_an_alarm_is_disposed_of_by_the_enterprise_and_checked_by_the_county(open_at, safety, county):
    loop = open_at(level=1)
    assert (loop.step, loop.due_at) == ("received", NOON + timedelta(minutes=10))
    loop = services.act(safety, loop, "acknowledge", at=NOON + timedelta(minutes=3))
    assert (loop.step, loop.due_at) == ("acknowledged", NOON + timedelta(minutes=63))
    loop = services.act(safety, loop, "handle", data={"cause": "real"}, at=NOON + timedelta(minutes=13))
    assert loop.due_at == NOON + timedelta(minutes=63), "handling runs on the clock of the acknowledgement"
    photo = SimpleUploadedFile("阀门.png", PNG, content_type="text/html")
    loop = services.act(
        safety, loop, "submit", note="done", data=CAUSE, files=[photo], at=NOON + timedelta(minutes=33)
    )
    assert (loop.step, loop.due_at) == ("to_check", NOON + timedelta(minutes=63))
    loop = services.act(county, loop, "check", at=NOON + timedelta(minutes=40))
    assert loop.due_at == NOON + timedelta(days=1), "the whole loop has a day"
    services.note_fact(loop.key, "cleared", "2026-05-04T04:20:00Z", at=NOON + timedelta(minutes=41))
    loop = services.act(county, loop, "close", at=NOON + timedelta(minutes=45))
    assert (loop.step, loop.outcome, loop.due_at, loop.escalate_at) == ("closed", "closed", None, None)
    assert loop.closed_at == NOON + timedelta(minutes=45)
    assert steps(loop) == [
        ("opened", "received"),
        ("acknowledge", "acknowledged"),
        ("handle", "handling"),
        ("submit", "to_check"),
        ("check", "checked"),
        ("noted", "checked"),
        ("close", "closed"),
    ]
    kept = Evidence.objects.get()
    assert kept.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (kept.name, kept.content_type, kept.size) == ("阀门.png", "image/png", len(PNG))
    assert kept.file.read() == PNG
    done = Entry.objects.filter(action__startswith="loop.", ok=True).order_by("id")
    assert [e.action for e in done] == [
        "loop.acknowledge",
        "loop.handle",
        "loop.submit",
        "loop.check",
        "loop.close",
    ]
    assert done[2].detail["evidence"][0]["sha256"] == kept.sha256
    assert done[2].org_path == loop.org_path


def test_each_change_is_told_once_with_its_own_message_id(open_at, safety):
    loop = open_at()
    services.act(safety, loop, "acknowledge")
    told = list(Event.objects.filter(topic="live").order_by("id").values_list("payload", flat=True))
    assert [t["msg_id"] for t in told] == [f"loop:{loop.pk}:1", f"loop:{loop.pk}:2"]
    assert [t["payload"]["step"] for t in told] == ["received", "acknowledged"]
    assert told[0]["subject"] == "live.loop"
    assert told[0]["payload"]["org_path"] == loop.org_path
    assert told[0]["payload"]["due_at_ms"] == round((NOON + timedelta(minutes=10)).timestamp() * 1000)


def test_opening_twice_gives_the_same_loop_and_tells_once(open_at):
    assert open_at().pk == open_at(level=4).pk
    assert Event.objects.filter(topic="live").count() == 1
    assert Deed.objects.count() == 1


def test_a_kind_nobody_knows_and_a_level_out_of_range_are_refused(open_at, tree):
    with pytest.raises(BadInput):
        open_at(level=5)
    with pytest.raises(UnknownKind):
        services.open_loop(kind="nothing", key="k", title="t", org=tree.plant, level=1, at=NOON)


@pytest.mark.parametrize(
    ("level", "minutes"), [(1, (10, 60, 30)), (2, (10, 60, 30)), (3, (30, 120, 30)), (4, (120, 240, 30))]
)
def test_limits_follow_the_level(open_at, safety, level, minutes):
    loop = open_at(level=level)
    limits = [loop.due_at - loop.step_since]
    loop = services.act(safety, loop, "acknowledge")
    limits.append(loop.due_at - loop.step_since)
    loop = services.act(safety, loop, "submit", data=CAUSE)
    limits.append(loop.due_at - loop.step_since)
    assert [limit.total_seconds() / 60 for limit in limits] == list(minutes)


def test_the_shipped_limits_say_that_they_are_not_verified():
    definition = kinds.shipped("alarm_disposal")
    assert all(
        not step.get("verified") and step["basis_zh"] for step in definition["steps"] if "limit_s" in step
    )


class TestWhoMay:
    def refused(self, why="people.not_allowed"):
        entry = Entry.objects.order_by("-id").first()
        assert (entry.ok, entry.action.startswith("loop.")) == (False, True)
        assert entry.detail.get("why", "people.not_allowed") == why
        return entry

    @pytest.mark.parametrize("role", ["viewer", "data_steward", "operator", "regulator"])
    def test_the_wrong_role_is_refused_and_audited(self, open_at, person, tree, role):
        loop = open_at()
        with pytest.raises(NotAllowed):
            services.act(person(role, tree.plant), loop, "acknowledge")
        assert self.refused().org_path == loop.org_path
        assert Loop.objects.get().step == "received"

    @pytest.mark.parametrize("place", ["neighbour", "mill", "jingzhou"])
    def test_another_organisation_is_refused_and_audited(self, open_at, person, tree, place):
        loop = open_at()
        with pytest.raises(NotAllowed):
            services.act(person("safety_officer", getattr(tree, place)), loop, "acknowledge")
        self.refused()

    def test_the_enterprise_does_not_check_itself(self, open_at, safety):
        loop = services.act(safety, services.act(safety, open_at(), "acknowledge"), "submit", data=CAUSE)
        with pytest.raises(NotAllowed):
            services.act(safety, loop, "check")
        self.refused()

    def test_whoever_submitted_does_not_check(self, open_at, county, person, tree):
        loop = services.act(county, services.act(county, open_at(), "acknowledge"), "submit", data=CAUSE)
        with pytest.raises(SamePerson):
            services.act(county, loop, "check")
        self.refused("loops.same_person")
        assert services.act(person("regulator", tree.yichang), loop, "check").step == "checked"

    def test_offers_say_what_each_may_do(self, open_at, safety, county, person, tree):
        loop = services.act(safety, services.act(safety, open_at(), "acknowledge"), "submit", data=CAUSE)
        assert [o.code for o in services.offers(county, loop) if o.allowed] == [
            "check",
            "return",
            "inspect",
            "comment",
        ]
        assert [o.code for o in services.offers(safety, loop) if o.allowed] == ["comment"]
        assert not any(o.allowed for o in services.offers(person("viewer", tree.hubei), loop))
        assert not any(o.allowed for o in services.offers(person("duty_officer", tree.jingzhou), loop))

    def test_lists_show_what_is_in_sight(self, open_at, person, tree):
        open_at(key="a")
        open_at(key="b", org=tree.mill)
        assert set(Loop.objects.visible_to(person("viewer", tree.yichang)).values_list("key", flat=True)) == {
            "a"
        }
        assert Loop.objects.visible_to(person("viewer", tree.hubei)).count() == 2
        assert Loop.objects.visible_to(person()).count() == 0


class TestWhatAnActionNeeds:
    @pytest.fixture
    def loop(self, open_at, safety):
        return services.act(safety, open_at(), "acknowledge")

    @pytest.mark.parametrize(
        ("data", "missing"),
        [
            ({}, ["cause", "measure"]),
            ({"cause": "real"}, ["measure"]),
            ({"measure": " \x00 ", "cause": "real"}, ["measure"]),
            ({"cause": "other", "measure": "m"}, ["note"]),
        ],
    )
    def test_what_is_missing_is_named(self, loop, safety, data, missing):
        with pytest.raises(Incomplete) as refusal:
            services.act(safety, loop, "submit", data=data)
        assert refusal.value.missing == missing
        assert Loop.objects.get().step == "acknowledged"

    @pytest.mark.parametrize(
        "data", [{"cause": "gremlins", "measure": "m"}, {"cause": "real", "measure": 7}, {"step": "closed"}]
    )
    def test_what_is_not_known_is_refused(self, loop, safety, data):
        with pytest.raises(BadInput):
            services.act(safety, loop, "submit", data=data)

    def test_a_note_too_long_is_refused(self, loop, safety):
        with pytest.raises(BadInput, match="4001 characters"):
            services.act(safety, loop, "comment", note="x" * 4001)

    def test_markup_in_a_note_is_only_text(self, loop, safety):
        services.act(safety, loop, "comment", note="<script>alert(1)</script>'; DROP TABLE x")
        assert Deed.objects.get(action="comment").note == "<script>alert(1)</script>'; DROP TABLE x"

    def test_a_false_alarm_needs_evidence_and_a_second_person(self, loop, safety, county):
        words = {"note": "test gas", "data": {"cause": "maintenance"}}
        with pytest.raises(Incomplete) as refusal:
            services.act(safety, loop, "report_false", **words)
        assert refusal.value.missing == ["evidence"]
        loop = services.act(safety, loop, "report_false", files=[("ticket.png", PNG)], **words)
        assert loop.step == "false_reported"
        loop = services.act(county, loop, "confirm_false")
        assert (loop.outcome, loop.closed_at is not None) == ("false_alarm", True)

    def test_a_returned_loop_goes_round_again(self, loop, safety, county):
        loop = services.act(safety, loop, "submit", data=CAUSE)
        loop = services.act(county, loop, "return", note="which valve?")
        assert loop.step == "returned"
        assert services.act(safety, loop, "submit", data=CAUSE).step == "to_check"

    def test_closing_an_alarm_that_still_stands_needs_a_word(self, loop, safety, county):
        loop = services.act(county, services.act(safety, loop, "submit", data=CAUSE), "check")
        with pytest.raises(Incomplete):
            services.act(county, loop, "close")
        assert services.act(county, loop, "close", note="instrument is being replaced").outcome == "closed"


class TestTwoPeopleAtOnce:
    def test_the_slower_one_learns_that_the_step_is_over(self, open_at, safety, county):
        loop = open_at()
        services.act(safety, loop, "acknowledge")
        with pytest.raises(WrongStep):
            services.act(county, loop, "acknowledge")

    def test_a_version_that_is_not_current_is_refused(self, open_at, safety):
        loop = open_at()
        services.act(safety, loop, "comment", note="one", version=1)
        with pytest.raises(ChangedMeanwhile):
            services.act(safety, loop, "comment", note="two", version=1)

    def test_a_closed_loop_takes_no_more_deeds(self, open_at, safety, county):
        loop = services.act(safety, services.act(safety, open_at(), "acknowledge"), "submit", data=CAUSE)
        loop = services.act(county, services.act(county, loop, "check"), "close", note="n")
        for action in ("close", "comment", "acknowledge"):
            with pytest.raises(WrongStep):
                services.act(county, loop, action, note="n")
        with pytest.raises(WrongStep):
            services.assign(county, loop, safety)


class TestAssigning:
    def test_a_duty_officer_asks_somebody_by_name(self, open_at, safety, county):
        loop = services.assign(county, open_at(), safety, note="please")
        assert loop.assignee == safety
        assert services.assign(county, loop, safety).version == loop.version
        assert Deed.objects.filter(action="assigned").count() == 1
        assert Entry.objects.filter(action="loop.assigned", ok=True).count() == 1

    def test_only_who_may_act_can_be_asked(self, open_at, county, person, tree):
        with pytest.raises(BadInput):
            services.assign(county, open_at(), person("safety_officer", tree.mill))

    def test_a_safety_officer_cannot_hand_it_to_others(self, open_at, safety, county):
        with pytest.raises(NotAllowed):
            services.assign(safety, open_at(), county)

    def test_mine_is_what_waits_for_me(self, open_at, safety, county, person, tree):
        city, loop = person("duty_officer", tree.yichang), open_at()
        mine = Loop.objects.mine
        assert [mine(u).count() for u in (safety, county, city)] == [1, 0, 0]
        services.assign(county, loop, city)
        assert [mine(u).count() for u in (safety, county, city)] == [0, 0, 1]
        loop = services.act(safety, loop, "acknowledge")
        assert [mine(u).count() for u in (safety, county, city)] == [1, 0, 0], "a step asks the role again"
        services.act(safety, loop, "submit", data=CAUSE)
        assert [mine(u).count() for u in (safety, county, city)] == [0, 1, 0]


class TestFollowing:
    def test_what_was_acknowledged_elsewhere_is_acknowledged_here_once(self, open_at, county):
        loop = open_at()
        for _ in range(2):
            services.follow(
                loop.key, "acknowledge", actor=county, at=NOON + timedelta(minutes=1), note="seen"
            )
        assert Loop.objects.get().step == "acknowledged"
        assert Deed.objects.filter(action="acknowledge", actor=county).count() == 1

    def test_a_loop_that_is_not_there_is_nothing(self, county):
        assert services.follow("alarm:9:9", "acknowledge", actor=county, at=NOON) is None
        assert services.note_fact("alarm:9:9", "cleared", 1, at=NOON) is None

    def test_a_fact_is_noted_once(self, open_at):
        loop = open_at()
        assert services.note_fact(loop.key, "cleared", 1, at=NOON) is not None
        assert services.note_fact(loop.key, "cleared", 2, at=NOON) is None
        assert Loop.objects.get().facts == {"cleared": 1}


class TestWhatIsKept:
    @pytest.mark.parametrize(
        "deed", [lambda: Deed.objects.update(note="x"), lambda: Deed.objects.all()._raw_delete("default")]
    )
    def test_the_database_refuses_to_change_or_lose_a_deed(self, open_at, deed):
        open_at()
        with pytest.raises(IntegrityError, match="kept as they are"), transaction.atomic():
            deed()

    def test_a_person_can_go_and_the_deed_keeps_the_name(self, open_at, safety):
        services.act(safety, open_at(), "acknowledge")
        safety.delete()
        deed = Deed.objects.get(action="acknowledge")
        assert (deed.actor_id, deed.actor_name) == (None, safety.username)

    def test_a_loop_follows_its_organisation_when_that_moves(self, open_at, tree):
        loop = open_at()
        tree.plant.path = f"{tree.jingzhou.path}{tree.plant.pk}/"
        tree.plant.save()
        loop.refresh_from_db()
        assert loop.org_path == tree.plant.path


class TestOpeningMany:
    def many(self, tree, keys):
        openings = [services.Opening(k, k, tree.plant, 2, NOON) for k in keys]
        return services.open_loops("alarm_disposal", openings)

    def test_those_that_are_there_are_returned_and_not_told_again(self, open_at, tree):
        there = open_at(key="b")
        loops = self.many(tree, "abc")
        assert set(loops) == set("abc")
        assert loops["b"].pk == there.pk
        assert Event.objects.filter(topic="live").count() == Deed.objects.count() == 3

    def test_the_number_of_statements_does_not_grow(self, tree, django_assert_max_num_queries):
        kinds.current("alarm_disposal")
        with django_assert_max_num_queries(12):
            self.many(tree, [f"k{n}" for n in range(50)])
        assert Loop.objects.count() == 50

    def test_one_that_somebody_opens_in_this_moment_is_theirs(self, open_at, tree, monkeypatch):
        real = Loop.objects.bulk_create

        def slower(rows, *args, **kwargs):
            monkeypatch.undo()
            open_at(key="b")
            return real(rows, *args, **kwargs)

        monkeypatch.setattr(
            type(Loop.objects), "bulk_create", lambda self, rows, *a, **k: slower(rows, *a, **k)
        )
        loops = self.many(tree, "abc")
        assert sorted(loops) == ["a", "b", "c"]
        assert Deed.objects.count() == Loop.objects.count() == 3
