"""In: the LIVE stream and telemetry frames of the bus. Out: one SSE stream a page, each person's own part of it.

Must never: keep a database connection while a stream is open; let a slow page slow another.
"""
