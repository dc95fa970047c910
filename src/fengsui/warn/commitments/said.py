"""What an enterprise says in a commitment, as typed values; the fields are those of the daily report 安全承诺公告.

Field names of the provincial interface are beside each (``WC_ENT_TASK``); ``docs/commitment.md`` shows the table.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.warn.commitments.errors import BadCommitment
from fengsui.warn.risks.models import FactKind

MOST = 999  # of anything that is counted
MOST_WORKS = 99  # of a kind: each that counts for risk becomes a fact
LONGEST = 300
_OF_RISK = dict(FactKind.choices)
WORKS: dict[str, tuple[Any, str]] = {
    "fire_special": (_OF_RISK["fire_special"], "FIRES_NUMBER"),
    "fire_1": (_OF_RISK["fire_1"], "FIRE1_NUMBER"),
    "fire_2": (_OF_RISK["fire_2"], "FIRE2_NUMBER"),
    "confined_space": (_OF_RISK["confined_space"], "SPACEWORK_NUMBER"),
    "tank_cleaning": (_OF_RISK["tank_cleaning"], "CLEAN_TANK_NUMBER"),
    "height": (gettext_lazy("Work at height"), "HIGHWORK_NUMBER"),
    "lifting": (gettext_lazy("Lifting"), "LIFTINGWORK_NUMBER"),
    "electricity": (gettext_lazy("Temporary electricity"), "ELECTRICITYWORK_NUMBER"),
    "earth": (gettext_lazy("Earth work"), "SOILWORK_NUMBER"),
    "road": (gettext_lazy("Road closure"), "ROADWORK_NUMBER"),
    "blind_plate": (gettext_lazy("Blind plates"), "BLINDPLATE_NUMBER"),
    "maintenance": (gettext_lazy("Inspection and maintenance"), "INSPECTION_NUMBER"),
    "transfer": (gettext_lazy("Transfer between tanks"), "POUR_OUT_NUMBER"),
    "draining": (gettext_lazy("Draining of water"), "DRAINING_NUMBER"),
}
NEEDS_PERMIT = ("fire_special", "fire_1", "fire_2", "confined_space", "tank_cleaning")
STATES = {  # a state of the whole site → the fact for risk that it is
    "start_up": "start_up",
    "trial": "trial",
}


class Work(msgspec.Struct, frozen=True):
    """How many works of a kind today, and the numbers of their permits."""

    count: int
    permits: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True):
    """One commitment.  Units are installations 装置; ``stopped`` codes of things; ``risk_grade`` 1 high … 4 low."""

    units: int  # UNITS_NUMBER
    running: int  # RUN_NUMBER
    stopped_units: int  # PARK_NUMBER
    overhaul: int  # OVERHAUL_WORK_NUMBER
    stopped: tuple[str, ...]
    works: dict[str, Work]
    contractors: int  # CONTRACTOR_NUMBER
    changes: int  # CHANGED_TASK_NUMBER
    start_up: bool  # OPEN_PARKING
    trial: bool  # TRIAL_PRODUCTION
    pilot: bool  # TEST
    major_danger: bool  # M_HAZARDS
    responsibility: bool  # DANGER_GUARANTEE_RESPONSIBILITY
    risk_grade: int  # RISK_GRADE
    principal: str  # COMMITMENT

    def count(self, kind: str) -> int:
        work = self.works.get(kind)
        return work.count if work else 0

    @property
    def special(self) -> int:
        """Special works of all kinds."""
        return sum(work.count for work in self.works.values())


def plain(said: Said) -> dict[str, Any]:
    """As a row holds it."""
    return msgspec.to_builtins(said)


def kept(values: Mapping[str, Any]) -> Said:
    """From a row."""
    return msgspec.convert(values, Said)


def read(values: Mapping[str, Any]) -> Said:
    """From what was typed or sent: numbers may be text, "" is 0.  Raises BadCommitment that names every problem."""
    problems: list[tuple[str, str]] = []

    def number(name: str, value: Any, most: int = MOST) -> int:
        text = str(value if value is not None else "").strip()
        if not text:
            return 0
        if not (text.isascii() and text.isdecimal()) or len(text) > 6 or int(text) > most:
            problems.append(
                (
                    name,
                    _("%(what)s: a whole number from 0 to %(most)s.") % {"what": label(name), "most": most},
                )
            )
            return 0
        return int(text)

    works = {}
    given = values.get("works") or {}
    for kind in WORKS:
        row = given.get(kind) or {}
        count = number(kind, row.get("count"), MOST_WORKS)
        permits = row.get("permits") or ()
        if isinstance(permits, str):
            permits = (
                permits.replace("；", ";").replace("、", ";").replace("，", ";").replace(",", ";").split(";")
            )
        named = tuple(dict.fromkeys(str(one).strip()[:60] for one in permits if str(one).strip()))[:50]
        if count or named:
            works[kind] = Work(count, named)
        if named and not count:
            problems.append((kind, _("%(what)s: permits are named, but no work.") % {"what": label(kind)}))
    if unknown := sorted(set(given) - set(WORKS)):
        problems.append(("works", _("“%(kind)s” is no kind of special work.") % {"kind": unknown[0]}))
    counted: dict[str, Any] = {
        name: number(name, values.get(name))
        for name in ("units", "running", "stopped_units", "overhaul", "contractors", "changes")
    }
    parts = {name: counted[name] for name in ("running", "stopped_units", "overhaul")}
    if sum(parts.values()) > counted["units"]:
        text = _(
            "%(running)s running, %(stopped_units)s stopped and %(overhaul)s in overhaul are more than the %(units)s"
            " units there are."
        )
        problems.append(("units", text % {**parts, "units": counted["units"]}))
    grade = str(values.get("risk_grade") or "")
    if grade not in ("1", "2", "3", "4"):
        problems.append(("risk_grade", _("Choose the risk grade of the day.")))
    principal = str(values.get("principal") or "").strip()[:60]
    if not principal:
        problems.append(("principal", _("Who is responsible and promises? Give the name.")))
    if not values.get("promise"):
        problems.append(("promise", _("Without the promise it is no commitment.")))
    if problems:
        raise BadCommitment(problems)
    flags: dict[str, Any] = {
        name: bool(values.get(name))
        for name in ("start_up", "trial", "pilot", "major_danger", "responsibility")
    }
    return Said(
        works=works, stopped=tuple(dict.fromkeys(map(str, values.get("stopped") or ())))[:500],
        risk_grade=int(grade), principal=principal, **counted, **flags,
    )  # fmt: skip


def label(name: str) -> str:
    """A field in words."""
    return str(WORKS[name][0] if name in WORKS else LABELS[name])


LABELS = {
    "units": gettext_lazy("Units in all"),
    "running": gettext_lazy("Units running"),
    "stopped_units": gettext_lazy("Units stopped"),
    "overhaul": gettext_lazy("Units in overhaul"),
    "stopped": gettext_lazy("What is stopped"),
    "works": gettext_lazy("Special work"),
    "contractors": gettext_lazy("Contractors on site"),
    "changes": gettext_lazy("Changes under way"),
    "start_up": gettext_lazy("Start-up or shut-down today"),
    "trial": gettext_lazy("Trial production"),
    "pilot": gettext_lazy("Pilot or enlarged test"),
    "major_danger": gettext_lazy("There is a major danger"),
    "responsibility": gettext_lazy("The persons responsible for major hazards did their rounds"),
    "risk_grade": gettext_lazy("Risk grade of the day"),
    "principal": gettext_lazy("Principal who promises"),
    "promise": gettext_lazy("The promise"),
}
