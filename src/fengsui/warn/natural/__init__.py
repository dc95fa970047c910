"""In: rain, stages, weather, quakes and storms as numbers, thresholds. Out: warning levels, and where they hold.

Must never: read a clock or a row; hide which threshold made a level; lower a level before its time.
"""
