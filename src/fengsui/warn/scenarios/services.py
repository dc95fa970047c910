"""What can be done with scenario rules: check one as it is written, keep it, put it in force, withdraw it.

``faults`` says what is wrong and where, without keeping anything.  Each deed is one transaction, one audit entry, one
ScenarioChange.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import CODE, Datastream, ObservationType, ObservedProperty, Site
from fengsui.warn.alarms.models import Priority, Rule, RuleChange
from fengsui.warn.expressions import BadExpression, Checked, parse
from fengsui.warn.expressions.parsing import FUNCTIONS, KEYWORDS, parse_quantity
from fengsui.warn.rules.durations import BadDuration, parse_ms
from fengsui.warn.rules.kind import MAX_MS
from fengsui.warn.scenarios.errors import BadScenarioRule, Fault, ScenarioRuleChanged
from fengsui.warn.scenarios.loader import checked_of
from fengsui.warn.scenarios.models import Binding, ScenarioChange, ScenarioRule

FIELDS = (
    "name", "name_en", "expression", "clear", "parameters", "for_ms", "clear_for_ms", "priority", "cause", "cause_en",
    "basis", "is_enabled",
)  # fmt: skip
LONGEST = {
    "name": 80,
    "name_en": 120,
    "cause": 300,
    "cause_en": 300,
    "basis": 200,
    "expression": 2000,
    "clear": 2000,
}
MOST_NAMES = 32
PROPERTY = ("scenario", "情景", "Scenario")  # what a rule's own datastream observes
SHADOW = {
    "name": "（影子）",
    "name_en": " (in shadow)",
}  # what a draft's datastream is called behind the rule's name
PERIOD_MS = 60_000  # how often a value that stays is told again
REPEATS = 5  # readings that may be missing before a value is too old
LEAST_AGE_MS = 60_000
REASON = 200
RULE_COLUMNS = (
    "setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms", "priority", "is_enabled", "basis"
)  # fmt: skip
_NAME = re.compile(r"[^\W\d]\w{0,39}")
_IN_CAUSE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Bound:
    """A name of the expression and the datastream it stands for; no ``max_age_ms``: by the datastream's period."""

    name: str
    datastream: Datastream
    max_age_ms: int = 0

    @property
    def age_ms(self) -> int:
        return self.max_age_ms or min(MAX_MS, max(LEAST_AGE_MS, REPEATS * self.datastream.period_ms))


def faults(site: Site, values: Mapping[str, Any], bound: Sequence[Bound]) -> list[Fault]:
    """Everything wrong with a rule as it is written; ``values`` are all of FIELDS."""
    found = _words(values)
    found += _names(site, bound)
    for name in ("expression", "clear"):
        if name == "expression" or values[name].strip():
            try:
                parse(values[name])
            except BadExpression as error:
                found.append(fault_of(error, name, values[name]))
    if not found:
        try:
            checked(values, bound)
        except BadExpression as error:
            name = "clear" if error.values.get("of") == "clear" else "expression"
            found.append(fault_of(error, name, values[name]))
    known = {b.name for b in bound} | set(values["parameters"])
    for name in ("cause", "cause_en"):
        for asked in _IN_CAUSE.findall(values[name]):
            if asked not in known:
                said = _("“{%(name)s}” is neither a name nor a parameter of this rule.") % {
                    "name": asked[:40]
                }
                found.append(Fault(name, said, 1, values[name].find("{" + asked) + 1))
    return found


def checked(values: Mapping[str, Any], bound: Sequence[Bound]) -> Checked:
    """The expressions with their names resolved.  Raises BadExpression."""
    inputs = tuple((b.name, b.datastream.unit or "1", b.age_ms) for b in bound)
    return checked_of(
        values["expression"], values["clear"], inputs, tuple(sorted(values["parameters"].items()))
    )


def fault_of(error: BadExpression, field: str, text: str) -> Fault:
    """An error of the language in the reader's language, with its line and column in ``text``."""
    before = text[: error.column - 1]
    line = before.count("\n") + 1
    return Fault(field, _(error.text) % error.values, line, error.column - (before.rfind("\n") + 1))


@transaction.atomic
def create(
    actor: Any, site: Site, code: str, values: Mapping[str, Any], bound: Sequence[Bound], reason: str,
    template: str = "",
) -> ScenarioRule:  # fmt: skip
    """A new rule at ``site``; in force within seconds where ``values["is_enabled"]``.

    ``values`` are any of FIELDS.  Raises NotAllowed, BadScenarioRule.
    """
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "rule.edit", site.org_path, site)
    made = ScenarioRule(site=site, code=code, template=template[:40])
    problems = []
    if not CODE.regex.match(code) or len(code) > 40:
        problems.append(Fault("code", _("Letters, digits, _ and - only, at most 40.")))
    elif ScenarioRule.objects.filter(site=site, code=code).exists():
        problems.append(Fault("code", _("This site has a scenario rule %(code)s already.") % {"code": code}))
    _set(made, values, bound, problems, reason)
    made.save()
    _bind(made, bound)
    _follow(made)
    _remember(actor, "scenario.created", made, bound, reason)
    return made


@transaction.atomic
def edit(
    actor: Any, rule: ScenarioRule, values: Mapping[str, Any], bound: Sequence[Bound] | None, reason: str
) -> ScenarioRule:
    """Change some of FIELDS, and what the names stand for unless ``bound`` is None.

    Raises NotAllowed, BadScenarioRule, ScenarioRuleChanged when ``rule`` is older than the stored one or withdrawn.
    """
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "rule.edit", rule.site.org_path, rule)
    stored = ScenarioRule.objects.select_for_update(of=("self",)).select_related("site").get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        raise ScenarioRuleChanged(_("This scenario rule was withdrawn; make a new one."))
    if stored.version != rule.version:
        raise ScenarioRuleChanged(
            _("Version %(yours)s was edited; it is version %(now)s now. Look at it again.")
            % {"yours": rule.version, "now": stored.version}
        )
    before = snapshot(stored)
    was_enabled = stored.is_enabled
    whole = bound_of(stored) if bound is None else list(bound)
    _set(stored, values, whole, [], reason)
    if {b.name: [b.datastream.pk, b.age_ms] for b in whole} != before["names"]:
        _bind(stored, whole)
    if snapshot(stored) == before:
        return stored
    stored.version += 1
    if stored.is_enabled and not was_enabled:
        stored.armed_at = timezone.now()
    stored.save()
    _follow(stored)
    _remember(actor, "scenario.edited", stored, whole, reason)
    return stored


@transaction.atomic
def withdraw(actor: Any, rule: ScenarioRule, reason: str) -> ScenarioRule:
    """Take it out of force for good; it stays as history and its standing alarm is cleared.

    Raises NotAllowed, BadScenarioRule (no reason).
    """
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "rule.edit", rule.site.org_path, rule)
    reason = reason_of(reason)
    stored = ScenarioRule.objects.select_for_update(of=("self",)).select_related("site").get(pk=rule.pk)
    if stored.withdrawn_at is not None:
        return stored
    end_shadow(stored)
    stored.withdrawn_at, stored.is_enabled = timezone.now(), False
    stored.version += 1
    stored.save()
    _follow(stored)
    _remember(actor, "scenario.withdrawn", stored, bound_of(stored), reason)
    return stored


def bound_of(rule: ScenarioRule) -> list[Bound]:
    """What the names of a stored rule stand for."""
    rows = rule.bindings.select_related("datastream").order_by("name")
    return [Bound(row.name, row.datastream, row.max_age_ms) for row in rows]


def values_of(rule: ScenarioRule) -> dict[str, Any]:
    """FIELDS of a stored rule."""
    return {name: getattr(rule, name) for name in FIELDS}


def begin_shadow(
    rule: ScenarioRule, values: Mapping[str, Any], bound: Sequence[Bound], reason: str
) -> ScenarioRule:
    """A draft of ``rule`` (locked) in force beside it; nothing is remembered.  Raises BadScenarioRule.

    One that ran before ends and leaves its datastream to the new one: a rule has one for all its drafts.
    """
    draft = ScenarioRule(site=rule.site, code=rule.code, template=rule.template, shadow_of=rule)
    _set(draft, {**values_of(rule), **values, "is_enabled": True}, bound, [], reason)
    end_shadow(rule)
    _follow(rule, needed=True)
    before = ScenarioRule.every.filter(shadow_of=rule).exclude(datastream=None).first()
    if before is not None:
        stream, before.datastream = before.datastream, None
        before.save(update_fields=["datastream"])
        draft.datastream = stream
    draft.save()
    _bind(draft, bound)
    _follow(draft)
    return draft


def end_shadow(rule: ScenarioRule) -> None:
    """End the draft that runs beside ``rule`` (locked), if one does; its episodes stay."""
    for draft in ScenarioRule.every.filter(shadow_of=rule, withdrawn_at=None).select_related("site"):
        draft.withdrawn_at, draft.is_enabled = timezone.now(), False
        draft.save(update_fields=["withdrawn_at", "is_enabled"])
        _follow(draft)


def snapshot(rule: ScenarioRule) -> dict[str, Any]:
    """All that a rule says, as its history keeps it."""
    names = {b.name: [b.datastream_id, b.max_age_ms] for b in rule.bindings.order_by("name")}
    return {**values_of(rule), "names": names}


def reason_of(reason: str, needed: bool = True) -> str:
    """A reason as it is kept.  Raises BadScenarioRule: too long, or missing where it is ``needed``."""
    reason = reason.strip()
    if needed and not reason:
        raise BadScenarioRule([Fault("reason", _("Say why: it is kept with the change."))])
    if len(reason) > REASON:
        raise BadScenarioRule([Fault("reason", _("At most %(most)s characters.") % {"most": REASON})])
    return reason


# ---- inside ------------------------------------------------------------------------------------------------------


def _set(
    rule: ScenarioRule, values: Mapping[str, Any], bound: Sequence[Bound], problems: list[Fault], reason: str
) -> None:
    unknown = [name for name in values if name not in FIELDS]
    problems += [
        Fault(name, _("A scenario rule has no “%(name)s”.") % {"name": name[:40]}) for name in unknown
    ]
    for name in FIELDS:
        if name in values:
            value = values[name]
            setattr(rule, name, value.strip() if isinstance(value, str) else value)
    try:
        reason_of(reason)
    except BadScenarioRule as error:
        problems += error.faults
    problems += faults(rule.site, values_of(rule), bound)
    if problems:
        raise BadScenarioRule(problems)


def _words(values: Mapping[str, Any]) -> list[Fault]:
    found = []
    if not str(values["name"]).strip():
        found.append(Fault("name", _("A scenario rule needs a name.")))
    for name, most in LONGEST.items():
        if len(str(values[name])) > most:
            found.append(Fault(name, _("At most %(most)s characters.") % {"most": most}))
    for name in ("for_ms", "clear_for_ms"):
        if not isinstance(values[name], int) or not 0 <= values[name] <= MAX_MS:
            found.append(Fault(name, _("A time is from 0 to 24 days.")))
    if values["priority"] not in Priority.values:
        found.append(Fault("priority", _("The priority is 1 (red) to 4 (blue).")))
    parameters = values["parameters"]
    if not isinstance(parameters, Mapping):
        return [*found, Fault("parameters", _("Parameters are names with quantities."))]
    for name, said in parameters.items():
        if bad := _bad_name(name):
            found.append(Fault("parameters", bad))
        elif (why := _bad_quantity(str(said))) is not None:
            found.append(Fault("parameters", why % {"name": name, "said": str(said)[:40]}))
    return found


def _bad_quantity(said: str) -> str | None:
    """Why it is neither a quantity nor a length of time."""
    try:
        parse_ms(said)
    except BadDuration:
        pass
    else:
        return None
    try:
        parse_quantity(said)
    except BadExpression:
        return _(
            "Parameter “%(name)s” is “%(said)s”: write a number with its unit, such as 8.5 m, or a time, such as 30s."
        )
    return None


def _names(site: Site, bound: Sequence[Bound]) -> list[Fault]:
    found = []
    if len(bound) > MOST_NAMES:
        found.append(Fault("names", _("At most %(most)s names.") % {"most": MOST_NAMES}))
    seen: set[str] = set()
    own = set(
        ScenarioRule.every.filter(datastream__in=[b.datastream.pk for b in bound]).values_list(
            "datastream", flat=True
        )
    )
    for b in bound:
        if bad := _bad_name(b.name):
            found.append(Fault("names", bad))
        elif b.name in seen:
            found.append(Fault("names", _("The name “%(name)s” stands twice.") % {"name": b.name}))
        elif b.datastream.site_id != site.pk:
            said = _("“%(name)s”: the datastream is of another site; a scenario rule looks at one site.")
            found.append(Fault("names", said % {"name": b.name}))
        elif b.datastream.pk in own:
            said = _("“%(name)s” is what another scenario rule says; name what that one looks at instead.")
            found.append(Fault("names", said % {"name": b.name}))
        elif not 0 <= b.max_age_ms <= MAX_MS:
            found.append(Fault("names", _("A time is from 0 to 24 days.")))
        seen.add(b.name)
    return found


def _bad_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        return _("“%(name)s” is no name: letters, digits and _, not a digit first.") % {"name": name[:40]}
    if name in KEYWORDS or name in FUNCTIONS:
        return _("“%(name)s” is a word of the language; take another name.") % {"name": name}
    return ""


def _bind(rule: ScenarioRule, bound: Sequence[Bound]) -> None:
    rule.bindings.all().delete()
    Binding.objects.bulk_create(
        Binding(scenario=rule, name=b.name, datastream=b.datastream, max_age_ms=b.age_ms) for b in bound
    )


def _follow(rule: ScenarioRule, needed: bool = False) -> None:
    """Bring the rule's own datastream and ordinary rule in line with it; what never was in force has none.

    ``needed``: it gets them even so.
    """
    over = rule.shadow_of
    if rule.datastream is None:
        if not rule.is_enabled and not needed:
            return
        code, zh, en = PROPERTY
        observed, _made = ObservedProperty.objects.get_or_create(
            code=code, defaults={"name": zh, "name_en": en}
        )
        first = rule.bindings.select_related("datastream__thing").order_by("name")[0]
        rule.datastream = Datastream(
            site=rule.site, thing=first.datastream.thing, observed_property=observed, unit="1", decimals=0,
            code=f"{'shadow-' if over else ''}scenario-{rule.code}", period_ms=PERIOD_MS,
            observation_type=ObservationType.TRUTH,
        )  # fmt: skip
    stream = rule.datastream
    words = {"name": rule.name[:120], "name_en": rule.name_en[:160], "is_active": rule.is_enabled}
    if over is not None:
        words |= {name: words[name] + SHADOW[name] for name in SHADOW if words[name]}
    changed = [name for name, value in words.items() if getattr(stream, name) != value]
    for name, value in words.items():
        setattr(stream, name, value)
    if stream.pk is None:
        stream.save()
    elif changed:  # written as it was it would make every pipeline read its registry again
        stream.save(update_fields=changed)
    if rule.rule is None:
        rule.rule = Rule(datastream=stream, kind="h", version=0, shadow_of=over.rule if over else None)
    ordinary = rule.rule
    before = [getattr(ordinary, name) for name in RULE_COLUMNS] if ordinary.pk else None
    ordinary.setpoint, ordinary.priority, ordinary.basis = 1.0, rule.priority, rule.basis[:200]
    ordinary.is_enabled = rule.is_enabled
    if rule.withdrawn_at is not None:
        ordinary.withdrawn_at = rule.withdrawn_at
    if before != [getattr(ordinary, name) for name in RULE_COLUMNS]:
        ordinary.version += 1
        ordinary.save()
        RuleChange.objects.create(
            rule=ordinary, version=ordinary.version, at=timezone.now(), actor_name="", reason="scenario rule",
            values={"kind": "h", **{name: getattr(ordinary, name) for name in RULE_COLUMNS}},
        )  # fmt: skip
    rule.datastream, rule.rule = stream, ordinary
    rule.save(update_fields=["datastream", "rule"])


def _remember(actor: Any, what: str, rule: ScenarioRule, bound: Sequence[Bound], reason: str) -> None:
    ScenarioChange.objects.create(
        scenario=rule, version=rule.version, at=timezone.now(), actor_name=str(actor or "")[:150],
        reason=reason.strip(), values=snapshot(rule),
    )  # fmt: skip
    audit.record(
        actor, what, rule, org_path=rule.site.org_path, site=rule.site.code, code=rule.code, version=rule.version,
        in_force=rule.is_enabled, reason=reason.strip(),
    )  # fmt: skip
