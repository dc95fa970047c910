from itertools import count

import pytest

from fengsui.warn.engine import CLEARED, RAISED

START_MS = 1_790_000_000_000


class Region:
    """A city with two counties and a plant in each; a tank level at either plant; people here and there."""

    def __init__(self):
        from fengsui.sense.devices.models import ObservedProperty

        self.level = ObservedProperty.objects.create(code="level", name="液位", name_en="Level")
        self.city = self.org("city", None, "city")
        self.east, self.west = self.org("east", self.city, "county"), self.org("west", self.city, "county")
        self.east_plant = self.org("east-plant", self.east, "enterprise")
        self.west_plant = self.org("west-plant", self.west, "enterprise")
        self.east_site, self.west_site = (
            self.site("s-east", self.east_plant),
            self.site("s-west", self.west_plant),
        )
        self.tank, self.other_tank = (
            self.stream(self.east_site, "tank-1"),
            self.stream(self.west_site, "tank-1"),
        )

    def org(self, code, parent, kind):
        from fengsui.people.orgs.models import Org

        org = Org.objects.create(parent=parent, path=f"/{code}/", kind=kind, code=code, name=code)
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.save()
        return org

    def site(self, code, org):
        from fengsui.sense.devices.models import Site

        return Site.objects.create(
            code=code,
            name=f"{code} 厂",
            name_en=code,
            org=org,
            org_path=org.path,
            longitude=111.3,
            latitude=30.7,
        )

    def stream(self, site, code, **fields):
        from fengsui.sense.devices.models import Datastream, Thing

        thing = Thing.objects.create(site=site, code=code, name=code)
        return Datastream.objects.create(
            site=site, thing=thing, observed_property=self.level, code=code, name="液位", unit="m", **fields
        )


@pytest.fixture
def region(db):
    return Region()


@pytest.fixture
def person(db):
    """``person("duty_officer", org)``: a user with that role there."""
    from fengsui.people.accounts.models import User
    from fengsui.people.orgs.models import Membership

    numbers = count(1)

    def make(role="", org=None):
        user = User.objects.create(username=f"person-{next(numbers)}", display_name=f"某 {role}")
        if role:
            Membership.objects.create(user=user, org=org, role=role)
        return user

    return make


@pytest.fixture
def rule(region):
    from fengsui.warn.alarms.models import Rule

    return Rule.objects.create(datastream=region.tank, kind="hh", setpoint=9.0, deadband=0.2, priority=1)


def raised(rule, at_s=0, value=9.5, **fields):
    from fengsui.warn.alarms.services import EventRow

    t = START_MS + at_s * 1000
    return EventRow(rule.pk, RAISED, t, value, t, value, t, fields.pop("received_ms", t + 40), **fields)


def cleared(rule, at_s=60, started_s=0, value=8.5, peak=9.9, peak_s=30):
    from fengsui.warn.alarms.services import EventRow

    start = START_MS + started_s * 1000
    return EventRow(rule.pk, CLEARED, START_MS + at_s * 1000, value, start, peak, START_MS + peak_s * 1000)


def topics():
    """What waits in the outbox about alarms, in order."""
    from fengsui.stores.outbox.models import Event

    return list(
        Event.objects.filter(topic__startswith="alarm.").order_by("id").values_list("topic", flat=True)
    )
