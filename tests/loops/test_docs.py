"""docs/loops.md has an entry for everything there is, and its examples work."""

import json
import re
from pathlib import Path

import pytest

from fengsui.base.errors import FengsuiError
from fengsui.loops import errors, kinds
from fengsui.loops.kinds import definition as schema
from fengsui.run.handlers import HANDLERS

TEXT = (Path(__file__).parents[2] / "docs" / "loops.md").read_text("utf-8")


@pytest.mark.parametrize("code", kinds.SHIPPED)
def test_every_kind_with_its_steps_and_causes_has_its_entry(code):
    read = schema.read(kinds.shipped(code))
    for name in (code, *(s.code for s in read.steps), *(c.code for c in read.causes)):
        assert f"`{name}`" in TEXT, name


def test_every_topic_has_its_entry():
    assert [topic for topic in HANDLERS if f"`{topic}`" not in TEXT] == []


def test_every_error_has_its_entry():
    codes = {e.code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, FengsuiError)}
    assert [code for code in codes if code.startswith("loops.") and f"`{code}`" not in TEXT] == []


@pytest.mark.parametrize(
    "part",
    [schema.Definition, schema.Step, schema.Action, schema.Rung, schema.Cause],
    ids=lambda p: p.__name__,
)
def test_every_field_of_a_definition_has_its_entry(part):
    assert [name for name in part.__struct_fields__ if f"`{name}`" not in TEXT] == []


def test_the_examples_can_be_read():
    examples = re.findall(r"```json\n(.*?)```", TEXT, re.S)
    assert examples
    for example in examples:
        schema.read(json.loads(example))
