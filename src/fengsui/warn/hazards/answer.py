"""The whole answer for an inventory as plain data: what JSON, the page and the report show, from one place."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fengsui.sense.codecs.frame import Term
from fengsui.warn.hazards import lists
from fengsui.warn.hazards.grading import GRADE_WORDS, KINDS, Assessment, Problem, Share, Step, assess, shown
from fengsui.warn.hazards.inventory import Inventory
from fengsui.warn.hazards.tables import NAMED, Tables

NOTICE = Term(
    "按设计最大量计算;标有 [from memory] 的条款号或数值凭记忆录入,引用前请对照标准原文。",
    "Reckoned from design maxima; compare what is marked [from memory] with the printed standard before quoting it.",
)

VERDICTS = {
    True: Term("构成重大危险源", "major hazard"),
    False: Term("不构成重大危险源", "not a major hazard"),
    None: Term("不能判定", "no answer"),
}


def answer(inventory: Inventory, tables: Tables) -> dict[str, Any]:
    """Units with S, R, grade and steps; lists; every bad row.  With a row that cannot be read no unit is graded."""
    problems = [problem_as_data(one) for one in inventory.problems]
    assessments = [assess(unit, tables) for unit in inventory.units]
    for one in assessments:
        problems += [problem_as_data(p, one.unit.code) for p in one.problems]
    asked = [(e.row, e.name, e.cas) for unit in inventory.units for e in unit.entries]
    processes, others = lists.processes([(row, name) for row, _, name in inventory.processes], tables)
    return {
        "standard": tables.origins[NAMED].standard,
        "edition": tables.origins[NAMED].edition,
        "notice": NOTICE._asdict(),
        "complete": not problems,
        "units": [] if inventory.problems else [as_data(one) for one in assessments],
        "processes": [_match(one) for one in processes],
        "processes_not_listed": [{"row": row, "name": name} for row, name in others],
        "listed": [_match(one) for one in lists.substances(asked, tables)],
        "lists_not_loaded": [one._asdict() for one in lists.missing(tables)],
        "problems": sorted(problems, key=lambda one: (one["row"], one["unit"])),
        "tables": [
            {"table": one.table, "cited": one.cited, "edition": one.edition, "source": one.source}
            | {"tag": one.tag, "by": one.by}
            for _, one in sorted(tables.origins.items())
        ],
    }


def as_data(one: Assessment) -> dict[str, Any]:
    """One unit; numbers are text, exact ones beside the readable ones."""
    return {
        "unit": one.unit.code,
        "kind": one.unit.kind,
        "kind_words": KINDS.get(one.unit.kind, Term("–", "–"))._asdict(),
        "is_major": one.is_major,
        "verdict": VERDICTS[one.is_major]._asdict(),
        "s": _value(one.s),
        "s_exact": _exact(one.s),
        "residents_500m": one.unit.residents,
        "alpha": _text(one.alpha),
        "r": _value(one.r),
        "r_exact": _exact(one.r),
        "grade": one.grade,
        "grade_words": GRADE_WORDS[one.grade]._asdict() if one.grade else None,
        "substances": [_share(share) for share in one.shares],
        "steps": [_step(step) for step in one.steps],
    }


def problem_as_data(one: Problem, unit: str = "") -> dict[str, Any]:
    return {
        "row": one.row,
        "unit": unit,
        "stage": one.stage,
        "what": one.what._asdict(),
        "todo": one.todo._asdict(),
    }


def worst(units: Sequence[dict[str, Any]]) -> int | None:
    """The most severe grade among units, None where none is graded."""
    return min((one["grade"] for one in units if one["grade"]), default=None)


def _share(one: Share) -> dict[str, Any]:
    return {
        "name": one.name,
        "rows": list(one.rows),
        "q_t": str(one.q_t),
        "critical_t": _text(one.critical_t),
        "by": one.by,
        "ratio": shown(one.ratio),
        "beta": _text(one.beta),
    }


def _step(one: Step) -> dict[str, Any]:
    return {
        "key": one.key,
        "clause": one.clause,
        "says": one.says._asdict(),
        "numbers": one.numbers,
        "result": one.result,
    }


def _match(one: lists.Match) -> dict[str, Any]:
    return {
        "row": one.row,
        "name": one.asked,
        "list": one.listed_on.code,
        "list_words": {"zh": one.listed_on.zh, "en": one.listed_on.en},
        "no": one.entry.no,
        "listed_as": one.entry.zh,
        "by": one.by,
        "cited": one.listed_on.origin.cited,
        "tag": one.entry.tag,
    }


def _value(number: Fraction | None) -> str | None:
    return None if number is None else shown(number)


def _exact(number: Fraction | None) -> str | None:
    return None if number is None else str(number)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
