"""A small world for the portal's tests: two cities, sites in both, alarms, loops, and people of every role.

``stranger`` works in the other city: whatever belongs to Yichang must not exist for them.
"""

import datetime
from typing import Any

from django.utils import timezone

from fengsui.govern.ledger.models import Line
from fengsui.govern.quarantine.models import Held
from fengsui.loops import services as loops
from fengsui.loops.models import Loop
from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org, Role
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, SiteStatus, Thing
from fengsui.warn.alarms.models import Alarm, Rule

HTML = '<script>alert("x")</script>'


class World:
    def __init__(self) -> None:
        self.hubei = self.org("hubei", "湖北省", None, "province", "420000")
        self.yichang = self.org("yichang", "宜昌市", self.hubei, "city", "420500")
        self.plant_org = self.org("plant", "化工厂", self.yichang, "enterprise", "")
        self.jingzhou = self.org("jingzhou", "荆州市", self.hubei, "city", "421000")
        self.property = ObservedProperty.objects.create(code="pressure", name="压力", name_en="Pressure")
        self.site = self.add_site("tep-1", "东山化工厂", self.plant_org, 111.29, 30.69)
        self.other_site = self.add_site("jz-1", "荆州泵站", self.jingzhou, 112.24, 30.33)
        self.stream = self.add_stream(self.site, "P7", "反应器压力", "kPa")
        self.other_stream = self.add_stream(self.other_site, "F1", "流量", "m3/h")
        self.rule = Rule.objects.create(datastream=self.stream, kind="h", setpoint=2895, priority=2)
        self.users = {role: self.user(role, self.yichang) for role in Role.values}
        self.officer = self.users["duty_officer"]
        self.stranger = self.user("duty_officer", self.jingzhou, "stranger")
        self.nobody = User.objects.create(username="nobody")
        self.root = User.objects.create(username="root", is_superuser=True, is_staff=True)

    def org(self, code: str, name: str, parent: Org | None, kind: str, division: str) -> Org:
        org = Org.objects.create(
            code=code, name=name, kind=kind, parent=parent, path=f"/{code}/", division_code=division
        )
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        return org

    def user(self, role: str, org: Org, name: str = "") -> User:
        user = User.objects.create(username=name or role, display_name=name or role)
        Membership.objects.create(user=user, org=org, role=role)
        return user

    def add_site(self, code: str, name: str, org: Org, lon: float = 111.3, lat: float = 30.7) -> Site:
        site = Site.objects.create(
            code=code, name=name, org=org, org_path=org.path, longitude=lon, latitude=lat, kind="other"
        )
        Thing.objects.create(site=site, code="unit", name="装置", name_en="Unit")
        return site

    def add_stream(self, site: Site, code: str, name: str, unit: str = "") -> Datastream:
        return self.add_stream_of(site.things.get(), code, name, unit)

    def add_stream_of(self, thing: Thing, code: str, name: str = "", unit: str = "") -> Datastream:
        return Datastream.objects.create(
            site=thing.site,
            thing=thing,
            observed_property=self.property,
            code=code,
            name=name or code,
            unit=unit,
            period_ms=1000,
        )

    def heard(self, site: Site, seconds_ago: float) -> None:
        at = timezone.now() - datetime.timedelta(seconds=seconds_ago)
        SiteStatus.objects.update_or_create(
            site=site, defaults={"last_received_at": at, "last_observed_at": at}
        )

    def alarm(self, stream: Datastream | None = None, minutes_ago: float = 1, **fields: Any) -> Alarm:
        stream = stream or self.stream
        at = timezone.now() - datetime.timedelta(minutes=minutes_ago)
        rule = fields.pop("rule", self.rule if stream == self.stream else None)
        values = {
            "key": f"{rule.pk if rule else 0}:{int(at.timestamp() * 1000)}:{Alarm.objects.count()}",
            "rule": rule,
            "datastream": stream,
            "site": stream.site,
            "org": stream.site.org,
            "org_path": stream.site.org_path,
            "kind": "h",
            "priority": 2,
            "setpoint": 2895,
            "raised_at": at,
            "raised_value": 2901.5,
            "peak_value": 2910,
            "peak_at": at,
            "received_at": at,
        }
        return Alarm.objects.create(**values | fields)

    def loop(self, alarm: Alarm | None = None, org: Org | None = None, level: int = 2) -> Loop:
        return loops.open_loop(
            kind="alarm_disposal",
            key=f"alarm:{alarm.key}" if alarm else f"test:{Loop.objects.count()}",
            title="反应器压力高",
            title_en="Reactor pressure high",
            org=org or (alarm.org if alarm else self.plant_org),
            level=level,
            at=timezone.now(),
        )

    def held(self, stream: Datastream | None = None, **fields: Any) -> Held:
        stream = stream or self.stream
        now = timezone.now()
        values = {
            "reason": 5,
            "site_id": stream.site_id,
            "org_path": stream.site.org_path,
            "source": "gw-1",
            "received_at": now,
            "observed_at": now,
            "datastream": stream,
            "value": 99999.0,
        }
        return Held.objects.create(**values | fields)

    def booked(self, minutes_ago: int = 3, source: str = "gw-1", lost: int = 0) -> None:
        """A minute of the ledger that balances, unless ``lost`` readings never reached the pipeline."""
        minute = timezone.now().replace(second=0, microsecond=0) - datetime.timedelta(minutes=minutes_ago)
        for boundary in ("gateway", "pipeline", "history"):
            count = 60 - (lost if boundary != "gateway" else 0)
            Line.objects.update_or_create(
                boundary=boundary, source=source, minute=minute, defaults={"received": count, "stored": count}
            )
