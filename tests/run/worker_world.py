"""A plant with one red rule and the people around it, for the tests of the worker."""

from datetime import UTC, datetime, timedelta
from itertools import count

from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
from fengsui.warn.alarms.models import Alarm, Rule
from fengsui.warn.alarms.services import EventRow, record_events
from fengsui.warn.engine import CLEARED, RAISED

_number = count(1)


class Region:
    def __init__(self):
        self.province = self.org("province", None, "province")
        self.city = self.org("city", self.province, "city")
        self.xiaoting = self.org("county", self.city, "county")
        self.plant = self.org("plant", self.xiaoting, "enterprise")
        self.site = Site.objects.create(
            code="model",
            name="示范厂",
            name_en="Model plant",
            org=self.plant,
            org_path=self.plant.path,
            longitude=111.4,
            latitude=30.6,
        )
        self.thing = Thing.objects.create(site=self.site, code="reactor", name="反应器")
        self.property = ObservedProperty.objects.create(code="pressure", name="压力")
        self.rule = self.another_rule("反应器压力", "Reactor pressure")
        self.safety = self.person("safety_officer", self.plant)
        self.county = self.person("duty_officer", self.xiaoting)
        self.operator = self.person("operator", self.province)

    def org(self, code, parent, kind):
        org = Org.objects.create(parent=parent, path=f"/{code}/", kind=kind, code=code, name=code)
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        return org

    def person(self, role, org):
        user = User.objects.create(username=f"{role}-{next(_number)}")
        Membership.objects.create(user=user, org=org, role=role)
        return user

    def another_rule(self, name="液位", name_en="Level", priority=1):
        stream = Datastream.objects.create(
            site=self.site,
            thing=self.thing,
            observed_property=self.property,
            code=f"t-{next(_number)}",
            name=name,
            name_en=name_en,
            unit="kPa",
        )
        return Rule.objects.create(datastream=stream, kind="hh", setpoint=3000, priority=priority)

    def flood(self, count):
        """That many alarms at once, each of a rule of its own."""
        streams = Datastream.objects.bulk_create(
            Datastream(
                site=self.site,
                thing=self.thing,
                observed_property=self.property,
                code=f"f-{next(_number)}",
                name="温度",
                unit="Cel",
            )
            for _ in range(count)
        )
        rules = Rule.objects.bulk_create(
            Rule(datastream=stream, kind="h", setpoint=150, priority=2) for stream in streams
        )
        now = ms(datetime.now(UTC))
        record_events([EventRow(rule.pk, RAISED, now, 151.0, now, 151.0, now, now) for rule in rules])
        return list(Alarm.objects.filter(rule__in=rules).order_by("pk"))


def ms(at):
    return round(at.timestamp() * 1000)


def lift(rule, at=None):
    """The rule's alarm is raised at ``at`` (by default now)."""
    started = ms(at or datetime.now(UTC))
    record_events([EventRow(rule.pk, RAISED, started, 3010.0, started, 3010.0, started, started)])
    return Alarm.objects.get(key=f"{rule.pk}:{started}")


def lower(rule, alarm):
    """The alarm clears a minute after it was raised."""
    started = ms(alarm.raised_at)
    over = ms(alarm.raised_at + timedelta(minutes=1))
    record_events([EventRow(rule.pk, CLEARED, over, 2900.0, started, 3020.0, started + 1000)])
    alarm.refresh_from_db()
    return alarm
