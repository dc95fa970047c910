"""What really happened, as people record it: without it nobody knows what the alarms missed."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.warn.alarms.errors import BadNote
from fengsui.warn.alarms.models import Occurrence

MOST = 300


@transaction.atomic
def record(actor: Any, site: Site, at: datetime, what: str) -> Occurrence:
    """Keep that ``what`` happened at ``site`` at ``at``.  Raises NotAllowed, BadNote (no words, a future instant)."""
    access.require(actor, "loop.act", site.org_path, site)
    what = what.strip()
    if not what or len(what) > MOST:
        raise BadNote(_("Say what happened, in at most %(most)s characters.") % {"most": MOST})
    if at > timezone.now():
        raise BadNote(_("What is still to come has not happened."))
    made = Occurrence.objects.create(site=site, at=at, what=what, recorded_by=str(actor)[:150])
    audit.record(actor, "occurrence.recorded", made, org_path=site.org_path, at=at.isoformat(), what=what)
    return made


@transaction.atomic
def withdraw(actor: Any, occurrence: Occurrence, reason: str) -> None:
    """It was recorded by mistake; the row stays.  Raises NotAllowed, BadNote (no reason)."""
    access.require(actor, "loop.act", occurrence.site.org_path, occurrence)
    reason = reason.strip()
    if not reason or len(reason) > MOST:
        raise BadNote(_("Say why: it is kept with the change."))
    Occurrence.objects.filter(pk=occurrence.pk, withdrawn_at=None).update(withdrawn_at=timezone.now())
    audit.record(actor, "occurrence.withdrawn", occurrence, org_path=occurrence.site.org_path, reason=reason)
