"""What a kind of loop is, as data: steps, who may act, by when, what an action needs, and who is told when it is late.

Pure: text in, frozen structs out, every problem named at once.  ``docs/loops.md`` explains each field with an example.

Places are relative to the loop's own organisation: ``own``, ``up:2`` (two above, at most the root) or
``nearest:county`` (the nearest of that kind at or above it; the loop's own when there is none).
"""

import re
from typing import Annotated, Any, Literal

import msgspec

from fengsui.loops.errors import BadDefinition

LEVELS = ("1", "2", "3", "4")
ROLES = (
    "duty_officer",
    "commander",
    "regulator",
    "safety_officer",
    "data_steward",
    "operator",
    "viewer",
)  # people.orgs.models.Role; a test holds them equal
ORG_KINDS = ("province", "city", "county", "township", "village", "bureau", "park", "enterprise")
REQUIREMENTS = ("note", "cause", "measure", "evidence")

Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Limits = dict[Literal["1", "2", "3", "4"], Annotated[int, msgspec.Meta(ge=1, le=366 * 86400)]]
Role = Literal[ROLES]  # type: ignore[valid-type]
Requirement = Literal[REQUIREMENTS]  # type: ignore[valid-type]
Place = Annotated[str, msgspec.Meta(pattern=r"^(own|up:[0-9]|nearest:[a-z]+)$")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Cause(_Part, frozen=True):
    """One entry of the cause dictionary.  ``needs_note``: the word alone says too little."""

    code: Code
    zh: Words
    en: Words
    needs_note: bool = False


class Action(_Part, frozen=True):
    """One thing that can be done in a step.

    ``to`` is the step it leads to; without it the loop stays where it is.  ``roles`` replaces the step's.
    ``other_than`` names actions whose last actor in this loop may not do this one (four eyes).  ``note_unless`` names a
    fact of the loop (such as ``cleared``) without which a note is required.
    """

    code: Code
    zh: Words
    en: Words
    to: Code | None = None
    roles: tuple[Role, ...] | None = None
    requires: tuple[Requirement, ...] = ()
    other_than: tuple[Code, ...] = ()
    note_unless: Code | None = None


class Step(_Part, frozen=True):
    """Where a loop can be.  ``limit_s``: seconds per level "1" (red) … "4" (blue), counted from the entry into the step
    ``clock`` names (by default this one).  ``verified``: the limits were checked against their ``basis``.
    A final step has no actions and closes the loop.
    """

    code: Code
    zh: Words
    en: Words
    roles: tuple[Role, ...] = ()
    desk: Place = "own"
    limit_s: Limits | None = None
    clock: Code | None = None
    verified: bool = False
    basis: str = ""
    basis_zh: str = ""
    actions: tuple[Action, ...] = ()
    final: bool = False

    def action(self, code: str) -> Action | None:
        return next((a for a in self.actions if a.code == code), None)

    def limit(self, level: int) -> int | None:
        """Seconds allowed at ``level``; None when there is no limit."""
        return None if self.limit_s is None else self.limit_s.get(str(level))  # type: ignore[call-overload]


class Rung(_Part, frozen=True):
    """Who is told next when a limit has passed, and how long they have before the next rung is."""

    to: Place
    roles: tuple[Role, ...]
    limit_s: Limits
    levels: tuple[int, ...] = (1, 2, 3, 4)


class Definition(_Part, frozen=True):
    """A whole kind.  ``opens_at_levels``: what opens a loop of this kind by itself, from red 1 to blue 4."""

    zh: Words
    en: Words
    start: Code
    steps: tuple[Step, ...]
    ladder: tuple[Rung, ...] = ()
    causes: tuple[Cause, ...] = ()
    opens_at_levels: tuple[int, ...] = (1, 2, 3, 4)
    verified: bool = False
    basis: str = ""
    basis_zh: str = ""

    def step(self, code: str) -> Step:
        """Raises KeyError for a step that is not there."""
        for step in self.steps:
            if step.code == code:
                return step
        raise KeyError(code)

    def action(self, code: str) -> Action | None:
        """The first action of that code in any step; for the name of a deed."""
        return next((a for s in self.steps for a in s.actions if a.code == code), None)

    def cause(self, code: str) -> Cause | None:
        return next((c for c in self.causes if c.code == code), None)

    def rungs(self, level: int) -> tuple[Rung, ...]:
        """The ladder of ``level``, lowest first."""
        return tuple(rung for rung in self.ladder if level in rung.levels)


def read(values: Any) -> Definition:
    """A definition from what JSON gives.  Raises BadDefinition that names every problem found."""
    try:
        definition = msgspec.convert(values, Definition)
    except msgspec.ValidationError as error:
        raise BadDefinition([str(error)]) from None
    if problems := check(definition):
        raise BadDefinition(problems)
    return definition


def plain(definition: Definition) -> dict[str, Any]:
    """The definition as JSON holds it."""
    return msgspec.json.decode(msgspec.json.encode(definition))


def check(definition: Definition) -> list[str]:
    """What the shape alone cannot say: names that lead nowhere, steps without a way out, limits that are missing."""
    codes = [step.code for step in definition.steps]
    known = set(codes)
    said = [f"step {code} appears twice" for code in sorted(known) if codes.count(code) > 1]
    if definition.start not in known:
        said.append(f"start: there is no step {definition.start}")
    if not any(step.final for step in definition.steps):
        said.append("there is no final step")
    causes = [cause.code for cause in definition.causes]
    said += [f"cause {code} appears twice" for code in sorted(set(causes)) if causes.count(code) > 1]
    for step in definition.steps:
        said += [f"step {step.code}: {problem}" for problem in _check_step(step, definition, known)]
    for number, rung in enumerate(definition.ladder, 1):
        said += [f"rung {number}: {problem}" for problem in _check_rung(rung)]
    if bad := sorted(set(definition.opens_at_levels) - {1, 2, 3, 4}):
        said.append(f"opens_at_levels: {bad} are not levels 1 to 4")
    return said or _unreachable(definition)


def _check_step(step: Step, definition: Definition, known: set[str]) -> list[str]:
    said = []
    if step.final and (step.actions or step.limit_s):
        said.append("a final step has no actions and no limit")
    if not step.final and not step.actions:
        said.append("has no action, so nobody could leave it")
    if step.limit_s is not None:
        said += _check_limits(step.limit_s)
    if step.clock is not None and step.clock not in known:
        said.append(f"clock: there is no step {step.clock}")
    said += _check_place(step.desk)
    actions = [action.code for action in step.actions]
    said += [f"action {code} appears twice" for code in sorted(set(actions)) if actions.count(code) > 1]
    everywhere = {a.code for s in definition.steps for a in s.actions}
    for action in step.actions:
        if action.to is not None and action.to not in known:
            said.append(f"action {action.code}: there is no step {action.to}")
        if not (step.roles if action.roles is None else action.roles):
            said.append(f"action {action.code}: no role may do it")
        if "cause" in action.requires and not definition.causes:
            said.append(f"action {action.code}: requires a cause, but there are no causes")
        said += [
            f"action {action.code}: other_than names {other}, which is no action"
            for other in action.other_than
            if other not in everywhere
        ]
    return said


def _check_rung(rung: Rung) -> list[str]:
    said = _check_place(rung.to) + _check_limits(rung.limit_s)
    if not rung.roles:
        said.append("tells nobody")
    if not rung.levels or set(rung.levels) - {1, 2, 3, 4}:
        said.append("levels are numbers from 1 to 4")
    return said


def _check_limits(limits: Limits) -> list[str]:
    missing = [level for level in LEVELS if level not in limits]
    return [f"limit_s: no limit for level {', '.join(missing)}"] if missing else []


def _check_place(place: str) -> list[str]:
    kind = re.sub("^nearest:", "", place)
    if kind != place and kind not in ORG_KINDS:
        return [f"place {place}: {kind} is no kind of organisation"]
    return []


def _unreachable(definition: Definition) -> list[str]:
    leads = {step.code: {a.to for a in step.actions if a.to} for step in definition.steps}
    seen, waiting = set(), [definition.start]
    while waiting:
        code = waiting.pop()
        if code not in seen:
            seen.add(code)
            waiting.extend(leads[code])
    said = [f"step {code} is never reached" for code in leads if code not in seen]
    ends = {step.code for step in definition.steps if step.final}
    while more := {code for code, to in leads.items() if code not in ends and to & ends}:
        ends |= more
    return said + [f"step {code} never leads to a final step" for code in leads if code not in ends]
