"""Relations of assets come from a file, whole or not at all; their history stays; a stranger sees none."""

import io

import pytest

from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org
from fengsui.sense.devices.models import AssetRelation, Site, Thing
from fengsui.sense.devices.services import import_file

pytestmark = pytest.mark.django_db
HEAD = "relation,upstream_site,upstream_thing,site,thing,note,is_active\n"


@pytest.fixture
def town():
    root = Org.objects.create(code="city", name="市", kind="city", path="/1/")
    root.path = f"/{root.pk}/"
    root.save()
    other = Org.objects.create(code="far", name="远", kind="county", path="/far/")
    other.path = f"/{other.pk}/"
    other.save()
    for code, org in (("a", root), ("b", root), ("far", other)):
        site = Site.objects.create(
            code=code, name=code, org=org, org_path=org.path, longitude=111, latitude=30
        )
        for thing in ("gw", "tank", "pump"):
            Thing.objects.create(site=site, code=thing, name=thing)
    return root, other


def person(org, role="data_steward"):
    user = User.objects.create(username=f"u-{role}-{org.pk}", display_name="某")
    Membership.objects.create(user=user, org=org, role=role)
    return user


def load(org, text, actor=None, dry_run=False):
    return import_file(actor, org, io.BytesIO((HEAD + text).encode()), "relation", dry_run)


def test_relations_are_made_taken_out_of_force_and_their_history_stays(town):
    root, _ = town
    steward = person(root)
    text = "carries,a,gw,a,,网关,\n邻接,a,,b,,,\n".replace("邻接", "neighbour")
    assert load(root, text, steward, dry_run=True).created == 2
    assert not AssetRelation.objects.exists()
    assert load(root, text, steward).created == 2
    again = load(root, text, steward)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)
    load(root, "carries,a,gw,a,,拆除,no\n", steward)
    relation = AssetRelation.objects.get(kind="carries")
    assert not relation.is_active
    assert [(c.is_active, c.note, c.actor_name) for c in relation.changes.all()] == [
        (False, "拆除", str(steward)),
        (True, "网关", str(steward)),
    ]


def test_every_bad_row_is_named_and_nothing_is_made(town):
    root, _ = town
    report = load(
        root,
        "carries,a,,b,tank,,\n"  # 2: which thing?
        "feeds,a,boiler,a,tank,,\n"  # 3: no such thing
        "neighbour,a,tank,b,,,\n"  # 4: thing beside site
        "feeds,far,gw,a,tank,,\n"  # 5: not ours
        "connects,a,tank,a,tank,,\n"  # 6: itself
        "holds,a,gw,a,tank,,\n",  # 7: no such relation
    )
    assert [(bad.row, bad.column) for bad in report.bad] == [
        (2, "relation"), (3, "upstream_thing"), (4, "relation"), (5, "upstream_site"), (6, "site"), (7, "relation"),
    ]  # fmt: skip
    assert not AssetRelation.objects.exists()


def test_what_feeds_itself_is_refused_with_the_way(town):
    root, _ = town
    load(root, "feeds,a,gw,b,,,\n")  # all of b
    report = load(root, "contains,b,pump,a,gw,,\n")
    assert [(bad.row, bad.column) for bad in report.bad] == [(2, "relation")]
    assert set(report.bad[0].value.split(" → ")) == {"gw", "b", "pump"}
    assert (
        load(root, "connects,a,pump,a,tank,,\nconnects,a,tank,a,pump,,\n").created == 2
    )  # pipes run in rings


def test_a_stranger_sees_no_relation(town):
    root, other = town
    load(root, "carries,a,gw,a,,,\n")
    assert AssetRelation.objects.visible_to(person(root, "viewer")).count() == 1
    assert AssetRelation.objects.visible_to(person(other, "viewer")).count() == 0
