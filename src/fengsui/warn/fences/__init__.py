"""In: areas and what must not happen there. Out: watches, each an ordinary rule over a datastream of its own.

Must never: judge a position (the pure ``engine.moving`` reads it, the engine judges), raise an alarm of another kind.
"""
