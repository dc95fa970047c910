from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fengsui.people.accounts.models import User
    from fengsui.people.orgs.models import Org


class Tree:
    """Hubei → Yichang → Xiling and Yidu, a plant under Yidu; and Jingzhou beside Yichang."""

    def __init__(self) -> None:
        self.hubei = self.add("hubei", None, "province", "420000")
        self.yichang = self.add("yichang", self.hubei, "city", "420500")
        self.xiling = self.add("xiling", self.yichang, "county", "420502")
        self.yidu = self.add("yidu", self.yichang, "county", "420581")
        self.plant = self.add("plant", self.yidu, "enterprise", "420581")
        self.jingzhou = self.add("jingzhou", self.hubei, "city", "421000")

    def add(self, code: str, parent: "Org | None", kind: str, division: str) -> "Org":
        from fengsui.people.orgs.models import Org

        org = Org.objects.create(
            parent=parent, path=f"/{code}/", kind=kind, code=code, name=code, division_code=division
        )
        org.path = f"{parent.path if parent else '/'}{org.pk}/"
        org.depth = parent.depth + 1 if parent else 0
        org.save()
        return org


@pytest.fixture(autouse=True)
def _in_english():
    from django.utils import translation

    with translation.override("en"):
        yield


@pytest.fixture
def tree(db) -> Tree:
    return Tree()


@pytest.fixture
def person(db):
    """``person("duty_officer", org)`` makes a user with that role there; no arguments make a stranger."""

    from fengsui.people.accounts.models import User
    from fengsui.people.orgs.models import Membership

    def make(role: str = "", org: "Org | None" = None, name: str = "", **fields) -> "User":
        user = User.objects.create(username=name or f"user-{User.objects.count() + 1}", **fields)
        if role:
            Membership.objects.create(user=user, org=org, role=role)
        return user

    return make
