"""``fengsui region load`` on a real PostgreSQL: complete, idempotent, all or nothing."""

import hashlib

import pytest

from fengsui.people.accounts.models import User
from fengsui.people.orgs.models import Membership, Org
from fengsui.run import packs, region
from fengsui.sense.devices.models import Datastream, Device, Site
from fengsui.stores.changes.models import Change
from fengsui.warn.alarms.models import Rule, RuleChange
from fengsui.warn.inventories import services as inventories
from fengsui.warn.warnings import services as warnings
from fengsui.warn.warnings.models import Issuer
from tests.regions.conftest import YICHANG
from tests.regions.test_pack import spoil

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(fengsui_home):
    return fengsui_home


def snapshot():
    """Everything the loader may write, as plain values."""
    return {
        model.__name__: sorted(map(str, model.objects.values_list()))
        for model in (Org, Site, Datastream, Device, Rule, RuleChange, User, Membership, Change)
    }


def test_the_pack_loads_whole(yichang):
    region.load(yichang)
    assert Org.objects.filter(kind="county", parent__code="420500").count() == 13
    assert Org.objects.get(code="420505").path.startswith(Org.objects.get(code="420000").path)
    assert Datastream.objects.count() == len(yichang["datastreams"])
    assert Rule.objects.count() == len(yichang["rules"])
    assert RuleChange.objects.filter(version=1).count() == len(yichang["rules"])
    chem = Site.objects.get(code="yc-chem")
    assert chem.org_path == chem.org.path
    pressure = Rule.objects.get(datastream__code="XMEAS_7", kind="hh")
    assert (pressure.setpoint, pressure.priority, pressure.datastream.unit) == (3000, 1, "kPa")


def test_the_inventory_of_the_demonstration_is_marked_and_gives_way_to_that_of_people(yichang):
    region.load(yichang)
    plant = Site.objects.get(code="yc-chem")
    assert sorted(plant.major_hazards.filter(is_current=True).values_list("grade", flat=True)) == [3, 3, 4]
    assert plant.inventories.get().is_demo
    rows = b"unit,unit_type,name,cas,q_t,residents_500m\ntank,storage,\xe6\xb0\xa8,7664-41-7,5,0\n"
    inventories.keep("somebody", plant, rows, "own.csv")
    assert region.load(yichang)["inventories kept as people left them"] == 1
    assert plant.inventories.first().actor_name == "somebody"


def test_who_speaks_to_the_public_is_there_at_once_and_stays_as_people_left_it(yichang):
    region.load(yichang)
    duty = User.objects.get(username="duty")
    [bureau] = warnings.issuers_for(duty)
    assert (bureau.org.code, bureau.name) == ("420500", "演示·宜昌市应急管理局")
    assert not warnings.issuers_for(User.objects.get(username="safety")).exists()
    Issuer.objects.update(name="另一个名称")
    assert region.load(yichang)["issuers added"] == 0
    assert Issuer.objects.get().name == "另一个名称"


def test_commitments_looks_and_orders_of_the_demonstration_are_there_once(yichang):
    counts = region.load(yichang)
    expected = {"commitments added": 10, "obligations added": 1, "run signals added": 4, "patrols added": 4}
    assert {name: counts[name] for name in expected} == expected
    assert counts["report orders added"] == 4
    plant = Site.objects.get(code="yc-chem")
    assert (plant.commitments.filter(is_late=True).count(), plant.patrols.count()) == (1, 2)
    assert Site.objects.get(code="yc-pump").missing_commitments.filter(given_at=None).count() == 2
    again = region.load(yichang)
    assert not any(n for name, n in again.items() if name.split()[0] in ("commitments", "patrols", "report"))


def test_loading_twice_changes_nothing(yichang):
    region.load(yichang)
    before = snapshot()
    counts = region.load(yichang)
    assert not any(counts.values())
    assert snapshot() == before


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(yichang, home):
    before = snapshot()
    counts = region.load(yichang, dry_run=True)
    assert counts["datastreams added"] == len(yichang["datastreams"])
    assert snapshot() == before
    assert not region.secrets_file().exists()


def test_a_changed_row_is_changed_and_nothing_else(copied, nowhere):
    region.load(packs.read(copied, nowhere))
    spoil(copied, "sites.csv", 2, name="演示化工厂甲")
    spoil(copied, "rules.csv", 2, setpoint="2890")
    counts = region.load(packs.read(copied, nowhere))
    assert {k: n for k, n in counts.items() if n} == {"sites changed": 1, "rules changed": 1}
    rule = Rule.objects.get(datastream__code="XMEAS_7", kind="h")
    assert (rule.setpoint, rule.version) == (2890, 2)
    assert rule.changes.get(version=2).values["setpoint"] == 2890


def test_a_rule_that_somebody_edited_stays_unless_forced(yichang):
    region.load(yichang)
    rule = Rule.objects.get(datastream__code="XMEAS_7", kind="h")
    rule.setpoint, rule.version = 2880, 2
    rule.save()
    RuleChange.objects.create(
        rule=rule, version=2, at=rule.changes.get().at, actor_name="steward", values={"setpoint": 2880}
    )
    assert region.load(yichang)["rules kept as people left them"] == 1
    rule.refresh_from_db()
    assert rule.setpoint == 2880
    region.load(yichang, force=True)
    rule.refresh_from_db()
    assert (rule.setpoint, rule.version) == (2895, 3)


def test_a_moved_organisation_takes_its_sites_along(copied, nowhere):
    region.load(packs.read(copied, nowhere))
    rows = (copied / "orgs.csv").read_text().replace("demo-chem,420505,", "demo-chem,420583,")
    (copied / "orgs.csv").write_text(rows)
    region.load(packs.read(copied, nowhere))
    site = Site.objects.get(code="yc-chem")
    assert site.org_path == site.org.path
    assert site.org.parent.code == "420583"


def test_secrets_are_random_kept_by_their_owner_only_and_never_made_twice(yichang):
    region.load(yichang)
    path = region.secrets_file()
    assert path.stat().st_mode & 0o077 == 0
    kept = region.read_secrets()
    assert set(kept) == {row["code"] for row in yichang["devices"]}
    for device in Device.objects.all():
        site, secret = kept[device.code]
        assert device.site.code == site
        assert device.secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    region.load(yichang)
    assert region.read_secrets() == kept


def test_demonstration_users_can_log_in_and_have_their_roles(yichang):
    region.load(yichang)
    duty = User.objects.get(username="duty")
    assert duty.check_password("Fengsui-demo-1")
    assert duty.memberships.get().role == "duty_officer"
    duty.set_password("another-one-of-mine-7")
    duty.save()
    region.load(yichang)
    duty.refresh_from_db()
    assert duty.check_password("another-one-of-mine-7"), "a password that somebody changed stays"


def test_a_bad_pack_loads_nothing_and_lists_every_row(copied, nowhere, monkeypatch, capsys):
    monkeypatch.setenv("FENGSUI_DATA", str(nowhere))
    spoil(copied, "rules.csv", 2, kind="loud")
    spoil(copied, "sites.csv", 2, longitude="x")
    before = snapshot()
    assert region._load(str(copied)) == 1
    out, err = capsys.readouterr()
    assert "rules.csv:2: kind 'loud'" in out
    assert "sites.csv:2: longitude 'x'" in out
    assert "nothing was loaded" in err
    assert snapshot() == before


def test_load_once_is_quiet_the_second_time_and_notices_a_new_pack(copied, nowhere, monkeypatch, capsys):
    monkeypatch.setenv("FENGSUI_DATA", str(nowhere))
    assert region.load_once(str(copied)) == 0
    assert "datastreams added" in capsys.readouterr().err
    assert region.load_once(str(copied)) == 0
    assert capsys.readouterr().err == ""
    spoil(copied, "sites.csv", 2, name_en="Another name")
    assert region.load_once(str(copied)) == 0
    assert "1 sites changed" in capsys.readouterr().err
    assert region.load_once("atlantis") == 1


def test_list_names_the_packs(yichang, monkeypatch, capsys):
    monkeypatch.setenv("FENGSUI_REGIONS", str(YICHANG.parent))
    region.load(yichang)
    assert region._list() == 0
    assert "yichang          loaded   宜昌市（演示）" in capsys.readouterr().out


def test_the_map_layers_are_put_where_the_portal_reads_them(copied, nowhere, monkeypatch, home):
    from fengsui.show.lists import layers

    monkeypatch.setenv("FENGSUI_DATA", str(nowhere))
    monkeypatch.setattr("django.conf.settings.LAYERS_ROOT", home / "layers")
    (home / "layers").mkdir(parents=True)
    (home / "layers" / "old.geojson").write_text("{}")
    assert region.load_once(str(copied)) == 0
    shown = {layer.name: layer for layer in layers.layers()}
    assert set(shown) == {"province", "city", "county", "labels"}
    assert shown["county"].title_en == "Counties and districts"
    assert layers.read(shown["county"]) == (copied / "layers/county.geojson").read_bytes()
    (home / "layers" / "city.geojson").unlink()
    assert region.load_once(str(copied)) == 0
    assert (home / "layers" / "city.geojson").exists()


def test_detectors_of_the_pack_are_learnt_by_a_job_and_left_as_people_left_them(yichang):
    from procrastinate.contrib.django.models import ProcrastinateJob

    from fengsui.run import lessons
    from fengsui.warn.detecting import services, training
    from fengsui.warn.detecting.models import Detector, Run

    region.load(yichang)
    made = list(Detector.objects.values_list("pk", flat=True))
    jobs = ProcrastinateJob.objects.filter(task_name=lessons.TASK, args__detector__in=made)
    assert len(jobs) == len(yichang.detectors) == 2
    for job in jobs:
        assert lessons.learn(**job.args) == 1 and lessons.learn(**job.args) is None
    unit = Detector.objects.get(site__code="yc-chem")
    assert unit.in_force.version == 1 and unit.in_force.about["every_ms"] == 3000
    assert training.load(unit.in_force).learnt.monitor is not None
    assert Run.objects.count() == 2
    assert lessons.learn(**jobs[0].args | {"detector": 0}) is None
    services.deactivate("somebody", unit, "not here")
    assert region.load(yichang)["detectors added"] == 0
    unit.refresh_from_db()
    assert unit.in_force is None
