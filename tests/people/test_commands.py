"""fengsui audit and fengsui users, as typed."""

import argparse
import io
import json

import pytest
from django.db import connection


def typed(module, *words):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args(words))


@pytest.fixture
def audit_command(db):
    from fengsui.run import audit

    return audit


@pytest.fixture
def users(db):
    from fengsui.run import users

    return users


def test_audit_verify_is_0_when_whole_and_1_when_a_byte_was_changed(audit_command, capsys):
    from fengsui.people import audit

    entries = [audit.record(None, "tick", n=n) for n in range(3)]
    assert typed(audit_command, "verify") == 0
    head = capsys.readouterr().out.strip().rpartition(" ")[2]
    assert head == f"{entries[2].id}:{entries[2].hash}"
    assert typed(audit_command, "verify", "--head", head) == 0
    assert typed(audit_command, "verify", "--head", "nonsense") == 2
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_unchanging")
        cursor.execute("UPDATE audit_entry SET action = 'tock' WHERE id = %s", [entries[1].id])
    capsys.readouterr()
    assert typed(audit_command, "verify") == 1
    assert f"entry {entries[1].id}" in capsys.readouterr().err
    assert typed(audit_command, "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out)["broken_id"] == entries[1].id


def test_an_export_can_be_checked_without_the_database(audit_command, tmp_path, capsys):
    from fengsui.people import audit
    from fengsui.people.audit.models import Entry

    for n in range(3):
        audit.record("闸门", "tick", n=n, float=0.1, source_ip="10.0.0.1")
    file = tmp_path / "trail.jsonl"
    assert typed(audit_command, "export", "--output", str(file)) == 0
    assert Entry.objects.first().action == "audit.exported"
    assert typed(audit_command, "verify", "--file", str(file)) == 0
    lines = file.read_text().splitlines()
    assert len(lines) == 4
    for broken in ([lines[0], lines[2], *lines[3:]], [lines[0], lines[1].replace("0.1", "0.2"), *lines[2:]]):
        file.write_text("\n".join(broken))
        assert typed(audit_command, "verify", "--file", str(file)) == 1
    assert typed(audit_command, "export", "--since", "2026-01-01T00:00:00") == 2


def test_a_fresh_installation_gets_its_first_account(users, capsys, client):
    assert typed(users, "add", "first", "--name", "李", "--superuser") == 0
    password = capsys.readouterr().out.split("password ")[1].split()[0]
    answer = client.post("/accounts/login/", {"login": "first", "password": password})
    assert answer.status_code == 302
    assert client.get("/accounts/2fa/")["Location"].startswith("/accounts/password/change/")
    assert typed(users, "add", "FIRST") == 1
    assert "FIRST" in capsys.readouterr().err


def test_roles_are_given_and_taken_from_the_command_line(users, tree, capsys):
    from fengsui.people.orgs.models import Membership

    assert typed(users, "add", "li", "--role", "duty_officer", "--org", "yidu") == 0
    assert typed(users, "grant", "li", "viewer", "yichang") == 0
    assert set(Membership.objects.values_list("user__username", "org__code", "role")) == {
        ("li", "yidu", "duty_officer"),
        ("li", "yichang", "viewer"),
    }
    assert typed(users, "revoke", "li", "viewer", "yichang") == 0
    assert typed(users, "revoke", "li", "viewer", "yichang") == 1
    for wrong in (
        ("grant", "li", "king", "yidu"),
        ("grant", "nobody", "viewer", "yidu"),
        ("grant", "li", "viewer", "x"),
    ):
        assert typed(users, *wrong) == 1
    assert typed(users, "add", "half", "--role", "viewer", "--org", "nowhere") == 1
    assert not Membership.objects.filter(user__username="half").exists()
    capsys.readouterr()
    assert typed(users, "list") == 0
    assert "duty_officer@yidu" in capsys.readouterr().out


def test_a_password_from_standard_input_keeps_the_rules(users, monkeypatch, capsys):
    from fengsui.people.accounts.models import User

    monkeypatch.setattr("sys.stdin", io.StringIO("weak\n"))
    assert typed(users, "add", "li", "--password-stdin") == 1
    assert not User.objects.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("Guard-the-Yangtze-7\n"))
    assert typed(users, "add", "li", "--password-stdin") == 0
    assert not User.objects.get().must_change_password
    assert typed(users, "off", "li") == 0
    assert not User.objects.get().is_active
    assert typed(users, "on", "li") == 0
    assert typed(users, "passwd", "li") == 0
    assert User.objects.get().must_change_password
