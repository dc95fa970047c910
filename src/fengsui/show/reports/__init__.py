"""In: answers and figures as plain data. Out: papers as PDF and Word, set by typst; trend reports kept and sent.

Must never: reckon a figure (``show.lists`` does), fetch a font or a picture.
"""
