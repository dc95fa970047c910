"""The common work: what every peer is sent, in the form it takes best.

``sites`` sites of ``tags`` datastreams; a request carries ``instants`` instants of one site, which is how a gateway
catches up and how every peer asks to be fed.  Values have two decimals and move a little, as instruments do; the
first datastream of each site goes above the high limit in every other request, so that rules have something to say.
"""

import time
from dataclasses import dataclass, field

import numpy as np

SETPOINT = 50.0
STEP_MS = 250  # between instants
BACK_MS = 120_000  # the first instant lies so far back: Prometheus and vmalert look back five minutes
HIGH = 90.0
BLOCKS = 2  # different requests of a site: the odd one has the high values


@dataclass(frozen=True, slots=True)
class Work:
    """``blocks`` float64 [sites, BLOCKS, instants, tags]; ``start_ms`` is the first instant of every site."""

    sites: int
    tags: int
    instants: int
    blocks: np.ndarray = field(repr=False)
    start_ms: int

    @classmethod
    def standard(cls) -> "Work":
        """100,000 datastreams, 10,000 readings a request."""
        return cls.make(200, 500, 20)

    @classmethod
    def make(cls, sites: int, tags: int, instants: int) -> "Work":
        """Work of any size, the same values each time, beginning a few minutes ago."""
        rng = np.random.default_rng(1)
        level = rng.uniform(10, 40, (sites, 1, 1, tags))
        moves = rng.normal(0, 0.05, (sites, BLOCKS, instants, tags))
        blocks = np.round(level + moves, 2)
        blocks[:, 1, :, 0] = HIGH
        return cls(sites, tags, instants, blocks, int(time.time() * 1000) - BACK_MS)

    @property
    def readings(self) -> int:
        """In one request."""
        return self.tags * self.instants

    def site(self, number: int) -> str:
        return f"s{number:04d}"

    @property
    def codes(self) -> list[str]:
        return [f"T{number:04d}" for number in range(self.tags)]

    def values(self, site: int, turn: int) -> np.ndarray:
        """float64 [instants, tags] of a site's request number ``turn``."""
        found: np.ndarray = self.blocks[site, turn % BLOCKS]
        return found

    def times_ms(self, turn: int) -> list[int]:
        first = self.start_ms + turn * self.instants * STEP_MS
        return [first + i * STEP_MS for i in range(self.instants)]

    def again(self, after_ms: int = 0) -> "Work":
        """The same work for the next measurement: beginning a little before now, and later than ``after_ms``."""
        start_ms = max(int(time.time() * 1000) - BACK_MS, after_ms + STEP_MS)
        return Work(self.sites, self.tags, self.instants, self.blocks, start_ms)
