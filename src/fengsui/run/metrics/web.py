"""What the role web counts: requests by route, and live streams."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from fengsui.base.metrics import Distribution
from fengsui.run.metrics.samples import Sample, histogram, one

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
STATIC = "static/"


class Requests:
    """Requests since the start: by route, method and status, and how long they took by route."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Distribution] = {}

    def note(self, request: HttpRequest, status: int, seconds: float) -> None:
        """Count one answer.  Routes are patterns, never addresses: their number is bounded."""
        match = request.resolver_match
        route = match.route if match else STATIC if request.path.startswith(f"/{STATIC}") else "none"
        method = request.method if request.method in METHODS else "other"
        self.answers[f"/{route}" if route != "none" else route, str(method), status] += 1
        self.seconds.setdefault(f"/{route}" if route != "none" else route, Distribution()).observe(seconds)


REQUESTS = Requests()


@sync_and_async_middleware
def count_requests(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Outside all other middleware, so that it sees what they answer and how long they took."""
    if iscoroutinefunction(get_response):

        async def middle_async(request: HttpRequest) -> HttpResponse:
            began = time.perf_counter()
            response = await get_response(request)
            REQUESTS.note(request, response.status_code, time.perf_counter() - began)
            return response

        return middle_async

    def middle(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = get_response(request)
        REQUESTS.note(request, response.status_code, time.perf_counter() - began)
        return response

    return middle


def samples() -> Iterator[Sample]:
    """Requests and streams of this process."""
    from fengsui.show.live import stream  # models: after Django is set up

    for (route, method, code), number in list(REQUESTS.answers.items()):
        yield one("web_requests", number, route=route, method=method, code=str(code))
    for route, distribution in list(REQUESTS.seconds.items()):
        yield from histogram("web_request_seconds", distribution, route=route)
    yield one("web_streams_open", stream.open_streams())
    yield one("web_events_pushed", stream.pushed())
