"""What can go wrong with rules and alarms.  Codes are stable; ``show`` turns them into words."""

from fengsui.base.errors import BadInput, FengsuiError


class BadShelving(BadInput):
    """Shelved without a reason, for too long, or until a time that is past."""

    code = "warn.bad_shelving"


class BadNote(BadInput):
    """A reason or note is missing or too long."""

    code = "warn.bad_note"


class RuleWithdrawn(FengsuiError):
    """The rule was withdrawn; it is history and cannot be changed."""

    code = "warn.rule_withdrawn"


class NoShadow(FengsuiError):
    """Nothing runs in shadow beside this rule, or the version asked for is not in its history."""

    code = "warn.no_shadow"


class RuleChanged(FengsuiError):
    """Somebody else changed the rule since the caller read it."""

    code = "warn.rule_changed"
