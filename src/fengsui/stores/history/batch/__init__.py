"""In: history in Arrow tables of whole datastreams.  Out: aggregates, counts and statistics, in Arrow tables.

Must never: open a file, know an engine or a database: the same functions run in process and on every node of a cluster.
"""
