"""In: bytes of alerts (CAP 1.0 to 1.2, feeds, Chinese notices), drafts. Out: alerts, what is wrong with them, CAP 1.2.

Must never: fetch, open or resolve anything that a message names; guess silently; raise on any bytes.
"""
