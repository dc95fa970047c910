"""Hubei → Yichang → Xiaoting → a plant; and Jingzhou with a plant of its own beside Yichang."""

from datetime import UTC, datetime

import pytest
from django.utils import translation

NOON = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


class Tree:
    def __init__(self) -> None:
        self.hubei = self.add("hubei", None, "province")
        self.yichang = self.add("yichang", self.hubei, "city")
        self.xiaoting = self.add("xiaoting", self.yichang, "county")
        self.gulaobei = self.add("gulaobei", self.xiaoting, "township")
        self.plant = self.add("plant", self.gulaobei, "enterprise")
        self.neighbour = self.add("neighbour", self.gulaobei, "enterprise")
        self.jingzhou = self.add("jingzhou", self.hubei, "city")
        self.mill = self.add("mill", self.jingzhou, "enterprise")

    def add(self, code, parent, kind):
        from fengsui.people.orgs.models import Org

        org = Org.objects.create(parent=parent, path=f"/{code}/", kind=kind, code=code, name=code)
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        return org


@pytest.fixture
def tree(db) -> Tree:
    return Tree()


@pytest.fixture
def person(db):
    """``person("duty_officer", org)`` makes a user with that role there; no arguments make a stranger."""
    from fengsui.people.accounts.models import User
    from fengsui.people.orgs.models import Membership

    def make(role="", org=None, name="", **fields):
        user = User.objects.create(username=name or f"{role or 'user'}-{User.objects.count() + 1}", **fields)
        if role:
            Membership.objects.create(user=user, org=org, role=role)
        return user

    return make


@pytest.fixture
def open_at(tree):
    """``open_at(level=1)`` opens an alarm-disposal loop at the plant, at noon."""
    from fengsui.loops import services

    def make(level=1, key="alarm:1:1777867200000", org=None, at=NOON, **more):
        return services.open_loop(
            kind="alarm_disposal",
            key=key,
            title="反应器压力 高高",
            org=org or tree.plant,
            level=level,
            at=at,
            **more,
        )

    return make


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT
