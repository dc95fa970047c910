"""In: what moves, and which datastreams say where it is. Out: units, and rows of positions as columns for the bus.

Must never: keep a position (positions are readings, in the history), share a phone's place without its owner's word.
"""
