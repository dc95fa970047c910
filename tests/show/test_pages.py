"""Every page in both languages for every role, and what it refuses."""

import pytest
from django.conf import settings

from fengsui.people.audit.services import record
from fengsui.people.orgs.access import MAY
from fengsui.people.orgs.models import Role
from tests.show.world import HTML

LANGUAGES = ["zh-hans", "en"]
# page → what one must be allowed to do somewhere to open it
PAGES = {
    "/desk/": "alarm.view",
    "/desk/?mode=wall": "alarm.view",
    "/sites/": "site.view",
    "/sites/?q=东山": "site.view",
    "/sites/?kind=chemical_plant&org=yichang": "site.view",
    "/sites/tep-1/": "site.view",
    "/sites/tep-1/tables/": "site.view",
    "/alarms/": "alarm.view",
    "/alarms/?show=all&level=2&kind=h&since=2020-01-01T00:00": "alarm.view",
    "/alarms/?show=unacked&site=nowhere": "alarm.view",
    "/alarms/{alarm}/": "alarm.view",
    "/warnings/": "warning.view",
    "/warnings/?show=drafts": "warning.view",
    "/warnings/?show=ours&level=2&q=暴雨": "warning.view",
    "/warnings/?show=others": "warning.view",
    "/warnings/?show=wrong": "warning.view",
    "/warnings/new/": "warning.draft",
    "/loops/": "loop.view",
    "/loops/?show=all": "loop.view",
    "/loops/?show=closed": "loop.view",
    "/loops/{loop}/": "loop.view",
    "/rules/": "rule.view",
    "/rules/?q=压力": "rule.view",
    "/scenarios/": "rule.view",
    "/scenarios/?show=draft&q=a": "rule.view",
    "/scenarios/new/?site=tep-1&template=gas_leak": "rule.edit",
    "/scorecards/": "alarm.view",
    "/rules/?show=withdrawn": "rule.view",
    "/rules/{rule}/": "rule.view",
    "/rules/new/?datastream={stream}": "rule.edit",
    "/sites/import/": "site.edit",
    "/sites/import/site.csv": "site.edit",
    "/quarantine/": "quarantine.view",
    "/quarantine/?status=dismissed&reason=5&site=tep-1": "quarantine.view",
    "/quarantine/{held}/": "quarantine.view",
    "/unmapped/": "device.view",
    "/unmapped/?protocol=hj212&q=a": "device.view",
    "/frames/": "device.view",
    "/ledger/": "ledger.view",
    "/ledger/?show=unbalanced&hours=24": "ledger.view",
    "/orgs/": "org.view",
    "/orgs/?at=plant": "org.view",
    "/audit/": "audit.view",
    "/audit/?action=alarm&refused=1": "audit.view",
    "/search/": "",
    "/search/?q=反应器": "",
    "/search/?q=nowhere": "",
    "/status/": "",
    "/operations/": "status.view",
    "/operations/?mode=wall": "status.view",
}
DETAIL = [
    "/sites/tep-1/",
    "/sites/tep-1/tables/",
    "/alarms/{alarm}/",
    "/loops/{loop}/",
    "/rules/{rule}/",
    "/orgs/?at=plant",
]


@pytest.fixture(autouse=True)
def quick_bus(monkeypatch):
    """These tests look at pages, not at the bus: nobody answers, at once."""
    from fengsui.show.lists import operations, readings, roles
    from fengsui.show.live.hub import NotConnected

    class Silent:
        def ask(self, *args):
            raise NotConnected

        roles = ask

    monkeypatch.setattr(readings, "hub", Silent)
    monkeypatch.setattr(roles, "hub", Silent)
    monkeypatch.setattr(operations, "hub", Silent)
    operations.forget()


@pytest.fixture
def full(world):
    """The world with an alarm, its loop and an audit entry; addresses filled in by ``full(path)``."""
    alarm = world.alarm(priority=1)
    loop = world.loop(alarm)
    record(world.officer, "alarm.acked", alarm, note="seen")
    ids = {"alarm": alarm.pk, "loop": loop.pk, "rule": world.rule.pk, "stream": world.stream.pk}
    ids["held"] = world.held().pk
    world.booked()
    return lambda path: path.format(**ids)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", Role.values)
def test_every_page_opens_for_each_role_that_may_and_for_no_other(world, full, open_as, role, language):
    client = open_as(world.users[role], language)
    for page, action in PAGES.items():
        response = client.get(full(page))
        expected = 200 if not action or role in MAY[action] else 403
        assert response.status_code == expected, f"{page} as {role}: {response.status_code}"
        html = response.content.decode()
        if page.endswith(".csv"):
            continue
        assert f'<html lang="{"en" if language == "en" else "zh-Hans"}"' in html
        assert "style=" not in html
        assert "<script>" not in html


@pytest.mark.parametrize("page", PAGES)
def test_without_login_every_page_leads_to_the_login(world, full, open_as, page):
    response = open_as().get(full(page))
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=/")


@pytest.mark.parametrize("who", ["stranger", "nobody"])
@pytest.mark.parametrize("page", DETAIL)
def test_what_lies_outside_ones_organisations_is_not_found(world, full, open_as, page, who):
    response = open_as(getattr(world, who)).get(full(page))
    assert response.status_code == (404 if who == "stranger" else 403)
    assert "东山" not in response.content.decode()


@pytest.mark.parametrize("page", [p for p in PAGES if p.count("/") == 2 and "{" not in p and "?q" not in p])
def test_no_list_shows_a_stranger_what_is_ours(world, full, open_as, page):
    response = open_as(world.stranger).get(page)
    if response.status_code == 200:
        html = response.content.decode()
        assert "东山" not in html
        assert "反应器" not in html


def test_the_first_page_is_the_desk(world, open_as):
    assert open_as(world.officer).get("/")["Location"] == "/desk/"


@pytest.mark.parametrize("page", ["/sites/", "/alarms/?show=all", "/loops/?show=all", "/rules/", "/audit/"])
def test_htmx_gets_the_list_alone(world, full, open_as, page):
    html = open_as(world.root).get(page, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in html
    assert "table" in html


@pytest.mark.parametrize("page", ["/sites/", "/alarms/?show=all", "/loops/?show=all", "/rules/"])
def test_an_old_place_in_a_list_leads_to_its_first_page(world, open_as, page):
    client = open_as(world.officer)
    response = client.get(page + ("&" if "?" in page else "?") + "cursor=nonsense")
    assert response.status_code == 302
    assert response["Location"] == page.split("?")[0]


def test_lists_go_on_where_the_page_ended(world, open_as):
    for i in range(60):
        world.alarm(minutes_ago=i + 1)
    client = open_as(world.officer)
    first = client.get("/alarms/?show=all&level=2")
    assert first.content.decode().count('name="ids"') == 50
    follow = first.context["next"]
    assert "level=2" in follow
    second = client.get("/alarms/" + follow)
    assert second.content.decode().count('name="ids"') == 10
    assert second.context["next"] == ""
    assert "level=2" in second.context["first"]


@pytest.mark.parametrize(
    ("page", "most"),
    [
        ("/sites/", 9),
        ("/alarms/", 8),
        ("/alarms/?show=all", 8),
        ("/loops/?show=all", 9),
        ("/rules/", 8),
        ("/orgs/?at=yichang", 16),
        ("/audit/", 8),
        ("/quarantine/", 9),
        ("/ledger/", 9),
    ],
)
def test_a_longer_list_asks_the_database_no_more_often(
    world, open_as, django_assert_max_num_queries, page, most
):
    for i in range(30):
        site = world.add_site(f"q-{i}", f"站{i}", world.yichang)
        stream = world.add_stream(site, "P1", "压力")
        world.rule.__class__.objects.create(datastream=stream, kind="l", setpoint=1, priority=3)
        world.loop(world.alarm(stream, rule=None))
        world.held(stream)
        world.booked(minutes_ago=i + 2)
    client = open_as(world.root)
    client.get(page)
    with django_assert_max_num_queries(most):
        assert client.get(page).status_code == 200


def test_a_name_that_looks_like_html_stays_a_name(world, full, open_as):
    world.site.name = world.site.name_en = world.site.address = HTML
    world.site.save()
    world.stream.name = world.stream.name_en = HTML
    world.stream.save()
    world.plant_org.name = world.plant_org.name_en = HTML
    world.plant_org.save()
    record(HTML, "x", HTML, detail=HTML)
    for language in LANGUAGES:
        client = open_as(world.root, language)
        for page in [*PAGES, "/search/?q=alert"]:
            html = client.get(full(page)).content.decode()
            assert HTML not in html, page
            if page.startswith("/sites/tep-1") or "alarm}" in page or "held}" in page:
                assert "&lt;script&gt;" in html, page


def test_alarms_are_acknowledged_from_the_list(world, open_as):
    alarms = [world.alarm(), world.alarm(), world.alarm(world.other_stream)]
    client = open_as(world.officer)
    response = client.post(
        "/alarms/ack/", {"ids": [a.pk for a in alarms], "note": "seen", "next": "/alarms/?show=all"}
    )
    assert response["Location"] == "/alarms/?show=all"
    for alarm in alarms:
        alarm.refresh_from_db()
    assert [a.acked_by for a in alarms] == [world.officer, world.officer, None]


def test_a_form_never_leads_to_another_host(world, open_as):
    response = open_as(world.officer).post("/alarms/ack/", {"next": "https://evil.example/"})
    assert response["Location"] == "/alarms/"


def test_who_may_not_acknowledge_has_no_button_and_no_right(world, open_as):
    alarm = world.alarm()
    client = open_as(world.users["viewer"])
    assert 'action="/alarms/ack/"' not in client.get(f"/alarms/{alarm.pk}/").content.decode()
    response = client.post("/alarms/ack/", {"ids": [alarm.pk]}, follow=True)
    alarm.refresh_from_db()
    assert alarm.acked_at is None
    assert "notice-error" in response.content.decode()


def test_the_shelf_from_the_alarm_page(world, open_as):
    alarm, client = world.alarm(), open_as(world.officer)
    client.post(f"/alarms/{alarm.pk}/shelve/", {"minutes": "30", "reason": "calibration"})
    assert "calibration" in client.get(f"/alarms/{alarm.pk}/").content.decode()
    client.post(f"/alarms/{alarm.pk}/unshelve/")
    world.rule.refresh_from_db()
    assert world.rule.shelved_until is None
    client.post(f"/alarms/{alarm.pk}/shelve/", {"minutes": "x", "reason": ""})
    assert open_as(world.stranger).post(f"/alarms/{alarm.pk}/shelve/", {"minutes": "5"}).status_code == 404


def test_a_loop_is_acted_on_without_javascript_and_nothing_typed_is_lost(world, open_as, settings, tmp_path):
    from django.core.files.uploadedfile import SimpleUploadedFile

    settings.MEDIA_ROOT = tmp_path
    loop = world.loop(world.alarm())
    client = open_as(world.officer)
    act = f"/loops/{loop.pk}/act/"
    assert client.post(act, {"action": "acknowledge"}).status_code == 302
    refused = client.post(act, {"action": "submit", "cause": "instrument", "note": "typed words"})
    assert refused.status_code == 422
    assert "typed words" in refused.content.decode()
    photo = SimpleUploadedFile("a.png", b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    done = client.post(
        act, {"action": "submit", "cause": "instrument", "measure": "replaced", "files": [photo]}, follow=True
    )
    assert done.status_code == 200
    assert "a.png" in done.content.decode()
    loop.refresh_from_db()
    assert loop.step == "to_check"
    # four eyes: whoever handed it in does not check it
    page = client.get(f"/loops/{loop.pk}/").content.decode()
    assert 'value="check"' not in page
    assert client.post(act, {"action": "check"}).status_code == 422


def test_a_rule_is_edited_with_a_reason_and_keeps_its_history(world, open_as):
    client = open_as(world.users["data_steward"])
    url = f"/rules/{world.rule.pk}/"
    form = {
        "setpoint": "2900",
        "deadband": "5",
        "on_delay": "10",
        "priority": "1",
        "is_enabled": "on",
        "version": "1",
    }
    refused = client.post(url, form)
    assert refused.status_code == 422
    assert "errors" in refused.content.decode()
    assert client.post(url, {**form, "reason": "published limit"}).status_code == 302
    world.rule.refresh_from_db()
    assert (world.rule.setpoint, world.rule.on_delay_ms, world.rule.priority) == (2900, 10_000, 1)
    assert "published limit" in client.get(url).content.decode()
    old = client.post(url, {**form, "setpoint": "1", "reason": "late"})
    assert old.status_code == 422  # version 1 was edited meanwhile
    world.rule.refresh_from_db()
    assert world.rule.setpoint == 2900


def test_a_rule_that_makes_no_sense_is_refused_at_its_field(world, open_as):
    client = open_as(world.users["data_steward"])
    response = client.post(
        f"/rules/{world.rule.pk}/", {"setpoint": "", "priority": "2", "reason": "x", "version": "1"}
    )
    assert response.status_code == 422
    assert response.context["form"].errors["setpoint"]


def test_a_new_rule_and_its_withdrawal(world, open_as):
    client = open_as(world.users["data_steward"])
    response = client.post(
        f"/rules/new/?datastream={world.stream.pk}",
        {"kind": "hh", "setpoint": "3000", "priority": "1", "is_enabled": "on", "reason": "shutdown limit"},
    )
    assert response.status_code == 302
    url = response["Location"]
    assert client.post(url + "withdraw/", {"reason": "test over"}).status_code == 302
    assert "test over" in client.get(url).content.decode()
    assert open_as(world.stranger).post(url + "withdraw/", {"reason": "x"}).status_code == 404


def test_health_is_public_says_only_up_or_down_and_fails_when_a_role_is_down(world, open_as, monkeypatch):
    from fengsui.show.portal.pages import home

    monkeypatch.setattr(home, "_asked", None)
    response = open_as().get("/healthz")
    assert response.status_code == 503
    body = response.json()
    assert set(body) == {"ok", "roles"}
    assert body["roles"]["gateway"] == "down"


def test_a_page_that_is_too_old_to_send_says_so(world):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(world.officer, backend=settings.AUTHENTICATION_BACKENDS[1])
    response = client.post("/alarms/ack/", {"ids": "1"})
    assert response.status_code == 403
    assert "show.csrf" in response.content.decode()


def test_a_failure_of_ours_has_a_page_that_needs_nothing(world, open_as, monkeypatch):
    from fengsui.show.portal.pages import alarms

    monkeypatch.setattr(alarms.lists, "alarm_page", lambda *a, **k: 1 / 0)
    client = open_as(world.officer)
    client.raise_request_exception = False
    response = client.get("/alarms/")
    assert response.status_code == 500
    assert "base.error" in response.content.decode()


def test_the_language_is_chosen_and_kept_with_the_account(world, open_as):
    client = open_as(world.officer)
    client.post("/i18n/setlang/", {"language": "en", "next": "/alarms/"})
    assert (
        '<html lang="en"' in client.get("/alarms/", headers={"accept-language": "zh-hans"}).content.decode()
    )


def test_held_readings_are_corrected_one_by_one_and_dismissed_in_bulk(world, open_as):
    client = open_as(world.users["data_steward"])
    held = world.held()
    page = client.get(f"/quarantine/{held.pk}/").content.decode()
    assert "P7" in page
    url = "/quarantine/resolve/"
    bad = client.post(url, {"ids": held.pk, "single": held.pk, "deed": "replay", "value": "x"})
    assert bad.status_code == 422
    assert (
        client.post(url, {"ids": held.pk, "single": held.pk, "deed": "replay", "value": "2900"}).status_code
        == 302
    )
    held.refresh_from_db()
    assert (held.status, held.resolution["value"]) == ("replayed", 2900)
    others = [world.held().pk for _ in range(3)]
    refused = client.post(
        url + "?status=held&reason=5", {"scope": "all", "deed": "dismiss", "note": ""}, follow=True
    )
    assert "notice-error" in refused.content.decode()
    client.post(url + "?status=held&reason=5", {"scope": "all", "deed": "dismiss", "note": "test probe"})
    assert set(held.__class__.objects.filter(pk__in=others).values_list("status", flat=True)) == {"dismissed"}
    assert "test probe" in client.get(f"/quarantine/{others[0]}/").content.decode()


def test_nobody_resolves_what_lies_elsewhere(world, open_as):
    held = world.held()
    stranger = world.user("data_steward", world.jingzhou, "far-steward")
    open_as(stranger).post("/quarantine/resolve/", {"ids": held.pk, "deed": "dismiss", "note": "x"})
    held.refresh_from_db()
    assert held.status == "held"
    viewer = open_as(world.users["commander"])
    viewer.post("/quarantine/resolve/", {"ids": held.pk, "deed": "dismiss", "note": "x"})
    held.refresh_from_db()
    assert held.status == "held"


def test_the_ledger_shows_what_does_not_balance_and_pages_through(world, open_as):
    for i in range(130):
        world.booked(minutes_ago=2, source=f"d-{i:03}")
    world.booked(minutes_ago=5, source="leak", lost=3)
    client = open_as(world.root)
    first = client.get("/ledger/")
    assert len(first.context["entries"]) == 100
    second = client.get("/ledger/" + first.context["next"])
    sources = [e.source for page in (first, second) for e in page.context["entries"]]
    assert len(sources) == len(set(sources)) == 131
    only = client.get("/ledger/?show=unbalanced").context["entries"]
    assert [(e.source, e.problems) for e in only] == [("leak", ["gateway-pipeline"])]


SITES = "code,name,org,longitude,latitude\nnew-1,新站,plant,111.3,30.7\n"


def upload(client, text, **more):
    from django.core.files.uploadedfile import SimpleUploadedFile

    file = SimpleUploadedFile("sites.csv", text.encode())
    return client.post("/sites/import/", {"kind": "site", "org": "yichang", "file": file, **more})


def test_an_import_is_checked_first_and_every_bad_row_is_named(world, open_as):
    from fengsui.sense.devices.models import Site

    client = open_as(world.users["data_steward"], "en")
    assert upload(client, SITES, deed="check").status_code == 200
    assert not Site.objects.filter(code="new-1").exists()
    bad = SITES + f"new-2,{HTML},nowhere,999,30.7\n=1+1,x,plant,111,30\n"
    refused = upload(client, bad, deed="import")
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "nowhere" in html or "999" in html
    assert HTML not in html
    assert not Site.objects.filter(code="new-1").exists()
    listed = upload(client, bad, deed="list")
    assert listed["Content-Type"].startswith("text/csv")
    assert "'=1+1" in listed.content.decode("utf-8-sig")
    assert upload(client, SITES, deed="import").status_code == 200
    assert Site.objects.get(code="new-1").org_path == world.plant_org.path


def test_nobody_imports_for_another_organisation(world, open_as):
    response = upload(open_as(world.users["data_steward"]), SITES, deed="import", org="jingzhou")
    assert response.status_code == 422
    assert upload(open_as(world.users["viewer"]), SITES, deed="import").status_code == 403
