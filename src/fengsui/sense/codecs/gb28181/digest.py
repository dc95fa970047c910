"""Who a device is: HTTP digest (RFC 2617, RFC 7616, RFC 8760) as REGISTER of GB/T 28181 uses it.

MD5 is what every device of 2016 speaks; 2022 lets better ones be agreed upon (SHA-256 and SM3: from memory, so a
setting decides what is offered).  Pure: nonces and passwords are arguments.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

ALGORITHMS = ("MD5", "SHA-256", "SM3")
_PAIR = re.compile(r'([A-Za-z_-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.){0,1024})"|([^\s,"]{0,1024}))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """WWW-Authenticate: what a server asks for."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: str = "auth"
    stale: bool = False

    def __str__(self) -> str:
        text = f'Digest realm="{self.realm}",nonce="{self.nonce}",algorithm={self.algorithm}'
        if self.qop:
            text += f',qop="{self.qop}"'
        return text + (",stale=true" if self.stale else "")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Authorization: what a device answers."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str = ""
    nc: str = ""
    cnonce: str = ""

    def __str__(self) -> str:
        text = (
            f'Digest username="{self.username}",realm="{self.realm}",nonce="{self.nonce}",uri="{self.uri}",'
            f'response="{self.response}",algorithm={self.algorithm}'
        )
        return text + (f',qop={self.qop},nc={self.nc},cnonce="{self.cnonce}"' if self.qop else "")


def read_challenge(header: str) -> Challenge | None:
    """None for anything that is not a digest challenge we can answer."""
    fields = _fields(header)
    if not fields or not fields.get("nonce"):
        return None
    offered = [one.strip() for one in fields.get("qop", "").split(",")]
    return Challenge(
        fields.get("realm", ""), fields["nonce"], _algorithm(fields), "auth" if "auth" in offered else "",
        fields.get("stale", "").lower() == "true",
    )  # fmt: skip


def read_credentials(header: str) -> Credentials | None:
    """None for anything that is not a digest answer."""
    fields = _fields(header)
    if not fields or not all(fields.get(name) for name in ("username", "nonce", "response")):
        return None
    return Credentials(
        fields["username"], fields.get("realm", ""), fields["nonce"], fields.get("uri", ""), fields["response"],
        _algorithm(fields), fields.get("qop", ""), fields.get("nc", ""), fields.get("cnonce", ""),
    )  # fmt: skip


def response(password: str, method: str, given: Credentials) -> str:
    """The digest that proves ``password`` for the values of ``given``.  Raises ValueError for an unknown algorithm."""

    def h(*parts: str) -> str:
        return _hash(given.algorithm, ":".join(parts).encode())

    ha1, ha2 = h(given.username, given.realm, password), h(method, given.uri)
    if given.qop:
        return h(ha1, given.nonce, given.nc, given.cnonce, given.qop, ha2)
    return h(ha1, given.nonce, ha2)


def answer(
    challenge: Challenge, username: str, password: str, method: str, uri: str, cnonce: str, count: int = 1
) -> Credentials:
    """The Authorization of a device.  Raises ValueError for an unknown algorithm."""
    nc = f"{count:08x}" if challenge.qop else ""
    bare = Credentials(
        username, challenge.realm, challenge.nonce, uri, "", challenge.algorithm, challenge.qop, nc,
        cnonce if challenge.qop else "",
    )  # fmt: skip
    return Credentials(
        username, challenge.realm, challenge.nonce, uri, response(password, method, bare), challenge.algorithm,
        bare.qop, bare.nc, bare.cnonce,
    )  # fmt: skip


def proves(password: str, method: str, given: Credentials, allowed: Iterable[str] = ALGORITHMS) -> bool:
    """Whether ``given`` proves ``password`` by one of the algorithms ``allowed``."""
    if given.algorithm not in allowed or given.qop not in ("", "auth"):
        return False
    expected = response(password, method, given)
    return hmac.compare_digest(expected.encode(), given.response.lower().encode("utf-8", "surrogatepass"))


def _fields(header: str) -> dict[str, str]:
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PAIR.findall(rest[:8192])
    }


def _algorithm(fields: dict[str, str]) -> str:
    return fields.get("algorithm", "").upper() or "MD5"


def _hash(algorithm: str, data: bytes) -> str:
    if algorithm == "MD5":
        return hashlib.md5(data, usedforsecurity=False).hexdigest()
    if algorithm == "SHA-256":
        return hashlib.sha256(data).hexdigest()
    if algorithm == "SM3":
        digest = hashes.Hash(hashes.SM3())
        digest.update(data)
        return digest.finalize().hex()
    raise ValueError(f"unknown digest algorithm {algorithm}")
