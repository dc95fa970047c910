"""Compile what Numba compiles, once after installing, so that the first start of a role does not wait for it.

python -m fengsui.run.compiled
"""

from fengsui.govern import checks
from fengsui.run.pipeline import gather
from fengsui.sense.gateways import repeats
from fengsui.warn import engine
from fengsui.warn.detectors import forecast, monitor
from fengsui.warn.expressions import kernel as expressions


def main() -> None:
    """Fill Numba's cache beside the sources.  A role that finds it incomplete compiles for itself."""
    for part in (checks, gather, engine, repeats, forecast, monitor, expressions):
        part.warm_up()


if __name__ == "__main__":
    main()
