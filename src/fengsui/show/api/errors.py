"""Every refusal has one shape, ``{"code": …, "message": …}``: the code is stable, the message is for people.

``docs/errors.md`` has an entry for each code and a test holds that.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from fengsui.base.errors import BadInput, FengsuiError, NotAllowed
from fengsui.show.words import say


class NotFound(FengsuiError):
    """It does not exist, or lies outside what this user sees; the two are not told apart."""

    code = "show.not_found"


class NotLoggedIn(FengsuiError):
    """The session has ended or was never there."""

    code = "show.not_logged_in"


class BadForm(BadInput):
    """A request whose fields do not fit the schema; ``errors`` names each."""

    code = "show.bad_request"


class CsrfFailed(FengsuiError):
    """A write without the CSRF token of this session."""

    code = "show.csrf"


class NoBus(FengsuiError):
    """The bus does not answer now; what is read from the database still works."""

    code = "show.no_bus"


class ErrorOut(Schema):
    code: str
    message: str
    errors: list[dict[str, Any]] | None = None


STATUS: tuple[tuple[type[FengsuiError], int], ...] = (
    (NotFound, 404),
    (NotLoggedIn, 401),
    (NotAllowed, 403),
    (CsrfFailed, 403),
    (NoBus, 503),
    (BadInput, 422),
    (FengsuiError, 409),
)


def status_of(error: FengsuiError) -> int:
    """The HTTP status of an error: by class, most particular first; what is left is a conflict with the state."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def install(api: NinjaAPI) -> None:
    """Turn every exception that can leave a view of ``api`` into the one shape."""

    def answer(request: HttpRequest, error: FengsuiError, **more: Any) -> HttpResponse:
        body = {"code": error.code, "message": say(error), **more}
        return api.create_response(request, body, status=status_of(error))

    @api.exception_handler(FengsuiError)
    def _ours(request: HttpRequest, error: FengsuiError) -> HttpResponse:
        return answer(request, error)

    @api.exception_handler(Http404)
    def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
        return answer(request, NotFound())

    @api.exception_handler(AuthenticationError)
    def _stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        return answer(request, NotLoggedIn())

    @api.exception_handler(HttpError)
    def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
        if error.status_code == 403:
            return answer(request, CsrfFailed())
        body = {"code": BadForm.code, "message": str(error)}
        return api.create_response(request, body, status=error.status_code)

    @api.exception_handler(ValidationError)
    def _form(request: HttpRequest, error: ValidationError) -> HttpResponse:
        errors = [{"where": ".".join(map(str, e["loc"])), "what": e["msg"]} for e in error.errors]
        return answer(request, BadForm(), errors=errors)
