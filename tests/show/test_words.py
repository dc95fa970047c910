"""Every code that can reach a person has words in both languages, and its entry in docs/errors.md."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from django.utils import translation

import fengsui
from fengsui.base.errors import FengsuiError, NotAllowed
from fengsui.base.quality import Quality, Reason
from fengsui.show import words
from fengsui.warn.alarms.life import STATES
from fengsui.warn.rules import BadRule, Problem

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"
# raised outside the hierarchy: by the middleware of people, by the live stream, before SensorThings looks at a request
ELSEWHERE = {"people.password_due", "show.too_many_streams", "show.sta_method", "show.sta_too_large"}


def kinds(kind=FengsuiError):
    yield kind
    for child in kind.__subclasses__():
        yield from kinds(child)


@pytest.fixture(scope="module")
def codes():
    for module in pkgutil.walk_packages(fengsui.__path__, "fengsui."):
        if not any(part in module.name for part in (".migrations", "__main__", ".asgi")):
            importlib.import_module(module.name)
    return {kind.code for kind in kinds() if kind.__module__.startswith("fengsui.")} | ELSEWHERE


def test_every_code_has_words(codes):
    assert codes - set(words.ERRORS) == set()
    assert set(words.ERRORS) - codes == set()


def test_every_code_has_its_entry_and_no_entry_is_left_over(codes):
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", DOCS.read_text(), re.M)) == codes


def test_states_reasons_and_qualities_all_have_words():
    assert set(words.ALARM_STATES) == set(STATES)
    assert set(words.REASONS) == set(Reason)
    assert set(words.QUALITIES) == set(Quality)


def test_words_for_programmers_are_not_shown_to_people():
    with translation.override("en"):
        assert words.say(NotAllowed("root may not alarm.ack at /1/")) == "You may not do this here."


def test_problems_of_a_rule_are_said_in_the_language_of_who_asked():
    error = BadRule([Problem("deadband", "must not be negative", {})])
    with translation.override("zh-hans"):
        assert words.say(error) == "这些取值不能构成规则： 不能为负"
