"""One-time codes of calls: derived from the platform's secret and the call, never stored; found again by their hash.

Ten characters of 32: 50 bits.  No letter looks like a digit (Crockford's alphabet), because codes are read aloud.
"""

import hashlib

from django.utils.crypto import salted_hmac

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
_READ = str.maketrans({"O": "0", "I": "1", "L": "1"})


def of(callout_id: int, number: int) -> str:
    """The code of the call with this number: "K7QM3XPD2A"."""
    digest = salted_hmac("fengsui.calls", f"{callout_id}:{number}", algorithm="sha256").digest()
    value = int.from_bytes(digest[:8])
    return "".join(ALPHABET[(value >> (5 * i)) & 31] for i in range(LENGTH))


def shown(code: str) -> str:
    """In two halves, as it is read aloud."""
    return f"{code[:5]}-{code[5:]}"


def sha256(code: str) -> str:
    return hashlib.sha256(f"fengsui.calls:{code}".encode()).hexdigest()


def read(text: str) -> str:
    """What a person typed as a code: any case, with or without dashes and blanks.  "" when it cannot be one."""
    code = "".join(c for c in text.upper().translate(_READ) if c.isalnum())
    return code if len(code) == LENGTH and all(c in ALPHABET for c in code) else ""
