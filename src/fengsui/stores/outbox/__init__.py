"""Events that a transaction leaves behind for others to act on.

``outbox.add("alarm.raised", alarm_id=7)`` belongs to the caller's transaction: the event exists if and only if the
change does.  The worker drains events to handlers.  An event is handled at least once; a synchronous handler's rows
commit together with the mark "handled", so for them it is exactly once.  After ``MAX_ATTEMPTS`` failures an event is
dead: it stays, visible, until somebody retries or discards it.

The functions load their module when called, so that this package can be an installed app.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fengsui.stores.outbox.services import Context as Context
    from fengsui.stores.outbox.services import Drained as Drained
    from fengsui.stores.outbox.services import Handler as Handler
    from fengsui.stores.outbox.services import Many as Many
    from fengsui.stores.outbox.services import NotNow as NotNow

CHANNEL = "outbox"  # PostgreSQL NOTIFY: an event was committed
MAX_ATTEMPTS = 10


def add(topic: str, **payload: Any) -> int:
    """Leave one event in the caller's transaction; returns its id.  ``payload`` is what JSON can hold."""
    from fengsui.stores.outbox import services

    return services.add(topic, payload)


def add_many(topic: str, payloads: Iterable[Mapping[str, Any]]) -> int:
    """Leave many events of one topic with one INSERT; returns how many."""
    from fengsui.stores.outbox import services

    return services.add_many(topic, payloads)


def drain(
    handlers: "Mapping[str, Handler]",
    limit: int = 100,
    *,
    tools: Any = None,
    run_async: Any = None,
    elsewhere: Collection[str] | None = (),
) -> "Drained":
    """Handle up to ``limit`` waiting events; see ``services.drain``."""
    from fengsui.stores.outbox import services

    return services.drain(handlers, limit, tools=tools, run_async=run_async, elsewhere=elsewhere)


def __getattr__(name: str) -> Any:
    if name in (
        "Context",
        "Drained",
        "Handler",
        "Many",
        "NotNow",
        "Status",
        "purge",
        "retry",
        "discard",
        "status",
    ):
        from fengsui.stores.outbox import services

        return getattr(services, name)
    raise AttributeError(name)
