"""Sorting by several columns of whole numbers: as one number where it has room for all, many times faster."""

import numpy as np

BITS = 62


def as_one(*columns: np.ndarray) -> np.ndarray | None:
    """One int64 a row that sorts as the columns do, the first one first; None where there is no room for them.

    Columns of equal length, of int64 or what fits into it.
    """
    if not len(columns[0]):
        return columns[0].astype(np.int64)
    ends = [(int(c.min()), int(c.max())) for c in columns]
    widths = [(high - low).bit_length() for low, high in ends]
    if sum(widths) > BITS:
        return None
    one = np.zeros(len(columns[0]), np.int64)
    for column, (low, _high), width in zip(columns, ends, widths, strict=True):
        one <<= width
        one += column
        one -= low
    return one


def order(*columns: np.ndarray) -> np.ndarray:
    """The places of the rows sorted by the columns, the first one first; equal rows stay in their order."""
    one = as_one(*columns)
    return np.lexsort(columns[::-1]) if one is None else np.argsort(one, kind="stable")
