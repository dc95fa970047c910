"""Mail over TLS to a real server: a certificate of our own authority is taken; with any other nothing is sent."""

import datetime
import ipaddress
import os
import smtplib
import ssl
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.mail import send_mail
from django.utils import translation

from fengsui.stores.mail import MailServerUntrusted
from fengsui.warn.calls.channels import Said, send
from fengsui.warn.calls.errors import ChannelFailed

from .mailserver import MailServer

NOW = datetime.datetime.now(datetime.UTC)


def certificate(name, issuer=None, *, host="127.0.0.1", until=NOW + datetime.timedelta(days=1)):
    """(certificate, key) signed by ``issuer``, else by itself as an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, by_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW - datetime.timedelta(days=9))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
    )  # fmt: skip
    if issuer is None:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        made = made.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    return made.sign(by_key, hashes.SHA256()), key


def pem(path, *parts):
    with path.open("wb") as file:
        for part in parts:
            if isinstance(part, x509.Certificate):
                file.write(part.public_bytes(serialization.Encoding.PEM))
            else:
                file.write(
                    part.private_bytes(
                        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                    )
                )  # fmt: skip
    return str(path)


@pytest.fixture
def authority(tmp_path):
    made = certificate("Fengsui test authority")
    return made, pem(tmp_path / "ca.pem", made[0])


@pytest.fixture
def server(settings, tmp_path, authority):
    """Starts a mail server with a certificate and points the settings at it."""
    started = []

    def start(signed=None, *, implicit=False, plain=False, **about):
        context = None
        if not plain:
            one, key = certificate("mail", signed or authority[0], **about)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem(tmp_path / "server.pem", one, key))
        made = MailServer(context, implicit=implicit)
        started.append(made)
        settings.EMAIL_BACKEND = "fengsui.stores.mail.Backend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
        settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = implicit, not implicit
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "duty", "word"
        return made

    yield start
    for one in started:
        one.close()


def write():
    with translation.override("zh-hans"):
        return send_mail("题", "文", "a@example.org", ["b@example.org"])


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
def test_a_certificate_of_our_own_authority_is_taken(server, settings, authority, implicit):
    settings.SMTP_CA = authority[1]
    running = server(implicit=implicit)
    assert write() == 1
    assert len(running.mails) == 1
    assert [secure for _line, secure in running.logins] == [True]


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
@pytest.mark.parametrize("wrong", ["unknown", "other host", "expired"])
def test_any_other_certificate_is_refused_and_neither_mail_nor_password_goes_out(
    server, settings, authority, implicit, wrong
):
    settings.SMTP_CA = "" if wrong == "unknown" else authority[1]
    about = {"other host": {"host": "127.0.0.9"}, "expired": {"until": NOW - datetime.timedelta(days=1)}}
    running = server(implicit=implicit, **about.get(wrong, {}))
    with pytest.raises(MailServerUntrusted, match=r"127\.0\.0\.1.*FENGSUI_SMTP_CA"):
        write()
    assert (running.mails, running.logins) == ([], [])


def test_a_call_fails_with_the_reason(server, settings):
    settings.SMTP_CA = ""
    server()
    said = Said("k", "甲", "", "b@example.org", "题", "文", 1, "c", "", "")
    with pytest.raises(ChannelFailed, match="FENGSUI_SMTP_CA"):
        send("email", said)


def test_without_starttls_on_offer_nothing_is_sent_openly(server, settings):
    running = server(plain=True)
    with pytest.raises(smtplib.SMTPNotSupportedError):
        write()
    assert (running.mails, running.logins) == ([], [])


def test_an_authority_that_is_no_file_of_certificates_is_named(server, settings, tmp_path):
    server()
    (tmp_path / "no.pem").write_text("nothing")
    for path in (tmp_path / "no.pem", tmp_path / "missing.pem"):
        settings.SMTP_CA = str(path)
        with pytest.raises(MailServerUntrusted, match=path.name):
            write()


URLS = {
    "smtp://mail.example": ("mail.example", 25, "", False, False),
    "smtp://duty:w%40rd@mail.example:587": ("mail.example", 587, "w@rd", False, True),
    "smtp+starttls://mail.example": ("mail.example", 587, "", False, True),
    "smtps://duty:x@mail.example": ("mail.example", 465, "x", True, False),
}


def test_the_address_says_how_to_speak():
    code = (
        "import os, importlib, fengsui.run.settings as s\n"
        f"for url in {list(URLS)!r}:\n"
        "    os.environ['FENGSUI_SMTP_URL'] = url; importlib.reload(s)\n"
        "    print(repr((s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_PASSWORD, s.EMAIL_USE_SSL, s.EMAIL_USE_TLS)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.stdout.splitlines() == [repr(one) for one in URLS.values()], done.stderr
