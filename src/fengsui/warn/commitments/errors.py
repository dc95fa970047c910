"""What can be wrong with a safety commitment."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput


class BadCommitment(BadInput):
    """A commitment that cannot be taken; ``problems`` names each (field, words)."""

    code = "warn.bad_commitment"

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(" ".join(words for _field, words in problems))
        self.problems = list(problems)


class NotExplained(BadInput):
    """What the commitment says differs from what the platform knows, and nobody explained it; ``doubts`` are those."""

    code = "warn.commitment_not_explained"

    def __init__(self, doubts: Sequence[Any]) -> None:
        super().__init__(_("Correct or explain: %(what)s") % {"what": "; ".join(str(one) for one in doubts)})
        self.doubts = list(doubts)
