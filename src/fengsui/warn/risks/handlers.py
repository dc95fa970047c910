"""What the outbox leads to here: an input changed, so risk is reckoned again, once for all that changed."""

from typing import Any, Protocol

from fengsui.base.batch import Batch
from fengsui.base.errors import FengsuiError
from fengsui.stores import clock
from fengsui.stores.outbox.services import Context, NotNow
from fengsui.warn.risks import series, services


class Tools(Protocol):
    """What the worker brings."""

    async def readings(self, batches: list[Batch]) -> None:
        """Make them durable on the bus.  Raises Busy."""


def stale(_events: list[tuple[Context, dict[str, Any]]]) -> None:
    services.reckon()


async def readings(context: Context, payload: dict[str, Any]) -> None:
    """Indices go onto the bus like any reading.  Sent twice, the pipeline knows the second by its time."""
    tools: Tools = context.tools
    try:
        await tools.readings(series.batches(payload, clock.now_ms()))
    except FengsuiError as error:  # the bus or a disk is full: later
        raise NotNow(repr(error)) from error
