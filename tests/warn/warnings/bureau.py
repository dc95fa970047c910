"""A city's bureau with an issuer, three people who may not do each other's part, and a stranger in the next city."""

from datetime import timedelta
from itertools import count
from typing import Any

from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org
from fengsui.stores import clock
from fengsui.stores.outbox.models import Event
from fengsui.stores.outbox.services import drain
from fengsui.warn.warnings import handlers, services
from fengsui.warn.warnings.models import Issuer, Message, Warning

_number = count(1)
HANDLERS = {
    "warning.approved": handlers.warning_approved,
    "warning.message": handlers.warning_message,
    "warning.published": lambda _context, _payload: None,
    "live": lambda _context, _payload: None,
}


class Bureau:
    def __init__(self) -> None:
        self.province = self.org("hubei", None, "province", "420000", "湖北省")
        self.city = self.org("yichang", self.province, "city", "420500", "宜昌市")
        self.county = self.org("xiling", self.city, "county", "420502", "西陵区")
        self.other = self.org("jingzhou", self.province, "city", "421000", "荆州市")
        self.issuer = Issuer.objects.create(
            org=self.city,
            code="42050041600000",
            name="宜昌市气象台",
            name_en="Yichang Observatory",
            contact="0717-0000000",
        )
        self.writer = self.person("duty_officer", self.city)
        self.reviewer = self.person("regulator", self.city)
        self.chief = self.person("commander", self.city)
        self.stranger = self.person("commander", self.other)

    def org(self, code: str, parent: Org | None, kind: str, division: str, name: str) -> Org:
        org = Org.objects.create(
            code=code, name=name, kind=kind, parent=parent, path=f"/{code}/", division_code=division
        )
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        return org

    def person(self, role: str, org: Org) -> User:
        user = User.objects.create(username=f"{role}-{next(_number)}")
        Membership.objects.create(user=user, org=org, role=role)
        return user

    def values(self, **changes: Any) -> dict[str, Any]:
        """A draft that nothing is wrong with."""
        values = {
            "level": 2,
            "event_type": "11B03",
            "status": "Actual",
            "onset_at": None,
            "expires_at": clock.now() + timedelta(hours=6),
            "headline": "宜昌市气象台发布暴雨橙色预警",
            "description": "预计未来三小时西陵区降雨量将达五十毫米以上。",
            "instruction": "请远离低洼地带，减少外出，注意防范山洪。",
            "headline_en": "Yichang: orange warning of rainstorm",
            "description_en": "More than 50 mm of rain are expected within three hours.",
            "instruction_en": "Stay away from low ground.",
            "area_desc": "西陵区",
            "area_desc_en": "Xiling District",
            "responses": ["Prepare", "Avoid"],
            "divisions": ["420502"],
            "polygons": [[(111.2, 30.6), (111.35, 30.6), (111.35, 30.8), (111.2, 30.8)]],
            "circles": [],
        }
        return values | changes

    def draft(self, **changes: Any) -> Warning:
        return services.create_draft(self.writer, self.issuer, self.values(**changes))

    def approved(self, warning: Warning | None = None, **changes: Any) -> Warning:
        """Through all hands; what the worker does is still to come."""
        warning = warning or self.draft(**changes)
        warning = services.submit(self.writer, warning)
        warning = services.review(self.reviewer, warning)
        return services.approve(self.chief, warning)

    def published(self, warning: Warning | None = None, **changes: Any) -> Message:
        warning = self.approved(warning, **changes)
        self.work()
        return Message.objects.get(warning=warning)

    def work(self) -> None:
        """What the worker does with the events that wait."""
        done = drain(HANDLERS, 1000, elsewhere={"risk.stale"})
        assert not done.failed, Event.objects.exclude(error="").first().error
