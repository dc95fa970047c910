"""What people do with detectors: make one, put a version in force or in shadow, promote, go back, switch off, retrain.

Each is one transaction, one change in the detector's history and one audit entry.  What is in force is a row, so every
worker follows it within a second, beginning with the row that closes at that moment.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Site
from fengsui.stores import clock
from fengsui.warn.alarms import raising
from fengsui.warn.alarms.models import Priority
from fengsui.warn.detecting import told, training
from fengsui.warn.detecting.errors import BadModel, DetectorState
from fengsui.warn.detecting.models import Detector, Finding, Method, Run, Trained, Training, Truth

SETTINGS = ("priority", "on_rows", "off_rows", "grace_ms", "truth_below")
MOST_REASON = 200
CLOSING_MS = 7_000  # two epochs and what a look waits: the row that closes about now is the first one judged
MOST_SPAN_DAYS = 400


@transaction.atomic
def create(actor: Any, site: Site, name: str, method: str, name_en: str = "", **values: int) -> Detector:
    """A new detector of a site; nothing is trained yet.  Raises NotAllowed, BadModel."""
    _require(actor, site)
    name = name.strip()
    if not name or len(name) > 80 or len(name_en) > 80:
        raise BadModel(_("Give the detector a name of at most 80 characters."))
    if method not in Method.values:
        raise BadModel(
            _("“%(method)s” is none of: %(known)s.") % {"method": method, "known": ", ".join(Method.values)}
        )
    if Detector.objects.filter(site=site, name=name).exists():
        raise BadModel(_("The site has a detector of this name already."))
    made = Detector(site=site, name=name, name_en=name_en.strip(), method=method)
    _put(made, values)
    made.save()
    training.remember(actor, made, "made", None, "", **_settings(made))
    audit.record(actor, "detector.made", made, org_path=site.org_path, name=name, method=method)
    return made


@transaction.atomic
def set_values(actor: Any, detector: Detector, values: Mapping[str, Any], reason: str) -> Detector:
    """Change some of SETTINGS; a run goes on with them from its next row.  Raises NotAllowed, BadModel."""
    stored = _locked(actor, detector)
    reason = _reason(reason)
    before = _settings(stored)
    _put(stored, values)
    after = _settings(stored)
    if after == before:
        return stored
    stored.save()
    changed = {k: [before[k], v] for k, v in after.items() if before[k] != v}
    training.remember(actor, stored, "set", None, reason, **changed)
    audit.record(actor, "detector.set", stored, org_path=stored.site.org_path, reason=reason, changed=changed)
    return stored


@transaction.atomic
def shadow(actor: Any, detector: Detector, version: int, reason: str) -> Detector:
    """Let a version run beside what is in force; nobody is told what it says.  Raises NotAllowed, BadModel."""
    stored, trained, reason = _chosen(actor, detector, version, reason)
    _end(stored, is_shadow=True)
    stored.in_shadow = trained
    _begin(stored, trained, is_shadow=True)
    return _done(actor, stored, "shadowed", version, reason)


@transaction.atomic
def activate(actor: Any, detector: Detector, version: int, reason: str) -> Detector:
    """Put a version in force: it raises alarms from the row of this moment on.

    Raises NotAllowed, BadModel, DetectorState.
    """
    stored, trained, reason = _chosen(actor, detector, version, reason)
    if stored.in_force_id == trained.pk:
        raise DetectorState(_("This version is in force already."))
    what = "activated"
    if stored.in_force is not None:
        what = "rolled_back" if version < stored.in_force.version else "activated"
    _end(stored, is_shadow=False)
    stored.in_force = trained
    _begin(stored, trained, is_shadow=False)
    return _done(actor, stored, what, version, reason)


@transaction.atomic
def promote(actor: Any, detector: Detector, reason: str) -> Detector:
    """What runs in shadow is in force from now on; its memory and an open finding go with it.

    Raises NotAllowed, BadModel (no reason), DetectorState (nothing in shadow).
    """
    stored = _locked(actor, detector)
    reason = _reason(reason)
    trained = stored.in_shadow
    if trained is None:
        raise DetectorState(_("Nothing runs in shadow. Look at it again."))
    _end(stored, is_shadow=False)
    run = Run.objects.select_for_update().get(detector=stored, is_shadow=True)
    run.is_shadow = False
    run.save()
    open_ = list(stored.findings.filter(is_shadow=True, cleared_at=None).select_related("datastream__site"))
    raising.hold({finding.datastream.thing_id for finding in open_})
    for finding in open_:
        finding.is_shadow, finding.key = False, finding.key.removeprefix("s")
        finding.alarm = raising.raise_found(
            finding.key, finding.kind, finding.datastream, stored.priority, finding.raised_at, None,
            grounds=told.grounds(finding),
        )  # fmt: skip
        finding.save()
    stored.in_force, stored.in_shadow = trained, None
    return _done(actor, stored, "promoted", trained.version, reason)


@transaction.atomic
def stop_shadow(actor: Any, detector: Detector, reason: str = "") -> Detector:
    """End what runs in shadow.  Raises NotAllowed, DetectorState."""
    stored = _locked(actor, detector)
    if stored.in_shadow is None:
        raise DetectorState(_("Nothing runs in shadow. Look at it again."))
    version = stored.in_shadow.version
    _end(stored, is_shadow=True)
    stored.in_shadow = None
    return _done(actor, stored, "shadow_ended", version, reason.strip()[:MOST_REASON])


@transaction.atomic
def deactivate(actor: Any, detector: Detector, reason: str) -> Detector:
    """Take it out of force: its standing alarms are cleared, its truth scores end.

    Raises NotAllowed, BadModel, DetectorState.
    """
    stored = _locked(actor, detector)
    reason = _reason(reason)
    if stored.in_force is None:
        raise DetectorState(_("This detector is not in force."))
    version = stored.in_force.version
    _end(stored, is_shadow=False)
    Truth.objects.filter(detector=stored).delete()
    stored.in_force = None
    return _done(actor, stored, "deactivated", version, reason)


@transaction.atomic
def ask_training(actor: Any, detector: Detector, from_at: datetime, to_at: datetime, note: str) -> Training:
    """Have a new version learnt from history by a job.  Raises NotAllowed, BadModel."""
    stored = _locked(actor, detector)
    note = _reason(note)
    if not from_at < to_at <= clock.now():
        raise BadModel(_("The end must be later than the beginning, and not in the future."))
    if (to_at - from_at).days > MOST_SPAN_DAYS:
        raise BadModel(_("At most %(days)s days.") % {"days": MOST_SPAN_DAYS})
    if stored.trainings.filter(ended_at=None).exists():
        raise DetectorState(_("A training of this detector is under way."))
    made = Training.objects.create(
        detector=stored, from_at=from_at, to_at=to_at, note=note, actor_name=str(actor)[:150],
        asked_at=clock.now(),
    )  # fmt: skip
    audit.record(
        actor, "detector.training_asked", stored, org_path=stored.site.org_path, note=note,
        from_at=from_at.isoformat(), to_at=to_at.isoformat(),
    )  # fmt: skip
    from fengsui.warn.detecting.tasks import train

    train.defer(training=made.pk)  # a row of this transaction
    return made


def do_training(pk: int) -> Training:
    """Learn what was asked for, and leave what came of it on its row; a second time changes nothing."""
    row = Training.objects.select_related("detector__site").get(pk=pk)
    if row.ended_at is not None:
        return row
    newest = row.detector.versions.light().first()
    codes = [] if newest is None else list(newest.about["codes"])
    try:
        learnt, about = training.from_history(row.detector, row.from_at, row.to_at, codes)
        row.version = training.keep(row.actor_name, row.detector, learnt, about, row.note).version
    except BadModel as error:
        row.problem = str(error)[:400]
    row.ended_at = clock.now()
    row.save()
    return row


# ---- inside ------------------------------------------------------------------------------------------------


def _locked(actor: Any, detector: Detector) -> Detector:
    _require(actor, detector.site, detector)
    rows = Detector.objects.select_for_update(of=("self",)).select_related("site", "in_force", "in_shadow")
    return rows.defer("in_force__learnt", "in_shadow__learnt").get(pk=detector.pk)


def _require(actor: Any, site: Site, obj: Any = None) -> None:
    """The platform itself (a name, not a person) may: a command of an operator, a region pack."""
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "detector.edit", site.org_path, obj or site)


def _chosen(actor: Any, detector: Detector, version: int, reason: str) -> tuple[Detector, Trained, str]:
    stored = _locked(actor, detector)
    reason = _reason(reason)
    trained = stored.versions.light().filter(version=version).first()
    if trained is None:
        raise BadModel(_("This detector has no version %(version)s.") % {"version": version})
    training.load(trained)  # what cannot be read is not put in force
    return stored, trained, reason


def _reason(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MOST_REASON:
        raise BadModel(_("Say why, in at most %(most)s characters.") % {"most": MOST_REASON})
    return text


def _put(detector: Detector, values: Mapping[str, Any]) -> None:
    bounds = {
        "priority": (1, 4), "on_rows": (1, 100_000), "off_rows": (1, 100_000), "grace_ms": (0, 3_600_000),
        "truth_below": (0, 100),
    }  # fmt: skip
    for name, value in values.items():
        low, high = bounds.get(name, (0, -1))
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BadModel(
                _("%(name)s is a whole number from %(low)s to %(high)s.")
                % {"name": name, "low": low, "high": high}
            )
        setattr(detector, name, value)
    assert detector.priority in Priority.values


def _settings(detector: Detector) -> dict[str, int]:
    return {name: getattr(detector, name) for name in SETTINGS}


def _begin(detector: Detector, trained: Trained, is_shadow: bool) -> None:
    now = clock.now()
    row = (clock.now_ms() - detector.grace_ms - CLOSING_MS) // int(trained.about["every_ms"])
    Run.objects.create(
        detector=detector,
        trained=trained,
        is_shadow=is_shadow,
        first_row=row,
        row=row,
        began_at=now,
        next_at=now,
    )


def _end(detector: Detector, is_shadow: bool) -> None:
    """A run is over: what stands is cleared, because nobody watches it any more."""
    Run.objects.filter(detector=detector, is_shadow=is_shadow).delete()
    now = clock.now()
    rows = Finding.objects.filter(detector=detector, is_shadow=is_shadow, cleared_at=None)
    open_ = list(rows.select_related("alarm", "datastream").order_by("pk"))
    raising.hold({finding.datastream.thing_id for finding in open_ if finding.alarm is not None})
    for finding in open_:
        if finding.alarm is not None:
            raising.clear_found(finding.alarm, now, note="no longer watched")
        Finding.objects.filter(pk=finding.pk).update(cleared_at=max(now, finding.raised_at))


def _done(actor: Any, detector: Detector, what: str, version: int, reason: str) -> Detector:
    detector.save(update_fields=["in_force", "in_shadow"])
    training.remember(actor, detector, what, version, reason)
    audit.record(
        actor, f"detector.{what}", detector, org_path=detector.site.org_path, version=version, reason=reason
    )
    return detector


__all__ = [
    "SETTINGS",
    "activate",
    "ask_training",
    "create",
    "deactivate",
    "do_training",
    "promote",
    "set_values",
    "shadow",
    "stop_shadow",
]
