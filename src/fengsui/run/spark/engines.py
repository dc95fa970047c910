"""Two engines, one question: a pure function over tables of whole datastreams, applied to a span of history.

``Local`` reads with DuckDB in this process; ``Spark`` reads the same files on a cluster.  Both hand the function what
``whole_datastreams`` makes of batches sorted by (datastream, time), so the answers are equal, row for row.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from fengsui.stores.history.batch.whole import BATCH, whole_datastreams
from fengsui.stores.history.packing import VALUE_SQL

Function = Callable[[pa.Table], pa.Table]
AUTO_ROWS = 500_000_000  # more than so many readings go to Spark, if it is there
ROWS_A_TASK = 16_000_000
BATCH_ROWS = 1 << 17
ATTEMPTS = 5


class Missing(Exception):
    """Spark cannot run here; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Span:
    """The readings of [from_ms, to_ms), of ``ids`` or of every datastream; ``files`` says where they are now."""

    from_ms: int
    to_ms: int
    ids: np.ndarray | None
    files: Callable[[], list[str]]


class Engine(Protocol):
    name: str

    def run(self, span: Span, function: Function, schema: pa.Schema) -> pa.Table:
        """All that ``function`` makes of the span, in no order.  Raises OSError."""


@contextmanager
def choose(engine: str, from_ms: int, to_ms: int, master: str, conf: Mapping[str, str]) -> Iterator[Engine]:
    """``local``, ``spark``, or for ``auto`` what suits the number of readings.  Raises Missing."""
    if engine == "auto":
        large = _rows(from_ms, to_ms) > AUTO_ROWS or not master.startswith("local")
        engine = "spark" if large and (not why_not() or not master.startswith("local")) else "local"
    if engine == "local":
        yield Local()
        return
    spark = Spark(master, conf)
    try:
        yield spark
    finally:
        spark.close()


def why_not() -> str:
    """What is missing for Spark on this machine, in one line; empty when nothing is."""
    import importlib.util

    java = shutil.which("java") or (Path(os.environ.get("JAVA_HOME", "/nowhere")) / "bin" / "java")
    if not Path(java).exists():
        return "Spark needs Java 17: apt-get install openjdk-17-jre-headless (or --engine local)"
    if importlib.util.find_spec("pyspark") is None:
        return "Spark needs pyspark: make spark, or pip install 'fengsui[spark]' (or --engine local)"
    return ""


class Local:
    """DuckDB in this process: small jobs, and every job without a cluster."""

    name = "DuckDB in this process"

    def run(self, span: Span, function: Function, schema: pa.Schema) -> pa.Table:
        import duckdb

        for attempt in range(ATTEMPTS):  # a merge may replace a file between asking and reading
            try:
                return _joined(map(function, whole_datastreams(_sorted(span))), schema)
            except (duckdb.IOException, FileNotFoundError) as error:
                if attempt == ATTEMPTS - 1:
                    raise OSError(str(error)) from error
        raise AssertionError("unreachable")


def _sorted(span: Span) -> Iterator[pa.RecordBatch]:
    import duckdb

    files = span.files()
    if not files:
        return
    with duckdb.connect(
        config={"threads": os.cpu_count() or 2, "autoinstall_known_extensions": False}
    ) as database:
        ids = np.zeros(0, np.int32) if span.ids is None else np.asarray(span.ids, np.int32)
        database.register("ids", pa.table({"id": ids}))
        found = database.sql(
            f"""SELECT datastream, time, {VALUE_SQL} AS value, quality
                FROM read_parquet($files, hive_partitioning = false)
                WHERE time >= make_timestamptz($from * 1000) AND time < make_timestamptz($to * 1000)
                  {"" if span.ids is None else "AND datastream IN (SELECT id FROM ids)"}
                ORDER BY datastream, time""",  # noqa: S608 - our own fragments
            params={"files": files, "from": span.from_ms, "to": span.to_ms},
        )
        yield from found.to_arrow_reader(BATCH_ROWS)


class Spark:
    """A Spark session: ``local[*]`` or a cluster whose nodes see the history folder under the same path."""

    def __init__(self, master: str = "local[*]", conf: Mapping[str, str] | None = None) -> None:
        if why := why_not():
            raise Missing(why)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        local = master.startswith("local")
        if local:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        import pyspark
        from pyspark.sql import SparkSession

        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
            **({"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"} if local else {}),
            **(conf or {}),
        }
        builder = SparkSession.builder.master(master).appName("fengsui")
        for key, text in settings.items():
            builder = builder.config(key, text)
        with _quiet():
            self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        self.name = f"Spark {pyspark.__version__} at {master}"

    def run(self, span: Span, function: Function, schema: pa.Schema) -> pa.Table:
        from pyspark.errors import PySparkException
        from pyspark.sql import functions as f
        from pyspark.sql.pandas.types import from_arrow_schema

        sent = pa.schema([pa.field(x.name, _as_spark(x.type)) for x in schema])
        for attempt in range(ATTEMPTS):
            files = span.files()
            if not files:
                return schema.empty_table()
            try:
                readings = self.session.read.parquet(*files)
                readings = readings.withColumn("value", f.expr(VALUE_SQL)).select(*BATCH.names)
                readings = readings.where(
                    (f.col("time") >= f.timestamp_millis(f.lit(span.from_ms)))
                    & (f.col("time") < f.timestamp_millis(f.lit(span.to_ms)))
                )
                if span.ids is not None:
                    ids = self.session.createDataFrame([(int(i),) for i in span.ids], "datastream int")
                    readings = readings.join(f.broadcast(ids), "datastream", "left_semi")
                tasks = max(
                    2 * self.session.sparkContext.defaultParallelism,
                    _rows(span.from_ms, span.to_ms) // ROWS_A_TASK,
                )
                ordered = readings.repartition(tasks, "datastream").sortWithinPartitions("datastream", "time")
                found = ordered.mapInArrow(
                    partial(_on_a_node, function, sent), from_arrow_schema(sent)
                ).toArrow()
                return found.cast(schema)
            except PySparkException as error:
                gone = "FILE_NOT_EXIST" in str(error) or "PATH_NOT_FOUND" in str(error)
                if not gone or attempt == ATTEMPTS - 1:
                    lines = [line for line in str(error).splitlines() if line.strip()]
                    raise OSError(f"Spark: {lines[0]} … {lines[-1]}") from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.session.stop()


def _on_a_node(
    function: Function, sent: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for table in whole_datastreams(batches):
        yield from function(table).cast(sent).to_batches()


def _as_spark(kind: pa.DataType) -> pa.DataType:
    """Spark keeps instants in microseconds."""
    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(kind) else kind


def _joined(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *tables])


def _rows(from_ms: int, to_ms: int) -> int:
    """How many readings the segments of the span hold, at most."""
    from django.db.models import Sum

    from fengsui.stores.history.models import Segment

    found: Any = Segment.objects.filter(first_ms__lt=to_ms, last_ms__gte=from_ms).aggregate(rows=Sum("rows"))
    return int(found["rows"] or 0)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the JVM says while it starts goes nowhere: it is not news to anybody."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    with threading.Lock():
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
