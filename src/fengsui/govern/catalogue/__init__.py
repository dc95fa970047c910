"""In: the registered datastreams of a partition.  Out: what the checks must know of them, as columns by slot.

Must never: hold one Python object a datastream, or be asked once a reading.
"""
