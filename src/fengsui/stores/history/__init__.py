"""In: accepted readings in columns.  Out: Parquet segments that any reader opens, and answers from them.

Must never: show a file that the catalogue does not list, change a segment after it is written, judge a reading.

``catalogue`` which segments are true · ``segments`` writes them, ``packing`` makes their values small, ``tiers`` the
aggregates beside them · ``compaction`` merges · ``keep`` and ``retention`` delete by policy · ``queries``, ``curves``
and ``exports`` read, ``recent`` adds what is not committed yet, ``corrections`` shows wrong values as they should have
been · ``matching`` asks whether a reading is there · ``thinning`` thins a series for a chart.
The names below are loaded when they are first used: the catalogue needs Django to be set up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fengsui.stores.history.catalogue import Catalogue
    from fengsui.stores.history.curves import aggregate, curve, only_aggregates
    from fengsui.stores.history.exports import export
    from fengsui.stores.history.queries import count_received, last_values, measured, query
    from fengsui.stores.history.retention import count_deleted
    from fengsui.stores.history.segments import write_segment, write_segments
    from fengsui.stores.history.thinning import downsample

_HOME = {
    "Catalogue": "catalogue",
    "aggregate": "curves",
    "curve": "curves",
    "count_deleted": "retention",
    "count_received": "queries",
    "downsample": "thinning",
    "export": "exports",
    "last_values": "queries",
    "measured": "queries",
    "only_aggregates": "curves",
    "query": "queries",
    "write_segment": "segments",
    "write_segments": "segments",
}

__all__ = [
    "Catalogue",
    "aggregate",
    "count_deleted",
    "count_received",
    "curve",
    "downsample",
    "export",
    "last_values",
    "measured",
    "only_aggregates",
    "query",
    "write_segment",
    "write_segments",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
