"""What a kind of loop may say, and how it changes."""

import copy

import pytest
from django.db import IntegrityError, transaction

from fengsui.base.errors import BadInput, NotAllowed
from fengsui.loops import kinds, services
from fengsui.loops.errors import BadDefinition, ChangedMeanwhile, UnknownKind
from fengsui.loops.kinds import definition as schema
from fengsui.loops.models import Kind, KindChange
from fengsui.people.audit.models import Entry
from fengsui.people.orgs.models import OrgKind, Role

from .conftest import NOON


def example() -> dict:
    return copy.deepcopy(kinds.shipped("alarm_disposal"))


def problems(values: dict) -> list[str]:
    with pytest.raises(BadDefinition) as refusal:
        schema.read(values)
    return refusal.value.problems


@pytest.mark.parametrize("code", kinds.SHIPPED)
def test_every_kind_that_ships_can_be_read_and_read_again(code):
    read = schema.read(kinds.shipped(code))
    assert schema.read(schema.plain(read)) == read


def test_words_of_the_schema_are_those_of_the_organisations():
    assert set(schema.ROLES) == set(Role.values)
    assert set(schema.ORG_KINDS) == set(OrgKind.values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(start="nowhere"), "start: there is no step nowhere"),
        (lambda d: d.update(colour="red"), "unknown field `colour`"),
        (lambda d: d.pop("steps"), "missing required field `steps`"),
        (lambda d: d["steps"][0].update(limit_s={"1": 60}), "no limit for level 2, 3, 4"),
        (lambda d: d["steps"][0]["limit_s"].update({"1": 0}), "Expected `int` >= 1"),
        (lambda d: d["steps"][0]["limit_s"].update({"1": "soon"}), "Expected `int`, got `str`"),
        (lambda d: d["steps"][0]["actions"][0].update(to="moon"), "there is no step moon"),
        (lambda d: d["steps"][0]["actions"][0].update(requires=["luck"]), "Invalid enum value 'luck'"),
        (lambda d: d["steps"][0]["actions"][0].update(roles=["king"]), "Invalid enum value 'king'"),
        (lambda d: d["steps"][0]["actions"][0].update(roles=[]), "no role may do it"),
        (lambda d: d["steps"][0].update(actions=[]), "has no action"),
        (lambda d: d["steps"][0].update(desk="nearest:moon"), "moon is no kind of organisation"),
        (lambda d: d["steps"][0].update(desk="over there"), "Expected `str` matching regex"),
        (lambda d: d["steps"][0].update(code="Received!"), "Expected `str` matching regex"),
        (lambda d: d["steps"][2].update(clock="nowhere"), "clock: there is no step nowhere"),
        (lambda d: d["steps"].append(d["steps"][0]), "step received appears twice"),
        (lambda d: d["steps"][3]["actions"][0].update(other_than=["sleep"]), "which is no action"),
        (lambda d: d["ladder"][0].update(roles=[]), "rung 1: tells nobody"),
        (lambda d: d["ladder"][0].update(levels=[0]), "rung 1: levels are numbers from 1 to 4"),
        (lambda d: d.update(opens_at_levels=[5]), "opens_at_levels"),
        (lambda d: d.update(causes=[]), "requires a cause, but there are no causes"),
        (
            lambda d: d["steps"].append({"code": "island", "zh": "岛", "en": "Island", "final": True}),
            "step island is never reached",
        ),
        (lambda d: d.update(steps=[s for s in d["steps"] if not s.get("final")]), "there is no final step"),
    ],
)
def test_a_definition_that_cannot_work_is_refused_with_its_place(change, said):
    values = example()
    change(values)
    assert any(said in problem for problem in problems(values)), problems(values)


def test_a_step_without_a_way_out_is_found():
    values = example()
    for step in values["steps"]:
        for action in step.get("actions", []):
            if action["code"] in ("close", "confirm_false"):
                action["to"] = "received"
    said = problems(values)
    assert "step received never leads to a final step" in said
    assert "step closed is never reached" in said


def test_every_problem_is_named_at_once():
    values = example()
    values["start"] = "nowhere"
    values["steps"][0]["limit_s"] = {"1": 60}
    assert len(problems(values)) == 2


@pytest.mark.django_db(transaction=True)
class TestEditing:
    @pytest.fixture
    def operator(self, person, tree):
        return person("operator", tree.hubei)

    @pytest.fixture
    def shorter(self):
        kinds.current("alarm_disposal")
        values = example()
        values["steps"][0]["limit_s"]["1"] = 300
        return values

    def test_a_change_is_a_version_with_who_when_and_why(self, operator, shorter):
        row = services.edit_kind(operator, "alarm_disposal", shorter, reason="order of the bureau")
        assert row.version == 2
        change = KindChange.objects.get(kind="alarm_disposal", version=2)
        assert (change.actor_name, change.reason) == (operator.username, "order of the bureau")
        assert KindChange.objects.get(kind="alarm_disposal", version=1).actor_name == ""
        assert Entry.objects.get(action="loop.kind.edited").detail["version"] == 2

    def test_running_loops_keep_the_definition_they_opened_with(
        self, operator, shorter, open_at, person, tree
    ):
        old = open_at(level=1, key="old")
        without = copy.deepcopy(shorter)
        without["steps"][0]["actions"] = [a for a in without["steps"][0]["actions"] if a["code"] != "comment"]
        services.edit_kind(operator, "alarm_disposal", without, reason="r")
        new = open_at(level=1, key="new")
        assert [(loop.due_at - NOON).total_seconds() for loop in (old, new)] == [600, 300]
        safety = person("safety_officer", tree.plant)
        assert "comment" in [o.code for o in services.offers(safety, old)]
        assert "comment" not in [o.code for o in services.offers(safety, new)]

    def test_the_same_definition_again_is_no_change(self, operator):
        row = kinds.current("alarm_disposal")
        assert services.edit_kind(operator, row, row.definition, reason="r").version == 1

    def test_a_change_needs_a_reason(self, operator, shorter):
        with pytest.raises(BadInput):
            services.edit_kind(operator, "alarm_disposal", shorter, reason=" ")

    def test_a_change_of_an_older_version_is_refused(self, operator, shorter):
        services.edit_kind(operator, "alarm_disposal", shorter, reason="r", version=1)
        with pytest.raises(ChangedMeanwhile):
            services.edit_kind(operator, "alarm_disposal", example(), reason="r", version=1)

    @pytest.mark.parametrize(("role", "place"), [("operator", "yichang"), ("duty_officer", "hubei")])
    def test_kinds_hold_everywhere_so_the_right_must_too(self, person, tree, shorter, role, place):
        with pytest.raises(NotAllowed):
            services.edit_kind(person(role, getattr(tree, place)), "alarm_disposal", shorter, reason="r")
        assert Entry.objects.get().ok is False
        assert Kind.objects.get(pk="alarm_disposal").version == 1

    def test_what_a_bureau_changed_is_never_overwritten_by_a_newer_file(self, operator, shorter):
        services.edit_kind(operator, "alarm_disposal", shorter, reason="r")
        newer = example()
        newer["steps"][0]["limit_s"]["1"] = 900
        assert services.install_kind("alarm_disposal", newer) is False
        assert Kind.objects.get(pk="alarm_disposal").definition["steps"][0]["limit_s"]["1"] == 300

    def test_a_kind_nobody_touched_follows_its_file(self):
        kinds.current("alarm_disposal")
        assert kinds.install() == []
        newer = example()
        newer["steps"][0]["limit_s"]["1"] = 900
        assert services.install_kind("alarm_disposal", newer) is True
        assert Kind.objects.get(pk="alarm_disposal").version == 2

    def test_a_new_kind_is_data_only(self, operator, tree, person):
        values = {
            "zh": "值班交接",
            "en": "Handover",
            "start": "open",
            "steps": [
                {
                    "code": "open",
                    "zh": "待接班",
                    "en": "Open",
                    "roles": ["duty_officer"],
                    "actions": [{"code": "take", "zh": "接班", "en": "Take over", "to": "done"}],
                },
                {"code": "done", "zh": "已接班", "en": "Done", "final": True},
            ],
        }
        services.create_kind(operator, "handover", values, reason="new")
        loop = services.open_loop(
            kind="handover", key="handover:1", title="t", org=tree.yichang, level=4, at=NOON
        )
        assert (loop.due_at, loop.escalate_at) == (None, None)
        assert services.act(person("duty_officer", tree.yichang), loop, "take").outcome == "done"
        with pytest.raises(BadInput):
            services.create_kind(operator, "handover", values, reason="again")

    def test_a_code_nobody_knows_is_named(self):
        with pytest.raises(UnknownKind, match="nothing"):
            kinds.current("nothing")
        with pytest.raises(UnknownKind):
            kinds.at_version("alarm_disposal", 99)

    def test_history_is_not_rewritten(self, operator):
        kinds.current("alarm_disposal")
        with pytest.raises(IntegrityError), transaction.atomic():
            KindChange.objects.update(reason="x")
