"""What never goes into the audit trail, whoever calls: passwords, secrets and hashes of them, by their name."""

import re
from typing import Any

MASK = "***"
SECRET = re.compile(
    r"(^|_)(secret|password|passwd|passphrase|token|sealed|private_key|api_key)(_|$|\d)", re.ASCII
)


def masked(value: Any) -> Any:
    """``value`` with the texts under a secret's name covered, at any depth.  Flags and times are no secrets."""
    if isinstance(value, dict):
        return {key: MASK if _is_secret(key, inner) else masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    return value


def _is_secret(key: Any, value: Any) -> bool:
    return isinstance(value, str | bytes) and bool(value) and SECRET.search(str(key).lower()) is not None
