"""In: the text of addresses and query options of OGC SensorThings 1.1.  Out: what they say, as small frozen values.

Must never: know which entities there are, ask a database, read a clock.  What cannot be read is refused by BadQuery,
which names the place.  Grammar: OGC 18-088, clauses 9.2 and 9.3, the subset of OData 4.0 that they name.
"""
