"""What the outbox leads to here: a published warning is called for, messages go out, callouts follow their loops."""

from typing import Any

from fengsui.stores.outbox.services import Context
from fengsui.warn.calls import services
from fengsui.warn.calls.errors import CallOver


def warning_published(_context: Context, payload: dict[str, Any]) -> None:
    """Call the places it covers; one that is over by now is called for by nobody."""
    try:
        services.published(int(payload["message_id"]))
    except CallOver:
        return


def deliver(_context: Context, payload: dict[str, Any]) -> None:
    services.deliver(int(payload["delivery_id"]))
