"""Call-and-confirm: figures and places of a warning, calls by hand, confirmation by code, responsible persons."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from fengsui.base.errors import BadInput
from fengsui.people.orgs import access
from fengsui.show.api.errors import NotFound
from fengsui.show.api.found import one
from fengsui.show.lists import calls as lists
from fengsui.show.lists import warnings as warning_lists
from fengsui.warn.calls import importing, services
from fengsui.warn.calls.models import Callout
from fengsui.warn.warnings.models import Message

router = Router(tags=["calls"])
MOST = 5_000  # persons in one request


class FiguresOut(Schema):
    places: int
    reached: int
    confirmed: int
    above: int
    in_time: int
    calling: int
    nobody: int
    ended: int
    median_s: float | None


class CountyOut(FiguresOut):
    name: str
    name_en: str


class CalledOut(Schema):
    message: int
    identifier: str
    headline: str
    figures: FiguresOut
    counties: list[CountyOut]


class PersonOut(Schema):
    number: int
    name: str
    post: str
    phone: str
    org: str
    at_ms: int
    due_ms: int
    channels: dict[str, str]  # channel → state


class PlaceOut(Schema):
    id: int
    org: str
    name: str
    name_en: str
    state: str
    opened_ms: int
    next_ms: int | None
    confirmed_ms: int | None
    confirmed_by: str
    how: str
    calls: list[PersonOut]


class PlacesPage(Schema):
    items: list[PlaceOut]
    next: str | None


class StartedOut(Schema):
    places: int


class PhoneIn(Schema):
    who: str
    spoke_ms: int | None = None
    note: str = ""


class CodeIn(Schema):
    code: str


class CodeOut(Schema):
    confirmed: bool
    is_new: bool
    headline: str
    place: str


class ContactIn(Schema):
    org: str
    name: str
    order: int | None = None
    post: str | None = None
    phone: str | None = None
    email: str | None = None
    user: str | None = None
    active: bool | None = None


class BadRowOut(Schema):
    row: int
    why: str


class ImportOut(Schema):
    added: int
    changed: int
    same: int
    kept: bool
    bad: list[BadRowOut]


@router.get("calls/{int:pk}", response=CalledOut)
def get_calls(request: HttpRequest, pk: int) -> dict[str, Any]:
    """The figures of a warning (id of its message), whole and by county, of the places in sight."""
    message = _message(request, pk)
    counties = lists.by_county(request.user, message)
    return {
        "message": message.pk,
        "identifier": message.identifier,
        "headline": message.headline,
        "figures": _figures(lists.summary(request.user, message)),
        "counties": [{"name": name, "name_en": en or name} | _figures(s) for _pk, name, en, s in counties],
    }


@router.get("calls/{int:pk}/places", response=PlacesPage)
def list_places(
    request: HttpRequest, pk: int, state: str = "", cursor: str = "", size: int = 50
) -> dict[str, Any]:
    """Places of a warning in the order of the tree; ``state``: unconfirmed, calling, nobody, confirmed or ended."""
    if state and state not in lists.STATES:
        raise BadInput(f"state is one of {', '.join(lists.STATES)}")
    page = lists.board_page(
        lists.board(request.user, _message(request, pk), state=state), cursor or None, size
    )
    return {"items": [_place(row) for row in page.items], "next": page.next}


@router.post("calls/{int:pk}/start", response=StartedOut)
def start_calls(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Call for a warning by hand; places that are called already are left alone."""
    return {"places": services.start(request.user, one(warning_lists.messages(request.user), pk=pk))}


@router.post("calls/places/{int:pk}/confirm", response=PlaceOut)
def confirm_place(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Confirm for one's own place."""
    return _place(services.confirm(request.user, one(lists.callouts(request.user), pk=pk)))


@router.post("calls/places/{int:pk}/phone", response=PlaceOut)
def record_phone(request: HttpRequest, pk: int, body: PhoneIn) -> dict[str, Any]:
    """Record who spoke by phone, and when."""
    at = None if body.spoke_ms is None else _at(body.spoke_ms)
    row = one(lists.callouts(request.user), pk=pk)
    return _place(services.record_phone(request.user, row, who=body.who, spoke_at=at, note=body.note))


@router.post("calls/confirm", response=CodeOut, auth=None)
def confirm_by_code(request: HttpRequest, body: CodeIn) -> dict[str, Any]:
    """Confirm by the one-time code of a call, without logging in: for gateways of text messages and voice calls."""
    callout, is_new = services.confirm_by_code(body.code[:40])
    return {
        "confirmed": callout.confirmed_at is not None,
        "is_new": is_new,
        "headline": callout.message.headline,
        "place": callout.org.name,
    }


@router.post("calls/contacts", response=ImportOut)
def import_contacts(request: HttpRequest, body: list[ContactIn], dry_run: bool = False) -> dict[str, Any]:
    """Add and change responsible persons, known by organisation and name; with one bad row nothing is changed."""
    if len(body) > MOST:
        raise BadInput(f"at most {MOST} persons in one request")
    report = importing.import_rows(
        request.user, [(i, _row(row)) for i, row in enumerate(body, 1)], dry_run=dry_run
    )
    bad = [{"row": number, "why": why} for number, why in report.bad]
    return {
        "added": report.added,
        "changed": report.changed,
        "same": report.same,
        "kept": report.kept,
        "bad": bad,
    }


def _row(row: ContactIn) -> dict[str, str]:
    given = row.dict(exclude_none=True)
    if "active" in given:
        given["active"] = "1" if given["active"] else "0"
    return {name: str(value).strip() for name, value in given.items()}


def _message(request: HttpRequest, pk: int) -> Message:
    if not access.may(request.user, "call.view"):
        raise NotFound
    return one(warning_lists.messages(request.user).filter(pk=pk) or lists.messages(request.user), pk=pk)


def _figures(one: lists.Summary) -> dict[str, Any]:
    return {name: getattr(one, name) for name in FiguresOut.model_fields}


def _place(row: Callout) -> dict[str, Any]:
    return {
        "id": row.pk,
        "org": row.org.code,
        "name": row.org.name,
        "name_en": row.org.name_en or row.org.name,
        "state": row.state,
        "opened_ms": _ms(row.opened_at),
        "next_ms": _ms(row.next_at),
        "confirmed_ms": _ms(row.confirmed_at),
        "confirmed_by": row.confirmed_by,
        "how": row.how,
        "calls": [
            {
                "number": call.number,
                "name": call.name,
                "post": call.post,
                "phone": call.phone,
                "org": call.org.code,
            }
            | {"at_ms": _ms(call.at), "due_ms": _ms(call.due_at)}
            | {"channels": {d.channel: d.state for d in call.deliveries.all()}}
            for call in row.calls.all()
        ],
    }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput(f"{ms} is no time in ms UTC") from None
