"""Logs are events: one line of JSON each on standard error, or readable lines on a terminal."""

import errno
import logging
import sys
from typing import Any, TextIO, cast

# Where tests are installed structlog would find rich: fifty modules for each process that starts, and no use for them.
_has_rich = "rich" in sys.modules
if not _has_rich:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if not _has_rich:
    del sys.modules["rich"]


class Patient:
    """A stream whose writes are lost when the disk is full, instead of failing whoever had something to say."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            _require_full(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            _require_full(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _require_full(error: OSError) -> None:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error


def setup(level: str = "info") -> None:
    """Send structlog and the standard library's logging to standard error."""
    sys.stderr = cast(TextIO, Patient(sys.stderr))
    terminal = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
