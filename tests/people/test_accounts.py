"""Login as a browser does it: lock-out, passwords, second factor, idle sessions, language."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

GOOD = "Guard-the-Yangtze-7"
LOGIN = "/accounts/login/"
CHANGE = "/accounts/password/change/"
ME = "/accounts/2fa/"  # any page of ours that wants a login


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


@pytest.fixture
def officer(person, tree):
    user = person("duty_officer", tree.yidu, name="officer")
    user.set_password(GOOD)
    user.save()
    return user


def entries(action):
    from fengsui.people.audit.models import Entry

    return list(Entry.objects.filter(action=action).order_by("id"))


def log_in(client, name="officer", password=GOOD, **extra):
    return client.post(LOGIN, {"login": name, "password": password}, **extra)


def test_the_login_page_works_without_script_in_chinese_first_and_in_english(client, db):
    page = client.get(LOGIN, headers={"accept-language": "zh-CN"})
    assert page.status_code == 200
    html = page.content.decode()
    assert "zh-Hans" in html
    assert "style=" not in html
    assert "<style" not in html
    assert 'name="login"' in html
    assert "onclick" not in html
    assert 'name="csrfmiddlewaretoken"' in html
    assert 'lang="en"' in client.get(LOGIN, headers={"accept-language": "en"}).content.decode()


def test_a_login_is_kept_in_the_audit_trail_with_its_source(client, officer, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    answer = log_in(client, headers={"x-forwarded-for": "6.6.6.6, 10.20.30.40"})
    assert answer.status_code == 302
    (entry,) = entries("login")
    assert (entry.ok, entry.actor_name, entry.source_ip) == (True, "officer", "10.20.30.40")
    assert entry.org_path == officer.memberships.get().org.path


def test_unknown_account_wrong_password_and_switched_off_account_look_the_same(client, officer, person):
    gone = person(name="gone", is_active=False)
    gone.set_password(GOOD)
    gone.save()
    answers = [
        log_in(client, *pair) for pair in (("nobody-1", GOOD), ("officer", "wrong-Pass-1"), ("gone", GOOD))
    ]
    shown = []
    for answer in answers:
        assert answer.status_code == 200
        shown.append(answer.context["form"].non_field_errors())
    assert shown[0] == shown[1] == shown[2]
    assert [entry.actor_name for entry in entries("login")] == ["", "officer", "gone"]
    assert "nobody-1" not in str([entry.detail for entry in entries("login")])


@pytest.mark.parametrize("name", ["officer", "no-such-account"])
def test_five_failures_lock_an_account_from_anywhere_known_or_not(client, officer, name):
    for n in range(4):
        typed = name.upper() if n % 2 else f" {name} "
        assert log_in(client, typed, "wrong", REMOTE_ADDR=f"10.0.0.{n}").status_code == 200
    assert log_in(client, name, "wrong", REMOTE_ADDR="10.0.0.5").status_code == 429
    locked = log_in(client, name, GOOD, REMOTE_ADDR="10.0.0.6")
    assert locked.status_code == 429
    assert locked["Retry-After"] == "900"
    assert "_auth_user_id" not in client.session
    assert len(entries("login.locked")) <= 2
    assert len(entries("login")) in (4, 5)


def test_a_source_that_tries_many_accounts_is_locked_and_others_are_not(client, officer, settings):
    for n in range(settings.LOGIN_TRIES_SOURCE):
        answer = log_in(client, f"guess-{n}", "wrong", REMOTE_ADDR="10.9.9.9")
    assert answer.status_code == 429
    assert log_in(client, REMOTE_ADDR="10.9.9.9").status_code == 429
    assert log_in(client, REMOTE_ADDR="10.9.9.8").status_code == 302


def test_a_success_does_not_forgive_the_source(client, officer, settings):
    for n in range(settings.LOGIN_TRIES_SOURCE - 1):
        log_in(client, f"guess-{n}", "wrong", REMOTE_ADDR="10.9.9.9")
    assert log_in(client, REMOTE_ADDR="10.9.9.9").status_code == 302
    client.logout()
    assert log_in(client, "one-more", "wrong", REMOTE_ADDR="10.9.9.9").status_code == 429


def test_a_lock_ends_by_itself_and_by_an_operator(client, officer):
    from axes.models import AccessAttempt

    from fengsui.people.accounts import services

    for _ in range(5):
        log_in(client, password="wrong")
    assert log_in(client).status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in(client).status_code == 302
    client.logout()
    for _ in range(5):
        log_in(client, password="wrong")
    services.unlock(actor=None, user=officer)
    assert log_in(client).status_code == 302


def test_a_forged_forward_header_does_not_change_the_source(client, officer):
    for n in range(20):
        answer = log_in(client, f"guess-{n}", "wrong", headers={"x-forwarded-for": f"1.2.3.{n}"})
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("Sh0rt-a", "people.password_short"),
        ("alllowercaseletters", "people.password_plain"),
        ("lower-and-signs", "people.password_plain"),
        ("Officer-2026", "people.password_name"),
        ("Reciffo-2026", "people.password_name"),
        ("Password123", None),
    ],
)
def test_a_weak_password_is_refused(officer, password, code):
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError) as refused:
        validate_password(password, officer)
    assert code is None or code in {error.code for error in refused.value.error_list}


def test_who_runs_the_platform_needs_ten_characters(person, tree):
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    validate_password("Kite-91x", person("viewer", tree.yidu))
    for admin in (person("operator", tree.yidu), person(is_superuser=True)):
        with pytest.raises(ValidationError):
            validate_password("Kite-91x", admin)


def test_the_last_five_passwords_do_not_come_back(client, officer):
    client.force_login(officer)
    now = GOOD
    for n in range(5):
        new = f"Another-Kite-{n}"
        data = {"oldpassword": now, "password1": new, "password2": new}
        assert client.post(CHANGE, data).status_code == 302
        now = new
        cache.clear()  # the form itself is rate limited
    for old in ("Another-Kite-0", "Another-Kite-3", now):
        data = {"oldpassword": now, "password1": old, "password2": old}
        assert client.post(CHANGE, data).status_code == 200
    data = {"oldpassword": now, "password1": GOOD, "password2": GOOD}
    assert client.post(CHANGE, data).status_code == 302  # six ago: free again
    assert officer.former_passwords.count() == 5
    assert len(entries("user.password_changed")) >= 5


def test_a_password_that_someone_else_chose_must_be_changed_first(client, officer):
    from fengsui.people.accounts import services

    given = services.set_password(actor=None, user=officer)
    assert log_in(client, password=given).status_code == 302
    answer = client.get(ME)
    assert answer.status_code == 302
    assert answer["Location"].startswith(CHANGE)
    api = client.get("/api/v1/me")
    assert (api.status_code, api.json()["code"]) == (403, "people.password_due")
    data = {"oldpassword": given, "password1": GOOD + "x", "password2": GOOD + "x"}
    assert client.post(CHANGE, data).status_code == 302
    assert client.get(ME).status_code == 200


def test_a_password_older_than_the_limit_must_be_changed(client, officer, settings):
    type(officer).objects.update(password_changed_at=timezone.now() - timedelta(days=91))
    client.force_login(officer)
    assert client.get(ME)["Location"].startswith(CHANGE)
    page = client.get(CHANGE)
    assert "90" in page.content.decode()
    settings.PASSWORD_MAX_DAYS = 0
    assert client.get(ME).status_code == 200


def test_a_session_nobody_uses_ends_but_a_wall_stays(client, officer, settings):
    from fengsui.people.accounts.middleware import SEEN

    def sit(minutes):
        session = client.session
        session[SEEN] = int(time.time()) - minutes * 60
        session.save()

    log_in(client)
    assert client.get(ME).status_code == 200
    sit(29)
    assert client.get(ME).status_code == 200
    sit(29)
    client.get(ME, headers={"X-Fengsui-Background": "1"})
    assert client.session[SEEN] < time.time() - 1000  # what a page does by itself is not use
    sit(31)
    assert client.get(ME).status_code == 302
    assert [entry.actor_name for entry in entries("logout.idle")] == ["officer"]
    assert entries("logout") == []
    officer.idle_minutes = 0
    officer.save()
    log_in(client)
    sit(60 * 24 * 5)
    assert client.get(ME).status_code == 200


def test_a_switched_off_account_is_out_at_once(client, officer):
    from fengsui.people.accounts import services

    log_in(client)
    services.edit_user(actor=None, user=officer, is_active=False)
    assert client.get(ME).status_code == 302


def test_the_language_stays_with_the_account(client, officer):
    client.force_login(officer)
    client.post("/i18n/setlang/", {"language": "en", "next": "/"})
    client.cookies.clear()
    client.force_login(officer)
    assert client.get(ME, headers={"accept-language": "zh-CN"}).wsgi_request.LANGUAGE_CODE == "en"
    client.post("/i18n/setlang/", {"language": "xx", "next": "/"})
    officer.refresh_from_db()
    assert officer.language == "en"


def test_nobody_signs_up_alone_and_no_reset_by_mail(client, db):
    from fengsui.people.accounts.models import User

    for path in ("/accounts/signup/", "/accounts/password/reset/", "/accounts/email/"):
        assert client.get(path).status_code == 200
        assert client.post(path, {"username": "x", "password1": GOOD, "password2": GOOD}).status_code == 405
    assert not User.objects.exists()


def test_a_login_does_not_lead_to_another_host(client, officer):
    answer = client.post(LOGIN, {"login": "officer", "password": GOOD, "next": "https://evil.example/"})
    assert answer["Location"] == "/"


# ---- second factor --------------------------------------------------------------------------------------------


def code_now(secret):
    from allauth.mfa.totp.internal import auth

    return auth.format_hotp_value(auth.hotp_value(secret, int(time.time()) // 30))


def switch_on(client):
    from allauth.mfa.models import Authenticator

    page = client.get(reverse("mfa_activate_totp"), follow=True)
    if "reauthenticate" in page.request["PATH_INFO"]:
        page = client.post(
            page.request["PATH_INFO"], {"password": GOOD, "next": reverse("mfa_activate_totp")}, follow=True
        )
    secret = page.context["form"].secret
    client.post(reverse("mfa_activate_totp"), {"code": code_now(secret)})
    assert Authenticator.objects.filter(type="totp").count() == 1
    return secret


def test_the_published_totp_value_comes_out():
    import base64

    from allauth.mfa.totp.internal import auth

    secret = base64.b32encode(b"12345678901234567890").decode()
    assert auth.format_hotp_value(auth.hotp_value(secret, 59 // 30)) == "287082"  # RFC 6238, appendix B


def test_with_a_second_factor_the_password_alone_does_not_open(
    client, officer, django_capture_on_commit_callbacks
):
    from allauth.mfa.models import Authenticator

    log_in(client)
    with django_capture_on_commit_callbacks(execute=True):
        secret = switch_on(client)
    stored = Authenticator.objects.get(type="totp").data["secret"]
    assert secret not in stored
    assert stored.startswith("sm4gcm1:")
    assert len(entries("user.second_factor_added")) >= 1
    client.logout()
    cache.clear()
    answer = log_in(client)
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.get(ME).status_code == 302
    assert client.get(reverse("mfa_authenticate")).status_code == 200
    assert client.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert client.get(ME).status_code == 302
    assert client.post(reverse("mfa_authenticate"), {"code": code_now(secret)}).status_code == 302
    assert client.get(ME).status_code == 200


def test_a_recovery_code_opens_once(client, officer):
    from allauth.mfa.models import Authenticator

    log_in(client)
    switch_on(client)
    code = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    for expected in (302, 200):
        client.logout()
        log_in(client)
        assert client.post(reverse("mfa_authenticate"), {"code": code}).status_code == expected


def test_guessing_codes_locks_the_account(client, officer):
    log_in(client)
    secret = switch_on(client)
    client.logout()
    log_in(client)
    statuses = [client.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code for _ in range(5)]
    assert statuses[-1] == 429
    cache.clear()
    assert client.post(reverse("mfa_authenticate"), {"code": code_now(secret)}).status_code == 429
    assert client.get(ME).status_code == 302


def test_an_operator_removes_a_lost_second_factor(client, officer, person, tree):
    from fengsui.people.accounts import services

    log_in(client)
    switch_on(client)
    services.reset_second_factor(actor=person("operator", tree.yichang), user=officer)
    client.logout()
    assert log_in(client)["Location"] == "/"
    assert entries("user.second_factor_removed")[-1].object_name == "officer"


# ---- operators and accounts -----------------------------------------------------------------------------------


def test_an_operator_makes_accounts_and_reaches_only_people_below(person, tree):
    from fengsui.base.errors import NotAllowed
    from fengsui.people.accounts import services

    operator = person("operator", tree.yichang)
    user, password = services.create_user(actor=operator, username="newcomer", display_name="新人")
    assert user.must_change_password
    assert user.check_password(password)
    services.edit_user(actor=operator, user=user, phone="0717")
    outside = (person("viewer", tree.jingzhou), person("viewer", tree.hubei), person(is_superuser=True))
    for stranger in outside:
        for deed in (services.set_password, services.unlock, services.reset_second_factor):
            with pytest.raises(NotAllowed):
                deed(actor=operator, user=stranger)
    assert not set(outside) & set(services.users_where(operator, "user.view"))
    with pytest.raises(NotAllowed):
        services.create_user(actor=operator, username="boss", is_superuser=True)
    with pytest.raises(NotAllowed):
        services.create_user(actor=person("viewer", tree.hubei), username="y")
    assert not services.users_where(person(), "user.view").exists()


def test_two_accounts_do_not_differ_by_case_alone(db):
    from fengsui.people.accounts import services

    services.create_user(actor=None, username="Officer")
    for name in ("officer", "OFFICER", "no spaces"):
        with pytest.raises(services.BadAccount):
            services.create_user(actor=None, username=name)
    with pytest.raises(services.BadAccount):
        services.create_user(actor=None, username="weak", password="123")


def test_a_sealed_secret_opens_for_its_purpose_and_key_only(settings):
    from fengsui.people.accounts import sealing

    sealed = sealing.seal("JBSWY3DP", "second factor")
    assert sealing.unseal(sealed, "second factor") == "JBSWY3DP"
    for broken in (sealed[:-8] + "AAAAAAA=", "JBSWY3DP", sealed[:20]):
        with pytest.raises(sealing.CannotUnseal):
            sealing.unseal(broken, "second factor")
    with pytest.raises(sealing.CannotUnseal):
        sealing.unseal(sealed, "something else")
    settings.SECRET_KEY = "another"
    with pytest.raises(sealing.CannotUnseal):
        sealing.unseal(sealed, "second factor")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("9.9.9.9", "1.1.1.1", "9.9.9.9"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "garbage", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("::ffff:10.0.0.1", "[2001:DB8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "1.1.1.1:5000", "1.1.1.1"),
        ("", "1.1.1.1", ""),
    ],
)
def test_the_client_behind_proxies(peer, forwarded, client):
    from fengsui.people.accounts.source import client_of

    assert client_of(peer, forwarded, ("10.0.0.0/8",)) == client
