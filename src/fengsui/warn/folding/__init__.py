"""In: episodes, relations of assets, rules of folding, the time.  Out: which alarm is folded into which, and why.

Must never: fold an alarm into one of another nature or of less priority; depend on the order of arrival.  Pure.
"""

from fengsui.warn.folding.forest import Episode, Fold, fold
from fengsui.warn.folding.table import DEFAULTS, BadFolding, FoldRule, read_table
from fengsui.warn.folding.topology import Topology

__all__ = [
    "DEFAULTS",
    "BadFolding",
    "Episode",
    "Fold",
    "FoldRule",
    "Topology",
    "fold",
    "read_table",
]
