"""Tells the audit trail which request is being served, and writes what was refused in it when it is over."""

import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from fengsui.people.accounts.source import client_ip
from fengsui.people.audit import context
from fengsui.people.audit.services import write_refusals

Answer: TypeAlias = Any  # HttpResponse, or a coroutine that returns one


@sync_and_async_middleware
def audit_middleware(get_response: Callable[[HttpRequest], Answer]) -> Callable[[HttpRequest], Answer]:
    """After SessionMiddleware.  Every answer carries ``X-Request-ID``, which the entries carry too."""
    if iscoroutinefunction(get_response):

        async def middle_async(request: HttpRequest) -> HttpResponse:
            with context.serving(_serving(request)) as serving:
                response: HttpResponse = await get_response(request)
                if serving.refusals:
                    await sync_to_async(write_refusals)(serving)
            response["X-Request-ID"] = serving.request_id
            return response

        return middle_async

    def middle(request: HttpRequest) -> HttpResponse:
        with context.serving(_serving(request)) as serving:
            response: HttpResponse = get_response(request)
            write_refusals(serving)
        response["X-Request-ID"] = serving.request_id
        return response

    return middle


def _serving(request: HttpRequest) -> context.Serving:
    session = getattr(request, "session", None)
    return context.Serving(
        source_ip=client_ip(request) or None,
        session=context.session_mark(session.session_key if session is not None else None),
        request_id=uuid.uuid4().hex,
    )
