"""Admin of identities, mappings and Modbus rows: within reach, checked as the import checks, and recorded."""

import pytest
from django.utils import timezone, translation

from fengsui.people.accounts.sealing import unseal
from fengsui.people.audit.models import Entry
from fengsui.sense.devices.models import (
    SECRET_PURPOSE,
    CodeMapping,
    Device,
    ModbusLink,
    ModbusPoint,
    ProtocolIdentity,
    Site,
    UnmappedCode,
)

TABLES = ("protocolidentity", "codemapping", "unmappedcode", "modbuslink", "modbuspoint")


@pytest.fixture
def rows(tree):
    """One row of each table at a site of Yidu."""
    site = Site.objects.create(
        org=tree.yidu,
        org_path=tree.yidu.path,
        code="pa-site",
        name="厂",
        kind="plant",
        longitude=111.4,
        latitude=30.4,
    )
    device = Device.objects.create(site=site, code="pa-gateway")
    now = timezone.now()
    return {
        "site": site,
        "device": device,
        "protocolidentity": ProtocolIdentity.objects.create(device=device, protocol="jt808", identity="13800138000"),
        "codemapping": CodeMapping.objects.create(protocol="jt808", code="fuel_l", site=site),
        "unmappedcode": UnmappedCode.objects.create(
            device=device, protocol="jt808", code="x9", first_at=now, last_at=now, count=3
        ),
        "modbuslink": ModbusLink.objects.create(device=device, host="10.9.8.7"),
        "modbuspoint": ModbusPoint.objects.create(device=device, code="PT-9", area="holding", address=4),
    }  # fmt: skip


def page(table: str, row: object = None) -> str:
    return f"/admin/devices/{table}/" + (f"{row.pk}/change/" if row else "")


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES)
def test_rows_are_seen_within_reach_and_by_no_stranger(client, tree, person, rows, table):
    client.force_login(person("operator", tree.yidu))
    assert f"{table}/{rows[table].pk}/" in client.get(page(table), {"q": "pa-gateway"}).content.decode() or (
        table == "codemapping" and "fuel_l" in client.get(page(table), {"q": "pa-site"}).content.decode()
    )
    assert client.get(page(table, rows[table])).status_code == 200
    client.force_login(person("operator", tree.xiling))
    assert f"{table}/{rows[table].pk}/" not in client.get(page(table)).content.decode()
    assert client.get(page(table, rows[table])).status_code == 302  # "does not exist", to the index
    assert client.post(page(table, rows[table]), {"code": "y"}).status_code in (302, 403)
    client.force_login(person())
    assert client.get(page(table), follow=True).status_code == 403


@pytest.mark.django_db
def test_an_identity_takes_a_password_that_nothing_shows(client, tree, person, rows):
    client.force_login(person("operator", tree.yidu))
    form = {
        "device": rows["device"].pk, "protocol": "sl651", "identity": "0012345678", "password": "s3cret-word",
        "is_active": "on",
    }  # fmt: skip
    assert client.post(f"{page('protocolidentity')}add/", {**form, "identity": "12"}).status_code == 200
    assert client.post(f"{page('protocolidentity')}add/", form).status_code == 302
    made = ProtocolIdentity.objects.get(identity="0012345678")
    assert unseal(made.secret, SECRET_PURPOSE) == "s3cret-word"
    assert (
        client.post(page("protocolidentity", made), {**form, "password": "", "model": "m"}).status_code == 302
    )
    assert ProtocolIdentity.objects.get(pk=made.pk).secret == made.secret
    assert made.secret not in client.get(page("protocolidentity", made)).content.decode()
    assert client.post(f"{page('protocolidentity')}{made.pk}/delete/", {"post": "yes"}).status_code == 302
    told = list(Entry.objects.filter(action__startswith="protocolidentity.").order_by("id"))
    assert [one.action.split(".")[1] for one in told] == ["created", "edited", "removed"]
    assert all(one.org_path == tree.yidu.path for one in told)
    assert not any("s3cret-word" in str(one.detail) or made.secret in str(one.detail) for one in told)


@pytest.mark.django_db
def test_a_mapping_of_all_sites_is_kept_at_the_top_only(client, tree, person, rows):
    everywhere = CodeMapping.objects.create(protocol="jt808", code="pa-all")
    form = {"protocol": "jt808", "code": "pa-new", "factor": "2", "shift": "0"}
    client.force_login(person("operator", tree.yidu))
    assert client.get(page("codemapping", everywhere)).status_code == 200  # it is in force here, too
    assert client.post(page("codemapping", everywhere), form).status_code == 403
    assert client.post(f"{page('codemapping')}add/", form).status_code == 200
    at_site = {**form, "site": rows["site"].pk}
    assert client.post(f"{page('codemapping')}add/", {**at_site, "datastream": "none"}).status_code == 200
    assert client.post(f"{page('codemapping')}add/", at_site).status_code == 302
    assert CodeMapping.objects.get(code="pa-new").site == rows["site"]
    client.force_login(person("operator", tree.hubei))
    assert client.post(page("codemapping", everywhere), {**form, "code": "pa-all"}).status_code == 302
    everywhere.refresh_from_db()
    assert everywhere.factor == 2.0


@pytest.mark.django_db
def test_modbus_rows_are_checked_as_their_import_checks_them(client, tree, person, rows):
    client.force_login(person("operator", tree.yidu))
    point = {
        "device": rows["device"].pk, "code": "PT-9", "area": "coil", "address": "4", "kind": "uint16",
        "byte_order": "ABCD", "bit": "0", "scale": "1", "shift": "0", "unit": "MPa",
    }  # fmt: skip
    assert client.post(page("modbuspoint", rows["modbuspoint"]), point).status_code == 200
    assert (
        client.post(page("modbuspoint", rows["modbuspoint"]), {**point, "area": "input"}).status_code == 302
    )
    link = {
        "device": rows["device"].pk, "host": "10.9.8.7", "port": "70000", "unit": "1", "framing": "tcp",
        "period_ms": "1000", "timeout_ms": "1000",
    }  # fmt: skip
    assert client.post(page("modbuslink", rows["modbuslink"]), link).status_code == 200
    assert client.post(page("modbuslink", rows["modbuslink"]), {**link, "port": "1502"}).status_code == 302
    assert ModbusLink.objects.get(pk=rows["modbuslink"].pk).port == 1502
    assert client.post(page("unmappedcode", rows["unmappedcode"]), {"code": "y"}).status_code == 403


@pytest.mark.django_db
def test_forms_speak_chinese(client, tree, person, rows):
    client.force_login(person("operator", tree.hubei))
    for table in ("protocolidentity", "codemapping", "modbuslink", "modbuspoint"):
        answer = client.get(page(table, rows[table]))
        form = answer.context["adminform"].form
        with translation.override("zh-hans"):
            labels = [str(field.label) for field in form.fields.values()]
        assert all(any(ord(c) > 0x2E80 for c in label) for label in labels), (table, labels)
