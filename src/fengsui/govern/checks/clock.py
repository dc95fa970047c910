"""When a reading says it was true, against when it reached us.

The tolerances are data (``CheckPolicy``, kept in the database by govern/quarantine): what is late for a gas detector
is early for a rain gauge that phones home twice a day.
"""

from dataclasses import dataclass

import numpy as np

from fengsui.base.quality import Reason


@dataclass(frozen=True, slots=True)
class CheckPolicy:
    """Clock tolerances in milliseconds; the defaults are those of a site on line all day."""

    future_tolerance_ms: int = 300_000
    late_after_ms: int = 900_000
    refuse_older_than_ms: int = 31 * 86_400_000


def check_clock(time_ms: np.ndarray, received_ms: np.ndarray | int, policy: CheckPolicy) -> np.ndarray:
    """FUTURE, TOO_LATE (refusals), LATE (a flag) or 0 for each row, uint8 [n].

    ``time_ms`` int64 [n], any value · ``received_ms`` int64 [n] or one for all, a sane epoch.  Only ``received_ms``
    is added to, so a device that is 10 years or 2^63 ms off cannot overflow.
    """
    received = np.asarray(received_ms, np.int64)
    out = np.zeros(len(time_ms), np.uint8)
    out[time_ms < received - policy.late_after_ms] = Reason.LATE
    out[time_ms < received - policy.refuse_older_than_ms] = Reason.TOO_LATE
    out[time_ms > received + policy.future_tolerance_ms] = Reason.FUTURE
    return out
