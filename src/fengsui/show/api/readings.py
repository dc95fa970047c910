"""Readings of datastreams: sampled curves for eyes, every row as CSV or Parquet for analysts."""

import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from ninja import Query, Router, Schema
from pydantic import Field

from fengsui.base.errors import BadInput
from fengsui.show.api import shapes
from fengsui.show.api.found import one
from fengsui.show.api.schemas import CurvesOut, ReadingsOut
from fengsui.show.lists import readings as lists
from fengsui.show.lists.readings import POINTS, POINTS_MAX
from fengsui.show.lists.sites import datastreams, sites
from fengsui.show.live.hub import now_ms
from fengsui.stores import history
from fengsui.stores.history.exports import MEDIA_TYPES
from fengsui.stores.history.recent import Recent

if TYPE_CHECKING:
    from fengsui.stores.history.curves import Curves

router = Router(tags=["readings"])
HOUR_MS = 3_600_000
SPAN_MAX_MS = 3700 * 24 * HOUR_MS
JSON_SPAN_MAX_MS = 400 * 24 * HOUR_MS
CURVES_MAX = 200
CURVES_POINTS_MAX = 2_000


class SpanIn(Schema):
    from_: str = Field("", alias="from")
    to: str = ""
    points: int | None = None
    format: Literal["json", "csv", "parquet"] = "json"
    measured: bool = False


@router.get("datastreams/{int:pk}/readings", response=ReadingsOut)
def get_readings(request: HttpRequest, pk: int, span: Query[SpanIn]) -> HttpResponseBase:
    """Readings with ``from`` ≤ time < ``to`` (ISO 8601 or ms UTC; the last hour unless given).

    JSON has at most ``points`` (1,000 unless given, 20,000 at most): the first, last, lowest and highest of each
    stretch are kept.  CSV and Parquet are downloads with every row; their header ``X-Fengsui-Fresh`` says yes or no
    where JSON has ``fresh``; ``X-Fengsui-Only-Aggregates`` (from/to, ms) is what ``only_aggregates`` is.
    Corrected readings are as corrected, with the reason; ``measured`` true: as they were measured.
    """
    stream = one(datastreams(request.user), pk=pk)
    from_ms, to_ms = _span(span.from_, span.to)
    if span.format != "json":
        pieces, recent = lists.export(stream.site_id, [stream.pk], from_ms, to_ms, span.format, span.measured)
        response = StreamingHttpResponse(pieces, content_type=MEDIA_TYPES[span.format])
        response["X-Fengsui-Fresh"] = "yes" if lists.is_fresh(recent) else "no"
        if left := history.only_aggregates([stream.pk], from_ms, to_ms):
            response["X-Fengsui-Only-Aggregates"] = f"{left[0]}/{left[1]}"
        name = f"{stream.site.code}-{stream.code}-{_stamp(from_ms)}-{_stamp(to_ms)}.{span.format}"
        response["Content-Disposition"] = content_disposition_header(True, name)
        response["X-Content-Type-Options"] = "nosniff"
        return response
    _drawable(from_ms, to_ms)
    points = max(4, min(span.points or POINTS, POINTS_MAX))
    found, recent = lists.curves(stream.site_id, [stream.pk], from_ms, to_ms, points, span.measured)
    head = {"datastream": shapes.datastream_ref(stream), "from_ms": from_ms, "to_ms": to_ms}
    return _answer(head | _shown(found, recent) | _curve(found, stream.pk))


class CurvesIn(Schema):
    ids: str
    from_: str = Field("", alias="from")
    to: str = ""
    points: int = 480


@router.get("sites/{code}/readings", response=CurvesOut)
def get_curves(request: HttpRequest, code: str, asked: Query[CurvesIn]) -> HttpResponseBase:
    """The curves of several datastreams of one site by one look into the history, in the order asked.

    ``ids`` are at most 200, comma between them; each curve has at most ``points`` (480 unless given, 2,000 at most).
    """
    site = one(sites(request.user), code=code)
    ids = _ids(asked.ids)
    known = set(site.datastreams.filter(pk__in=ids).values_list("pk", flat=True))
    strange = next((pk for pk in ids if pk not in known), None)
    if strange is not None:
        raise BadInput(f"datastream {strange} is not one of {code}")
    from_ms, to_ms = _span(asked.from_, asked.to)
    _drawable(from_ms, to_ms)
    points = max(4, min(asked.points, CURVES_POINTS_MAX))
    found, recent = lists.curves(site.pk, ids, from_ms, to_ms, points)
    curves = [{"id": pk} | _curve(found, pk) for pk in ids]
    head = {"site": site.pk, "from_ms": from_ms, "to_ms": to_ms}
    return _answer(head | _shown(found, recent) | {"curves": curves})


def _ids(text: str) -> list[int]:
    try:
        ids = list(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        ids = []
    if not 1 <= len(ids) <= CURVES_MAX or not all(0 < pk < 1 << 31 for pk in ids):
        raise BadInput(f"ids are the numbers of 1 to {CURVES_MAX} datastreams, comma between them")
    return ids


def _span(from_: str, to: str) -> tuple[int, int]:
    to_ms = _instant(to, "to") if to else now_ms()
    from_ms = _instant(from_, "from") if from_ else to_ms - HOUR_MS
    if not from_ms < to_ms <= from_ms + SPAN_MAX_MS:
        raise BadInput("from must be before to, and at most ten years before")
    return from_ms, to_ms


def _drawable(from_ms: int, to_ms: int) -> None:
    if to_ms - from_ms > JSON_SPAN_MAX_MS:
        raise BadInput("a curve covers at most 400 days; download CSV or Parquet for more")


def _shown(found: "Curves", recent: Recent) -> dict[str, Any]:
    """How far the answer can be relied on: see ``schemas.Shown``."""
    left = found.only_aggregates
    return {
        "fresh": lists.is_fresh(recent),
        "as_of_ms": recent.as_of_ms,
        "only_aggregates": left and {"from_ms": left[0], "to_ms": left[1]},
    }


def _curve(found: "Curves", pk: int) -> dict[str, Any]:
    column = found.table.column("datastream").to_numpy()
    first, behind = np.searchsorted(column, [pk, pk + 1])
    shown = found.table.slice(first, behind - first)
    return {
        "rows": found.rows[pk],
        "sampled": shown.num_rows < found.rows[pk],
        "time_ms": shown.column("time").cast("int64").to_pylist(),
        "v": [shapes.number(v) for v in shown.column("value").to_pylist()],
        "q": shown.column("quality").to_pylist(),
        "reason": shown.column("reason").to_pylist(),
    }


def _answer(body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def _instant(text: str, name: str) -> int:
    try:
        if text.lstrip("-").isdigit():
            value = int(text)
        else:
            at = datetime.datetime.fromisoformat(text)
            if at.tzinfo is None:
                raise ValueError
            value = round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadInput(f"{name} is an instant: ms UTC, or ISO 8601 with its offset") from None
    if abs(value) > 253_402_300_799_999:
        raise BadInput(f"{name} is outside the calendar")
    return value


def _stamp(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
