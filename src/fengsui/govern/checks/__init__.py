"""In: readings in columns, with what is known of their datastreams.  Out: a reason for each row, 0 where it may pass.

Must never: read a clock or a database, drop a row, judge a row by how rows were grouped on their way here.
"""

from fengsui.govern.checks import sequence, verdicts
from fengsui.govern.checks.batch import check_batch
from fengsui.govern.checks.behind import settle_behind
from fengsui.govern.checks.clock import CheckPolicy, check_clock
from fengsui.govern.checks.known import check_known, check_stopped
from fengsui.govern.checks.reasons import first_reason, is_refused
from fengsui.govern.checks.sequence import (
    BEHIND,
    CONFLICT,
    DUPLICATE,
    NEVER,
    NEW,
    Latest,
    arrival_order,
    split,
)
from fengsui.govern.checks.value import check_missing, check_range
from fengsui.govern.checks.verdicts import Facts, Judged, Sent, judge, judge_plain

__all__ = [
    "BEHIND",
    "CONFLICT",
    "DUPLICATE",
    "NEVER",
    "NEW",
    "CheckPolicy",
    "Facts",
    "Judged",
    "Latest",
    "Sent",
    "arrival_order",
    "check_batch",
    "check_clock",
    "check_known",
    "check_missing",
    "check_range",
    "check_stopped",
    "first_reason",
    "is_refused",
    "judge",
    "judge_plain",
    "settle_behind",
    "split",
    "warm_up",
]


def warm_up() -> None:
    """Compile what is compiled here, or load what an earlier process compiled, so that no reading waits for it."""
    verdicts.warm_up()
    sequence.warm_up()
