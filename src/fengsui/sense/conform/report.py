"""The report of a conformance session: canonical JSON, signed with Ed25519, and its verification.

Canonical: UTF-8, keys sorted, no blanks, whole numbers only, one line feed at the end.  A file that is not byte for
byte the canonical form of what it says is refused, so that no byte can change unnoticed.
Source of the signature: RFC 8032.  The fingerprint of a key or a report is its SHA-256.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from fengsui.base.errors import BadInput
from fengsui.sense.codecs.frame import Term
from fengsui.sense.conform.case import KINDS, NEEDS, Script, Waits
from fengsui.sense.conform.session import Result
from fengsui.stores.durable import write_once

FORM = "fengsui-conformance-1"
ALGORITHM = "Ed25519"
MOST_BYTES = 64 << 20  # of a report that is read

VERDICTS = {
    "pass": Term("通过", "pass"),
    "fail": Term("不通过", "fail"),
    "not_applicable": Term("不适用", "not applicable"),
    "not_run": Term("未执行", "not run"),
}


class BadReport(BadInput):
    """A conformance report, or a key for it, that cannot be read or does not fit its signature."""

    code = "sense.bad_report"


# -- making ---------------------------------------------------------------------------------------------------


def build(
    script: Script,
    results: Sequence[Result],
    *,
    version: str,
    identity: str,
    peer: str,
    note: str,
    waits: Waits,
    started_ms: int,
    ended_ms: int,
    complete: bool,
    transport: str = "tcp",
) -> dict[str, Any]:
    """Everything that was seen, as JSON: whole numbers and texts only."""
    return {
        "form": FORM,
        "product": {"name": "Fengsui 烽燧", "version": version},
        "protocol": {
            "name": script.codec.name,
            "standard": script.codec.standard,
            "title": script.codec.title._asdict(),
        },
        "device": {"identity": identity, "address": peer},
        "note": note,
        "transport": transport,
        "waits_ms": {"answer": round(waits.answer_s * 1000), "data": round(waits.data_s * 1000)},
        "started_ms": started_ms,
        "ended_ms": ended_ms,
        "complete": complete,
        "passed": complete and passed(results),
        "counts": {name: sum(1 for one in results if one.verdict == name) for name in VERDICTS},
        "cases": [_case(one) for one in results],
    }


def passed(results: Sequence[Result]) -> bool:
    """Every mandatory case passed, and nothing that the device does is wrong."""
    return all(
        one.verdict == "pass" or (one.verdict == "not_applicable" and one.case.need == "if_supported")
        for one in results
    )


def _case(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "id": case.id,
        "title": case.title._asdict(),
        "clause": case.clause.text,
        "clause_from_memory": case.clause.from_memory,
        "kind": case.kind,
        "kind_title": KINDS[case.kind]._asdict(),
        "need": case.need,
        "need_title": NEEDS[case.need]._asdict(),
        "verdict": result.verdict,
        "verdict_title": VERDICTS[result.verdict]._asdict(),
        "reasons": [one._asdict() for one in result.reasons],
        "expected": [one._asdict() for one in result.expected],
        "started_ms": result.started_ms,
        "ended_ms": result.ended_ms,
        "bytes": {
            "sent": result.bytes_sent,
            "received": result.bytes_received,
            "not_kept": result.bytes_not_kept,
        },
        "wire": [
            {"at_ms": one.at_ms, "way": one.way, "hex": one.data.hex().upper()} for one in result.entries
        ],
    }


# -- signing --------------------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def own_key(path: Path) -> Ed25519PrivateKey:
    """The key of this installation, made at first use, readable by its owner only.  Raises BadReport, OSError."""
    if not path.exists():
        write_once(path, Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
    except ValueError:
        raise BadReport(
            f"{path} holds no Ed25519 key of 64 hex digits; move it away to get a new one"
        ) from None


def public_pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(text: bytes) -> Ed25519PublicKey:
    """A public key in PEM.  Raises BadReport."""
    try:
        key = load_pem_public_key(text)
    except ValueError:
        raise BadReport("this is no public key in PEM form") from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadReport("this is no Ed25519 public key")
    return key


def fingerprint(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sign(report: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The report and its signature as a file."""
    said = canonical(report)
    public = key.public_key().public_bytes_raw()
    signature = {
        "algorithm": ALGORITHM,
        "public_key": public.hex(),
        "key_fingerprint": fingerprint(public),
        "report_sha256": fingerprint(said),
        "value": key.sign(said).hex(),
    }
    return canonical({"report": report, "signature": signature}) + b"\n"


def verify(data: bytes) -> tuple[dict[str, Any], dict[str, str], Ed25519PublicKey]:
    """Report, signature and the key that signed.  Raises BadReport that says what does not fit.

    Whether that key is to be trusted is for the caller to say.
    """
    if len(data) > MOST_BYTES:
        raise BadReport(f"a report of {len(data)} bytes; at most {MOST_BYTES} are read")
    try:
        held = json.loads(data)
        report, signature = held["report"], held["signature"]
        public = bytes.fromhex(signature["public_key"])
        value = bytes.fromhex(signature["value"])
        key = Ed25519PublicKey.from_public_bytes(public)
        exact = canonical(held) + b"\n" == data
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadReport("this is no conformance report") from None
    if not exact:
        raise BadReport("the file is not in canonical form: it was changed after it was written")
    said = canonical(report)
    if not isinstance(report, dict) or report.get("form") != FORM or signature.get("algorithm") != ALGORITHM:
        raise BadReport(f"this is no report of the form {FORM} signed with {ALGORITHM}")
    if signature.get("key_fingerprint") != fingerprint(public) or signature.get(
        "report_sha256"
    ) != fingerprint(said):
        raise BadReport("the fingerprints do not fit: the report was changed")
    try:
        key.verify(value, said)
    except InvalidSignature:
        raise BadReport(
            "the signature does not fit: the report was changed, or another key signed it"
        ) from None
    return report, signature, key
