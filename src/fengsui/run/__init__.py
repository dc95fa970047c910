"""In: settings and a command. Out: running roles that stop cleanly.  The only folder that knows everybody.

Must never: be imported by any other folder.
"""
