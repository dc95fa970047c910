"""Keys and answers of the authorization callout, and the lines of the server's log that tell of refusals."""

import base64
import hashlib

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from fengsui.run import nats as bus_server
from fengsui.sense.gateways import nkeys
from fengsui.sense.gateways.callout import Callout
from fengsui.sense.gateways.nkeys import AccountKey, BadToken
from fengsui.sense.gateways.refusals import Refusals
from fengsui.sense.gateways.registry import DeviceRow, Registry, SiteRow, Snapshot
from fengsui.sense.gateways.violations import parse_violation

KEY = AccountKey(bytes(range(32)))
SITES = [SiteRow(1, "plant-1", "/1/", True), SiteRow(2, "closed", "/1/", False)]
DIGEST = hashlib.sha256(b"s").hexdigest()
DEVICES = [
    DeviceRow(1, "dev-1", 1, DIGEST, True),
    DeviceRow(2, "dev-2", 2, DIGEST, True),
    DeviceRow(3, "dev-3", 1, DIGEST, False),
]


class Server:
    """Asks as nats-server does: a JWT signed with a server key."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        self.id = nkeys.public_text(nkeys.SERVER, self.key.public_key().public_bytes_raw())

    def ask(self, kind="mqtt", **given) -> bytes:
        said = {
            "type": "authorization_request",
            "user_nkey": "UABC",
            "server_id": {"id": self.id},
            "client_info": {"type": kind, "host": "10.0.0.9", "mqtt_id": given.pop("client_id", "dev-1")},
            "connect_opts": given,
        }
        parts = [
            base64.urlsafe_b64encode(msgspec.json.encode(p)).decode().rstrip("=")
            for p in ({"typ": "JWT", "alg": "ed25519-nkey"}, {"iss": self.id, "nats": said})
        ]
        signature = base64.urlsafe_b64encode(self.key.sign(".".join(parts).encode())).decode().rstrip("=")
        return ".".join([*parts, signature]).encode()


@pytest.fixture
def callout():
    return Callout(None, Registry(Snapshot(1, SITES, DEVICES)), KEY, Refusals())


def test_a_key_reads_back_and_its_checksum_is_that_of_the_book():
    assert nkeys.crc16(b"123456789") == 0x31C3  # the check value of CRC-16/XMODEM
    assert KEY.public.startswith("A")
    assert len(KEY.public) == 56
    assert nkeys.public_text(nkeys.ACCOUNT, nkeys.public_bytes(KEY.public, nkeys.ACCOUNT)) == KEY.public
    for broken in (KEY.public[:-1], KEY.public[:-1] + "A", "", "U" + KEY.public[1:]):
        with pytest.raises(BadToken):
            nkeys.public_bytes(broken, nkeys.ACCOUNT)


def test_a_device_may_publish_for_its_own_site_and_hear_nothing(callout):
    server = Server()
    answer = nkeys.claims_of(callout.answer(server.ask(user="dev-1", **{"pass": "s"})), nkeys.ACCOUNT)
    assert (answer["aud"], answer["sub"], answer["iss"]) == (server.id, "UABC", KEY.public)
    user = nkeys.claims_of(answer["nats"]["jwt"], nkeys.ACCOUNT)
    assert (user["sub"], user["name"], user["aud"]) == ("UABC", "dev-1", "FENGSUI")
    assert user["nats"]["pub"] == {"allow": ["v1.plant-1.readings"]}
    assert user["nats"]["sub"] == {"deny": [">"]}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"user": "dev-1", "pass": "x"}, "wrong"),
        ({"user": "dev-1"}, "wrong"),
        ({}, "wrong"),
        ({"user": "dev-3", "pass": "s"}, "wrong"),
        ({"user": "dev-2", "pass": "s"}, "out of use"),
        ({"user": "dev-1", "pass": "s", "kind": "nats"}, "MQTT only"),
        ({"user": "dev-1", "pass": "s", "client_id": "dev-2"}, "another device"),
        ({"user": "dev-1", "pass": "s", "client_id": "a%s"}, "letters, digits"),
    ],
)
def test_others_are_refused_with_a_reason(callout, given, why):
    said = nkeys.claims_of(callout.answer(Server().ask(**given)), nkeys.ACCOUNT)["nats"]
    assert why in said["error"]
    assert "jwt" not in said
    assert callout.refused == 1


def test_a_question_that_no_server_signed_is_not_answered(callout):
    good = Server().ask(user="dev-1", **{"pass": "s"})
    head, body, signature = good.split(b".")
    for forged in (b"", b"a.b.c", head + b"." + body, b".".join([head, body, signature[:-4] + b"AAAA"])):
        with pytest.raises(BadToken):
            callout.answer(forged)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_token(data):
    with pytest.raises(BadToken):
        nkeys.claims_of(data, nkeys.SERVER)


def test_before_the_registry_is_read_nobody_is_let_in():
    empty = Callout(None, Registry(), KEY, Refusals())
    said = nkeys.claims_of(empty.answer(Server().ask(user="dev-1", **{"pass": "s"})), nkeys.ACCOUNT)["nats"]
    assert "does not know its devices yet" in said["error"]


def test_addresses_and_secrets_of_the_bus_follow_from_one_password():
    url = "nats://fengsui:p%40ss@10.1.2.3:4222"
    assert bus_server.password_of(url) == "p@ss"
    system = bus_server.system_url(url)
    assert system == f"nats://system:{bus_server.system_password('p@ss')}@10.1.2.3:4222"
    assert bus_server.callout_key("p@ss").public == bus_server.callout_key("p@ss").public
    assert bus_server.callout_key("p@ss").public != bus_server.callout_key("other").public


LINE = "[5470] 2026/11/23 23:53:24.051665 [ERR] 127.0.0.1:36615 - mid:12 - "


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ('"x" - Publish Violation - Subject "v1.plant-2.readings"', "topic", "v1.plant-2.readings"),
        ('"a\\" - b" - Publish Violation - Subject "v1.x.readings"', "topic", "v1.x.readings"),
        ("Publish Violation - Subject %!q(MISSING)", "topic", "%!q(MISSING)"),
        ('"x" - maximum payload exceeded: 5242935 vs 4202496', "size", "5242935 vs 4202496"),
        ('"x" - QoS=2 is disabled for PUBLISH messages', "qos", "QoS 2"),
    ],
)
def test_lines_of_the_servers_log_become_violations(line, kind, detail):
    found = parse_violation(LINE + line + "\n")
    assert (found.cid, found.kind, found.host, found.detail) == (12, kind, "127.0.0.1", detail)


@pytest.mark.parametrize(
    "line",
    [
        "[1] 2026/11/23 23:53:24 [INF] Server is ready",
        LINE + '"x" - authentication error - User "dev-1"',
        LINE + '"x" - Subscription Violation - Subject ">", SID >',
        LINE.replace("mid", "cid") + '"x" - Publish Violation - Subject "a"',  # not MQTT
        "",
    ],
)
def test_other_lines_say_nothing(line):
    assert parse_violation(line) is None


@given(st.text(max_size=200))
def test_no_line_raises(line):
    parse_violation(line)
    parse_violation(LINE + line)
