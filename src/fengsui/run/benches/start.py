"""How long it takes until everything is up, and the memory of all roles when idle."""

import tempfile
import time
from pathlib import Path

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.scratch import Scratch

ABOUT = "from `fengsui up --demo` to a portal that answers, first and later times; idle memory of all roles"


def bench(seconds: float) -> list[Figure]:
    first: list[float] = []
    later: list[float] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        for turn in range(4):
            began = time.monotonic()
            made.up("--demo")
            (first if turn == 0 else later).append(time.monotonic() - began)
            time.sleep(5)
            memory.append(resident_mib(made.processes()))
            made.stop()
            made.output.unlink()
    return [
        figure("first start", "s", first, "empty folder: initdb, tables, region"),
        figure("later start", "s", later),
        figure(
            "idle memory of all roles", "MiB", memory, "proportional set size, demonstration region playing"
        ),
    ]


def resident_mib(pids: list[int]) -> float:
    """Proportional set size of processes: shared pages are counted once, divided among who shares them."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024
