"""Rows of the database in the shapes of ``schemas``: one function a shape, so that API, pages and tests agree."""

import math
from typing import Any

from django.utils import timezone

from fengsui.loops.kinds.definition import Definition
from fengsui.loops.models import Loop
from fengsui.loops.services import in_language
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Site
from fengsui.show.lists.sites import SiteState
from fengsui.warn.alarms.life import live_payload, ms
from fengsui.warn.alarms.models import Alarm, Rule


def number(value: float | None) -> float | None:
    """A value that JSON can carry."""
    return value if value is not None and math.isfinite(value) else None


def org(row: Org) -> dict[str, Any]:
    return {"id": row.pk, "code": row.code, "name": row.name, "name_en": row.name_en}


def site_ref(row: Site) -> dict[str, Any]:
    return {
        "id": row.pk,
        "code": row.code,
        "name": row.name,
        "name_en": row.name_en,
        "lon": row.longitude,
        "lat": row.latitude,
    }


def site(row: SiteState) -> dict[str, Any]:
    return site_ref(row.site) | {
        "kind": row.site.kind,
        "org": org(row.site.org),
        "org_path": row.site.org_path,
        "address": row.site.address,
        "demo": row.site.is_demo,
        "active": row.site.is_active,
        "datastreams": row.datastreams,
        "observed_at_ms": ms(row.observed_at),
        "received_at_ms": ms(row.received_at),
        "period_ms": row.period_ms,
        "freshness": row.freshness,
        "priority": row.priority,
        "standing": row.standing,
        "folded": row.folded,
    }


def datastream_ref(row: Datastream) -> dict[str, Any]:
    return {
        "id": row.pk,
        "code": row.code,
        "name": row.name,
        "name_en": row.name_en,
        "unit": row.unit,
        "decimals": row.decimals,
    }


def rule(row: Rule) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "setpoint": row.setpoint,
        "deadband": row.deadband,
        "on_delay_ms": row.on_delay_ms,
        "off_delay_ms": row.off_delay_ms,
        "window_ms": row.window_ms,
        "priority": row.priority,
        "enabled": row.is_enabled,
        "shelved_until_ms": ms(row.shelved_until),
        "basis": row.basis,
        "version": row.version,
    }


def datastream(row: Datastream) -> dict[str, Any]:
    prop = row.observed_property
    return datastream_ref(row) | {
        "thing_id": row.thing_id,
        "property": {"code": prop.code, "name": prop.name, "name_en": prop.name_en},
        "range_min": row.range_min,
        "range_max": row.range_max,
        "period_ms": row.period_ms,
        "active": row.is_active,
        "stopped_at_ms": ms(row.stopped_at),
        "stopped_reason": row.stopped_reason,
        "rules": [rule(r) for r in row.rules.all() if r.withdrawn_at is None],
    }


def alarm(row: Alarm, loop_id: int | None) -> dict[str, Any]:
    """As on the live stream, with values that JSON can carry."""
    shaped = live_payload(row, loop_id=loop_id)
    return shaped | {name: number(shaped[name]) for name in ("setpoint", "raised_value", "peak_value")}


def loop(row: Loop, definition: Definition) -> dict[str, Any]:
    """As on the live stream, but title and names in the language of the request (``…_en`` always English)."""
    step = definition.step(row.step)
    return {
        "type": "loop",
        "id": row.pk,
        "version": row.version,
        "kind": row.kind_id,
        "kind_name": in_language(definition.zh, definition.en),
        "kind_name_en": definition.en,
        "key": row.key,
        "title": row.label,
        "title_en": row.title_en,
        "org": org(row.org),
        "org_path": row.org_path,
        "level": row.level,
        "step": row.step,
        "step_name": in_language(step.zh, step.en),
        "step_name_en": step.en,
        "step_since_ms": ms(row.step_since),
        "due_at_ms": ms(row.due_at),
        "overdue": bool(row.closed_at is None and row.due_at and row.due_at < timezone.now()),
        "assignee": str(row.assignee) if row.assignee else None,
        "escalation": row.escalation,
        "escalate_at_ms": ms(row.escalate_at),
        "escalated_to": org(row.escalated_to) if row.escalated_to else None,
        "about": row.about,
        "facts": row.facts,
        "opened_at_ms": ms(row.opened_at),
        "closed_at_ms": ms(row.closed_at),
        "outcome": row.outcome,
    }
