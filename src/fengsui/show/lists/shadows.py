"""A draft that runs in shadow beside the rule in force: what either said since the draft began."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from fengsui.warn.alarms import shadows
from fengsui.warn.alarms.models import Alarm, Rule, ShadowEpisode
from fengsui.warn.engine import NEVER
from fengsui.warn.engine.burden import DAY_MS, Burden, burden, without_counterpart

SHOWN = 20  # episodes listed on the page
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Beside:
    """``rule`` and ``draft``: alarms raised since the draft began, and what they would have cost who watches them."""

    draft: Rule
    since: datetime
    in_force: Burden
    shadow: Burden
    whole_day: bool  # less than a day says nothing about alarms a day
    only_in_force: int
    only_shadow: int
    episodes: list[ShadowEpisode]

    @property
    def rows(self) -> list[tuple[str, Any, Any]]:
        """What a person compares: words, in force, in shadow."""
        a, b = self.in_force, self.shadow
        return [
            (_("Alarms"), a.alarms, b.alarms),
            (_("Only on this side"), self.only_in_force, self.only_shadow),
            (_("Alarms a day"), *(round(x.per_day, 2) if self.whole_day else "—" for x in (a, b))),
            (_("Most in 10 minutes"), a.peak_10_min, b.peak_10_min),
            (_("Longer than 24 hours"), a.stale, b.stale),
            (_("Standing now"), a.standing, b.standing),
            (_("Chatters"), *(_("yes") if x.chattering else _("no") for x in (a, b))),
        ]

    @property
    def figures(self) -> dict[str, Any]:
        """The same as data, for the audit trail."""
        return {
            "since": self.since.isoformat(),
            **{
                name: {
                    "alarms": side.alarms,
                    "peak_10_min": side.peak_10_min,
                    "standing": side.standing,
                }
                for name, side in (("in_force", self.in_force), ("shadow", self.shadow))
            },
        }

    @property
    def in_words(self) -> str:
        """One line that is offered as the reason."""
        return _("In shadow since %(since)s: %(today)s alarms as in force, %(draft)s in shadow") % {
            "since": self.since.date().isoformat(),
            "today": self.in_force.alarms,
            "draft": self.shadow.alarms,
        }


def beside(rule: Rule, now: datetime) -> Beside | None:
    """The draft that runs beside ``rule``, which the caller may see; None when there is none."""
    draft = shadows.of(rule)
    if draft is None:
        return None
    from_ms = _ms(draft.armed_at)
    to_ms = max(_ms(now), from_ms) + 1
    told = ShadowEpisode.objects.filter(rule=draft)
    stood = Alarm.objects.filter(rule=rule, raised_at__gte=draft.armed_at)
    mine, theirs = _spans(stood), _spans(told)
    return Beside(
        draft,
        draft.armed_at,
        burden(*mine, from_ms, to_ms),
        burden(*theirs, from_ms, to_ms),
        to_ms - from_ms >= DAY_MS,
        int(without_counterpart(mine, theirs).sum()),
        int(without_counterpart(theirs, mine).sum()),
        list(told.order_by("-raised_at")[:SHOWN]),
    )


def _spans(rows: QuerySet[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = list(rows.order_by("raised_at").values_list("raised_at", "cleared_at"))
    raised = np.array([_ms(a) for a, _c in found], np.int64)
    cleared = np.array([NEVER if c is None else _ms(c) for _a, c in found], np.int64)
    return np.zeros(len(found), np.int64), raised, cleared


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
