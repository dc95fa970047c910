"""What can be done with patrols: draw, send, find something, end, drop; and whether a draw is what it says."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.loops import services as loops
from fengsui.loops.models import Loop
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.cameras.models import Camera
from fengsui.sense.devices.models import Site, SiteStatus
from fengsui.stores import clock
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.commitments import services as commitments
from fengsui.warn.patrols.drawing import Candidate, candidate, draw
from fengsui.warn.patrols.errors import BadPatrol
from fengsui.warn.patrols.models import Draw, Patrol
from fengsui.warn.risks.models import SiteRisk

KIND = "patrol_finding"  # of loops
MOST_SIZE = 200
ALARM_DAYS = 7
OK, PROBLEM, UNSEEN = "ok", "problem", "unseen"
STATES = {
    OK: gettext_lazy("In order"),
    PROBLEM: gettext_lazy("A problem"),
    UNSEEN: gettext_lazy("Could not be seen"),
}
ITEMS = {
    "values": gettext_lazy("Live values: plausible, fresh, within limits"),
    "alarms": gettext_lazy("Alarms: acknowledged, handled in time, repeated or long ones"),
    "video": gettext_lazy("Video: cameras on line, the picture as it should be"),
    "commitment": gettext_lazy("Safety commitment: given, and true to what is seen"),
    "responsibility": gettext_lazy("Persons responsible for major hazards: their rounds"),
    "loops": gettext_lazy("Open work: nothing overdue"),
}


# ---- choosing -----------------------------------------------------------------------------------------------------


def candidates(org: Org, at: datetime) -> list[Candidate]:
    """Every site in use below ``org`` that nobody is about to look at, with its weight."""
    sites = Site.objects.filter(is_active=True, org_path__startswith=org.path)
    sites = sites.exclude(pk__in=Patrol.objects.open().values("site"))
    levels = dict(SiteRisk.objects.filter(site__in=sites).values_list("site_id", "level"))
    looked = dict(
        Patrol.objects.filter(site__in=sites).order_by().values_list("site_id").annotate(at=Max("done_at"))
    )
    alarms = dict(
        Alarm.objects.filter(site__in=sites, raised_at__gt=at - timedelta(days=ALARM_DAYS), raised_at__lte=at)
        .order_by().values_list("site_id").annotate(n=Count("pk"))
    )  # fmt: skip
    found = []
    for pk, code in sites.order_by("code").values_list("pk", "code"):
        last = looked.get(pk)
        found.append(
            candidate(code, levels.get(pk, 4), None if last is None else (at - last).days, alarms.get(pk, 0))
        )
    return found


@transaction.atomic
def draw_sites(actor: Any, org: Org, size: int, officer: Any = None, reason: str = "") -> Draw:
    """Draw ``size`` sites below ``org``; each gets a patrol.  Raises NotAllowed, BadPatrol."""
    access.require(actor, "patrol.do", org)
    _may_do(officer, org.path)
    if not 1 <= size <= MOST_SIZE:
        raise BadPatrol(_("Draw 1 to %(most)s sites.") % {"most": MOST_SIZE})
    Org.objects.select_for_update().get(pk=org.pk)  # two draws at once would draw the same sites
    at = clock.now()
    among = candidates(org, at)
    if not among:
        raise BadPatrol(_("There is no site to draw: all of them wait for a look already, or there is none."))
    seed = secrets.token_hex(32)
    made = Draw.objects.create(
        org=org, at=at, actor_name=str(actor)[:150], seed=seed, size=size, reason=reason.strip()[:200],
        candidates=[[one.code, one.weight, one.level, one.days, one.alarms] for one in among],
        chosen=draw(seed, among, size),
    )  # fmt: skip
    sites = {site.code: site for site in Site.objects.filter(code__in=made.chosen)}
    for code in made.chosen:
        _open(actor, sites[code], at, officer, draw=made)
    audit.record(actor, "patrol.drawn", made, org_path=org.path, seed=seed, size=size, chosen=made.chosen)
    return made


def is_true(made: Draw) -> bool:
    """Whether the draw, done again from what is kept of it, chooses the same."""
    among = [Candidate(*row) for row in made.candidates]
    fair = all(one == candidate(one.code, one.level, one.days, one.alarms) for one in among)
    return fair and draw(made.seed, among, made.size) == made.chosen


@transaction.atomic
def send(actor: Any, site: Site, reason: str, officer: Any = None) -> Patrol:
    """Have one site looked at, and say why.  Raises NotAllowed, BadPatrol."""
    access.require(actor, "patrol.do", site.org_path, site)
    _may_do(officer, site.org_path)
    if not reason.strip():
        raise BadPatrol(_("Say why this site is to be looked at."))
    Site.objects.select_for_update().get(pk=site.pk)
    if Patrol.objects.open().filter(site=site).exists():
        raise BadPatrol(_("This site waits for a look already."))
    made = _open(actor, site, clock.now(), officer, reason=reason.strip()[:200])
    audit.record(actor, "patrol.sent", made, org_path=site.org_path, site=site.code, reason=made.reason)
    return made


def _open(actor: Any, site: Site, at: datetime, officer: Any, **how: Any) -> Patrol:
    name = str(officer)[:150] if officer is not None else ""
    return Patrol.objects.create(
        site=site, officer=officer, officer_name=name, opened_at=at, opened_by=str(actor)[:150], **how
    )


def _may_do(officer: Any, path: str) -> None:
    if officer is not None and not access.may(officer, "patrol.do", path):
        raise BadPatrol(_("%(who)s may not do patrols there.") % {"who": officer})


# ---- looking ------------------------------------------------------------------------------------------------------


def seen(site: Site, at: datetime) -> dict[str, Any]:
    """What stands on the page of a patrol, as figures to be kept with it."""
    alarms = Alarm.objects.filter(site=site, cleared_at=None)
    status = SiteStatus.objects.filter(site=site).first()
    given = commitments.current(site, timezone.localdate(at))
    risk = SiteRisk.objects.filter(site=site).first()
    cameras = Camera.objects.filter(site=site, gone_at=None)
    heard = status.last_received_at if status else None
    return {
        "alarms": {str(p): n for p, n in alarms.order_by().values_list("priority").annotate(n=Count("pk"))},
        "unacked": alarms.filter(acked_at=None).count(),
        "silent_s": None if heard is None else max(0, int((at - heard).total_seconds())),
        "commitment": None if given is None else given.number,
        "risk": None if risk is None else [risk.index, risk.level],
        "cameras": [cameras.filter(is_online=True).count(), cameras.count()],
        "overdue": Loop.objects.overdue(at).filter(org_path__startswith=site.org_path).count(),
    }


@transaction.atomic
def find(actor: Any, patrol: Patrol, what: str, level: int, files: Iterable[Any] = ()) -> Loop:
    """Something is wrong: the enterprise gets it to answer by the limit of its level.  Raises NotAllowed, BadPatrol,
    EvidenceRefused.
    """
    access.require(actor, "patrol.do", patrol.site.org_path, patrol.site)
    row = _held(patrol)
    what = what.strip()[:300]
    if len(what) < 2:
        raise BadPatrol(_("Say what is wrong."))
    if level not in (1, 2, 3, 4):
        raise BadPatrol(_("Choose how bad it is: red, orange, yellow or blue."))
    site = row.site
    with translation.override("en"):
        english = _("%(site)s: found on patrol") % {"site": site.name_en or site.name}
    row.findings += 1
    row.save(update_fields=["findings"])
    opened = loops.open_loop(
        kind=KIND, key=f"patrol:{row.pk}:{row.findings}", title=f"{site.name}：{what}"[:200], title_en=english,
        org=site.org, level=level, at=clock.now(), actor=actor,
        about={
            "patrol": row.pk, "what": what, "site": {"id": site.pk, "code": site.code, "name": site.name},
        },
    )  # fmt: skip
    kept = list(files)
    if kept:
        loops.act(actor, opened, "picture", files=kept)
    audit.record(
        actor, "patrol.found", row, org_path=site.org_path, site=site.code, loop=opened.key, level=level
    )
    return opened


@transaction.atomic
def end(actor: Any, patrol: Patrol, answers: Mapping[str, Mapping[str, str]], note: str = "") -> Patrol:
    """Every item is answered; a problem has a finding, and what could not be seen a word why.  Raises NotAllowed,
    BadPatrol.
    """
    access.require(actor, "patrol.do", patrol.site.org_path, patrol.site)
    row = _held(patrol)
    kept = {}
    for item, words in ITEMS.items():
        given = answers.get(item) or {}
        state, why = given.get("state", ""), str(given.get("note", "")).strip()[:300]
        if state not in STATES:
            raise BadPatrol(_("Not answered yet: %(what)s.") % {"what": words})
        if state == UNSEEN and not why:
            raise BadPatrol(_("Say why it could not be seen: %(what)s.") % {"what": words})
        kept[item] = {"state": state, "note": why}
    if any(one["state"] == PROBLEM for one in kept.values()) and not row.findings:
        raise BadPatrol(_("There is a problem, but no finding was sent to the enterprise."))
    at = clock.now()
    row.answers, row.seen, row.note = kept, seen(row.site, at), note.strip()[:1000]
    row.done_at, row.officer, row.officer_name = at, actor, str(actor)[:150]
    row.save()
    audit.record(
        actor, "patrol.done", row, org_path=row.site.org_path, site=row.site.code, findings=row.findings,
        answers={item: one["state"] for item, one in kept.items()},
    )  # fmt: skip
    return row


@transaction.atomic
def drop(actor: Any, patrol: Patrol, reason: str) -> None:
    """It will not be done after all; it stays in the record with the reason.  Raises NotAllowed, BadPatrol."""
    access.require(actor, "patrol.do", patrol.site.org_path, patrol.site)
    row = _held(patrol)
    if not reason.strip():
        raise BadPatrol(_("Say why."))
    row.dropped_at, row.dropped_reason = clock.now(), reason.strip()[:200]
    row.save(update_fields=["dropped_at", "dropped_reason"])
    audit.record(
        actor,
        "patrol.dropped",
        row,
        org_path=row.site.org_path,
        site=row.site.code,
        reason=row.dropped_reason,
    )


def findings(patrol: Patrol) -> list[Loop]:
    """The loops of what was found, oldest first."""
    return list(Loop.objects.filter(kind_id=KIND, key__startswith=f"patrol:{patrol.pk}:").order_by("pk"))


def _held(patrol: Patrol) -> Patrol:
    row = Patrol.objects.select_for_update(of=("self",)).select_related("site__org").get(pk=patrol.pk)
    if row.done_at is not None or row.dropped_at is not None:
        raise BadPatrol(_("This patrol is over."))
    return row
