"""Bytewax over arrays of a site: a folder of files in, synced Arrow files out, one worker, no recovery store.

It runs in a process of its own (``python -m fengsui.run.benches.peers.stream IN OUT``) with the packages that
``tools/peers.sh`` put aside; the clock runs from the first message to the last sync, start-up apart.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fengsui.run.benches.peers import arrays, server
from fengsui.run.benches.peers.result import Missing, Result
from fengsui.run.benches.peers.work import Work

NAME = "Bytewax"
TURNS = 8


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    """All of ``TURNS`` requests of every site.  Raises Missing."""
    packages = server.folder() / "python"
    if not (packages / "bytewax").is_dir():
        raise Missing("bytewax is not here; tools/peers.sh fetches it")
    sent = arrays.write(work.again(), folder / "in", TURNS)
    (folder / "out").mkdir()
    command = [sys.executable, "-m", __name__, str(folder / "in"), str(folder / "out")]
    env = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120 + 10 * seconds)
    if done.returncode:
        raise RuntimeError(done.stderr[-300:])
    said = json.loads(done.stdout.splitlines()[-1])
    if said["messages"] != sent or not said["above"]:
        raise RuntimeError(f"{said} of {sent} messages")
    lacks = "a threshold without memory, no devices to answer, no recovery"
    note = (
        f"{said['version']}; one worker, {arrays.LINES_A_FILE} messages of {work.readings:,} readings a file"
    )
    return [Result(NAME, "arrays of a site", sent * work.readings / said["seconds"], lacks, note)]


def main() -> None:
    """The dataflow, in the process of its own; says on standard output how it went."""
    import pyarrow as pa
    from bytewax import operators as op
    from bytewax.connectors.files import DirSource
    from bytewax.dataflow import Dataflow
    from bytewax.outputs import DynamicSink, StatelessSinkPartition
    from bytewax.testing import run_main

    came, went = Path(sys.argv[1]), Path(sys.argv[2])
    said: dict[str, Any] = {"messages": 0, "above": 0, "version": importlib.metadata.version("bytewax")}
    clock: list[float] = []

    def judge(lines: list[str]) -> list[pa.RecordBatch]:
        clock.append(time.monotonic())
        return [arrays.judged(lines)] if lines else []

    class Part(StatelessSinkPartition):
        def __init__(self) -> None:
            self.file = (went / "out.arrow").open("wb")
            self.writer = pa.ipc.new_stream(self.file, arrays.OUT)

        def write_batch(self, items: list[pa.RecordBatch]) -> None:
            for batch in items:
                self.writer.write_batch(batch)
                said["messages"] += batch.num_rows
                said["above"] += sum(batch.column("above").to_pylist())
            self.file.flush()
            os.fsync(self.file.fileno())
            clock.append(time.monotonic())

        def close(self) -> None:
            self.writer.close()
            self.file.close()

    class Sink(DynamicSink):
        def build(self, step_id: str, worker_index: int, worker_count: int) -> Part:
            return Part()

    flow = Dataflow("peers")
    lines = op.input("in", flow, DirSource(came, glob_pat="*.json", batch_size=arrays.LINES_A_FILE))
    op.output("out", op.flat_map_batch("judge", lines, judge), Sink())
    run_main(flow)
    said["seconds"] = clock[-1] - clock[0]
    print(json.dumps(said))


if __name__ == "__main__":
    main()
