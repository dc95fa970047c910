"""In: a user, filters, a cursor. Out: rows in order, one page at a time, that this user may see.

Must never: change a row; show one outside ``visible_to``.  Pages and API read the same lists.
"""
