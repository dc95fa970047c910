"""What raised an alarm that no limit raised: the name of a scenario rule or detector, and why; as it was then.

It is kept with the alarm as JSON: {"scenario" or "detector": id, "version", "name", "name_en", "cause", "cause_en"}.
A scenario's causes may have names in braces; it has "parameters" {name: quantity}, "names" [{name, value, unit,
decimals}] and "terms" [{text, held, value, unit}] besides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import get_language

DASH = "—"
MAKERS = ("scenario", "detector")
_IN_CAUSE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class By:
    """What raised an alarm (one of MAKERS and its id), what it is called and why it did, in both languages."""

    what: str
    id: int
    version: int
    name: str
    name_en: str
    cause: str
    cause_en: str

    def as_row(self) -> dict[str, Any]:
        """As the live stream and the API give it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def text(self) -> str:
        """Why, in the language of the moment."""
        return self.cause if (get_language() or "").startswith("zh") else self.cause_en


def by(grounds: Mapping[str, Any] | None) -> By | None:
    """Who raised an alarm with these ``grounds``; None of an alarm of a limit."""
    what = next((name for name in MAKERS if grounds and name in grounds), None)
    if what is None or grounds is None:
        return None
    name = str(grounds.get("name", ""))
    cause, cause_en = grounds.get("cause", ""), grounds.get("cause_en", "")
    return By(
        what, int(grounds[what]), int(grounds.get("version", 1)), name, grounds.get("name_en") or name,
        filled(cause or cause_en, grounds), filled(cause_en or cause, grounds),
    )  # fmt: skip


def filled(cause: str, grounds: Mapping[str, Any]) -> str:
    """``cause`` with what its names and parameters were; without a sentence the conditions that held, as written."""
    if not cause:
        return "; ".join(term["text"] for term in grounds.get("terms", ()) if term["held"])
    said = dict(grounds.get("parameters", {})) | shown(grounds)
    return _IN_CAUSE.sub(lambda found: str(said.get(found[1], found[0])), cause)


def shown(grounds: Mapping[str, Any]) -> dict[str, str]:
    """Each name and what its datastream measured, with unit."""
    return {n["name"]: quantity(n["value"], n["unit"], n["decimals"]) for n in grounds.get("names", ())}


def quantity(value: float | None, unit: str, decimals: int | None = None) -> str:
    """A value with its unit."""
    if value is None:
        return DASH
    number = f"{value:.{decimals}f}" if decimals is not None else f"{value:.6g}"
    return f"{number} {'' if unit == '1' else unit}".strip()
