"""Call-and-confirm as people see it: places by state, a message's figures by county, the persons of a place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    Aggregate,
    Avg,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    Prefetch,
    Q,
    QuerySet,
)

from fengsui.loops.models import Loop
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.warn.calls.models import Call, Callout, Contact, Delivery
from fengsui.warn.calls.services import KIND
from fengsui.warn.warnings.models import Message

RECENT = ("-sent_at", "-id")
BOARD = ("org_path", "id")
IN_ORDER = ("org__path", "order", "id")
STATES = ("unconfirmed", "calling", "nobody", "confirmed", "ended")


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of the places in sight.  ``median_s`` is from the beginning of the calls to the confirmation; None: none.

    ``reached``: at least one message went out by some channel, or somebody spoke by phone.  ``in_time``: confirmed
    within the time of the first person.
    """

    places: int
    reached: int
    confirmed: int
    above: int
    in_time: int
    calling: int
    nobody: int
    ended: int
    median_s: float | None
    average_s: float | None

    @property
    def call_rate(self) -> float | None:
        return self.reached / self.places if self.places else None

    @property
    def confirm_rate(self) -> float | None:
        return self.confirmed / self.places if self.places else None

    @property
    def in_time_rate(self) -> float | None:
        return self.in_time / self.places if self.places else None


class _Median(Aggregate):
    """PostgreSQL's percentile of a duration, in seconds."""

    function = "percentile_cont"
    template = "extract(epoch FROM %(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s))"
    output_field = FloatField()


def callouts(user: Any) -> QuerySet[Callout]:
    """Every place being called, or that was, that ``user`` sees."""
    return visible_to(Callout.objects.select_related("org", "county", "message", "loop"), user, "call.view")


def board(
    user: Any, message: Message, *, state: str = "", county: int | None = None, q: str = ""
) -> QuerySet[Callout]:
    """Places of one message.  ``state`` is one of STATES, "" is all; ``county`` the id of one."""
    rows = callouts(user).filter(message=message)
    if state:
        rows = rows.filter(STATE[state])
    if county is not None:
        rows = rows.filter(county=county)
    if q:
        rows = rows.filter(
            Q(org__name__icontains=q) | Q(org__name_en__icontains=q) | Q(org__code__icontains=q)
        )
    return rows


def board_page(rows: QuerySet[Callout], cursor: str | None = None, size: int = 50) -> Page[Callout]:
    """One page, in the order of the tree, with who was called and how."""
    deliveries = Prefetch("deliveries", Delivery.objects.order_by("channel"))
    calls = Call.objects.select_related("org").prefetch_related(deliveries).order_by("number")
    return page(rows.prefetch_related(Prefetch("calls", calls)), BOARD, cursor, size)


OPEN = Q(confirmed_at=None, ended_at=None)
STATE = {
    "unconfirmed": OPEN,
    "calling": OPEN & Q(exhausted_at=None),
    "nobody": OPEN & Q(exhausted_at__isnull=False),
    "confirmed": Q(confirmed_at__isnull=False),
    "ended": Q(confirmed_at=None, ended_at__isnull=False),
}
TOOK = ExpressionWrapper(F("confirmed_at") - F("opened_at"), output_field=DurationField())


def _figures() -> dict[str, Any]:
    done = STATE["confirmed"]
    sent = Q(pk__in=Delivery.objects.filter(state="sent").values("call__callout"))
    return {
        "places": Count("pk"),
        "reached": Count("pk", filter=sent | Q(how="phone")),
        "confirmed": Count("pk", filter=done),
        "above": Count("pk", filter=done & Q(confirmed_above=True)),
        "in_time": Count("pk", filter=done & Q(confirmed_at__lte=F("opened_at") + F("limit_s") * _SECOND)),
        "calling": Count("pk", filter=STATE["calling"]),
        "nobody": Count("pk", filter=STATE["nobody"]),
        "ended": Count("pk", filter=STATE["ended"]),
        "median_s": _Median(TOOK),
        "average": Avg(TOOK, filter=done),
    }


class _Second(Func):
    template = "interval '1 second'"
    output_field = DurationField()


_SECOND = _Second()


def summary(user: Any, message: Message) -> Summary:
    """The figures of a message, of the places that ``user`` sees."""
    return _read(board(user, message).order_by().aggregate(**_figures()))


def by_county(user: Any, message: Message) -> list[tuple[int | None, str, str, Summary]]:
    """(id, name, English name, figures) of each county; who lags most first."""
    rows = board(user, message).order_by().values("county", "county__name", "county__name_en")
    found = [
        (row["county"], row["county__name"] or "", row["county__name_en"] or "", _read(row))
        for row in rows.annotate(**_figures())
    ]
    return sorted(found, key=lambda one: (one[3].confirm_rate or 0, one[1]))


def _read(row: dict[str, Any]) -> Summary:
    average = row["average"]
    names = ("places", "reached", "confirmed", "above", "in_time", "calling", "nobody", "ended", "median_s")
    return Summary(
        **{name: row[name] for name in names}, average_s=None if average is None else average.total_seconds()
    )


def messages(user: Any) -> QuerySet[Message]:
    """Messages for which somebody in sight of ``user`` was called."""
    return (
        Message.objects.defer("document")
        .select_related("org", "warning", "feed")
        .filter(pk__in=callouts(user).order_by().values("message"))
    )


def message_page(user: Any, cursor: str | None = None, size: int = 20) -> Page[Message]:
    """Called messages, newest first."""
    return page(messages(user), RECENT, cursor, size)


def summaries(user: Any, found: Sequence[Message]) -> dict[int, Summary]:
    """Message id → figures, for the messages of a page."""
    rows = callouts(user).filter(message__in=found).order_by().values("message").annotate(**_figures())
    return {row["message"]: _read(row) for row in rows}


def mine(user: Any) -> QuerySet[Callout]:
    """Open callouts that ask ``user``: of their own place, or that were handed up to where they work."""
    loops = Loop.objects.filter(kind_id=KIND).mine(user)
    return Callout.objects.open().filter(loop__in=loops.values("pk")).select_related("org", "message", "loop")


def contacts(user: Any) -> QuerySet[Contact]:
    """Responsible persons that ``user`` sees."""
    return visible_to(Contact.objects.select_related("org", "user"), user, "call.view", "org__path")


def contact_page(
    user: Any, *, q: str = "", org: str = "", cursor: str | None = None, size: int = 50
) -> Page[Contact]:
    """Responsible persons in the order of the tree and of succession."""
    rows = contacts(user)
    if org:
        rows = rows.filter(org__code=org)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(phone__icontains=q) | Q(org__name__icontains=q))
    return page(rows, IN_ORDER, cursor, size)


def late(callout: Callout, now: datetime) -> float | None:
    """Seconds left for the person asked last; negative when the time is over; None when nobody is asked."""
    return None if callout.next_at is None else (callout.next_at - now).total_seconds()
