"""How old is too old: one answer for pages, map and API (portal.md, section 3).

``live`` up to twice the expected period, ``late`` up to ten times, ``stale`` beyond, ``never`` when nothing came.
Status rows are written once an epoch, so a period shorter than LEAST_PERIOD_MS is taken as that.
"""

LIVE_PERIODS = 2
LATE_PERIODS = 10
LEAST_PERIOD_MS = 5_000
UNKNOWN_PERIOD_MS = 60_000  # a site without datastreams has no period of its own


def freshness(last_ms: int | None, period_ms: int | None, now_ms: int) -> str:
    """``live``, ``late``, ``stale`` or ``never`` for a last reading at ``last_ms`` expected each ``period_ms``."""
    if last_ms is None:
        return "never"
    period = max(period_ms or UNKNOWN_PERIOD_MS, LEAST_PERIOD_MS)
    age = now_ms - last_ms
    if age <= LIVE_PERIODS * period:
        return "live"
    return "late" if age <= LATE_PERIODS * period else "stale"
