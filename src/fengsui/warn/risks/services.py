"""What can be done with live risk: reckon it again, declare and withdraw facts, put weights in force."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.stores import clock, outbox
from fengsui.warn.risk import arrays
from fengsui.warn.risk import weights as weighing
from fengsui.warn.risk.arrays import NEVER, Levels
from fengsui.warn.risk.marks import marks
from fengsui.warn.risk.weights import NEIGHBOUR, Weights
from fengsui.warn.risks import inputs, series
from fengsui.warn.risks.errors import BadFact
from fengsui.warn.risks.models import Fact, FactKind, RiskChange, SiteRisk, WeightSet

STALE = "risk.stale"  # topic of the outbox: an input changed
LOCK = 0x5249534B  # pg_advisory: one reckons at a time
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Reckoned:
    """How many sites there are, how many changed, and in how many of those the colour."""

    sites: int
    changed: int
    levels: int


def in_force() -> Weights:
    """The newest weights, else the shipped ones."""
    row = WeightSet.objects.first()
    return weighing.shipped() if row is None else weighing.read(json.dumps(row.document))


def weights_of(sha256: str) -> Weights | None:
    """The weights with this checksum: those in force, shipped, or once in force; None where they are not kept."""
    for known in (in_force(), weighing.shipped()):
        if known.sha256 == sha256:
            return known
    row = WeightSet.objects.filter(sha256=sha256).first()
    return None if row is None else weighing.read(json.dumps(row.document))


def stale() -> None:
    """Leave word in this transaction that the risk of some site has to be reckoned again."""
    outbox.add(STALE)


@transaction.atomic
def reckon(at: datetime | None = None) -> Reckoned:
    """Index and level of every site in use from the rows of now; writes the rows that changed, and only those."""
    at = at or clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    weights = in_force()
    sites = inputs.gather(at, weights)
    n = len(sites.ids)
    who = _near(sites.longitude.tobytes(), sites.latitude.tobytes(), weights.radius_m)
    index, own, felt = arrays.index(sites.counts, who, weights)
    sites.counts[:, weights.keys.index(NEIGHBOUR)] = felt
    before = _before(sites.ids)
    held = arrays.hold(before.levels, index, _seconds(at), weights)
    said = marks(sites.ids, sites.counts, index, own, held, who, weights)
    changed, changes = [], []
    for i in np.flatnonzero(~before.there | (said != before.said)).tolist():
        row = _row(i, sites, index, own, held, who, weights, at)
        row.said = int(said[i])
        old = before.rows.get(row.site_id)
        if old is not None and old[0] == row.level:
            row.level_since = old[1]
        changed.append(row)
        if old is None or (old[0], old[2]) != (row.level, row.index):
            changes.append(
                RiskChange(
                    site_id=row.site_id, at=at, index=row.index, level=row.level,
                    level_before=old[0] if old is not None else None, counts=row.counts,
                    weights_sha256=row.weights_sha256,
                )
            )  # fmt: skip
    SiteRisk.objects.bulk_create(
        changed, batch_size=BATCH, update_conflicts=True, unique_fields=["site"],
        update_fields=[f.name for f in SiteRisk._meta.concrete_fields if not f.primary_key],
    )  # fmt: skip
    RiskChange.objects.bulk_create(changes, batch_size=BATCH)
    moving = {one.site_id for one in changes}
    series.repeat([row for row in changed if row.site_id in moving], at)
    SiteRisk.objects.filter(site__is_active=False).delete()
    moved = [one for one in changes if one.level != (one.level_before or 4)]
    return Reckoned(n, len(changed), len(moved))


@lru_cache(maxsize=1)
def _near(longitude: bytes, latitude: bytes, radius_m: int) -> arrays.Near:
    """Who is near whom changes only when a site is new or moves."""
    return arrays.near(np.frombuffer(longitude), np.frombuffer(latitude), radius_m)


@dataclass(frozen=True, slots=True)
class _Before:
    """Sites (n,) as their rows say: levels, marks, and which have a row with a mark.

    ``rows``: site → (level, since when it has it, index).
    """

    levels: Levels
    said: np.ndarray
    there: np.ndarray
    rows: dict[int, tuple[int, datetime, int]]


def _before(ids: np.ndarray) -> _Before:
    n = len(ids)
    level, since, floor = np.full(n, 4, np.int64), np.full(n, NEVER, np.int64), np.full(n, 4, np.int64)
    said, there, rows = np.zeros(n, np.int64), np.zeros(n, bool), {}
    at = {pk: i for i, pk in enumerate(ids.tolist())}
    held = SiteRisk.objects.filter(site__is_active=True).order_by()
    for pk, *row in held.values_list(
        "site_id", "level", "level_since", "index", "below_since", "floor", "said"
    ):
        if (i := at.get(pk)) is None:
            continue  # in use again since the sites were read: it waits for the next time
        rows[pk] = (row[0], row[1], row[2])
        level[i], floor[i] = row[0], row[4]
        if row[3] is not None:
            since[i] = _seconds(row[3])
        if row[5] is not None:
            said[i], there[i] = row[5], True
    return _Before(Levels(level, since, floor), said, there, rows)


def _row(
    i: int, sites: inputs.Sites, index: np.ndarray, own: np.ndarray, held: Levels, who: arrays.Near,
    weights: Weights, at: datetime,
) -> SiteRisk:  # fmt: skip
    """The row of site ``i`` as it is from now on."""
    row_of = sites.counts[i].tolist()
    near = slice(who.first[i], who.first[i + 1])
    neighbours = [
        [int(sites.ids[other]), int(own[other]), int(metres)]
        for other, metres in zip(who.other[near].tolist(), who.metres[near].tolist(), strict=True)
        if own[other] > weights.over
    ]
    since = int(held.since[i])
    return SiteRisk(
        site_id=int(sites.ids[i]), index=int(index[i]), own=int(own[i]), level=int(held.level[i]),
        level_since=at, below_since=None if since == NEVER else datetime.fromtimestamp(since, UTC),
        floor=int(held.floor[i]), counts={key: n for key, n in zip(weights.keys, row_of, strict=True) if n},
        neighbours=neighbours, weights_sha256=weights.sha256, changed_at=at,
    )  # fmt: skip


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


# ---- what people do ----------------------------------------------------------------------------------------------


@transaction.atomic
def declare(
    actor: Any, site: Site, kind: str, begins_at: datetime, ends_at: datetime | None, source: str
) -> Fact:
    """Say that something goes on at a site.  Raises NotAllowed, BadFact."""
    if actor is not None:
        access.require(actor, "risk.declare", site.org_path, site)
    if kind not in FactKind.values:
        raise BadFact(
            _("“%(kind)s” is none of: %(known)s.") % {"kind": kind, "known": ", ".join(FactKind.values)}
        )
    if ends_at is not None and ends_at <= begins_at:
        raise BadFact(_("It ends before it begins."))
    if not source.strip():
        raise BadFact(_("Say where this comes from: the number of a permit, or who said it."))
    made = Fact.objects.create(
        site=site, kind=kind, begins_at=begins_at, ends_at=ends_at, source=source.strip()[:200],
        declared_at=clock.now(), actor_name=_name(actor),
    )  # fmt: skip
    stale()
    audit.record(
        actor, "risk.declared", made, org_path=site.org_path, site=site.code, kind=kind, source=made.source
    )
    return made


@transaction.atomic
def withdraw(actor: Any, fact: Fact) -> None:
    """End a fact now; the row stays.  Raises NotAllowed."""
    if actor is not None:
        access.require(actor, "risk.declare", fact.site.org_path, fact.site)
    row = Fact.objects.select_for_update(of=("self",)).select_related("site").get(pk=fact.pk)
    if row.withdrawn_at is not None:
        return
    row.withdrawn_at, row.withdrawn_by = clock.now(), _name(actor)
    row.save()
    stale()
    audit.record(actor, "risk.withdrawn", row, org_path=row.site.org_path, site=row.site.code, kind=row.kind)


@transaction.atomic
def put_in_force(actor: Any, raw: str, reason: str) -> WeightSet:
    """Weights for the whole platform from now on.  Raises NotAllowed, BadWeights."""
    if actor is not None and access.paths_where(actor, "risk.weigh") != [""]:
        access.require(actor, "risk.weigh", "/")
    read = weighing.read(raw)
    if not reason.strip():
        raise weighing.BadWeights(_("Say why the weights change."))
    if missing := sorted(set(weighing.shipped().keys) - set(read.keys)):
        raise weighing.BadWeights(
            _("%(items)s: missing; give 0 points instead.") % {"items": ", ".join(missing)}
        )
    made = WeightSet.objects.create(
        since=clock.now(), actor_name=_name(actor), reason=reason.strip()[:200], name=read.name[:80],
        version=read.version[:40], sha256=read.sha256, document=json.loads(raw),
    )  # fmt: skip
    stale()
    audit.record(
        actor,
        "risk.weights",
        made,
        org_path="/",
        version=made.version,
        sha256=made.sha256,
        reason=made.reason,
    )
    return made


def _name(actor: Any) -> str:
    return "platform" if actor is None else str(actor)
