"""In: sites with their risk, alarms and last look. Out: drawn and sent patrols, what was looked at, findings as loops.

Must never: draw what cannot be drawn again from the kept row, tell an enterprise of a look before it is done.
"""
