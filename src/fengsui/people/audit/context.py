"""What the audit trail knows of the request being served: where it comes from, its session, what was refused in it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Serving:
    """One request.  ``refusals`` wait here for the end of the transaction that they undid."""

    source_ip: str | None = None
    session: str = ""
    request_id: str = ""
    refusals: list[dict[str, Any]] = field(default_factory=list)


_serving: ContextVar[Serving | None] = ContextVar("fengsui_audit_serving", default=None)


def current() -> Serving | None:
    return _serving.get()


@contextmanager
def serving(request: Serving) -> Iterator[Serving]:
    """Everything recorded inside belongs to ``request``."""
    token = _serving.set(request)
    try:
        yield request
    finally:
        _serving.reset(token)


def session_mark(session_key: str | None) -> str:
    """A short mark that tells sessions apart without giving the key away."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:16] if session_key else ""
