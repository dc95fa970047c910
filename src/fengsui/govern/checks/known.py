"""Is the datastream one of ours, of this site, and in service?"""

import numpy as np

from fengsui.base.quality import Reason
from fengsui.govern.checks.reasons import mark


def check_known(slot: np.ndarray, site: np.ndarray, site_of_slot: np.ndarray) -> np.ndarray:
    """UNKNOWN_DATASTREAM where ``slot`` is -1, WRONG_SITE where it belongs to another site, uint8 [n].

    ``slot`` int [n] · ``site`` int32 [n], the site that sent the row · ``site_of_slot`` int32 [slots].
    """
    out = mark(slot < 0, Reason.UNKNOWN_DATASTREAM)
    if len(site_of_slot):
        out[(slot >= 0) & (site_of_slot[slot] != site)] = Reason.WRONG_SITE
    return out


def check_stopped(time_ms: np.ndarray, stopped_ms: np.ndarray) -> np.ndarray:
    """STOPPED from the moment the datastream was declared out of service, uint8 [n].

    ``stopped_ms`` int64 [n], the greatest int64 where it is in service.
    """
    return mark(time_ms >= stopped_ms, Reason.STOPPED)
