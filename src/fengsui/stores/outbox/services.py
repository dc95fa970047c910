"""Add events, drain them to handlers, and look after those that failed."""

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from fengsui.base import tracing
from fengsui.stores.outbox import MAX_ATTEMPTS
from fengsui.stores.outbox.models import Event

log = structlog.get_logger()

NOT_NOW_S = 1.0
LONGEST_WAIT_S = 300
KEEP_HANDLED = timedelta(days=1)
ASYNC_BATCH_S = 10.0  # how long asynchronous handlers of one batch may take while its rows are locked


class NotNow(Exception):
    """Raised by a handler when what it needs is away (the bus is down): try again soon, this is not a failure."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler gets beside the payload.  ``tools`` is what the worker brought (a bus connection)."""

    event_id: int
    topic: str
    attempts: int
    created_at: datetime
    tools: Any = None


@dataclass(frozen=True, slots=True)
class Many:
    """A handler that takes many events of its topic at once, for what comes in floods.  ``handle`` gets a list of
    (context, payload) in one transaction; when it fails, each event is tried alone.
    """

    handle: Callable[[list[tuple[Context, dict[str, Any]]]], None]


Handler = Callable[[Context, dict[str, Any]], Awaitable[None] | None] | Many
RunAsync = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(slots=True)
class Drained:
    """What one drain did: events handled, failed (to be tried again), put off, and given up."""

    handled: int = 0
    failed: int = 0
    put_off: int = 0
    dead: int = 0

    @property
    def seen(self) -> int:
        return self.handled + self.failed + self.put_off + self.dead


@dataclass(frozen=True, slots=True)
class Status:
    """For the status page: events waiting, given up, and the age of the oldest that waits."""

    waiting: int
    dead: int
    oldest_ms: int


@dataclass(slots=True)
class _Results:
    handled: list[int] = field(default_factory=list)
    wrong: list[tuple[Event, BaseException]] = field(default_factory=list)


def add(topic: str, payload: Mapping[str, Any]) -> int:
    return Event.objects.create(topic=topic, payload=_traced(payload)).pk


def add_many(topic: str, payloads: Iterable[Mapping[str, Any]]) -> int:
    events = [Event(topic=topic, payload=_traced(payload)) for payload in payloads]
    Event.objects.bulk_create(events, batch_size=1000)
    return len(events)


def _traced(payload: Mapping[str, Any]) -> dict[str, Any]:
    trace = tracing.current()
    return {**payload, tracing.HEADER: trace} if trace else dict(payload)


def _step(events: list[Event]) -> AbstractContextManager[None]:
    """The step of handling ``events``, in the trace of the first that has one."""
    trace = next((t for event in events if (t := event.payload.get(tracing.HEADER))), "")
    return tracing.span(f"worker.{events[0].topic}", trace, events=len(events))


def drain(
    handlers: Mapping[str, Handler],
    limit: int = 100,
    *,
    tools: Any = None,
    run_async: RunAsync | None = None,
    elsewhere: Collection[str] | None = (),
) -> Drained:
    """Handle waiting events, oldest first; any number of workers may do so at once.

    First up to ``limit`` events of ordinary handlers, each in a transaction of its own: what the handler writes and the
    mark "handled" are committed together, and no lock outlives its event.  Then, for each topic with a ``Many``
    handler, up to ``limit`` events in one transaction.  Then, in one transaction, up to ``limit`` events of
    asynchronous handlers, started in order and awaited together through ``run_async`` (a runner that may be called from
    this thread; by default a loop of their own).  Their effects are outside the database, so they must be idempotent by
    a key.
    Order holds within a topic only, and not across retries: a handler looks at the rows as they are now.

    ``elsewhere`` are topics that another drain handles; None means all that are not in ``handlers``.  A topic that is
    in neither has no handler, which is a failure.

    Rows are locked with SKIP LOCKED: a killed worker's events are free again at once.  A database that goes away
    raises, and then nothing of that transaction was marked.  Commits need not wait for the disk: a commit lost in a
    crash is an event that waits again, together with everything its handler wrote.
    """
    done = Drained()
    many = {topic: handler for topic, handler in handlers.items() if isinstance(handler, Many)}
    outside = [topic for topic, handler in handlers.items() if inspect.iscoroutinefunction(handler)]
    topics = _topics()
    ours = set(handlers) if elsewhere is None else topics - set(elsewhere)
    alone = topics & ours - {*many, *outside}
    for _ in range(limit if alone else 0):
        if not _one(Q(topic__in=alone), handlers, tools, done):
            break
    topics = _topics() if done.seen else topics  # handlers leave events too
    for topic in many:
        if topic in topics:
            _together(topic, many[topic], limit, tools, done)
    topics = _topics() if done.seen else topics
    if topics.intersection(outside):
        with transaction.atomic():
            if events := _claim(Q(topic__in=outside), limit):
                later = [(event, handlers[event.topic]) for event in events]
                _mark((run_async or async_to_sync(_awaited))(_handle_async(later, tools)), done)
    return done


def status() -> Status:
    """How many wait and since when.  Cheap: both answers come from partial indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)) * 1000, 0)"
            " FROM outbox_event WHERE handled_at IS NULL AND dead_at IS NULL"
        )
        waiting, oldest_ms = cursor.fetchone()
    return Status(waiting, Event.objects.dead().count(), max(0, int(oldest_ms)))


def retry(events: Iterable[int] | None = None) -> int:
    """Let dead events (all, or these ids) be tried again from the start; returns how many."""
    dead = Event.objects.dead()
    if events is not None:
        dead = dead.filter(pk__in=list(events))
    count = dead.update(dead_at=None, attempts=0, not_before=None)
    if count:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('outbox', '')")
    return count


def discard(events: Iterable[int]) -> int:
    """Take dead events as handled; their error stays readable until they are purged."""
    return Event.objects.dead().filter(pk__in=list(events)).update(handled_at=timezone.now())


def purge(now: datetime, keep: timedelta = KEEP_HANDLED) -> int:
    """Delete events handled longer than ``keep`` ago; dead and waiting ones stay.  Returns how many."""
    return Event.objects.filter(handled_at__lt=now - keep).delete()[0]


def _one(which: Q, handlers: Mapping[str, Handler], tools: Any, done: Drained) -> bool:
    with transaction.atomic():
        event = next(iter(_claim(which, 1)), None)
        if event is not None:
            _mark(_handle(event, handlers.get(event.topic), tools), done)
    return event is not None


def _together(topic: str, many: Many, limit: int, tools: Any, done: Drained) -> None:
    events: list[Event] = []
    try:
        with transaction.atomic():
            if events := _claim(Q(topic=topic), limit):
                with _step(events):
                    many.handle([(_context(event, tools), event.payload) for event in events])
                _mark(_Results(handled=[event.pk for event in events]), done)
    except Exception as error:
        if not events or connection.connection is None or connection.connection.closed:
            raise
        log.warning("outbox.apart", topic=topic, events=len(events), error=repr(error))
        for event in events:
            _one(Q(pk=event.pk), {topic: many}, tools, done)


def _claim(which: Q, limit: int) -> list[Event]:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    waiting = Event.objects.waiting().filter(which, _ripe()).order_by("id")
    return list(waiting.select_for_update(skip_locked=True)[:limit])


def _topics() -> set[str]:
    """Of what may be handled now: most of those that are drained are empty, and one question tells which."""
    waiting = Event.objects.waiting().filter(_ripe()).order_by()
    return set(waiting.values_list("topic", flat=True).distinct())


def _ripe() -> Q:
    now = timezone.now()
    set_back = Q(
        not_before__gt=now + timedelta(seconds=LONGEST_WAIT_S)
    )  # the clock was ahead when this was said
    return Q(not_before=None) | Q(not_before__lte=now) | set_back


def _mark(results: _Results, done: Drained) -> None:
    if results.handled:
        Event.objects.filter(pk__in=results.handled).update(handled_at=timezone.now(), error="")
        done.handled += len(results.handled)
    for event, error in results.wrong:
        _note(event, error, done)


def _handle(event: Event, handler: Handler | None, tools: Any) -> _Results:
    try:
        if handler is None:
            raise LookupError(f"no handler for topic {event.topic}")
        with _step([event]), transaction.atomic():
            if isinstance(handler, Many):
                handler.handle([(_context(event, tools), event.payload)])
            else:
                handler(_context(event, tools), event.payload)
    except Exception as error:
        if connection.connection is None or connection.connection.closed:
            raise  # the database went away: nothing can be marked
        return _Results(wrong=[(event, error)])
    return _Results(handled=[event.pk])


async def _handle_async(later: list[tuple[Event, Handler]], tools: Any) -> _Results:
    async def one(event: Event, handler: Handler) -> None:
        assert not isinstance(handler, Many)
        with _step([event]):
            outcome = handler(_context(event, tools), event.payload)
            if outcome is not None:
                await outcome

    results = _Results()
    tasks = [asyncio.create_task(one(event, handler)) for event, handler in later]
    await asyncio.wait(tasks, timeout=ASYNC_BATCH_S)
    for task in tasks:
        task.cancel()  # does nothing to one that is done
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for (event, _handler), outcome in zip(later, outcomes, strict=True):
        if isinstance(outcome, asyncio.CancelledError):
            results.wrong.append((event, NotNow(f"took longer than {ASYNC_BATCH_S:g} s")))
        elif isinstance(outcome, BaseException):
            results.wrong.append((event, outcome))
        else:
            results.handled.append(event.pk)
    return results


async def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine


def _context(event: Event, tools: Any) -> Context:
    return Context(event.pk, event.topic, event.attempts, event.created_at, tools)


def _note(event: Event, error: BaseException, done: Drained) -> None:
    now = timezone.now()
    event.error = "".join(traceback.format_exception(error))[-4000:]
    if isinstance(error, NotNow):
        event.not_before = now + timedelta(seconds=NOT_NOW_S)
        done.put_off += 1
    else:
        event.attempts += 1
        if event.attempts >= MAX_ATTEMPTS:
            event.dead_at = now
            done.dead += 1
        else:
            event.not_before = now + timedelta(seconds=wait_s(event.attempts))
            done.failed += 1
        log.warning(
            "outbox.dead" if event.dead_at else "outbox.failed",
            event_id=event.pk,
            topic=event.topic,
            attempts=event.attempts,
            error=repr(error),
        )
    event.save(update_fields=["error", "attempts", "not_before", "dead_at"])


def wait_s(attempts: int) -> float:
    """Seconds before the next attempt after ``attempts`` failures: 1, 2, 4 … at most ``LONGEST_WAIT_S``."""
    return float(min(2 ** max(0, attempts - 1), LONGEST_WAIT_S))
