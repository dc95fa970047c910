"""XML signatures of alerts: enveloped, over the whole message (XML-DSig; CAP 1.2, 3.3.4).

Signing is always exclusive canonical XML, SHA-256, RSA or ECDSA, with the certificate inside, as the last child of
``alert``; not a byte of the message before it changes.  Verifying takes what is met in the field, says what is weak,
and never believes a certificate because a message brings it: trust is a list of certificates given by the caller.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fengsui.base.errors import BadInput
from fengsui.warn.cap.c14n import ALGORITHMS, EXCLUSIVE, INCLUSIVE, canonical
from fengsui.warn.cap.schema import XMLDSIG
from fengsui.warn.cap.tree import Element, Refused, Tree, parse

ENVELOPED = f"{XMLDSIG}enveloped-signature"
DIGESTS: dict[str, str] = {
    f"{XMLDSIG}sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
# method → (kind of key, digest)
METHODS: dict[str, tuple[str, str]] = {
    f"{XMLDSIG}rsa-sha1": ("rsa", "sha1"),
    f"{_MORE}rsa-sha256": ("rsa", "sha256"),
    f"{_MORE}rsa-sha384": ("rsa", "sha384"),
    f"{_MORE}rsa-sha512": ("rsa", "sha512"),
    f"{_MORE}ecdsa-sha1": ("ec", "sha1"),
    f"{_MORE}ecdsa-sha256": ("ec", "sha256"),
    f"{_MORE}ecdsa-sha384": ("ec", "sha384"),
    f"{_MORE}ecdsa-sha512": ("ec", "sha512"),
}
_HASHES: dict[str, Any] = {
    "sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512,
}  # fmt: skip
SHORTEST_RSA = 2048
MOST_CERTIFICATES = 8

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class BadKey(BadInput):
    """A key or certificate for signing alerts that cannot be used."""

    code = "warn.bad_cap_key"


class _Wrong(Exception):
    """Why a signature is invalid or unsupported."""

    def __init__(self, state: str, why: str) -> None:
        super().__init__(why)
        self.state, self.why = state, why


@dataclass(frozen=True, slots=True)
class Verdict:
    """``state`` is none, valid (fits, and its certificate is trusted), untrusted (fits), invalid or unsupported.

    ``weak`` and ``outside`` say what is doubtful about one that fits; ``fingerprint`` is its certificate's SHA-256.
    """

    state: str
    why: str = ""
    weak: tuple[str, ...] = ()
    outside: str = ""  # the certificate's span, where the message lies outside it
    subject: str = ""
    fingerprint: str = ""
    facts: dict[str, str] = field(default_factory=dict)


# ---- signing ------------------------------------------------------------------------------------------------


def sign(data: bytes, key: PrivateKey, certificate: x509.Certificate) -> bytes:
    """The message ``data`` (one ``alert``, as ``writing.write`` makes it) with a signature as its last child.

    Raises BadKey when key and certificate do not belong together, ValueError for bytes that are no unsigned alert.
    """
    if _spki(key.public_key()) != _spki(certificate.public_key()):
        raise BadKey("the certificate is for another key")
    tree = parse(data)
    end = data.rfind(b"</alert>")
    if isinstance(tree, Refused) or end < 0 or tree.root.local != "alert" or signatures(tree.root):
        raise ValueError("not one unsigned alert")
    method = f"{_MORE}{'rsa' if isinstance(key, rsa.RSAPrivateKey) else 'ecdsa'}-sha256"
    digest = base64.b64encode(hashlib.sha256(canonical(tree, EXCLUSIVE)).digest()).decode()
    # ``end`` is where the signature goes: taking it away again must leave exactly what was digested
    info = (
        f'<ds:SignedInfo xmlns:ds="{XMLDSIG}">'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
        '<ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
        f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    if isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(info.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(info.encode(), ec.ECDSA(hashes.SHA256())))
        width = (key.curve.key_size + 7) // 8
        made = r.to_bytes(width, "big") + s.to_bytes(width, "big")
    value = base64.b64encode(made).decode()
    held = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    signature = (
        f'<ds:Signature xmlns:ds="{XMLDSIG}">{info.replace(f" xmlns:ds={chr(34)}{XMLDSIG}{chr(34)}", "", 1)}'
        f"<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>"
        f"<ds:X509Certificate>{held}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    )
    return data[:end] + signature.encode() + data[end:]


# ---- verifying ----------------------------------------------------------------------------------------------


def signatures(alert: Element) -> list[Element]:
    return [one for one in alert.elements if one.space == XMLDSIG and one.local == "Signature"]


def verify(tree: Tree, trusted: Sequence[x509.Certificate] = (), sent_at: datetime | None = None) -> Verdict:
    """What the signature of the alert in ``tree`` (its root) is worth.  Never raises."""
    found = signatures(tree.root)
    if not found:
        return Verdict("none")
    try:
        if len(found) > 1:
            raise _Wrong("unsupported", f"{len(found)} signatures")
        return _verify(tree, found[0], trusted, sent_at)
    except _Wrong as wrong:
        return Verdict(wrong.state, wrong.why)
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        return Verdict("unsupported", str(error)[:200] or type(error).__name__)


def _verify(
    tree: Tree, signature: Element, trusted: Sequence[x509.Certificate], sent_at: datetime | None
) -> Verdict:
    info = _need(signature, "SignedInfo")
    c14n = _need(info, "CanonicalizationMethod")
    form = _algorithm(c14n, ALGORITHMS)
    method = _algorithm(_need(info, "SignatureMethod"), METHODS)
    kind, digest_name = METHODS[method]
    references = [one for one in info.elements if one.local == "Reference"]
    if len(references) != 1 or references[0].attribute("URI") != "" or not _has_uri(references[0]):
        raise _Wrong("unsupported", "the signature is not over the whole message")
    weak = [] if digest_name != "sha1" else ["SHA-1"]
    _digest(tree, signature, references[0], weak)
    value = _decoded(_need(signature, "SignatureValue"))
    signed = canonical(info, form, prefixes=_prefixes(c14n))
    certificates = _certificates(signature)
    carried = [_public(one) for one in certificates]
    if not carried and (plain := _key_value(signature)) is not None:
        carried = [plain]
    pinned = [_public(one) for one in trusted]
    for i, key in enumerate([*carried, *pinned]):
        if key is None or not _fits(key, kind, digest_name, value, signed):
            continue
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < SHORTEST_RSA:
            weak.append(f"RSA {key.key_size}")
        certificate = (
            certificates[i]
            if i < len(certificates)
            else trusted[i - len(carried)]
            if i >= len(carried)
            else None
        )
        return _told(certificate, key, trusted, sent_at, tuple(dict.fromkeys(weak)))
    if not carried and not pinned:
        raise _Wrong("unsupported", "it brings no certificate, and none is given")
    raise _Wrong("invalid", "SignatureValue")


def _digest(tree: Tree, signature: Element, reference: Element, weak: list[str]) -> None:
    transforms = reference.first("Transforms")
    steps = [] if transforms is None else [one for one in transforms.elements if one.local == "Transform"]
    names = [one.attribute("Algorithm") for one in steps]
    if not names or names[0] != ENVELOPED:
        raise _Wrong("unsupported", "the signature is not enveloped")
    form = INCLUSIVE
    prefixes: tuple[str, ...] = ()
    if len(names) > 2 or (len(names) == 2 and names[1] not in ALGORITHMS):
        raise _Wrong("unsupported", f"transform {names[-1]}")
    if len(names) == 2:
        form, prefixes = names[1], _prefixes(steps[1])
    digest = DIGESTS[_algorithm(_need(reference, "DigestMethod"), DIGESTS)]
    if digest == "sha1":
        weak.append("SHA-1")
    said = _decoded(_need(reference, "DigestValue"))
    real = hashlib.new(
        digest, canonical(tree, form, without=signature, prefixes=prefixes), usedforsecurity=False
    )
    if real.digest() != said:
        raise _Wrong("invalid", "DigestValue")


def _told(
    certificate: x509.Certificate | None,
    key: PublicKey,
    trusted: Sequence[x509.Certificate],
    sent_at: datetime | None,
    weak: tuple[str, ...],
) -> Verdict:
    subject = fingerprint_text = outside = ""
    if certificate is not None:
        subject = certificate.subject.rfc4514_string()
        fingerprint_text = fingerprint(certificate)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if sent_at is not None and not begin <= sent_at.astimezone(UTC) <= end:
            outside = f"{begin:%Y-%m-%d} – {end:%Y-%m-%d}"
    if any(_spki(one.public_key()) == _spki(key) for one in trusted) or _issued_by(certificate, trusted):
        return Verdict("valid", "", weak, outside, subject, fingerprint_text)
    why = subject or "no certificate"
    if fingerprint_text:
        why += f", SHA-256 {fingerprint_text}"
    return Verdict("untrusted", why, weak, outside, subject, fingerprint_text)


def _issued_by(certificate: x509.Certificate | None, trusted: Sequence[x509.Certificate]) -> bool:
    """Was it issued by one of ``trusted`` that may issue certificates?"""
    if certificate is None:
        return False
    for one in trusted:
        try:
            constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
            if constraints.ca:
                certificate.verify_directly_issued_by(one)
                return True
        except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
            continue
    return False


def _fits(key: PublicKey, kind: str, digest: str, value: bytes, signed: bytes) -> bool:
    try:
        if kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(value, signed, padding.PKCS1v15(), _HASHES[digest]())
            return True
        if kind == "ec" and isinstance(key, ec.EllipticCurvePublicKey):
            half = len(value) // 2
            r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[digest]()))
            return True
    except InvalidSignature:
        pass
    return False


# ---- keys and certificates ----------------------------------------------------------------------------------


def read_certificates(text: bytes) -> list[x509.Certificate]:
    """Certificates in PEM, one after another.  Raises BadKey."""
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise BadKey(f"no certificate in PEM form: {error}") from None


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _spki(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _public(certificate: x509.Certificate) -> PublicKey | None:
    key = certificate.public_key()
    return key if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None


def _certificates(signature: Element) -> list[x509.Certificate]:
    info = signature.first("KeyInfo")
    found: list[x509.Certificate] = []
    for one in info.walk() if info is not None else ():
        if one.local == "X509Certificate" and one.space == XMLDSIG and len(found) < MOST_CERTIFICATES:
            try:
                found.append(x509.load_der_x509_certificate(_decoded(one)))
            except ValueError:
                continue
    return found


def _key_value(signature: Element) -> PublicKey | None:
    info = signature.first("KeyInfo")
    for one in info.walk() if info is not None else ():
        if one.local == "RSAKeyValue":
            numbers = [int.from_bytes(_decoded(_need(one, name)), "big") for name in ("Exponent", "Modulus")]
            return rsa.RSAPublicNumbers(*numbers).public_key()
    return None


def _need(element: Element, name: str) -> Element:
    found = element.first(name)
    if found is None or found.space != XMLDSIG:
        raise _Wrong("unsupported", f"{element.local} has no {name}")
    return found


def _algorithm(element: Element, known: Any) -> str:
    name = element.attribute("Algorithm")
    if name not in known:
        raise _Wrong("unsupported", f"{element.local} {name}")
    return name


def _has_uri(reference: Element) -> bool:
    return any(one.local == "URI" for one in reference.attributes)


def _prefixes(element: Element) -> tuple[str, ...]:
    inner = element.first("InclusiveNamespaces")
    if inner is None:
        return ()
    return tuple("" if one == "#default" else one for one in inner.attribute("PrefixList").split())


def _decoded(element: Element) -> bytes:
    try:
        return base64.b64decode("".join(element.text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _Wrong("unsupported", f"{element.local} is not base64") from None
