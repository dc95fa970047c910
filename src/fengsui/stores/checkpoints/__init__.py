"""In: how far a partition is processed, and the state it was left in.  Out: the same after a crash.

Must never: be ahead of what history, ledger and quarantine hold, or let two pipelines own one partition.

``claims`` who owns a partition and how far it is · ``states`` the state as a file that is whole or not there.
"""
