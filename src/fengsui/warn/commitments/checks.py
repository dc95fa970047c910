"""What a commitment says against what the platform knows: each difference is a doubt, to be corrected or explained.

No rows are read here and nothing is decided: ``Known`` comes in, doubts come out, always in the same order.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from fengsui.warn.commitments.said import NEEDS_PERMIT, Said, label

LOW = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """A thing of the site by its signal: ``is_running`` None where no fresh reading tells."""

    code: str
    name: str
    is_running: bool | None
    tells: str = ""  # the reading, in words


@dataclass(frozen=True, slots=True)
class Known:
    """What the platform knows of a site at the moment of a commitment.

    ``facts``: kind → how many hold that people declared apart from commitments; ``alarms``: active and not put aside,
    by priority; ``grade``: of its worst major hazard; ``risk_level`` 1 to 4; ``silent_s``: since the last reading.
    """

    units: tuple[Unit, ...] = ()
    facts: dict[str, int] = field(default_factory=dict)
    alarms: dict[int, int] = field(default_factory=dict)
    grade: int | None = None
    hazards: int = 0
    risk_level: int | None = None
    silent_s: int | None = None
    has_datastreams: bool = False
    last: Said | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """One difference: a stable ``key``, and its words in the language of the moment."""

    key: str
    words: str

    def __str__(self) -> str:
        return self.words


SILENT_S = 600  # a site that was not heard for so long is off line: practice, not verified


def doubts(said: Said, known: Known) -> list[Doubt]:
    """Every difference between ``said`` and ``known``, each once."""
    found: list[Doubt] = []

    def doubt(key: str, text: str, **values: Any) -> None:
        found.append(Doubt(key, text % values))

    for unit in known.units:
        if unit.code in said.stopped and unit.is_running:
            doubt(
                f"runs:{unit.code}",
                _("%(unit)s is said to be stopped, but runs: %(tells)s."),
                unit=unit.name,
                tells=unit.tells,
            )
        if unit.code not in said.stopped and unit.is_running is False and said.running:
            doubt(
                f"stands:{unit.code}",
                _("%(unit)s is not said to be stopped, but stands still: %(tells)s."),
                unit=unit.name,
                tells=unit.tells,
            )
    if known.units and len(said.stopped) == len(known.units) and said.running:
        doubt(
            "all_stopped",
            _("All parts are said to be stopped, and %(n)s units to be running."),
            n=said.running,
        )
    if said.running and known.has_datastreams and (known.silent_s is None or known.silent_s > SILENT_S):
        minutes = None if known.silent_s is None else known.silent_s // 60
        if minutes is None:
            doubt("off_line", _("Units are said to be running, but the site has never sent a reading."))
        else:
            doubt(
                "off_line",
                _("Units are said to be running, but the site has sent nothing for %(n)s minutes."),
                n=minutes,
            )
    for kind in NEEDS_PERMIT:
        count, declared = said.count(kind), known.facts.get(kind, 0)
        if declared > count:
            doubt(
                f"undeclared:{kind}",
                _("%(kind)s: %(n)s are declared on the platform for today, %(said)s are committed."),
                kind=label(kind),
                n=declared,
                said=count,
            )
        work = said.works.get(kind)
        if work is not None and len(work.permits) < work.count:
            doubt(
                f"permit:{kind}",
                _("%(kind)s: %(n)s works, but %(permits)s numbers of permits."),
                kind=label(kind),
                n=work.count,
                permits=len(work.permits),
            )
    for state in ("start_up", "trial"):
        if known.facts.get(state) and not getattr(said, state):
            doubt(
                f"undeclared:{state}",
                _("%(kind)s is declared on the platform, but not committed."),
                kind=label(state),
            )
    if known.facts.get("danger_major") and not said.major_danger:
        doubt("danger_major", _("A major danger is overdue on the platform, but none is committed."))
    for priority, words in ((1, _("red")), (2, _("orange"))):
        if known.alarms.get(priority):
            doubt(
                f"alarm:{priority}",
                _("%(n)s alarms are active (%(level)s): say what is done about them."),
                n=known.alarms[priority],
                level=words,
            )
    if said.risk_grade == LOW:
        heavy = [label(kind) for kind in ("fire_special",) if said.count(kind)]
        heavy += [label(state) for state in ("start_up", "trial") if getattr(said, state)]
        if heavy:
            doubt(
                "grade_special",
                _("The risk of the day is said to be low in spite of: %(what)s."),
                what=", ".join(heavy),
            )
    if known.risk_level is not None and known.risk_level <= 2 and known.risk_level < said.risk_grade:
        level = _("red") if known.risk_level == 1 else _("orange")
        doubt(
            "grade_live",
            _("The platform's live risk is %(level)s, higher than the grade that is said."),
            level=level,
        )
    if known.grade in (1, 2) and said.risk_grade == LOW and said.special:
        doubt(
            "grade_hazard",
            _("There is a major hazard of grade %(grade)s and special work, and the risk is said to be low."),
            grade=known.grade,
        )
    if known.hazards and not said.responsibility:
        doubt(
            "responsibility",
            _("There are major hazards, and nobody confirms that the persons responsible did their rounds."),
        )
    if known.last is not None:
        _since(said, known, doubt)
    return found


def _since(said: Said, known: Known, doubt: Any) -> None:
    last = known.last
    assert last is not None
    day = known.last_day.isoformat() if known.last_day else ""
    if said.units != last.units:
        doubt(
            "units_changed",
            _("%(day)s there were %(before)s units, today there are %(now)s."),
            day=day,
            before=last.units,
            now=said.units,
        )
    if said.running > last.running and not said.start_up:
        doubt(
            "no_start_up",
            _("%(day)s %(before)s units were running, today %(now)s; no start-up is committed."),
            day=day,
            before=last.running,
            now=said.running,
        )
    if last.trial and not said.trial and not said.stopped_units and said.running >= last.running:
        doubt(
            "trial_over",
            _("%(day)s was trial production, today it is not, and as many units run: is it accepted?"),
            day=day,
        )
    if last.major_danger and not said.major_danger:
        doubt(
            "danger_gone",
            _("%(day)s there was a major danger, today there is none: say how it was removed."),
            day=day,
        )
