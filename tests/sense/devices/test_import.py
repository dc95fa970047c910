"""Import of spreadsheets: every bad row named, all or nothing, plain text stays plain, a million rows pass."""

import io
import resource
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest
from django.contrib.auth import get_user_model
from django.utils import translation

from fengsui.base.errors import NotAllowed
from fengsui.people.accounts.sealing import unseal
from fengsui.people.audit.models import Entry
from fengsui.people.orgs.models import Membership, Org
from fengsui.sense.devices import files, services
from fengsui.sense.devices.models import (
    SECRET_PURPOSE,
    CodeMapping,
    Datastream,
    Device,
    ModbusLink,
    ModbusPoint,
    ObservedProperty,
    ProtocolIdentity,
    Sensor,
    Site,
    Thing,
)
from fengsui.sense.devices.protocol_tables import TABLES
from fengsui.sense.devices.services import BadFile, import_file, template


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


@pytest.fixture
def city(db) -> Org:
    return Org.objects.create(path="/1/", kind="city", code="city", name="City")


@pytest.fixture
def county(city) -> Org:
    return Org.objects.create(path="/1/2/", depth=1, kind="county", code="county", name="County", parent=city)


@pytest.fixture
def plant(city) -> Site:
    site = Site.objects.create(code="plant-1", name="Plant", org=city, longitude=111, latitude=30)
    Thing.objects.create(site=site, code="R-101", name="Reactor")
    ObservedProperty.objects.create(code="pressure", name="Pressure")
    return site


def given(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def load(org, text, kind="datastream", dry_run=False, actor=None):
    return import_file(actor, org, given(text) if isinstance(text, str) else text, kind, dry_run)


HEAD = "site,thing,code,name,observed_property,unit,range_min,range_max,period_ms\n"


def test_rows_are_created_then_changed_then_left_alone(city, plant):
    text = (
        HEAD
        + "plant-1,R-101,PT-101,反应器压力,pressure,kPa,0,4000,1000\nplant-1,R-101,PT-102,P2,pressure,,,,\n"
    )
    report = load(city, text)
    assert (report.created, report.updated, report.applied) == (2, 0, True)
    row = Datastream.objects.get(code="PT-101")
    assert (row.name, row.unit, row.range_max, row.thing.code) == ("反应器压力", "kPa", 4000, "R-101")
    assert (Datastream.objects.get(code="PT-102").period_ms, row.decimals, row.is_active) == (1000, 2, True)
    report = load(city, text.replace("4000", "5000"))
    assert (report.created, report.updated, report.unchanged) == (0, 1, 1)
    report = load(city, "site,thing,code,name,observed_property\nplant-1,R-101,PT-101,New,pressure\n")
    row.refresh_from_db()
    assert (row.name, row.range_max) == ("New", 5000)
    assert Entry.objects.filter(action="datastream.imported").count() == 3


def test_a_dry_run_lists_every_bad_row_and_changes_nothing(city, plant):
    text = HEAD + (
        "plant-1,R-101,A,ok,pressure,kPa,0,1,1000\n"
        "plant-9,R-101,B,x,pressure,kPa,0,1,1000\n"
        "plant-1,R-999,C,x,pressure,kPa,0,1,1000\n"
        "plant-1,R-101,D,x,heat,kPa,0,1,1000\n"
        "plant-1,R-101,E,x,pressure,furlong,0,1,1000\n"
        "plant-1,R-101,F,x,pressure,kPa,nan,1,1000\n"
        "plant-1,R-101,G,x,pressure,kPa,5,1,1000\n"
        "plant-1,R-101,H,x,pressure,kPa,0,1,-4\n"
        "plant-1,R-101,A,again,pressure,kPa,0,1,1000\n"
        "plant-1,R-101,I,,pressure,kPa,0,1,1000\n"
        "plant-1,R-101,J,x,pressure,kPa,0,1,1000,more\n"
        f"plant-1,R-101,{'K' * 65},x,pressure,kPa,0,1,1000\n"
    )
    for dry_run in (True, False):
        report = load(city, text, dry_run=dry_run)
        assert [(b.row, b.column) for b in report.bad] == [
            (3, "site"), (4, "thing"), (5, "observed_property"), (6, "unit"), (7, "range_min"), (8, "range_max"),
            (9, "period_ms"), (10, "code"), (11, "name"), (12, ""), (13, "code"),
        ]  # fmt: skip
        assert (report.rows, report.bad_count, report.applied) == (12, 11, False)
        assert all(b.problem and b.advice for b in report.bad)
        assert "stands in row 2 already" in str(report.bad[7])
    assert not Datastream.objects.exists()
    assert not Entry.objects.exists()


def test_a_good_dry_run_says_what_would_happen(city, plant):
    text = HEAD + "plant-1,R-101,A,a,pressure,kPa,0,1,1000\n"
    load(city, text)
    report = load(city, text + "plant-1,R-101,B,b,pressure,kPa,0,1,1000\n", dry_run=True)
    assert (report.created, report.updated, report.applied) == (1, 1, False)
    assert report.summary() == "2 rows are good: 1 would be new, 1 are there already."
    assert Datastream.objects.count() == 1


def test_names_that_look_like_markup_or_sql_stay_plain_text(city, plant):
    name = "<script>alert(1)</script>'; DROP TABLE devices_site;-- %(x)s \\N {0}"
    code = "<b>'\"&;--%s\\."
    cells = [c.replace('"', '""') for c in ("plant-1", "R-101", code, name, "pressure")]
    load(city, "site,thing,code,name,observed_property\n" + ",".join(f'"{c}"' for c in cells) + "\n")
    row = Datastream.objects.get()
    assert (row.name, row.code) == (name, code)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_as_spreadsheets_write_them(city, encoding, delimiter):
    lines = [["code", "name", "org", "longitude", "latitude"], ["a", "宜昌，化工厂", "city", "111.2", "30.7"]]
    text = "\r\n".join(delimiter.join(f'"{c}"' for c in line) for line in lines)
    assert load(city, io.BytesIO(text.encode(encoding)), "site").created == 1
    assert Site.objects.get().name == "宜昌，化工厂"


def test_xlsx_with_numbers_as_codes_and_chinese_headings(city):
    with translation.override("zh-hans"):
        labels = [str(c.label) for c in TABLES["site"].columns[:7]]
    book = openpyxl.Workbook()
    book.active.append(labels)
    book.active.append([101, "1+1 <b>", None, "city", None, 111.25, 30])
    book.active.append([None] * 7)
    file = io.BytesIO()
    book.save(file)
    report = load(city, file, "site")
    assert (report.rows, report.created) == (1, 1), report.bad
    site = Site.objects.get()
    assert (site.code, site.longitude, site.kind, site.org_path) == ("101", 111.25, "other", "/1/")


@pytest.mark.parametrize("kind", list(TABLES))
def test_the_template_of_each_kind_is_read_back_in_both_languages(kind, city, plant):
    Sensor.objects.create(code="x", name="x")
    for language in ("en", "zh-hans"):
        with translation.override(language):
            text = template(kind)
        assert text.startswith(b"\xef\xbb\xbf")
        report = load(city, io.BytesIO(text), kind, dry_run=True)
        assert report.rows == 1
        assert {b.column for b in report.bad} <= {"org", "device", "datastream", "upstream_thing", "thing"}, (
            report.bad
        )  # examples


def test_headings_that_are_unknown_missing_or_double_are_named(city):
    report = load(city, "code,nmae,code,org\na,b,c,city\n", "site")
    assert [b.column for b in report.bad] == ["nmae", "code", "name", "longitude", "latitude"]
    assert report.rows == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 not a zip",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"code,name\n\xff\xfe\xff\xff\xff" + b"\xff" * 10,
        b'code,name,org,longitude,latitude\n"' + b"x" * 200_000,
    ],
)
def test_a_file_that_cannot_be_read_says_so(city, data):
    with pytest.raises(BadFile):
        load(city, io.BytesIO(data), "site")
    assert not Site.objects.exists()


def test_a_zip_bomb_is_refused_by_its_unpacked_size(city, monkeypatch):
    book = openpyxl.Workbook()
    book.active.append(["code"])
    file = io.BytesIO()
    book.save(file)
    monkeypatch.setattr(files, "MAX_UNPACKED", 100)
    with pytest.raises(BadFile, match="too large"):
        load(city, file, "site")


def steward(org):
    user = get_user_model().objects.create_user("steward", password="x")
    Membership.objects.create(user=user, org=org, role="data_steward")
    return user


def test_nobody_reaches_beyond_his_organisation(city, county, plant):
    user = steward(county)
    with pytest.raises(NotAllowed):
        load(city, HEAD, actor=user)
    with pytest.raises(NotAllowed):
        load(county, "code,name\nx,y\n", "property", actor=user)
    inside = Site.objects.create(code="plant-2", name="In", org=county, longitude=1, latitude=1)
    Thing.objects.create(site=inside, code="R-101", name="R")
    report = load(
        county, HEAD + "plant-1,R-101,A,a,pressure,kPa,,,\nplant-2,R-101,A,a,pressure,kPa,,,\n", actor=user
    )
    assert [(b.row, b.column) for b in report.bad] == [(2, "site")]
    report = load(
        county, "code,name,org,longitude,latitude\nplant-1,Mine,county,1,1\nnew,New,city,1,1\n", "site"
    )
    assert [(b.row, b.column) for b in report.bad] == [(2, "code"), (3, "org")]
    Device.objects.create(site=plant, code="dev-1")
    report = load(county, "site,code\nplant-2,dev-1\n", "device", actor=user)
    assert [(b.row, b.column) for b in report.bad] == [(2, "code")]
    assert Site.objects.get(code="plant-1").name == "Plant"


def test_the_querysets_show_only_what_a_user_may_see(city, county, plant):
    user = steward(county)
    assert not Site.objects.visible_to(user).exists()
    assert not Thing.objects.visible_to(user).exists()
    assert Thing.objects.visible_to(steward_of_city(city)).count() == 1


def steward_of_city(city):
    user = get_user_model().objects.create_user("boss", password="x")
    Membership.objects.create(user=user, org=city, role="viewer")
    return user


def test_a_new_device_has_no_secret_until_it_gets_one(city, plant):
    load(city, "site,code\nplant-1,dev-1\n", "device")
    device = Device.objects.get()
    assert device.secret_sha256 == ""
    secret = services.new_secret(None, device)
    from fengsui.sense.gateways.registry import Registry
    from fengsui.sense.gateways.registry import load as snapshot

    registry = Registry(snapshot())
    assert registry.authenticate("dev-1", secret).site == plant.pk
    assert registry.authenticate("dev-1", "") is None
    assert Entry.objects.filter(action="device.secret", object_name="dev-1").count() == 1
    assert secret not in str(list(Entry.objects.values()))
    [(code, other)] = services.new_secrets(None, city, Device.objects.select_related("site"))
    assert Registry(snapshot()).authenticate(code, other)
    with pytest.raises(NotAllowed):
        services.new_secret(steward(Org.objects.create(path="/8/", kind="city", code="o", name="O")), device)


@pytest.mark.slow
def test_a_million_rows_pass_in_bounded_memory(city, plant):
    file = io.BytesIO()
    file.write(b"site,thing,code,name,observed_property,unit,range_min,range_max\n")
    for i in range(1_000_000):
        file.write(b"plant-1,R-101,T%d,Tag %d,pressure,kPa,0,100\n" % (i, i))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = load(city, file, dry_run=True)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (report.rows, report.created) == (1_000_000, 1_000_000)
    assert grown_kib < 200 << 10


def test_one_row_too_many_is_told_the_limit(city, plant, monkeypatch):
    monkeypatch.setattr(services, "MAX_ROWS", 2)
    row = "plant-1,R-101,%s,a,pressure,kPa,,,\n"
    assert load(city, HEAD + row % "A" + row % "B").created == 2
    with pytest.raises(BadFile, match="More than 2 rows"):
        load(city, HEAD + row % "A" + row % "B" + row % "C")


def test_the_command_imports_lists_bad_rows_and_gives_a_secret(transactional_db, tmp_path):
    org = Org.objects.create(path="/1/", kind="city", code="city", name="City")
    Site.objects.create(code="plant-1", name="Plant", org=org, longitude=111, latitude=30)
    from django.db import connection

    db = connection.settings_dict
    import os

    env = {
        **os.environ,
        "FENGSUI_LANGUAGE": "en",
        "FENGSUI_DATABASE_URL": f"postgresql://{db['USER']}:{db['PASSWORD']}@{db['HOST']}:{db['PORT']}/{db['NAME']}",
    }

    def fengsui(*arguments):
        command = [sys.executable, "-m", "fengsui.run", "devices", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)

    good, bad = tmp_path / "devices.csv", tmp_path / "devices-bad.csv"
    good.write_text("site,code\nplant-1,dev-1\n")
    bad.write_text("site,code\nplant-9,=dev\n")
    assert fengsui("import", str(good), "--dry-run").returncode == 0
    assert not Device.objects.exists()
    done = fengsui("import", str(good))
    assert (done.returncode, Device.objects.count()) == (0, 1), done.stderr
    done = fengsui("import", str(bad), "--bad", str(tmp_path / "out.csv"))
    assert done.returncode == 1
    assert "row 2, code" in done.stdout
    assert "'=dev" in (tmp_path / "out.csv").read_text(encoding="utf-8-sig")
    done = fengsui("secret", "dev-1")
    assert (done.returncode, len(done.stdout.strip())) == (0, 32), done.stderr
    assert fengsui("secret", "ghost").returncode == 1
    assert fengsui("import", str(tmp_path / "none.csv"), "--kind", "site").returncode == 2
    assert "period_ms" not in fengsui("template", "site").stdout


def test_the_page_names_every_column_of_every_kind():
    page = (Path(__file__).parents[3] / "docs/devices.md").read_text()
    for table in TABLES.values():
        part = page.split(f"### `{table.kind}`")[1].split("###")[0]
        assert [c.name for c in table.columns if f"| `{c.name}` |" not in part] == []


@pytest.fixture
def speaking(plant) -> Site:
    """The plant with a device and a datastream."""
    Device.objects.create(site=plant, code="logger", secret_sha256="")
    thing, prop = plant.things.get(), ObservedProperty.objects.get()
    Datastream.objects.create(
        site=plant, thing=thing, observed_property=prop, code="COD", name="COD", unit="mg/L"
    )
    return plant


def test_identities_are_imported_with_their_passwords_sealed(city, county, speaking):
    text = (
        "device,protocol,identity,password,thing\nlogger,hj212,MN1,123456,R-101\nlogger,sl651,0012345678,,\n"
    )
    assert load(city, text, "identity", dry_run=True).created == 2
    report = load(city, text, "identity")
    assert (report.created, report.applied) == (2, True)
    row = ProtocolIdentity.objects.get(identity="MN1")
    assert (row.device.code, row.thing.code, unseal(row.secret, SECRET_PURPOSE)) == (
        "logger",
        "R-101",
        "123456",
    )
    assert "123456" not in row.secret
    bad = load(
        city,
        "device,protocol,identity,thing\nnobody,hj212,A,\nlogger,x,B,\nlogger,sl651,12ab,\nlogger,jt808,0139,\n"
        "logger,gb26875,x,\nlogger,hj212,C,R-999\n",
        "identity",
    )
    assert [(b.row, b.column) for b in bad.bad] == [
        (2, "device"), (3, "protocol"), (4, "identity"), (5, "identity"), (6, "identity"), (7, "thing"),
    ]  # fmt: skip
    other = Site.objects.create(code="plant-2", name="P", org=county, longitude=111, latitude=30)
    Device.objects.create(site=other, code="logger-2", secret_sha256="")
    taken = load(county, "device,protocol,identity\nlogger-2,hj212,MN1\n", "identity")
    assert [(b.column, b.problem) for b in taken.bad] == [("identity", "is taken")]


def test_mappings_of_a_site_and_of_all_sites_stand_side_by_side(city, county, speaking):
    text = "protocol,code,site,device,datastream,unit,factor\nhj212,w01018-Rtd,plant-1,,COD,mg/L,2\n"
    text += "hj212,w01018-Rtd,plant-1,logger,COD,,\nhj212,w01001-Rtd,plant-1,,,,\n"
    assert load(city, text, "mapping", dry_run=True).created == 3
    assert load(city, text, "mapping").created == 3
    again = load(city, text.replace(",2\n", ",3\n"), "mapping")
    assert (again.created, again.updated, again.unchanged) == (0, 1, 2)
    everybody = "protocol,code,observed_property,shift\nhj212,w01018-Rtd,pressure,1.5\n"
    assert load(city, everybody, "default-mapping").created == 1
    assert load(city, everybody, "default-mapping").unchanged == 1
    rows = CodeMapping.objects.filter(code="w01018-Rtd").order_by("id")
    assert [(m.site_id and "site", m.device_id and "device", m.factor, m.shift) for m in rows] == [
        ("site", None, 3.0, 0.0), ("site", "device", 1.0, 0.0), (None, None, 1.0, 1.5),
    ]  # fmt: skip
    bad = load(
        city,
        "protocol,code,site,device,datastream,observed_property\nhj212,a,plant-1,,NONE,\nhj212,b,plant-1,x,COD,\n"
        "hj212,c,plant-1,,COD,pressure\nhj212,d,plant-9,,,\nhj212,e,plant-1,,,none\n",
        "mapping",
    )
    assert [(b.row, b.column) for b in bad.bad] == [
        (2, "datastream"), (3, "device"), (4, "observed_property"), (5, "site"), (6, "observed_property"),
    ]  # fmt: skip
    assert load(county, text, "mapping").bad_count >= 3  # not below the county


def test_modbus_links_and_points_are_imported(city, speaking):
    assert load(city, "device,host,period_ms\nlogger,10.0.0.5,500\n", "modbus").created == 1
    assert load(city, "device,host\nlogger,10.0.0.6\n", "modbus").updated == 1
    link = ModbusLink.objects.get()
    assert (link.host, link.port, link.unit, link.period_ms) == ("10.0.0.6", 502, 1, 500)
    text = "device,code,area,address,kind,scale\nlogger,COD,holding,10,float32,0.1\nlogger,RUN,coil,1,bool,\n"
    assert load(city, text, "point").created == 2
    assert ModbusPoint.objects.get(code="COD").scale == 0.1
    bad = load(city, "device,code,area,address,kind\nlogger,X,coil,1,int16\nlogger,Y,tape,1,\n", "point")
    assert [(b.row, b.column) for b in bad.bad] == [(2, "kind"), (3, "area")]
