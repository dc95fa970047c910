"""The path of one batch through the processes, when somebody wants to see it.

Whoever does a step says so with ``span``; what a span becomes is decided by who calls ``install`` (``run.tracing``).
When nobody did, nothing happens: one comparison a batch.  A trace travels as a W3C ``traceparent``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Protocol, TypeVar

HEADER = "traceparent"
T = TypeVar("T")


class Span(Protocol):
    """A step that has begun."""

    @property
    def traceparent(self) -> str:
        """What its children name as their parent."""

    def end(self, error: BaseException | None = None) -> None:
        """The step is over; ``error`` ended it."""


Begin = Callable[
    [str, str, Mapping[str, Any]], Span | None
]  # name, traceparent of the parent or "", attributes

_NOTHING = nullcontext()
_begin: Begin | None = None
_current: ContextVar[str] = ContextVar("traceparent", default="")


def install(begin: Begin | None) -> None:
    """Spans are begun by ``begin`` from now on; without a parent it may decline (sampling)."""
    global _begin
    _begin = begin


def is_on() -> bool:
    """Whether anybody wants to see any path at all."""
    return _begin is not None


def current() -> str:
    """The traceparent of the step we are in; "" when it is not traced."""
    return _current.get() if _begin is not None else ""


def carry(deed: Callable[..., T]) -> Callable[..., T]:
    """``deed`` to be run in another thread, within the step we are in."""
    return partial(copy_context().run, deed) if current() else deed


def root(name: str, **attributes: Any) -> AbstractContextManager[None]:
    """A step that may begin a trace."""
    return _NOTHING if _begin is None else _within(name, "", attributes)


def span(name: str, parent: str | None = None, **attributes: Any) -> AbstractContextManager[None]:
    """A step of the trace of ``parent`` (default: of the step we are in); nothing outside a trace."""
    if _begin is None:
        return _NOTHING
    parent = current() if parent is None else parent
    return _within(name, parent, attributes) if parent else _NOTHING


@contextmanager
def _within(name: str, parent: str, attributes: Mapping[str, Any]) -> Iterator[None]:
    made = _begin(name, parent, attributes) if _begin is not None else None
    if made is None:
        yield
        return
    token = _current.set(made.traceparent)
    error: BaseException | None = None
    try:
        yield
    except BaseException as caught:
        error = caught
        raise
    finally:
        _current.reset(token)
        made.end(error)
