"""Default mappings: imported in one command, and never over what somebody has said."""

import argparse

import pytest

from fengsui.base import units
from fengsui.people.orgs.models import Org
from fengsui.run import devices
from fengsui.sense.codecs.hj212_factors import table
from fengsui.sense.devices import defaults
from fengsui.sense.devices.models import CodeMapping, ObservedProperty


def imported(protocol: str) -> int:
    return devices._defaults(argparse.Namespace(protocol=protocol))


@pytest.mark.parametrize("protocol", defaults.PROTOCOLS)
def test_codes_and_properties_are_there_once_and_units_are_ours(protocol):
    rows = defaults.defaults(protocol)
    assert len(rows) > 10
    assert len({row.code for row in rows}) == len(rows) == len({row.observed_property for row in rows})
    assert all(row.name for row in rows)
    assert {units.unit(row.unit).code for row in rows if row.unit} == {row.unit for row in rows if row.unit}


def test_the_command_knows_every_protocol_and_the_annex_every_factor():
    assert devices.PROTOCOLS == defaults.PROTOCOLS
    assert set(defaults.HJ212) <= {one.code for one in table()}


def test_a_known_element_and_factor_have_the_units_of_their_standards():
    level = next(row for row in defaults.defaults("sl651") if row.code == "39")
    assert (level.observed_property, level.unit) == ("sl651-Z", "m")
    sulphur = next(row for row in defaults.defaults("hj212") if row.code == "a21026-Rtd")
    assert sulphur.unit == units.unit("mg/m3").code


@pytest.mark.django_db
@pytest.mark.parametrize("protocol", defaults.PROTOCOLS)
def test_one_command_imports_them_and_leaves_what_was_said(protocol, capsys):
    if not Org.objects.exists():
        Org.objects.create(path="/1/", kind="city", code="city", name="City")
    first, *others = defaults.defaults(protocol)
    CodeMapping.objects.create(protocol=protocol, code=first.code, factor=2.0)
    ObservedProperty.objects.create(code=others[0].observed_property, name="Ours")
    assert imported(protocol) == 0, capsys.readouterr().out
    rows = CodeMapping.objects.filter(protocol=protocol)
    assert rows.count() == len(others) + 1
    assert rows.get(code=first.code).factor == 2.0
    assert rows.get(code=others[0].code).observed_property == others[0].observed_property
    assert ObservedProperty.objects.get(code=others[0].observed_property).name == "Ours"
    assert imported(protocol) == 0
    assert rows.count() == len(others) + 1
