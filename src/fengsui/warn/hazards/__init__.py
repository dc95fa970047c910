"""In: the tables of GB 18218 and an inventory. Out: S, R, grade, each step with its clause; what is on a list.

Must never: calculate with floats, guess what is missing, answer "no" from a list that is not there.
"""
