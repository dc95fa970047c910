"""In: inventories of sites as files. Out: rows with history, each identification with its steps, the major hazards.

Must never: reckon (that is ``warn.hazards``), change a version that is kept, grade from a file with a bad row.
"""
