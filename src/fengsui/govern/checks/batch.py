"""Is a decoded batch one that can be booked at all?  What fails here is a poisoned message, kept as bytes."""

from fengsui.base.batch import Batch
from fengsui.base.errors import BadBatch

FIRST_MS, LAST_MS = (
    946_684_800_000,
    7_258_118_400_000,
)  # 2000-01-01 and 2200-01-01: a gateway's clock lies between
MAX_SOURCE = 80  # as wide as the column of the ledger
MAX_SITE = 2**31 - 1


def check_batch(batch: Batch) -> None:
    """Raises BadBatch where the envelope could not be booked: site, source or time of arrival out of bounds."""
    if not 0 <= batch.site <= MAX_SITE:
        raise BadBatch(f"site {batch.site} is no site id")
    if not FIRST_MS <= batch.received_ms < LAST_MS:
        raise BadBatch(f"received at {batch.received_ms} ms, outside the years 2000 to 2199")
    if len(batch.source) > MAX_SOURCE or "\0" in batch.source:
        raise BadBatch(f"the source has {len(batch.source)} characters (at most {MAX_SOURCE}) or a NUL")
