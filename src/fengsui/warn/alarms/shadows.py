"""Shadow: a draft that the live engine judges beside the rule in force, for as long as wanted, and nobody is told.

A draft is a rule with ``shadow_of``: the engine knows no difference, and what it says is recorded apart
(``episodes``).  At most one runs beside a rule.  It ends by being promoted, stopped, or replaced by another draft;
its row and episodes stay.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream
from fengsui.warn.alarms import services
from fengsui.warn.alarms.errors import NoShadow, RuleWithdrawn
from fengsui.warn.alarms.models import Rule, RuleChange
from fengsui.warn.rules.kind import PARAMETERS

DRAFTED = (*PARAMETERS, "priority", "basis")  # what a draft may say otherwise


def of(rule: Rule) -> Rule | None:
    """The draft that runs beside ``rule``."""
    return Rule.every.filter(shadow_of=rule, withdrawn_at=None).first()


@transaction.atomic
def start(actor: Any, rule: Rule, values: Mapping[str, Any], reason: str) -> Rule:
    """Let a draft of ``rule`` run in shadow within seconds; one that runs already ends.

    ``values``: some of ``services.EDITABLE``; a draft always runs, whether the rule itself is switched on or not.
    Raises NotAllowed, BadNote (no reason), BadRule, RuleWithdrawn.
    """
    stored = _locked(actor, rule)
    reason = services.words(reason, needed=True)
    _end(stored)
    draft = Rule(datastream=stored.datastream, kind=stored.kind, shadow_of=stored)
    own = {name: getattr(stored, name) for name in DRAFTED}
    services.put(draft, own | {name: value for name, value in values.items() if name != "is_enabled"})
    draft.save()
    _note(actor, "rule.shadow_started", stored, draft, reason)
    return draft


@transaction.atomic
def stop(actor: Any, rule: Rule, reason: str = "") -> None:
    """End the draft; nothing else changes.  Raises NotAllowed, BadNote, RuleWithdrawn, NoShadow."""
    stored = _locked(actor, rule)
    reason = services.words(reason)
    draft = _running(stored)
    _end(stored)
    _note(actor, "rule.shadow_stopped", stored, draft, reason)


@transaction.atomic
def promote(actor: Any, rule: Rule, reason: str, figures: Mapping[str, Any] | None = None) -> Rule:
    """Put the draft in force in place of what ``rule`` says; the version before stays in its history.

    ``figures``: what was seen of both, kept in the audit trail.  Raises NotAllowed, BadNote (no reason), BadRule,
    RuleWithdrawn, RuleChanged when ``rule`` is older than the stored one, NoShadow.
    """
    stored = _locked(actor, rule)
    reason = services.words(reason, needed=True)
    draft = _running(stored)
    _end(stored)
    services.keep(stored)
    values = {name: getattr(draft, name) for name in DRAFTED} | {"is_enabled": True}
    promoted = services.edit_rule(actor, rule, values, reason)
    _note(actor, "rule.promoted", promoted, draft, reason, figures=dict(figures or {}))
    return promoted


@transaction.atomic
def go_back(actor: Any, rule: Rule, version: int, reason: str) -> Rule:
    """Say again what ``version`` of ``rule`` said, as a new version.  Raises as ``edit_rule``, and NoShadow."""
    change = RuleChange.objects.filter(rule=rule, version=version).first()
    if change is None:
        raise NoShadow(_("Version %(version)s is not in the history of this rule.") % {"version": version})
    values = {name: value for name, value in change.values.items() if name in services.EDITABLE}
    return services.edit_rule(actor, rule, values, reason)


def _locked(actor: Any, rule: Rule) -> Rule:
    access.require(actor, "rule.edit", rule.datastream.site.org_path, rule)
    Datastream.objects.select_for_update().get(pk=rule.datastream_id)
    stored = Rule.objects.select_for_update(of=("self",)).select_related("datastream__site").get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        raise RuleWithdrawn(_("This rule was withdrawn; make a new one."))
    return stored


def _running(rule: Rule) -> Rule:
    draft = of(rule)
    if draft is None:
        raise NoShadow(_("Nothing runs in shadow beside this rule any more. Look at it again."))
    return draft


def _end(rule: Rule) -> None:
    Rule.every.filter(shadow_of=rule, withdrawn_at=None).update(withdrawn_at=timezone.now(), is_enabled=False)


def _note(actor: Any, what: str, rule: Rule, draft: Rule, reason: str, **more: Any) -> None:
    values = {name: getattr(draft, name) for name in DRAFTED}
    audit.record(
        actor,
        what,
        rule,
        org_path=rule.datastream.site.org_path,
        reason=reason,
        draft=draft.pk,
        values=values,
        **more,
    )
