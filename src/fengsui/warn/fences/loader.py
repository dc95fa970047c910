"""Units and watches as the pipeline wants them."""

import itertools
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.utils import timezone

from fengsui.base import units as measures
from fengsui.base.errors import BadInput, UnknownUnit
from fengsui.sense.moving.models import Unit
from fengsui.warn.engine import moving
from fengsui.warn.engine.moving import NOBODY, Watches
from fengsui.warn.fences.models import Fence, Watch
from fengsui.warn.fences.shapes import hours_of, shape_of

log = structlog.get_logger()


def load(partition: int = 0, partitions: int = 1) -> Watches:
    """The units in use of a partition (site id modulo ``partitions``) and what watches them."""
    rows = Unit.objects.filter(is_active=True, site__is_active=True).order_by("pk")
    if partitions > 1:
        rows = rows.extra(where=["moving_unit.site_id %% %s = %s"], params=[partitions, partition])
    found = list(
        rows.values_list(
            "pk",
            "site_id",
            "site__org_path",
            "longitude_id",
            "latitude_id",
            "speed_id",
            "course_id",
            "speed__unit",
        )
    )
    if not found:
        return NOBODY
    paths = sorted({row[2] for row in found})
    fences, numbers = _fences()
    watched: dict[int, list[tuple[int, int, int]]] = {}
    watches = Watch.objects.filter(
        is_active=True, datastream__is_active=True, fence_rule__is_enabled=True, fence_rule__withdrawn_at=None
    ).order_by("unit_id", "datastream_id")
    for unit, stream, what, fence in watches.values_list(
        "unit_id", "datastream_id", "fence_rule__what", "fence_rule__fence_id"
    ):
        if what in moving.CODES and (fence is None or fence in numbers):
            place = -1 if fence is None else numbers[fence]
            watched.setdefault(unit, []).append((stream, moving.CODES.index(what), place))
    each = [watched.get(row[0], []) for row in found]
    every = list(itertools.chain.from_iterable(each))
    column: Any = list(zip(*every, strict=True)) or [(), (), ()]
    return Watches(
        unit=np.array([row[0] for row in found], np.int64),
        site=np.array([row[1] for row in found], np.int32),
        org=np.array([paths.index(row[2]) for row in found], np.int32),
        org_path=tuple(paths),
        stream=np.array([[-1 if pk is None else pk for pk in row[3:7]] for row in found], np.int32),
        factor=np.array([_factor(row[7]) for row in found]),
        first=np.concatenate([[0], np.cumsum([len(w) for w in each])]).astype(np.int64),
        watch=np.array(column[0], np.int32),
        what=np.array(column[1], np.uint8),
        fence=np.array(column[2], np.int32),
        fences=fences,
    )


def _fences() -> tuple[tuple[moving.Fence, ...], dict[int, int]]:
    """The fences in use, and where each is among them."""
    out: list[moving.Fence] = []
    numbers: dict[int, int] = {}
    now = timezone.now()
    for fence in Fence.objects.filter(is_active=True).order_by("pk"):
        try:
            made = moving.Fence(
                shape_of(fence.shape, fence.geometry, fence.radius_m),
                hours_of(fence.valid_from, fence.valid_until, fence.weekly, settings.TIME_ZONE, now),
            )
        except BadInput as error:
            log.error("fence.unusable", fence=fence.code, error=str(error))  # checked when it was saved
            continue
        numbers[fence.pk] = len(out)
        out.append(made)
    return tuple(out), numbers


def _factor(unit: str | None) -> float:
    if not unit:
        return 1.0
    try:
        return measures.factor_offset(unit, "km/h")[0]
    except UnknownUnit:
        return float("nan")
