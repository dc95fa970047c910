"""The security header of every answer: pages, admin, files, errors.

No inline script or style, nothing from elsewhere, nobody frames us.  A view that needs more (video) sets its own.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
PERMISSIONS_POLICY = "camera=(), microphone=(), geolocation=(self), payment=(), usb=()"

Answer: TypeAlias = Any  # HttpResponse, or a coroutine that returns one


@sync_and_async_middleware
def security_headers(get_response: Callable[[HttpRequest], Answer]) -> Callable[[HttpRequest], Answer]:
    """First in the list, so that it sees what every other middleware answers."""
    if iscoroutinefunction(get_response):

        async def middle_async(request: HttpRequest) -> HttpResponse:
            return _with_headers(await get_response(request))

        return middle_async

    def middle(request: HttpRequest) -> HttpResponse:
        return _with_headers(get_response(request))

    return middle


def _with_headers(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
    return response
