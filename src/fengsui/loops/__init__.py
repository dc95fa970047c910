"""In: something somebody has to do. Out: steps, deadlines, escalation and evidence until it is closed.

Must never: know why a loop was opened; the kind and its key say that.
"""
