"""In: nothing. Out: the shared words (units, quality, time, codes, ids, errors, the batch).

Must never: import a framework, open a file or socket, read a clock.
"""
