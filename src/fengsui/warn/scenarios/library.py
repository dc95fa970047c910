"""The library of ready scenario rules 情景库: templates as data, and what a site has for the names of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import get_language

from fengsui.base import units
from fengsui.base.errors import UnknownUnit
from fengsui.sense.devices.models import Datastream, Site
from fengsui.warn.rules.durations import parse_ms
from fengsui.warn.scenarios.services import Bound

FILE = Path(__file__).with_name("library.yml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a template's name stands for; ``properties`` are codes of observed properties that fit, the best first."""

    name: str
    name_zh: str
    name_en: str
    unit: str
    properties: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.name_zh if _is_zh() else self.name_en


@dataclass(frozen=True, slots=True)
class Template:
    """A ready rule; ``values`` are those of ``services.FIELDS`` that it sets."""

    code: str
    name: str
    name_en: str
    about: str
    about_en: str
    inputs: tuple[Wanted, ...]
    values: Mapping[str, Any]

    @property
    def label(self) -> str:
        return self.name if _is_zh() else self.name_en

    @property
    def summary(self) -> str:
        return self.about if _is_zh() else self.about_en


@cache
def templates() -> dict[str, Template]:
    """Code → template, in the order of the file."""
    return {row["code"]: _template(row) for row in yaml.safe_load(FILE.read_text(encoding="utf-8"))}


def propose(template: Template, site: Site) -> tuple[list[Bound], list[Wanted]]:
    """The site's datastreams for the names of ``template``, and the names for which there is none.

    By observed property, in a unit that measures the same; those of the thing that the first name found come first, and
    none is taken twice.
    """
    codes = {code for wanted in template.inputs for code in wanted.properties}
    rows = list(
        site.datastreams.filter(is_active=True, observed_property__code__in=codes, scenario_rule=None)
        .select_related("observed_property")
        .order_by("code")
    )
    bound: list[Bound] = []
    missing = []
    for wanted in template.inputs:
        taken = {b.datastream.pk for b in bound}
        thing = bound[0].datastream.thing_id if bound else None
        fitting = [row for row in rows if row.pk not in taken and _fits(row, wanted)]
        fitting.sort(
            key=lambda row: (row.thing_id != thing, wanted.properties.index(row.observed_property.code))
        )
        if fitting:
            bound.append(Bound(wanted.name, fitting[0]))
        else:
            missing.append(wanted)
    return bound, missing


def _fits(row: Datastream, wanted: Wanted) -> bool:
    if row.observed_property.code not in wanted.properties:
        return False
    try:
        return units.unit(row.unit).dimension == units.unit(wanted.unit).dimension
    except UnknownUnit:
        return False


def _template(row: Mapping[str, Any]) -> Template:
    inputs = tuple(
        Wanted(name, said["name"], said["name_en"], said["unit"], tuple(said["properties"]))
        for name, said in row["inputs"].items()
    )
    values = {
        "name": row["name"], "name_en": row["name_en"], "expression": row["expression"], "clear": row.get("clear", ""),
        "parameters": row["parameters"], "for_ms": parse_ms(row["for"]), "clear_for_ms": parse_ms(row["clear_for"]),
        "priority": row["priority"], "cause": row["cause"], "cause_en": row["cause_en"], "basis": row.get("basis", ""),
    }  # fmt: skip
    return Template(row["code"], row["name"], row["name_en"], row["about"], row["about_en"], inputs, values)


def _is_zh() -> bool:
    return (get_language() or "").startswith("zh")
