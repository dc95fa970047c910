"""Corrections of stored readings: what was measured, what is shown instead, who said so and why."""

import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from fengsui.base.errors import BadInput
from fengsui.govern.corrections import services
from fengsui.show.api import shapes
from fengsui.show.api.found import one
from fengsui.show.api.schemas import CorrectionIn, CorrectionOut, CorrectionsOut, WithdrawIn
from fengsui.show.lists.sites import datastreams
from fengsui.stores.history.models import Correction

router = Router(tags=["readings"])
MOST = 500


@router.get("datastreams/{int:pk}/corrections", response=CorrectionsOut)
def get_corrections(request: HttpRequest, pk: int) -> dict[str, Any]:
    """The newest 500 corrections of a datastream, newest first, withdrawn ones too."""
    stream = one(datastreams(request.user), pk=pk)
    found = Correction.objects.filter(datastream=stream.pk).order_by("-id")[:MOST]
    return {"items": [_shape(row) for row in found]}


@router.post("datastreams/{int:pk}/corrections", response={201: CorrectionOut})
def correct(request: HttpRequest, pk: int, body: CorrectionIn) -> Status[dict[str, Any]]:
    """Show the readings with ``from_ms`` ≤ time < ``to_ms`` as ``value``, or as ``factor`` · measured + ``shift``.

    The newest correction that covers a reading counts.  ``GET datastreams/{pk}/readings?measured=true`` shows what was
    measured.
    """
    stream = one(datastreams(request.user), pk=pk)
    made = services.correct(
        request.user, stream, from_at=_at(body.from_ms), to_at=_at(body.to_ms), reason=body.reason,
        value=body.value, factor=body.factor, shift=body.shift, quality=body.quality,
    )  # fmt: skip
    return Status(201, _shape(made))


@router.post("datastreams/{int:pk}/corrections/{int:number}/withdraw", response=CorrectionOut)
def withdraw(request: HttpRequest, pk: int, number: int, body: WithdrawIn) -> dict[str, Any]:
    """Take a correction back, with a reason."""
    stream = one(datastreams(request.user), pk=pk)
    row = one(Correction.objects.filter(datastream=stream.pk), pk=number)
    return _shape(services.withdraw(request.user, stream, row, body.reason))


def _shape(row: Correction) -> dict[str, Any]:
    return {
        "id": row.pk, "from_ms": row.from_ms, "to_ms": row.to_ms, "factor": row.factor, "shift": row.shift,
        "quality": row.quality, "reason": row.reason, "made_at_ms": shapes.ms(row.made_at), "made_by": row.made_by,
        "withdrawn_at_ms": shapes.ms(row.withdrawn_at), "withdrawn_by": row.withdrawn_by,
        "withdrawn_reason": row.withdrawn_reason,
    }  # fmt: skip


def _at(ms: int) -> datetime.datetime:
    try:
        return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise BadInput(f"{ms} is outside the calendar") from None
