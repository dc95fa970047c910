"""Glossary, regions.md and datasets.md cannot lie: names exist, columns are all there, examples can be read."""

import importlib
import re

import yaml
from django.core.exceptions import FieldDoesNotExist

from fengsui.run import packs
from fengsui.sense.gateways import replay
from tests.regions.conftest import ROOT

DOCS = ROOT / "docs"


def resolve(name: str):
    """The module, class, member, model field or dataclass field behind a dotted name below ``fengsui``."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["fengsui", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = member(found, part)
        return found
    raise LookupError(name)


def member(owner, part):
    if hasattr(owner, "_meta"):
        try:
            return owner._meta.get_field(part)
        except FieldDoesNotExist:
            pass
    if part in getattr(owner, "__dataclass_fields__", {}):
        return owner.__dataclass_fields__[part]
    return getattr(owner, part)


def terms():
    for line in (DOCS / "glossary.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] != "中文":
            yield cells


def test_every_name_in_the_glossary_exists_in_the_code():
    rows = list(terms())
    assert len(rows) > 70
    for zh, en, _meaning, _standard, name in rows:
        if name == "not built yet":
            continue
        assert re.fullmatch(r"`[a-z_A-Z0-9.]+`", name), (zh, name)
        assert resolve(name.strip("`")) is not None, (zh, en, name)


def test_no_term_stands_twice():
    zh = [row[0] for row in terms()]
    names = [row[4] for row in terms() if row[4] != "not built yet"]
    assert len(set(zh)) == len(zh)
    assert len(set(names)) == len(names)


def test_alarm_alert_and_warning_are_three_entries():
    assert {"alarm", "alert", "warning"} <= {row[1] for row in terms()}


def test_every_role_and_every_kind_of_alarm_is_in_the_glossary():
    from fengsui.people.orgs.models import Role
    from fengsui.warn.alarms.models import Kind

    said = (DOCS / "glossary.md").read_text()
    for role in Role:
        assert f"`people.orgs.models.Role.{role.name}`" in said
    for kind in Kind:
        assert f"`warn.alarms.models.Kind.{kind.name}`" in said


def test_every_column_of_a_pack_is_on_its_page():
    said = (DOCS / "regions.md").read_text()
    for name, spec in packs.TABLES.items():
        assert f"`{name}.csv`" in said or f"| {name} |" in said, name
        for column in spec.columns:
            assert f"`{column}`" in said, (name, column)


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.S)


def test_the_examples_on_the_pages_can_be_read(tmp_path):
    mapping, schedule = blocks("datasets.md")
    (tmp_path / "mapping.yml").write_text(mapping)
    dataset = replay.read_dataset(tmp_path, tmp_path)
    assert [c.code for c in dataset.columns] == ["PT-101", "WD"]
    assert yaml.safe_load(schedule)["tracks"][0]["runs"][0] == {"run": "d06_te", "rows": [150, 300]}
    (tmp_path / "region.yml").write_text(blocks("regions.md")[0])
    assert packs.read_about(tmp_path)["code"] == "mycity"


def test_the_replay_options_on_the_page_are_those_of_the_command():
    import argparse

    from fengsui.run import replay as command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    for line in re.findall(r"^fengsui replay ([^#\n]+)", (DOCS / "datasets.md").read_text(), re.M):
        parser.parse_args(line.split())
