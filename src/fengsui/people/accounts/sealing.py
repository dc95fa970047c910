"""Secrets at rest (the shared secret of a second factor): SM4-GCM under a key made from the platform's own.

SM4 is GB/T 32907, GCM as in RFC 8998; the key is the first half of HMAC-SM3 over a purpose.  Form of a sealed text:
``sm4gcm1:`` and base64 of nonce (12 bytes), cipher text and tag (16 bytes).
"""

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.conf import settings

from fengsui.base.errors import FengsuiError

PREFIX = "sm4gcm1:"
NONCE, TAG = 12, 16


class CannotUnseal(FengsuiError):
    """A sealed secret that this platform's key does not open: FENGSUI_SECRET_KEY was changed or the text damaged."""

    code = "people.cannot_unseal"


def seal(text: str, purpose: str) -> str:
    """``text`` so that only this platform reads it, for this purpose."""
    nonce = secrets.token_bytes(NONCE)
    cipher = Cipher(algorithms.SM4(_key(purpose)), modes.GCM(nonce)).encryptor()
    sealed = cipher.update(text.encode()) + cipher.finalize()
    return PREFIX + base64.b64encode(nonce + sealed + cipher.tag).decode()


def unseal(sealed: str, purpose: str) -> str:
    """The text again.  Raises CannotUnseal."""
    try:
        if not sealed.startswith(PREFIX):
            raise ValueError
        raw = base64.b64decode(sealed[len(PREFIX) :], validate=True)
        nonce, body, tag = raw[:NONCE], raw[NONCE:-TAG], raw[-TAG:]
        cipher = Cipher(algorithms.SM4(_key(purpose)), modes.GCM(nonce, tag)).decryptor()
        return (cipher.update(body) + cipher.finalize()).decode()
    except (ValueError, InvalidTag):
        raise CannotUnseal(f"a sealed secret ({purpose}) does not open with this platform's key") from None


def _key(purpose: str) -> bytes:
    mac = hmac.HMAC(settings.SECRET_KEY.encode(), hashes.SM3())
    mac.update(b"fengsui seal " + purpose.encode())
    return mac.finalize()[:16]
