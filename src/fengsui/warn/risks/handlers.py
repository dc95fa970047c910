"""What the outbox leads to here: an input changed, so risk is reckoned again, once for all that changed."""

from typing import Any

from fengsui.stores.outbox.services import Context
from fengsui.warn.risks import services


def stale(_events: list[tuple[Context, dict[str, Any]]]) -> None:
    services.reckon()
