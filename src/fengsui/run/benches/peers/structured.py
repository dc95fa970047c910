"""Spark Structured Streaming over arrays of a site: a file stream in, Parquet and a checkpoint out, in micro-batches.

The session is started and has seen one micro-batch before the clock starts.
"""

import time
from pathlib import Path

import pyarrow.parquet as pq

from fengsui.run.benches.peers import arrays
from fengsui.run.benches.peers.result import Missing, Result
from fengsui.run.benches.peers.work import Work
from fengsui.run.spark import engines

NAME = "Spark Structured Streaming"
FILES_A_BATCH = 10
TURNS = 8


def measure(work: Work, seconds: float, folder: Path) -> list[Result]:
    """All of ``TURNS`` requests of every site, or what is done after ``seconds``.  Raises Missing."""
    if why := engines.why_not():
        raise Missing(why)
    work = work.again()
    sent = arrays.write(work, folder / "in", TURNS)
    spark = engines.Spark("local[2]")
    try:
        from pyspark.sql.pandas.types import from_arrow_schema

        readings = spark.session.readStream.option("maxFilesPerTrigger", FILES_A_BATCH).text(
            str(folder / "in")
        )
        judged = readings.mapInArrow(arrays.judge_batches, from_arrow_schema(arrays.OUT))
        writer = judged.writeStream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))
        query = writer.option("path", str(folder / "out")).start()
        first = _wait(query, 1, 300)
        began = time.monotonic()
        done = first
        while done < sent and time.monotonic() < began + seconds:
            time.sleep(0.05)
            done = _done(query)
        took = time.monotonic() - began
        query.stop()
    finally:
        spark.close()
    above = sum(
        sum(pq.read_table(path, columns=["above"])["above"].to_pylist())
        for path in (folder / "out").glob("*.parquet")
    )
    if done == first or not above:
        raise RuntimeError(f"{done} of {sent} messages, {above} values above the limit")
    lacks = "a threshold without memory, no devices to answer, files are not synced"
    note = f"{spark.name}; {FILES_A_BATCH * arrays.LINES_A_FILE} messages of {work.readings:,} readings a micro-batch"
    return [Result(NAME, "arrays of a site", (done - first) * work.readings / took, lacks, note)]


def _done(query: object) -> int:
    progress = getattr(query, "recentProgress")  # noqa: B009 - not typed everywhere
    return sum(int(p["numInputRows"]) for p in progress)


def _wait(query: object, messages: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while (done := _done(query)) < messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no micro-batch within {seconds:g} s")
        time.sleep(0.05)
    return done
