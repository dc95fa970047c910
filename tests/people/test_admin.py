"""/admin/: who gets in, what they reach there, and that what they change is recorded."""

import importlib
import pkgutil

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.urls import reverse
from django.utils import translation

from fengsui.run.middleware import CONTENT_SECURITY_POLICY


@pytest.fixture
def entries(db):
    from fengsui.people.audit.models import Entry

    return lambda action: list(Entry.objects.filter(action=action).order_by("id"))


def test_a_stranger_is_led_to_the_one_login_and_an_officer_is_refused_and_recorded(
    client, tree, person, entries
):
    answer = client.get("/admin/")
    assert answer.status_code == 302
    assert client.get(answer["Location"])["Location"].startswith("/accounts/login/?next=")
    client.force_login(person("duty_officer", tree.hubei))
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    (entry,) = entries("admin.open")
    assert not entry.ok
    assert entry.source_ip == "127.0.0.1"


def test_every_answer_carries_the_security_header(client, tree, person):
    client.force_login(person("operator", tree.hubei))
    for path in (
        "/admin/",
        "/accounts/login/",
        "/no/such/page",
        "/static/admin/css/base.css",
        "/admin/orgs/org/",
    ):
        answer = client.get(path)
        assert answer["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, path
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_every_admin_of_ours_records_what_it_changes():
    import fengsui
    from fengsui.people.audit.admin import AuditedAdmin

    for module in pkgutil.walk_packages(fengsui.__path__, "fengsui."):
        if module.name.endswith(".admin"):
            found = vars(importlib.import_module(module.name)).values()
            for kind in found:
                if (
                    isinstance(kind, type)
                    and issubclass(kind, admin.ModelAdmin)
                    and kind is not admin.ModelAdmin
                ):
                    assert issubclass(kind, AuditedAdmin), kind


def test_every_list_and_form_opens_for_an_operator_and_a_superuser(client, tree, person):
    for user in (person("operator", tree.hubei), person(is_superuser=True)):
        client.force_login(user)
        assert client.get("/admin/").status_code == 200  # with its URLs the pages are read
        assert len(admin.site._registry) > 20
        for model, page in admin.site._registry.items():
            base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            assert client.get(reverse(f"{base}_changelist")).status_code in (200, 403), model
            request = client.get("/admin/").wsgi_request
            if page.has_add_permission(request):
                assert client.get(reverse(f"{base}_add")).status_code == 200, model


def test_an_operator_sees_only_rows_below(client, tree, person):
    client.force_login(person("operator", tree.yidu))
    html = client.get("/admin/orgs/org/").content.decode()
    assert f"/admin/orgs/org/{tree.plant.pk}/" in html
    assert f"/admin/orgs/org/{tree.xiling.pk}/" not in html
    for out in (tree.yichang, tree.xiling):
        assert (
            client.get(f"/admin/orgs/org/{out.pk}/change/").status_code == 302
        )  # "does not exist", to the index
    found = client.get(
        "/admin/autocomplete/", {"app_label": "orgs", "model_name": "membership", "field_name": "org"}
    )
    assert {row["text"] for row in found.json()["results"]} == {"yidu", "plant"}


def test_an_organisation_is_made_moved_and_renamed_with_its_record(client, tree, person, entries):
    from fengsui.people.orgs.models import Org

    client.force_login(person("operator", tree.yichang))
    form = {
        "parent": tree.yidu.pk,
        "kind": "bureau",
        "code": "em",
        "name": "应急管理局",
        "division_code": "420581",
    }
    assert client.post("/admin/orgs/org/add/", form).status_code == 302
    org = Org.objects.get(code="em")
    assert org.path == f"{tree.yidu.path}{org.pk}/"
    change = {**form, "parent": tree.xiling.pk, "name": "局", "division_code": "420502"}
    answer = client.post(f"/admin/orgs/org/{org.pk}/change/", change)
    assert answer.status_code == 302
    org.refresh_from_db()
    assert (org.name, org.path) == ("局", f"{tree.xiling.path}{org.pk}/")
    wrong = client.post(f"/admin/orgs/org/{org.pk}/change/", {**change, "division_code": "421002"})
    assert wrong.status_code == 200
    assert client.post(f"/admin/orgs/org/{org.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Org.objects.filter(code="em").exists()
    for action in ("org.created", "org.moved", "org.edited", "org.removed"):
        assert len(entries(action)) == 1, action


def test_an_organisation_cannot_be_hung_out_of_reach(client, tree, person):
    client.force_login(person("operator", tree.yidu))
    form = {"parent": tree.xiling.pk, "kind": "bureau", "code": "em", "name": "x"}
    assert client.post("/admin/orgs/org/add/", form).status_code == 200  # not among the choices
    root = client.post("/admin/orgs/org/add/", {**form, "parent": ""}, follow=True)
    assert root.redirect_chain
    assert not type(tree.yidu).objects.filter(code="em").exists()


def test_an_account_made_here_shows_its_password_once(client, tree, person, entries):
    from fengsui.people.accounts.models import User

    client.force_login(person("operator", tree.yichang))
    answer = client.post(
        "/admin/accounts/user/add/",
        {"username": "li", "display_name": "李", "is_active": "on", "is_superuser": "on"},
        follow=True,
    )
    user = User.objects.get(username="li")
    assert not user.is_superuser
    shown = str(next(iter(answer.context["messages"])))
    password = shown.split("：")[-1].split(": ")[-1].strip()
    assert user.check_password(password)
    assert user.must_change_password
    assert len(entries("user.created")) == 1
    assert client.post("/admin/accounts/user/add/", {"username": "LI"}).status_code == 200


def test_an_operator_does_not_reach_the_account_of_a_superuser(client, tree, person):
    root = person(is_superuser=True, name="root")
    client.force_login(person("operator", tree.hubei))
    assert client.get(f"/admin/accounts/user/{root.pk}/change/").status_code == 302
    client.post("/admin/accounts/user/", {"action": "new_password", "_selected_action": [root.pk]})
    root.refresh_from_db()
    assert not root.has_usable_password() or root.password == ""


def test_roles_are_given_and_taken_with_their_record(client, tree, person, entries):
    from fengsui.people.orgs.models import Membership

    user = person()
    client.force_login(person("operator", tree.yichang))
    form = {"user": user.pk, "org": tree.yidu.pk, "role": "duty_officer"}
    assert client.post("/admin/orgs/membership/add/", form).status_code == 302
    membership = Membership.objects.get(user=user)
    assert client.post("/admin/orgs/membership/add/", {**form, "org": tree.jingzhou.pk}).status_code == 200
    assert client.post(f"/admin/orgs/membership/{membership.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Membership.objects.filter(user=user).exists()
    assert len(entries("member.granted")) == len(entries("member.revoked")) == 1


def test_the_audit_trail_is_read_only_here_too(client, tree, person):
    from fengsui.people import audit

    entry = audit.record(None, "tick", tree.plant)
    client.force_login(person("operator", tree.hubei))
    page = f"/admin/audit/entry/{entry.pk}/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"action": "x"}).status_code == 403
    assert client.post(f"/admin/audit/entry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/audit/entry/add/").status_code == 403


def test_every_column_and_every_field_of_the_administration_has_a_chinese_name():
    """``S`` and ``R`` of GB 18218, ``ID`` and ``SHA-256`` are the same in both languages."""
    same = {"S", "R", "ID", "SHA-256"}
    english = []
    with translation.override("zh-hans"):
        for model, table in admin.site._registry.items():
            names = {f.name for f in model._meta.fields if f.editable and not f.primary_key}
            for name in {*table.list_display, *names}:
                label = str(label_for_field(name, model, table))
                if label.isascii() and label not in same:
                    english.append(f"{model._meta.label}.{name}: {label}")
    assert english == []
