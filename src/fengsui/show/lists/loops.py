"""Loops: my work (what I may act on, most urgent first) and everything open or closed (newest first)."""

from collections.abc import Iterable
from typing import Any

from fengsui.loops import kinds
from fengsui.loops.kinds.definition import Definition, Step
from fengsui.loops.models import Loop, LoopQuerySet
from fengsui.show.lists.keyset import Page, page

RECORD = ("-opened_at", "-id")
WORK = ("level", "-opened_at", "-id")
DUE = ("due_at", "id")  # as in the index loop_due


def loops(user: Any) -> LoopQuerySet:
    """Every loop that ``user`` sees."""
    return Loop.objects.select_related("kind", "org", "assignee", "escalated_to", "desk").visible_to(user)


def loop_page(
    user: Any,
    *,
    mine: bool = False,
    due: bool = False,
    is_open: bool | None = None,
    level: tuple[int, ...] = (),
    kind: str = "",
    cursor: str | None = None,
    size: int = 50,
) -> Page[Loop]:
    """One page: what waits for ``user``, worst level first; what is due next; or the record, newest first."""
    rows = loops(user)
    if mine:
        rows = rows.mine(user)
    elif is_open is not None:
        rows = rows.filter(closed_at__isnull=is_open)
    if level:
        rows = rows.filter(level__in=level)
    if kind:
        rows = rows.filter(kind_id=kind)
    if due:
        return page(rows.filter(closed_at=None, due_at__isnull=False), DUE, cursor, size)
    return page(rows, WORK if mine else RECORD, cursor, size)


def definitions(found: Iterable[Loop]) -> dict[int, Definition]:
    """Loop id → the definition it runs under, for the loops of one page: one statement."""
    found = list(found)
    known = kinds.at_versions((loop.kind_id, loop.kind_version) for loop in found)
    return {loop.pk: known[loop.kind_id, loop.kind_version] for loop in found}


def steps(loop: Loop, definition: Definition, been: set[str]) -> list[tuple[Step, str]]:
    """The way of this loop: the steps it went through (``done``), where it stands (``now``), and the way on to its end
    (``next``), which is the first action of each step that leads anywhere.  ``been`` are the steps of its deeds.

    Side ways (returned, a false alarm) are shown only to a loop that took them.
    """
    known = {step.code: step for step in definition.steps}
    here = known[loop.step]
    ahead: list[Step] = []
    step: Step | None = here
    while step is not None:
        onward = next((action.to for action in step.actions if action.to), None)
        step = known[onward] if onward and onward != here.code else None
        if step is None or step in ahead:
            break
        ahead.append(step)
    past = [s for s in definition.steps if s.code in been and s is not here and s not in ahead]
    now = "done" if here.final else "now"
    return [*((s, "done") for s in past), (here, now), *((s, "next") for s in ahead)]
