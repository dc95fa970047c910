"""Messages through a mail server and a gateway that listen: what arrives, what is signed, and when they refuse."""

import hashlib
import hmac
from datetime import timedelta
from email import message_from_string
from email.header import decode_header, make_header

import pytest

from fengsui.warn.calls import services
from fengsui.warn.calls.models import Delivery
from tests.stores.mailserver import MailServer

from .doors import Gateway


@pytest.fixture
def mail(settings):
    server = MailServer()
    settings.EMAIL_BACKEND = "fengsui.stores.mail.Backend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.DEFAULT_FROM_EMAIL = "duty@example.org"
    yield server
    server.close()


@pytest.fixture
def gateway(settings):
    server = Gateway()
    settings.CALL_WEBHOOK, settings.CALL_WEBHOOK_KINDS = server.url, ("sms", "voice")
    settings.CALL_WEBHOOK_SECRET = "shared"
    yield server
    server.close()


def test_a_person_gets_mail_text_and_voice_and_one_code_in_all_of_them(town, mail, gateway, settings):
    settings.PUBLIC_URL = "https://warn.example.org"
    town.contact("420505002", "甲", phone="0717-0000000", email="jia@example.org")
    services.published(town.message(divisions=("420505002",), status="Exercise").pk)
    town.deliver()
    (sent,) = mail.mails
    parsed = message_from_string(sent)
    assert str(make_header(decode_header(parsed["Subject"]))).startswith("【演练】")
    text = parsed.get_payload(decode=True).decode()
    code = town.code("420505002", "甲")
    assert f"https://warn.example.org/confirm/{code}/" in text
    assert {body["kind"] for body in gateway.bodies()} == {"sms", "voice"}
    for headers, body in gateway.posts:
        digest = hmac.new(b"shared", body, hashlib.sha256).hexdigest()
        assert headers["X-Fengsui-Signature"] == f"sha256={digest}"
    assert all(body["code"] == code and "另有 1 处" in body["title"] for body in gateway.bodies())
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert services.confirm_by_code(code.lower())[1]


def test_a_gateway_that_refuses_is_asked_three_times_and_the_reason_is_kept(town, gateway, settings):
    settings.CALL_WEBHOOK_KINDS = ("sms",)
    gateway.answer = 503
    town.contact("420505002", "甲", phone="0717-0000000")
    services.published(town.message("orange", divisions=("420505002",)).pk)
    town.deliver()
    for _ in range(5):
        town.at += timedelta(seconds=61)
        services.chase(town.at)
        town.deliver()
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.again_at) == ("failed", 3, None)
    assert "503" in row.error
    keys = {headers["Idempotency-Key"] for headers, _body in gateway.posts}
    assert len(gateway.posts) == 3
    assert len(keys) == 1


def test_who_confirmed_before_gets_no_message_any_more(town, gateway):
    town.contact("420505002", "甲", phone="0717-0000000")
    services.published(town.message(divisions=("420505002",)).pk)
    services.record_phone(town.duty, town.callout("420505002"), who="甲")
    services.record_phone(town.duty, town.callout("far"), who="甲")
    town.deliver()
    assert gateway.posts == []
    assert set(Delivery.objects.values_list("state", flat=True)) == {"left"}


def test_a_channel_that_is_not_set_up_is_not_used(town):
    town.contact("420505002", "甲", phone="0717-0000000", email="jia@example.org")
    services.published(town.message(divisions=("420505002",)).pk)
    assert not Delivery.objects.exists()
