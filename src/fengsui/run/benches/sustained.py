"""Two million readings a second through the whole path for as long as asked."""

from fengsui.run.benches import soak
from fengsui.run.benches.figure import Figure
from fengsui.run.benches.pipeline import HIGH_RATE

ABOUT = (
    "2,000,000 readings/s for --seconds (600 for ten minutes): what is committed, CPU, memory, alarm latency"
)


def bench(seconds: float) -> list[Figure]:
    return soak.sustained(HIGH_RATE, seconds)
