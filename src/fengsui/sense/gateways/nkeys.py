"""NATS keys and the JWTs signed with them: just enough for an authorization callout.

A key is Ed25519; as text it is base32 of a type byte, the 32 bytes and their CRC-16.  A JWT has the algorithm
"ed25519-nkey" and version 2 claims.  Source: nats-io/nkeys (strkey.go, crc16.go) and nats-io/jwt (v2/claims.go).
"""

import base64
import hashlib
import time
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fengsui.base.errors import BadInput

ACCOUNT = 0 << 3  # as text it begins with A
USER = 20 << 3  # with U
SERVER = 13 << 3  # with N
HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


class BadToken(BadInput):
    """A JWT that is cut, signed by somebody else, or not of the form NATS uses."""

    code = "sense.bad_token"


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, register starts at 0."""
    register = 0
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x1021 if register & 0x8000 else 0)
    return register & 0xFFFF


def public_text(kind: int, public: bytes) -> str:
    """32 bytes of a public key as NATS writes it, 56 characters."""
    body = bytes([kind]) + public
    return base64.b32encode(body + crc16(body).to_bytes(2, "little")).decode().rstrip("=")


def public_bytes(text: str, kind: int) -> bytes:
    """The 32 bytes of a public key of this kind.  Raises BadToken."""
    try:
        data = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as error:
        raise BadToken(f"not a key: {error}") from None
    if len(data) != 35 or data[0] != kind or crc16(data[:-2]) != int.from_bytes(data[-2:], "little"):
        raise BadToken("not a key of the kind that is needed here")
    return data[1:-2]


class AccountKey:
    """The key that signs for an account.  ``public`` goes into the server's configuration as the issuer."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = public_text(ACCOUNT, self._private.public_key().public_bytes_raw())

    def sign(self, claims: dict[str, Any]) -> str:
        """``claims`` as a JWT; iss, iat and jti are filled in."""
        body = {**claims, "iss": self.public, "iat": int(time.time())}
        body["jti"] = (
            base64.b32encode(hashlib.sha256(msgspec.json.encode(body)).digest()).decode().rstrip("=")
        )
        signed = f"{_part(HEADER)}.{_part(body)}"
        return f"{signed}.{_base64(self._private.sign(signed.encode()))}"


def claims_of(token: str | bytes, kind: int) -> dict[str, Any]:
    """The claims of a JWT whose issuer is a key of ``kind`` and whose signature is right.  Raises BadToken."""
    if isinstance(token, bytes):
        token = token.decode("ascii", "replace")
    parts = token.split(".")
    if len(parts) != 3:
        raise BadToken("a JWT has three parts")
    try:
        header, body = msgspec.json.decode(_bytes(parts[0])), msgspec.json.decode(_bytes(parts[1]))
        signature = _bytes(parts[2])
    except (ValueError, msgspec.DecodeError) as error:
        raise BadToken(f"a part cannot be read: {error}") from None
    if not isinstance(header, dict) or not isinstance(body, dict) or header.get("alg") != HEADER["alg"]:
        raise BadToken("not a JWT of NATS")
    issuer = public_bytes(str(body.get("iss", "")), kind)
    try:
        Ed25519PublicKey.from_public_bytes(issuer).verify(signature, f"{parts[0]}.{parts[1]}".encode())
    except InvalidSignature:
        raise BadToken("the signature is not that of the issuer") from None
    return body


def derive(secret: str, purpose: str) -> bytes:
    """32 bytes that only someone with ``secret`` can make, another for each ``purpose``."""
    return hashlib.blake2b(
        purpose.encode(), key=hashlib.sha256(secret.encode()).digest(), digest_size=32
    ).digest()


def _part(value: dict) -> str:
    return _base64(msgspec.json.encode(value))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
