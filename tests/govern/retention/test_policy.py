"""How long readings are kept is decided by people, with a reason, and never by accident."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import translation

from fengsui.base.errors import BadInput, NotAllowed
from fengsui.govern.retention import services
from fengsui.govern.retention.models import Hold, Policy
from fengsui.people.accounts.models import User
from fengsui.people.audit.models import Entry
from fengsui.people.orgs.models import Membership
from fengsui.sense.devices.models import ObservedProperty
from fengsui.stores.history.keep import FOREVER, MINUTE, RAW
from tests.govern.quarantine.conftest import plant  # noqa: F401

TODAY = date(2026, 6, 1)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def operator(plant):  # noqa: F811
    made = User.objects.create(username="operator", is_active=True)
    Membership.objects.create(user=made, org=plant.root, role="operator")
    return made


def decide(actor, raw=40, minute=400, hour=None, reason="decided", **more):
    return services.decide(actor, raw_days=raw, minute_days=minute, hour_days=hour, reason=reason, **more)


def days(keep, stream) -> list[int]:
    at = np.searchsorted(keep.own, stream.pk)
    listed = at < len(keep.own) and keep.own[at] == stream.pk
    return keep.own_days[:, at].tolist() if listed else list(keep.days)


def test_without_a_decision_everything_is_kept_for_ever(plant):  # noqa: F811
    keep = services.keep_of()
    assert keep.days == (FOREVER,) * 3
    assert keep.before(RAW, TODAY) is None


def test_a_decision_takes_the_place_of_the_one_before_and_both_are_kept(operator):
    before = services.revision()
    first, second = decide(operator), decide(operator, raw=50, reason="longer")
    assert services.revision() != before
    first.refresh_from_db()
    assert (first.ended_by, first.end_reason, second.ended_at) == ("operator", "longer", None)
    assert list(Policy.objects.in_force()) == [second]
    assert services.keep_of().days == (50, 400, FOREVER)
    services.end(operator, second, "no more")
    assert services.keep_of().days == (FOREVER,) * 3
    with pytest.raises(BadInput):
        services.end(operator, second, "again")
    actions = list(Entry.objects.order_by("id").values_list("action", "actor_name"))
    assert actions == [(a, "operator") for a in ("retention.decided", "retention.decided", "retention.ended")]


def test_of_several_rules_that_fit_the_longest_time_counts_and_the_default_only_where_none_fits(
    operator,
    plant,  # noqa: F811
):
    heat = ObservedProperty.objects.create(code="heat", name="Heat")
    plant.heat_e.observed_property = heat
    plant.heat_e.save()
    decide(operator, 100, 100, 100)
    decide(operator, 40, 50, 60, org=plant.org_e)
    decide(operator, 45, 45, None, observed_property=heat)
    decide(operator, 33, 33, 33, site_kind="pump_station")
    keep = services.keep_of()
    assert days(keep, plant.level_e) == [40, 50, 60]
    assert days(keep, plant.heat_e) == [45, 50, FOREVER]
    assert days(keep, plant.level_o) == [100, 100, 100]
    assert keep.before(RAW, TODAY) == TODAY - timedelta(days=40)
    everywhere = [services.keep_of(p, 3) for p in range(3)]
    assert sorted(pk for k in everywhere for pk in k.own.tolist()) == keep.own.tolist()


def test_a_hold_is_for_whole_days_of_a_site_or_of_all(operator, plant):  # noqa: F811
    decide(operator, 33, 33, 33)
    services.hold(
        operator, from_at=NOON, to_at=NOON + timedelta(days=2), reason="incident", site=plant.site_e
    )
    day, today = NOON.date() + timedelta(days=2), NOON.date() + timedelta(days=900)
    drop = services.keep_of().drop(MINUTE, day, today)
    ids = np.array([plant.level_e.pk, plant.heat_e.pk, plant.level_o.pk], np.int32)
    assert drop.mask(ids).tolist() == [False, False, True]
    assert services.keep_of().drop(RAW, day + timedelta(days=1), today).is_everything
    everywhere = services.hold(operator, from_at=NOON, to_at=NOON + timedelta(hours=1), reason="dispute")
    assert services.keep_of().drop(RAW, NOON.date(), today).is_nothing
    services.end(operator, everywhere, "settled")
    assert not services.keep_of().drop(RAW, NOON.date(), today).is_nothing


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"reason": " "}, "Say why"),
        ({"raw": 500}, "at least as long"),
        ({"raw": None}, "at least as long"),
        ({"raw": 20}, "at least 32 days"),
    ],
)
def test_what_cannot_be_a_rule_is_refused(operator, values, what):
    with translation.override("en"), pytest.raises(BadInput, match=what):
        decide(operator, **values)
    assert not Policy.objects.exists()


def test_only_an_operator_at_the_root_decides(plant):  # noqa: F811
    local = User.objects.create(username="local", is_active=True)
    Membership.objects.create(user=local, org=plant.org_e, role="operator")
    for actor in (local, plant.steward_e, plant.officer_e):
        with pytest.raises(NotAllowed):
            decide(actor)
        with pytest.raises(NotAllowed):
            services.hold(actor, from_at=NOON, to_at=NOON + timedelta(days=1), reason="mine")
    assert not Policy.objects.exists()
    assert not Hold.objects.exists()


def test_the_admin_makes_and_ends_rules_and_never_changes_one(client, operator):
    client.force_login(operator)
    form = {"org": "", "site_kind": "", "observed_property": "", "raw_days": "40", "minute_days": "30"}
    refused = client.post(reverse("admin:retention_policy_add"), form | {"hour_days": "", "reason": "r"})
    assert refused.status_code == 200
    assert not Policy.objects.exists()
    form |= {"minute_days": "400", "hour_days": "", "reason": "plan of 2026"}
    for raw in ("40", "41"):
        assert client.post(reverse("admin:retention_policy_add"), form | {"raw_days": raw}).status_code == 302
    (row,) = Policy.objects.in_force()
    assert (row.raw_days, row.made_by) == (41, "operator")
    page = reverse("admin:retention_policy_change", args=[row.pk])
    assert client.post(page, {"raw_days": "999", "end_reason": ""}).status_code == 200
    assert client.post(page, {"raw_days": "999", "end_reason": "over"}).status_code == 302
    row.refresh_from_db()
    assert (row.raw_days, row.end_reason, row.ended_by) == (41, "over", "operator")
    assert client.get(page).status_code == 200
    assert client.post(page, {"end_reason": "again"}).status_code == 403
    assert client.post(reverse("admin:retention_policy_delete", args=[row.pk])).status_code == 403
    assert client.get(reverse("admin:retention_policy_changelist")).status_code == 200
    assert client.get(reverse("admin:history_deletion_changelist")).status_code == 200


def test_the_admin_places_and_lifts_holds(client, operator, plant):  # noqa: F811
    client.force_login(operator)
    form = {"site": plant.site_e.pk, "reason": "incident 7"}
    form |= {"from_at_0": "2026-05-01", "from_at_1": "00:00", "to_at_0": "2026-05-02", "to_at_1": "00:00"}
    assert client.post(reverse("admin:retention_hold_add"), form).status_code == 302
    row = Hold.objects.get()
    assert (row.site, row.made_by) == (plant.site_e, "operator")
    page = reverse("admin:retention_hold_change", args=[row.pk])
    assert client.post(page, {"end_reason": "settled"}).status_code == 302
    assert not Hold.objects.in_force().exists()
    assert Entry.objects.filter(action="retention.hold_lifted").count() == 1
