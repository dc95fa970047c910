"""A city with a district, two subdistricts and a plant; a time that the test sets; a message that went out."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fengsui.loops import kinds
from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org
from fengsui.sense.devices.models import Site
from fengsui.stores.outbox.models import Event
from fengsui.warn.calls import codes, services
from fengsui.warn.calls.models import Callout, Contact
from fengsui.warn.warnings.models import Message

NOON = datetime(2026, 7, 15, 4, 0, tzinfo=UTC)
LEVELS = {"red": 1, "orange": 2, "yellow": 3, "blue": 4}


class Town:
    """``at`` is the time; ``org`` by code."""

    def __init__(self) -> None:
        kinds.install()
        self.at = NOON
        self.orgs: dict[str, Org] = {}
        city = self.org("420500", None, "city", "宜昌市")
        district = self.org("420505", city, "county", "猇亭区")
        self.org("420505001", district, "township", "古老背街道")
        self.org("420505002", district, "township", "虎牙街道")
        self.org("421000", None, "city", "荆州市")
        self.plant("plant", "420505001", 111.436, 30.568)
        self.plant("far", "420505002", 112.0, 31.0)
        self.duty = self.person("duty_officer", "420500")
        self.stranger = self.person("duty_officer", "421000")

    def org(self, code: str, parent: Org | None, kind: str, name: str) -> Org:
        org = Org.objects.create(
            code=code, name=name, kind=kind, parent=parent, path=f"/{code}/",
            division_code=code if code.isdigit() else "",
        )  # fmt: skip
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        self.orgs[code] = org
        return org

    def plant(self, code: str, under: str, longitude: float, latitude: float) -> None:
        org = self.org(code, self.orgs[under], "enterprise", code)
        Site.objects.create(
            code=f"{code}-1",
            name=f"{code} 1",
            org=org,
            org_path=org.path,
            longitude=longitude,
            latitude=latitude,
        )

    def person(self, role: str, org: str) -> User:
        user = User.objects.create(username=f"{role}-{User.objects.count()}")
        Membership.objects.create(user=user, org=self.orgs[org], role=role)
        return user

    def contact(self, org: str, name: str, order: int = 1, **values: Any) -> Contact:
        return Contact.objects.create(org=self.orgs[org], name=name, order=order, **values)

    def message(
        self, level: str = "red", divisions: tuple[str, ...] = (), polygon: Any = None, **values: Any
    ) -> Message:
        ring = [*polygon, polygon[0]] if polygon else None
        row: dict[str, Any] = {
            "org": self.orgs["420500"], "org_path": self.orgs["420500"].path, "sender": "42050000000000",
            "identifier": f"42050000000000_{Message.objects.count()}", "sent_at": self.at, "received_at": self.at,
            "expires_at": self.at + timedelta(hours=6), "document": b"x", "status": "Actual", "msg_type": "Alert",
            "scope": "Public", "level": LEVELS[level], "event": "暴雨", "headline": "宜昌市发布暴雨红色预警",
            "headline_en": "Yichang: red warning of rainstorm", "divisions": list(divisions),
            "shapes": [ring] if ring else [],
        }  # fmt: skip
        return Message.objects.create(**(row | values))

    def callout(self, org: str) -> Callout:
        return Callout.objects.get(org=self.orgs[org])

    def code(self, org: str, name: str) -> str:
        call = self.callout(org).calls.get(name=name)
        return codes.of(call.callout_id, call.number)

    def deliver(self) -> None:
        """What the worker does with the messages that wait."""
        for event in Event.objects.waiting().filter(topic=services.DELIVER):
            services.deliver(event.payload["delivery_id"])
            event.delete()
