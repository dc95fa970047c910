"""Prometheus metrics of the whole node.

In: counters that roles keep anyway.  Out: one page in the Prometheus text format.  ``names`` every metric ·
``samples`` how a value is said · ``roles`` what each role says · ``exchange`` answers over the bus, and asking for
them · ``page`` the text · ``door`` who may read it.  Must never: cost anything for a reading.
"""
