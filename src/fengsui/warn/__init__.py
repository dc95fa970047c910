"""In: trusted batches and rules. Out: alarms with their life, one row an episode.

Must never: raise one physical event twice, or let silence pass for safety.
"""
