"""In: bytes from devices and files. Out: canonical batches, durable on the bus.

Must never: decide whether a value can be trusted or is dangerous.
"""
