"""What the run of one peer came to."""

from dataclasses import dataclass

NO_RULES = "no rules"


class Missing(Exception):
    """The peer is not installed here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """``rate`` in readings a second, from the first request until all is stored and judged.

    ``lacks`` says what of the common work (rules, sync before the answer …) was not done; empty: the same work.
    """

    name: str
    work: str
    rate: float
    lacks: str = ""
    note: str = ""

    @property
    def same_work(self) -> bool:
        return not self.lacks

    @property
    def only_stores(self) -> bool:
        return self.lacks.startswith(NO_RULES)
