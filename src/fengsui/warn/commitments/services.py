"""What can be done with commitments: give one, amend it, say who must, look who is missing."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from fengsui.loops import kinds
from fengsui.loops import services as loops
from fengsui.loops.models import Loop
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Site, SiteKind
from fengsui.stores import clock
from fengsui.warn.commitments import checks, knowing
from fengsui.warn.commitments.checks import Doubt, Known
from fengsui.warn.commitments.errors import BadCommitment, NotExplained
from fengsui.warn.commitments.models import Commitment, CommitmentFact, Missing, Obligation
from fengsui.warn.commitments.obliged import Book, Terms, begin_of, end_of
from fengsui.warn.commitments.said import STATES, Said, plain, read
from fengsui.warn.inventories.models import MajorHazard
from fengsui.warn.risks import services as risks
from fengsui.warn.risks.models import Fact, FactKind

KIND = "safety_commitment"  # of loops
BATCH = 1000


# ---- giving -------------------------------------------------------------------------------------------------------


def judge(
    site: Site, values: Mapping[str, Any], latest: knowing.Latest | None = None
) -> tuple[Said, Known, list[Doubt]]:
    """What was typed, what is known, and where they differ; keeps nothing.  Raises BadCommitment."""
    said = read(values)
    known = knowing.known(site, clock.now(), latest)
    codes = set(site.things.values_list("code", flat=True))
    if strange := [code for code in said.stopped if code not in codes]:
        raise BadCommitment([("stopped", _("The site has no part “%(code)s”.") % {"code": strange[0]})])
    return said, known, checks.doubts(said, known)


@transaction.atomic
def give(
    actor: Any,
    site: Site,
    values: Mapping[str, Any],
    explained: Mapping[str, str] | None = None,
    reason: str = "",
    latest: knowing.Latest | None = None,
) -> Commitment:
    """The commitment of today, or an amendment of it (then ``reason`` says why).

    ``explained`` maps the key of each doubt to words.  The special work in it counts for the risk index until midnight.
    Raises NotAllowed, BadCommitment, NotExplained.
    """
    access.require(actor, "commitment.give", site.org_path, site)
    site = Site.objects.select_for_update(of=("self",)).select_related("org").get(pk=site.pk)
    book = Book()
    if not book.is_obliged(site):
        raise BadCommitment([("site", _("This site does not have to commit."))])
    said, known, found = judge(site, values, latest)
    words = {key: str(text).strip()[:300] for key, text in (explained or {}).items()}
    if open_doubts := [one for one in found if len(words.get(one.key, "")) < 2]:
        raise NotExplained(open_doubts)
    at = clock.now()
    day = timezone.localdate(at)
    before = Commitment.objects.filter(site=site, day=day).order_by("-number").first()
    reason = reason.strip()[:300]
    if before is not None and not reason:
        raise BadCommitment([("reason", _("A commitment was given today: say why it is amended."))])
    deadline = book.terms(site.org_path).deadline_at(day)
    made = Commitment(
        site=site, day=day, number=before.number + 1 if before else 1, at=at, actor=actor, actor_name=str(actor)[:150],
        principal=said.principal, risk_grade=said.risk_grade, special=said.special, said=plain(said),
        doubts=[{"key": one.key, "words": one.words, "explained": words[one.key]} for one in found],
        known=_kept(known), deadline_at=deadline, is_late=before.is_late if before else at > deadline, reason=reason,
    )  # fmt: skip
    made.sha256 = digest(made)
    made.save(force_insert=True)
    if before is not None:
        for row in CommitmentFact.objects.filter(commitment=before).select_related("fact__site"):
            risks.withdraw(None, row.fact)
    _declare(actor, made, said)
    _found(made)
    loops.follow(loop_key(site, day), "submit", actor=actor, at=at, note=_version(made))
    audit.record(
        actor, "commitment.amended" if before else "commitment.given", made, org_path=site.org_path, site=site.code,
        day=day.isoformat(), number=made.number, sha256=made.sha256, doubts=len(found), reason=reason,
    )  # fmt: skip
    return made


def digest(row: Commitment) -> str:
    """SHA-256 over what was promised: site, day, version, words, doubts, who and when."""
    parts = {
        "site": row.site.code, "day": row.day.isoformat(), "number": row.number, "said": row.said, "doubts": row.doubts,
        "at": row.at.astimezone(UTC).isoformat(), "by": row.actor_name, "reason": row.reason,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def current(site: Site, day: date) -> Commitment | None:
    """The version that holds."""
    return Commitment.objects.filter(site=site, day=day).order_by("-number").first()


def offered(site: Site, day: date) -> dict[str, Any]:
    """What the form begins with: today's commitment, else the last one without its special work, else the things."""
    row = current(site, day)
    if row is not None:
        return {**row.said, "promise": False}
    last = Commitment.objects.filter(site=site, day__lt=day).order_by("-day", "-number").first()
    if last is not None:
        names = ("units", "running", "stopped_units", "overhaul", "stopped", "trial", "pilot", "principal")
        return {name: last.said[name] for name in names}
    n = site.things.filter(is_active=True).count()
    return {"units": n, "running": n, "stopped_units": 0, "overhaul": 0}


# ---- who must -----------------------------------------------------------------------------------------------------


@transaction.atomic
def oblige(
    actor: Any,
    org: Org,
    *,
    deadline: time,
    kinds_of_sites: list[str],
    with_hazards: bool,
    is_public: bool,
    reason: str,
) -> Obligation:
    """From now on this holds at ``org`` and below, unless something nearer does.  Raises NotAllowed, BadCommitment."""
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "commitment.oblige", org)
    problems = []
    if strange := sorted(set(kinds_of_sites) - set(SiteKind.values)):
        problems.append(("kinds", _("“%(kind)s” is no kind of site.") % {"kind": strange[0]}))
    if not reason.strip():
        problems.append(("reason", _("Say why.")))
    if problems:
        raise BadCommitment(problems)
    made = Obligation.objects.create(
        org=org, since=clock.now(), actor_name="platform" if actor is None else str(actor), reason=reason.strip()[:200],
        deadline=deadline, kinds=sorted(set(kinds_of_sites)), with_hazards=with_hazards, is_public=is_public,
    )  # fmt: skip
    audit.record(
        actor or "platform", "commitment.obliged", made, org_path=org.path, deadline=deadline.isoformat(),
        kinds=made.kinds, with_hazards=with_hazards, is_public=is_public, reason=made.reason,
    )  # fmt: skip
    return made


# ---- the clock ----------------------------------------------------------------------------------------------------


def loop_key(site: Site, day: date) -> str:
    return f"commitment:{site.pk}:{day.isoformat()}"


@transaction.atomic
def look(at: datetime | None = None) -> tuple[int, int]:
    """Remind who has not committed yet, note who missed the deadline; returns how many of each.  Twice does no harm.

    A reminder is a loop, so that it waits in somebody's work and goes up the ladder by itself.  It opens as long before
    the deadline as its kind gives to the first step.
    """
    at = at or clock.now()
    day = timezone.localdate(at)
    _lapse(day, at)
    book = Book()
    if not book:
        return 0, 0
    openings = _due_openings(book, day, at)
    if openings:
        loops.open_loops(KIND, openings)
    late = _waiting(day, book.where(lambda terms: at >= terms.deadline_at(day)))
    late = late.exclude(Exists(Missing.objects.filter(site=OuterRef("pk"), day=day)))
    return len(openings), _missed(
        [(site, book.terms(site.org_path).deadline_at(day)) for site in late], day, at
    )


def _waiting(day: date, where: Q) -> QuerySet[Site]:
    """Sites of which ``where`` holds and that have not committed for ``day``."""
    given = Commitment.objects.filter(site=OuterRef("pk"), day=day)
    return Site.objects.filter(where).exclude(Exists(given)).select_related("org").order_by("code")


def _due_openings(book: Book, day: date, at: datetime) -> list[loops.Opening]:
    """Reminders whose time has come and that are not there yet; a major hazard of grade 1 or 2 makes it more urgent."""
    first = kinds.in_force(kinds.current(KIND))
    step = first.step(first.start)
    hazards = MajorHazard.objects.filter(site=OuterRef("pk"), is_current=True, grade__lte=2)
    key = Concat(Value("commitment:"), Cast(OuterRef("pk"), CharField()), Value(f":{day.isoformat()}"))
    there = Loop.objects.filter(kind_id=KIND, key=key)
    found = []
    for level, graded in ((2, Exists(hazards)), (3, ~Exists(hazards))):
        ahead = timedelta(seconds=step.limit(level) or 0)
        due = book.where(_begun(day, at, ahead))
        for site in _waiting(day, due).filter(graded).exclude(Exists(there)):
            begins = book.terms(site.org_path).deadline_at(day) - ahead
            found.append(_opening(site, day, level, begins))
    return sorted(found, key=lambda one: one.key)


def _begun(day: date, at: datetime, ahead: timedelta) -> Callable[[Terms], bool]:
    return lambda terms: at >= terms.deadline_at(day) - ahead


def _opening(site: Site, day: date, level: int, at: datetime) -> loops.Opening:
    def words(language: str, name: str) -> str:
        with translation.override(language):
            return _("%(site)s: safety commitment of %(day)s") % {"site": name, "day": day.isoformat()}

    return loops.Opening(
        loop_key(site, day), words("zh-hans", site.name), site.org, level, at, words("en", site.name_en or site.name),
        {"site": {"id": site.pk, "code": site.code, "name": site.name}, "page": f"/commitments/sites/{site.code}/"},
    )  # fmt: skip


def _missed(new: list[tuple[Site, datetime]], day: date, at: datetime) -> int:
    if not new:
        return 0
    with translation.override(settings.LANGUAGE_CODE):
        source = _("No commitment by the deadline")
    facts = Fact.objects.bulk_create(
        [
            Fact(
                site=site, kind=FactKind.COMMITMENT_MISSING, begins_at=deadline, ends_at=end_of(day), source=source,
                declared_at=at, actor_name="platform",
            )
            for site, deadline in new
        ],
        batch_size=BATCH,
    )  # fmt: skip
    Missing.objects.bulk_create(
        [
            Missing(site=site, day=day, deadline_at=deadline, found_at=at, fact=fact)
            for (site, deadline), fact in zip(new, facts, strict=True)
        ],
        batch_size=BATCH,
    )
    risks.stale()
    return len(new)


def _lapse(day: date, at: datetime) -> None:
    """A day that is over cannot be committed any more: its loops end as not made."""
    over = Loop.objects.open().filter(kind_id=KIND, opened_at__lt=begin_of(day))
    for key in over.values_list("key", flat=True):
        loops.follow(key, "lapse", actor=None, at=at)


# ---- within -------------------------------------------------------------------------------------------------------


def _declare(actor: Any, made: Commitment, said: Said) -> None:
    """Special work and states as facts for the risk index, one for each, until midnight."""
    ends = end_of(made.day)
    wanted = [
        (kind, work.permits[n] if n < len(work.permits) else "")
        for kind, work in said.works.items()
        if kind in FactKind.values
        for n in range(work.count)
    ]
    wanted += [(kind, "") for state, kind in STATES.items() if getattr(said, state)]
    for kind, permit in wanted:
        fact = risks.declare(actor, made.site, kind, made.at, ends, f"{_version(made)} {permit}".strip())
        CommitmentFact.objects.create(commitment=made, fact=fact)


def _found(made: Commitment) -> None:
    row = (
        Missing.objects.filter(site=made.site, day=made.day, given_at=None)
        .select_related("fact__site")
        .first()
    )
    if row is None:
        return
    row.given_at = made.at
    row.save(update_fields=["given_at"])
    if row.fact is not None:
        risks.withdraw(None, row.fact)


def _version(made: Commitment) -> str:
    """How a version is called in rows that outlive the language of the moment."""
    with translation.override(settings.LANGUAGE_CODE):
        return _("Safety commitment of %(day)s, version %(n)s") % {
            "day": made.day.isoformat(),
            "n": made.number,
        }


def _kept(known: Known) -> dict[str, Any]:
    return {
        "units": [{"code": u.code, "is_running": u.is_running, "tells": u.tells} for u in known.units],
        "facts": known.facts, "alarms": {str(k): n for k, n in known.alarms.items()}, "hazards": known.hazards,
        "grade": known.grade, "risk_level": known.risk_level, "silent_s": known.silent_s,
    }  # fmt: skip
