"""In: what people decide about how long readings are kept.  Out: ``stores.history.keep.Keep`` for the pipelines.

Must never: let a reading go that no row of the policy lets go, or that somebody holds.
"""
