"""In: batches as they came. Out: trusted batches; what is refused, with its reason; the loss ledger.

Must never: drop a reading without a line in the ledger.
"""
