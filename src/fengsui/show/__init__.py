"""In: everything the folders below hold. Out: pages, API, live streams for eyes and other systems.

Must never: decide; a view calls one service and shows the answer.
"""
