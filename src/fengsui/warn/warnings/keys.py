"""The key and certificate that sign our warnings: yours by settings, or made once under FENGSUI_HOME/secrets.

Where several machines run workers, give all of them the same by ``FENGSUI_CAP_KEY`` and ``FENGSUI_CAP_CERTIFICATE``:
a made key is each machine's own.
"""

from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from django.conf import settings

from fengsui.stores import clock
from fengsui.stores.durable import write_once
from fengsui.warn.cap.signature import SHORTEST_RSA, BadKey, PrivateKey, read_certificates

KEY_BITS = 3072
YEARS = 10


def signing() -> tuple[PrivateKey, x509.Certificate]:
    """Key and certificate.  Raises BadKey that says which file is wrong and how."""
    key_path, certificate_path = Path(settings.CAP_KEY), Path(settings.CAP_CERTIFICATE)
    if not key_path.exists() and settings.CAP_KEY_IS_OURS:
        _make(key_path)
    if not certificate_path.exists() and settings.CAP_KEY_IS_OURS:
        write_once(certificate_path, _self_signed(_key(key_path)), 0o644)
    return _read(key_path, certificate_path, _stamp(key_path), _stamp(certificate_path))


def certificate() -> x509.Certificate:
    """The certificate by which others verify us.  Raises BadKey."""
    return signing()[1]


@lru_cache(maxsize=2)
def _read(
    key_path: Path, certificate_path: Path, _key_stamp: int, _certificate_stamp: int
) -> tuple[PrivateKey, x509.Certificate]:
    key = _key(key_path)
    try:
        held = read_certificates(certificate_path.read_bytes())
    except OSError as error:
        raise BadKey(f"{certificate_path}: {error.strerror}") from None
    if not held or held[0].public_key() != key.public_key():
        raise BadKey(f"{certificate_path} is for another key than {key_path}")
    return key, held[0]


def _key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise BadKey(f"{path} holds no unencrypted key in PEM form: {error}") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= SHORTEST_RSA:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    raise BadKey(f"{path}: RSA of at least {SHORTEST_RSA} bits, or an elliptic curve, is needed")


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _make(path: Path) -> None:
    key = rsa.generate_private_key(65537, KEY_BITS)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    write_once(path, text)


def _self_signed(key: PrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fengsui CAP")])
    now = clock.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()
