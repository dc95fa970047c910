"""In: batches, rows and events that must not be lost. Out: the same, later, elsewhere.

Must never: judge what it keeps; it knows numbers and keys, not their meaning.
"""
