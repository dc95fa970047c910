"""Carrying out a replay: the held readings onto the bus, as messages of a writer of its own.

Each message has the same bytes and the same Nats-Msg-Id whenever it is sent, so sending it again adds nothing.
"""

from typing import Any, Protocol

import numpy as np
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone
from nats.errors import Error
from nats.js.errors import APIError

from fengsui.base.batch import Batch, encode
from fengsui.govern.quarantine.models import Held, Resolution
from fengsui.stores.bus import subject_for
from fengsui.stores.outbox.services import Context, NotNow

ROWS_A_MESSAGE = 5_000


class Tools(Protocol):
    """What the worker brings."""

    async def publish(self, subject: str, data: bytes, msg_id: str) -> None:
        """Publish on the bus and wait for its acknowledgement."""


async def replay(context: Context, payload: dict[str, Any]) -> None:
    """Publish what a resolution corrected.  Raises NotNow while the bus is away; goes on where it was."""
    tools: Tools = context.tools
    resolution, plan = await sync_to_async(_plan)(payload["resolution_id"])
    if resolution is None or resolution.done_at is not None:
        return
    for number, (site, ids) in enumerate(plan, 1):
        if number <= resolution.sent:
            continue
        gateway = f"steward-{resolution.pk}-{number}"
        batch = await sync_to_async(_batch)(resolution, site, ids)
        data = encode(gateway, 1, [batch])
        try:
            await tools.publish(subject_for(site, settings.PARTITIONS), data, f"{gateway}:0:1")
        except (Error, APIError, TimeoutError, OSError) as error:
            raise NotNow(repr(error)) from error
        await sync_to_async(_note)(resolution.pk, number, number == len(plan))


def _plan(resolution_id: int) -> tuple[Resolution | None, list[tuple[int, list[int]]]]:
    """The messages: a site and the held rows of each, always the same."""
    resolution = Resolution.objects.filter(pk=resolution_id).first()
    plan: list[tuple[int, list[int]]] = []
    rows = Held.objects.filter(resolved_in=resolution_id).order_by("site_id", "pk")
    for pk, site in rows.values_list("pk", "site_id"):
        if not plan or plan[-1][0] != site or len(plan[-1][1]) == ROWS_A_MESSAGE:
            plan.append((site, []))
        plan[-1][1].append(pk)
    return resolution, plan


def _batch(resolution: Resolution, site: int, ids: list[int]) -> Batch:
    ready = list(Held.objects.filter(pk__in=ids).order_by("pk").values_list("resolution", flat=True))
    return Batch(
        site=site,
        source=f"steward:{resolution.actor_name}"[:80],
        received_ms=round(resolution.made_at.timestamp() * 1000),
        datastream=np.array([r["datastream"] for r in ready], np.int32),
        time_ms=np.array([r["time_ms"] for r in ready], np.int64),
        value=np.array([r["value"] for r in ready], np.float64),
        quality=np.zeros(len(ready), np.uint8),
        reason=np.zeros(len(ready), np.uint8),
    )


def _note(resolution_id: int, sent: int, is_last: bool) -> None:
    Resolution.objects.filter(pk=resolution_id).update(sent=sent, done_at=timezone.now() if is_last else None)
