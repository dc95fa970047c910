"""What counts as a flood, as chattering, as stale, and what is aimed at: data with history, for the whole platform.

The shipped values are from memory of EEMUA 191 and ISA-18.2 / IEC 62682, not checked against their text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.stores import clock
from fengsui.warn.alarms.errors import BadNote
from fengsui.warn.alarms.models import FigureSet
from fengsui.warn.engine.burden import Limits

# name → (shipped, least, most, words)
VALUES: dict[str, tuple[float, float, float, Any]] = {
    "window_min": (10, 1, 60, gettext_lazy("Window, minutes")),
    "flood_from": (10, 2, 1000, gettext_lazy("A flood begins with so many new alarms in a window")),
    "flood_until": (5, 1, 1000, gettext_lazy("and ends below")),
    "chatter_times": (3, 2, 100, gettext_lazy("An alarm chatters when raised so many times")),
    "chatter_s": (60, 1, 3600, gettext_lazy("within seconds")),
    "stale_h": (24, 1, 720, gettext_lazy("Stale when it stands longer than hours")),
    "per_day": (150, 1, 100_000, gettext_lazy("Aim: alarms a day")),
    "per_window": (1, 0.01, 1000, gettext_lazy("Aim: alarms a window")),
    "peak": (10, 1, 10_000, gettext_lazy("Aim: most in a window")),
    "flood_percent": (1, 0.01, 100, gettext_lazy("Aim: time in flood, %")),
    "chattering": (0, 0, 1000, gettext_lazy("Aim: chattering rules")),
    "stale": (5, 0, 10_000, gettext_lazy("Aim: stale alarms")),
    "red_percent": (1, 0, 100, gettext_lazy("Aim: share of red, %")),
    "orange_percent": (5, 0, 100, gettext_lazy("Aim: share of orange, %")),
    "yellow_percent": (15, 0, 100, gettext_lazy("Aim: share of yellow, %")),
    "blue_percent": (79, 0, 100, gettext_lazy("Aim: share of blue, %")),
    "top_percent": (5, 0.1, 100, gettext_lazy("Aim: share of the ten most frequent, %")),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """In force now: ``values`` by name, and who said so (None: shipped)."""

    values: dict[str, float]
    row: FigureSet | None

    @property
    def limits(self) -> Limits:
        """For ``burden``."""
        v = self.values
        return Limits(
            int(v["window_min"] * 60_000), int(v["flood_from"]), int(v["flood_until"]), int(v["chatter_times"]),
            int(v["chatter_s"] * 1000), int(v["stale_h"] * 3_600_000),
        )  # fmt: skip


def in_force() -> Figures:
    """The newest definition, else the shipped one."""
    row = FigureSet.objects.first()
    shipped = {name: float(value[0]) for name, value in VALUES.items()}
    return Figures(shipped if row is None else shipped | row.values, row)


def may_define(actor: Any) -> bool:
    """Whoever may edit rules at a root of the tree."""
    return access.may(actor, "rule.edit", "/")


@transaction.atomic
def define(actor: Any, values: Mapping[str, float], reason: str) -> FigureSet:
    """Other definitions from now on, for everybody.  Raises NotAllowed, BadNote."""
    if not may_define(actor):
        access.require(actor, "rule.edit", "/")
    reason = reason.strip()
    if not reason or len(reason) > 200:
        raise BadNote(_("Say why: it is kept with the change."))
    now = in_force().values
    for name, value in values.items():
        if name not in VALUES:
            raise BadNote(_("There is no figure %(name)s.") % {"name": name})
        _shipped, least, most, words = VALUES[name]
        if not least <= value <= most:
            raise BadNote(
                _("%(what)s: from %(least)s to %(most)s.") % {"what": words, "least": least, "most": most}
            )
    merged = now | {name: float(value) for name, value in values.items()}
    if merged["flood_until"] > merged["flood_from"]:
        raise BadNote(_("A flood cannot end above where it begins."))
    made = FigureSet.objects.create(
        since=clock.now(), actor_name=str(actor)[:150], reason=reason, values=merged
    )
    changed = {k: [now[k], v] for k, v in merged.items() if now[k] != v}
    audit.record(actor, "alarm.figures", made, org_path="/", reason=reason, changed=changed)
    return made
