"""What can be done with fences and their rules, and the watches that follow from them.

``follow`` brings watches in line with rules and units; every deed here ends with it, and the worker calls it when units
changed (``unit.changed``).  The ordinary rules it makes are remembered as rules are: a RuleChange a version.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import CODE, Datastream, ObservedProperty
from fengsui.sense.moving.models import Unit, UnitKind
from fengsui.warn.alarms.models import Priority, Rule, RuleChange
from fengsui.warn.fences.errors import BadFence
from fengsui.warn.fences.models import ANYWHERE, Fence, FenceRule, RoadClass, ShapeKind, Watch, What
from fengsui.warn.fences.shapes import hours_of, shape_of
from fengsui.warn.rules.kind import MAX_MS

FENCE_FIELDS = (
    "name", "name_en", "shape", "geometry", "radius_m", "road_class_id", "valid_from", "valid_until", "weekly",
    "is_active",
)  # fmt: skip
RULE_FIELDS = ("limit", "deadband", "on_delay_ms", "off_delay_ms", "priority", "unit_kinds", "is_enabled")
RULE_COLUMNS = (
    "setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms", "priority", "is_enabled", "basis"
)  # fmt: skip
MOST_IMPORTED = 2_000
BATCH = 1_000
DEFAULTS: dict[str, dict[str, Any]] = {
    "enter": {"deadband": 20, "on_delay_ms": 5_000},
    "leave": {"deadband": 20, "on_delay_ms": 5_000},
    "inside": {"deadband": 20, "on_delay_ms": 5_000},
    "speed": {"deadband": 5, "on_delay_ms": 5_000},
    "dwell": {},
    "silent": {"limit": 600},
}
UNIT_OF = {"speed": "km/h", "dwell": "s"}
PROPERTY = {  # what · code · zh · en
    "enter": ("fence_depth", "围栏内深度", "Depth in a fence"),
    "leave": ("fence_depth", "围栏内深度", "Depth in a fence"),
    "inside": ("fence_depth", "围栏内深度", "Depth in a fence"),
    "speed": ("fence_speed", "围栏内速度", "Speed in a fence"),
    "dwell": ("fence_dwell", "停留时间", "Time stopped"),
}
WORDS = {
    "enter": ("进入", "enters"),
    "leave": ("离开", "leaves"),
    "inside": ("非许可时段滞留", "inside outside the hours"),
    "speed": ("超速", "too fast"),
    "dwell": ("停留超时", "stopped too long"),
}


class Followed(NamedTuple):
    """What ``follow`` did."""

    made: int
    changed: int
    ended: int


# ---- fences ------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_fence(actor: Any, org: Org, values: Mapping[str, Any], code: str = "") -> Fence:
    """A new fence of ``org``.  ``values`` are any of FENCE_FIELDS.  Raises NotAllowed, BadFence, BadShape."""
    if actor is not None:
        access.require(actor, "fence.edit", org)
    fence = Fence(org=org, code=code or _free_code(str(values.get("name", ""))))
    if not CODE.regex.match(fence.code):
        raise BadFence(str(CODE.message))
    if Fence.objects.filter(code=fence.code).exists():
        raise BadFence(_("There is a fence %(code)s already.") % {"code": fence.code})
    _set_fence(fence, values)
    fence.save()
    audit.record(actor, "fence.created", fence, org_path=org.path, code=fence.code, shape=fence.shape)
    return fence


@transaction.atomic
def edit_fence(actor: Any, fence: Fence, values: Mapping[str, Any]) -> Fence:
    """Change some of FENCE_FIELDS.  Raises NotAllowed, BadFence, BadShape."""
    if actor is not None:
        access.require(actor, "fence.edit", fence.org, fence)
    fence = Fence.objects.select_for_update(of=("self",)).select_related("org").get(pk=fence.pk)
    before = {name: getattr(fence, name) for name in FENCE_FIELDS}
    _set_fence(fence, values)
    fence.save()
    follow(fence.rules.all())
    differs = [name for name in FENCE_FIELDS if getattr(fence, name) != before[name]]
    audit.record(actor, "fence.edited", fence, org_path=fence.org.path, code=fence.code, fields=differs)
    return fence


def import_geojson(actor: Any, org: Org, collection: Any) -> list[Fence]:
    """Fences from a Feature or FeatureCollection: all of them or, when one is bad, none.

    A feature's properties are ``name``, ``name_en``, ``code``, ``radius_m`` (of a Point or LineString), ``road_class``,
    ``valid_from``, ``valid_until``, ``weekly``; a fence that is there already by its code is changed.
    Raises NotAllowed, BadFence, BadShape that name the feature.
    """
    is_many = isinstance(collection, Mapping) and collection.get("type") == "FeatureCollection"
    features: Any = collection.get("features") if is_many else [collection]
    if not isinstance(features, list) or not 1 <= len(features) <= MOST_IMPORTED:
        raise BadFence(_("This is no GeoJSON with 1 to %(most)s features.") % {"most": MOST_IMPORTED})
    done = []
    with transaction.atomic():
        for number, feature in enumerate(features, 1):
            try:
                done.append(_import_one(actor, org, feature))
            except BadInput as error:
                raise BadFence(_("Feature %(number)s: %(why)s") % {"number": number, "why": error}) from error
    return done


# ---- rules of fences ---------------------------------------------------------------------------------------------


@transaction.atomic
def create_rule(
    actor: Any, what: str, values: Mapping[str, Any], *, fence: Fence | None = None, org: Org | None = None,
    units: Iterable[Unit] = (),
) -> FenceRule:  # fmt: skip
    """A rule of ``fence``, or of ``org`` everywhere.  ``values`` are any of RULE_FIELDS; in force within seconds.

    Raises NotAllowed, BadFence.
    """
    owner = fence.org if fence is not None else org
    if owner is None or what not in What.values or (fence is None and what not in ANYWHERE):
        raise BadFence(_("Such a rule needs a fence."))
    if actor is not None:
        access.require(actor, "fence.edit", owner, owner if fence is None else fence)
    rule = FenceRule(org=owner, fence=None if what == "silent" else fence, what=what)
    _set_rule(rule, {**DEFAULTS[what], **values})
    rule.save()
    rule.units.set(units)
    done = follow(FenceRule.objects.filter(pk=rule.pk))
    audit.record(
        actor, "fence_rule.created", rule, org_path=owner.path, what=what, fence="" if fence is None else fence.code,
        units=done.made,
    )  # fmt: skip
    return rule


@transaction.atomic
def edit_rule(
    actor: Any, rule: FenceRule, values: Mapping[str, Any], units: Iterable[Unit] | None = None
) -> FenceRule:
    """Change some of RULE_FIELDS.  Raises NotAllowed, BadFence."""
    if actor is not None:
        access.require(actor, "fence.edit", rule.org, rule)
    stored = FenceRule.objects.select_for_update(of=("self",)).select_related("org", "fence").get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        raise BadFence(_("This rule was withdrawn; make a new one."))
    _set_rule(stored, values)
    stored.save()
    if units is not None:
        stored.units.set(units)
    follow(FenceRule.objects.filter(pk=stored.pk))
    audit.record(actor, "fence_rule.edited", stored, org_path=stored.org.path, **_plain(values))
    return stored


@transaction.atomic
def withdraw_rule(actor: Any, rule: FenceRule) -> FenceRule:
    """Take it out of force for good; its alarms stay, and those that stand are cleared.  Raises NotAllowed."""
    if actor is not None:
        access.require(actor, "fence.edit", rule.org, rule)
    stored = FenceRule.objects.select_for_update(of=("self",)).select_related("org").get(pk=rule.pk)
    if stored.withdrawn_at is None:
        stored.withdrawn_at = timezone.now()
        stored.save(update_fields=["withdrawn_at"])
        done = follow(FenceRule.objects.filter(pk=stored.pk))
        audit.record(actor, "fence_rule.withdrawn", stored, org_path=stored.org.path, units=done.ended)
    return stored


@transaction.atomic
def follow(rules: Any = None, units: Iterable[int] | None = None) -> Followed:
    """Bring watches in line with ``rules`` (a queryset; all when None) over ``units`` (ids; all when None)."""
    rows = FenceRule.objects.all() if rules is None else rules
    chosen = list(
        rows.select_for_update(of=("self",))
        .select_related("org", "fence", "fence__road_class")
        .order_by("pk")
    )
    total = Followed(0, 0, 0)
    for rule in chosen:
        done = _follow(rule, None if units is None else set(units))
        total = Followed(*(a + b for a, b in zip(total, done, strict=True)))
    return total


# ---- inside ------------------------------------------------------------------------------------------------------


def _follow(rule: FenceRule, only: set[int] | None) -> Followed:
    wanted = {unit.pk: unit for unit in _units(rule, only)}
    have = {w.unit_id: w for w in rule.watches.select_related("rule", "datastream").filter(is_active=True)}
    if only is not None:
        have = {pk: watch for pk, watch in have.items() if pk in only}
    values = _values(rule)
    now = timezone.now()
    ended = [watch for pk, watch in have.items() if pk not in wanted]
    _end(ended, now)
    kept = [(watch, wanted[pk]) for pk, watch in have.items() if pk in wanted]
    changed = _change(rule, kept, values, now)
    made = _begin(rule, [unit for pk, unit in wanted.items() if pk not in have], values, now)
    return Followed(made, changed, len(ended))


def _units(rule: FenceRule, only: set[int] | None) -> list[Unit]:
    in_force = rule.withdrawn_at is None and (rule.fence is None or rule.fence.is_active)
    if not in_force:
        return []
    rows = Unit.objects.filter(is_active=True, site__org_path__startswith=rule.org.path)
    if rule.unit_kinds:
        rows = rows.filter(kind__in=rule.unit_kinds)
    if named := list(rule.units.values_list("pk", flat=True)):
        rows = rows.filter(pk__in=named)
    if only is not None:
        rows = rows.filter(pk__in=only)
    return list(rows.select_related("thing", "site", "longitude").order_by("pk"))


def _values(rule: FenceRule) -> dict[str, Any]:
    """The columns of the ordinary rule."""
    basis = str(rule.fence) if rule.fence else str(rule.org)
    shared = {"priority": rule.priority, "is_enabled": rule.is_enabled, "basis": basis[:200]}
    if rule.what == "silent":
        return {
            **shared, "setpoint": None, "deadband": 0.0, "on_delay_ms": 0, "off_delay_ms": 0,
            "window_ms": round(1000 * (rule.limit or 600)),
        }  # fmt: skip
    return {
        **shared, "setpoint": _limit(rule), "deadband": rule.deadband, "on_delay_ms": rule.on_delay_ms,
        "off_delay_ms": rule.off_delay_ms, "window_ms": 0,
    }  # fmt: skip


def _limit(rule: FenceRule) -> float:
    if rule.limit is not None:
        return rule.limit
    if rule.what == "speed" and rule.fence is not None and rule.fence.road_class is not None:
        return float(rule.fence.road_class.limit_kmh)
    return 0.0


def _begin(rule: FenceRule, units: list[Unit], values: dict[str, Any], now: Any) -> int:
    """Watches of units that had none, or had one that ended: then its datastream goes on."""
    if not units:
        return 0
    kind = "silent" if rule.what == "silent" else "h"
    old = {w.unit_id: w for w in rule.watches.filter(unit__in=units).select_related("datastream")}
    if kind == "silent":
        silent = Rule.objects.filter(kind="silent", withdrawn_at=None)
        taken = set(
            silent.filter(datastream__in=[u.longitude_id for u in units]).values_list("datastream", flat=True)
        )
        units = [
            unit for unit in units if unit.longitude_id not in taken
        ]  # somebody made one by hand: it stays
        streams = {unit.pk: unit.longitude for unit in units}
    else:
        streams = _streams(rule, units, old)
    rules = Rule.objects.bulk_create(
        (Rule(datastream=streams[unit.pk], kind=kind, **values) for unit in units), batch_size=BATCH
    )
    _remember(rules, now)
    watches = []
    for unit, made in zip(units, rules, strict=True):
        watch = old.get(unit.pk) or Watch(fence_rule=rule, unit=unit)
        watch.rule, watch.is_active = made, True
        watch.datastream = None if kind == "silent" else streams[unit.pk]
        watches.append(watch)
    Watch.objects.bulk_create((w for w in watches if w.pk is None), batch_size=BATCH)
    again = [w for w in watches if w.unit_id in old]
    Watch.objects.bulk_update(again, ["rule", "is_active", "datastream"], batch_size=BATCH)
    return len(watches)


def _streams(rule: FenceRule, units: list[Unit], old: Mapping[int, Watch]) -> dict[int, Datastream]:
    """The datastream of each watch, by unit."""
    code, zh, en = PROPERTY[rule.what]
    observed, _made = ObservedProperty.objects.get_or_create(code=code, defaults={"name": zh, "name_en": en})
    out: dict[int, Datastream] = {}
    new = []
    for unit in units:
        name, name_en = _names(rule, unit)
        known = old[unit.pk].datastream if unit.pk in old else None
        stream = known or Datastream(
            site=unit.site, thing=unit.thing, observed_property=observed, code=f"fence-{rule.pk}-{unit.pk}",
            unit=UNIT_OF.get(rule.what, "m"), decimals=0 if rule.what != "speed" else 1,
        )  # fmt: skip
        stream.name, stream.name_en, stream.is_active = name, name_en, True
        stream.period_ms = unit.longitude.period_ms
        out[unit.pk] = stream
        if known is None:
            new.append(stream)
    Datastream.objects.bulk_create(new, batch_size=BATCH)
    again = [stream for stream in out.values() if stream not in new]
    Datastream.objects.bulk_update(again, ["name", "name_en", "is_active", "period_ms"], batch_size=BATCH)
    return out


def _names(rule: FenceRule, unit: Unit) -> tuple[str, str]:
    zh, en = WORDS[rule.what]
    where = [rule.fence.name, rule.fence.name_en or rule.fence.name] if rule.fence else ["", ""]
    name = " · ".join(filter(None, (unit.thing.name, where[0], zh)))
    name_en = " · ".join(filter(None, (unit.thing.name_en or unit.thing.name, where[1], en)))
    return name[:120], name_en[:160]


def _change(rule: FenceRule, kept: list[tuple[Watch, Unit]], values: dict[str, Any], now: Any) -> int:
    rules, streams = [], []
    for watch, unit in kept:
        stored = watch.rule
        if any(getattr(stored, name) != values[name] for name in RULE_COLUMNS):
            for name in RULE_COLUMNS:
                setattr(stored, name, values[name])
            stored.version += 1
            rules.append(stored)
        if watch.datastream is not None:
            name, name_en = _names(rule, unit)
            if (watch.datastream.name, watch.datastream.name_en) != (name, name_en):
                watch.datastream.name, watch.datastream.name_en = name, name_en
                streams.append(watch.datastream)
    Rule.objects.bulk_update(rules, [*RULE_COLUMNS, "version"], batch_size=BATCH)
    Datastream.objects.bulk_update(streams, ["name", "name_en"], batch_size=BATCH)
    _remember(rules, now)
    return len(rules)


def _end(watches: list[Watch], now: Any) -> None:
    rules, streams = [], []
    for watch in watches:
        watch.is_active = False
        if watch.rule.withdrawn_at is None:
            watch.rule.withdrawn_at, watch.rule.is_enabled = now, False
            watch.rule.version += 1
            rules.append(watch.rule)
        if watch.datastream is not None:
            watch.datastream.is_active = False
            streams.append(watch.datastream)
    Rule.objects.bulk_update(rules, ["withdrawn_at", "is_enabled", "version"], batch_size=BATCH)
    Watch.objects.bulk_update(watches, ["is_active"], batch_size=BATCH)
    Datastream.objects.bulk_update(streams, ["is_active"], batch_size=BATCH)
    _remember(rules, now)


def _remember(rules: list[Rule], now: Any) -> None:
    RuleChange.objects.bulk_create(
        (
            RuleChange(
                rule=rule, version=rule.version, at=now, actor_name="", reason="fence",
                values={"kind": rule.kind, **{name: getattr(rule, name) for name in RULE_COLUMNS}},
            )
            for rule in rules
        ),
        batch_size=BATCH,
    )  # fmt: skip


def _set_fence(fence: Fence, values: Mapping[str, Any]) -> None:
    unknown = [name for name in values if name not in FENCE_FIELDS]
    if unknown:
        raise BadFence(_("A fence has no “%(name)s”.") % {"name": unknown[0][:40]})
    for name, value in values.items():
        setattr(fence, name, value)
    fence.name = str(fence.name).strip()
    if not fence.name or len(fence.name) > 80 or len(fence.name_en) > 80:
        raise BadFence(_("A fence needs a name of at most 80 characters."))
    if fence.shape not in ShapeKind.values:
        raise BadFence(_("The form is one of %(forms)s.") % {"forms": ", ".join(ShapeKind.values)})
    if fence.road_class_id is not None and not RoadClass.objects.filter(pk=fence.road_class_id).exists():
        raise BadFence(_("There is no class of road %(number)s.") % {"number": fence.road_class_id})
    shape_of(fence.shape, fence.geometry, fence.radius_m)
    hours_of(fence.valid_from, fence.valid_until, fence.weekly, settings.TIME_ZONE, timezone.now())


def _set_rule(rule: FenceRule, values: Mapping[str, Any]) -> None:
    unknown = [name for name in values if name not in RULE_FIELDS]
    if unknown:
        raise BadFence(_("A rule of a fence has no “%(name)s”.") % {"name": unknown[0][:40]})
    for name, value in values.items():
        setattr(rule, name, value)
    for name in ("limit", "deadband", "on_delay_ms", "off_delay_ms"):
        value = getattr(rule, name)
        if value is not None and not (math.isfinite(value) and 0 <= value <= MAX_MS):
            raise BadFence(_("%(name)s is not a number from 0 on.") % {"name": name})
    if rule.what == "speed" and not _limit(rule) > 0:
        raise BadFence(_("Say the speed limit in km/h, or give the fence a class of road."))
    if rule.what in ("dwell", "silent") and not rule.limit:
        raise BadFence(_("Say after how many seconds."))
    if rule.what in ("dwell", "silent"):
        rule.deadband = 0.0  # it moves again, it is heard again: there is nothing between
    if rule.what == "speed" and rule.deadband >= _limit(rule):
        raise BadFence(_("The deadband must be below the limit, or the alarm can never clear."))
    if rule.priority not in Priority.values:
        raise BadFence(_("The priority is 1 (red) to 4 (blue)."))
    kinds = rule.unit_kinds
    if not isinstance(kinds, list) or any(kind not in UnitKind.values for kind in kinds):
        raise BadFence(_("Kinds of units are %(kinds)s.") % {"kinds": ", ".join(UnitKind.values)})


def _import_one(actor: Any, org: Org, feature: Any) -> Fence:
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        raise BadFence(_("it is no GeoJSON feature"))
    geometry, said = feature.get("geometry"), feature.get("properties") or {}
    if not isinstance(geometry, Mapping) or not isinstance(said, Mapping):
        raise BadFence(_("it has no geometry"))
    kind = {"Point": "circle", "LineString": "corridor", "MultiLineString": "corridor"}.get(
        str(geometry.get("type")), "polygon"
    )
    values = {
        "name": str(said.get("name") or said.get("code") or _("Imported fence")),
        "name_en": str(said.get("name_en") or ""),
        "shape": kind, "geometry": dict(geometry), "radius_m": _real(said.get("radius_m")),
        "road_class_id": _whole(said.get("road_class")), "valid_from": _instant(said.get("valid_from")),
        "valid_until": _instant(said.get("valid_until")), "weekly": said.get("weekly") or [],
    }  # fmt: skip
    code = str(said.get("code") or "")
    known = Fence.objects.select_related("org").filter(code=code).first() if code else None
    if known is not None and not known.org.path.startswith(org.path):
        raise BadFence(_("the code %(code)s is taken") % {"code": code[:64]})
    return edit_fence(actor, known, values) if known is not None else create_fence(actor, org, values, code)


def _real(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadFence(_("radius_m is not a number")) from None


def _whole(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, int) or str(value).isdigit():
        return int(value)
    raise BadFence(_("road_class is the number of a class of road"))


def _instant(value: Any) -> Any:
    if value is None or value == "":
        return None
    try:
        at = parse_datetime(str(value))
    except ValueError:
        at = None
    if at is None:
        raise BadFence(_("valid_from and valid_until are ISO 8601"))
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _free_code(name: str) -> str:
    stem = slugify(name)[:40] or "fence"
    code, number = stem, 1
    while Fence.objects.filter(code=code).exists():
        number += 1
        code = f"{stem}-{number}"
    return code


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in values.items() if isinstance(value, str | int | float | bool | list)
    }
