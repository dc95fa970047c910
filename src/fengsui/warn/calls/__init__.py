"""In: a warning that was published. Out: responsible people of the places it covers, called until each has confirmed.

Must never: count as confirmed what nobody confirmed; call for a test; call twice because a worker was killed.
"""
