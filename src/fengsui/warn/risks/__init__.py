"""In: what rows say of sites today. Out: each site's index and level as rows, when they changed, weights with history.

Must never: weigh (that is ``warn.risk``), read a risk back as an input, lose what a level was.
"""
