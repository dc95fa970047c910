"""In: who someone says they are. Out: who they are, what they may see and do, and the record of what they did.

Must never: know what a reading, an alarm or a loop is.
"""
