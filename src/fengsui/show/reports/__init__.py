"""In: answers and figures as plain data. Out: papers as PDF, set by typst, and as Word, filled by docxtpl in a process
of its own; trend reports kept and sent.

Must never: reckon a figure (``show.lists`` does), fetch a font or a picture.
"""
