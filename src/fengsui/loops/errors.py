"""What can go wrong with a loop.  Codes are stable; ``show`` turns them into words."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.base.errors import BadInput, FengsuiError, NotAllowed

REQUIREMENTS = {
    "note": gettext_lazy("a note"),
    "cause": gettext_lazy("the cause"),
    "measure": gettext_lazy("the measure taken"),
    "evidence": gettext_lazy("evidence"),
}


class WrongStep(FengsuiError):
    """The action does not exist in the step that the loop is in now; somebody may have been quicker."""

    code = "loops.wrong_step"


class ChangedMeanwhile(FengsuiError):
    """The caller acted on an older version than the one that is stored."""

    code = "loops.changed_meanwhile"


class SamePerson(NotAllowed):
    """Four eyes: whoever did the work does not check it."""

    code = "loops.same_person"


class Incomplete(BadInput):
    """The action requires a note, cause, measure or evidence that is missing: ``missing`` names them."""

    code = "loops.incomplete"

    def __init__(self, missing: list[str]) -> None:
        words = ", ".join(str(REQUIREMENTS.get(name, name)) for name in missing)
        super().__init__(_("Still needed: %(what)s.") % {"what": words})
        self.missing = missing


class EvidenceRefused(BadInput):
    """A file is too large, empty, or of a type that is not accepted as evidence."""

    code = "loops.evidence_refused"


class BadDefinition(BadInput):
    """A kind's definition cannot be used: ``problems`` lists every reason, each with its place."""

    code = "loops.bad_definition"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class UnknownKind(FengsuiError):
    """There is no kind of loop with this code."""

    code = "loops.unknown_kind"
