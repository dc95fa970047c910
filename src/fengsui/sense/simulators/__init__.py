"""In: what a device of a protocol is told. Out: what it says, as the standard demands, or wrong in one named way.

Must never: be taken for a device: what it measures is made up, and its identity says so.

``device`` what every simulated device is · ``line`` its socket · one module a protocol.  Docs: docs/conformance.md.
"""
