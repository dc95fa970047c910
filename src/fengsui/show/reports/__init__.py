"""In: answers as plain data. Out: papers as PDF, set by typst.

Must never: reckon anything, fetch a font or a picture.
"""
