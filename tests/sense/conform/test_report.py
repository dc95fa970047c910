"""The signed report: canonical, and no byte of it changes unnoticed."""

import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fengsui.sense.conform import report
from fengsui.sense.conform.case import Waits
from fengsui.sense.conform.scripts import SCRIPTS
from fengsui.sense.conform.session import Entry, Result

CASES = SCRIPTS["hj212"].cases[:2]


def made(*verdicts: str) -> dict:
    results = [
        Result(case, verdict, entries=[Entry(1, "sent", b"##\xff")])
        for case, verdict in zip(CASES, verdicts, strict=True)
    ]
    return report.build(
        SCRIPTS["hj212"],
        results,
        version="0",
        identity="53494D",
        peer="",
        note="备注",
        waits=Waits(),
        started_ms=1,
        ended_ms=2,
        complete=True,
    )


def test_a_signed_report_is_verified_and_names_its_key():
    key = Ed25519PrivateKey.generate()
    held, signature, by = report.verify(report.sign(made("pass", "pass"), key))
    assert held["passed"] and held["counts"]["pass"] == 2
    assert by.public_bytes_raw() == key.public_key().public_bytes_raw()
    assert signature["key_fingerprint"] == report.fingerprint(by.public_bytes_raw())
    assert report.read_public(report.public_pem(by).encode()).public_bytes_raw() == by.public_bytes_raw()


def test_a_change_of_any_byte_is_noticed():
    data = report.sign(made("pass", "fail"), Ed25519PrivateKey.generate())
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(report.BadReport):
            report.verify(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: json.dumps(json.loads(text), indent=1),
        lambda text: text.replace('"passed":false', '"passed":false,"passed":false'),
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: "",
    ],
)
def test_what_is_not_canonical_is_refused(change):
    text = report.sign(made("pass", "fail"), Ed25519PrivateKey.generate()).decode()
    with pytest.raises(report.BadReport):
        report.verify(change(text).encode())


def test_another_key_can_not_take_the_signers_place():
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    held = json.loads(report.sign(made("pass", "pass"), first))
    public = second.public_key().public_bytes_raw()
    held["signature"] |= {"public_key": public.hex(), "key_fingerprint": report.fingerprint(public)}
    with pytest.raises(report.BadReport, match="signature"):
        report.verify(report.canonical(held) + b"\n")


def test_one_failed_case_or_a_mandatory_one_that_does_not_apply_is_no_pass():
    assert not made("pass", "fail")["passed"]
    assert not made("pass", "not_applicable")["passed"]
    assert not made("pass", "not_run")["passed"]


def test_the_key_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "secrets" / "key"
    first = report.own_key(path).private_bytes_raw()
    assert report.own_key(path).private_bytes_raw() == first
    assert os.stat(path).st_mode & 0o777 == 0o600
    path.write_text("none")
    with pytest.raises(report.BadReport):
        report.own_key(path)
