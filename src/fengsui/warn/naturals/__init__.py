"""In: feeds of earthquakes and storms, readings of gauges, warnings. Out: levels in force, and who is under them.

Must never: judge (that is ``warn.natural``), lose an entry that cannot be read, say other than a replay would.
"""
