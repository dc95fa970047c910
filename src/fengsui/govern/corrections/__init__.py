"""In: what a data steward knows about stored values that are wrong.  Out: rows of ``stores.history.corrections``.

Must never: change or delete what was measured, touch an alarm that was raised from it.
"""
