"""DuckDB in process and Spark give equal answers, row for row, and Spark reads the history folder as it is."""

import math

import duckdb
import numpy as np
import pytest

from fengsui.run.spark import answers, engines
from fengsui.run.spark.engines import Local
from fengsui.stores.history.packing import VALUE_SQL
from tests.spark.conftest import DAY, PERIOD_MS, T0, TO

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.django_db]
HOUR = 3_600_000
DRAFT = """
rules:
  - {name: high, kind: h, setpoint: 80, deadband: 2, on_delay: 2m, observed_property: level}
  - {name: jump, kind: rate, setpoint: 0.2, window: 3m, site: plant-1, datastream: T1}
  - {name: mute, kind: silent, window: 30m}
"""


def test_spark_reads_the_history_folder_as_any_parquet_reader_does(region, spark):
    found = spark.session.read.parquet(str(region.catalogue.folder / "readings"))
    assert {"datastream", "time", "value", "quality", "date"} <= set(found.columns)
    days = {str(row["date"]): row["count"] for row in found.groupBy("date").count().collect()}
    assert list(days.values()) == [(len(region.ids) - 1) * DAY // PERIOD_MS] * 2


def test_aggregates_are_equal_on_both_engines(region, spark):
    every_ms = HOUR
    from_ms, to_ms = T0 + HOUR // 2, TO - HOUR // 3
    here = answers.aggregates(Local(), from_ms, to_ms, every_ms, catalogue=region.catalogue)
    there = answers.aggregates(spark, from_ms, to_ms, every_ms, catalogue=region.catalogue)
    assert here.equals(there) and len(here) > 300
    files = region.catalogue.between(from_ms, to_ms)
    plain = duckdb.sql(
        f"""SELECT datastream, epoch_ms(time) // {every_ms} * {every_ms} AS at, count(*), min(v), max(v), avg(v)
            FROM (SELECT *, {VALUE_SQL} AS v FROM read_parquet({files}))
            WHERE epoch_ms(time) >= {from_ms} AND epoch_ms(time) < {to_ms}
              AND quality <> 2 AND NOT isnan(v) GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    usable = here.filter(np.array(here["usable"]) > 0)
    assert len(plain) == len(usable)
    for (stream, at, n, low, high, mean), row in zip(plain, usable.to_pylist(), strict=True):
        assert (stream, at, n) == (row["datastream"], row["time"].timestamp() * 1000, row["usable"])
        assert (low, high) == (row["lowest"], row["highest"]) and math.isclose(mean, row["mean"])


def test_a_back_test_is_equal_on_both_engines_and_hears_the_silent_one(region, spark, tmp_path):
    rules = tmp_path / "draft.yml"
    rules.write_text(DRAFT)
    here = answers.backtest(Local(), T0, TO, rules, catalogue=region.catalogue)
    there = answers.backtest(spark, T0, TO, rules, catalogue=region.catalogue)
    assert here.equals(there)
    raised = {name: here["rule"].to_pylist().count(name) for name in ("high", "jump", "mute")}
    assert raised["high"] > 0 and raised["jump"] > 0 and raised["mute"] == 1
    mute = next(row for row in here.to_pylist() if row["rule"] == "mute")
    assert (mute["site"], mute["datastream"], mute["cleared_at"]) == ("plant-2", "T2", None)
    assert mute["raised_at"].timestamp() * 1000 == T0 + 30 * 60_000
    assert {row["site"] for row in here.to_pylist() if row["rule"] == "jump"} == {"plant-1"}


def test_statistics_are_equal_on_both_engines_and_add_up(region, spark):
    here = answers.statistics(Local(), T0, TO, catalogue=region.catalogue)
    there = answers.statistics(spark, T0, TO, catalogue=region.catalogue)
    assert here.equals(there)
    lines = {(r["division_code"], r["observed_property"]): r for r in here.to_pylist()}
    assert [r["level"] for r in here.to_pylist()] == ["city", "city", "county", "county", "county", "county"]
    assert (lines["420500", "level"]["sites"], lines["420500", "level"]["datastreams"]) == (3, 6)
    assert lines["420503", "level"]["readings"] == 2 * DAY // PERIOD_MS
    assert lines["420503", "level"]["availability"] < 50 < lines["420502", "level"]["availability"] < 100
    for observed in ("level", "pressure"):
        both = [lines[county, observed] for county in ("420502", "420503")]
        for name in ("sites", "datastreams", "readings", "alarms_1", "alarms_3"):
            assert sum(r[name] for r in both) == lines["420500", observed][name]
    assert (lines["420502", "level"]["alarms_1"], lines["420502", "level"]["alarms_3"]) == (1, 2)


def test_nothing_in_the_span_is_an_empty_answer_on_both(region, spark):
    later = (TO + DAY, TO + 2 * DAY)
    for engine in (Local(), spark):
        assert len(answers.aggregates(engine, *later, HOUR, catalogue=region.catalogue)) == 0


def test_what_spark_lacks_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(engines.Missing, match="Java 17: apt-get install openjdk-17-jre-headless"):
        engines.Spark()
    with engines.choose("auto", T0, TO, "local[*]", {}) as engine:
        assert engine.name == "DuckDB in this process"
