"""Measurements, each a module with ``ABOUT`` and ``bench(seconds) -> list[Figure]``."""
