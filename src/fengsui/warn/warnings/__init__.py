"""In: drafts that people write, and messages of others. Out: public warnings, signed, with their life and their proof.

Must never: send what two other people have not seen; take an exercise or a test for the real thing; send twice.
"""
