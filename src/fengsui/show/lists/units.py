"""Moving units as people see them: by code, with where they are, how old that is, and their worst standing alarm."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from django.conf import settings
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from fengsui.base.place import is_on_earth
from fengsui.sense.devices.models import Datastream
from fengsui.sense.moving.models import Unit
from fengsui.show.lists.freshness import freshness
from fengsui.show.lists.keyset import Page, page
from fengsui.show.lists.visible import visible_to
from fengsui.show.live.hub import NotConnected, hub
from fengsui.stores import history
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.fences.models import Fence, FenceRule

ORDER = ("thing__code", "pk")
ON_MAP_MAX = 5_000
_COLUMNS = {"unit": "<i8", "time_ms": "<i8", "lon": "<f8", "lat": "<f8", "kmh": "<f4", "deg": "<f4"}


@dataclass(slots=True)
class UnitState:
    """A unit and what a marker or a row says of it.  Times in ms UTC; None where nothing is known."""

    unit: Unit
    time_ms: int | None = None
    lon: float | None = None
    lat: float | None = None
    kmh: float | None = None
    deg: float | None = None
    priority: int | None = None  # of the worst standing alarm, 1 red … 4 blue
    freshness: str = "never"

    @property
    def at(self) -> datetime.datetime | None:
        """The time of its position."""
        return (
            None
            if self.time_ms is None
            else datetime.datetime.fromtimestamp(self.time_ms / 1000, datetime.UTC)
        )

    @property
    def period_ms(self) -> int:
        """How often it is expected to say where it is."""
        return self.unit.longitude.period_ms


def units(user: Any) -> QuerySet[Unit]:
    """Every unit in use that ``user`` sees."""
    rows = Unit.objects.select_related("thing", "site", "site__org", "longitude", "speed", "user")
    return visible_to(rows.filter(is_active=True), user, "unit.view", "site__org_path")


def unit_page(
    user: Any, *, q: str = "", kind: str = "", site: str = "", cursor: str | None = None, size: int = 50
) -> Page[Unit]:
    """Units by code.  ``q`` is a part of name or code, or begins the terminal number."""
    rows = units(user)
    if q:
        rows = rows.filter(
            Q(thing__name__icontains=q) | Q(thing__name_en__icontains=q) | Q(thing__code__icontains=q)
            | Q(terminal__startswith=q)
        )  # fmt: skip
    if kind:
        rows = rows.filter(kind=kind)
    if site:
        rows = rows.filter(site__code=site)
    return page(rows, ORDER, cursor, size)


def states(found: list[Unit], now_ms: int) -> list[UnitState]:
    """Where each unit is: from the pipelines' memory, or else from the history."""
    out = {unit.pk: UnitState(unit) for unit in found}
    missing = _from_pipelines(out)
    if missing:
        _from_history(missing, now_ms)
    alarms = Alarm.objects.annunciated(timezone.now()).filter(datastream__thing__unit__in=list(out))
    for row in alarms.values("datastream__thing__unit").annotate(worst=Min("priority")).order_by():
        out[row["datastream__thing__unit"]].priority = row["worst"]
    for state in out.values():
        state.freshness = freshness(state.time_ms, state.period_ms, now_ms)
    return list(out.values())


def on_map(user: Any, now_ms: int) -> tuple[list[UnitState], bool]:
    """The first ON_MAP_MAX units that ``user`` sees, and whether there are more."""
    found = list(units(user).order_by("pk")[: ON_MAP_MAX + 1])
    return states(found[:ON_MAP_MAX], now_ms), len(found) > ON_MAP_MAX


def streams(found: list[Unit]) -> list[list[int]]:
    """The datastreams of each unit."""
    by_thing: dict[int, list[int]] = {unit.thing_id: [] for unit in found}
    rows = Datastream.objects.filter(thing__in=list(by_thing), is_active=True).order_by("pk")
    for thing, pk in rows.values_list("thing", "pk"):
        by_thing[thing].append(pk)
    return [by_thing[unit.thing_id] for unit in found]


def fences(user: Any) -> QuerySet[Fence]:
    """Every fence that ``user`` sees."""
    return visible_to(Fence.objects.select_related("org", "road_class"), user, "rule.view", "org__path")


def fence_page(user: Any, *, q: str = "", cursor: str | None = None, size: int = 50) -> Page[Fence]:
    """Fences by code.  ``q`` is a part of name or code."""
    rows = fences(user)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(name_en__icontains=q) | Q(code__icontains=q))
    return page(rows, ("code",), cursor, size)


def fence_rules(user: Any) -> QuerySet[FenceRule]:
    """Every rule about moving units that ``user`` sees and that was not withdrawn."""
    rows = FenceRule.objects.select_related("org", "fence", "fence__road_class").filter(withdrawn_at=None)
    return visible_to(rows, user, "rule.view", "org__path")


def _from_pipelines(out: dict[int, UnitState]) -> list[UnitState]:
    """Fill in what the pipelines remember; returns the units of which nobody said anything."""
    partitions = {state.unit.site_id % settings.PARTITIONS for state in out.values()}
    answered: set[int] = set()
    for partition in partitions:
        try:
            said: Any = msgspec.msgpack.decode(hub().ask(f"units.{partition}", b""))
            columns = [np.frombuffer(said[name], kind).tolist() for name, kind in _COLUMNS.items()]
        except (NotConnected, msgspec.DecodeError, KeyError, TypeError, ValueError):
            continue
        answered.add(partition)
        for pk, time_ms, lon, lat, kmh, deg in zip(*columns, strict=True):
            if (state := out.get(pk)) is not None:
                state.time_ms, state.lon, state.lat = time_ms, lon, lat
                state.kmh, state.deg = _known(kmh), _known(deg)
    return [state for state in out.values() if state.time_ms is None]


def _from_history(missing: Iterable[UnitState], now_ms: int) -> None:
    by_stream: dict[int, tuple[UnitState, str]] = {}
    for state in missing:
        for name in ("longitude", "latitude", "speed", "course"):
            if (pk := getattr(state.unit, f"{name}_id")) is not None:
                by_stream[pk] = state, name
    table = history.last_values(list(by_stream), now_ms + 1)
    found: dict[int, dict[str, tuple[int, float]]] = {}
    columns = (table[name].to_pylist() for name in ("datastream", "value"))
    times = table["time"].cast("int64").to_pylist()
    for pk, value, time_ms in zip(*columns, times, strict=True):
        state, name = by_stream[pk]
        found.setdefault(state.unit.pk, {})[name] = time_ms, value
    for state, _name in by_stream.values():
        said = found.get(state.unit.pk, {})
        lon, lat = said.get("longitude"), said.get("latitude")
        if lon is None or lat is None or lon[0] != lat[0] or not is_on_earth(lon[1], lat[1]):
            continue
        state.time_ms, state.lon, state.lat = lon[0], lon[1], lat[1]
        for name, field in (("speed", "kmh"), ("course", "deg")):
            if name in said and said[name][0] == lon[0]:
                setattr(state, field, _known(said[name][1]))


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
