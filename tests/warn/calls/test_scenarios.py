"""Scenarios that a duty officer can read: who is called when, who confirms how, and what counts in the end."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from fengsui.show.lists import calls as lists
from fengsui.warn.calls import services
from fengsui.warn.calls.models import Callout

from .world import NOON

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.yml"))


def texts(pairs):
    return {str(key): value for key, value in (pairs or {}).items()}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_scenario(town, path):
    story = yaml.safe_load(path.read_text("utf-8"))
    for row in story["persons"]:
        town.contact(str(row["org"]), row["name"], row["order"])
    warning = story["warning"]
    message = town.message(
        warning["level"], tuple(map(str, warning.get("divisions", ()))), warning.get("polygon")
    )
    services.published(message.pk)
    for step in story["steps"]:
        now = NOON + timedelta(seconds=int(step["at"].removesuffix("s")))
        town.at = now
        if step.get("cancel"):
            message.ended_at, message.ended_how = now, "Cancel"
            message.save()
        services.chase(now)
        for org, name in texts(step.get("code")).items():
            services.confirm_by_code(town.code(org, name))
        for org, name in texts(step.get("phone")).items():
            services.record_phone(town.duty, town.callout(org), who=name)
        for org, role in texts(step.get("portal")).items():
            services.confirm(town.person(role, org), town.callout(org))
        for org, name in texts(step.get("called")).items():
            last = town.callout(org).calls.order_by("-number").first()
            assert last is not None and last.name == name, (step["at"], org, last)
        for org, state in texts(step.get("state")).items():
            assert town.callout(org).state == state, (step["at"], org)
        for org, name in texts(step.get("by")).items():
            assert town.callout(org).confirmed_by == name
        for org in map(str, step.get("above", ())):
            assert town.callout(org).confirmed_above
        for org in map(str, step.get("not_called", ())):
            assert not Callout.objects.filter(org=town.orgs[org]).exists()
    summary = lists.summary(town.duty, message)
    ((_county, _name, _name_en, figures),) = lists.by_county(town.duty, message)
    assert figures == summary == lists.summaries(town.duty, [message])[message.pk]
    for name, value in story["summary"].items():
        assert getattr(summary, name) == value, name
