"""In: what an enterprise says each day, what is known of the same. Out: commitments, who is missing, facts for risk.

Must never: change a commitment that was given, guess that a unit runs where nobody said by what it is seen.
"""
