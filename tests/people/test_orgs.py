import threading

import pytest
from django.db import connection

from fengsui.base.codes import BadCode
from fengsui.base.errors import NotAllowed


@pytest.fixture
def services(db):
    from fengsui.people.orgs import services

    return services


def last_entry():
    from fengsui.people.audit.models import Entry

    return Entry.objects.first()


def test_an_operator_adds_a_township_and_the_audit_trail_says_so(tree, person, services):
    operator = person("operator", tree.yichang)
    org = services.create_org(
        actor=operator, parent=tree.yidu, kind="township", code="town", name="某镇", division_code="420581100"
    )
    assert (org.path, org.depth) == (f"{tree.yidu.path}{org.pk}/", 3)
    assert (last_entry().action, last_entry().org_path, last_entry().actor_id) == (
        "org.created",
        org.path,
        operator.pk,
    )


@pytest.mark.parametrize(
    ("kind", "parent", "division", "words"),
    [
        ("county", "yichang", "", "is missing"),
        ("county", "yichang", "420500", "not the code of this kind"),
        ("county", "yichang", "421002", "does not lie under"),
        ("county", "yichang", "420581", "another organisation has"),
        ("city", "yidu", "420600", "cannot hang under"),
        ("township", "xiling", "420581100", "does not lie under"),
        ("enterprise", "yidu", "421002", "does not lie under"),
        ("enterprise", "plant", "", "cannot hang under"),
        ("moon", "yidu", "", "no such kind"),
    ],
)
def test_an_organisation_that_does_not_fit_is_refused_in_words(tree, services, kind, parent, division, words):
    with pytest.raises(services.BadOrg, match=words):
        services.create_org(
            actor=None, parent=getattr(tree, parent), kind=kind, code="new", name="x", division_code=division
        )


def test_codes_of_a_wrong_form_are_refused(tree, services):
    with pytest.raises(BadCode):
        services.create_org(
            actor=None, parent=tree.yidu, kind="enterprise", code="e", name="x", division_code="4205"
        )
    with pytest.raises(BadCode):
        services.create_org(actor=None, parent=tree.yidu, kind="enterprise", code="e", name="x", uscc="123")


def test_a_bureau_without_a_code_passes_its_parents_code_on(tree, services):
    bureau = services.create_org(actor=None, parent=tree.yidu, kind="bureau", code="b", name="局")
    with pytest.raises(services.BadOrg, match="does not lie under"):
        services.create_org(
            actor=None, parent=bureau, kind="enterprise", code="e", name="x", division_code="420502"
        )


def test_only_an_operator_above_may_change_the_tree(tree, person, services):
    for actor in (person("commander", tree.yichang), person("operator", tree.jingzhou), person()):
        with pytest.raises(NotAllowed):
            services.create_org(actor=actor, parent=tree.yidu, kind="bureau", code="b", name="局")
    with pytest.raises(NotAllowed):
        services.create_org(
            actor=person("operator", tree.hubei), parent=None, kind="province", code="hunan", name="湖南",
            division_code="430000",
        )  # fmt: skip


def test_a_move_takes_everything_below_and_every_row_that_carries_the_path(tree, services, person):
    from fengsui.people.audit.models import Entry
    from fengsui.sense.devices.models import Site

    site = Site.objects.create(
        code="s", name="s", org=tree.plant, org_path=tree.plant.path, longitude=111.0, latitude=30.0
    )
    services.edit_org(actor=None, org=tree.plant, name="厂", division_code="")
    moved = services.move_org(actor=person("operator", tree.hubei), org=tree.plant, parent=tree.jingzhou)
    site.refresh_from_db()
    assert moved.path == site.org_path == f"{tree.jingzhou.path}{moved.pk}/"
    assert moved.depth == 2
    assert last_entry().detail == {"before": tree.plant.path, "after": moved.path}
    assert Entry.objects.get(action="org.edited").org_path == tree.plant.path  # the past stays as it was


def test_a_move_out_of_ones_own_reach_is_refused(tree, services, person):
    with pytest.raises(NotAllowed):
        services.move_org(actor=person("operator", tree.yichang), org=tree.plant, parent=tree.jingzhou)


def test_an_organisation_cannot_hang_under_itself(tree, services):
    bureau = services.create_org(actor=None, parent=tree.yidu, kind="bureau", code="a", name="a")
    below = services.create_org(actor=None, parent=bureau, kind="bureau", code="b", name="b")
    with pytest.raises(services.BadOrg, match="under itself"):
        services.move_org(actor=None, org=bureau, parent=below)


def test_two_moves_at_the_same_time_cannot_tie_a_knot(transactional_db):
    from fengsui.people.orgs import services
    from fengsui.people.orgs.models import Org

    top = services.create_org(actor=None, parent=None, kind="bureau", code="top", name="top")
    a, b = (services.create_org(actor=None, parent=top, kind="bureau", code=c, name=c) for c in "ab")
    barrier, refused = threading.Barrier(2), []

    def move(org, parent):
        try:
            barrier.wait()
            services.move_org(actor=None, org=org, parent=parent)
        except services.BadOrg:
            refused.append(org)
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=pair) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    for org in Org.objects.select_related("parent"):
        assert org.path == f"{org.parent.path if org.parent else '/'}{org.pk}/"


def test_an_edit_that_would_leave_children_outside_is_refused(tree, services):
    with pytest.raises(services.BadOrg, match="does not lie under"):
        services.edit_org(actor=None, org=tree.yidu, division_code="420582")
    tree.yidu.refresh_from_db()
    assert tree.yidu.division_code == "420581"


def test_an_organisation_in_use_is_not_removed(tree, services, person):
    with pytest.raises(services.BadOrg, match="in use"):
        services.remove_org(actor=None, org=tree.yidu)
    person("viewer", tree.xiling)
    with pytest.raises(services.BadOrg, match="hold roles"):
        services.remove_org(actor=None, org=tree.xiling)
    services.remove_org(actor=person("operator", tree.hubei), org=tree.jingzhou)
    assert last_entry().action == "org.removed"


def test_a_role_is_given_once_used_at_once_and_taken_back(tree, services, person):
    from fengsui.people.orgs import access

    operator, user = person("operator", tree.yichang), person()
    assert not access.may(user, "alarm.ack", tree.plant)
    membership = services.grant(actor=operator, user=user, org=tree.yidu, role="duty_officer")
    assert services.grant(actor=operator, user=user, org=tree.yidu, role="duty_officer") == membership
    assert access.may(user, "alarm.ack", tree.plant)
    services.revoke(actor=operator, membership=membership)
    access.forget(user)
    assert not access.may(user, "alarm.ack", tree.plant)
    assert last_entry().action == "member.revoked"


def test_a_role_cannot_be_given_above_or_beside(tree, services, person):
    operator = person("operator", tree.yidu)
    for org in (tree.yichang, tree.xiling, tree.hubei):
        with pytest.raises(NotAllowed):
            services.grant(actor=operator, user=operator, org=org, role="operator")
    with pytest.raises(services.BadOrg, match="no such role"):
        services.grant(actor=operator, user=operator, org=tree.plant, role="king")
