"""``fengsui spark`` as a person calls it, on the engine that needs nothing."""

import argparse

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from fengsui.run import spark
from tests.spark.conftest import T0, TO


def call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    spark.add_arguments(parser)
    return spark.run(parser.parse_args(words))


def between(from_ms: int = T0, to_ms: int = TO) -> list[str]:
    from datetime import UTC, datetime

    at = [datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in (from_ms, to_ms)]
    return ["--from", at[0], "--to", at[1], "--engine", "local"]


@pytest.fixture
def history(region, settings):
    settings.HISTORY_ROOT = region.catalogue.folder
    return region


def test_answers_go_into_the_file_that_is_named(history, tmp_path, capsys):
    assert call("aggregates", *between(), "--every", "1d", "--out", str(tmp_path / "a.parquet")) == 0
    assert len(pq.read_table(tmp_path / "a.parquet")) == 2 * (len(history.ids) - 1)
    assert call("statistics", *between(), "--out", str(tmp_path / "s.csv")) == 0
    assert len(pc.read_csv(tmp_path / "s.csv")) == 6
    assert "DuckDB in this process" in capsys.readouterr().err


def test_a_back_test_is_printed_as_csv(history, tmp_path, capfdbinary):
    (tmp_path / "draft.yml").write_text("rules: [{name: high, kind: h, setpoint: 90}]")
    assert call("backtest", str(tmp_path / "draft.yml"), *between()) == 0
    head, *rows = capfdbinary.readouterr().out.decode().splitlines()
    assert head.startswith('"rule","site","datastream","raised_at"') and len(rows) > 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["aggregates", *between(TO, T0)], "--from must be before --to"),
        (["aggregates", *between(), "--every", "10"], "write the unit"),
        (["statistics", *between(), "--out", "a.xlsx"], "ends in .csv or .parquet"),
        (["statistics", "--from", "soon", "--to", "later"], "soon"),
    ],
)
def test_wrong_use_is_said_in_one_line(words, said, capsys):
    assert call(*words) == 2
    err = capsys.readouterr().err
    assert said in err and err.startswith("fengsui spark: ") and err.count("\n") == 1


def test_a_rule_that_fits_nothing_is_refused(history, tmp_path, capsys):
    (tmp_path / "draft.yml").write_text("rules: [{kind: h, setpoint: 9, site: nowhere}]")
    assert call("backtest", str(tmp_path / "draft.yml"), *between()) == 2
    assert "no datastream fits" in capsys.readouterr().err
