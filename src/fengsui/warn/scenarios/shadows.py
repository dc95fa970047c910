"""Shadow: a draft of a scenario rule that the pipeline judges beside the rule in force; nobody is told.

A draft is a scenario rule with ``shadow_of``, and its ordinary rule one with ``shadow_of`` that of the rule: it is
evaluated as any, and what it says is recorded apart (decisions 0054, 0071).  At most one runs beside a rule.  It ends
by being promoted, stopped or replaced; its row and episodes stay.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import Datastream
from fengsui.warn.alarms.errors import NoShadow
from fengsui.warn.scenarios import services
from fengsui.warn.scenarios.errors import ScenarioRuleChanged
from fengsui.warn.scenarios.models import ScenarioChange, ScenarioRule
from fengsui.warn.scenarios.services import Bound


def of(rule: ScenarioRule) -> ScenarioRule | None:
    """The draft that runs beside ``rule``."""
    drafts = ScenarioRule.every.filter(shadow_of=rule, withdrawn_at=None)
    return drafts.select_related("site", "datastream", "rule").first()


@transaction.atomic
def start(
    actor: Any, rule: ScenarioRule, values: Mapping[str, Any], bound: Sequence[Bound] | None, reason: str
) -> ScenarioRule:
    """Let a draft of ``rule`` run in shadow within seconds; one that runs already ends.

    ``values``: some of ``services.FIELDS``; ``bound`` None: the names of the rule.  A draft always runs, whether the
    rule itself is in force or not.  Raises NotAllowed, BadScenarioRule, ScenarioRuleChanged (withdrawn).
    """
    stored = _locked(actor, rule)
    names = services.bound_of(stored) if bound is None else list(bound)
    draft = services.begin_shadow(stored, values, names, reason)
    _note(actor, "scenario.shadow_started", stored, draft, reason.strip())
    return draft


@transaction.atomic
def stop(actor: Any, rule: ScenarioRule, reason: str = "") -> None:
    """End the draft; nothing else changes.  Raises NotAllowed, BadScenarioRule, ScenarioRuleChanged, NoShadow."""
    stored = _locked(actor, rule)
    draft = _running(stored)
    reason = services.reason_of(reason, needed=False)
    services.end_shadow(stored)
    _note(actor, "scenario.shadow_stopped", stored, draft, reason)


@transaction.atomic
def promote(
    actor: Any, rule: ScenarioRule, reason: str, figures: Mapping[str, Any] | None = None
) -> ScenarioRule:
    """Put the draft in force in place of what ``rule`` says; the version before stays in its history.

    ``figures``: what was seen of both, kept in the audit trail.  Raises NotAllowed, NoShadow, BadScenarioRule,
    ScenarioRuleChanged when ``rule`` is older than the stored one or withdrawn.
    """
    stored = _locked(actor, rule)
    draft = _running(stored)
    reason = services.reason_of(reason)
    bound = services.bound_of(draft)
    services.end_shadow(stored)
    promoted = services.edit(actor, rule, services.values_of(draft), bound, reason)
    _note(actor, "scenario.promoted", promoted, draft, reason, figures=dict(figures or {}))
    return promoted


@transaction.atomic
def go_back(actor: Any, rule: ScenarioRule, version: int, reason: str) -> ScenarioRule:
    """Say again what ``version`` of ``rule`` said, as a new version.  Raises as ``services.edit``, and NoShadow."""
    change = ScenarioChange.objects.filter(scenario=rule, version=version).first()
    if change is None:
        raise NoShadow(_("Version %(version)s is not in the history of this rule.") % {"version": version})
    names = change.values["names"]
    there = Datastream.objects.in_bulk([pk for pk, _age in names.values()])
    lost = sorted(name for name, (pk, _age) in names.items() if pk not in there)
    if lost:
        said = _("What version %(version)s looked at is not there any more: %(names)s.")
        raise NoShadow(said % {"version": version, "names": ", ".join(lost)})
    bound = [Bound(name, there[pk], age) for name, (pk, age) in names.items()]
    values = {name: value for name, value in change.values.items() if name in services.FIELDS}
    return services.edit(actor, rule, values, bound, reason)


def _locked(actor: Any, rule: ScenarioRule) -> ScenarioRule:
    access.require(actor, "rule.edit", rule.site.org_path, rule)
    stored = ScenarioRule.objects.select_for_update(of=("self",)).select_related("site").get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        raise ScenarioRuleChanged(_("This scenario rule was withdrawn; make a new one."))
    return stored


def _running(rule: ScenarioRule) -> ScenarioRule:
    draft = of(rule)
    if draft is None:
        raise NoShadow(_("Nothing runs in shadow beside this rule any more. Look at it again."))
    return draft


def _note(actor: Any, what: str, rule: ScenarioRule, draft: ScenarioRule, reason: str, **more: Any) -> None:
    audit.record(
        actor, what, rule, org_path=rule.site.org_path, site=rule.site.code, code=rule.code, reason=reason,
        draft=draft.pk, values=services.snapshot(draft), **more,
    )  # fmt: skip
