"""Observations onto the bus: as columns, through the checks at the door, and yes only when they are durable.

``use`` names who does it in this process; ``run`` ties it to the same intake that takes readings over HTTP.
"""

from collections.abc import Callable, Sequence

import numpy as np

from fengsui.base.batch import Batch
from fengsui.show.api.errors import NoBus
from fengsui.show.sta import observations

Submit = Callable[[Sequence[Batch]], None]  # sets ``reason`` where a row is refused; raises Busy
_submit: Submit | None = None


def use(submit: Submit | None) -> None:
    """Who makes batches durable from now on; None: nobody."""
    global _submit
    _submit = submit


def post(
    source: str,
    received_ms: int,
    site: np.ndarray,
    datastream: np.ndarray,
    time_ms: np.ndarray,
    value: np.ndarray,
) -> np.ndarray:
    """Columns of equal length n, values in the datastreams' own units → reason uint8 [n], 0 where it is kept.

    What is refused goes to quarantine.  Raises NoBus, Busy.
    """
    if _submit is None:
        raise NoBus
    reason = np.zeros(len(site), np.uint8)
    batches, places = [], []
    for one in np.unique(site).tolist():
        at = np.flatnonzero(site == one)
        order = at[np.argsort(time_ms[at], kind="stable")]
        n = len(order)
        batches.append(
            Batch(
                one, source, received_ms, datastream[order].astype(np.int32), time_ms[order], value[order],
                np.zeros(n, np.uint8), np.zeros(n, np.uint8),
            )
        )  # fmt: skip
        places.append(order)
    _submit(batches)
    for batch, order in zip(batches, places, strict=True):
        reason[order] = batch.reason
    observations.wrote([batch.site for batch in batches], source)
    return reason
