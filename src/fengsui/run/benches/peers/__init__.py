"""Fengsui beside what a user would pick instead: same readings, same machine, same run.  ``docs/peers.md`` tells how.

Each module of a peer has ``NAME`` and ``measure(work, seconds, folder) -> list[Result]``, and raises Missing when the
peer is not installed here: it is then named among the figures without a value of its own.
"""

import importlib
import shutil
import sys
import tempfile
from pathlib import Path

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.peers.result import Missing, Result
from fengsui.run.benches.peers.work import Work

ABOUT = "readings a second flat out, ours and peers on the same work: ingest, a high rule on every datastream, durable"
OURS = "ours"
PEERS = (OURS, "victoria", "prometheus", "influx", "postgres", "structured", "stream")
LONGEST_S = 20.0


def bench(seconds: float) -> list[Figure]:
    """At most ``LONGEST_S`` of load each.  A peer that fails is a figure of 0 with its reason, never left out."""
    work = Work.standard()
    found: list[Result] = []
    for name in PEERS:
        module = importlib.import_module(f"fengsui.run.benches.peers.{name}")
        folder = Path(tempfile.mkdtemp(prefix=f"fengsui-peer-{name}-"))
        print(f"  {module.NAME} …", file=sys.stderr, flush=True)
        try:
            found += module.measure(work, min(seconds, LONGEST_S), folder)
        except Missing as missing:
            found.append(Result(module.NAME, "", 0.0, note=f"not measured: {missing}"))
        except Exception as error:
            if name == OURS:
                raise
            found.append(Result(module.NAME, "", 0.0, note=f"failed: {error}".replace("\n", " ")[:300]))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return figures(found)


def figures(found: list[Result]) -> list[Figure]:
    """Readings a second of each, and how many times ours that is more.

    ``found`` begins with ours, whole and store only: a peer that only stores stands beside the latter.
    """
    whole, store = found[:2]
    out = []
    for result in found:
        name = f"{result.name}, {result.work}" if result.work else result.name
        out.append(figure(name, "readings/s", result.rate, result.note))
        if result not in (whole, store) and result.rate > 0:
            ours = store if result.only_stores else whole
            same = "same work" if result.same_work else "it does less: " + result.lacks
            out.append(
                figure(f"{ours.name}, {ours.work} over {name}", "times", ours.rate / result.rate, same)
            )
    return out
