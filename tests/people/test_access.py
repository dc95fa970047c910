import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject

from fengsui.base.errors import NotAllowed
from fengsui.people.audit.models import Entry
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org, Role


def test_a_role_holds_at_its_organisation_and_below_but_not_above_or_beside(tree, person):
    officer = person("duty_officer", tree.yichang)
    assert set(access.orgs_where(officer, "alarm.view")) == {tree.yichang, tree.xiling, tree.yidu, tree.plant}
    assert access.may(officer, "alarm.ack", tree.plant)
    assert not access.may(officer, "alarm.ack", tree.hubei)
    assert not access.may(officer, "alarm.ack", tree.jingzhou)


def test_a_path_is_not_taken_for_another_that_starts_with_the_same_digits(tree, person):
    officer = person("viewer", tree.yidu)
    other = Org.objects.create(path=tree.yidu.path[:-1] + "7/", kind="county", code="x", name="x")
    assert other not in access.orgs_where(officer, "org.view")


@pytest.mark.parametrize("action", sorted(access.MAY))
def test_a_stranger_sees_and_may_nothing(tree, person, action):
    for stranger in (person(), AnonymousUser(), None):
        assert not access.orgs_where(stranger, action).exists()
        assert access.paths_where(stranger, action) == []
        assert not access.may(stranger, action, tree.plant)
        assert not access.may(stranger, action)


@pytest.mark.parametrize("action", sorted(access.MAY))
def test_an_officer_of_a_neighbour_is_a_stranger_here(tree, person, action):
    for role in Role.values:
        neighbour = person(role, tree.jingzhou)
        assert not access.orgs_where(neighbour, action).filter(path__startswith=tree.yichang.path).exists()


def test_a_disabled_account_may_nothing_even_as_superuser(tree, person):
    gone = person("operator", tree.hubei, is_active=False, is_superuser=True)
    assert not access.may(gone, "org.view", tree.hubei)


def test_a_superuser_may_everything_everywhere_and_rows_without_an_organisation(tree, person):
    root = person(is_superuser=True)
    assert access.paths_where(root, "audit.view") == [""]
    assert access.orgs_where(root, "org.edit").count() == 6


def test_paths_below_a_wider_one_are_left_out(tree, person):
    user = person("viewer", tree.yichang)
    user.memberships.create(org=tree.plant, role="operator")
    assert access.paths_where(user, "org.view") == [tree.yichang.path]
    assert access.paths_where(user, "org.edit") == [tree.plant.path]
    assert access.roles_at(user, tree.plant) == {"viewer", "operator"}
    assert access.roles_at(user, tree.yidu) == {"viewer"}


def test_a_request_costs_one_query(tree, person, django_assert_num_queries):
    made = person("commander", tree.yichang)
    user = SimpleLazyObject(lambda: made)  # as request.user is
    with django_assert_num_queries(1):
        for action in access.MAY:
            access.may(user, action, tree.plant)
            access.paths_where(user, action)


def test_an_action_that_nobody_defined_is_a_mistake_of_ours(tree, person):
    with pytest.raises(KeyError):
        access.may(person("viewer", tree.hubei), "no.such", tree.hubei)


def test_a_refusal_is_kept_in_the_audit_trail(tree, person):
    viewer = person("viewer", tree.yidu)
    with pytest.raises(NotAllowed):
        access.require(viewer, "alarm.ack", tree.plant)
    entry = Entry.objects.get()
    assert (entry.action, entry.ok, entry.actor_name, entry.org_path, entry.object_name) == (
        "alarm.ack", False, viewer.username, tree.plant.path, "plant",
    )  # fmt: skip
