"""Metrics over the bus: each process answers ``metrics.<instance>``; whoever shows the page asks all of them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from fengsui.run.metrics.samples import Sample, one, pack, process, unpack
from fengsui.stores.bus import Heartbeat, read_roles

log = structlog.get_logger()

ANSWER_S = 1.0
Reader = Callable[[], Iterable[Sample]]


async def answer(client: Client, heartbeat: Heartbeat, read: Reader = tuple) -> None:
    """Answer for this process from now on.  ``read`` gives the samples of the role at that moment."""

    async def tell(message: Msg) -> None:
        await message.respond(pack([*process(), *read()]))

    await client.subscribe(f"metrics.{heartbeat.instance}", cb=tell)


async def gather(client: Client, expected: Iterable[str] = ()) -> list[Sample]:
    """The samples of every role, each with the labels ``role`` and ``id``.

    A role that is there but does not answer in time, and one of ``expected`` that is not there, has
    ``fengsui_role_up`` 0.
    """
    try:
        roles = await read_roles(client, seconds=ANSWER_S)
    except (NatsError, TimeoutError):
        roles = []
    answers = await asyncio.gather(*(_ask(client, role["instance"]) for role in roles))
    out: list[Sample] = []
    for role, samples in zip(roles, answers, strict=True):
        out += named(role, samples)
    for name in sorted(set(expected) - {role["role"] for role in roles}):
        out.append(one("role_up", 0, role=name, id=""))
    return out


def named(role: dict[str, Any], samples: list[Sample] | None) -> list[Sample]:
    """The samples of one process, with its labels and what its heartbeat says."""
    labels = {"role": role["role"], "id": role["instance"]}
    out = [
        one("role_up", 0 if samples is None else 1, **labels),
        one("role_ready", bool(role["ready"]), **labels),
        one("role_start_time_seconds", role["since_ms"] / 1000, **labels),
    ]
    return out + [Sample(s.name, s.value, {**labels, **s.labels}, s.suffix) for s in samples or ()]


async def _ask(client: Client, instance: str) -> list[Sample] | None:
    try:
        return unpack((await client.request(f"metrics.{instance}", b"", timeout=ANSWER_S)).data)
    except (NatsError, TimeoutError):
        return None
    except msgspec.DecodeError as error:
        log.warning("metrics.unreadable", instance=instance, error=str(error))
        return None
