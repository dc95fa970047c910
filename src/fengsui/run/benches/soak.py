"""The whole path at one rate for as long as asked: does memory grow, does anything fall behind, is anything lost?"""

import json
import subprocess
import time

import numpy as np

from fengsui.run.benches import pipeline
from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.pipeline import DATASTREAMS, RATE
from fengsui.run.benches.spine import OpenPage
from fengsui.run.benches.start import resident_mib
from fengsui.run.scratch import Scratch

ABOUT = "440,000 readings/s for --seconds (3600 for an hour): memory of each role over time, nothing lost"
SAMPLES = 120
WARM_SHARE = 1 / 6  # of the time: caches and the first merges fill


def bench(seconds: float) -> list[Figure]:
    return sustained(RATE, seconds)


def sustained(rate: int, seconds: float) -> list[Figure]:
    """What ``rate`` readings a second do to all roles in ``seconds``."""
    with pipeline.nation() as made:
        page = OpenPage(made.url)
        bytes_before = pipeline.history(made)
        cpu, began = pipeline.cpu(made), time.monotonic()
        load = pipeline.flood(made, rate / DATASTREAMS, seconds)
        memory, behind = _watch(made, load, seconds / SAMPLES)
        out = json.loads(load.communicate(timeout=120)[0])
        if out["other"]:
            raise RuntimeError(f"not every message was accepted: {out['other']}")
        wall = time.monotonic() - began
        used = {role: spent - cpu.get(role, 0.0) for role, spent in pipeline.cpu(made).items()}
        used["load"] = out["cpu_s"]
        drained_s = pipeline.drained(made)
        page.close()
        accepted = out["messages"] * DATASTREAMS
        written = pipeline.history(made) - bytes_before
        return [
            figure("accepted", "readings/s", accepted / out["seconds"], f"{out['seconds']:.0f} s"),
            figure(
                "readings accepted and stored",
                "",
                accepted,
                f"the ledger balances, {drained_s:.0f} s after the load",
            ),
            figure("CPU", "cores", sum(used.values()) / wall, pipeline.by_size(used, wall)),
            figure("messages on the bus", "", behind, "sampled: what the pipeline had not committed yet"),
            *_growth(memory),
            *pipeline.latency(f"{rate:,} a second", page.latency_ms),
            figure(
                "bytes on disk",
                "B/reading",
                written / accepted,
                "fresh and merged, replaced files not yet gone",
            ),
        ]


def _watch(
    made: Scratch, load: "subprocess.Popen[str]", every_s: float
) -> tuple[list[tuple[float, dict[str, float]]], list[float]]:
    """Until the load ends: seconds since the beginning with MiB by role; and messages on the bus."""
    began = time.monotonic()
    found, behind = [], []
    while load.poll() is None:
        time.sleep(max(every_s, 1))
        said = {role: resident_mib(pids) for role, pids in pipeline.by_role(made).items()}
        found.append((time.monotonic() - began, said))
        behind.append(float(pipeline.waiting(made)))
    return found[:-1], behind[:-1]  # the last one may be of after the load


def _growth(memory: list[tuple[float, dict[str, float]]]) -> list[Figure]:
    """Of all roles and of each: the median of the last third, and what a straight line says of growth."""
    if len(memory) < 12:
        raise RuntimeError(f"only {len(memory)} samples of memory: give it more seconds")
    warm = memory[int(len(memory) * WARM_SHARE) :]
    at = np.array([t for t, _ in warm])
    out = []
    for role in ("", *sorted({role for _, said in warm for role in said})):
        values = np.array([said.get(role, 0.0) if role else sum(said.values()) for _, said in warm])
        slope = float(np.polyfit(at, values, 1)[0]) * 3600
        third = len(values) // 3
        first, last = float(np.median(values[:third])), float(np.median(values[-third:]))
        name = f"memory of {role or 'all roles'}"
        out.append(
            figure(
                name,
                "MiB",
                values.tolist(),
                f"{first:,.0f} in the first third, {last:,.0f} in the last; {slope:+,.0f} MiB/h",
            )
        )
    return out
